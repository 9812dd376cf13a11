"""One HTTP/1.1 request and its reply: what the edge holds in hand while an `H1Connection` does the work."""

from __future__ import annotations

from typing import TYPE_CHECKING

from transport.exchange import ResponseSink
from transport.failure import Code, Failure, Origin, Verdict
from transport.h1 import LAST_CHUNK, chunk
from transport.message import RequestHead, ResponseHead

if TYPE_CHECKING:
    from transport.aio.h1 import H1Connection

REQUEST_FAULT = Failure(Origin.EDGE, Verdict.SAFE, Code.HTTP_REQUEST_ERROR, "the body doesn't fit its content-length")


class H1Exchange:
    """One request and its reply on an `H1Connection`."""

    __slots__ = ("_connection", "_left", "ended", "is_done", "is_paused", "is_tunnel", "reply", "request", "sink")

    def __init__(
        self, connection: H1Connection, request: RequestHead, sink: ResponseSink, left: int | None, ended: bool
    ) -> None:
        self._connection = connection
        self._left = left  # body bytes still to be sent; None: chunked
        self.request = request
        self.sink = sink
        self.reply: ResponseHead | None = None
        self.ended = ended  # nothing more will be sent
        self.is_done = False  # the sink has heard its last
        self.is_paused = False
        self.is_tunnel = False

    def send(self, data: bytes) -> bool:
        connection = self._connection
        if connection.exchange is not self or self.ended or not data:
            return True  # after the reply's end nobody reads it
        if self.is_tunnel:
            return connection.write(data)
        if self._left is None:
            return connection.write(chunk(data))
        self._left -= len(data)
        if self._left < 0:
            connection.fail(REQUEST_FAULT)
            return True
        return connection.write(data)

    def end(self) -> None:
        connection = self._connection
        if connection.exchange is not self or self.ended:
            return
        self.ended = True
        if self.is_tunnel:
            connection.end_tunnel(self)
        elif self._left is None:
            connection.write(LAST_CHUNK)
        elif self._left:
            connection.fail(REQUEST_FAULT)

    def pause(self) -> None:
        if self._connection.exchange is self and not self.is_paused:
            self.is_paused = True
            self._connection.transport.pause_reading()

    def resume(self) -> None:
        if self._connection.exchange is self and self.is_paused:
            self.is_paused = False
            self._connection.transport.resume_reading()

    def cancel(self) -> None:
        self.is_done = True
        if self._connection.exchange is self:
            self._connection.abort()
