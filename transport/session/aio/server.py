"""A relay's side: listeners, the edges that come, and their sessions."""

from __future__ import annotations

import asyncio
import logging
import os
import socket
from collections import Counter
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass
from time import monotonic

from msgspec import structs

from transport.aio.dial import disown
from transport.aio.line import SocketPolicy
from transport.aio.tasks import TaskOwner
from transport.session import seal
from transport.session.aio.endpoint import CarrierSocket, SessionDriver
from transport.session.aio.identity import NodeKey
from transport.session.aio.ports import UdpPort, listen_tcp, listen_udp
from transport.session.aio.visitor import DatagramVisitor, TlsVisitor
from transport.session.core import SessionCore
from transport.session.frames import Close
from transport.session.live import SessionListener
from transport.session.setup import Ask, Grant
from transport.session.table import Refused, SessionTable
from transport.session.values import Code, SessionConfig
from transport.session.wire import WireError, encode, encode_header, find_hello

HANDSHAKE = 5.0
MAX_STRANGERS, MAX_STRANGERS_PER_ADDRESS = 256, 32
"""Connections that have not proved a key yet, in all and from one address; more are closed as they come."""
MAX_CONNECTIONS_PER_PEER = 256
LEAST_SILENCE = 10.0
"""Seconds without a datagram after which a datagram carrier may be over; `linger`, if that is longer."""
SWEEP = 5.0
FAREWELL = 0.5

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class Peer:
    """An edge that may come. `max_streams` of one session of it."""

    id: str
    max_streams: int = 2000


