"""The records that a stream's bytes are (SPEC.md §13): requests one way, replies the other, to bytes and back.

    RequestWriter → RequestReader        edge → relay:  Request, bytes of its body or Frames, End
    ReplyWriter   → ReplyReader          relay → edge:  ResponseHead, bytes or Frames, Stamps; End or Failure

A writer's methods return bytes to append to the stream. A reader takes them cut anywhere and answers with values; the
bytes of bodies come as they arrive. `RecordError` is the only exception of a reader; it is dead then. A stream that
ended while its reader's `is_over` is False was cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from enum import IntEnum
from struct import Struct as Layout

from msgspec import Struct

from transport.failure import Failure, Origin, Verdict
from transport.message import Headers, RequestHead, ResponseHead, header
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder, BodyEncoder
from transport.session.events.decoder import EventDecoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.encoder import EventEncoder
from transport.session.events.records import CorruptEvents
from transport.session.wire import Reader, WireError, varint

REQUEST, BODY, EVENTS, RESPONSE, TRAILERS, FAILURE, FRAME = 1, 2, 3, 4, 5, 6, 7
IGNORABLE = 0x80
STAMP = 0x80

MAX_HEAD_BYTES = heads.LIMIT_BYTES + 65_536
"""Of one REQUEST, RESPONSE or TRAILERS as it travels."""
MAX_FRAME_BYTES = 64 * 1024
"""Of one FRAME's payload; longer messages are several."""
MAX_FAILURE_BYTES = 2048
MAX_BODY_BYTES = 1 << 40
_DETAIL_BYTES = 1024
_PATIENCE_MS = (1 << 32) - 1
_EVENT_PIECE = 8192  # whatever is in it, an EventDecoder takes it at once
_LAST = 0x80
_U32 = Layout(">I")
_LIMITS = {
    REQUEST: MAX_HEAD_BYTES,
    RESPONSE: MAX_HEAD_BYTES,
    TRAILERS: MAX_HEAD_BYTES,
    FAILURE: MAX_FAILURE_BYTES,
    FRAME: MAX_FRAME_BYTES + 1,
    STAMP: 64,
}
_ORIGINS = (Origin.CLIENT, Origin.EDGE, Origin.LINE, Origin.ENDPOINT, Origin.RELAY)
_VERDICTS = (Verdict.SAFE, Verdict.UNKNOWN, Verdict.UNSAFE)
_WEBSOCKET, _ENCODED = 0x01, 0x02
_EVENTS_SHORT = tuple(bytes((EVENTS, size)) for size in range(64))


class RecordError(Exception):
    """The peer's bytes are no records, or not in an order that makes sense."""


class Coding(IntEnum):
    """How a reply's body travels."""

    PLAIN = 0
    EVENTS = 1
    ZSTD = 2


class Request(Struct):
    """A request for the relay. `provider` is its id in the configuration; nobody waits longer than `patience` seconds.

    `body_bytes` None: not known. With `websocket` Frames follow instead of a body.
    """

    head: RequestHead
    provider: str
    patience: float
    body_bytes: int | None = None
    websocket: bool = False


class Frame(Struct, frozen=True):
    """A WebSocket message, or a piece of one: the first has the message's opcode, the others 0 (RFC 6455 §5.4).

    A close frame's payload is its code and reason, or nothing.
    """

    opcode: int
    payload: bytes
    is_last: bool = True


class End(Struct, frozen=True):
    """The body was whole."""

    trailers: Headers


class Stamp(Struct, frozen=True):
    """The relay's clock when what follows was written: milliseconds, modulo 2^32."""

    ms: int


def coding_for(head: ResponseHead) -> Coding:
    """What suits the reply: event streams by template, text by zstd, what is small or encoded already not at all."""
    if header(head.headers, b"content-encoding") not in (None, b"identity"):
        return Coding.PLAIN
    kind = (header(head.headers, b"content-type") or b"").lower()
    if kind.startswith(b"text/event-stream"):
        return Coding.EVENTS
    if not kind.startswith((b"application/json", b"text/", b"application/x-ndjson")):
        return Coding.PLAIN
    length = header(head.headers, b"content-length") or b"1024"
    return Coding.ZSTD if 3 <= len(length) <= 8 else Coding.PLAIN  # from 100 bytes to 100 MB


