"""The provider as one thing: listeners, switches, counts."""

from __future__ import annotations

import asyncio
import socket
import ssl
import tempfile
from collections import deque
from collections.abc import Mapping
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from aiohttp import web
from aioquic.asyncio.server import QuicServer

from netem.provider.aio import certs, control, h3
from netem.provider.aio.front import Front, Inner
from netem.provider.aio.h1 import H1
from netem.provider.aio.h2 import H2
from netem.provider.aio.node import Node
from netem.provider.app import App
from netem.provider.ledger import Ledger, Record, Rule
from netem.provider.sim import DEFAULT, Sim, from_header, from_mapping

_BIND_TRIES = 20


class FakeProvider:
    """A provider on `host`. Port 0 picks free ones; h3 shares the TCP port's number.

    Args:
        tls: TLS with HTTP/1.1 and HTTP/2 by ALPN, else plain (HTTP/2 by prior knowledge).
        h3: HTTP/3 too (needs `tls`).
        cert, key: PEM files; without them a CA is made, see `ca_file`.
        names: host names and addresses in the made certificate.
        sim: defaults for every request, as an `x-sim` string, a mapping or a Sim.
        alt_svc: send `alt-svc: h3=":port"`.
        protocols: what ALPN offers over TCP.
        h2_max_streams: SETTINGS_MAX_CONCURRENT_STREAMS.
        log_size: records kept.
        control_port: of the control plane; None: none.
    """

    def __init__(
        self,
        host: str = "127.0.0.1",
        port: int = 0,
        *,
        tls: bool = False,
        h3: bool = False,
        cert: str | None = None,
        key: str | None = None,
        names: tuple[str, ...] = ("localhost", "127.0.0.1", "::1"),
        sim: str | Mapping[str, Any] | Sim = DEFAULT,
        alt_svc: bool = False,
        protocols: tuple[str, ...] = ("h2", "http/1.1"),
        h2_max_streams: int = 1000,
        log_size: int = 10_000,
        control_port: int | None = 0,
        control_host: str = "127.0.0.1",
    ) -> None:
        if h3 and not tls:
            raise ValueError("HTTP/3 needs tls=True")
        if (cert is None) != (key is None):
            raise ValueError("cert and key go together")
        self.host, self.port = host, port
        self.is_tls = tls
        self.ca_file: str | None = None
        self.control_url: str | None = None
        self.ledger = Ledger(log_size)
        self._defaults = _sim(sim)
        self._cert, self._key, self._names = cert, key, names
        self._with_h3, self._alt_svc, self._protocols = h3, alt_svc, protocols
        self._max_streams = h2_max_streams
        self._control = (control_host, control_port)
        self._fronts: set[Front] = set()
        self._folder: tempfile.TemporaryDirectory[str] | None = None
        self._context: ssl.SSLContext | None = None
        self._server: asyncio.Server | None = None
        self._quic: QuicServer | None = None
        self._runner: web.AppRunner | None = None
        self._node: Node | None = None

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def start(self) -> None:
        """Listen.

        Raises:
            OSError: a port is taken.
        """
        self._node = Node(App(self._defaults, self.ledger), asyncio.get_running_loop())
        if self.is_tls:
            self._prepare_tls()
        await self._bind()
        if self._alt_svc and self._with_h3:
            self._node.app.headers = (("alt-svc", f'h3=":{self.port}"; ma=3600'),)
        if self._control[1] is not None:
            self._runner, port = await control.listen(self, self._control[0], self._control[1])
            self.control_url = f"http://{self._control[0]}:{port}"

    async def stop(self) -> None:
        """Close everything at once."""
        await self._unlisten()
        for front in list(self._fronts):
            front.reset()
        if self._quic is not None:
            self._quic.close()
        if self._runner is not None:
            await self._runner.cleanup()
        if self._node is not None:
            self._node.wheel.close()
        await asyncio.sleep(0)  # the aborted transports' connection_lost
        if self._folder is not None:
            self._folder.cleanup()

    # where

    @property
    def authority(self) -> str:
        return f"[{self.host}]:{self.port}" if ":" in self.host else f"{self.host}:{self.port}"

    @property
    def url(self) -> str:
        return f"{'https' if self.is_tls else 'http'}://{self.authority}"

    @property
    def has_h3(self) -> bool:
        return self._quic is not None

    # what happened

    @property
    def log(self) -> deque[Record]:
        return self.ledger.log

    def executions(self, request_id: str) -> int:
        """How often the request was executed, that is: would have been billed."""
        return self.ledger.executions(request_id)

    def counters(self) -> dict[str, Any]:
        failures = self._node.wheel.failures if self._node else 0
        return {**self.ledger.counters(), "open_connections": len(self._fronts), "failures": failures}

    # what shall happen

    def rule(self, sim: str, source: str = "", path: str = "", times: int = 0) -> None:
        """Add a standing order.

        Raises:
            SimError: `sim` can't be obeyed.
        """
        self.ledger.set_rules([*self.ledger.rules, Rule(sim, source, path, times)])

    def blackhole(self, *sources: str) -> None:
        """Fall silent towards exactly these addresses ("*": all); none: hear everyone again."""
        access = self._running().access
        access.blackhole = set(sources)
        for front in list(self._fronts):
            front.set_dark(access.is_dark(front.source))

    def reset_sources(self, *sources: str) -> None:
        """Reset what these addresses have open and whatever they open; none: stop that."""
        access = self._running().access
        access.reset = set(sources)
        for front in list(self._fronts):
            if access.is_reset(front.source):
                front.reset()

    async def refuse(self, refuse: bool) -> None:
        """Stop listening on TCP (connections stay), or listen again."""
        if refuse:
            await self._unlisten()
        elif self._server is None:
            await self._listen(self.port)
        self._running().access.refuse = refuse

    async def clear_faults(self) -> None:
        self.ledger.set_rules([])
        self.blackhole()
        self.reset_sources()
        await self.refuse(False)

    def faults(self) -> dict[str, Any]:
        access = self._running().access
        rules = [{"sim": r.sim, "source": r.source, "path": r.path, "times": r.times} for r in self.ledger.rules]
        return {
            "rules": rules,
            "blackhole": sorted(access.blackhole),
            "reset": sorted(access.reset),
            "refuse": access.refuse,
        }

    def close_connections(self) -> None:
        """Close every TCP connection (FIN), as a restarting server would."""
        for front in list(self._fronts):
            front.close()

    def _running(self) -> Node:
        if self._node is None:
            raise RuntimeError("the provider isn't started")
        return self._node

    def _prepare_tls(self) -> None:
        if self._cert is None or self._key is None:
            self._folder = tempfile.TemporaryDirectory(prefix="farline-provider-")
            made = certs.make(Path(self._folder.name), tuple(dict.fromkeys((*self._names, self.host))))
            self.ca_file, self._cert, self._key = made
        self._context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
        self._context.load_cert_chain(self._cert, self._key)
        self._context.set_alpn_protocols(list(self._protocols))

    async def _bind(self) -> None:
        """TCP and UDP on one number: a free TCP port may be taken on UDP, then try the next."""
        tries = _BIND_TRIES if self.port == 0 and self._with_h3 else 1
        for attempt in range(tries):
            await self._listen(self.port)
            assert self._server is not None
            port = int(self._server.sockets[0].getsockname()[1])
            try:
                if self._with_h3:
                    self._quic = await h3.listen(self._running(), self.host, port, self._cert or "", self._key or "")
            except OSError:
                await self._unlisten()
                if attempt + 1 == tries:
                    raise
            else:
                self.port = port
                return

    async def _listen(self, port: int) -> None:
        node, context = self._running(), self._context

        def inner(front: Front, protocol: str) -> Inner:
            return H2(front, node, self._max_streams) if protocol == "h2" else H1(front, node)

        def accept() -> Front:
            return Front(node.access, self._fronts, context, inner, self.ledger.opened())

        self._server = await node.loop.create_server(
            accept, self.host, port, backlog=4096, family=socket.AF_INET6 if ":" in self.host else socket.AF_INET
        )

    async def _unlisten(self) -> None:
        """Close the listening sockets. `Server.wait_closed` would wait for the connections too."""
        if self._server is not None:
            self._server.close()
            self._server = None
            await asyncio.sleep(0)


def _sim(given: str | Mapping[str, Any] | Sim) -> Sim:
    if isinstance(given, Sim):
        return given
    return from_header(given) if isinstance(given, str) else from_mapping(given)
