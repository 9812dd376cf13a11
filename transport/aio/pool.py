"""All pools of a node: finds the pool of a path; reload, maintenance, statistics, shutdown."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Iterable

from transport.aio.dial import Dialer
from transport.aio.openers import Openers
from transport.aio.path_pool import ConnectionStat, PathPool, tcp_offer, usable_protocols
from transport.aio.resolver import Resolver
from transport.aio.tasks import TaskOwner
from transport.connector import NullObserver, TransportObserver
from transport.exchange import Connection
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.path import Line, Path, Protocol, Target
from transport.pool import PoolPolicy

_LAST_WORDS = 0.01  # seconds in which aborted sockets are really closed
_SWEEP = 1.0  # seconds between two rounds of maintenance
_LOOK = 0.1  # seconds between two looks at busy connections


class Pools:
    """All pools of a node. Implements `transport.connector.Connector`; belongs to one event loop."""

    def __init__(
        self,
        lines: Iterable[Line],
        targets: Iterable[Target],
        *,
        openers: Openers,
        resolver: Resolver | None = None,
        observer: TransportObserver | None = None,
        connect_timeout: float = 5.0,
        policy: PoolPolicy | None = None,
    ) -> None:
        """`connect_timeout` seconds bound each dial, from name resolution to a ready connection, and each wait."""
        self._lines = {line.id: line for line in lines}
        self._targets = {target.id: target for target in targets}
        self._resolver = resolver or Resolver()
        self._observer = observer or NullObserver()
        self._policy = policy
        self._dialer = Dialer(openers, self._resolver, connect_timeout)
        self._tasks = TaskOwner("dial")
        self._pools: dict[Path, PathPool] = {}
        self._leaving: set[PathPool] = set()
        self._timer: asyncio.TimerHandle | None = None
        self._looks = 0
        self._emptied = asyncio.Event()

    def take(self, path: Path, only: Protocol | None = None) -> Connection | None:
        """See `Connector.take`. An unknown path has no connections."""
        pool = self._pools.get(path)
        return None if pool is None else pool.take(only)

    async def connect(self, path: Path, only: Protocol | None = None) -> Connection:
        """See `Connector.connect`. Waiting in vain for `max_connections` fails with origin EDGE."""
        pool = self._pools.get(path) or self._make_pool(path)
        return await pool.connect(only)

    @property
    def dialer(self) -> Dialer:
        """For checks that open connections of their own: same names, same trust stores."""
        return self._dialer

    def start(self) -> None:
        """Warms every path to its floor and begins the maintenance rounds. Call on the event loop, once."""
        for line in self._lines.values():
            for target in self._targets.values():
                path = Path(line.id, target.id)
                if target.keep_warm and path not in self._pools:
                    self._make_pool(path)
                if target.tls:
                    offer = tcp_offer(usable_protocols(line, target, self._dialer.openers))
                    self._tasks.start(self._dialer.prepare(target, offer))
        self._sweep()
        self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)

    def update(self, lines: Iterable[Line], targets: Iterable[Target]) -> None:
        """A reload: what is gone or dials differently drains; new floors are warmed at once."""
        self._lines = {line.id: line for line in lines}
        self._targets = {target.id: target for target in targets}
        for path, pool in list(self._pools.items()):
            line, target = self._lines.get(path.line), self._targets.get(path.endpoint)
            if line is not None and target is not None and _is_same(pool, line, target):
                pool.resize(target)
            else:
                del self._pools[path]
                self._leaving.add(pool)
                pool.drain()
        if self._timer is not None:
            self._timer.cancel()
            self.start()

    def ask(self, line: str) -> None:
        """The line is suspected: its connections that can ask whether it is alive do so now."""
        for pool in self._pools.values():
            if pool.line.id == line:
                pool.ask()

    async def close(self, grace: float) -> None:
        """Ends all: idle connections now, others when their exchange ends or after `grace` seconds."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        pools = self._leaving | set(self._pools.values())
        for pool in pools:
            pool.drain()
        await self._wait_until_empty(pools, grace)
        await self._tasks.close()
        for pool in pools:
            pool.abort()
        await self._wait_until_empty(pools, 1.0)
        await asyncio.sleep(_LAST_WORDS)
        await self._resolver.close()
        self._pools.clear()
        self._leaving.clear()

    async def _wait_until_empty(self, pools: Iterable[PathPool], timeout: float) -> None:
        try:
            async with asyncio.timeout(timeout):
                while not all(pool.is_empty for pool in pools):
                    self._emptied.clear()
                    await self._emptied.wait()
        except TimeoutError:
            pass

    def stats(self) -> list[ConnectionStat]:
        """What every pool holds, those that drain included."""
        return [stat for pool in [*self._pools.values(), *self._leaving] for stat in pool.stats()]

    def doubt(self, line: str) -> None:
        """The line is down: its connections must show that they are alive before they are used again, or go."""
        for pool in self._pools.values():
            if pool.line.id == line:
                pool.doubt()

    def warm(self, line: str) -> None:
        """The line is back: its floors are reached at once, however long the pause after failures would have been."""
        for pool in self._pools.values():
            if pool.line.id == line:
                pool.warm()

    def _make_pool(self, path: Path) -> PathPool:
        line, target = self._lines.get(path.line), self._targets.get(path.endpoint)
        if line is None or target is None or path.relay is not None:
            raise TransportError(
                Failure(Origin.EDGE, Verdict.SAFE, Code.PROXY_CONFIGURATION_ERROR, f"no such path: {path}")
            )
        pool = PathPool(
            line, target, self._dialer, self._tasks, self._observer, self._emptied.set, self._doubt, self._policy
        )
        self._pools[path] = pool
        return pool

    def _doubt(self, pool: PathPool, failure: Failure) -> None:
        """A connection broke. Silence speaks against all that use the line, a reset or an untimely end only against
        those beside it: the far end may be gone."""
        for other in self._pools.values():
            if other is pool or (failure.code == Code.CONNECTION_TIMEOUT and other.line.id == pool.line.id):
                other.doubt()

    def _sweep(self) -> None:
        now = time.monotonic()
        for pool in self._pools.values():
            pool.sweep(now, _SWEEP)
        self._leaving = {pool for pool in self._leaving if not pool.is_empty}

    def _look(self) -> None:
        """Between two sweeps: how are the connections that carry exchanges?"""
        self._timer = asyncio.get_running_loop().call_later(_LOOK, self._look)  # first: whatever happens below
        self._looks += 1
        if self._looks * _LOOK >= _SWEEP:
            self._looks = 0
            self._sweep()
            return
        now = time.monotonic()
        for pool in self._pools.values():
            pool.sample_busy(now)


def _is_same(pool: PathPool, line: Line, target: Target) -> bool:
    """Would new connections be dialed as the pool's were?"""

    def route(line: Line) -> tuple[str | None, ...]:
        return (line.source, line.interface, line.proxy, line.congestion)

    def end(target: Target) -> tuple[object, ...]:
        return (target.host, target.port, target.tls, target.protocols, target.ca_file)

    return route(pool.line) == route(line) and end(pool.target) == end(target)