def message(frame: Frame) -> bytes:
    """A Frame as a session's message (SPEC.md §10)."""
    return bytes((frame.opcode | (_LAST if frame.is_last else 0),)) + frame.payload


def read_message(data: bytes) -> Frame:
    """The Frame in a session's message. Raises RecordError."""
    if not data or data[0] & 0x70:
        raise RecordError("a message without an opcode")
    return Frame(data[0] & 0x0F, data[1:], bool(data[0] & _LAST))


# ------------------------------------------------------------------------------------------------------- to bytes


def _record(kind: int, body: bytes) -> bytes:
    return bytes((kind,)) + varint(len(body)) + body


def _frames(opcode: int, payload: bytes, is_last: bool) -> bytes:
    if len(payload) <= MAX_FRAME_BYTES:
        return _record(FRAME, message(Frame(opcode, payload, is_last)))
    out = []
    for at in range(0, len(payload), MAX_FRAME_BYTES):
        piece = payload[at : at + MAX_FRAME_BYTES]
        last = is_last and at + MAX_FRAME_BYTES >= len(payload)
        out.append(_record(FRAME, message(Frame(0 if at else opcode, piece, last))))
    return b"".join(out)


def _trailers(trailers: Headers) -> bytes:
    return _record(TRAILERS, heads.encode_trailers(trailers) if trailers else b"")


class RequestWriter:
    """`request` first, then `body`s or `frame`s, and `end`. With a `dictionary` the body travels as zstd."""

    __slots__ = ("_encoder",)

    def __init__(self, dictionary: Dictionary | None = None) -> None:
        self._encoder = BodyEncoder(dictionary) if dictionary is not None else None

    def request(
        self,
        head: RequestHead,
        provider: str,
        patience: float,
        body_bytes: int | None = None,
        *,
        websocket: bool = False,
    ) -> bytes:
        """Raises ValueError: the head contains the bytes 0 or 1."""
        name = provider.encode()
        flags = (_WEBSOCKET if websocket else 0) | (_ENCODED if self._encoder is not None else 0)
        first = bytes((flags,)) + varint(len(name)) + name
        first += varint(min(_PATIENCE_MS, max(0, int(patience * 1000))))
        first += varint(0 if body_bytes is None else body_bytes + 1)
        return _record(REQUEST, first + heads.encode_request(head))

    def body(self, chunk: bytes) -> bytes:
        return _record(BODY, chunk if self._encoder is None else self._encoder.encode(chunk))

    def frame(self, opcode: int, payload: bytes, is_last: bool = True) -> bytes:
        return _frames(opcode, payload, is_last)

    def end(self, trailers: Headers | None = None) -> bytes:
        """The body was whole, or no Frame follows."""
        rest = b"" if self._encoder is None else _record(BODY, self._encoder.finish())
        return rest + _trailers(trailers or [])


class ReplyWriter:
    """`response` first, then `body`s or `frame`s, and `end`; or at any time `failure`."""

    __slots__ = ("_body", "_events")

    def __init__(self) -> None:
        self._events: EventEncoder | None = None
        self._body: BodyEncoder | None = None

    def response(self, head: ResponseHead, coding: Coding = Coding.PLAIN) -> bytes:
        """Raises ValueError: the head contains the bytes 0 or 1."""
        if coding is Coding.EVENTS:
            self._events = EventEncoder()
        elif coding is Coding.ZSTD:
            self._body = BodyEncoder(Dictionary.NONE)
        return _record(RESPONSE, bytes((coding,)) + heads.encode_response(head))

    def body(self, chunk: bytes) -> bytes:
        """Per token: the chunk's events, made small."""
        if self._events is not None:
            data = self._events.encode(chunk)
            size = len(data)
            return _EVENTS_SHORT[size] + data if size < 64 else _record(EVENTS, data)
        return _record(BODY, chunk if self._body is None else self._body.encode(chunk))

    def frame(self, opcode: int, payload: bytes, is_last: bool = True) -> bytes:
        return _frames(opcode, payload, is_last)

    def stamp(self, ms: int) -> bytes:
        return _record(STAMP, _U32.pack(ms & 0xFFFF_FFFF))

    def end(self, trailers: Headers | None = None) -> bytes:
        """The reply was whole."""
        rest = b""
        if self._events is not None:
            rest = _record(EVENTS, self._events.finish())
        elif self._body is not None:
            rest = _record(BODY, self._body.finish())
        return rest + _trailers(trailers or [])

    def failure(self, failure: Failure) -> bytes:
        """The reply's end, instead of `end`."""
        code, detail = failure.code.encode()[:64], failure.detail.encode("utf-8", "replace")[:_DETAIL_BYTES]
        detail = detail.decode("utf-8", "ignore").encode()
        after = 0 if failure.retry_after is None else min(_PATIENCE_MS, max(0, int(failure.retry_after * 1000))) + 1
        blame = bytes((_ORIGINS.index(failure.origin), _VERDICTS.index(failure.verdict)))
        return _record(FAILURE, blame + varint(after) + varint(len(code)) + code + varint(len(detail)) + detail)


