"""HTTP/2, client side, sans-IO: the `h2` library with its graceful GOAWAY mended and a short way for frequent frames.

    receive(data, now)     bytes from the network → DATA as (stream id, bytes), everything else as h2's events
    data_to_send()         bytes for the network
    credit_*()             hands receive window back, in few WINDOW_UPDATE frames

Differences from `h2.connection.H2Connection`, each for a reason:
- After a GOAWAY the connection stays open: the streams it spares must be able to finish (RFC 9113 §6.8).
- A request's HEADERS and DATA are framed here, without h2's checks of what `transport.reply.request_fields` made.
- DATA and whole HEADERS frames of open streams skip h2's frame objects; its accounts and state tables are kept.
- A breach by the peer is kept in `fault` instead of being raised, so what came before it isn't lost.
- Closed streams are forgotten by `forget`, so opening a stream doesn't count all the others.
- Field sections and content-length are checked by `transport.reply`, for one stream at a time: a malformed response
  need not end the connection for its neighbours.
"""

from __future__ import annotations

from struct import Struct

from h2.config import H2Configuration
from h2.connection import AllowedStreamIDs, ConnectionInputs, ConnectionState, H2Connection, H2ConnectionStateMachine
from h2.errors import ErrorCodes
from h2.events import Event, InformationalResponseReceived, ResponseReceived, TrailersReceived
from h2.exceptions import ProtocolError, TooManyStreamsError
from h2.settings import SettingCodes
from h2.stream import H2StreamStateMachine, StreamClosedBy, StreamInputs, StreamState
from h2.utilities import is_informational_response
from hpack.exceptions import HPACKError
from hpack.struct import Header

from transport.flood import FloodGate
from transport.message import Headers

STREAM_WINDOW = 1 << 20
CONNECTION_WINDOW = 16 << 20  # 300 ms × 400 Mbit/s

_HEADER = Struct(">HBBBL")
_DATA, _HEADERS, _WINDOW_UPDATE, _CONTINUATION = 0, 1, 8, 9
_END_STREAM, _END_HEADERS, _PADDED = 1, 4, 8
_LAST_STREAM_ID = 2**31 - 1

Item = Event | tuple[int, bytes]


class _StateMachine(H2ConnectionStateMachine):
    """h2's table, in which receiving a GOAWAY no longer closes the connection."""

    _transitions = {  # noqa: RUF012 (h2's own attribute)
        **H2ConnectionStateMachine._transitions,
        (ConnectionState.IDLE, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.IDLE),
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY): (None, ConnectionState.CLIENT_OPEN),
    }


