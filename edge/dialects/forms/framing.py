"""Stored bodies into events, and events into bodies: event streams (WHATWG HTML §9.2.6) and Gemini's JSON arrays."""

from __future__ import annotations

import re

from edge.dialects.forms.values import Event, Unclear
from edge.dialects.json_scan import skip_space, value_end

DONE = b"[DONE]"

_BLANK = re.compile(rb"(?>\r\n|\n|\r){2}")
_BOM = b"\xef\xbb\xbf"


def events_of(body: bytes) -> list[Event]:
    """The events of a whole stream; comments and blank lines belong to the event after them.

    Raises Unclear if the last event has no end, or an event has other fields than `event` and `data`.
    """
    found: list[Event] = []
    start = at = len(_BOM) if body.startswith(_BOM) else 0
    while match := _BLANK.search(body, at):
        event = _event(body[at : match.start()], start, match.end())
        at = match.end()
        if event is not None:
            found.append(event)
            start = at
    if body[at:].strip(b"\r\n"):
        raise Unclear("the last event has no end")
    return found


def _event(block: bytes, start: int, end: int) -> Event | None:
    kind, data = "", []
    for line in block.splitlines():
        name, _, value = line.partition(b":")
        value = value.removeprefix(b" ")
        if name == b"data":
            data.append(value)
        elif name == b"event":
            kind = value.decode("utf-8", "replace")
        elif name:
            raise Unclear("an event has a field that isn't understood")
    return Event(start, end, kind, b"\n".join(data)) if data else None


def elements_of(body: bytes) -> list[Event]:
    """The objects of a whole JSON array. Raises Unclear."""
    found: list[Event] = []
    start = skip_space(body, 0)
    mark = b"["
    while body[start : start + 1] == mark:
        at = skip_space(body, start + 1)
        end = value_end(body, at) if body[at : at + 1] == b"{" else -1
        if end < 0:
            raise Unclear("not an array of objects")
        found.append(Event(start, end, "", body[at:end]))
        start, mark = skip_space(body, end), b","
    if not found or body[start:].strip() != b"]":
        raise Unclear("not an array of objects")
    return found


def frame(data: bytes, kind: str = "") -> bytes:
    """One event of an event stream; `data` without line ends, as `encode` makes it."""
    named = b"event: " + kind.encode() + b"\n" if kind else b""
    return named + b"data: " + data + b"\n\n"


def elements(found: list[bytes]) -> list[bytes]:
    """The pieces of a JSON array that has these elements."""
    last = len(found) - 1
    return [(b"," if at else b"[") + element + (b"]" if at == last else b"\r\n") for at, element in enumerate(found)]
