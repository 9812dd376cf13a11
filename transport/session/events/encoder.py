"""A reply's bytes, chunk by chunk, as compact records: each chunk at once, nothing is held back.

The usual chunk is one event that fits the template of the one before: it leaves as its text and one byte. Other events
that fit a template leave as its number and their slots, deflated where that is shorter. Everything else is deflated
whole, or left as it is; from its shape the next template is learned.
"""

from __future__ import annotations

from zlib import crc32

from transport.session.events.deflate import Rest, Squeezer
from transport.session.events.dictionaries import events
from transport.session.events.records import (
    DEFINE,
    DEFLATE,
    END,
    EVENT,
    FRESH,
    LITERAL,
    MAX_EVENT_BYTES,
    MAX_RECORD_BYTES,
    SQUEEZED,
    TEMPLATES,
    VERSION,
    integer,
    slot,
)
from transport.session.events.templates import Learner, Span, Template, template_at

_PIECE_BYTES = MAX_RECORD_BYTES // 2
_SQUEEZE_BYTES = 96
"""Slots longer than this together are worth a try with deflate."""
_QUIET_RECORDS = 32
"""So many events in a row without deflate, and its context is dropped at both ends."""
_SHORT = tuple(bytes((length,)) for length in range(_SQUEEZE_BYTES))
_EVENT = tuple(bytes((EVENT + number,)) for number in range(TEMPLATES))
_LITERAL, _DEFLATE, _FRESH = (bytes((code,)) for code in (LITERAL, DEFLATE, FRESH))


