"""Records to bytes (SPEC.md §13). A writer's methods return bytes to append to the stream."""

from __future__ import annotations

from struct import Struct as Layout

from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead
from transport.session.events import heads
from transport.session.events.bodies import BodyEncoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.encoder import EventEncoder
from transport.session.records import (
    BODY,
    DETAIL_BYTES,
    ENCODED,
    EVENTS,
    FAILURE,
    FRAME,
    MAX_FRAME_BYTES,
    ORIGINS,
    REQUEST,
    RESPONSE,
    STAMP,
    TRAILERS,
    VERDICTS,
    WEBSOCKET,
    Coding,
    Frame,
    message,
)
from transport.session.wire import varint

_PATIENCE_MS = (1 << 32) - 1
_U32 = Layout(">I")
_EVENTS_SHORT = tuple(bytes((EVENTS, size)) for size in range(64))


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
        flags = (WEBSOCKET if websocket else 0) | (ENCODED if self._encoder is not None else 0)
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
        code, detail = failure.code.encode()[:64], failure.detail.encode("utf-8", "replace")[:DETAIL_BYTES]
        detail = detail.decode("utf-8", "ignore").encode()
        after = 0 if failure.retry_after is None else min(_PATIENCE_MS, max(0, int(failure.retry_after * 1000))) + 1
        blame = bytes((ORIGINS.index(failure.origin), VERDICTS.index(failure.verdict)))
        return _record(FAILURE, blame + varint(after) + varint(len(code)) + code + varint(len(detail)) + detail)
