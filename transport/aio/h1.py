"""HTTP/1.1 client connections on httptools: one exchange at a time, reply bytes straight from `data_received`.

When is a request on a dead connection SAFE to repeat? Only if nothing of it was written: a slot is offered only while
the kernel holds no EOF and no stray bytes, and `open` writes nothing on a connection that is known to be closing. Once
the head was written it may have arrived, even if a kept-alive peer closed at that moment without a byte of reply:
UNKNOWN.

The parser's callbacks only take notes; sinks are called after it returns. So a fault in a sink goes to the event loop's
exception handler and fails that exchange as `proxy_internal_error`; it never looks like the peer's.
"""

from __future__ import annotations

import asyncio
import select
import ssl
from dataclasses import replace
from typing import Any

import httptools

from transport.aio.h1_exchange import REQUEST_FAULT, H1Exchange
from transport.aio.line import read_tcp
from transport.aio.tls import said_goodbye, ssl_object
from transport.connector import ConnectionOwner
from transport.dialing import DEAD_LINE_ERRNOS
from transport.exchange import ResponseSink
from transport.failure import Code, Failure, Origin, Verdict
from transport.h1 import ends_at_close, keep_alive_timeout, lost, request_bytes
from transport.message import Headers, RequestHead, ResponseHead, header
from transport.path import Path, Protocol
from transport.sample import Tally, TransportSample

HEAD_LIMIT_BYTES = 65_536  # of everything before the end of a reply's final head
_CLOSED = select.POLLRDHUP | select.POLLHUP | select.POLLERR


