"""A reply's head as bytes, and how its body is framed (RFC 9112 §6)."""

from __future__ import annotations

import json
from collections.abc import Callable
from email.utils import formatdate
from enum import Enum
from http import HTTPStatus

from transport.message import Headers

ErrorRenderer = Callable[[int, str, bytes], tuple[Headers, bytes]]
"""(status, detail, target or b"" if unknown) → headers with content-type, and the body of an error reply."""

CONTINUE = b"HTTP/1.1 100 Continue\r\n\r\n"

_STATUS_LINES = {status.value: f"HTTP/1.1 {status.value} {status.phrase}".encode() for status in HTTPStatus}
_OURS = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding"))


class Framing(Enum):
    """How the end of a reply's body is told."""

    NONE = "none"  # there is no body: HEAD, 204, 304
    LENGTH = "length"
    CHUNKED = "chunked"
    CLOSE = "close"  # HTTP/1.0 without content-length
    RAW = "raw"  # a tunnel


def choose_framing(method: bytes, is_http11: bool, status: int, headers: Headers) -> tuple[Framing, int]:
    """The framing, and the length for `Framing.LENGTH` (else 0).

    Raises:
        ValueError: content-length isn't a number, or there are two that differ.
    """
    length = -1
    for pair in headers:
        if pair[0] == b"content-length":
            value = pair[1]
            if not value.isdigit() or length not in (-1, int(value)):
                raise ValueError("the reply's content-length is malformed")
            length = int(value)
    if method == b"HEAD" or status in (204, 304):
        return Framing.NONE, 0
    if length >= 0:
        return Framing.LENGTH, length
    return (Framing.CHUNKED if is_http11 else Framing.CLOSE), 0


def render_head(
    status: int, headers: Headers, framing: Framing, connection: bytes | None, date: bytes | None = None
) -> bytes:
    """The head. `connection` is the Connection field's value, None to leave it out; `date` joins if there is none.

    Framing and connection fields in `headers` are left out: they are this hop's own affair.

    Raises:
        ValueError: a name or value contains a line break (response splitting).
    """
    lines = [_STATUS_LINES.get(status) or b"HTTP/1.1 %d " % status]
    for name, value in headers:
        if name in _OURS or (status == 204 and name == b"content-length"):
            continue
        if name == b"date":
            date = None
        lines.append(name + b": " + value)
    if date is not None:
        lines.append(b"date: " + date)
    if framing is Framing.CHUNKED:
        lines.append(b"transfer-encoding: chunked")
    if connection is not None:
        lines.append(b"connection: " + connection)
    lines.append(b"\r\n")
    head = b"\r\n".join(lines)
    if head.count(b"\n") != len(lines) or head.count(b"\r") != len(lines):
        raise ValueError("a line break in a reply's header")
    return head


def http_date(seconds_utc: float) -> bytes:
    """IMF-fixdate (RFC 9110 §5.6.7) of a Unix time."""
    return formatdate(seconds_utc, usegmt=True).encode()


def plain_error(status: int, detail: str, target: bytes) -> tuple[Headers, bytes]:
    """The default error body: JSON in the shape that most SDKs look into."""
    code = HTTPStatus(status).phrase.lower().replace(" ", "_").replace("-", "_")
    body = json.dumps({"error": {"message": detail, "type": "invalid_request_error", "code": code}}).encode()
    return [(b"content-type", b"application/json")], body
