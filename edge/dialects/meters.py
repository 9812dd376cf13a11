"""Meters that several dialects share: of bodies that are one JSON document, of anything else, of compressed ones."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

from edge.dialects.facts import NO_USAGE, Meter, Usage
from edge.dialects.inflate import CannotInflate, Inflate, inflater
from edge.dialects.json_scan import is_truthy, members
from edge.dialects.sse import EventScanner, data_of, events, type_of
from edge.dialects.usage import Reader, document_usage, find_usage
from transport.message import Headers, header

HEAD_BYTES = 64 * 1024
TAIL_BYTES = 64 * 1024

_ERROR_FIRST = re.compile(rb'\s*\{\s*"error"')
Readers = tuple[tuple[bytes, Reader], ...]


class OpaqueMeter:
    """A body without usage and without an end of its own: the transport's framing says whether it is complete."""

    __slots__ = ()

    def feed(self, data: bytes) -> None: ...

    def is_complete(self) -> bool:
        return True

    def at_boundary(self) -> bool:
        return False

    def usage(self) -> Usage:
        return NO_USAGE

    def tokens_seen(self) -> int:
        return 0


class DocumentMeter:
    """One JSON document, of which the first and last 64 KiB are kept: usage stands near an end in every API.

    `is_array`: the document is a streamed JSON array (Gemini without `alt=sse`), complete when its bracket closes.
    """

    __slots__ = ("_head", "_is_array", "_readers", "_tail")

    def __init__(self, readers: Readers, *, is_array: bool = False) -> None:
        self._readers = readers
        self._is_array = is_array
        self._head = bytearray()
        self._tail = bytearray()

    def feed(self, data: bytes) -> None:
        room = HEAD_BYTES - len(self._head)
        if room > 0:
            self._head += data[:room]
            data = data[room:]
        self._tail += data
        if len(self._tail) > 2 * TAIL_BYTES:
            del self._tail[:-TAIL_BYTES]

    def is_complete(self) -> bool:
        if not self._is_array:
            return True
        end = (self._head[-64:] + self._tail).rstrip()
        return end.endswith(b"]") or not self._head.lstrip().startswith(b"[")

    def at_boundary(self) -> bool:
        return False

    def usage(self) -> Usage:
        data = bytes(self._head + self._tail)
        # A search takes ten times as long, but finds it in whatever was cut out of a long document.
        return document_usage(data, self._readers) or find_usage(data, self._readers) or NO_USAGE

    def tokens_seen(self) -> int:
        return 0


class StreamMeter(EventScanner):
    """An event stream: events are counted, and the last region with usage is kept until somebody asks.

    As it stands it is the meter of a stream whose end isn't known: complete whenever the transport says so.
    """

    __slots__ = ("_readers", "_usage_mark", "_usage_region")

    def __init__(self, readers: Readers, usage_mark: bytes, plain: tuple[bytes, ...] = (), lines: int = 1) -> None:
        """`usage_mark` occurs in events that report usage; it is looked for in plain events of one line only."""
        super().__init__(plain, lines, usage_mark if lines == 1 else b"")
        self._readers = readers
        self._usage_mark = usage_mark
        self._usage_region = b""

    def on_marked(self, event: bytes) -> None:
        self._usage_region = event

    def on_region(self, region: bytes) -> None:
        if self._usage_mark in region:
            self._usage_region = region

    def is_complete(self) -> bool:
        return True

    def usage(self) -> Usage:
        data = b"\n".join(data_of(block) for block in events(self._usage_region))
        return find_usage(data, self._readers) or NO_USAGE

    def tokens_seen(self) -> int:
        return self.events_seen


class EndingMeter(StreamMeter):
    """An event stream with an end of its own: `[DONE]`, an event of one of the `ends` types, or an error.

    An error is an event whose data begins with an `error` member. `type_member` is the member of an event's data that
    says its type.
    """

    __slots__ = ("_complete", "_end_marks", "_ends", "_type_member")

    def __init__(
        self,
        readers: Readers,
        usage_mark: bytes,
        plain: tuple[bytes, ...] = (),
        lines: int = 1,
        ends: frozenset[str] = frozenset(),
        type_member: bytes = b"type",
    ) -> None:
        super().__init__(readers, usage_mark, plain, lines)
        self._ends = ends
        self._end_marks = (b"[DONE]", b"error", *(end.encode() for end in ends))
        self._type_member = type_member
        self._complete = False

    def on_region(self, region: bytes) -> None:
        super().on_region(region)
        if not self._complete and any(mark in region for mark in self._end_marks):
            self._complete = any(map(self._is_end, events(region)))

    def is_complete(self) -> bool:
        return self._complete

    def _is_end(self, block: bytes) -> bool:
        data = data_of(block)
        if data.startswith(b"[DONE]"):
            return True
        if self._ends and type_of(block, data, self._type_member) in self._ends:
            return True
        return _ERROR_FIRST.match(data) is not None and is_truthy(members(data, (b"error",)).get(b"error"))


class InflatingMeter:
    """Meters a decompressed copy. Never at a boundary: nothing can be inserted into a compressed stream."""

    __slots__ = ("_inflate", "_inner")

    def __init__(self, inner: Meter, inflate: Inflate) -> None:
        self._inner: Meter = inner
        self._inflate = inflate

    def feed(self, data: bytes) -> None:
        try:
            for piece in self._inflate(data):
                self._inner.feed(piece)
        except CannotInflate:
            self._inner = OpaqueMeter()
            self._inflate = _nothing

    def is_complete(self) -> bool:
        return self._inner.is_complete()

    def at_boundary(self) -> bool:
        return False

    def usage(self) -> Usage:
        return self._inner.usage()

    def tokens_seen(self) -> int:
        return self._inner.tokens_seen()


def _nothing(data: bytes) -> Iterator[bytes]:
    return iter(())


def media_type(headers: Headers) -> bytes:
    """The reply's media type without parameters, lower-case; empty if there is none."""
    return (header(headers, b"content-type") or b"").partition(b";")[0].strip().lower()


def is_event_stream(headers: Headers) -> bool:
    return media_type(headers) == b"text/event-stream"


def is_json(headers: Headers) -> bool:
    kind = media_type(headers)
    return kind == b"application/json" or kind.endswith(b"+json")


def through_coding(headers: Headers, make: Callable[[], Meter]) -> Meter:
    """`make`'s meter, behind a decompressor if the reply is compressed, or none if that can't be undone here."""
    coding = (header(headers, b"content-encoding") or b"").strip().lower()
    if coding in (b"", b"identity"):
        return make()
    found = inflater(coding)
    return OpaqueMeter() if found is None else InflatingMeter(make(), found.inflate)
