"""One line of a session, at the edge: a TLS connection that is kept up for ever, and datagrams beside it.

Once the connection stands the session uses it as a carrier at once, and keys for datagrams are asked for over it; which
of the two carries packets from then on `racing.Race` decides. The connection stays while it rests: it tells at once
when the relay's process dies, and packets can move to it without a round trip.
"""

from __future__ import annotations

import asyncio
import os
import random
import socket
import ssl
from collections.abc import Sequence
from dataclasses import dataclass
from time import monotonic
from typing import Protocol as Interface

from transport.aio.dial import Dialer, disown
from transport.aio.line import SocketPolicy, allow_fragments, udp_socket
from transport.aio.tasks import TaskOwner
from transport.aio.tls import handshake_fault
from transport.failure import Code, TransportError
from transport.path import Line, Target
from transport.session import seal
from transport.session.aio.datagrams import DatagramEnd
from transport.session.aio.endpoint import SessionDriver
from transport.session.aio.framed import FramedConnection, FramedOwner
from transport.session.aio.identity import NodeKey, channel_binding, shown_key
from transport.session.carrier import Carrier
from transport.session.keys import fingerprint
from transport.session.racing import Backoff, Race, Way
from transport.session.setup import Ask, End, Grant, Next, Note, Refused, prove
from transport.session.values import CarrierKind

TLS_MAX_PACKET = 1400
UNWANTED = 5.0
"""Seconds until the next try after a key was refused: only a configuration helps."""
REBIND_AFTER = 2.0
"""Seconds of silence after which datagrams are sent from a new port: a NAT or a hash over addresses may be at fault."""


class LineOwner(Interface):
    """The session that lines belong to."""

    driver: SessionDriver

    def next_number(self) -> int:
        """A carrier's number, never given before."""

    def may_dial(self) -> bool:
        """The session still wants connections."""

    def on_problem(self, line: str, problem: str) -> None:
        """Why the line has no connection now; "" when it has one."""


@dataclass(frozen=True, slots=True)
class FarEnd:
    """How every line reaches the relay and knows it. `fingerprint` is of the relay's key, `key` this edge's own."""

    target: Target
    fingerprint: str
    key: NodeKey
    context: ssl.SSLContext
    dialer: Dialer
    policy: SocketPolicy


class TlsCarrier:
    """Packets of one carrier over the line's TLS connection."""

    kind = CarrierKind.TLS
    max_packet = TLS_MAX_PACKET

    def __init__(self, line: str, number: int, connection: FramedConnection) -> None:
        self.line = line
        self.number = number
        self.signs = Signs(monotonic())
        self._connection = connection

    def send(self, packets: Sequence[bytes]) -> None:
        self._connection.send(packets)

    def release(self) -> None:
        return


class Signs:
    """When a carrier last got further. It is good only if both directions are: the peer is heard, and hears us."""

    __slots__ = ("_acked", "_acked_at", "_heard", "_heard_at", "since")

    def __init__(self, now: float) -> None:
        self.since = self._heard_at = self._acked_at = now
        self._heard, self._acked = -1, 0

    def look(self, carrier: Carrier, loss: float, now: float) -> Way:
        incoming, outgoing = carrier.incoming, carrier.outgoing
        if incoming.largest > self._heard:
            self._heard, self._heard_at = incoming.largest, now
        if outgoing.acked > self._acked:
            self._acked, self._acked_at = outgoing.acked, now
        heard_at = min(self._heard_at, self._acked_at)
        return Way(self.since, carrier.is_met, heard_at, outgoing.trip.smoothed, loss)


