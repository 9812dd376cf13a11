"""An HTTP/2 connection to one authority: `transport.http2` on an asyncio transport.

A chunk of a reply goes from `data_received` to the sink in one call chain. Everything to send is collected and written
once per wake-up. Uploads take turns, a frame each, within the peer's windows and the transport's buffer.
"""

from __future__ import annotations

import asyncio
from collections import deque
from collections.abc import Callable, Iterable
from typing import Any, cast

from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    Event,
    PingAckReceived,
    RemoteSettingsChanged,
    ResponseReceived,
    StreamEnded,
    StreamReset,
    TrailersReceived,
)
from h2.exceptions import ProtocolError

from transport.aio.line import read_tcp
from transport.aio.multiplexed import UPLOAD_HIGH, UPLOAD_LOW, Multiplexed
from transport.connector import ConnectionOwner
from transport.dialing import DEAD_LINE_ERRNOS
from transport.exchange import ResponseSink
from transport.failure import Code, Origin
from transport.http2 import CONNECTION_WINDOW, STREAM_WINDOW, ClientProtocol
from transport.message import Headers, RequestHead, header
from transport.path import Path, Protocol
from transport.reply import CLOSED, LOST, MALFORMED, REFUSED, RESET, SILENT, Reply, request_fields, trailer_fields
from transport.sample import TransportSample

WRITE_BUFFER = 256 * 1024
BATCH = 256 * 1024  # bytes of bodies framed per write
BATCHES_PER_TURN = 4  # writes before other connections get their turn on the loop
UNTOLD_STREAMS = 100  # streams to use before the peer's SETTINGS are there (RFC 9113 §6.5.2 recommends at least 100)


class H2Exchange:
    """One stream."""

    __slots__ = ("_connection", "due", "is_paused", "is_queued", "must_end", "pending", "reply", "size", "stream_id",
                 "trailers", "wants_room")  # fmt: skip

    def __init__(self, connection: H2Connection, reply: Reply) -> None:
        self._connection = connection
        self.reply = reply
        self.stream_id = 0
        self.pending: deque[memoryview] = deque()
        self.size = 0  # bytes in `pending`
        self.must_end = False
        self.is_queued = False
        self.wants_room = False
        self.is_paused = False
        self.due = 0  # bytes received and not yet credited to the peer
        self.trailers: Headers = []

    def send(self, data: bytes) -> bool:
        if self.reply.is_over or self.must_end:
            return True
        if data:
            self.pending.append(memoryview(data))
            self.size += len(data)
            self._connection.enqueue(self)
        self.wants_room = self.size > UPLOAD_HIGH
        return not self.wants_room

    def end(self) -> None:
        if not self.must_end and not self.reply.is_over:
            self.must_end = True
            self._connection.enqueue(self)

    def pause(self) -> None:
        self.is_paused = True

    def resume(self) -> None:
        if self.is_paused:
            self.is_paused = False
            self._connection.resumed(self)

    def cancel(self) -> None:
        if not self.reply.is_over:
            self.reply.silence()
            self._connection.cancelled(self)

    def discard(self) -> None:
        self.pending.clear()
        self.size = 0


