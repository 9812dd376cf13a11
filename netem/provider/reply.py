"""One answer before its pace: values that `script` turns into timed steps."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import msgspec

Headers = tuple[tuple[str, str], ...]

encode = msgspec.json.encode


@dataclass(frozen=True, slots=True)
class Piece:
    """A part of a stream whose text holds the moment of sending (nanoseconds, monotonic, 16 digits) in its middle."""

    before: bytes
    after: bytes


@dataclass(frozen=True, slots=True)
class Stream:
    """A reply sent token by token. `piece(i)` renders the i-th piece, from 0."""

    opening: bytes
    piece: Callable[[int], bytes | Piece]
    pieces: int
    closing: bytes
    error: bytes = b""  # the API's error event


@dataclass(frozen=True, slots=True)
class Reply:
    """Either a `stream`, or a whole `body` that took `worked` tokens to generate."""

    status: int = 200
    headers: Headers = ()
    content_type: str = "application/json"
    body: bytes = b""
    stream: Stream | None = None
    worked: int = 0


def json_reply(value: Any, worked: int = 0, headers: Headers = (), status: int = 200) -> Reply:
    return Reply(status, headers, body=encode(value), worked=worked)


def data_event(value: Any) -> bytes:
    """A server-sent event without a name."""
    return b"data: " + encode(value) + b"\n\n"


def named_event(value: dict[str, Any]) -> bytes:
    """A server-sent event named after its `type`."""
    return b"event: " + str(value["type"]).encode() + b"\ndata: " + encode(value) + b"\n\n"


MARK = "\x00"  # stands for the token in a template; JSON escapes it, so it can't collide with a prompt's text


def template(event: bytes) -> tuple[bytes, bytes]:
    """Split an event rendered with `MARK` for its token into what goes before and after it."""
    before, _, after = event.partition(b"\\u0000")
    return before, after