# ----------------------------------------------------------------------------------------------------- from bytes

RequestValue = Request | bytes | Frame | End
ReplyValue = ResponseHead | bytes | Frame | Stamp | End | Failure


class _Records(ABC):
    """Cuts bytes into records. Those of bodies are passed on piece by piece, others whole and within their limits."""

    __slots__ = ("_fault", "_held", "_kind", "_left", "is_over")

    def __init__(self) -> None:
        self._held = b""
        self._kind = 0
        self._left = 0  # bytes of a body's record that are still to come
        self._fault: str | None = None
        self.is_over = False

    def _cut(self, data: bytes) -> None:
        if self._fault is not None:
            raise RecordError(self._fault)
        try:
            self._cut_records(self._held + data if self._held else data)
        except (RecordError, CorruptEvents, WireError) as error:
            self._fault = str(error)
            raise RecordError(self._fault) from error

    def _cut_records(self, data: bytes) -> None:
        at, size = 0, len(data)
        self._held = b""
        while at < size:
            if self._left:
                piece = data[at : at + self._left]
                at += len(piece)
                self._left -= len(piece)
                self._on_piece(piece)
                continue
            start = _start_of(data, at)
            if start is None:
                break
            kind, length, begin = start
            if self.is_over and kind < IGNORABLE:
                raise RecordError("records after the end")
            if kind in (BODY, EVENTS) or (kind >= IGNORABLE and kind != STAMP):
                if kind < IGNORABLE:
                    self._expect(kind)
                self._kind, self._left, at = kind, length, begin
                continue
            if length > _LIMITS.get(kind, 0):
                raise RecordError(f"a record of type {kind} of {length} bytes")
            if begin + length > size:
                break
            self._on_record(kind, data[begin : begin + length])
            at = begin + length
        self._held = data[at:]

    @abstractmethod
    def _expect(self, kind: int) -> None:
        """Raises RecordError: such bytes may not come now."""

    @abstractmethod
    def _on_piece(self, piece: bytes) -> None:
        """Bytes of a record of the type `_kind`, which may be one to skip."""

    @abstractmethod
    def _on_record(self, kind: int, body: bytes) -> None:
        """Any other record, whole. Raises RecordError, WireError, CorruptEvents."""


def _start_of(data: bytes, at: int) -> tuple[int, int, int] | None:
    """A record's type, length and where its body begins; None: not all of that is here."""
    if at + 1 >= len(data):
        return None
    first = data[at + 1]
    if first < 64:
        return data[at], first, at + 2
    if at + 1 + (1 << (first >> 6)) > len(data):
        return None
    reader = Reader(data, at + 1)
    return data[at], reader.varint(), reader.at


class RequestReader(_Records):
    """What the edge says on a stream: a Request, then bytes or Frames, and an End."""

    __slots__ = ("_body", "_request", "_values")

    def __init__(self) -> None:
        super().__init__()
        self._values: list[RequestValue] = []
        self._request: Request | None = None
        self._body: BodyDecoder | None = None

    def feed(self, data: bytes) -> list[RequestValue]:
        """Raises RecordError."""
        values = self._values = []
        self._cut(data)
        return values

    def _expect(self, kind: int) -> None:
        if self._request is None or self._request.websocket or kind != BODY:
            raise RecordError(f"a record of type {kind} where none may be")

    def _on_piece(self, piece: bytes) -> None:
        if self._kind == BODY and (body := piece if self._body is None else self._body.decode(piece)):
            self._values.append(body)

    def _on_record(self, kind: int, body: bytes) -> None:
        request = self._request
        if kind == STAMP:
            return
        if kind == REQUEST and request is None:
            self._values.append(self._read_request(Reader(body), body))
        elif kind == FRAME and request is not None and request.websocket:
            self._values.append(read_message(body))
        elif kind == TRAILERS and request is not None:
            if self._body is not None:
                self._body.finish()
            self.is_over = True
            self._values.append(End(heads.decode_trailers(body) if body else []))
        else:
            raise RecordError(f"a record of type {kind} where none may be")

    def _read_request(self, reader: Reader, body: bytes) -> Request:
        flags, provider, patience, length = reader.byte(), reader.text(256), reader.varint(), reader.varint()
        if flags & _ENCODED:
            self._body = BodyDecoder(MAX_BODY_BYTES)
        self._request = Request(
            heads.decode_request(body[reader.at :]),
            provider,
            patience / 1000,
            length - 1 if length else None,
            bool(flags & _WEBSOCKET),
        )
        return self._request