class SessionServer:
    """Listens for edges. `peers` by the fingerprint of their keys; `settings` are this relay's, whose `session` and
    `token` aren't used. `listening`: bound sockets to take over in place of `addresses`, TCP ones already listening.

    `refused` counts carriers by why they weren't taken.
    """

    def __init__(
        self,
        addresses: Sequence[tuple[str, int]],
        key: NodeKey,
        peers: Mapping[str, Peer],
        settings: SessionConfig,
        listener: SessionListener,
        *,
        congestion: str | None = "bbr",
        listening: Sequence[socket.socket] = (),
    ) -> None:
        self.key = key
        self.peers: Mapping[str, Peer] = dict(peers)
        self.refused: dict[str, int] = {}
        self.policy = SocketPolicy()
        self._addresses = addresses
        self._settings = settings
        self._listener = listener
        self._congestion = congestion
        self._given = listening
        self._context = key.server_context()
        self._table = SessionTable(settings)
        self._drivers: dict[SessionCore, SessionDriver] = {}
        self._tasks = TaskOwner("edges")
        self._tcp: list[socket.socket] = []
        self._udp: list[UdpPort] = []
        self._strangers: Counter[str] = Counter()
        self._news = asyncio.Event()
        self._visitors: set[TlsVisitor] = set()
        self._datagrams: dict[int, DatagramVisitor] = {}
        self._draining = ""
        self._sweep_timer: asyncio.TimerHandle | None = None
        self._loop = asyncio.get_running_loop()

    @property
    def sessions(self) -> list[SessionDriver]:
        """Those that aren't over."""
        return list(self._drivers.values())

    @property
    def bound(self) -> list[tuple[str, int]]:
        """Where it listens; ports that were 0 are known now."""
        return [sock.getsockname()[:2] for sock in self._tcp]

    @property
    def listening(self) -> list[socket.socket]:
        """The sockets, for another process to take over (`listening` there); see `hold`."""
        return [*self._tcp, *(port.sock for port in self._udp)]

    async def start(self) -> None:
        """Raises OSError if a listener can't be bound."""
        try:
            self._open_listeners()
        except BaseException:
            self._close_listeners()
            raise
        for sock in self._tcp:
            self._loop.add_reader(sock.fileno(), self._accept, sock)
        for port in self._udp:
            port.start(self._on_datagram)
        self._sweep_timer = self._loop.call_later(SWEEP, self._sweep)

    def _open_listeners(self) -> None:
        if self._given:
            self._tcp = [sock for sock in self._given if sock.type == socket.SOCK_STREAM]
            self._udp = [UdpPort(sock) for sock in self._given if sock.type == socket.SOCK_DGRAM]
            return
        for host, port in self._addresses:
            tcp = listen_tcp(host, port, self._congestion)
            self._tcp.append(tcp)
            self._udp.append(UdpPort(listen_udp(host, tcp.getsockname()[1], self.policy)))

    def hold(self) -> None:
        """From now on the listening sockets are another process's: existing datagram carriers get sockets of their own,
        and nothing new is accepted here. Sessions go on; `drain` them."""
        for visitor in self._datagrams.values():
            visitor.hold(self._on_datagram)
        self._close_listeners()

    def drain(self, reason: str) -> None:
        """No new sessions and no new streams; what exists goes on."""
        self._draining = reason
        for driver in self.sessions:
            driver.drain(reason)

    def update_peers(self, peers: Mapping[str, Peer]) -> None:
        """Sessions of edges that aren't there any more end; limits hold for new sessions."""
        self.peers = dict(peers)
        for driver in self.sessions:
            if driver.peer_key not in self.peers:
                driver.close(Code.REFUSED, "this relay doesn't know the edge any more")
        for visitor in list(self._visitors):
            if visitor.peer_key is not None and visitor.peer_key not in self.peers:
                visitor.close()

    async def close(self) -> None:
        """Ends everything; edges are told."""
        self._close_tcp()
        if self._sweep_timer is not None:
            self._sweep_timer.cancel()
        for driver in self.sessions:
            driver.close(Code.NO_ERROR, "the relay stops")
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while self._drivers:
                    self._news.clear()
                    await self._news.wait()
        for driver in self.sessions:
            driver.end()
        self._close_listeners()
        for visitor in list(self._visitors):
            visitor.abort()
        for each in list(self._datagrams.values()):
            each.release()
        await self._tasks.close()

    def _close_tcp(self) -> None:
        for sock in self._tcp:
            self._loop.remove_reader(sock.fileno())
            sock.close()
        self._tcp = []

    def _close_listeners(self) -> None:
        self._close_tcp()
        for port in self._udp:
            port.close()
        self._udp = []

    # ------------------------------------------------------------------------------------------------- connections

    def _accept(self, listener: socket.socket) -> None:
        for _ in range(64):
            try:
                sock, (host, *_) = listener.accept()
            except OSError:  # nothing left, or the caller has gone again
                return
            if self._strangers.total() >= MAX_STRANGERS or self._strangers[host] >= MAX_STRANGERS_PER_ADDRESS:
                self.refuse("too many handshakes")
                sock.close()
                continue
            self._strangers[host] += 1
            self._tasks.start(self._greet(sock, host))

    async def _greet(self, sock: socket.socket, host: str) -> None:
        """The handshake; then the visitor has to prove its key."""
        visitor = TlsVisitor(self)
        try:
            sock.setblocking(False)
            self.policy.keep_alive(sock)
            async with asyncio.timeout(HANDSHAKE):
                await self._loop.connect_accepted_socket(
                    visitor.make_protocol, sock, ssl=self._context, ssl_handshake_timeout=HANDSHAKE
                )
                await visitor.introduced
        except OSError:  # TimeoutError is one
            disown(sock)
            self.refuse("no handshake")
            visitor.abort()
        finally:
            self._strangers[host] -= 1
            self._strangers += Counter()  # forgets addresses without any

    def introduce(self, visitor: TlsVisitor, fingerprint: str) -> str:
        """Why this key's owner can't stay; "" if it may."""
        peer = self.peers.get(fingerprint)
        if peer is None:
            return f"its key {fingerprint} is in no [[edge]] of this relay"
        if sum(other.peer_key == fingerprint for other in self._visitors) >= MAX_CONNECTIONS_PER_PEER:
            return f"{MAX_CONNECTIONS_PER_PEER} connections of this edge"
        self._visitors.add(visitor)
        return ""

    def leave(self, visitor: TlsVisitor) -> None:
        self._visitors.discard(visitor)

    def refuse(self, why: str) -> None:
        self.refused[why] = self.refused.get(why, 0) + 1

    # ---------------------------------------------------------------------------------------------------- sessions

    def join(self, packet: bytes, fingerprint: str, carrier: CarrierSocket) -> tuple[SessionDriver, int] | None:
        """(session, carrier number) for a carrier's first packet, which then is the session's; None if it joins
        nothing, and is told so."""
        try:
            hello = find_hello(packet)
            if hello is None:
                return None
            peer = self.peers.get(fingerprint)
            if peer is None:
                raise Refused(Code.REFUSED, "this relay doesn't know the edge any more")
            if self._draining and not self._table.knows(hello.session):
                raise Refused(Code.EXPIRED if hello.resumes else Code.DRAINING, self._draining)
            limits = structs.replace(self._settings.limits, max_streams=peer.max_streams)
            core, _ = self._table.join(hello, fingerprint, monotonic(), limits)
        except (WireError, Refused) as error:
            self.refuse(Code(error.code).name.lower())
            carrier.send([encode_header(0, False) + encode(Close(error.code, str(error)))])
            return None
        driver = self._drivers.get(core)
        if driver is None:
            driver = self._drivers[core] = SessionDriver(core, peer.id, self._listener, self._on_end, fingerprint)
        carrier.line = hello.line
        driver.attach(hello.carrier, carrier)
        return driver, hello.carrier

    def _on_end(self, driver: SessionDriver) -> None:
        self._drivers.pop(driver.core, None)
        self._news.set()
        self._table.sweep()

    # --------------------------------------------------------------------------------------------------- datagrams

    def grant(self, ask: Ask, fingerprint: str) -> Grant | None:
        """Keys for datagrams of this edge; None if it has too many."""
        if sum(each.peer_key == fingerprint for each in self._datagrams.values()) >= MAX_CONNECTIONS_PER_PEER:
            self.refuse("too many datagram carriers")
            return None
        connection = int.from_bytes(os.urandom(4), "big")
        while connection in self._datagrams:
            connection = int.from_bytes(os.urandom(4), "big")
        given = os.urandom(seal.SECRET_BYTES)
        up, down = seal.secrets(ask.random, given, connection)
        now = monotonic()
        self._datagrams[connection] = DatagramVisitor(
            self, connection, fingerprint, seal.Opener(up), seal.Sealer(down, connection, now), now
        )
        return Grant(connection, given)

    def forget_datagrams(self, connection: int, fingerprint: str) -> None:
        found = self._datagrams.get(connection)
        if found is not None and found.peer_key == fingerprint:
            del self._datagrams[connection]
            found.end()

    def _on_datagram(self, data: bytes, address: tuple[object, ...], port: UdpPort, local: bytes) -> None:
        connection = seal.connection_of(data)
        visitor = self._datagrams.get(connection) if connection is not None else None
        if visitor is not None:
            visitor.receive(data, address, port, local)

    def _sweep(self) -> None:
        """Datagram carriers of which nothing is heard any more."""
        now = monotonic()
        patience = max(self._settings.linger, LEAST_SILENCE)
        for connection, each in list(self._datagrams.items()):
            if now - each.heard_at > patience:
                del self._datagrams[connection]
                each.end()
        self._sweep_timer = self._loop.call_later(SWEEP, self._sweep)
