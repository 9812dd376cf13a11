"""The records that a stream's bytes are (SPEC.md §13): requests one way, replies the other.

    RequestWriter → RequestReader        edge → relay:  Request, bytes of its body or Frames, End
    ReplyWriter   → ReplyReader          relay → edge:  ResponseHead, bytes or Frames, Stamps; End or Failure

Here is what they say; record_writers.py makes bytes of it, record_readers.py what it was.
"""

from __future__ import annotations

from enum import IntEnum

from msgspec import Struct

from transport.failure import Failure, Origin, Verdict
from transport.message import Headers, RequestHead, ResponseHead, header
from transport.session.events import heads

REQUEST, BODY, EVENTS, RESPONSE, TRAILERS, FAILURE, FRAME = 1, 2, 3, 4, 5, 6, 7
IGNORABLE = 0x80
STAMP = 0x80

MAX_HEAD_BYTES = heads.LIMIT_BYTES + 65_536
"""Of one REQUEST, RESPONSE or TRAILERS as it travels."""
MAX_FRAME_BYTES = 64 * 1024
"""Of one FRAME's payload; longer messages are several."""
MAX_FAILURE_BYTES = 2048
DETAIL_BYTES = 1024
_LAST = 0x80
ORIGINS = (Origin.CLIENT, Origin.EDGE, Origin.LINE, Origin.ENDPOINT, Origin.RELAY)
VERDICTS = (Verdict.SAFE, Verdict.UNKNOWN, Verdict.UNSAFE)
WEBSOCKET, ENCODED = 0x01, 0x02


class RecordError(Exception):
    """The peer's bytes are no records, or not in an order that makes sense."""


class Coding(IntEnum):
    """How a reply's body travels."""

    PLAIN = 0
    EVENTS = 1
    ZSTD = 2


class Request(Struct):
    """A request for the relay. `provider` is its id in the configuration; nobody waits longer than `patience` seconds.

    `body_bytes` None: not known. With `websocket` Frames follow instead of a body.
    """

    head: RequestHead
    provider: str
    patience: float
    body_bytes: int | None = None
    websocket: bool = False


class Frame(Struct, frozen=True):
    """A WebSocket message, or a piece of one: the first has the message's opcode, the others 0 (RFC 6455 §5.4).

    A close frame's payload is its code and reason, or nothing.
    """

    opcode: int
    payload: bytes
    is_last: bool = True


class End(Struct, frozen=True):
    """The body was whole."""

    trailers: Headers


class Stamp(Struct, frozen=True):
    """The relay's clock when what follows was written: milliseconds, modulo 2^32."""

    ms: int


def coding_for(head: ResponseHead) -> Coding:
    """What suits the reply: event streams by template, text by zstd, what is small or encoded already not at all."""
    if header(head.headers, b"content-encoding") not in (None, b"identity"):
        return Coding.PLAIN
    kind = (header(head.headers, b"content-type") or b"").lower()
    if kind.startswith(b"text/event-stream"):
        return Coding.EVENTS
    if not kind.startswith((b"application/json", b"text/", b"application/x-ndjson")):
        return Coding.PLAIN
    length = header(head.headers, b"content-length") or b"1024"
    return Coding.ZSTD if 3 <= len(length) <= 8 else Coding.PLAIN  # from 100 bytes to 100 MB


def message(frame: Frame) -> bytes:
    """A Frame as a session's message (SPEC.md §10)."""
    return bytes((frame.opcode | (_LAST if frame.is_last else 0),)) + frame.payload


def read_message(data: bytes) -> Frame:
    """The Frame in a session's message. Raises RecordError."""
    if not data or data[0] & 0x70:
        raise RecordError("a message without an opcode")
    return Frame(data[0] & 0x0F, data[1:], bool(data[0] & _LAST))


RequestValue = Request | bytes | Frame | End
ReplyValue = ResponseHead | bytes | Frame | Stamp | End | Failure