class ReplyReader(_Records):
    """What the relay says on a stream: a ResponseHead, then bytes or Frames with Stamps, and an End or a Failure."""

    __slots__ = ("_body", "_coding", "_events", "_head", "_values")

    def __init__(self) -> None:
        super().__init__()
        self._values: list[ReplyValue] = []
        self._head: ResponseHead | None = None
        self._coding = Coding.PLAIN
        self._events: EventDecoder | None = None
        self._body: BodyDecoder | None = None

    def feed(self, data: bytes) -> list[ReplyValue]:
        """Raises RecordError."""
        values = self._values = []
        if (
            self._events is not None
            and not self._held
            and not self._left
            and self._fault is None
            and not self.is_over
            and len(data) > 2
            and data[0] == EVENTS
            and data[1] == len(data) - 2
            and len(data) < 66
        ):
            try:
                if body := self._events.decode(data[2:]):
                    values.append(body)
            except CorruptEvents as error:
                self._fault = str(error)
                raise RecordError(self._fault) from error
            return values
        self._cut(data)
        return values

    def _expect(self, kind: int) -> None:
        is_right = (kind == EVENTS) is (self._coding is Coding.EVENTS)
        if self._head is None or self._head.status == 101 or not is_right:
            raise RecordError(f"a record of type {kind} where none may be")

    def _on_piece(self, piece: bytes) -> None:
        if self._kind == EVENTS:
            assert self._events is not None
            for at in range(0, len(piece), _EVENT_PIECE):
                self._pass_on(self._events.decode(piece[at : at + _EVENT_PIECE]))
        elif self._kind == BODY:
            self._pass_on(piece if self._body is None else self._body.decode(piece))

    def _pass_on(self, body: bytes) -> None:
        if body:
            self._values.append(body)

    def _on_record(self, kind: int, body: bytes) -> None:
        head = self._head
        if kind == STAMP:
            self._values.append(Stamp(int.from_bytes(Reader(body).take(4), "big")))
        elif kind == RESPONSE and head is None:
            self._values.append(self._read_response(Reader(body), body))
        elif kind == FRAME and head is not None and head.status == 101:
            self._values.append(read_message(body))
        elif kind == TRAILERS and head is not None:
            self._end(body)
        elif kind == FAILURE:
            self.is_over = True
            self._values.append(_read_failure(Reader(body)))
        else:
            raise RecordError(f"a record of type {kind} where none may be")

    def _read_response(self, reader: Reader, body: bytes) -> ResponseHead:
        try:
            self._coding = Coding(reader.byte())
        except ValueError:
            raise RecordError("an unknown coding") from None
        if self._coding is Coding.EVENTS:
            self._events = EventDecoder()
        elif self._coding is Coding.ZSTD:
            self._body = BodyDecoder(MAX_BODY_BYTES)
        self._head = heads.decode_response(body[1:])
        return self._head

    def _end(self, body: bytes) -> None:
        if self._events is not None:
            self._events.finish()
        elif self._body is not None:
            self._body.finish()
        self.is_over = True
        self._values.append(End(heads.decode_trailers(body) if body else []))


def _read_failure(reader: Reader) -> Failure:
    origin, verdict, after = reader.byte(), reader.byte(), reader.varint()
    if origin >= len(_ORIGINS) or verdict >= len(_VERDICTS):
        raise RecordError("an unknown origin or verdict")
    code, detail = reader.text(64), reader.text(_DETAIL_BYTES)
    return Failure(_ORIGINS[origin], _VERDICTS[verdict], code, detail, (after - 1) / 1000 if after else None)
