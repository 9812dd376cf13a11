"""A raw HTTP/1.1 server that answers every request with one prepared reply, and ends it well or badly."""

from __future__ import annotations

import asyncio
import contextlib
import socket
import struct
from collections.abc import AsyncIterator
from dataclasses import dataclass, field


@dataclass
class Reply:
    """`cut`: the connection is reset after `body` instead of ending the chunked body in order."""

    body: bytes
    status: int = 200
    headers: list[tuple[bytes, bytes]] = field(default_factory=lambda: [(b"content-type", b"text/event-stream")])
    cut: bool = False


@dataclass
class Asked:
    method: bytes
    target: bytes
    headers: list[tuple[bytes, bytes]]
    body: bytes


class Server:
    """Serves `reply`; remembers what was asked."""

    def __init__(self) -> None:
        self.reply = Reply(b"")
        self.asked: list[Asked] = []
        self.url = ""

    async def serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        try:
            await self._one(reader, writer)
        except (ConnectionError, asyncio.IncompleteReadError):
            pass
        finally:
            writer.close()

    async def _one(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        head = await reader.readuntil(b"\r\n\r\n")
        lines = head.rstrip().split(b"\r\n")
        method, target, _ = lines[0].split(b" ")
        headers = [(n.strip().lower(), v.strip()) for n, _, v in (line.partition(b":") for line in lines[1:])]
        length = int(dict(headers).get(b"content-length", b"0"))
        self.asked.append(Asked(method, target, headers, await reader.readexactly(length)))
        reply = self.reply
        writer.write(b"HTTP/1.1 %d Said\r\ntransfer-encoding: chunked\r\nconnection: close\r\n" % reply.status)
        writer.write(b"".join(b"%b: %b\r\n" % pair for pair in reply.headers) + b"\r\n")
        for start in range(0, len(reply.body), 97):  # events arrive in pieces
            piece = reply.body[start : start + 97]
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
        await writer.drain()
        if reply.cut:
            # The bytes must have been read before a reset throws them away.
            await asyncio.sleep(0.05)
            sock: socket.socket = writer.get_extra_info("socket")
            sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))
            writer.transport.abort()
        else:
            writer.write(b"0\r\n\r\n")
            await writer.drain()


@contextlib.asynccontextmanager
async def serving() -> AsyncIterator[Server]:
    server = Server()
    listener = await asyncio.start_server(server.serve, "127.0.0.1", 0)
    async with listener:
        host, port = listener.sockets[0].getsockname()[:2]
        server.url = f"http://{host}:{port}"
        yield server
