"""When each part of a stored reply is due: all at once, or as it once came."""

from __future__ import annotations

from collections.abc import Iterator

from cache.entry import Entry


def parts(entry: Entry) -> Iterator[tuple[float, bytes]]:
    """(seconds after the first byte, bytes), in order; what came within the same millisecond is one part."""
    body, at, begun, due = entry.body, 0, 0, 0
    for length, milliseconds in entry.chunks:
        if milliseconds != due and at > begun:
            yield due / 1000.0, body[begun:at]
            begun = at
        due = milliseconds
        at += length
    if at > begun:
        yield due / 1000.0, body[begun:at]


def parts_after(entry: Entry, longest_gap: float) -> Iterator[tuple[float, bytes]]:
    """The same with no pause longer than `longest_gap` seconds: a provider's stall needn't be repeated."""
    due = before = 0.0
    for at, data in parts(entry):
        due += min(longest_gap, max(0.0, at - before))
        before = at
        yield due, data