class LineEnd(FramedOwner):
    """Keeps carriers of one line in a session. `start` it, `poll` it every 100 ms, and `stop` it in the end.

    `problem` is why there is no connection; `is_refused`: the last dial reached the relay's host, where nobody listens.
    """

    def __init__(self, line: Line, far: FarEnd, race: Race, owner: LineOwner, tasks: TaskOwner) -> None:
        self.line = line
        self.dials = 0
        self.problem = ""
        self.is_refused = False
        self._is_unwanted = False
        self._far = far
        self._race = race
        self._owner = owner
        self._tasks = tasks
        self._keeping: asyncio.Task[None] | None = None
        self._connection: FramedConnection | None = None
        self._lost: asyncio.Future[str] | None = None
        self._peer: tuple[str, int] | None = None
        self._up_at = 0.0
        self._random = b""
        self._stale = 0
        self._tls: TlsCarrier | None = None
        self._datagrams: DatagramEnd | None = None
        self._datagram_signs = Signs(0.0)
        self._rebound_at = 0.0

    @property
    def is_up(self) -> bool:
        """The TLS connection stands."""
        return self._connection is not None

    @property
    def datagrams(self) -> DatagramEnd | None:
        return self._datagrams

    def start(self) -> None:
        self._keeping = self._tasks.start(self._keep())

    def stop(self) -> None:
        """Ends its carriers. What is under way on them goes over the others."""
        if self._keeping is not None:
            self._keeping.cancel()
            self._keeping = None
        self._end_datagrams()
        self._rest()
        if self._connection is not None:
            self._connection.close()
            self._connection = None

    # ------------------------------------------------------------------------------------------------- connection

    async def _keep(self) -> None:
        backoff = Backoff()
        while True:
            stood = 0.0
            self._is_unwanted = self.is_refused = False
            try:
                problem = await self._connect_and_wait()
                stood = monotonic() - self._up_at
            except TransportError as error:
                self.is_refused = error.failure.code == Code.CONNECTION_REFUSED
                problem = str(error)
            except TimeoutError:
                problem = f"not up in {self._far.dialer.timeout:g} s"
            self._tell(problem)
            wait = backoff.failed(random.random(), stood=stood)
            await asyncio.sleep(UNWANTED if self._is_unwanted else wait)
            while not self._owner.may_dial():  # noqa: ASYNC110 - it is a question of when the last carrier ends
                await asyncio.sleep(Backoff.LONGEST)

    async def _connect_and_wait(self) -> str:
        """Returns why the connection ended. Raises TransportError or TimeoutError if it never stood."""
        far = self._far
        self.dials += 1
        self._lost = asyncio.get_running_loop().create_future()
        async with asyncio.timeout(far.dialer.timeout) as limit:
            reached = await far.dialer.reach(self.line, far.target)
            self._peer = None if self.line.proxy else reached.sock.getpeername()[:2]
            await self._secure(reached.sock)
            limit.reschedule(None)
            return await self._lost

    async def _secure(self, sock: socket.socket) -> None:
        loop, far = asyncio.get_running_loop(), self._far
        try:
            await loop.create_connection(
                lambda: FramedConnection(self),
                sock=sock,
                ssl=far.context,
                server_hostname="",
                ssl_handshake_timeout=far.dialer.timeout,
            )
        except OSError as error:
            disown(sock)
            raise TransportError(handshake_fault(error)) from error
        except BaseException:
            disown(sock)
            raise

    def on_up(self, connection: FramedConnection) -> None:
        tls, far = connection.tls, self._far
        shown = shown_key(tls)
        if fingerprint(shown) != far.fingerprint:
            self._is_unwanted = True
            self._end_wait(f"{far.target.id} shows the key {fingerprint(shown)}, not {far.fingerprint}")
            connection.abort()
            return
        connection.note(prove(far.key.private, shown, channel_binding(tls)))
        self._connection = connection
        self._up_at = monotonic()
        self._stale = 0
        self._random = b""
        self.problem = ""
        self._owner.on_problem(self.line.id, "")
        self.poll(self._up_at, is_lively=False)

    def on_lost(self, reason: str) -> None:
        self._connection = None
        self._rest()
        self._end_wait(reason)

    def _end_wait(self, reason: str) -> None:
        if self._lost is not None and not self._lost.done():
            self._lost.set_result(reason)

    def _tell(self, problem: str) -> None:
        if problem != self.problem:
            self.problem = problem
            self._owner.on_problem(self.line.id, problem)

    def on_packet(self, packet: bytes) -> None:
        if self._tls is not None and not self._stale:
            self._owner.driver.receive(self._tls.number, packet)

    def on_note(self, note: Note) -> None:
        match note:
            case Refused(reason):
                self._is_unwanted = True
                self._end_wait(f"{self._far.target.id} refuses this edge: {reason}")
            case Grant(connection, given) if self._random:
                self._begin_datagrams(connection, given)
            case Next() if self._stale:
                self._stale -= 1

    # ---------------------------------------------------------------------------------------------------- carriers

    def poll(self, now: float, *, is_lively: bool) -> None:
        """Has its packets take the way that they should."""
        driver = self._owner.driver
        datagrams, tls = self._datagram_way(now), self._tls_way(now)
        wanted = self._race.decide(datagrams, tls, is_lively=is_lively, now=now)
        if not wanted.datagrams:
            self._end_datagrams()
        elif self._datagrams is None:
            self._ask()
        elif datagrams is not None and now - datagrams.heard_at > REBIND_AFTER * (1 if is_lively else 3):
            self._rebind(now)
        is_unproven = datagrams is not None and datagrams.heard_at < self._up_at
        if wanted.tls or (is_unproven and self._race.may_tls):
            if self._tls is None and self._connection is not None:
                self._tls = TlsCarrier(self.line.id, self._owner.next_number(), self._connection)
                driver.attach(self._tls.number, self._tls)
        else:
            self._rest()

    def alarm(self, now: float) -> None:
        """Nothing is heard or answered any more, over no line."""
        self._race.alarm(now)
        self.poll(now, is_lively=False)

    def _datagram_way(self, now: float) -> Way | None:
        end = self._datagrams
        if end is None:
            return None
        carrier = self._owner.driver.carriers.get(end.number)
        if carrier is None:
            return None
        loss = max(end.loss(now), carrier.outgoing.loss_ratio)
        return self._datagram_signs.look(carrier, loss, now)

    def _tls_way(self, now: float) -> Way | None:
        if self._tls is None:
            return None
        carrier = self._owner.driver.carriers.get(self._tls.number)
        if carrier is None:
            return None
        return self._tls.signs.look(carrier, 0.0, now)

    def _rest(self) -> None:
        """TLS carries no packets for now."""
        if self._tls is None:
            return
        gone, self._tls = self._tls, None
        self._owner.driver.detach(gone.number)
        if self._connection is not None:
            self._connection.note(Next())
            self._stale += 1

    # --------------------------------------------------------------------------------------------------- datagrams

    def _ask(self) -> None:
        if self._connection is not None and not self._random and self._peer is not None:
            self._random = os.urandom(seal.SECRET_BYTES)
            self._connection.note(Ask(self._random))

    def _begin_datagrams(self, connection: int, given: bytes) -> None:
        up, down = seal.secrets(self._random, given, connection)
        self._random = b""
        now = monotonic()
        self._end_datagrams()
        try:
            self._datagrams = DatagramEnd(
                self.line.id,
                self._owner.next_number(),
                connection,
                seal.Sealer(up, connection, now),
                seal.Opener(down),
                self._udp_socket,
                self._owner.driver.receive,
            )
        except OSError as error:
            self._tell(f"no UDP socket: {error}")
            return
        self._datagram_signs = Signs(now)
        self._rebound_at = now
        self._owner.driver.attach(self._datagrams.number, self._datagrams)

    def _udp_socket(self) -> socket.socket:
        assert self._peer is not None
        sock = udp_socket(self.line, self._peer[0], self._far.policy)
        try:
            allow_fragments(sock)
            sock.connect(self._peer)
        except BaseException:
            sock.close()
            raise
        return sock

    def _rebind(self, now: float) -> None:
        if self._datagrams is not None and now - self._rebound_at > REBIND_AFTER * 2:
            self._rebound_at = now
            self._datagrams.rebind()

    def _end_datagrams(self) -> None:
        if self._datagrams is None:
            return
        gone, self._datagrams = self._datagrams, None
        self._owner.driver.detach(gone.number)
        gone.release()
        if self._connection is not None:
            self._connection.note(End(gone.connection))
