"""The edge's end of a datagram carrier: a connected UDP socket and the keys."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable, Sequence
from time import monotonic

from transport.session.seal import OVERHEAD, LossMeter, Opener, Sealer, connection_of
from transport.session.values import CarrierKind

MAX_PACKET = 1200
"""With everything around it 1274 bytes on IPv6: below IPv6's least MTU (1280), which all lines have."""
READS_PER_TURN = 64
LARGEST = MAX_PACKET + OVERHEAD + 1


class DatagramEnd:
    """Sends and receives sealed packets. `make_socket` gives a connected, non-blocking UDP socket, or raises OSError.

    What the kernel doesn't take at once is lost, like any datagram. `number` is the carrier's in its session.
    """

    kind = CarrierKind.QUIC
    max_packet = MAX_PACKET

    def __init__(
        self,
        line: str,
        number: int,
        connection: int,
        sealer: Sealer,
        opener: Opener,
        make_socket: Callable[[], socket.socket],
        on_packet: Callable[[int, bytes], None],
    ) -> None:
        self.line = line
        self.number = number
        self.connection = connection
        self.sent = self.unsent = 0
        self._sealer = sealer
        self._opener = opener
        self._meter = LossMeter()
        self._make_socket = make_socket
        self._on_packet = on_packet
        self._loop = asyncio.get_running_loop()
        self._sock = make_socket()
        self._loop.add_reader(self._sock.fileno(), self._on_readable)

    @property
    def local_address(self) -> tuple[str, int]:
        host, port, *_ = self._sock.getsockname()
        return host, port

    def loss(self, now: float) -> float:
        """Of the peer's datagrams, 0 to 1."""
        return self._meter.look(self._opener, now)

    def send(self, packets: Sequence[bytes]) -> None:
        now = monotonic()
        for packet in packets:
            try:
                self._sock.send(self._sealer.seal(packet, now))
                self.sent += 1
            except OSError:
                self.unsent += 1

    def rebind(self) -> None:
        """A new socket, and so a new port: perhaps only the way there is broken. The carrier goes on; the relay follows
        the first authentic datagram."""
        try:
            fresh = self._make_socket()
        except OSError:
            return
        self.release()
        self._sock = fresh
        self._loop.add_reader(self._sock.fileno(), self._on_readable)

    def release(self) -> None:
        if self._sock.fileno() >= 0:
            self._loop.remove_reader(self._sock.fileno())
            self._sock.close()

    def _on_readable(self) -> None:
        for _ in range(READS_PER_TURN):
            try:
                data = self._sock.recv(LARGEST)
            except OSError:  # nothing left, or an ICMP error, which anybody can send: silence tells as much
                return
            if connection_of(data) != self.connection:
                continue
            packet = self._opener.open(data)
            if packet is not None:
                self._on_packet(self.number, packet)
                if self._sock.fileno() < 0:
                    return