class H2Connection(Multiplexed, asyncio.Protocol):
    """HTTP/2 over a connected transport (TLS with ALPN h2, or plain with prior knowledge).

    `stream_window` and `connection_window` are bytes the peer may send ahead; a paused exchange costs at most one
    stream window. `keepalive` and `ping_timeout` are seconds. `authority` and `scheme` describe the origin; requests
    carry their own.
    """

    def __init__(
        self,
        path: Path,
        owner: ConnectionOwner,
        authority: str,
        scheme: bytes,
        *,
        max_streams: int = 256,
        stream_window: int = STREAM_WINDOW,
        connection_window: int = CONNECTION_WINDOW,
        keepalive: float = 15.0,
        ping_timeout: float = 2.5,
    ) -> None:
        super().__init__(path, owner, max_streams, keepalive, ping_timeout)
        self.authority = authority
        self.scheme = scheme
        self._h2 = ClientProtocol(stream_window, connection_window)
        self._credit_at = max(stream_window // 4, 1)
        self._transport: asyncio.Transport | None = None
        self._is_stalled = False  # the transport's buffer is full
        self._has_advertised = False  # alternatives, to the owner
        self._is_told = False  # the peer's SETTINGS have come
        self._flush_is_due = False
        self._unsent: list[H2Exchange] = []
        self._uploads: deque[H2Exchange] = deque()
        self._ping_count = 0

    @property
    def protocol(self) -> Protocol:
        return Protocol.H2

    def open(self, head: RequestHead, sink: ResponseSink, body: bytes | None, *, end: bool) -> H2Exchange:
        exchange = H2Exchange(self, Reply(sink, head.method))
        if not self._admit(exchange):
            return exchange
        try:
            stream_id = self._h2.start_request(head.method, request_fields(head), end=end and not body)
        except ProtocolError as error:  # the peer lowered its limit after `reserve`, or the stream ids are used up
            self._refuse(exchange, REFUSED, str(error))
            return exchange
        exchange.stream_id = stream_id
        self._exchanges[stream_id] = exchange
        self._unsent.append(exchange)
        if body:
            exchange.send(body)
            exchange.wants_room = False
        if end:
            exchange.must_end = True
        self._schedule()
        return exchange

    def sample(self, now: float) -> TransportSample | None:
        if self._transport is None or self._is_lost:
            return None
        reading = read_tcp(self._transport.get_extra_info("socket"))
        return None if reading is None else self._tally.take(reading, now)

    # -- asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(high=WRITE_BUFFER)
        self._h2.start()
        self._flush()
        self._start_keepalive()

    def data_received(self, data: bytes) -> None:
        if self._is_lost:
            return
        self._heard_at = now = self._loop.time()
        for item in self._h2.receive(data, now):
            if isinstance(item, tuple):
                self._on_body(item[0], item[1], len(item[1]))
            elif handler := _HANDLERS.get(type(item)):
                handler(self, item)
        if self._h2.fault is not None:
            self._lose(MALFORMED, self._h2.fault)
        self._flush()

    def pause_writing(self) -> None:
        self._is_stalled = True

    def resume_writing(self) -> None:
        self._is_stalled = False
        self._flush()

    def connection_lost(self, exc: Exception | None) -> None:
        self._transport = None
        if exc is None:
            self._lose(CLOSED, "closed by the far end", orderly=not self._exchanges)
        elif isinstance(exc, OSError) and exc.errno in DEAD_LINE_ERRNOS:
            self._lose(SILENT, f"the line went silent: {exc.strerror}")
        else:
            self._lose(LOST, str(exc), orderly=not self._exchanges)  # far ends reset what they find idle

    # -- what exchanges ask for

    def enqueue(self, exchange: H2Exchange) -> None:
        """There is something to upload."""
        if not exchange.is_queued:
            exchange.is_queued = True
            self._uploads.append(exchange)
            self._schedule()

    def resumed(self, exchange: H2Exchange) -> None:
        """The receive window may open again."""
        if not exchange.reply.is_over and not self._is_lost:
            self._credit(exchange)
            self._schedule()

    def cancelled(self, exchange: H2Exchange) -> None:
        """The exchange was given up."""
        if exchange.stream_id in self._exchanges:
            self._retire(exchange, ErrorCodes.CANCEL)
            self._schedule()
            self._exchange_ended()

    # -- Multiplexed

    def _has_room(self) -> bool:
        allowed = self._h2.max_streams if self._is_told else UNTOLD_STREAMS
        return self.in_flight < allowed and not self._h2.is_spent

    def _send_ping(self) -> None:
        self._ping_count += 1
        self._h2.ping(self._ping_count.to_bytes(8, "big"))
        self._flush()

    def _shut(self, orderly: bool) -> None:
        self._uploads.clear()
        self._unsent.clear()
        if self._transport is None or (orderly and self._transport.is_closing()):
            return
        if orderly and self._h2.fault is None:
            self._h2.close_connection()
        if data := self._h2.data_to_send():
            self._transport.write(data)
        if orderly:
            self._transport.close()
        else:
            self._transport.abort()

    # -- receiving

    def _on_body(self, stream_id: int, data: bytes, size: int) -> None:
        self._h2.credit_connection(size)
        exchange = self._exchange(stream_id)
        if exchange is None:
            return
        if complaint := exchange.reply.on_data(data):
            self._reject(exchange, complaint)
            return
        exchange.due += size
        if exchange.due >= self._credit_at and not exchange.is_paused:
            self._credit(exchange)

    def _credit(self, exchange: H2Exchange) -> None:
        if exchange.due >= self._credit_at:
            self._h2.credit_stream(exchange.stream_id, exchange.due)
            exchange.due = 0

    def _on_data_event(self, event: DataReceived) -> None:
        self._on_body(event.stream_id, event.data or b"", event.flow_controlled_length or 0)

    def _on_response(self, event: ResponseReceived) -> None:
        exchange = self._exchange(event.stream_id)
        if exchange is None:
            return
        fields = event.headers or ()
        if complaint := exchange.reply.on_fields(fields):
            self._reject(exchange, complaint)
        elif not self._has_advertised:
            self._tell_alternatives(fields)

    def _tell_alternatives(self, fields: Iterable[tuple[bytes, bytes]]) -> None:
        """Alt-Svc (RFC 7838) of the first reply that has it: how HTTP/3 is discovered."""
        alternatives = header(fields, b"alt-svc")
        if alternatives is not None:
            self._has_advertised = True
            self._owner.on_alt_svc(self, alternatives)

    def _on_trailers(self, event: TrailersReceived) -> None:
        exchange = self._exchange(event.stream_id)
        if exchange is None:
            return
        trailers = trailer_fields(event.headers or ())
        if isinstance(trailers, str):
            self._reject(exchange, trailers)
        else:
            exchange.trailers = trailers

    def _on_stream_ended(self, event: StreamEnded) -> None:
        exchange = self._exchange(event.stream_id)
        if exchange is None:
            return
        self._retire(exchange, ErrorCodes.NO_ERROR)  # the reply is complete: the rest of the body isn't wanted
        if complaint := exchange.reply.on_end(exchange.trailers):
            exchange.reply.fail(*MALFORMED, complaint)
        self._exchange_ended()

    def _on_reset(self, event: StreamReset) -> None:
        exchange = self._exchange(event.stream_id)
        if exchange is None:
            return
        self._retire(exchange, ErrorCodes.NO_ERROR)
        if event.error_code == ErrorCodes.REFUSED_STREAM:
            exchange.reply.fail(*REFUSED, "REFUSED_STREAM", executed=False)
        else:
            exchange.reply.fail(*(RESET if event.remote_reset else MALFORMED), f"stream reset: {_name(event)}")
        self._exchange_ended()

    def _on_goaway(self, event: ConnectionTerminated) -> None:
        """Streams above the last one processed may be sent again elsewhere (RFC 9113 §6.8)."""
        is_news = self._stop_admitting()  # first: a refused request must not be sent here again
        last = event.last_stream_id or 0
        excluded = [cast(H2Exchange, one) for stream_id, one in self._exchanges.items() if stream_id > last]
        for exchange in excluded:
            self._retire(exchange, ErrorCodes.CANCEL)
            begun = exchange.reply.has_begun  # a peer that answers and then denies it
            exchange.reply.fail(*(CLOSED if begun else REFUSED), "GOAWAY", executed=False)
        if event.error_code == ErrorCodes.NO_ERROR:
            self._drain(is_news)
        else:
            self._lose((Origin.ENDPOINT, Code.CONNECTION_TERMINATED), f"GOAWAY: {_name(event)}")

    def _on_settings(self, event: RemoteSettingsChanged) -> None:
        self._is_told = True
        if not self._is_draining:
            self._exchange_ended()

    def _on_ping_ack(self, event: PingAckReceived) -> None:
        if event.ping_data == self._ping_count.to_bytes(8, "big"):
            self._ping_answered(self._loop.time() - self._pinged_at)

    def _exchange(self, stream_id: int | None) -> H2Exchange | None:
        return cast("H2Exchange | None", self._exchanges.get(cast(int, stream_id)))

    def _reject(self, exchange: H2Exchange, complaint: str) -> None:
        """The far end broke HTTP on this stream only."""
        self._retire(exchange, ErrorCodes.PROTOCOL_ERROR)
        exchange.reply.fail(*MALFORMED, complaint)
        self._exchange_ended()

    def _retire(self, exchange: H2Exchange, code: ErrorCodes) -> None:
        """Takes the stream off the books, resetting what isn't closed yet."""
        exchange.discard()
        stream_id = exchange.stream_id
        self._exchanges.pop(stream_id, None)
        stream = self._h2.streams.get(stream_id)
        if stream is not None and not stream.closed and self._h2.fault is None:
            self._h2.reset_stream(stream_id, code)
        self._h2.forget(stream_id)

    # -- sending

    def _schedule(self) -> None:
        if not self._flush_is_due:
            self._flush_is_due = True
            self._loop.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        """Frames what may be sent and writes it, until nothing is left or something is full."""
        for _ in range(BATCHES_PER_TURN):
            if self._transport is None or self._is_lost or self._transport.is_closing():
                return
            if self._uploads and not self._is_stalled:
                self._frame_uploads()
            data = self._h2.data_to_send()
            if not data:
                return
            self._transport.write(data)
            if self._unsent:
                for exchange in self._unsent:
                    exchange.reply.has_left = True
                self._unsent.clear()
            if not self._uploads or self._is_stalled:
                return
        self._schedule()

    def _frame_uploads(self) -> None:
        """Round robin, a frame a turn, until the batch is full or nobody gets further."""
        budget, blocked = BATCH, 0
        while budget > 0 and blocked < len(self._uploads):
            exchange = self._uploads.popleft()
            sent = self._frame_one(exchange)
            if sent is None:
                exchange.is_queued = False
                continue
            blocked = 0 if sent else blocked + 1
            budget -= sent
            self._uploads.append(exchange)
            if exchange.wants_room and exchange.size <= UPLOAD_LOW:
                exchange.wants_room = False
                exchange.reply.on_writable()

    def _frame_one(self, exchange: H2Exchange) -> int | None:
        """One DATA frame: its size, 0 if the windows are closed, None if there is nothing more to say."""
        if exchange.reply.is_over or not (exchange.pending or exchange.must_end):
            return None
        if not exchange.pending:
            self._h2.end_stream(exchange.stream_id)
            return None
        room = self._h2.body_room(exchange.stream_id)
        if room <= 0:
            return 0
        chunk = exchange.pending[0]
        part = chunk[:room]
        if len(part) == len(chunk):
            exchange.pending.popleft()
        else:
            exchange.pending[0] = chunk[room:]
        exchange.size -= len(part)
        is_last = exchange.must_end and not exchange.pending
        self._h2.send_body(exchange.stream_id, part, end=is_last)
        if is_last:
            return None
        return len(part)


def _name(event: StreamReset | ConnectionTerminated) -> str:
    code = event.error_code
    return code.name if isinstance(code, ErrorCodes) else f"error {code}"


_HANDLERS: dict[type[Event], Callable[[H2Connection, Any], None]] = {
    DataReceived: H2Connection._on_data_event,
    ResponseReceived: H2Connection._on_response,
    TrailersReceived: H2Connection._on_trailers,
    StreamEnded: H2Connection._on_stream_ended,
    StreamReset: H2Connection._on_reset,
    ConnectionTerminated: H2Connection._on_goaway,
    RemoteSettingsChanged: H2Connection._on_settings,
    PingAckReceived: H2Connection._on_ping_ack,
}
