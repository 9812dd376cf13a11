"""Records, cut anywhere, back into the bytes they were made from."""

from __future__ import annotations

from zlib import crc32

from transport.session.events.deflate import Unsqueezer
from transport.session.events.encoder import dictionary
from transport.session.events.records import (
    DEFINE,
    DEFLATE,
    END,
    EVENT,
    FRESH,
    LITERAL,
    MAX_EVENT_BYTES,
    MAX_RECORD_BYTES,
    MAX_SLOTS,
    MAX_UNIT_BYTES,
    SQUEEZED,
    TEXT_END,
    VERSION,
    CorruptEvents,
    read_integer,
    read_slot,
)
from transport.session.events.templates import Span, Template, template_at

LIMIT_BYTES = 17 * 1024 * 1024
"""What one call may restore, unless told otherwise. A byte restores at most 2 KiB, and what was held 64 KiB: pieces of
up to 8 KiB stay below, whatever is in them. Larger ones may be refused, if only of streams that hardly say anything."""


class EventDecoder:
    """One stream's decoder. `decode` what comes, then `finish`. Raises CorruptEvents and nothing else; then it is dead.

    Holds at most a record that isn't whole yet, about 64 KiB, and the stream's templates, 96 KiB with their values.
    """

    __slots__ = (
        "_checksum",
        "_current",
        "_ended",
        "_fault",
        "_held",
        "_last",
        "_limit_bytes",
        "_started",
        "_templates",
        "_unsqueezer",
    )

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        self._templates: dict[int, Template] = {}
        self._current: Template | None = None
        self._unsqueezer = Unsqueezer()
        self._held = b""
        self._last = b""  # what the last record restored: a template may be cut out of it
        self._checksum = 0
        self._limit_bytes = limit_bytes
        self._started = False
        self._ended = False
        self._fault: str | None = None

    def decode(self, data: bytes) -> bytes:
        """What the records in `data` restore that are whole with it; the rest is held."""
        template = self._current
        if (
            template is not None
            and len(template.values) == 1
            and not self._held
            and data
            and data[0] < TEXT_END
            and data[0] == len(data) - 1
        ):
            text = data[1:]
            template.values[0] = text
            self._last = event = template.head + text + template.tail
            self._checksum = crc32(event, self._checksum)
            return event
        if self._fault is not None:
            raise CorruptEvents(self._fault)
        try:
            restored = self._decode(self._held + data)
        except CorruptEvents as fault:
            self._fault = str(fault)
            self._current = None
            raise
        self._checksum = crc32(restored, self._checksum)
        return restored

    def finish(self) -> None:
        """The stream ended. Raises CorruptEvents if its last record didn't come."""
        if self._fault is not None:
            raise CorruptEvents(self._fault)
        if not self._ended:
            raise CorruptEvents("the stream was cut")

    def _decode(self, data: bytes) -> bytes:
        at = 0
        if data and not self._started:
            if data[0] != VERSION:
                raise CorruptEvents(f"version {data[0]} of the event encoding is unknown")
            self._started = True
            at = 1
        out: list[bytes] = []
        size = 0
        try:
            while at < len(data):
                restored, at = self._record(data, at, out)
                size += len(restored)
                if size > self._limit_bytes:
                    raise CorruptEvents("more is restored at once than is allowed")
                if restored:
                    out.append(restored)
        except IndexError:  # it goes on in the next piece
            pass
        self._held = data[at:]
        return b"".join(out)

    def _record(self, data: bytes, at: int, out: list[bytes]) -> tuple[bytes, int]:
        """What the record at `at` restores and where it ends. IndexError, and nothing done: it isn't whole."""
        code = data[at]
        if code < TEXT_END:
            return self._text(data, code, at + 1)
        if self._ended:
            raise CorruptEvents("records after the end")
        family, number = code & 0xF0, code & 0x0F
        if family == EVENT:
            template = self._template(number)
            values, at = _slots(data, at + 1, template)
            return self._restore(template, values), at
        if family == SQUEEZED:
            return self._squeezed(data, number, at + 1)
        if family == DEFINE:
            return b"", self._define(data, number, at + 1)
        if code == FRESH:
            self._unsqueezer.drop()
            return b"", at + 1
        if code == END:
            return b"", self._end(data, at + 1, out)
        return self._plain(data, code, at + 1)

    def _text(self, data: bytes, length: int, at: int) -> tuple[bytes, int]:
        template = self._current
        if template is None or not template.values:
            raise CorruptEvents("text without a template")
        end = at + length
        if end > len(data):
            raise IndexError
        values, stop = _slots(data, end, template, first=data[at:end])
        return self._restore(template, values), stop

    def _squeezed(self, data: bytes, number: int, at: int) -> tuple[bytes, int]:
        template = self._template(number)
        squeezed, at = _string(data, at)
        slots = self._restored(squeezed)
        try:
            values, end = _slots(slots, 0, template)
        except IndexError:
            raise CorruptEvents("deflated slots that end early") from None
        if end != len(slots):
            raise CorruptEvents("more deflated slots than the template has")
        return self._restore(template, values), at

    def _plain(self, data: bytes, code: int, at: int) -> tuple[bytes, int]:
        if code not in (LITERAL, DEFLATE):
            raise CorruptEvents(f"record {code:#x} is unknown")
        string, at = _string(data, at)
        if code == DEFLATE:
            string = self._restored(string)
        self._last = string
        return string, at

    def _restored(self, squeezed: bytes) -> bytes:
        begins = b"" if self._unsqueezer.is_open else dictionary(self._templates)
        return self._unsqueezer.restore(squeezed, begins)

    def _define(self, data: bytes, number: int, at: int) -> int:
        size, at = read_integer(data, at)
        count, at = read_integer(data, at)
        if size > min(len(self._last), MAX_UNIT_BYTES) or count > MAX_SLOTS:
            raise CorruptEvents("a template larger than its event or the limits")
        spans: list[Span] = []
        edge = 0
        for _ in range(count):
            gap, at = read_integer(data, at)
            length, at = read_integer(data, at)
            spans.append((edge + gap, edge + gap + length))
            edge += gap + length
        if edge > size:
            raise CorruptEvents("a template's slots beyond its event")
        unit = self._last[len(self._last) - size :]
        self._current = self._templates[number] = template_at(unit, spans)
        return at

    def _end(self, data: bytes, at: int, out: list[bytes]) -> int:
        if at + 4 > len(data):
            raise IndexError
        checksum = crc32(b"".join(out), self._checksum)
        if int.from_bytes(data[at : at + 4], "big") != checksum:
            raise CorruptEvents("the checksum is another: not what was sent")
        self._ended = True
        self._current = None
        return at + 4

    def _template(self, number: int) -> Template:
        template = self._templates.get(number)
        if template is None:
            raise CorruptEvents(f"template {number} is unknown")
        return template

    def _restore(self, template: Template, values: list[bytes]) -> bytes:
        self._current = template
        self._last = event = template.fill(values)
        if len(event) > MAX_EVENT_BYTES:
            raise CorruptEvents("an event longer than templates restore")
        return event


def _slots(data: bytes, at: int, template: Template, first: bytes | None = None) -> tuple[list[bytes], int]:
    """The values of the template's slots, of which the first may be known. IndexError: more bytes are needed."""
    values = [] if first is None else [first]
    start = at
    for before in template.values[len(values) :]:
        header = data[at]
        if header & 0x81:
            value, at = read_slot(data, at, before)
        else:  # a short text, by far the most frequent
            value = data[at + 1 : at + 1 + (header >> 1)]
            at += 1 + (header >> 1)
            if at > len(data):
                raise IndexError
        values.append(value)
        if at - start > MAX_RECORD_BYTES:
            raise CorruptEvents("slots longer than a record may be")
    return values, at


def _string(data: bytes, at: int) -> tuple[bytes, int]:
    length, at = read_integer(data, at)
    if length > MAX_RECORD_BYTES:
        raise CorruptEvents("a record longer than records may be")
    if at + length > len(data):
        raise IndexError
    return data[at : at + length], at + length