class EventEncoder:
    """One stream's encoder. `encode` every chunk, then `finish`; both give bytes to append to the stream."""

    __slots__ = (
        "_at_event",
        "_checksum",
        "_current",
        "_learner",
        "_number",
        "_one_slot",
        "_quiet",
        "_rest_of_plain",
        "_rest_of_slots",
        "_shapes",
        "_squeezer",
        "_started",
        "_templates",
    )

    def __init__(self) -> None:
        self._templates: dict[int, Template] = {}
        self._shapes: dict[int, int] = {}  # shape → template's number, the longest unused first
        self._current: Template | None = None
        self._number = 0
        self._one_slot = False
        self._learner = Learner()
        self._squeezer = Squeezer()
        self._rest_of_plain = Rest()
        self._rest_of_slots = Rest()
        self._quiet = _QUIET_RECORDS
        self._checksum = 0
        self._at_event = True
        self._started = False

    def encode(self, chunk: bytes) -> bytes:
        """Records that restore all of `chunk`. What can't be made smaller becomes three or four bytes longer."""
        self._checksum = crc32(chunk, self._checksum)
        if self._one_slot:
            template = self._current
            assert template is not None
            length = len(chunk) - template.fixed
            if 0 <= length < _SQUEEZE_BYTES and chunk.startswith(template.head) and chunk.endswith(template.tail):
                at = template.head_bytes
                text = chunk[at : at + length]
                if text.find(b"\n") < 0:
                    template.values[0] = text
                    self._quiet -= 1
                    return self._hushed() + _SHORT[length] + text if not self._quiet else _SHORT[length] + text
        return self._encode(chunk)

    def finish(self) -> bytes:
        """The stream's last record: a checksum, by which the peer knows that all came and came right."""
        return self._begun(bytes((END,)) + self._checksum.to_bytes(4, "big"))

    def _begun(self, records: bytes) -> bytes:
        if self._started:
            return records
        self._started = True
        return bytes((VERSION,)) + records

    def _hushed(self) -> bytes:
        if not self._squeezer.is_open:
            return b""
        self._squeezer.drop()
        return _FRESH

    def _encode(self, chunk: bytes) -> bytes:
        template = self._current
        if template is not None and len(chunk) <= MAX_EVENT_BYTES and (values := template.cut(chunk)) is not None:
            return self._event(self._number, template, values)
        out: list[bytes] = []
        rest: list[bytes] = []  # in a row without a template: they share one record
        size = 0
        for unit in _units(chunk):
            record = self._by_template(unit)
            if record is not None:
                self._plain(rest, out)
                out.append(record)
                continue
            size = size + len(unit) if rest else len(unit)
            if size > _PIECE_BYTES:  # a template can only be cut out of one record
                self._plain(rest, out)
                size = len(unit)
            rest.append(unit)
            if self._at_event and unit.endswith(b"\n") and (learned := self._learner.saw(unit)):
                self._plain(rest, out)
                out.append(self._define(unit, *learned))
            self._at_event = unit.endswith(b"\n")
        self._plain(rest, out)
        return self._begun(b"".join(out))

    def _by_template(self, unit: bytes) -> bytes | None:
        if len(unit) > MAX_EVENT_BYTES:
            return None
        for number in reversed(self._shapes.values()):
            template = self._templates[number]
            if (values := template.cut(unit)) is not None:
                self._at_event = True
                record = self._event(number, template, values)
                if number != self._number:
                    self._use(number, template)
                return record
        return None

    def _event(self, number: int, template: Template, values: list[bytes]) -> bytes:
        slots = b"".join(map(slot, values, template.values))
        template.values = values
        if len(slots) >= _SQUEEZE_BYTES:
            before, squeezed = self._squeeze(slots, self._rest_of_slots)
            if squeezed is not None:
                return before + bytes((SQUEEZED + number,)) + integer(len(squeezed)) + squeezed
            return before + _EVENT[number] + slots
        self._quiet -= 1
        before = b"" if self._quiet else self._hushed()
        if number == self._number and values and not slots[0] & 1:
            length = len(values[0])
            return before + _SHORT[length] + slots[len(integer(length << 1)) :]
        return before + _EVENT[number] + slots

    def _squeeze(self, data: bytes, rest: Rest) -> tuple[bytes, bytes | None]:
        """What must come before the record, and the deflated bytes if they are shorter."""
        was_open = self._squeezer.is_open
        begins = b"" if was_open else dictionary(self._templates)
        squeezed = self._squeezer.squeeze(data, begins, rest)
        if squeezed is not None:
            self._quiet = _QUIET_RECORDS
        return _FRESH if was_open and not self._squeezer.is_open else b"", squeezed

    def _use(self, number: int, template: Template) -> None:
        self._current = template
        self._number = number
        self._one_slot = len(template.values) == 1
        shape = next(shape for shape, other in self._shapes.items() if other == number)
        self._shapes[shape] = self._shapes.pop(shape)

    def _define(self, unit: bytes, shape: int, spans: list[Span]) -> bytes:
        number = self._shapes.get(shape)
        if number is None:
            number = len(self._shapes)
            if number == TEMPLATES:
                number = self._shapes.pop(next(iter(self._shapes)))
            self._shapes[shape] = number
        template = self._templates[number] = template_at(unit, spans)
        self._use(number, template)
        gaps = bytearray()
        at = 0
        for start, end in spans:
            gaps += integer(start - at) + integer(end - start)
            at = end
        return bytes((DEFINE + number,)) + integer(len(unit)) + integer(len(spans)) + gaps

    def _plain(self, rest: list[bytes], out: list[bytes]) -> None:
        """What no template fits."""
        data = b"".join(rest)
        rest.clear()
        for at in range(0, len(data), _PIECE_BYTES):
            piece = data[at : at + _PIECE_BYTES]
            before, squeezed = self._squeeze(piece, self._rest_of_plain)
            if squeezed is None:
                out.append(before + _LITERAL + integer(len(piece)) + piece)
            else:
                out.append(before + _DEFLATE + integer(len(squeezed)) + squeezed)


def dictionary(templates: dict[int, Template]) -> bytes:
    """The format's own, then what the stream's templates hold, in the order of their numbers."""
    return events() + b"".join([part for number in sorted(templates) for part in templates[number].parts])


def _units(chunk: bytes) -> list[bytes]:
    """The chunk's events: they end with an empty line, or where a line begins another JSON object."""
    for cut, ends, begins in _CUTS:
        if 0 <= chunk.find(cut) < len(chunk) - len(cut):
            first, *more, last = chunk.split(cut)
            units = [first + ends, *[begins + piece + ends for piece in more]]
            return [*units, begins + last] if begins or last else units
    return [chunk]


_CUTS = ((b"\n\n", b"\n\n", b""), (b"\r\n\r\n", b"\r\n\r\n", b""), (b"\n{", b"\n", b"{"))
