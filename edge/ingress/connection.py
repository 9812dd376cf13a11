"""One client connection: HTTP/1.1 over a transport, one request at a time (RFC 9112).

    bytes → head → ClientRequest → the handler's task; body bytes → the request; the reply's bytes → transport.write

Requests that are pipelined wait, unparsed, until the reply before them has ended.
"""

from __future__ import annotations

import asyncio
import fcntl
import logging
import socket
import struct
import termios
import time
from collections.abc import Callable, Coroutine
from typing import Any, cast

from edge.config.model import Limits
from edge.ingress.chunked import BadChunk, ChunkedReader
from edge.ingress.head import BadRequest, parse_head
from edge.ingress.patience import Phase, Progress, patience
from edge.ingress.reply import ErrorRenderer, Framing, http_date, render_head
from edge.ingress.request import BUFFER_BYTES, ClientRequest
from edge.serve.client import BadBody, BodyTooLarge
from transport.aio.tasks import TaskOwner

logger = logging.getLogger("farline.ingress")

Handler = Callable[[ClientRequest], Coroutine[Any, Any, None]]
"""Answers one request. Must end or abort the reply before it returns."""

_RESET = struct.pack("ii", 1, 0)
_BREAK_OFF_TRIES = 40


class Service:
    """What all connections of a listener share."""

    def __init__(self, limits: Limits, handler: Handler, render_error: ErrorRenderer) -> None:
        self.limits = limits
        self.handler = handler
        self.render_error = render_error
        self.tasks = TaskOwner("request handler")
        self.connections: set[IngressConnection] = set()
        self.is_draining = False
        self.accepted = 0
        self.active = 0  # requests in hand
        self.requests = 0
        self.refused = 0  # requests and connections that never reached the handler
        self.on_empty: Callable[[], None] | None = None
        self._date = (0, b"")

    def current_date(self) -> bytes:
        second = int(time.time())
        if self._date[0] != second:
            self._date = (second, http_date(second))
        return self._date[1]


