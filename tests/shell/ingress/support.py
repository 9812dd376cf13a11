"""A running ingress with a handler of the test's, and raw sockets to talk to it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from edge.config.model import Address, Limits, Listen, TlsFiles
from edge.ingress.connection import Handler
from edge.ingress.request import ClientRequest
from edge.ingress.server import Ingress

GET = b"GET / HTTP/1.1\r\nhost: a\r\n\r\n"


@dataclass
class Reply:
    """A reply as the raw socket saw it."""

    status: int
    headers: dict[bytes, bytes]
    body: bytes


async def echo(request: ClientRequest) -> None:
    """Answers with what it got: method, target and body."""
    body, complete = await request.read_body(1 << 30)
    assert complete
    text = request.method + b" " + request.target + b" " + body
    request.start(200, [(b"content-type", b"text/plain"), (b"content-length", b"%d" % len(text))])
    request.write(text)
    request.end()


@contextlib.asynccontextmanager
async def serving(
    handler: Handler, limits: Limits | None = None, tls: TlsFiles | None = None, **options: Any
) -> AsyncIterator[Ingress]:
    address = options.pop("address", Address("127.0.0.1", 0))
    ingress = Ingress(Listen(data=(address,), tls=tls), limits or Limits(), handler, sweep_seconds=0.05, **options)
    await ingress.start()
    try:
        yield ingress
    finally:
        await ingress.stop()


def port_of(ingress: Ingress) -> int:
    return ingress.addresses[0][1]


@dataclass
class Raw:
    """One raw connection."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter
    log: list[bytes] = field(default_factory=list)

    def send(self, data: bytes) -> None:
        self.writer.write(data)

    async def reply(self, *, head_only: bool = False) -> Reply:
        """Reads one reply, however it is framed."""
        head = await asyncio.wait_for(self.reader.readuntil(b"\r\n\r\n"), 10)
        lines = head[:-4].split(b"\r\n")
        status = int(lines[0].split()[1])
        headers: dict[bytes, bytes] = {}
        for line in lines[1:]:
            name, _, value = line.partition(b": ")
            assert name not in headers, name
            headers[name] = value
        if head_only or status in (100, 101, 204, 304):
            return Reply(status, headers, b"")
        if b"content-length" in headers:
            body = await asyncio.wait_for(self.reader.readexactly(int(headers[b"content-length"])), 10)
        elif headers.get(b"transfer-encoding") == b"chunked":
            body = await asyncio.wait_for(self._chunked(), 10)
        else:
            body = await asyncio.wait_for(self.reader.read(), 10)
        return Reply(status, headers, body)

    async def _chunked(self) -> bytes:
        body = b""
        while True:
            size = int(await self.reader.readuntil(b"\r\n"), 16)
            if not size:
                while (await self.reader.readuntil(b"\r\n")) != b"\r\n":
                    pass
                return body
            body += (await self.reader.readexactly(size + 2))[:-2]

    async def rest(self) -> bytes:
        return await asyncio.wait_for(self.reader.read(), 10)

    async def read_into(self, got: bytearray) -> None:
        while data := await asyncio.wait_for(self.reader.read(65536), 10):
            got += data

    async def closed(self) -> bool:
        """Is the end of the stream next, clean or not?"""
        try:
            return await asyncio.wait_for(self.reader.read(1), 10) == b""
        except ConnectionError:
            return True

    async def close(self) -> None:
        self.writer.close()
        with contextlib.suppress(ConnectionError):
            await self.writer.wait_closed()


@contextlib.asynccontextmanager
async def raw(ingress: Ingress, **options: Any) -> AsyncIterator[Raw]:
    reader, writer = await asyncio.open_connection("127.0.0.1", port_of(ingress), **options)
    connection = Raw(reader, writer)
    try:
        yield connection
    finally:
        await connection.close()
