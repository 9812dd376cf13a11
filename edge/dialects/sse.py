"""Watches a text/event-stream go by (WHATWG HTML §9.2.6): event boundaries, and the few events that matter.

`EventScanner.feed` is on the hot path. Most chunks are exactly one event of a kind that each dialect can tell by its
first bytes: such a *plain* event is recognised by its start, its end and the number of its line ends, with one search
for a marker where even plain events may matter. Every other chunk takes the long way: it is held until a blank line
comes, and the whole events, a *region*, are handed to `on_region`, which may cut them up with `events`.

Lines end in LF, CR or CRLF, and a chunk may end anywhere. A blank line is therefore LF LF, LF CR or CR CR, after which
one LF may follow that belongs to it; at a boundary any further line ends are blank lines of an empty event, which mean
nothing and are dropped.
"""

from __future__ import annotations

import re

from edge.dialects.json_scan import members, value

HOLD_BYTES = 256 * 1024
"""An event longer than this is no longer held whole: its first `HEAD_BYTES` and its last `TAIL_BYTES` or more are."""
HEAD_BYTES = 4 * 1024
TAIL_BYTES = 64 * 1024

_BLANK = re.compile(rb"\n\n|\n\r\n?|\r\r\n?")
_PLAIN_ENDS = (b"\n\n", b"\r\n\r\n")
_BOM = b"\xef\xbb\xbf"
_COLON = 0x3A  # begins a comment


class EventScanner:
    """Finds the events of one stream. Holds at most about `hold_bytes` and one chunk; never raises."""

    __slots__ = ("_head", "_held", "_lines", "_mark", "_plain", "events_seen")
    hold_bytes = HOLD_BYTES

    def __init__(self, plain: tuple[bytes, ...] = (), lines: int = 1, mark: bytes = b"") -> None:
        """`plain`: how events begin that need no look, each of `lines` lines; those with `mark` go to `on_marked`."""
        self._plain = plain
        self._lines = lines + 1  # and the blank one
        self._mark = mark
        self._head = b""
        self._held = bytearray()
        self.events_seen = 0

    def feed(self, data: bytes) -> None:
        if (
            data.startswith(self._plain)
            and not self._held
            and data.endswith(_PLAIN_ENDS)
            and ((lines := data.count(b"\n")) == self._lines or self._are_plain(data, lines))
        ):
            self.events_seen += lines // self._lines
            if self._mark and data.find(self._mark) >= 0:
                self.on_marked(data)
        elif region := self._join(data):
            self.events_seen += len([block for block in events(region) if block[0] != _COLON])
            self.on_region(region)

    def _are_plain(self, data: bytes, lines: int) -> bool:
        """Is `data`, which begins plainly and ends with an event, nothing but plain events that begin alike?

        Then no line end is left over for any other; for one event has at least as many as a plain one. This is how
        chunks come when a core is busy, just when it can't afford the long way.
        """
        start = next(start for start in self._plain if data.startswith(start))
        return lines == (data.count(b"\n\n" + start) + 1) * self._lines

    def at_boundary(self) -> bool:
        """Did the last byte end a blank line (or has nothing come yet)?"""
        return not self._held

    def on_marked(self, event: bytes) -> None:
        """Takes a plain event, or several, of which one contains the marker."""

    def on_region(self, region: bytes) -> None:
        """Takes one or more whole events of any kind."""

    def _join(self, data: bytes) -> bytes:
        """Adds `data` to what is held and takes out the events that are whole now."""
        held = self._held
        if not held:
            data = data.lstrip(b"\r\n")
        seen = max(0, len(held) - 1)
        held += data
        end = max(held.rfind(b"\n\n", seen), held.rfind(b"\n\r", seen), held.rfind(b"\r\r", seen)) + 2
        if end < 2:
            if len(held) > self.hold_bytes:
                self._shorten()
            return b""
        while end < len(held) and held[end] in b"\r\n":
            end += 1
        region = self._head + held[:end]
        self._head = b""
        del held[:end]
        return region

    def _shorten(self) -> None:
        """Drops the middle of an event that is too long to hold: its type is at its head, its usage at its tail."""
        held = self._held
        if not self._head:
            self._head = bytes(held[:HEAD_BYTES])
        del held[:-TAIL_BYTES]


def events(region: bytes) -> list[bytes]:
    """The blocks of lines between the blank lines of a region."""
    blocks = _BLANK.split(region) if b"\r" in region else region.split(b"\n\n")
    return [block for found in blocks if (block := found.lstrip(b"\r\n"))]


def field(block: bytes, name: bytes) -> bytes:
    """The values of a field of one event, joined by LF; empty if there is none."""
    values = []
    for line in block.removeprefix(_BOM).splitlines():
        key, _, text = line.partition(b":")
        if key == name:
            values.append(text.removeprefix(b" "))
    return b"\n".join(values)


def data_of(block: bytes) -> bytes:
    """The data of one event."""
    return field(block, b"data")


def type_of(block: bytes, data: bytes, member: bytes = b"type") -> str:
    """What kind of event it is: that `member` of its data, or else its `event` field."""
    return value(members(data, (member,)).get(member), str) or field(block, b"event").decode("ascii", "replace")
