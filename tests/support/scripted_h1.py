"""A raw HTTP/1.1 server for tests: it plays a function over a stream pair, or a contract `Script`."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from dataclasses import dataclass, field

from tests.shell.exchange_contract import Script

Play = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


@dataclass
class Served:
    """Where the server listens, and the client address of every connection it took."""

    port: int = 0
    peers: list[str] = field(default_factory=list)
    writers: list[asyncio.StreamWriter] = field(default_factory=list)


@asynccontextmanager
async def serve(play: Play, *, host: str = "127.0.0.1", tls: ssl.SSLContext | None = None) -> AsyncIterator[Served]:
    """Runs `play` for every connection until the block ends; then ends those that hang."""
    served = Served()
    running: set[asyncio.Task[None]] = set()

    async def handle(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        running.add(task)
        served.peers.append(writer.get_extra_info("peername")[0])
        served.writers.append(writer)
        try:
            await play(reader, writer)
        except (OSError, asyncio.IncompleteReadError, asyncio.CancelledError):
            pass
        finally:
            running.discard(task)
            writer.close()

    server = await asyncio.start_server(handle, host, 0, ssl=tls, limit=2**22)
    served.port = server.sockets[0].getsockname()[1]
    try:
        yield served
    finally:
        server.close()
        for task in list(running):
            task.cancel()
        for writer in served.writers:
            writer.transport.abort()
        await asyncio.sleep(0.01)


async def read_head(reader: asyncio.StreamReader) -> tuple[bytes, dict[bytes, bytes]]:
    """The request line and the header fields."""
    raw = await reader.readuntil(b"\r\n\r\n")
    line, *fields = raw[:-4].split(b"\r\n")
    pairs = (field.split(b":", 1) for field in fields)
    return line, {name.lower(): value.strip() for name, value in pairs}


async def read_request(reader: asyncio.StreamReader) -> tuple[bytes, dict[bytes, bytes], bytes]:
    """A whole request: line, fields, body."""
    line, fields = await read_head(reader)
    if b"chunked" in fields.get(b"transfer-encoding", b""):
        body = bytearray()
        while size := int(await reader.readline(), 16):
            body += await reader.readexactly(size)
            await reader.readexactly(2)
        await reader.readexactly(2)
        return line, fields, bytes(body)
    return line, fields, await reader.readexactly(int(fields.get(b"content-length", b"0")))


def answering(*replies: bytes, close: bool = False) -> Play:
    """Reads a request before each reply; then closes, or waits for the client to."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        for reply in replies:
            await read_request(reader)
            writer.write(reply)
            await writer.drain()
        if not close:
            await reader.read()

    return play


def playing(script: Script) -> Play:
    """The HTTP/1.1 rendering of a contract script."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            if script.early:
                await read_head(reader)
                body = script.body
            else:
                _, _, sent = await read_request(reader)
                body = sent if script.echo else script.body
            await _stop(script, "before", writer)
            writer.write(b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n")
            step = max(1, -(-len(body) // script.pieces))
            for begin in range(0, len(body), step):
                piece = body[begin : begin + step]
                writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
                await writer.drain()
                await _stop(script, "amid", writer)
            writer.write(b"0\r\n\r\n")
            await writer.drain()

    return play


async def _stop(script: Script, point: str, writer: asyncio.StreamWriter) -> None:
    if script.hang == point:
        await asyncio.sleep(3600)
    if script.cut == point:
        await asyncio.sleep(0.02)
        writer.transport.abort()
        raise ConnectionAbortedError
