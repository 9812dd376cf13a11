"""HTTP/1.1 for the load client: raw protocol and httptools."""

from __future__ import annotations

import asyncio
from typing import cast

import httptools

from netem.bench.aio.order import Call, Order


class H1Connection(asyncio.Protocol):
    """One connection, one call at a time."""

    def __init__(self, idle: list[H1Connection] | None) -> None:
        self.transport: asyncio.Transport | None = None
        self._idle = idle
        self._call: Call | None = None
        self._parser = httptools.HttpResponseParser(self)
        self._is_framed = False
        self._must_close = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class

    def data_received(self, data: bytes) -> None:
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as error:
            self._finish(is_clean=False, fault=f"not HTTP: {error}")
            self.close()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        if self._idle is not None and self in self._idle:
            self._idle.remove(self)
        call = self._call
        if call is None:
            return
        ended_by_close = error is None and call.status != 0 and not self._is_framed  # RFC 9112 §6.3, item 8
        self._finish(is_clean=ended_by_close, fault="" if ended_by_close else f"connection lost: {error or 'EOF'}")

    def request(self, head: bytes, body: bytes, call: Call) -> None:
        if self.transport is None:
            raise ConnectionResetError("the connection is gone")
        self._call, self._is_framed = call, False
        self.transport.write(head + body)

    def close(self) -> None:
        if self.transport is not None:
            self.transport.abort()

    def is_serving(self, call: Call) -> bool:
        return self._call is call

    # httptools

    def on_header(self, name: bytes, value: bytes) -> None:
        lowered = name.lower()
        if lowered in (b"content-length", b"transfer-encoding"):
            self._is_framed = True

    def on_headers_complete(self) -> None:
        if self._call is not None:
            self._call.status = self._parser.get_status_code()
        self._must_close = not self._parser.should_keep_alive()

    def on_body(self, data: bytes) -> None:
        if self._call is not None:
            self._call.feed(data)

    def on_message_complete(self) -> None:
        if not self._is_framed:
            return  # httptools says so too when a body that lasts until the close begins
        self._finish(is_clean=True)
        if self._idle is None or self._must_close:
            self.close()
        else:
            self._idle.append(self)

    def _finish(self, *, is_clean: bool, fault: str = "") -> None:
        call, self._call = self._call, None
        if call is not None:
            call.end(is_clean=is_clean, fault=fault)


class H1:
    """Connections kept alive and used again (the one used last first), or with `is_cold` a new one per request."""

    def __init__(self, order: Order, *, is_cold: bool = False) -> None:
        self._order = order
        self._idle: list[H1Connection] = []
        self._all: list[H1Connection] = []
        self._is_cold = is_cold

    async def warm(self, count: int) -> None:
        if self._is_cold:
            return
        async with asyncio.TaskGroup() as group:
            opened = [group.create_task(self._connect()) for _ in range(count)]
        self._idle.extend(task.result() for task in opened)

    async def send(self, path: str, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        connection = self._idle.pop() if self._idle else await self._connect()
        lines = [f"POST {path} HTTP/1.1", f"host: {self._order.authority}", f"content-length: {len(body)}"]
        lines += [f"{name}: {value}" for name, value in headers]
        connection.request(("\r\n".join(lines) + "\r\n\r\n").encode(), body, call)

    def abandon(self, call: Call) -> None:
        for connection in self._all:
            if connection.is_serving(call):
                connection.close()

    async def close(self) -> None:
        for connection in list(self._all):
            connection.close()

    async def _connect(self) -> H1Connection:
        order, idle = self._order, None if self._is_cold else self._idle
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: H1Connection(idle), order.host, order.port, ssl=order.tls("http/1.1")
        )
        self._all.append(connection)
        return connection