class ClientProtocol(H2Connection):
    """One client connection. `fault` is set once the peer broke the protocol: send what is pending, then close."""

    MAX_CLOSED_STREAMS = 1024

    def __init__(self, stream_window: int = STREAM_WINDOW, connection_window: int = CONNECTION_WINDOW) -> None:
        super().__init__(
            H2Configuration(
                client_side=True,
                header_encoding=None,
                validate_inbound_headers=False,
                normalize_inbound_headers=False,
                validate_outbound_headers=False,
                normalize_outbound_headers=False,
            )
        )
        self.state_machine = _StateMachine()
        self.fault: str | None = None
        self._rest = b""
        self._in_field_block = False
        self._flood = FloodGate()
        self._connection_due = 0
        self._stream_window = stream_window
        self._connection_window = connection_window

    def start(self) -> None:
        """Queues preface, settings and the connection window."""
        self.initiate_connection()
        # Not as initial settings: h2 counts windows by them only from the peer's ACK on, and then for open streams too.
        self.update_settings({SettingCodes.ENABLE_PUSH: 0, SettingCodes.INITIAL_WINDOW_SIZE: self._stream_window})
        self.increment_flow_control_window(max(self._connection_window - 65_535, 1))

    @property
    def is_broken(self) -> bool:
        return self.fault is not None

    @property
    def open_outbound_streams(self) -> int:
        return len(self.streams)  # pushes are off, and `forget` removes what is closed

    @property
    def max_streams(self) -> int:
        """The peer's MAX_CONCURRENT_STREAMS."""
        return self.remote_settings.max_concurrent_streams

    @property
    def is_spent(self) -> bool:
        """Are the stream ids used up?"""
        return self.highest_outbound_stream_id > _LAST_STREAM_ID - 2

    def clear_outbound_data_buffer(self) -> None:
        """Does nothing: h2 calls this at a GOAWAY, and the frames waiting belong to streams that go on."""

    def start_request(self, method: bytes, fields: Headers, *, end: bool) -> int:
        """Queues a request's HEADERS on a new stream; `end`: it has no body. Returns the stream id.

        Raises:
            ProtocolError: the peer's MAX_CONCURRENT_STREAMS is reached, or the stream ids are used up.
        """
        stream_id = self.get_next_available_stream_id()
        if len(self.streams) >= self.max_streams:
            raise TooManyStreamsError("the peer's limit of concurrent streams is reached")
        self.state_machine.process_input(ConnectionInputs.SEND_HEADERS)
        stream = self._begin_new_stream(stream_id, AllowedStreamIDs.ODD)
        stream.request_method = method
        stream.state_machine.process_input(StreamInputs.SEND_HEADERS)
        if end:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        self._queue_field_block(stream_id, self.encoder.encode(fields), _END_STREAM if end else 0)
        return stream_id

    def body_room(self, stream_id: int) -> int:
        """Bytes that the next DATA frame may hold."""
        windows = min(self.outbound_flow_control_window, self.streams[stream_id].outbound_flow_control_window)
        return min(windows, self.max_outbound_frame_size)

    def send_body(self, stream_id: int, data: memoryview, *, end: bool) -> None:
        """Queues one DATA frame, not larger than `body_room`."""
        stream = self.streams[stream_id]
        stream.state_machine.process_input(StreamInputs.SEND_DATA)
        if end:
            stream.state_machine.process_input(StreamInputs.SEND_END_STREAM)
        size = len(data)
        self.outbound_flow_control_window -= size
        stream.outbound_flow_control_window -= size
        self._data_to_send += _HEADER.pack(size >> 8, size & 0xFF, _DATA, _END_STREAM if end else 0, stream_id)
        self._data_to_send += data

    def _queue_field_block(self, stream_id: int, block: bytes, flags: int) -> None:
        """HEADERS, and CONTINUATION for what doesn't fit one frame."""
        kind, limit = _HEADERS, self.max_outbound_frame_size
        while True:
            part, block = block[:limit], block[limit:]
            flags |= 0 if block else _END_HEADERS
            self._data_to_send += _HEADER.pack(len(part) >> 8, len(part) & 0xFF, kind, flags, stream_id) + part
            if not block:
                return
            kind, flags = _CONTINUATION, 0

    def forget(self, stream_id: int) -> None:
        """Drops a closed stream's state, keeping only how it was closed."""
        stream = self.streams.pop(stream_id, None)
        if stream is not None:
            self._closed_streams[stream_id] = stream.closed_by

    def receive(self, data: bytes, now: float) -> list[Item]:
        """Takes bytes from the network. Returns what they mean, in order; `fault` may be set afterwards."""
        if self.is_broken:
            return []
        if self._rest:
            data = self._rest + data
        items: list[Item] = []
        position, size = 0, len(data)
        while size - position >= 9:
            high, low, kind, flags, stream_id = _HEADER.unpack_from(data, position)
            length = high << 8 | low
            if length > self.max_inbound_frame_size:
                self._break("frame too large", ErrorCodes.FRAME_SIZE_ERROR)
                break
            end = position + 9 + length
            if end > size:
                break
            stream_id &= _LAST_STREAM_ID
            payload = data[position + 9 : end]
            if not (self._is_short_way(kind, flags) and self._take(kind, flags, stream_id, payload, now, items)):
                self._receive_other(kind, flags, length, data[position:end], now, items)
            position = size if self.is_broken else end
        self._rest = data[position:]
        return items

    def credit_connection(self, size: int) -> None:
        """`size` bytes of flow-controlled data were dealt with, whatever became of their stream."""
        self._connection_due += size
        if self._connection_due >= self._connection_window // 4 and not self.is_broken:
            self.increment_flow_control_window(self._connection_due)
            self._connection_due = 0

    def credit_stream(self, stream_id: int, size: int) -> None:
        """Opens a stream's receive window by `size` bytes, if it can still receive."""
        stream = self.streams.get(stream_id)
        if stream is None or self.is_broken:
            return
        if stream.state_machine.state in (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL):
            self.increment_flow_control_window(size, stream_id)

    def _is_short_way(self, kind: int, flags: int) -> bool:
        """Is it a DATA frame without padding, or a field section in one frame without padding or priority?"""
        if self._in_field_block:
            return False
        return not flags & _PADDED if kind == _DATA else kind == _HEADERS and flags & ~_END_STREAM == _END_HEADERS

    def _take(self, kind: int, flags: int, stream_id: int, payload: bytes, now: float, items: list[Item]) -> bool:
        """The short way; False if the frame has to go h2's way after all."""
        stream = self.streams.get(stream_id)
        if stream is None:
            return kind == _DATA and self._drop_late_data(stream_id, len(payload))
        machine = stream.state_machine
        if machine.state not in (StreamState.OPEN, StreamState.HALF_CLOSED_LOCAL):
            return False
        if kind == _DATA and not (machine.headers_received and (payload or flags & _END_STREAM)):
            return False
        try:
            if kind == _DATA:
                self._inbound_flow_control_window_manager.window_consumed(len(payload))
                stream._inbound_window_manager.window_consumed(len(payload))
                if payload:
                    items.append((stream_id, payload))
            else:
                event = self._read_fields(machine, payload, bool(flags & _END_STREAM))
                items.append(event)
                self._count_interim(event, now)
            if flags & _END_STREAM:
                items.extend(machine.process_input(StreamInputs.RECV_END_STREAM))
        except HPACKError as error:
            self._break(f"field section: {error}", ErrorCodes.COMPRESSION_ERROR)
        except ProtocolError as error:
            self._break(str(error), error.error_code)
        return True

    def _read_fields(self, machine: H2StreamStateMachine, block: bytes, is_last: bool) -> Event:
        """Decodes a field section: a response's, an interim response's, or trailers.

        Raises:
            ProtocolError: there may be none of its kind here.
            HPACKError: it can't be decoded, or is too large.
        """
        fields: list[Header] = list(self.decoder.decode(block, raw=True))
        is_interim = is_informational_response(fields)
        event = machine.process_input(
            StreamInputs.RECV_INFORMATIONAL_HEADERS if is_interim else StreamInputs.RECV_HEADERS
        )[0]
        if isinstance(event, InformationalResponseReceived) and is_last:
            raise ProtocolError("an interim response ends the stream")
        if isinstance(event, TrailersReceived) and not is_last:
            raise ProtocolError("trailers don't end the stream")
        assert isinstance(event, ResponseReceived | InformationalResponseReceived | TrailersReceived)
        event.headers = fields
        return event

    def _drop_late_data(self, stream_id: int, length: int) -> bool:
        """DATA that was under way when we reset its stream: gone, but it used connection window."""
        if self._closed_streams.get(stream_id) is not StreamClosedBy.SEND_RST_STREAM:
            return False
        try:
            self._inbound_flow_control_window_manager.window_consumed(length)
        except ProtocolError as error:
            self._break(f"flow control: {error}", ErrorCodes.FLOW_CONTROL_ERROR)
            return True
        self.credit_connection(length)
        return True

    def _receive_other(self, kind: int, flags: int, length: int, frame: bytes, now: float, items: list[Item]) -> None:
        if kind in (_HEADERS, _CONTINUATION):
            self._in_field_block = not flags & _END_HEADERS
        elif _is_chore(kind, flags, length) and not self._flood.admit(now):
            self._break("control frame flood", ErrorCodes.ENHANCE_YOUR_CALM)
            return
        try:
            events = super().receive_data(frame)
        except ProtocolError as error:
            self.fault = str(error) or type(error).__name__  # h2 has queued the GOAWAY
            return
        for event in events:
            if type(event) is ResponseReceived and (stream := self.streams.get(event.stream_id)) is not None:
                stream._expected_content_length = None
            self._count_interim(event, now)
        items.extend(events)

    def _count_interim(self, event: Event, now: float) -> None:
        if type(event) is InformationalResponseReceived and not self._flood.admit(now):
            self._break("interim response flood", ErrorCodes.ENHANCE_YOUR_CALM)

    def _break(self, fault: str, code: ErrorCodes) -> None:
        self.fault = fault
        self.close_connection(code)


def _is_chore(kind: int, flags: int, length: int) -> bool:
    """Does the frame cost work and bring no request forward (SETTINGS, PING, PRIORITY, RST_STREAM, empty DATA…)?"""
    if kind == _DATA:
        return not length and not flags & _END_STREAM
    return kind != _WINDOW_UPDATE
