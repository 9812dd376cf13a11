"""HTTP/3 and QUIC, client side, sans-IO: aioquic's two connections with what a proxy needs on top.

    Quic     receive windows that slide instead of doubling, and stand still for paused streams
    Http3    GOAWAY heard, pushes off, no QPACK table for replies, malformed messages cost one stream only

aioquic doubles a stream's limit whenever half of it is used, so after some megabytes nothing holds a sender back. Here
the limit is always "what was received + the window"; the connection's own limit still doubles, so the sum of the stream
windows is what bounds memory. Replies may not use the QPACK dynamic table: on a lossy line a head would wait for
another stream's lost packet (RFC 9204 §2.1.2).
"""

from __future__ import annotations

from typing import Any

from aioquic._buffer import Buffer, BufferReadError
from aioquic.h3.connection import (
    ErrorCode,
    FrameError,
    FrameType,
    H3Connection,
    H3Stream,
    MessageError,
    ProtocolError,
    StreamType,
)
from aioquic.h3.events import H3Event
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection, QuicConnectionState
from aioquic.quic.events import ConnectionTerminated
from aioquic.quic.packet import QuicFrameType
from aioquic.quic.packet_builder import QuicPacketBuilder
from aioquic.quic.recovery import QuicPacketSpace
from aioquic.quic.stream import QuicStream
from aioquic.tls import Epoch

from transport.congestion import DeliveryRateControl
from transport.sample import Reading

STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 16 << 20
HEAD_LIMIT = 256 * 1024  # bytes of a HEADERS frame that are buffered while it is incomplete
_LIMIT_FRAME_CAPACITY = 1 + 8 + 8


class TooMuchHead(ProtocolError):
    """A frame that must be whole before it can be read is too large."""

    error_code = ErrorCode.H3_EXCESSIVE_LOAD


class Quic(QuicConnection):
    """One QUIC connection. `paused` holds the ids of streams whose receive window stays shut."""

    def __init__(self, *, configuration: QuicConfiguration, **options: Any) -> None:
        super().__init__(configuration=configuration, **options)
        self.paused: set[int] = set()

    @property
    def streams_left(self) -> int:
        """Requests that the peer's MAX_STREAMS still allows to start."""
        return self._remote_max_streams_bidi - self._local_next_stream_id_bidi // 4

    @property
    def may_send_early(self) -> bool:
        """Are 0-RTT keys there, and the handshake isn't complete yet?"""
        crypto = self._cryptos.get(Epoch.ZERO_RTT)
        return crypto is not None and crypto.send.is_valid() and not self._handshake_complete

    @property
    def stream_limit(self) -> int:
        """The peer's MAX_STREAMS: it only grows."""
        return self._remote_max_streams_bidi

    @property
    def round_trip(self) -> float:
        """The latest sample, without the peer's own delay; seconds."""
        return self._loss._rtt_latest

    def reading(self, now: float) -> Reading:
        """What recovery (RFC 9002) knows; `now` on the connection's clock. aioquic keeps no count of gaps."""
        loss = self._loss
        control = loss._cc if isinstance(loss._cc, DeliveryRateControl) else None
        heard = max((at for space in loss.spaces if (at := space.largest_received_time) is not None), default=now)
        return Reading(
            loss._rtt_smoothed,
            loss._rtt_variance,
            control.packets_lost if control else 0,
            control.packets_sent if control else 0,
            control.bandwidth * 8.0 if control else 0.0,
            sum(space.ack_eliciting_in_flight for space in loss.spaces),
            loss._pto_count,
            max(0.0, now - heard),
            max(0.0, now - max(self._oldest_sent(now), heard)),
        )

    def _oldest_sent(self, now: float) -> float:
        """When the oldest packet was sent whose acknowledgement is awaited. The tables are in the order of sending."""
        firsts = (
            next((sent.sent_time for sent in space.sent_packets.values() if sent.is_ack_eliciting), None)
            for space in self._loss.spaces
        )
        return min((at for at in firsts if at is not None), default=now)

    @property
    def ending(self) -> ConnectionTerminated | None:
        """Why the connection is closing or closed, as soon as either side decided on it."""
        return self._close_event

    @property
    def is_ended_by_peer(self) -> bool:
        return self._state is QuicConnectionState.DRAINING

    def abandon(self, stream_id: int, code: int) -> None:
        """RESET_STREAM for what we still send, STOP_SENDING for what the peer still sends."""
        self.paused.discard(stream_id)
        stream = self._streams.get(stream_id)
        if stream is None:
            return
        stream.sender.reset(code)
        if not stream.receiver.is_finished:
            stream.receiver.stop(code)

    def can_send(self, stream_id: int) -> bool:
        """False once the stream's sending part was ended, reset, or refused by STOP_SENDING."""
        stream = self._streams.get(stream_id)
        return stream is not None and stream.sender._reset_error_code is None and stream.sender._buffer_fin is None

    def unsent(self, stream_id: int) -> int:
        """Bytes written to a stream that never went out."""
        stream = self._streams.get(stream_id)
        return 0 if stream is None else stream.sender._buffer_stop - stream.sender.highest_offset

    def _write_stream_limits(self, builder: QuicPacketBuilder, space: QuicPacketSpace, stream: QuicStream) -> None:
        window = self._configuration.max_stream_data
        if stream.stream_id not in self.paused and not stream.receiver.is_finished and stream.max_stream_data_local:
            limit = stream.receiver.highest_offset + window
            if limit - stream.max_stream_data_local >= window // 4:
                stream.max_stream_data_local = limit
        if stream.max_stream_data_local_sent == stream.max_stream_data_local:
            return
        frame = builder.start_frame(
            QuicFrameType.MAX_STREAM_DATA,
            capacity=_LIMIT_FRAME_CAPACITY,
            handler=self._on_max_stream_data_delivery,
            handler_args=(stream,),
        )
        frame.push_uint_var(stream.stream_id or 0)
        frame.push_uint_var(stream.max_stream_data_local)
        stream.max_stream_data_local_sent = stream.max_stream_data_local


