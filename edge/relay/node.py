"""The composition root of a relay, `farline relay`: builds the process of its parts and takes it down in order."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
import sys
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from time import monotonic
from typing import Any

from prometheus_client import generate_latest

from edge.config.model import Snapshot
from edge.config.watch import ConfigWatcher
from edge.ingress.handover import Predecessor, Successor, command, notify
from edge.observe.log import RequestLog
from edge.observe.pulse import Pulse
from edge.relay.admin import RelayAdmin
from edge.relay.egress import Egress
from edge.relay.metrics import RelayMetrics
from edge.relay.record import ExecutionRecord
from edge.relay.service import Service
from edge.version import version
from health.lag import MEMORY as LAG_MEMORY
from health.lag import LoopLag
from transport.aio.standard import make_pools
from transport.aio.tasks import TaskOwner
from transport.session.aio.identity import NodeKey
from transport.session.aio.server import Peer, SessionServer
from transport.session.live import LiveSession
from transport.session.values import SessionConfig

log = logging.getLogger("farline.relay")

CLOSE_GRACE = 1.0


class RelayNode:
    """One relay process. Raises BadKey: the node's key can't be read."""

    def __init__(
        self,
        snapshot: Snapshot,
        *,
        successor: Successor | None = None,
        on_ready: Callable[[RelayNode], None] = lambda node: None,
    ) -> None:
        assert snapshot.node.key is not None, "the configuration was checked for it"
        self.snapshot = snapshot
        self.why_not_ready: str | None = "starting"
        self._on_ready = on_ready
        self._successor = successor or Successor({})
        self._stop = asyncio.Event()
        loop = self._loop = asyncio.get_running_loop()
        self.metrics = RelayMetrics()
        self.request_log = RequestLog(sys.stdout, loop)
        self.tasks = TaskOwner("relay")
        self.lag = LoopLag()
        self.pulse = Pulse(loop, self.lag, lambda now, late: None)
        self.pools = make_pools(
            snapshot.lines,
            Egress.of(snapshot).targets,
            observer=self.metrics,
            connect_timeout=snapshot.timeouts.connect,
        )
        self.service = Service(snapshot, self.pools, self.tasks, self)
        self.key = NodeKey.load(snapshot.node.key.value.encode())
        self.server = SessionServer(
            [(address.host, address.port) for address in snapshot.listen.session],
            self.key,
            peers_of(snapshot),
            SessionConfig(bytes(16), bytes(32), snapshot.node.name),
            self.service,
            listening=self._successor.listening,
        )
        self.admin = RelayAdmin(
            lambda: self.service,
            snapshot.admin_keys,
            lambda: self.why_not_ready,
            self._exposition,
            self._about,
        )

    async def run(self) -> None:
        """Serves until SIGTERM or SIGINT, or until a successor has taken over; then drains up to `drain_seconds`.

        Raises:
            OSError: a listener can't be bound.
        """
        async with AsyncExitStack() as stack:
            stack.callback(self.request_log.flush)
            stack.push_async_callback(self.pools.close, CLOSE_GRACE)
            stack.push_async_callback(self.tasks.close)
            stack.callback(self.service.close)
            self.pulse.start()
            stack.callback(self.pulse.stop)
            self.pools.start()
            await self._successor.take_over()
            self._successor.released()  # nobody waits for that
            await self.server.start()
            stack.push_async_callback(self.server.close)
            stack.push_async_callback(self._drain)
            await self.admin.start(self.snapshot.listen.admin)
            stack.push_async_callback(self.admin.close)
            if self.snapshot.source is not None:
                self.tasks.start(ConfigWatcher(self.snapshot.source, self.snapshot, self._reload).run())
            with _signals(self._loop, {signal.SIGTERM: self.stop, signal.SIGINT: self.stop, signal.SIGUSR2: self.hand}):
                self.why_not_ready = None
                notify("READY=1", f"MAINPID={os.getpid()}")
                self._on_ready(self)
                await self._stop.wait()

    def stop(self) -> None:
        """Begins the drain. A second call does nothing more."""
        self._stop.set()

    def hand(self) -> None:
        """Starts a successor; when it is ready, this process drains."""
        if self.snapshot.source is not None and self.why_not_ready is None:
            self.why_not_ready = "handing over"
            self.tasks.start(self._hand_over(self.snapshot.source))

    async def _hand_over(self, source: str) -> None:
        predecessor = Predecessor(command("relay", source))
        pid = await predecessor.start(self.server.listening)
        if pid is None:
            self.why_not_ready = None
            return
        log.info("process %d takes over; this one ends %d sessions", pid, len(self.server.sessions))
        await self.admin.close()
        self.server.hold()
        predecessor.go()
        self.stop()

    async def _drain(self) -> None:
        """Streams that are open finish; nothing new begins."""
        self.why_not_ready = "draining"
        self.server.drain("the relay restarts")
        limit = self.snapshot.limits.drain_seconds
        log.info("draining: %d streams, up to %g s", self.service.streams.total(), limit)
        await self.service.idle(limit)

    def _reload(self, new: Snapshot, old: Snapshot) -> None:
        """A new snapshot. What executes goes on as it began."""
        self.pools.update(new.lines, Egress.of(new).targets)
        self.service.configure(new)
        self.server.update_peers(peers_of(new))
        names = {edge.id for edge in new.edges}
        for session in self.server.sessions:
            if session.peer not in names:
                session.drain("this edge has another name now")
        if new.admin_keys != old.admin_keys:
            self.admin.renew(new.admin_keys)
        self.snapshot = new

    # --- Watcher ---

    def on_execution(self, record: ExecutionRecord) -> None:
        self.metrics.count(record)
        self.request_log.write(record)
        self.admin.latest.append(record)

    def on_repetition(self, edge: str, kind: str) -> None:
        self.metrics.repetitions.by[(edge, kind)] += 1

    def on_session_over(self, session: LiveSession, code: int, reason: str) -> None:
        self.metrics.tallies.over(session)
        self.metrics.sessions_over.by[(session.peer, str(code))] += 1
        log.info("session of %s over: %s (%d)", session.peer, reason or "in order", code)

    def on_suspected(self, session: LiveSession, line: str) -> None:
        self.metrics.on_suspected(session.peer, line)

    def on_carrier_lost(self, session: LiveSession, line: str) -> None:
        self.metrics.on_carrier_lost(session.peer, line)

    # --- what is asked of it ---

    def _exposition(self) -> bytes:
        metrics = self.metrics
        metrics.config_generation.set(self.snapshot.generation)
        metrics.loop_lag.set(self.lag.worst(monotonic() - LAG_MEMORY))
        metrics.show(self.service, self.pools.stats())
        return generate_latest(metrics.registry)

    def _about(self) -> dict[str, Any]:
        return {
            "name": self.snapshot.node.name,
            "role": "relay",
            "region": self.snapshot.node.region,
            "version": version(),
            "fingerprint": self.key.fingerprint,
            "generation": self.snapshot.generation,
            "listens": [f"{host}:{port}" for host, port in self.server.bound],
            "edges": [edge.id for edge in self.snapshot.edges],
            "refused": dict(self.server.refused),
            "why_not_ready": self.why_not_ready,
        }


def peers_of(snapshot: Snapshot) -> dict[str, Peer]:
    """Who may join, by the fingerprint of their key."""
    return {edge.fingerprint: Peer(edge.id, edge.max_streams) for edge in snapshot.edges}


@contextmanager
def _signals(loop: asyncio.AbstractEventLoop, handlers: dict[signal.Signals, Callable[[], None]]) -> Iterator[None]:
    """Signals call their handlers while the context lasts."""
    for number, handler in handlers.items():
        loop.add_signal_handler(number, handler)
    try:
        yield
    finally:
        for number in handlers:
            loop.remove_signal_handler(number)
