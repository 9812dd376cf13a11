"""The listeners of one process, their connections, and how they end."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import socket
import ssl
import time
from collections.abc import Sequence
from dataclasses import dataclass

from edge.config.model import Limits, Listen, TlsFiles
from edge.ingress.connection import Handler, IngressConnection, Service
from edge.ingress.reply import ErrorRenderer, plain_error
from edge.ingress.sockets import BACKLOG, adopted, open_listener

logger = logging.getLogger("farline.ingress")

SWEEP_SECONDS = 1.0
"""All connections are looked at once in so long: how late a deadline may be noticed."""

FIRST_REQUEST_SECONDS = 5.0
"""For the first request on a connection that was accepted just before the listeners closed."""

SWEEP_PORTION = 256
"""Connections looked at without letting anything else run: 256 take about 0.2 ms."""


@dataclass(frozen=True, slots=True)
class IngressCounts:
    """What the listeners hold now, and counters since the start."""

    open: int
    idle: int
    active: int
    accepted: int
    requests: int
    refused: int
    handler_failures: int


class Ingress:
    """Listens on `listen.data` and runs `handler` on every request.

    `render_error(status, detail, target)` makes the bodies of replies that never reach the handler.
    `reuse_port` lets other processes listen on the same ports; the kernel spreads the connections.
    `given`: listening sockets to use for those of the addresses that they are bound to.
    """

    def __init__(
        self,
        listen: Listen,
        limits: Limits,
        handler: Handler,
        *,
        render_error: ErrorRenderer = plain_error,
        reuse_port: bool = False,
        given: Sequence[socket.socket] = (),
        sweep_seconds: float = SWEEP_SECONDS,
    ) -> None:
        self._listen = listen
        self._limits = limits
        self._handler = handler
        self._render_error = render_error
        self._reuse_port = reuse_port
        self._given = list(given)
        self._is_handed_over = False
        self._sweep_seconds = sweep_seconds
        self._service: Service | None = None
        self._servers: list[asyncio.Server] = []
        self._tls: _Tls | None = None
        self._sweeper: asyncio.Task[None] | None = None
        self._empty: asyncio.Event = asyncio.Event()
        self.listening: list[socket.socket] = []
        self.addresses: list[tuple[str, int]] = []  # what the listeners are bound to; a unix socket's port is 0

    async def start(self) -> None:
        """Binds all addresses and accepts.

        Raises:
            OSError: an address can't be bound, or a certificate file can't be read.
            ssl.SSLError: the certificate or key is malformed, or they don't belong together.
        """
        loop = asyncio.get_running_loop()
        self._service = service = Service(self._limits, self._handler, self._render_error)
        service.on_empty = self._empty.set
        if self._listen.tls is not None:
            self._tls = _Tls(self._listen.tls)
        sockets = self._open_sockets()
        for sock in sockets:
            server = await loop.create_server(
                lambda: IngressConnection(service),
                sock=sock,
                backlog=BACKLOG,
                ssl=self._tls.context if self._tls is not None else None,
                ssl_handshake_timeout=self._limits.client_header_seconds if self._tls is not None else None,
                ssl_shutdown_timeout=5.0 if self._tls is not None else None,
            )
            self._servers.append(server)
        self._sweeper = loop.create_task(self._sweep(service))

    def _open_sockets(self) -> list[socket.socket]:
        sockets = self.listening
        try:
            for address in self._listen.data:
                sockets += adopted(self._given, address) or [
                    open_listener(address, reuse_port=self._reuse_port, write_seconds=self._limits.client_write_seconds)
                ]
                self.addresses.append((address.host, 0) if address.unix else sockets[-1].getsockname()[:2])
        except OSError:
            for sock in sockets:
                sock.close()
            raise
        for sock in self._given:  # of addresses that the configuration no longer has
            sock.close()
        return sockets

    def hand_over(self) -> None:
        """Accepts no more: the listening sockets are another process's now."""
        self._is_handed_over = True
        self._stop_accepting()

    def reload(self, limits: Limits) -> None:
        """New limits, from the next request on; and the certificate as `reload_tls` does.

        Raises:
            OSError, ssl.SSLError: as `reload_tls`; the limits are not changed then.
        """
        self.reload_tls()
        self._limits = limits
        if self._service is not None:
            self._service.limits = limits

    def reload_tls(self) -> None:
        """Reads certificate and key again; connections that are open keep theirs.

        Raises:
            OSError, ssl.SSLError: as `start`; then the old certificate stays in use.
        """
        if self._tls is not None:
            self._tls.reload()

    @property
    def counts(self) -> IngressCounts:
        service = self._service
        if service is None:
            return IngressCounts(0, 0, 0, 0, 0, 0, 0)
        return IngressCounts(
            open=len(service.connections),
            idle=len(service.connections) - service.active,
            active=service.active,
            accepted=service.accepted,
            requests=service.requests,
            refused=service.refused,
            handler_failures=service.tasks.failures,
        )

    async def drain(self, seconds: float) -> int:
        """Stops accepting, lets the requests in hand finish for up to `seconds`, then aborts the rest and stops.

        Returns how many requests were cut off.
        """
        service = self._service
        if service is None:
            return 0
        self._stop_accepting()
        service.is_draining = True
        for connection in list(service.connections):
            connection.close_if_idle()
        await self._emptied(service, min(FIRST_REQUEST_SECONDS, seconds))
        for connection in list(service.connections):
            connection.close_if_idle(is_new=True)
        await self._emptied(service, seconds - min(FIRST_REQUEST_SECONDS, seconds))
        cut = service.active
        for connection in list(service.connections):
            connection.abort()
        await service.tasks.close()
        await self._stop_sweeping()
        self._service = None
        return cut

    async def _emptied(self, service: Service, seconds: float) -> None:
        """Until no connection is left, or so many seconds are over."""
        if service.connections:
            self._empty.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._empty.wait(), seconds)

    async def stop(self) -> None:
        """Stops at once."""
        await self.drain(0.0)

    def _stop_accepting(self) -> None:
        for server in self._servers:
            server.close()
        self._servers.clear()
        for address in self._listen.data:
            if address.unix and not self._is_handed_over:
                with contextlib.suppress(FileNotFoundError):
                    os.unlink(address.host)

    async def _stop_sweeping(self) -> None:
        if self._sweeper is not None:
            self._sweeper.cancel()
            await asyncio.wait([self._sweeper])
            self._sweeper = None

    async def _sweep(self, service: Service) -> None:
        while True:
            await asyncio.sleep(self._sweep_seconds)
            connections = list(service.connections)
            for begin in range(0, len(connections), SWEEP_PORTION):
                now = time.monotonic()
                for connection in connections[begin : begin + SWEEP_PORTION]:
                    try:
                        connection.sweep(now)
                    except Exception:  # a task's root: one connection must not end the sweep of all
                        logger.exception("a connection's deadline could not be enforced")
                await asyncio.sleep(0)


class _Tls:
    """A server context whose certificate can be replaced while it serves.

    The context that listens asks for the present one in each handshake (its SNI callback runs with or without SNI),
    so a reload is one assignment and a pair of files that doesn't fit together changes nothing.
    """

    def __init__(self, files: TlsFiles) -> None:
        self._files = files
        self._present = _server_context(files)
        self.context = _server_context(files)
        self.context.sni_callback = self._choose

    def _choose(self, tls: ssl.SSLObject, server_name: str | None, context: ssl.SSLContext) -> None:
        tls.context = self._present

    def reload(self) -> None:
        self._present = _server_context(self._files)


def _server_context(files: TlsFiles) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.minimum_version = ssl.TLSVersion.TLSv1_2
    context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
    context.set_alpn_protocols(["http/1.1"])
    context.load_cert_chain(files.cert, files.key)
    return context
