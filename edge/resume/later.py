"""The events of a Responses stream after one of them, by their `sequence_number`.

Lines end in LF or CRLF; a chunk may end anywhere. Once the first event that is wanted has come, everything passes.
"""

from __future__ import annotations

import re

import msgspec

from edge.dialects.sse import data_of

_BLANK = re.compile(rb"\n\n|\r\n\r\n")


class _Numbered(msgspec.Struct):
    sequence_number: int | None = None


class _Named(msgspec.Struct):
    id: str = ""


class _Created(msgspec.Struct):
    response: _Named | None = None


_number_in = msgspec.json.Decoder(_Numbered).decode
_created_in = msgspec.json.Decoder(_Created).decode


def number_of(event: bytes) -> int | None:
    """The event's `sequence_number`; None if it has none."""
    try:
        return _number_in(data_of(event)).sequence_number
    except (msgspec.DecodeError, ValueError):
        return None


def response_of(event: bytes) -> str | None:
    """The id of the response that the event tells of (`response.created`, the first of a stream)."""
    try:
        told = _created_in(data_of(event)).response
    except (msgspec.DecodeError, ValueError):
        return None
    return told.id or None if told is not None else None


def first_event(data: bytes) -> bytes | None:
    """The first event of a stream, if all of it is here; comments don't count."""
    at = 0
    while found := _BLANK.search(data, at):
        event = data[at : found.start()].lstrip(b"\r\n")
        if data_of(event):
            return event
        at = found.end()
    return None


class Later:
    """Takes a stream's bytes, gives those of the events after the number `after`.

    `is_cut`: the stream's beginning isn't there any more, and its bytes may begin within an event. `has_gap` tells
    then that events between are missing, too.
    """

    __slots__ = ("_after", "_held", "_is_cut", "_is_open", "_is_within", "has_gap")

    def __init__(self, after: int, *, is_cut: bool = False) -> None:
        self._after = after
        self._held = b""
        self._is_open = False
        self._is_cut = is_cut  # until an event is seen that the client has
        self._is_within = is_cut
        self.has_gap = False

    def feed(self, data: bytes) -> bytes:
        if self._is_open:
            return data
        held = self._held + data
        at = 0
        while found := _BLANK.search(held, at):
            number = None if self._is_within else number_of(held[at : found.start()].lstrip(b"\r\n"))
            self._is_within = False
            if number is not None and number > self._after:
                self._is_open, self._held = True, b""
                self.has_gap = self._is_cut and number > self._after + 1
                return held[at:]
            self._is_cut = self._is_cut and number is None
            at = found.end()
        self._held = held[at:]
        return b""
