"""A relay's listening sockets, and datagrams that leave from the address to which the edge sent its own."""

from __future__ import annotations

import asyncio
import logging
import socket
from collections.abc import Callable
from typing import Any

from transport.aio.line import SocketPolicy, allow_fragments

READS_PER_TURN = 64
LARGEST = 2048
BACKLOG = 256

_IP_PKTINFO = 8  # linux/in.h; Python 3.11 has no name for it
_ANCILLARY = socket.CMSG_SPACE(32)

_log = logging.getLogger(__name__)

OnDatagram = Callable[[bytes, tuple[Any, ...], "UdpPort", bytes], None]


def listen_tcp(host: str, port: int, congestion: str | None) -> socket.socket:
    """Accepted connections inherit the congestion control, if the kernel has it. Raises OSError."""
    sock = _bound(host, port, socket.SOCK_STREAM)
    try:
        sock.listen(BACKLOG)
        if congestion is not None:
            try:
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, congestion.encode())
            except OSError as error:
                _log.warning("congestion control %s is not available: %s", congestion, error.strerror)
    except BaseException:
        sock.close()
        raise
    return sock


def listen_udp(host: str, port: int, policy: SocketPolicy) -> socket.socket:
    """Raises OSError."""
    sock = _bound(host, port, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, policy.udp_buffer_bytes)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, policy.udp_buffer_bytes)
    allow_fragments(sock)
    return sock


def _bound(host: str, port: int, kind: socket.SocketKind) -> socket.socket:
    sock = socket.socket(socket.AF_INET6 if ":" in host else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if sock.family is socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        sock.bind((host, port))
    except BaseException:
        sock.close()
        raise
    return sock


class UdpPort:
    """One UDP socket. A wildcard's datagrams are answered from the local address that they came to (`local`: the bytes
    of IP_PKTINFO or IPV6_PKTINFO; empty for a socket that has one address)."""

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.unsent = 0
        self._loop = asyncio.get_running_loop()
        self._is_six = sock.family is socket.AF_INET6
        self.is_wildcard = sock.getsockname()[0] in ("0.0.0.0", "::")
        if self.is_wildcard and self._is_six:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_RECVPKTINFO, 1)
        elif self.is_wildcard:
            sock.setsockopt(socket.IPPROTO_IP, _IP_PKTINFO, 1)

    def start(self, on_datagram: OnDatagram) -> None:
        read = self._read_wildcard if self.is_wildcard else self._read
        self._loop.add_reader(self.sock.fileno(), read, on_datagram)

    def close(self) -> None:
        if self.sock.fileno() >= 0:
            self._loop.remove_reader(self.sock.fileno())
            self.sock.close()

    def send(self, data: bytes, address: tuple[Any, ...], local: bytes) -> None:
        """What the kernel doesn't take is lost."""
        try:
            if local:
                level, kind = (
                    (socket.IPPROTO_IPV6, socket.IPV6_PKTINFO) if self._is_six else (socket.IPPROTO_IP, _IP_PKTINFO)
                )
                self.sock.sendmsg((data,), ((level, kind, local),), 0, address)
            else:
                self.sock.sendto(data, address)
        except OSError:
            self.unsent += 1

    def own_socket(self, address: tuple[Any, ...], local: bytes) -> socket.socket:
        """A socket at the same local address and port that hears only this far address. Raises OSError."""
        host, port = self.sock.getsockname()[:2]
        if local:
            family, raw = (socket.AF_INET6, local[:16]) if self._is_six else (socket.AF_INET, local[4:8])
            host = socket.inet_ntop(family, raw)
        sock = _bound(host, port, socket.SOCK_DGRAM)
        try:
            sock.connect(address)
        except BaseException:
            sock.close()
            raise
        return sock

    def _read(self, on_datagram: OnDatagram) -> None:
        receive = self.sock.recvfrom
        for _ in range(READS_PER_TURN):
            try:
                data, address = receive(LARGEST)
            except OSError:  # nothing left, or an ICMP error, which anybody can send
                return
            on_datagram(data, address, self, b"")

    def _read_wildcard(self, on_datagram: OnDatagram) -> None:
        receive = self.sock.recvmsg
        for _ in range(READS_PER_TURN):
            try:
                data, ancillary, _, address = receive(LARGEST, _ANCILLARY)
            except OSError:
                return
            info = ancillary[0][2] if ancillary else b""
            # in_pktinfo: interface, address to send from, address in the header. Routing chooses the interface.
            local = info[:16] + bytes(4) if self._is_six else bytes(4) + info[4:8] + bytes(4)
            on_datagram(data, address, self, local)
