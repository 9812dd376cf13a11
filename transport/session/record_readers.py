"""Records from bytes (SPEC.md §13).

A reader takes them cut anywhere and answers with values; the bytes of bodies come as they arrive. `RecordError` is the
only exception of a reader; it is dead then. A stream that ended while its reader's `is_over` is False was cut.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from transport.failure import Failure
from transport.message import ResponseHead
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder
from transport.session.events.decoder import EventDecoder
from transport.session.events.records import CorruptEvents
from transport.session.records import (
    BODY,
    DETAIL_BYTES,
    ENCODED,
    EVENTS,
    FAILURE,
    FRAME,
    IGNORABLE,
    MAX_FAILURE_BYTES,
    MAX_FRAME_BYTES,
    MAX_HEAD_BYTES,
    ORIGINS,
    REQUEST,
    RESPONSE,
    STAMP,
    TRAILERS,
    VERDICTS,
    WEBSOCKET,
    Coding,
    End,
    RecordError,
    ReplyValue,
    Request,
    RequestValue,
    Stamp,
    read_message,
)
from transport.session.wire import Reader, WireError

MAX_BODY_BYTES = 1 << 40
_EVENT_PIECE = 8192  # whatever is in it, an EventDecoder takes it at once
_LIMITS = {
    REQUEST: MAX_HEAD_BYTES,
    RESPONSE: MAX_HEAD_BYTES,
    TRAILERS: MAX_HEAD_BYTES,
    FAILURE: MAX_FAILURE_BYTES,
    FRAME: MAX_FRAME_BYTES + 1,
    STAMP: 64,
}


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
        if flags & ENCODED:
            self._body = BodyDecoder(MAX_BODY_BYTES)
        self._request = Request(
            heads.decode_request(body[reader.at :]),
            provider,
            patience / 1000,
            length - 1 if length else None,
            bool(flags & WEBSOCKET),
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
    if origin >= len(ORIGINS) or verdict >= len(VERDICTS):
        raise RecordError("an unknown origin or verdict")
    code, detail = reader.text(64), reader.text(DETAIL_BYTES)
    return Failure(ORIGINS[origin], VERDICTS[verdict], code, detail, (after - 1) / 1000 if after else None)
