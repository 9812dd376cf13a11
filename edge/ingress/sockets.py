"""Listening sockets: made before the loop takes them, so that every option is inherited by what they accept."""

from __future__ import annotations

import os
import socket
import stat
from collections.abc import Sequence
from dataclasses import replace

from edge.config.model import Address

BACKLOG = 4096
"""The kernel bounds it by net.core.somaxconn."""

KEEPALIVE_SECONDS = 60
NOT_SENT_BYTES = 128 * 1024
"""Unsent bytes that the kernel takes per connection: what is beyond it stays with us, where back-pressure sees it."""


def open_listener(address: Address, *, reuse_port: bool, write_seconds: float, unix_mode: int = 0o660) -> socket.socket:
    """A listening socket for `address`, not blocking.

    `write_seconds` becomes TCP_USER_TIMEOUT: a client that vanished is noticed although the kernel takes our bytes.

    Raises:
        OSError: the address is in use or can't be bound.
    """
    if address.unix:
        return _open_unix(address.host, unix_mode)
    family, _, _, _, name = socket.getaddrinfo(
        address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
    )[0]
    sock = socket.socket(family, socket.SOCK_STREAM)
    try:
        sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if reuse_port:
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        if family == socket.AF_INET6:
            sock.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_V6ONLY, 1)
        _set_tcp_options(sock, write_seconds)
        sock.bind(name)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def adopted(given: list[socket.socket], address: Address) -> list[socket.socket]:
    """Those of the sockets, which another process opened, that listen on `address`; they are taken out of `given`."""
    found = [sock for sock in given if _is_at(sock, address)]
    given[:] = [sock for sock in given if sock not in found]
    return found


def _is_at(sock: socket.socket, address: Address) -> bool:
    if address.unix or sock.family == socket.AF_UNIX:
        return address.unix and sock.family == socket.AF_UNIX and sock.getsockname() == address.host
    name = socket.getaddrinfo(address.host or None, address.port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE)[0][
        4
    ]
    host, port = sock.getsockname()[:2]
    return host == name[0] and (not address.port or port == address.port)


def for_workers(
    addresses: Sequence[Address], given: list[socket.socket], count: int, write_seconds: float
) -> list[list[socket.socket]]:
    """What each of `count` workers listens on: one socket of its own per address, the kernel spreads the connections.
    More sockets than workers are shared out too, since connections wait in them; a unix socket is common to all.

    Raises:
        OSError: an address is in use or can't be bound.
    """
    shares: list[list[socket.socket]] = [[] for _ in range(count)]
    for address in addresses:
        sockets = adopted(given, address)
        while not sockets or (len(sockets) < count and not address.unix):
            port = address.port if address.unix or not sockets else sockets[0].getsockname()[1]
            at = replace(address, port=port)
            sockets.append(open_listener(at, reuse_port=not address.unix, write_seconds=write_seconds))
        for number, sock in enumerate(sockets * count if address.unix else sockets):
            shares[number % count].append(sock)
    return shares


def _set_tcp_options(sock: socket.socket, write_seconds: float) -> None:
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE, 1)
    for option, value in (
        ("TCP_KEEPIDLE", KEEPALIVE_SECONDS),
        ("TCP_KEEPINTVL", KEEPALIVE_SECONDS // 4),
        ("TCP_USER_TIMEOUT", int(write_seconds * 1000)),
        ("TCP_NOTSENT_LOWAT", NOT_SENT_BYTES),
    ):
        number = getattr(socket, option, None)  # not every system has them
        if number is not None:
            sock.setsockopt(socket.IPPROTO_TCP, number, value)


def _open_unix(path: str, mode: int) -> socket.socket:
    _remove_stale(path)
    sock = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    try:
        old = os.umask(0o777 & ~mode)
        try:
            sock.bind(path)
        finally:
            os.umask(old)
        sock.listen(BACKLOG)
        sock.setblocking(False)
    except BaseException:
        sock.close()
        raise
    return sock


def _remove_stale(path: str) -> None:
    """Removes a socket that a dead process left behind; one that answers stays, and so does any other file."""
    try:
        if not stat.S_ISSOCK(os.stat(path).st_mode):
            return
    except FileNotFoundError:
        return
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as probe:
        probe.settimeout(1.0)
        try:
            probe.connect(path)
        except ConnectionRefusedError:
            os.unlink(path)
