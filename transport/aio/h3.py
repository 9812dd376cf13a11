"""HTTP/3 connections: `transport.http3` over a `QuicLink`; what a packet brings reaches its sink at once."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Callable
from typing import Any, cast

from aioquic.h3.connection import ErrorCode
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import (
    ConnectionTerminated,
    HandshakeCompleted,
    PingAcknowledged,
    QuicEvent,
    StopSendingReceived,
    StreamDataReceived,
    StreamReset,
)
from aioquic.tls import SessionTicket

from transport import congestion
from transport.aio.multiplexed import UPLOAD_HIGH, UPLOAD_LOW, Multiplexed
from transport.aio.quic import QuicLink, prepare
from transport.connector import ConnectionOwner
from transport.exchange import ResponseSink
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.flood import FloodGate
from transport.http3 import CONNECTION_WINDOW, STREAM_WINDOW, Http3, Quic
from transport.message import RequestHead
from transport.path import Path, Protocol, Target
from transport.reply import MALFORMED, REFUSED, RESET, SILENT, Reply, request_fields, trailer_fields
from transport.sample import TransportSample

IDLE_TIMEOUT = 60.0
EARLY_METHODS = (b"GET", b"HEAD")  # RFC 8470 §4: what a replay of early data can't harm
_CRYPTO_ERRORS = range(0x100, 0x200)  # QUIC codes 0x100 + TLS alert (RFC 9001 §4.8)
_CERTIFICATE_ALERTS = (42, 43, 44, 45, 46, 48)

congestion.register()


class H3Exchange:
    """One request stream. Until the handshake is done it may be parked, with its body in `parked`."""

    __slots__ = ("_connection", "body_ended", "head", "is_deaf", "key", "parked", "reply", "trailers", "wants_room")

    def __init__(self, connection: H3Connection, head: RequestHead, reply: Reply) -> None:
        self._connection = connection
        self.head = head
        self.reply = reply
        self.key = 0  # the stream id; negative while parked
        self.parked: bytearray | None = None
        self.body_ended = False
        self.is_deaf = False  # the peer wants no more of the body
        self.wants_room = False
        self.trailers: list[tuple[bytes, bytes]] = []

    def send(self, data: bytes) -> bool:
        if self.reply.is_over or self.body_ended or self.is_deaf or not data:
            return True
        self.wants_room = not self._connection.upload(self, data)
        return not self.wants_room

    def end(self) -> None:
        if not (self.reply.is_over or self.body_ended):
            self.body_ended = True
            if not self.is_deaf:
                self._connection.upload_end(self)

    def pause(self) -> None:
        if not self.reply.is_over:
            self._connection.quic.paused.add(self.key)

    def resume(self) -> None:
        self._connection.resumed(self)

    def cancel(self) -> None:
        if not self.reply.is_over:
            self.reply.silence()
            self._connection.cancelled(self)

    def discard(self) -> None:
        self.parked = None


class H3Connection(Multiplexed):
    """HTTP/3 over one UDP socket, which it owns. Made by `connect_h3`."""

    def __init__(
        self,
        path: Path,
        owner: ConnectionOwner,
        sock: socket.socket,
        address: tuple[Any, ...],
        quic: Quic,
        *,
        max_streams: int = 256,
        keepalive: float = 15.0,
        ping_timeout: float = 2.5,
    ) -> None:
        super().__init__(path, owner, max_streams, keepalive, ping_timeout)
        self.quic = quic
        self._link = QuicLink(sock, address, quic, self._after_input, self._on_socket_error)
        self._h3: Http3 | None = None
        self._is_ready = False
        self.dialed: asyncio.Future[None] = self._loop.create_future()
        self.is_resumed = False
        self._flush_is_due = False
        self._unsent: list[H3Exchange] = []
        self._uploads: list[H3Exchange] = []  # those that wait for `on_writable`
        self._parked_count = 0
        self._stream_limit = 0
        self._flood = FloodGate()
        self._goaway: int | None = None

    @property
    def protocol(self) -> Protocol:
        return Protocol.H3

    def start(self) -> None:
        """Sends the first flight. `dialed` is done when requests may be opened, or carries a TransportError."""
        self._link.start()
        self._h3 = Http3(self.quic)
        if self.quic.may_send_early:
            self._settle()
        self._flush()

    def open(self, head: RequestHead, sink: ResponseSink, body: bytes | None, *, end: bool) -> H3Exchange:
        exchange = H3Exchange(self, head, Reply(sink, head.method))
        if not self._admit(exchange):
            return exchange
        if self._is_ready or head.method in EARLY_METHODS:
            self._launch(exchange, body or b"", end)
        else:
            self._parked_count += 1
            exchange.key = -self._parked_count
            exchange.parked = bytearray(body or b"")
            exchange.body_ended = end
            self._exchanges[exchange.key] = exchange
        return exchange

    def sample(self, now: float) -> TransportSample | None:
        return None if self._is_lost else self._tally.take(self.quic.reading(now), now)

    # -- what exchanges ask for

    def upload(self, exchange: H3Exchange, data: bytes) -> bool:
        """Body bytes; False when enough of them wait."""
        if exchange.parked is not None:
            exchange.parked += data
            return len(exchange.parked) <= UPLOAD_HIGH
        if self._h3 is None or not self.quic.can_send(exchange.key):
            return True
        self._h3.send_data(exchange.key, data, end_stream=False)
        self._schedule()
        if self.quic.unsent(exchange.key) <= UPLOAD_HIGH:
            return True
        if not exchange.wants_room:
            self._uploads.append(exchange)
        return False

    def upload_end(self, exchange: H3Exchange) -> None:
        """The body is complete."""
        if exchange.parked is None and self.quic.can_send(exchange.key):
            self.quic.send_stream_data(exchange.key, b"", end_stream=True)
            self._schedule()

    def resumed(self, exchange: H3Exchange) -> None:
        """The receive window may slide again."""
        self.quic.paused.discard(exchange.key)
        if not self._is_lost:
            self._schedule()

    def cancelled(self, exchange: H3Exchange) -> None:
        """The exchange was given up."""
        if exchange.key in self._exchanges:
            self._retire(exchange, ErrorCode.H3_REQUEST_CANCELLED)
            self._schedule()
            self._exchange_ended()

    # -- Multiplexed

    def _has_room(self) -> bool:
        parked = sum(1 for key in self._exchanges if key < 0) if not self._is_ready else 0
        return self._reserved + parked < self.quic.streams_left

    def _send_ping(self) -> None:
        self.quic.send_ping(0)
        self._flush()

    def _shut(self, orderly: bool) -> None:
        self._uploads.clear()
        self._unsent.clear()
        self.quic.close(error_code=ErrorCode.H3_NO_ERROR)
        self._link.close()

    def _tell_lost(self, failure: Failure | None) -> None:
        if self.dialed.done():
            super()._tell_lost(failure)
        elif failure is not None:
            self.dialed.set_exception(TransportError(_never_sent(failure)))
        else:
            self.dialed.cancel()

    # -- the socket and the clock

    def _on_socket_error(self, error: OSError) -> None:
        """ICMP says that the far end is unreachable: final while dialing, else left to the timers."""
        if self._is_ready:
            return
        if isinstance(error, ConnectionRefusedError):
            self._lose((Origin.ENDPOINT, Code.CONNECTION_REFUSED), str(error))
        else:
            self._lose((Origin.LINE, Code.DESTINATION_IP_UNROUTABLE), str(error))

    def _after_input(self) -> None:
        self._heard_at = self._link.heard_at
        while not self._is_lost and (event := self.quic.next_event()) is not None:
            self._on_quic_event(event)
        if not self._is_lost and (ending := self.quic.ending) is not None:
            self._lose(*self._blame(ending), orderly=not self._exchanges and self._is_farewell(ending))
        if self._is_lost:
            return
        if self.quic.stream_limit != self._stream_limit:
            self._stream_limit = self.quic.stream_limit
            if self._is_ready and not self._is_draining:
                self._exchange_ended()
        self._flush()

    def _blame(self, ending: ConnectionTerminated) -> tuple[tuple[Origin, str], str]:
        code, reason = ending.error_code, ending.reason_phrase
        detail = f"{reason or 'connection closed'} (0x{code:x})"
        if code in _CRYPTO_ERRORS and ending.frame_type is not None:  # else it is HTTP/3's code of the same number
            is_certificate = code - 0x100 in _CERTIFICATE_ALERTS
            return (Origin.ENDPOINT, Code.TLS_CERTIFICATE_ERROR if is_certificate else Code.TLS_PROTOCOL_ERROR), detail
        if self.quic.is_ended_by_peer:
            return (Origin.ENDPOINT, Code.CONNECTION_TERMINATED), detail
        if reason == "Idle timeout":
            return SILENT, detail
        return MALFORMED, detail

    def _is_farewell(self, ending: ConnectionTerminated) -> bool:
        """Did the peer close in order?"""
        return self.dialed.done() and self.quic.is_ended_by_peer and ending.error_code in (0, ErrorCode.H3_NO_ERROR)

    def _schedule(self) -> None:
        if not self._flush_is_due and not self._is_lost:
            self._flush_is_due = True
            self._loop.call_soon(self._flush_scheduled)

    def _flush_scheduled(self) -> None:
        self._flush_is_due = False
        self._flush()

    def _flush(self) -> None:
        if self._is_lost:
            return
        self._link.flush()
        for exchange in self._unsent:
            exchange.reply.has_left = True
        self._unsent.clear()
        if self._uploads:
            self._wake_uploads()

    def _wake_uploads(self) -> None:
        ready = [one for one in self._uploads if one.reply.is_over or self.quic.unsent(one.key) <= UPLOAD_LOW]
        if not ready:
            return
        self._uploads = [one for one in self._uploads if one not in ready]
        for exchange in ready:
            exchange.wants_room = False
            if not exchange.reply.is_over:
                exchange.reply.on_writable()

    # -- events

    def _on_quic_event(self, event: QuicEvent) -> None:
        if isinstance(event, StreamDataReceived):
            if event.stream_id % 4 or event.stream_id in self._exchanges:
                self._on_http_input(event)
        elif isinstance(event, HandshakeCompleted):
            self._on_handshake(event)
        elif isinstance(event, PingAcknowledged):
            self._ping_answered(self.quic.round_trip)
        elif isinstance(event, StreamReset):
            self._on_reset(event)
        elif isinstance(event, StopSendingReceived):
            self._on_stop_sending(event)

    def _on_handshake(self, event: HandshakeCompleted) -> None:
        self._is_ready = True
        self.is_resumed = event.session_resumed
        self._settle()
        for exchange in [cast(H3Exchange, one) for key, one in self._exchanges.items() if key < 0]:
            body, exchange.parked = bytes(exchange.parked or b""), None
            was_paused = exchange.key in self.quic.paused
            self.quic.paused.discard(exchange.key)
            del self._exchanges[exchange.key]
            self._launch(exchange, body, exchange.body_ended)
            if was_paused:
                exchange.pause()

    def _settle(self) -> None:
        if not self.dialed.done():
            self._stream_limit = self.quic.stream_limit
            self.dialed.set_result(None)
            self._start_keepalive()

    def _launch(self, exchange: H3Exchange, body: bytes, end: bool) -> None:
        assert self._h3 is not None
        stream_id = exchange.key = self.quic.get_next_available_stream_id()
        exchange.body_ended = end
        self._h3.send_headers(stream_id, request_fields(exchange.head), end_stream=end and not body)
        if body:
            self._h3.send_data(stream_id, body, end_stream=end)
        self._exchanges[stream_id] = exchange
        self._unsent.append(exchange)
        if exchange.wants_room:
            self._uploads.append(exchange)
        self._schedule()

    def _on_http_input(self, event: QuicEvent) -> None:
        assert self._h3 is not None
        for http_event in self._h3.handle_event(event):
            self._on_http_event(http_event)
        for stream_id, complaint in self._h3.take_malformed():
            if exchange := self._exchange(stream_id):
                self._reject(exchange, complaint)
        if self._h3.goaway != self._goaway and not self._is_lost:
            self._goaway = self._h3.goaway or 0
            self._on_goaway(self._goaway)

    def _on_http_event(self, event: H3Event) -> None:
        if isinstance(event, DataReceived):
            if exchange := self._exchange(event.stream_id):
                self._on_body(exchange, event.data or b"", event.stream_ended)
        elif isinstance(event, HeadersReceived) and (exchange := self._exchange(event.stream_id)):
            self._on_fields(exchange, event)

    def _on_body(self, exchange: H3Exchange, data: bytes, ended: bool) -> None:
        if complaint := exchange.reply.on_data(data):
            self._reject(exchange, complaint)
        elif ended and not exchange.reply.is_over:
            self._on_end(exchange)

    def _on_fields(self, exchange: H3Exchange, event: HeadersReceived) -> None:
        if exchange.reply.has_begun:
            trailers = trailer_fields(event.headers)
            if isinstance(trailers, str):
                self._reject(exchange, trailers)
                return
            exchange.trailers = trailers
        elif event.headers[0][1].startswith(b"1"):  # aioquic has checked that :status is there, and first
            if not self._flood.admit(self._loop.time()):
                self._reject(exchange, "too many interim responses")
            return
        elif complaint := exchange.reply.on_fields(event.headers):
            self._reject(exchange, complaint)
            return
        if event.stream_ended and not exchange.reply.is_over:
            self._on_end(exchange)

    def _on_end(self, exchange: H3Exchange) -> None:
        self._retire(exchange, ErrorCode.H3_NO_ERROR)
        if complaint := exchange.reply.on_end(exchange.trailers):
            exchange.reply.fail(*MALFORMED, complaint)
        self._exchange_ended()

    def _on_reset(self, event: StreamReset) -> None:
        exchange = self._exchange(event.stream_id)
        if exchange is None:
            if event.stream_id % 4:
                self._on_http_input(event)
            return
        self._retire(exchange, ErrorCode.H3_REQUEST_CANCELLED)
        if event.error_code == ErrorCode.H3_REQUEST_REJECTED:
            exchange.reply.fail(*REFUSED, "H3_REQUEST_REJECTED", executed=False)
        else:
            exchange.reply.fail(*RESET, f"stream reset: 0x{event.error_code:x}")
        self._exchange_ended()

    def _on_stop_sending(self, event: StopSendingReceived) -> None:
        if exchange := self._exchange(event.stream_id):
            exchange.is_deaf = True
        self._on_http_input(event)

    def _on_goaway(self, first_refused: int) -> None:
        """Requests from `first_refused` on were not processed (RFC 9114 §5.2)."""
        is_news = self._stop_admitting()  # first: a refused request must not be sent here again
        for exchange in [cast(H3Exchange, one) for key, one in self._exchanges.items() if not 0 <= key < first_refused]:
            self._retire(exchange, ErrorCode.H3_REQUEST_CANCELLED)
            exchange.reply.fail(*REFUSED, "GOAWAY", executed=False)
        self._drain(is_news)

    def _exchange(self, stream_id: int) -> H3Exchange | None:
        return cast("H3Exchange | None", self._exchanges.get(stream_id))

    def _reject(self, exchange: H3Exchange, complaint: str) -> None:
        """The far end broke HTTP on this stream only."""
        self._retire(exchange, ErrorCode.H3_MESSAGE_ERROR)
        exchange.reply.fail(*MALFORMED, complaint)
        self._exchange_ended()

    def _retire(self, exchange: H3Exchange, code: ErrorCode) -> None:
        """Takes the stream off the books, abandoning what isn't finished."""
        exchange.discard()
        self._exchanges.pop(exchange.key, None)
        self.quic.paused.discard(exchange.key)
        if exchange.key >= 0 and self._h3 is not None:
            self._h3.forget(exchange.key)
            if code is not ErrorCode.H3_NO_ERROR or not exchange.body_ended:
                self.quic.abandon(exchange.key, code)


