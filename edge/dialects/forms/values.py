"""What the modules of this package share: the forms, what a request asks for, and how replies are read strictly."""

from __future__ import annotations

from collections.abc import Collection, Iterable, Sequence
from enum import Enum
from typing import Any
from typing import Protocol as Interface

import msgspec
from msgspec import Struct

Json = dict[str, Any]

encode = msgspec.json.encode


class Unclear(Exception):
    """Something in a reply isn't understood, so it can't be said in another form. Stays inside of this package."""


class Form(Enum):
    """How a reply's body is laid out."""

    DOCUMENT = "document"  # one JSON document
    EVENTS = "events"  # text/event-stream
    ARRAY = "array"  # Gemini's stream without `alt=sse`: one JSON array that grows


class Asked(Struct, frozen=True):
    """The form in which a request wants its reply, and what else of the reply follows from what isn't in the key.

    `kind`: chat, completions, responses, messages, generate; "" for replies that have one form only.
    """

    kind: str
    form: Form
    with_usage: bool = False  # OpenAI's stream_options.include_usage
    echoes: tuple[tuple[str, Any], ...] = ()  # members of a reply that repeat the request's, and what they must say


class Event(Struct, frozen=True):
    """One event of a stored stream, or one element of a stored array: `body[start:end]`."""

    start: int
    end: int
    kind: str  # the `event` field, "" without one
    data: bytes

    def json(self) -> Json:
        """Raises Unclear."""
        return decoded(self.data)


class Shape(Interface):
    """One kind of reply. All methods raise Unclear rather than guess."""

    def document(self, events: Sequence[Event]) -> Json:
        """The document that says what the stream says."""

    def stream(self, document: Json, asked: Asked) -> list[bytes]:
        """The whole stream that says what the document says, in the form asked for, event by event."""

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        """The data of a stored event for another request. Empty: leave the event out; None: as it is."""

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        """Makes a stored document right for another request. False: it was so already."""


def decoded(data: bytes) -> Json:
    """A JSON object. Raises Unclear."""
    try:
        value = msgspec.json.decode(data)
    except (msgspec.DecodeError, ValueError, RecursionError):
        raise Unclear("not JSON") from None
    return record(value)


def record(value: object) -> Json:
    """Raises Unclear unless it is an object."""
    if not isinstance(value, dict):
        raise Unclear("an object was expected")
    return value


def records(value: object) -> list[Json]:
    """Raises Unclear unless it is an array of objects; none for null."""
    return [record(item) for item in listed(value)]


def listed(value: object) -> list[Any]:
    """Raises Unclear unless it is an array; empty for null."""
    if value is None:
        return []
    if not isinstance(value, list):
        raise Unclear("an array was expected")
    return value


def text(value: object) -> str:
    """Raises Unclear unless it is a string."""
    if not isinstance(value, str):
        raise Unclear("a string was expected")
    return value


def index(value: object) -> int:
    """Raises Unclear unless it is a natural number."""
    if type(value) is not int or value < 0:
        raise Unclear("an index was expected")
    return value


def only(told: Json, known: Collection[str]) -> Json:
    """`told`, if it says nothing but what is `known`; null says nothing. Raises Unclear."""
    for name, value in told.items():
        if name not in known and value is not None:
            raise Unclear(f"an unknown member: {name}")
    return told


def agree(into: Json, told: Json, names: Iterable[str]) -> None:
    """Takes over members of which every event must say the same, if it says anything. Raises Unclear."""
    for name in names:
        value = told.get(name)
        if value in (None, "", [], {}):
            continue
        if into.setdefault(name, value) != value:
            raise Unclear(f"{name} changes within the stream")


def in_order(found: dict[int, Any]) -> list[Any]:
    """The values of 0, 1, 2… Raises Unclear if one is missing or there are none."""
    if not found or max(found) != len(found) - 1:
        raise Unclear("an index is missing")
    return [found[at] for at in sorted(found)]


def echo(told: Json, asked: Asked) -> bool:
    """Makes those members that repeat a request repeat this one. Were any different?"""
    changed = False
    for name, value in asked.echoes:
        if name in told and told[name] != value:
            told[name] = value
            changed = True
    return changed