class H1Connection(asyncio.Protocol):
    """A connection that a pool owns, for a transport that is up (TCP, or TLS with ALPN http/1.1 or none)."""

    __slots__ = (
        "__weakref__",
        "_alive",
        "_complete",
        "_draining",
        "_eof",
        "_fault",
        "_head_bytes",
        "_headers",
        "_hinted",
        "_loop",
        "_new_head",
        "_owner",
        "_parser",
        "_parts",
        "_poll",
        "_reserved",
        "_reusable",
        "_tally",
        "_tls",
        "_writable",
        "exchange",
        "on_body",
        "path",
        "transport",
    )

    protocol = Protocol.H1
    transport: asyncio.Transport
    _parser: Any
    _loop: asyncio.AbstractEventLoop
    _tally: Tally
    _tls: ssl.SSLObject | None

    def __init__(self, path: Path, owner: ConnectionOwner, authority: str) -> None:
        """`authority` belongs to the shape that all protocols share; requests carry their own."""
        self.path = path
        self.exchange: H1Exchange | None = None
        self._owner = owner
        self._alive = False
        self._draining = False
        self._reserved = False
        self._writable = True
        self._eof = False
        self._fault: Failure | None = None
        self._hinted = False
        self._head_bytes = 0
        self._new_head: ResponseHead | None = None
        self._complete = False  # the reply in progress has ended
        self._reusable = False  # another exchange may follow it
        self._headers: Headers = []
        self._parts: list[bytes] = []
        self.on_body = self._parts.append  # httptools calls it for each piece of body
        self._poll = select.poll()

    # what the pool and the exchange call

    @property
    def in_flight(self) -> int:
        return 1 if self._reserved or self.exchange is not None else 0

    def has_slot(self) -> bool:
        """Alive, idle, and nothing waits in the kernel: a FIN that the loop hasn't read yet, or stray bytes."""
        return (
            self._alive
            and self.exchange is None
            and not self._reserved
            and not self.transport.is_closing()
            and not self._poll.poll(0)
        )

    def reserve(self) -> None:
        self._reserved = True

    def release(self) -> None:
        self._reserved = False
        if self._draining:
            self.close()
        elif self._alive:
            self._owner.on_slot_free(self)

    def open(self, head: RequestHead, sink: ResponseSink, body: bytes | None, *, end: bool) -> H1Exchange:
        self._reserved = False
        content, left = request_bytes(head, body, end=end)
        exchange = H1Exchange(self, head, sink, left, end)
        if not self._alive or self.transport.is_closing():
            self._loop.call_soon(_refuse, exchange, _FOUND_DEAD)
        elif left is not None and (left < 0 or (end and left)):
            self._loop.call_soon(_refuse, exchange, REQUEST_FAULT)
            self._loop.call_soon(self.release)
        else:
            self.exchange = exchange
            self._head_bytes = 0
            self.transport.write(content)
        return exchange

    def sample(self, now: float) -> TransportSample | None:
        reading = read_tcp(self.transport.get_extra_info("socket")) if self._alive else None
        return None if reading is None else self._tally.take(reading, now)

    def doubt(self) -> None:
        if self.exchange is None and not self._reserved:
            self._alive = False
            self.transport.abort()  # a farewell would only wait for the dead line

    def close(self) -> None:
        self._draining = True
        if self.exchange is None and not self._reserved:
            self._alive = False
            self.transport.close()

    def abort(self) -> None:
        self.fail(_ABORTED)

    def fail(self, fault: Failure) -> None:
        """Closes now; the exchange, if it isn't cancelled, fails with `fault`."""
        if self._fault is None:
            self._fault = fault
        self._alive = False
        self.transport.abort()

    def write(self, data: bytes) -> bool:
        """Sends bytes as they are; False: the write buffer is full."""
        self.transport.write(data)
        return self._writable

    def end_tunnel(self, exchange: H1Exchange) -> None:
        """Half-closes; where TLS can't, or the peer has closed its half, closes once all is written."""
        if exchange.is_done or not self.transport.can_write_eof():
            self._alive = False
            self.transport.close()
        else:
            self.transport.write_eof()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = transport  # type: ignore[assignment]  # asyncio types it as the base of all transports
        self._loop = asyncio.get_running_loop()
        self._parser = httptools.HttpResponseParser(self)
        self._tls = ssl_object(transport)
        # On TLS, session tickets may wait to be read on a healthy connection; on plain TCP nothing may.
        socket = transport.get_extra_info("socket")
        self._poll.register(socket.fileno(), _CLOSED if self._tls is not None else _CLOSED | select.POLLIN)
        self._alive = True
        self._tally = Tally(self._loop.time())

    def data_received(self, data: bytes) -> None:
        exchange = self.exchange
        if exchange is None:
            self._alive = False
            self.transport.abort()
        elif exchange.is_tunnel:
            exchange.sink.on_data(data)
        elif not exchange.is_done:
            self._parse(exchange, data)

    def eof_received(self) -> bool:
        self._eof = self._tls is None or said_goodbye(self._tls)
        exchange = self.exchange
        if exchange is None or not exchange.is_tunnel or exchange.is_done or not self._eof:
            self._alive = False
            return False
        exchange.is_done = True
        exchange.sink.on_end([])
        return not exchange.ended and self._tls is None

    def connection_lost(self, exc: Exception | None) -> None:
        self._alive = False
        exchange, self.exchange = self.exchange, None
        self._parser = None
        failure = None
        if exchange is not None and not exchange.is_done:
            failure = self._conclude(exchange, exc)
        elif isinstance(exc, OSError) and exc.errno in DEAD_LINE_ERRNOS:  # far ends reset what they find idle
            failure = replace(lost(exc, began=False), verdict=Verdict.SAFE)
        self._owner.on_lost(self, failure)

    def pause_writing(self) -> None:
        self._writable = False

    def resume_writing(self) -> None:
        self._writable = True
        exchange = self.exchange
        if exchange is not None and not exchange.ended:
            exchange.sink.on_writable()

    # httptools' callbacks: they take notes for `_parse`

    def on_message_begin(self) -> None:
        if self._complete:
            self._reusable = False  # bytes after the reply's end: nobody asked for them

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.lower(), value))

    def on_headers_complete(self) -> None:
        if self._complete:
            return
        status = self._parser.get_status_code()
        headers, self._headers = self._headers, []
        if status >= 200 or status == 101:
            self._new_head = ResponseHead(status, headers)
            self._reusable = self._parser.should_keep_alive()
            assert self.exchange is not None
            if self.exchange.request.method == b"HEAD":
                self._complete = True

    def on_message_complete(self) -> None:
        if self._new_head is not None or self.exchange.reply is not None:  # type: ignore[union-attr]  # set while parsing
            self._complete = True

    # replies

    def _parse(self, exchange: H1Exchange, data: bytes) -> None:
        """One wake-up's bytes: at most one `on_head`, one `on_data` and the end."""
        fault = None
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._begin_tunnel(exchange, data[upgrade.args[0] :])
            return
        except httptools.HttpParserError as error:
            fault = _protocol_fault(str(error))
            if self._new_head is not None and self._new_head.status == 101:
                self._new_head = None  # it names no protocol to switch to
                self._complete = False
        if self._new_head is not None:
            self._deliver_head(exchange, self._new_head)
        if self._parts and exchange.is_done is False:
            self._deliver_data(exchange)
        if exchange.is_done:
            return
        if self._complete:
            self._finish(exchange, fault is None)
        elif fault is not None:
            self.fail(fault)
        elif exchange.reply is None:
            self._head_bytes += len(data)
            if self._head_bytes > HEAD_LIMIT_BYTES:
                self.fail(_protocol_fault("the reply's head is too long"))

    def _deliver_head(self, exchange: H1Exchange, head: ResponseHead) -> None:
        self._new_head = None
        exchange.reply = head
        if not self._hinted:
            self._hinted = True
            self._tell_hints(head.headers)
        exchange.sink.on_head(head)

    def _deliver_data(self, exchange: H1Exchange) -> None:
        parts = self._parts
        data = parts[0] if len(parts) == 1 else b"".join(parts)
        parts.clear()
        if exchange.request.method == b"HEAD":
            self._reusable = False  # a body where none may be
        else:
            exchange.sink.on_data(data)

    def _finish(self, exchange: H1Exchange, tidy: bool) -> None:
        """The reply is complete. `tidy`: nothing unreadable came after it."""
        trailers, self._headers = self._headers, []
        self._complete = False
        self.exchange = None
        exchange.is_done = True
        reuse = self._reusable and tidy and exchange.ended and self._alive and not self._draining
        if not reuse:
            self._alive = False
            if exchange.ended:
                self.transport.close()
            else:
                self.transport.abort()  # the rest of the request is of no use: don't wait until it is written
        elif exchange.is_paused:
            self.transport.resume_reading()
        if exchange.request.method == b"HEAD":
            self._parser = httptools.HttpResponseParser(self)  # this one still waits for the body that HEAD leaves out
        exchange.sink.on_end(trailers)
        if reuse:
            self._owner.on_slot_free(self)

    def _begin_tunnel(self, exchange: H1Exchange, rest: bytes) -> None:
        if header(exchange.request.headers, b"upgrade") is None or self._new_head is None:
            self.fail(_protocol_fault("switched protocols unasked"))
            return
        exchange.is_tunnel = True
        exchange.ended = False
        self._complete = False
        self._deliver_head(exchange, self._new_head)
        if rest and not exchange.is_done:
            exchange.sink.on_data(rest)

    def _conclude(self, exchange: H1Exchange, exc: Exception | None) -> Failure | None:
        """Tells the sink how its exchange ended with the connection; returns the failure, if it is one."""
        exchange.is_done = True
        reply = exchange.reply
        if exc is None and self._fault is None and reply is not None and self._has_ended(exchange, reply):
            exchange.sink.on_end([])
            return None
        failure = lost(exc, began=reply is not None)
        if self._fault is not None:
            failure = replace(self._fault, verdict=failure.verdict)
        exchange.sink.on_failure(failure)
        return failure

    def _has_ended(self, exchange: H1Exchange, reply: ResponseHead) -> bool:
        """Was the connection's end the reply's end? On TLS, EOF without close_notify is none (RFC 9112 §9.8)."""
        return (exchange.is_tunnel and exchange.ended) or (self._eof and ends_at_close(reply))

    def _tell_hints(self, headers: Headers) -> None:
        timeout = keep_alive_timeout(headers)
        if timeout is not None:
            self._owner.on_peer_timeout(self, timeout)
        alternatives = header(headers, b"alt-svc")
        if alternatives is not None:
            self._owner.on_alt_svc(self, alternatives)


def _refuse(exchange: H1Exchange, failure: Failure) -> None:
    if not exchange.is_done:
        exchange.is_done = True
        exchange.sink.on_failure(failure)


def _protocol_fault(detail: str) -> Failure:
    return Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_PROTOCOL_ERROR, detail)


_FOUND_DEAD = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TERMINATED, "found closed; nothing was sent")
_ABORTED = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED, "closed by this node")
