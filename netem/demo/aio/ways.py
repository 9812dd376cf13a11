"""How a client's sockets reach a server: from which namespace and address, and through which proxy."""

import asyncio
import socket
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass

from netem.aio.relay import Address


@dataclass(frozen=True, slots=True)
class Way:
    """`target` is whom to talk to; `via`: the proxy that makes the tunnel there; `inside`: enters the namespace."""

    target: Address
    source: str = ""
    via: Address | None = None
    inside: Callable[[], AbstractContextManager[None]] = nullcontext

    async def open(self) -> socket.socket:
        """A connected socket. Raises OSError."""
        with self.inside():
            made = socket.socket(socket.AF_INET, socket.SOCK_STREAM)
        try:
            made.setblocking(False)
            made.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
            if self.source:
                made.bind((self.source, 0))
            loop = asyncio.get_running_loop()
            await loop.sock_connect(made, self.via or self.target)
            if self.via is not None:
                await _tunnel(made, self.target)
        except BaseException:
            made.close()
            raise
        return made


async def _tunnel(made: socket.socket, target: Address) -> None:
    loop = asyncio.get_running_loop()
    host, port = target
    await loop.sock_sendall(made, f"CONNECT {host}:{port} HTTP/1.1\r\nHost: {host}:{port}\r\n\r\n".encode())
    head = b""
    while not head.endswith(b"\r\n\r\n"):
        if not (data := await loop.sock_recv(made, 4096)):
            raise ConnectionError("the proxy closed the connection")
        head += data
    if not head.startswith(b"HTTP/1.1 2"):
        raise ConnectionError("the proxy refused")