class GoawayTap:
    """Listens to one unidirectional stream of the peer for GOAWAY frames, which aioquic skips (RFC 9114 §7.2.6)."""

    __slots__ = ("_buffer", "_is_control", "_skip")

    def __init__(self) -> None:
        self._buffer = b""
        self._skip = 0
        self._is_control: bool | None = None

    def feed(self, data: bytes) -> int | None:
        """Takes the stream's next bytes. Returns the lowest id of the GOAWAY frames in them.

        Raises:
            BufferReadError: a GOAWAY frame holds no whole integer.
        """
        if self._is_control is False:
            return None
        self._buffer += data
        lowest: int | None = None
        while (frame := self._next_frame()) is not None:
            kind, payload = frame
            if kind == FrameType.GOAWAY:
                stream_id = Buffer(data=payload).pull_uint_var()
                lowest = stream_id if lowest is None else min(lowest, stream_id)
        return lowest

    def _next_frame(self) -> tuple[int, bytes] | None:
        """The next frame: GOAWAY whole, others without what they hold. None: more bytes are needed."""
        skipped = min(self._skip, len(self._buffer))
        self._skip -= skipped
        self._buffer = self._buffer[skipped:]
        buffer = Buffer(data=self._buffer)
        try:
            if self._is_control is None:
                self._is_control = buffer.pull_uint_var() == StreamType.CONTROL
                self._buffer = self._buffer[buffer.tell() :] if self._is_control else b""
                buffer = Buffer(data=self._buffer)
            kind, size = buffer.pull_uint_var(), buffer.pull_uint_var()
            payload = buffer.pull_bytes(min(size, 8)) if kind == FrameType.GOAWAY else b""
        except BufferReadError:
            return None
        self._buffer = self._buffer[buffer.tell() :]
        self._skip = size - len(payload)
        return kind, payload


class Http3(H3Connection):
    """HTTP/3 on one `Quic`. After `handle_event` look at `goaway` and `take_malformed`."""

    def __init__(self, quic: Quic) -> None:
        self.goaway: int | None = None  # requests with this stream id or a higher one were not processed
        self._malformed: list[tuple[int, str]] = []
        self._taps: dict[int, GoawayTap] = {}
        super().__init__(quic)

    @property
    def is_broken(self) -> bool:
        """Did the peer break HTTP/3? The QUIC connection is closing."""
        return self._is_done

    def take_malformed(self) -> list[tuple[int, str]]:
        """Streams whose message broke the rules since the last call, with the reason."""
        taken, self._malformed = self._malformed, []
        return taken

    def forget(self, stream_id: int) -> None:
        """The stream is over for us; nothing that still comes for it may be given to `handle_event`."""
        self._stream.pop(stream_id, None)

    def _init_connection(self) -> None:
        self._max_push_id = None
        self._max_table_capacity = 0
        self._blocked_streams = 0
        super()._init_connection()

    def _receive_stream_data_uni(self, stream: H3Stream, data: bytes, stream_ended: bool) -> list[H3Event]:
        events = super()._receive_stream_data_uni(stream, data, stream_ended)
        tap = self._taps.setdefault(stream.stream_id, GoawayTap())
        try:
            lowest = tap.feed(data)
        except BufferReadError as error:
            raise FrameError("Could not parse GOAWAY frame") from error
        if lowest is not None:
            self.goaway = lowest if self.goaway is None else min(self.goaway, lowest)
        return events

    def _check_content_length(self, stream: H3Stream) -> None:
        """Nothing: `transport.reply.Reply` checks it, and knows that replies to HEAD, 204 and 304 have no body."""

    def _receive_request_or_push_data(self, stream: H3Stream, data: bytes, stream_ended: bool) -> list[H3Event]:
        if len(stream.buffer) > HEAD_LIMIT:
            raise TooMuchHead("frame too large")
        try:
            return super()._receive_request_or_push_data(stream, data, stream_ended)
        except MessageError as error:
            self._malformed.append((stream.stream_id, error.reason_phrase))
            return []
