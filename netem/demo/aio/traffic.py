"""The client: streaming requests over kept-alive connections, with the patience and the retries of an SDK."""

import asyncio
import json
import random
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import cast

import httptools

from netem.demo.aio.ways import Way
from netem.demo.course import Course
from netem.demo.sdk import Patience, back_off, is_retried, read_retry_after
from netem.demo.tokens import TokenReader

Reader = Callable[[bytes], None]
_QUESTION = "Tell me about the road."


@dataclass(slots=True)
class Head:
    """Of a reply."""

    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)


class Connection(asyncio.Protocol):
    """One HTTP/1.1 connection: one exchange at a time. httptools calls the `on_` methods."""

    def __init__(self, read_timeout: float) -> None:
        self._read_timeout = read_timeout
        self._transport: asyncio.Transport | None = None
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._head = Head()
        self._heard: asyncio.Future[Head] | None = None
        self._ended: asyncio.Future[None] | None = None
        self._read: Reader | None = None
        self._last_at = 0.0
        self._timer: asyncio.TimerHandle | None = None
        self.idle_since = 0.0

    @property
    def is_open(self) -> bool:
        """May it carry another exchange?"""
        return self._transport is not None and not self._transport.is_closing()

    async def send(self, request: bytes, read: Reader) -> Head:
        """Send; returns the reply's head, its body goes to `read`. Raises OSError (TimeoutError is one)."""
        if self._transport is None or not self.is_open:
            raise ConnectionError("closed")
        self._parser = httptools.HttpResponseParser(self)
        self._head, self._read = Head(), read
        self._heard, self._ended = self._loop.create_future(), self._loop.create_future()
        self._last_at = self._loop.time()
        self._watch()
        self._transport.write(request)
        return await self._heard

    async def end(self) -> None:
        """The end of the body; what `send` may raise, this may too."""
        if self._ended is not None:
            await self._ended

    def close(self) -> None:
        """At once."""
        if self._timer is not None:
            self._timer.cancel()
        if self._transport is not None:
            self._transport.abort()

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)

    def data_received(self, data: bytes) -> None:
        self._last_at = self._loop.time()
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserError as wrong:
            self._fail(ConnectionError(str(wrong)))

    def connection_lost(self, exc: Exception | None) -> None:
        self._fail(ConnectionError(str(exc) if exc else "closed by the other end"))

    def on_header(self, name: bytes, value: bytes) -> None:
        self._head.headers[name.decode("latin-1").lower()] = value.decode("latin-1")

    def on_headers_complete(self) -> None:
        self._head.status = self._parser.get_status_code()
        if self._heard is not None and not self._heard.done():
            self._heard.set_result(self._head)

    def on_body(self, body: bytes) -> None:
        if self._read is not None:
            self._read(body)

    def on_message_complete(self) -> None:
        self.idle_since = self._loop.time()
        if self._timer is not None:
            self._timer.cancel()
        if self._ended is not None and not self._ended.done():
            self._ended.set_result(None)
        if not self._parser.should_keep_alive():
            self.close()

    def _watch(self) -> None:
        """One timer for an exchange, moved on only when it fires."""
        due = self._last_at + self._read_timeout
        if due <= self._loop.time():
            self._fail(TimeoutError(f"nothing for {self._read_timeout:g} s"))
        else:
            self._timer = self._loop.call_at(due, self._watch)

    def _fail(self, fault: OSError) -> None:
        for waiting in (self._heard, self._ended):
            if waiting is not None and not waiting.done():
                waiting.set_exception(fault)
                waiting.exception()  # whoever awaits it hears of it; if nobody does, that is no news
        self.close()


class Client:
    """An SDK and its pool. `path`: the way its requests go where no edge says so."""

    def __init__(self, way: Way, patience: Patience, name: str, path: str = "") -> None:
        self._path = path
        self._way = way
        self._patience = patience
        self._name = name
        self._idle: list[Connection] = []
        self._open: set[Connection] = set()
        self._serial = 0
        self._clock = asyncio.get_running_loop().time

    async def stream(self, course: Course) -> None:
        """One streaming request, to its end; what becomes of it is written to the course."""
        self._serial += 1
        request = self._request()
        reader = TokenReader()

        def read(body: bytes) -> None:
            now = self._clock()
            for token in reader.feed(body):
                course.token(token, now)

        connection = await self._begin(request, read, course)
        if connection is not None:
            try:
                await connection.end()
            except OSError:
                pass  # the course knows that it isn't done
            self._release(connection)
        course.end(reader.is_done and not reader.has_failed, self._clock())

    async def get(self, path: str) -> str:
        """One small reply. Raises OSError."""
        pieces: list[bytes] = []
        connection = await self._connection()
        try:
            await connection.send(f"GET {path} HTTP/1.1\r\nhost: {self._way.target[0]}\r\n\r\n".encode(), pieces.append)
            await connection.end()
        finally:
            self._release(connection)
        return b"".join(pieces).decode()

    def close(self) -> None:
        """All connections, at once."""
        for connection in self._open:
            connection.close()

    async def _begin(self, request: bytes, read: Reader, course: Course) -> Connection | None:
        """Try until a reply has begun that isn't to be tried again; None if there is none."""
        retry_after: float | None = None
        for taken in range(self._patience.retries + 1):
            if taken:
                await asyncio.sleep(back_off(taken - 1, random.random(), retry_after))
                course.retry(self._clock())
            retry_after = None
            connection = None
            try:
                connection = await self._connection()
                head = await connection.send(request, read)
            except OSError:
                self._drop(connection)
                continue
            if head.status == 200:
                course.answered(head.headers.get("x-farline-path", self._path))
                return connection
            self._drop(connection)
            if not is_retried(head.status):
                break
            retry_after = read_retry_after(head.headers.get("retry-after", ""))
        return None

    async def _connection(self) -> Connection:
        while self._idle:
            connection = self._idle.pop()
            if connection.is_open and self._clock() - connection.idle_since < self._patience.keep_idle:
                return connection
            self._drop(connection)
        async with asyncio.timeout(self._patience.connect):
            sock = await self._way.open()
            made = Connection(self._patience.read)
            await asyncio.get_running_loop().create_connection(lambda: made, sock=sock)
        self._open.add(made)
        return made

    def _release(self, connection: Connection) -> None:
        if connection.is_open:
            self._idle.append(connection)
        else:
            self._drop(connection)

    def _drop(self, connection: Connection | None) -> None:
        if connection is not None:
            connection.close()
            self._open.discard(connection)

    def _request(self) -> bytes:
        asked = {"model": "gpt-4.1", "stream": True, "messages": [{"role": "user", "content": _QUESTION}]}
        body = json.dumps(asked).encode()
        host, port = self._way.target
        head = (
            f"POST /v1/chat/completions HTTP/1.1\r\nhost: {host}:{port}\r\ncontent-type: application/json\r\n"
            f"authorization: Bearer demo\r\nx-sim-id: {self._name}-{self._serial}\r\n"
            f"content-length: {len(body)}\r\n\r\n"
        )
        return head.encode() + body
