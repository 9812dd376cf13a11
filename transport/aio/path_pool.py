"""The pool of one line to one target: performs what `transport.pool` and `transport.fallback` decide."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections import deque
from collections.abc import Callable
from dataclasses import dataclass
from itertools import islice
from weakref import WeakSet

from transport.aio.dial import Dialed, Dialer
from transport.aio.openers import Openers
from transport.aio.tasks import TaskOwner
from transport.aio.tls import ResumingContext, saved_session
from transport.connector import TransportObserver
from transport.dialing import endpoint_fault, line_fault
from transport.exchange import Connection
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.fallback import TCP_PROTOCOLS, Fallback, parse_alt_svc
from transport.path import Line, Path, Protocol, Target
from transport.pool import PoolPolicy, Shelf

# Seconds between attempts to reach the floor of ready connections while dials fail.
_FIRST_WARM_PAUSE = 1.0
_LONGEST_WARM_PAUSE = 60.0

_SAMPLED = 4  # busy connections of a path that are looked at each time: all see the same line…
_SOUGHT = 16  # …and idle ones among which one is sought that has something to tell

_PATIENCE = 0.2  # seconds: a dial's own timeout comes first, for it tells more than that of those who wait

# Seconds after which a resumed connection's TLS session replaces the saved one. Tickets live for hours, and taking a
# session out of Python's ssl costs 0.5 ms of CPU.
_SESSION_REFRESH = 600.0


@dataclass(frozen=True, slots=True)
class ConnectionStat:
    """Connections of one protocol between a line and an endpoint. `active` ones carry exchanges or are reserved."""

    line: str
    endpoint: str
    protocol: Protocol
    idle: int
    active: int
    dialing: int


class _Waiter:
    __slots__ = ("future", "only")

    def __init__(self, only: Protocol | None, future: asyncio.Future[Connection]) -> None:
        self.only = only
        self.future = future


class PathPool:
    """The connections of one line to one target. Implements `transport.connector.ConnectionOwner`."""

    def __init__(
        self,
        line: Line,
        target: Target,
        dialer: Dialer,
        tasks: TaskOwner,
        observer: TransportObserver,
        on_empty: Callable[[], None],
        on_broken: Callable[[PathPool, Failure], None],
        policy: PoolPolicy | None = None,
    ) -> None:
        """`on_empty` is called when the last connection of a draining pool has gone, `on_broken` when one was lost
        in a way that casts doubt on others."""
        self.line = line
        self.target = target
        self.path = Path(line.id, target.id)
        self._dialer = dialer
        self._tasks = tasks
        self._observer = observer
        self._on_empty = on_empty
        self._on_broken = on_broken
        protocols = usable_protocols(line, target, dialer.openers)
        self._fallback = Fallback(protocols)
        self._shelf = Shelf(protocols, target.keep_warm, target.max_connections, policy)
        self._waiters: deque[_Waiter] = deque()
        self._connections: set[Connection] = set()
        self._parting: WeakSet[Connection] = WeakSet()  # closed in order: TLS may still be saying farewell
        self._awaited: dict[Connection, tuple[ssl.SSLObject, ResumingContext]] = {}  # no session saved yet
        self._sessions: dict[ResumingContext, ssl.SSLSession] = {}
        self._session_due_at = 0.0
        self._ticket: object | None = None
        self._warm_at = 0.0
        self._warm_pause = 0.0
        self._is_short = False  # somebody has just found no connection
        self._closing = False

    # what the edge asks

    def take(self, only: Protocol | None) -> Connection | None:
        """A warm connection with a slot reserved, or None."""
        connection = self._shelf.take(only, time.monotonic())
        if connection is not None:
            connection.reserve()
        self._is_short = connection is None
        return connection

    async def connect(self, only: Protocol | None) -> Connection:
        """A connection with a slot reserved. Raises TransportError."""
        was_short, connection = self._is_short, self.take(only)
        if connection is not None:
            if was_short and connection.protocol is Protocol.H1:  # one came back; but the pool makes requests wait
                self._grow(only, 1)
            return connection
        waiter = _Waiter(only, asyncio.get_running_loop().create_future())
        self._waiters.append(waiter)
        self._grow(only)
        try:
            async with asyncio.timeout(self._dialer.timeout + _PATIENCE):
                return await waiter.future
        except TimeoutError:
            raise TransportError(self._too_late(only)) from None
        except asyncio.CancelledError:
            if waiter.future.done() and not waiter.future.cancelled() and waiter.future.exception() is None:
                waiter.future.result().release()  # it was handed over at the moment of the cancellation
            raise
        finally:
            if waiter in self._waiters:
                self._waiters.remove(waiter)

    def _too_late(self, only: Protocol | None) -> Failure:
        if self._shelf.dialing(only) or self._shelf.room(only) > 0:
            return line_fault(Code.CONNECTION_TIMEOUT, f"no connection in {self._dialer.timeout:g} s")
        return Failure(Origin.EDGE, Verdict.SAFE, Code.CONNECTION_LIMIT_REACHED, "max_connections are all in use")

    # growing

    def _grow(self, only: Protocol | None, waiting: int = 0) -> None:
        waiting += sum(waiter.only is only for waiter in self._waiters)
        for _ in range(self._shelf.dials_wanted(only, waiting)):
            self._begin_dial(only)

    def _begin_dial(self, only: Protocol | None) -> None:
        self._shelf.dial_began(only)
        self._tasks.start(self._dial(only))

    async def _dial(self, only: Protocol | None) -> None:
        """One dial, h3 and TCP side by side if the plan says so; its connections join the pool."""
        plan = self._fallback.plan(time.monotonic(), only)
        failure: Failure | None = None
        try:
            if plan.quic and plan.offer:
                failure = await self._race(plan.offer, plan.head_start)
            elif plan.quic:
                failure = await self._try_quic()
            elif plan.offer:
                failure = await self._try_tcp(plan.offer)
            else:
                failure = endpoint_fault(Code.DESTINATION_UNAVAILABLE, f"the endpoint isn't configured for {only}")
        finally:
            self._shelf.dial_ended(only)
        self._dial_settled(only, failure)

    async def _race(self, offer: tuple[Protocol, ...], head_start: float) -> Failure | None:
        """h3 first, TCP when it failed or after the head start. The first that is up ends the wait, not the other."""
        up: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        quic_settled = asyncio.Event()
        outcomes: dict[bool, Failure | None] = {}  # by "is it h3?"

        def settle(is_quic: bool, failure: Failure | None) -> None:
            outcomes[is_quic] = failure
            if not up.done() and (failure is None or len(outcomes) == 2):
                up.set_result(None)
            if len(outcomes) == 2 and outcomes[True] is not None and outcomes[False] is None:
                self._fallback.failed(Protocol.H3, time.monotonic())  # where TCP gets through, UDP doesn't

        async def quic() -> None:
            settle(True, await self._try_quic())
            quic_settled.set()

        async def tcp() -> None:
            try:
                async with asyncio.timeout(head_start):
                    await quic_settled.wait()
            except TimeoutError:
                pass
            if not up.done():
                settle(False, await self._try_tcp(offer))

        self._tasks.start(quic())
        self._tasks.start(tcp())
        await up
        return None if None in outcomes.values() else outcomes[False]

    async def _try_quic(self) -> Failure | None:
        try:
            dialed = await self._dialer.dial_quic(self.line, self.target, self, self._ticket, self._keep_ticket)
        except TransportError as error:
            return self._report(error.failure)
        return self._joined(dialed)

    async def _try_tcp(self, offer: tuple[Protocol, ...]) -> Failure | None:
        try:
            dialed = await self._dialer.dial_tcp(self.line, self.target, offer, self, self._sessions)
        except TransportError as error:
            return self._report(error.failure)
        return self._joined(dialed)

    def _report(self, failure: Failure) -> Failure:
        self._observer.on_dial_failed(self.path, failure)
        return failure

    def _keep_ticket(self, ticket: object) -> None:
        self._ticket = ticket

    def _joined(self, dialed: Dialed) -> Failure | None:
        """A connection is up. One that is dead or refuses exchanges already is a failed dial: else it would be dialed
        again and again for those who wait."""
        connection = dialed.connection
        if not connection.has_slot():
            connection.abort()
            return self._report(line_fault(Code.CONNECTION_TERMINATED, "closed by the peer as soon as it was up"))
        self._fallback.succeeded(connection.protocol)
        self._warm_pause = 0.0
        self._connections.add(connection)
        now = time.monotonic()
        is_due = not dialed.resumed or now >= self._session_due_at
        if dialed.tls is not None and dialed.context is not None and is_due:
            self._awaited[connection] = (dialed.tls, dialed.context)
        self._observer.on_dialed(self.path, connection.protocol, dialed.seconds, dialed.resumed)
        if self._closing and not self._waiters:
            connection.close()
        else:
            self._shelf.add(connection, now)
            self._serve()
        return None

    def _dial_settled(self, only: Protocol | None, failure: Failure | None) -> None:
        if failure is not None:
            self._warm_pause = min(self._warm_pause * 2 or _FIRST_WARM_PAUSE, _LONGEST_WARM_PAUSE)
            self._warm_at = time.monotonic() + self._warm_pause
            self._disappoint(only, failure)
        self._grow_for_all()

    def _disappoint(self, only: Protocol | None, failure: Failure) -> None:
        """The failed dial's share of those who wait learn of it: those that no other dial is for."""
        share = self._shelf.share(only)
        group = [waiter for waiter in self._waiters if waiter.only is only]
        spared = self._shelf.dialing(only) * share
        for waiter in group[: max(0, min(share, len(group) - spared))]:
            self._waiters.remove(waiter)
            if not waiter.future.done():
                waiter.future.set_exception(TransportError(failure))

    def _grow_for_all(self) -> None:
        for only in {waiter.only for waiter in self._waiters}:
            self._grow(only)

    def _serve(self) -> None:
        """Hands free slots to those who wait, first come, first served."""
        for waiter in list(self._waiters):
            if waiter.future.done():
                continue
            connection = self.take(waiter.only)
            if connection is not None:
                self._waiters.remove(waiter)
                waiter.future.set_result(connection)

    # what the connections tell

    def on_slot_free(self, connection: Connection) -> None:
        if self._awaited:
            self._save_session(connection)
        self._shelf.freed(connection, time.monotonic())
        if self._waiters:
            self._serve()
        if self._closing and connection.in_flight == 0:
            connection.close()

    def on_draining(self, connection: Connection) -> None:
        self._shelf.drained(connection)
        self._grow_for_all()

    def on_lost(self, connection: Connection, failure: Failure | None) -> None:
        if connection not in self._connections:
            return  # it never joined
        self._save_session(connection)
        self._connections.discard(connection)
        self._shelf.drained(connection)
        if failure is None:
            self._parting.add(connection)
        if failure is not None and _is_versions_fault(connection.protocol, failure):
            self._fallback.failed(connection.protocol, time.monotonic())
        self._observer.on_closed(self.path, connection.protocol, failure)
        if failure is not None and failure.code in (Code.CONNECTION_TERMINATED, Code.CONNECTION_TIMEOUT):
            self._on_broken(self, failure)
        self._grow_for_all()
        if self._closing and self.is_empty:
            self._on_empty()

    def on_round_trip(self, connection: Connection, seconds: float) -> None:
        self._observer.on_round_trip(self.path, seconds)

    def on_peer_timeout(self, connection: Connection, seconds: float) -> None:
        self._shelf.learn_idle(seconds)

    def on_alt_svc(self, connection: Connection, value: bytes) -> None:
        self._fallback.advertised(parse_alt_svc(value), self.target.port, time.monotonic())

    def _save_session(self, connection: Connection) -> None:
        """By the first reply's end TLS 1.3 tickets have come."""
        state = self._awaited.pop(connection, None)
        if state is not None:
            tls, context = state
            session = saved_session(tls)
            if session is not None:
                self._sessions[context] = session
                self._session_due_at = time.monotonic() + _SESSION_REFRESH

    # maintenance

    def sweep(self, now: float, interval: float) -> None:
        """Retires idle connections, dials what the floor lacks (after failures, ever more seldom), samples one.

        `interval` seconds have passed since the last sweep.
        """
        for connection in self._shelf.retire(now):
            connection.close()
        if now >= self._warm_at:
            self._fill()
        self._sample_one(now, interval)

    def warm(self) -> None:
        """What kept dials from succeeding is over: forgets the pause and dials what the floor lacks."""
        self._warm_at = self._warm_pause = 0.0
        self._fill()

    def _fill(self) -> None:
        if not self._closing:
            for _ in range(self._shelf.floor_missing()):
                self._begin_dial(None)

    def sample_busy(self, now: float) -> None:
        """Looks at a few connections that carry exchanges."""
        if self.line.proxy is not None:
            return  # the kernel knows the way to the proxy only
        left = _SAMPLED
        for connection in self._connections:
            if connection.in_flight and (sample := connection.sample(now)) is not None:
                self._observer.on_sample(self.path, sample)
                left -= 1
                if not left:
                    return

    def _sample_one(self, now: float, interval: float) -> None:
        """An idle connection that has lately been acknowledged something stands for all."""
        if self.line.proxy is not None:
            return
        idle = (connection for connection in self._connections if not connection.in_flight)
        for connection in islice(idle, _SOUGHT):
            sample = connection.sample(now)
            if sample is not None and sample.srtt and sample.heard_ago <= interval:
                self._observer.on_sample(self.path, sample)
                return

    def doubt(self) -> None:
        """The line may be dead: connections that have been silent must show that they are alive, or go."""
        for connection in self._shelf.suspects(time.monotonic()):
            connection.doubt()

    def ask(self) -> None:
        """Is the line alive? HTTP/2 and HTTP/3 connections PING, and take nothing new until they are answered."""
        for connection in self._connections:
            if connection.protocol is not Protocol.H1:
                connection.doubt()

    def resize(self, target: Target) -> None:
        """New floor and ceiling; everything else about the target is as before."""
        self.target = target
        self._shelf.floor = target.keep_warm
        self._shelf.ceiling = target.max_connections

    def drain(self) -> None:
        """No new exchanges but for those who wait already; connections close when they are idle."""
        self._closing = True
        for connection in list(self._connections):
            self._shelf.drained(connection)
            connection.close()

    def abort(self) -> None:
        """Closes everything now; who waits gets a failure."""
        self._closing = True
        for waiter in self._waiters:
            if not waiter.future.done():
                waiter.future.set_exception(
                    TransportError(Failure(Origin.EDGE, Verdict.SAFE, Code.CONNECTION_TERMINATED, "shutting down"))
                )
        self._waiters.clear()
        for connection in [*self._connections, *self._parting]:
            connection.abort()

    @property
    def is_empty(self) -> bool:
        """Is there nothing left to wait for?"""
        return not self._connections and not self._waiters

    def stats(self) -> list[ConnectionStat]:
        """One entry per protocol that has connections or dials."""
        return [
            ConnectionStat(self.line.id, self.target.id, count.protocol, count.idle, count.active, count.dialing)
            for count in self._shelf.counts()
        ]


def usable_protocols(line: Line, target: Target, openers: Openers) -> tuple[Protocol, ...]:
    """The target's protocols that this line and this node can carry: HTTP/3 needs TLS and no proxy; without TLS there
    is no ALPN, so HTTP/2 must be all that the target allows."""
    have = {Protocol.H1}
    if openers.h2 is not None and (target.tls or target.protocols == (Protocol.H2,)):
        have.add(Protocol.H2)
    if openers.h3 is not None and target.tls and line.proxy is None:
        have.add(Protocol.H3)
    return tuple(protocol for protocol in target.protocols if protocol in have) or (Protocol.H1,)


def tcp_offer(protocols: tuple[Protocol, ...]) -> tuple[Protocol, ...]:
    """What a TCP dial offers when nothing has failed lately."""
    return tuple(protocol for protocol in protocols if protocol in TCP_PROTOCOLS)


def _is_versions_fault(protocol: Protocol, failure: Failure) -> bool:
    """Does this end of a connection speak against its HTTP version? UDP may be policed: so any loss of h3 does."""
    return protocol is Protocol.H3 or (protocol is Protocol.H2 and failure.code == Code.HTTP_PROTOCOL_ERROR)
