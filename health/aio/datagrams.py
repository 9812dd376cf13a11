"""Sockets that ask with one datagram and are answered with one: ICMP echo, QUIC Version Negotiation.

One socket per line and address family, kept; read as soon as the loop comes to it. The kernel's time stamp says when an
answer really came, so a stall of ours doesn't lengthen a round trip.
"""

from __future__ import annotations

import asyncio
import secrets
import socket
import struct
import time
from abc import ABC, abstractmethod
from collections.abc import Callable
from contextlib import suppress

from icmplib import ICMPRequest, ICMPv4Socket, ICMPv6Socket, SocketPermissionError
from icmplib.exceptions import ICMPLibError

from health import echo, negotiation
from transport.aio.line import SocketPolicy, udp_socket
from transport.dialing import errno_fault
from transport.failure import TransportError
from transport.path import Line

READS_PER_TURN = 64
_BUFFER_BYTES = 2048
_SO_TIMESTAMPNS = 35  # asm-generic/socket.h; Python has no name for it
_TIMESPEC = struct.Struct("@ll")
_LONGEST_QUEUE = 10.0  # seconds; beyond it, the wall clock was set
_SOL_RAW, _ICMP_FILTER = 255, 1  # linux/in.h, linux/icmp.h
_ONLY_ECHO_REPLIES = struct.pack("@I", ~1 & 0xFFFFFFFF)

Hear = Callable[[int, float], None]  # (number of the question, when its answer came: monotonic seconds)


class Asker(ABC):
    """Owns one socket. `on_answer` hears each answer, also to questions of long ago."""

    def __init__(self, sock: socket.socket, on_answer: Hear) -> None:
        self._sock = sock
        self._on_answer = on_answer
        self._secret = secrets.token_bytes(8)
        self._loop = asyncio.get_running_loop()
        sock.setblocking(False)
        with suppress(OSError):  # without it the loop's own time must do
            sock.setsockopt(socket.SOL_SOCKET, _SO_TIMESTAMPNS, 1)
        self._loop.add_reader(sock.fileno(), self._on_readable)

    @abstractmethod
    def ask(self, address: str, port: int, number: int) -> float:
        """Sends question `number` now; returns when it left. Never waits.

        Raises:
            TransportError: there is no way, or the kernel's buffers are full.
        """

    def close(self) -> None:
        """Ends it; call once."""
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    @abstractmethod
    def _number(self, packet: bytes) -> int | None:
        """Which question a packet answers; None: none of ours."""

    def _on_readable(self) -> None:
        for _ in range(READS_PER_TURN):
            try:
                packet, ancillary, _, _ = self._sock.recvmsg(_BUFFER_BYTES, 64)
            except OSError:  # nothing more, or an ICMP error: silence tells the same
                return
            now, wall = time.monotonic(), time.time()
            number = self._number(packet)
            if number is not None:
                self._on_answer(number, now - _queued(ancillary, wall))


class EchoAsker(Asker):
    """ICMP echo requests of one line.

    Raises:
        OSError: neither a datagram nor a raw ICMP socket is allowed, or the line's address or device isn't here.
    """

    def __init__(self, line: Line, on_answer: Hear, *, six: bool) -> None:
        self._six = six
        self._icmp = open_icmp(line, six=six)
        super().__init__(self._icmp.sock, on_answer)
        self._identifier = secrets.randbelow(0x10000)

    @property
    def is_privileged(self) -> bool:
        """Is it a raw socket?"""
        return bool(self._icmp.is_privileged)

    def ask(self, address: str, port: int, number: int) -> float:
        content = echo.payload(self._secret, number)
        request = ICMPRequest(address, self._identifier, number & 0xFFFF, content)
        try:
            sent_at = time.monotonic()
            self._icmp.send(request)
        except ICMPLibError as error:
            cause = error.__context__
            raise TransportError(errno_fault(getattr(cause, "errno", None), f"ICMP: {cause or error}")) from error
        return sent_at

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._icmp.close()

    def _number(self, packet: bytes) -> int | None:
        return echo.answered(packet, self._secret, six=self._six, with_ip_header=self.is_privileged and not self._six)


class VersionAsker(Asker):
    """QUIC Version Negotiation over one line.

    Raises:
        OSError: the line's address or device isn't here.
    """

    def __init__(self, line: Line, on_answer: Hear, *, six: bool) -> None:
        super().__init__(udp_socket(line, "::" if six else "0.0.0.0", _SMALL), on_answer)

    def ask(self, address: str, port: int, number: int) -> float:
        try:
            sent_at = time.monotonic()
            self._sock.sendto(negotiation.question(self._secret, number), (address, port))
        except OSError as error:
            raise TransportError(errno_fault(error.errno, f"UDP: {error}")) from error
        return sent_at

    def _number(self, packet: bytes) -> int | None:
        return negotiation.answered(packet, self._secret)


def open_icmp(line: Line, *, six: bool) -> ICMPv4Socket | ICMPv6Socket:
    """An ICMP socket on the line: a datagram socket if `net.ipv4.ping_group_range` allows it, else a raw one.

    Raises:
        OSError: neither is allowed, or the line's address or device isn't here.
    """
    kind = ICMPv6Socket if six else ICMPv4Socket
    try:
        try:
            made = kind(line.source, privileged=False)
        except SocketPermissionError:
            made = kind(line.source, privileged=True)
    except SocketPermissionError:
        raise PermissionError("ICMP needs CAP_NET_RAW, or the process's group in net.ipv4.ping_group_range") from None
    except ICMPLibError as error:
        cause = error.__context__  # icmplib keeps the kernel's word there
        raise cause if isinstance(cause, OSError) else OSError(str(error)) from error
    try:
        if line.interface is not None:
            made.sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, line.interface.encode())
        if made.is_privileged and not six:
            made.sock.setsockopt(_SOL_RAW, _ICMP_FILTER, _ONLY_ECHO_REPLIES)
    except OSError:
        made.close()
        raise
    return made


def _queued(ancillary: list[tuple[int, int, bytes]], wall: float) -> float:
    """For how long the packet had waited for us at `wall`, in seconds: the kernel stamps by the wall clock."""
    for level, kind, data in ancillary:
        if (level, kind) == (socket.SOL_SOCKET, _SO_TIMESTAMPNS) and len(data) >= _TIMESPEC.size:
            seconds: int
            nanoseconds: int
            seconds, nanoseconds = _TIMESPEC.unpack_from(data)
            queued = wall - (seconds + nanoseconds / 1e9)
            return queued if 0 < queued < _LONGEST_QUEUE else 0.0
    return 0.0


_SMALL = SocketPolicy(udp_buffer_bytes=65_536)
