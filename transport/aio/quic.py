"""A QUIC connection's socket and clock: datagrams in and out, one timer.

The socket is used without asyncio's datagram transport: up to `READS_PER_TURN` datagrams are taken per wake-up and
acknowledged together.
"""

from __future__ import annotations

import asyncio
import socket
from collections import deque
from collections.abc import Callable
from typing import Any

from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.http3 import Quic

READS_PER_TURN = 64
DATAGRAM_LIMIT = 65_536
SOCKET_BUFFER = 2 << 20


class QuicLink:
    """Moves datagrams between a connected UDP socket, which it owns, and a `Quic`.

    `on_input` is called after datagrams or time have been given to the connection: take its events, then `flush`.
    `on_error` hears ICMP errors. After `close` neither is called.
    """

    def __init__(
        self,
        sock: socket.socket,
        address: tuple[Any, ...],
        quic: Quic,
        on_input: Callable[[], None],
        on_error: Callable[[OSError], None],
    ) -> None:
        self._sock = sock
        self._address = address
        self._quic = quic
        self._on_input = on_input
        self._on_error = on_error
        self._loop = asyncio.get_running_loop()
        self.heard_at = self._loop.time()
        self._outgoing: deque[bytes] = deque()
        self._timer: asyncio.Handle | None = None
        self._timer_at = 0.0

    def start(self) -> None:
        """Makes the first flight; `flush` sends it."""
        self._loop.add_reader(self._sock.fileno(), self._on_readable)
        self._quic.connect(self._address, now=self._loop.time())

    def flush(self) -> None:
        """Sends what the connection wants to send now, and arms its timer."""
        self._transmit()
        self._arm()

    def close(self) -> None:
        """Sends the last datagrams, as far as the kernel takes them at once, and closes the socket. Once is enough."""
        if self._sock.fileno() < 0:
            return
        self._transmit()
        if self._timer is not None:
            self._timer.cancel()
        self._loop.remove_reader(self._sock.fileno())
        self._loop.remove_writer(self._sock.fileno())
        self._sock.close()

    def _on_readable(self) -> None:
        now = self._loop.time()
        for _ in range(READS_PER_TURN):
            try:
                data = self._sock.recv(DATAGRAM_LIMIT)
            except (BlockingIOError, InterruptedError):
                break
            except OSError as error:
                self._on_error(error)
                return
            self.heard_at = now
            self._quic.receive_datagram(data, self._address, now=now)
        self._on_input()

    def _transmit(self) -> None:
        was_empty = not self._outgoing
        self._outgoing.extend(data for data, _ in self._quic.datagrams_to_send(now=self._loop.time()))
        if was_empty and self._outgoing:
            self._write()

    def _write(self) -> None:
        """Hands datagrams to the kernel; what it doesn't take now goes when the socket is writable."""
        try:
            while self._outgoing:
                self._sock.send(self._outgoing[0])
                self._outgoing.popleft()
        except (BlockingIOError, InterruptedError):
            self._loop.add_writer(self._sock.fileno(), self._on_writable)
        except OSError:
            self._outgoing.clear()  # lost like any datagram: recovery sends it again, or the timers give up

    def _on_writable(self) -> None:
        self._loop.remove_writer(self._sock.fileno())
        self._write()

    def _arm(self) -> None:
        """One timer; a later deadline lets it fire early and look again, so most packets cost no timer."""
        due = self._quic.get_timer()
        if due is None:
            return
        if self._timer is not None:
            if self._timer_at <= due:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_at(due, self._on_timer)

    def _on_timer(self) -> None:
        self._timer = None
        now = max(self._timer_at, self._loop.time())  # clocks may be coarser than the deadline
        due = self._quic.get_timer()
        if due is not None and due <= now:
            self._quic.handle_timer(now=now)
        self._on_input()


def prepare(sock: socket.socket, address: tuple[Any, ...]) -> None:
    """Connects the socket, so that the kernel filters and ICMP errors are heard, and enlarges its buffers.

    Raises:
        TransportError: there is no route; the socket is closed.
    """
    sock.setblocking(False)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, SOCKET_BUFFER)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, SOCKET_BUFFER)
    try:
        sock.connect(address)
    except OSError as error:
        sock.close()
        failure = Failure(Origin.LINE, Verdict.SAFE, Code.DESTINATION_IP_UNROUTABLE, str(error))
        raise TransportError(failure) from error