async def connect_h3(
    *,
    sock: socket.socket,
    address: tuple[Any, ...],
    target: Target,
    path: Path,
    owner: ConnectionOwner,
    ticket: object | None,
    on_ticket: Callable[[object], None],
    timeout: float,
    **options: Any,
) -> H3Connection:
    """Dials HTTP/3 to `address` over `sock`, a UDP socket bound to its line; it is closed if dialing fails.

    Certificates are verified for `target.host` against `target.ca_file`, or certifi's roots. With a `ticket` (from an
    earlier `on_ticket`) that allows 0-RTT it returns at once: GET and HEAD requests then go as early data, all others
    wait for the handshake, and a handshake that fails is reported like a lost connection, SAFE for those that waited.
    `timeout` in seconds. `options`: `max_streams`, `keepalive`, `ping_timeout` of `H3Connection`.

    Raises:
        TransportError: verdict SAFE. `connection_timeout` (LINE): nothing came back; UDP may be blocked.
    """
    configuration = QuicConfiguration(
        alpn_protocols=["h3"],
        cafile=target.ca_file,
        congestion_control_algorithm=congestion.NAME,
        idle_timeout=IDLE_TIMEOUT,
        max_data=CONNECTION_WINDOW,
        max_stream_data=STREAM_WINDOW,
        server_name=target.host,
        session_ticket=ticket if isinstance(ticket, SessionTicket) else None,
    )
    prepare(sock, address)
    quic = Quic(configuration=configuration, session_ticket_handler=on_ticket)
    connection = H3Connection(path, owner, sock, address, quic, **options)
    try:
        connection.start()
        async with asyncio.timeout(timeout):
            await asyncio.shield(connection.dialed)
    except TimeoutError:
        connection.abort()
        raise TransportError(
            Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT, f"no QUIC handshake in {timeout:g} s")
        ) from None
    except BaseException:
        connection.abort()
        raise
    return connection


def _never_sent(failure: Failure) -> Failure:
    """A failed dial carried no request."""
    return Failure(failure.origin, Verdict.SAFE, failure.code, failure.detail)
