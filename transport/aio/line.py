"""Sockets that leave by a line: bound to its source address or device, with the options that long lines need."""

from __future__ import annotations

import logging
import socket
from dataclasses import dataclass

from transport.eyeballs import is_v6
from transport.path import Line
from transport.sample import TCP_INFO_BYTES, Reading, tcp_reading

_log = logging.getLogger(__name__)
_complained: set[tuple[str, str]] = set()


@dataclass(frozen=True, slots=True)
class SocketPolicy:
    """Times in seconds. `user_timeout`: how long sent bytes may stay unacknowledged before the kernel gives the
    connection up (tcp(7) TCP_USER_TIMEOUT); by itself it would try for a quarter of an hour. Keep-alive does the same
    for a connection on which nothing is under way, because a request was acknowledged and its reply is awaited: Linux
    probes it after `keepalive_idle` of silence, every `keepalive_interval`, and gives it up when `user_timeout` has
    passed since the last packet (the count of probes matters only without a user timeout). So a line that dies is
    noticed within four seconds either way; that leaves three retransmissions at a round trip of 300 ms. The receive
    buffer is left to the kernel's auto-tuning, which a fixed size would turn off; UDP has none, so `udp_buffer_bytes`.
    """

    user_timeout: float = 4.0
    keepalive_idle: int = 2
    keepalive_interval: int = 1
    udp_buffer_bytes: int = 2_097_152

    def keep_alive(self, sock: socket.socket) -> None:
        """Sets what tells a dead TCP connection."""
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPIDLE, self.keepalive_idle)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPINTVL, self.keepalive_interval)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_KEEPCNT, 3)
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_USER_TIMEOUT, int(self.user_timeout * 1000))


def tcp_socket(line: Line, address: str, policy: SocketPolicy) -> socket.socket:
    """A non-blocking TCP socket on the line, for connecting to `address`.

    Raises:
        OSError: the source address or device isn't there, or is of another family.
    """
    sock = _bound_socket(line, address, socket.SOCK_STREAM)
    policy.keep_alive(sock)
    if line.congestion is not None:
        _set_congestion(sock, line.id, line.congestion)
    return sock


def udp_socket(line: Line, address: str, policy: SocketPolicy) -> socket.socket:
    """A non-blocking UDP socket on the line, bound, for datagrams to `address`.

    Raises:
        OSError: as for `tcp_socket`.
    """
    sock = _bound_socket(line, address, socket.SOCK_DGRAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, policy.udp_buffer_bytes)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_SNDBUF, policy.udp_buffer_bytes)
    return sock


def allow_fragments(sock: socket.socket) -> None:
    """Datagrams that are too large for a router are cut up there instead of lost (IPv4; where ICMP is filtered, nobody
    would ever know why they are)."""
    if sock.family is socket.AF_INET:
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)


def read_tcp(sock: socket.socket | None) -> Reading | None:
    """The kernel's figures of a TCP connection; None: it was closed a moment ago, or its transport let go of it."""
    if sock is None:
        return None
    try:
        return tcp_reading(sock.getsockopt(socket.IPPROTO_TCP, socket.TCP_INFO, TCP_INFO_BYTES))
    except OSError:
        return None


def _bound_socket(line: Line, address: str, kind: socket.SocketKind) -> socket.socket:
    six = is_v6(address)
    sock = socket.socket(socket.AF_INET6 if six else socket.AF_INET, kind)
    try:
        sock.setblocking(False)
        if line.interface is not None:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, line.interface.encode())
        if line.source is not None:
            if kind is socket.SOCK_STREAM:
                # The port is chosen at connect, when the far end is known: so each far end has all ports to itself.
                sock.setsockopt(socket.IPPROTO_IP, _IP_BIND_ADDRESS_NO_PORT, 1)
            sock.bind((line.source, 0))
        elif kind is socket.SOCK_DGRAM:
            sock.bind(("::" if six else "0.0.0.0", 0))
    except BaseException:
        sock.close()
        raise
    return sock


def _set_congestion(sock: socket.socket, line: str, name: str) -> None:
    try:
        sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_CONGESTION, name.encode())
    except OSError as error:
        if (line, name) not in _complained:
            _complained.add((line, name))
            _log.warning("line %s: congestion control %s is not available: %s", line, name, error.strerror)


_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT = 10, 0  # linux/in.h too
_IP_BIND_ADDRESS_NO_PORT = 24  # linux/in.h; Python 3.11 has no name for it