class IngressConnection(asyncio.Protocol):
    """Reads requests and runs the handler on them. Implements `edge.ingress.request.Wire`."""

    __slots__ = (
        "_buffer",
        "_chunked",
        "_in_bytes",
        "_is_broken",
        "_is_eof",
        "_is_lingering",
        "_is_reading",
        "_left",
        "_out_bytes",
        "_progress",
        "_request",
        "_requests",
        "_scanned",
        "_service",
        "_transport",
        "is_slow",
        "peer",
    )

    def __init__(self, service: Service) -> None:
        self._service = service
        self._transport = cast(asyncio.Transport, None)  # until connection_made
        self._request: ClientRequest | None = None
        self._buffer = b""  # an incomplete head, or pipelined requests
        self._scanned = 0  # how much of it is known to hold no empty line
        self._left = 0  # of a body with content-length
        self._chunked: ChunkedReader | None = None
        self._in_bytes = 0  # of the present request's body
        self._out_bytes = 0
        self._requests = 0
        self._is_reading = True
        self._is_eof = False
        self._is_lingering = False
        self._is_broken = False
        self._progress = Progress(Phase.IDLE, 0, time.monotonic())
        self.is_slow = False
        self.peer = ""

    # -- asyncio's callbacks

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        peer = transport.get_extra_info("peername")
        self.peer = str(peer[0]) if isinstance(peer, tuple) else "unix"
        service = self._service
        service.connections.add(self)
        service.accepted += 1
        over = len(service.connections) - service.limits.max_connections
        if over > 0:
            if over > max(16, service.limits.max_connections // 8):
                service.refused += 1
                self._reset()
            else:
                self.refuse(503, "too many connections", b"")

    def connection_lost(self, exc: Exception | None) -> None:
        service = self._service
        service.connections.discard(self)
        self._is_broken = True
        self._buffer = b""
        request = self._detach()
        if request is not None:
            request.client_left()
        if not service.connections and service.on_empty is not None:
            service.on_empty()

    def data_received(self, data: bytes) -> None:
        if self._is_lingering or self._is_broken:
            return
        request = self._request
        if request is None:
            self._read_head(self._buffer + data if self._buffer else data)
        elif request.is_tunnel:
            request.take(data)
            self.adjust_reading()
        elif self._left or self._chunked is not None:
            self._read_body(request, data)
        else:
            self._buffer += data
            self.adjust_reading()

    def eof_received(self) -> bool:
        """Clients that cancel close: an end of input while a reply is made means that nobody will read it.

        Unless requests are still waiting in the buffer: then the client has said all it had to say, and reads on.
        """
        self._is_eof = True
        request = self._request
        if request is None or self._is_broken:
            return False
        is_plain = self._transport.get_extra_info("sslcontext") is None
        if request.is_tunnel and is_plain:
            request.body_ended()
            return True
        if self._buffer and is_plain:
            return True
        self._detach()
        request.client_left()
        self._is_broken = True
        self._transport.abort()
        return False

    def pause_writing(self) -> None:
        self.is_slow = True
        if self._request is not None:
            self._request.client_slow()

    def resume_writing(self) -> None:
        self.is_slow = False
        if self._request is not None:
            self._request.client_ready()

    # -- requests coming in

    def _read_head(self, data: bytes) -> None:
        if data.startswith(b"\r\n"):  # RFC 9112 §2.2: an empty line before the request line is ignored
            data = data.lstrip(b"\r\n")
            self._scanned = 0
        end = data.find(b"\r\n\r\n", max(0, self._scanned - 3))
        limit = self._service.limits.header_bytes
        if end > limit or (end < 0 and len(data) > limit):
            self.refuse(431, "the request's head is too large", b"")
        elif end >= 0:
            self._scanned = 0
            self._begin(data[: end + 4], data[end + 4 :])
        elif data and (not data[:1].isalpha() or (data.endswith(b"\n") and not data.endswith(b"\r\n"))):
            self.refuse(400, "this isn't HTTP/1.1", b"")
        else:
            self._buffer = data
            self._scanned = len(data)

    def _begin(self, raw: bytes, rest: bytes) -> None:
        service = self._service
        self._buffer = b""
        self._requests += 1
        try:
            head = parse_head(raw)
        except BadRequest as bad:
            self.refuse(bad.status, bad.detail, b"")
            return
        if head.length is None:
            self._chunked = ChunkedReader()
        elif head.length > service.limits.body_bytes:
            self.refuse(413, "the request's body is too large", head.target)
            return
        else:
            self._left = head.length
        self._in_bytes = 0
        request = self._request = ClientRequest(self, head, time.monotonic())
        service.requests += 1
        service.active += 1
        if rest:
            if head.length == 0:
                self._buffer = rest
                self.adjust_reading()
            else:
                self._read_body(request, rest)
        service.tasks.start(self._serve(request))

    async def _serve(self, request: ClientRequest) -> None:
        try:
            await self._service.handler(request)
        finally:
            request.handler_returned()

    def _read_body(self, request: ClientRequest, data: bytes) -> None:
        self._in_bytes += len(data)
        if self._chunked is not None:
            self._read_chunks(request, self._chunked, data)
        else:
            if len(data) > self._left:
                self._buffer = data[self._left :]
                data = data[: self._left]
            self._left -= len(data)
            request.take(data)
            if not self._left:
                request.body_ended()
        self.adjust_reading()

    def _read_chunks(self, request: ClientRequest, chunked: ChunkedReader, data: bytes) -> None:
        try:
            pieces = chunked.feed(data)
        except BadChunk as bad:
            request.body_failed(BadBody(str(bad)))
            self._stop_reading_body()
            return
        if self._in_bytes > self._service.limits.body_bytes:
            request.body_failed(BodyTooLarge("the request's body is too large"))
            self._stop_reading_body()
            return
        for piece in pieces:
            request.take(piece)
        if chunked.done and self._request is request:
            self._chunked = None
            self._buffer = chunked.rest
            request.body_ended()

    def _stop_reading_body(self) -> None:
        """Where the body ends will never be known, or doesn't matter any more: whatever comes is thrown away."""
        self._is_lingering = True

    # -- what a request asks of its connection

    def write(self, data: bytes) -> None:
        self._out_bytes += len(data)
        self._transport.write(data)

    def may_stay_open(self) -> bool:
        return not self._service.is_draining

    def current_date(self) -> bytes:
        return self._service.current_date()

    def adjust_reading(self) -> None:
        request = self._request
        if request is None or self._is_lingering:
            wanted = True
        elif request.is_tunnel or self._left or self._chunked is not None:
            wanted = request.wants_bytes
        else:
            wanted = len(self._buffer) < BUFFER_BYTES
        if wanted is not self._is_reading and not self._is_broken:
            self._is_reading = wanted
            if wanted:
                self._transport.resume_reading()
            else:
                self._transport.pause_reading()

    def tunnel_began(self) -> None:
        early, self._buffer = self._buffer, b""
        request = self._request
        if request is not None and early:
            request.take(early)
        if request is not None and self._is_eof:
            request.body_ended()
        self.adjust_reading()

    def reply_ended(self, *, close: bool) -> None:
        is_tunnel = self._request is not None and self._request.is_tunnel
        is_whole = not self._left and self._chunked is None and not self._buffer
        self._detach()
        if close or self._service.is_draining or (self._is_eof and not self._buffer):
            self._finish(linger=self._transport.can_write_eof() if is_tunnel else not is_whole)
        elif self._buffer:
            self._read_head(self._buffer)
        self.adjust_reading()

    def refuse(self, status: int, detail: str, target: bytes) -> None:
        service = self._service
        service.refused += 1
        self._detach()
        if self._is_broken:
            return
        headers, body = service.render_error(status, detail, target)
        headers = [*headers, (b"content-length", b"%d" % len(body))]
        self.write(render_head(status, headers, Framing.LENGTH, b"close", service.current_date()) + body)
        self._finish(linger=True)
        self.adjust_reading()

    def _finish(self, *, linger: bool) -> None:
        """Closes after what was written. `linger`: the client may still be sending, and a close with unread bytes
        would reset the connection and take the reply away from it (RFC 9112 §9.6)."""
        self._buffer = b""
        if not linger or self._is_eof:
            self._is_broken = True
            self._transport.close()
            return
        self._is_lingering = True
        if self._transport.can_write_eof():
            self._transport.write_eof()

    def _detach(self) -> ClientRequest | None:
        request, self._request = self._request, None
        if request is not None:
            self._service.active -= 1
            self._left = 0
            self._chunked = None
        return request

    def break_off(self, *, reset: bool) -> None:
        self._detach()
        if not reset:
            self._finish(linger=self._transport.can_write_eof())
            return
        self._buffer = b""
        self._is_lingering = True
        self._break_off(0)

    def _break_off(self, tries: int) -> None:
        """Waits until the last bytes (an error event) were acknowledged: a reset would destroy them under way."""
        if self._is_broken or self._transport.is_closing():
            return
        if tries < _BREAK_OFF_TRIES and self._unsent_bytes():
            delay = min(0.001 * 2**tries, 0.05)
            asyncio.get_running_loop().call_later(delay, self._break_off, tries + 1)
        else:
            self._reset()

    def _unsent_bytes(self) -> int:
        waiting = self._transport.get_write_buffer_size()
        if waiting:
            return waiting
        queued = fcntl.ioctl(self._transport.get_extra_info("socket").fileno(), termios.TIOCOUTQ, b"\0\0\0\0")
        return int.from_bytes(queued, "little")

    def _reset(self) -> None:
        """Closes with RST: the peer's next read fails instead of finding a clean end."""
        self._is_broken = True
        if not self._transport.is_closing():
            self._transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET)
        self._transport.abort()

    # -- what the server asks

    @property
    def is_idle(self) -> bool:
        return self._request is None and not self._is_lingering

    def close_if_idle(self, *, is_new: bool = False) -> None:
        """A draining server wants no further request on this connection. Unless it has just been accepted, when its
        first is on the way; with `is_new` it was long enough."""
        if self.is_idle and not self._is_broken and (self._requests or is_new):
            self._finish(linger=False)

    def abort(self) -> None:
        """The server stops now."""
        request = self._detach()
        if not self._is_broken:
            self._reset()
        if request is not None:
            request.client_left()

    def sweep(self, now: float) -> None:
        """Gives the client up if it has made no progress for longer than it may."""
        phase, mark = self._phase()
        allowed = patience(phase, self._service.limits)
        if self._progress.observe(phase, mark, now) > (allowed if allowed is not None else now):
            self._time_out(phase)

    def _phase(self) -> tuple[Phase, int]:
        waiting = self._transport.get_write_buffer_size()
        if waiting:
            return Phase.WRITE, self._out_bytes - waiting
        request = self._request
        if request is None:
            if self._is_lingering or self._is_broken:
                return Phase.LINGER, 0
            return (Phase.HEAD if self._buffer else Phase.IDLE), self._requests
        if (self._left or self._chunked is not None) and self._is_reading and request.is_waiting:
            return Phase.BODY, self._in_bytes
        return Phase.WORK, 0

    def _time_out(self, phase: Phase) -> None:
        request = self._request
        if request is not None:
            request.timed_out()
            if phase is Phase.WRITE:
                self._reset()
        elif phase is Phase.HEAD:
            self.refuse(408, "the request's head didn't come in time", b"")
        elif phase is Phase.IDLE:
            self._finish(linger=False)
        else:
            self._reset()
