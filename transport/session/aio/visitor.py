"""An edge's carriers as the relay has them: a TLS connection, or datagrams under the keys that it handed out."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from time import monotonic
from typing import Any
from typing import Protocol as Interface

from transport.session import seal
from transport.session.aio.datagrams import MAX_PACKET
from transport.session.aio.endpoint import CarrierSocket, SessionDriver
from transport.session.aio.framed import FramedConnection, FramedOwner
from transport.session.aio.identity import NodeKey, channel_binding
from transport.session.aio.line_end import TLS_MAX_PACKET
from transport.session.aio.ports import OnDatagram, UdpPort
from transport.session.setup import Ask, End, Grant, Next, Note, Proof, Refused, proved
from transport.session.values import CarrierKind


class Host(Interface):
    """The server that they visit."""

    key: NodeKey

    def introduce(self, visitor: TlsVisitor, fingerprint: str) -> str: ...
    def leave(self, visitor: TlsVisitor) -> None: ...
    def refuse(self, why: str) -> None: ...
    def join(self, packet: bytes, fingerprint: str, carrier: CarrierSocket) -> tuple[SessionDriver, int] | None: ...
    def grant(self, ask: Ask, fingerprint: str) -> Grant | None: ...
    def forget_datagrams(self, connection: int, fingerprint: str) -> None: ...


class TlsVisitor(FramedOwner):
    """One TLS connection. Nothing of a session is looked at before the edge has proved its key; `introduced` is done
    then, or when the connection is over."""

    kind = CarrierKind.TLS
    max_packet = TLS_MAX_PACKET

    def __init__(self, host: Host) -> None:
        self.line = ""
        self.peer_key: str | None = None
        self.introduced: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._host = host
        self._connection: FramedConnection | None = None
        self._joined: tuple[SessionDriver, int] | None = None

    def make_protocol(self) -> FramedConnection:
        return FramedConnection(self)

    def close(self) -> None:
        if self._connection is not None:
            self._connection.close()

    def abort(self) -> None:
        if self._connection is not None:
            self._connection.abort()

    # ------------------------------------------------------------------------------------------------ FramedOwner

    def on_up(self, connection: FramedConnection) -> None:
        self._connection = connection

    def on_packet(self, packet: bytes) -> None:
        if self._joined is not None:
            driver, number = self._joined
            driver.receive(number, packet)
        elif self.peer_key is not None:
            self._joined = self._host.join(packet, self.peer_key, self)
            if self._joined is not None:
                self._joined[0].receive(self._joined[1], packet)

    def on_note(self, note: Note) -> None:
        if self.peer_key is None:
            self._introduce(note)
            return
        match note:
            case Ask():
                granted = self._host.grant(note, self.peer_key)
                if granted is not None and self._connection is not None:
                    self._connection.note(granted)
            case End(connection):
                self._host.forget_datagrams(connection, self.peer_key)
            case Next() if self._connection is not None:
                self._leave_session()
                self._connection.note(Next())

    def _introduce(self, note: Note) -> None:
        """The first note must be the proof; whoever sends it waits for no answer."""
        assert self._connection is not None
        found = None
        if isinstance(note, Proof):
            found = proved(note, self._host.key.public, channel_binding(self._connection.tls))
        if found is None:
            self._refuse("it has not proved its key")
            return
        problem = self._host.introduce(self, found)
        if problem:
            self._refuse(problem)
            return
        self.peer_key = found
        self._introduced()

    def _refuse(self, reason: str) -> None:
        assert self._connection is not None
        self._host.refuse("unknown edge")
        self._connection.note(Refused(reason))
        self._connection.close()
        self._introduced()

    def _introduced(self) -> None:
        if not self.introduced.done():
            self.introduced.set_result(None)

    def on_lost(self, reason: str) -> None:
        self._connection = None
        self._introduced()
        self._leave_session()
        self._host.leave(self)

    def _leave_session(self) -> None:
        if self._joined is not None:
            (driver, number), self._joined = self._joined, None
            driver.detach(number)

    # ---------------------------------------------------------------------------------------------- CarrierSocket

    def send(self, packets: Sequence[bytes]) -> None:
        if self._connection is not None:
            self._connection.send(packets)

    def release(self) -> None:
        self._joined = None


class DatagramVisitor:
    """A datagram carrier. It answers to where the newest authentic datagram came from, and nowhere before the first."""

    kind = CarrierKind.QUIC
    max_packet = MAX_PACKET

    def __init__(
        self, host: Host, connection: int, peer_key: str, opener: seal.Opener, sealer: seal.Sealer, now: float
    ) -> None:
        self.line = ""
        self.peer_key = peer_key
        self.heard_at = now
        self.moves = 0
        self.address: tuple[Any, ...] | None = None
        self._host = host
        self._connection = connection
        self._opener = opener
        self._sealer = sealer
        self._port: UdpPort | None = None
        self._own_port: UdpPort | None = None
        self._local = b""
        self._joined: tuple[SessionDriver, int] | None = None

    def receive(self, data: bytes, address: tuple[Any, ...], port: UdpPort, local: bytes) -> None:
        newest = self._opener.highest
        packet = self._opener.open(data)
        if packet is None:
            return
        self.heard_at = monotonic()
        if address != self.address and self._opener.highest > newest:
            self.moves += self.address is not None
            self.address, self._port, self._local = address, port, local
        if self._joined is None:
            self._joined = self._host.join(packet, self.peer_key, self)
        if self._joined is not None:
            driver, number = self._joined
            driver.receive(number, packet)

    def end(self) -> None:
        """The carrier is over."""
        if self._joined is not None:
            (driver, number), self._joined = self._joined, None
            driver.detach(number)
        self._close_own_port()

    def hold(self, on_datagram: OnDatagram) -> None:
        """Gets a socket of its own, which hears only this edge's address."""
        if self._port is None or self.address is None or self._own_port is not None:
            return
        try:
            self._own_port = UdpPort(self._port.own_socket(self.address, self._local))
        except OSError:
            return  # the edge finds the carrier silent and moves to another
        self._own_port.start(on_datagram)
        self._port, self._local = self._own_port, b""

    def send(self, packets: Sequence[bytes]) -> None:
        address, port = self.address, self._port
        if address is None or port is None:
            return
        now = monotonic()
        for packet in packets:
            port.send(self._sealer.seal(packet, now), address, self._local)

    def release(self) -> None:
        self._joined = None
        self._close_own_port()

    def _close_own_port(self) -> None:
        if self._own_port is not None:
            self._own_port.close()
            self._own_port = self._port = None
