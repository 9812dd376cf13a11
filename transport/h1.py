"""HTTP/1.1 (RFC 9112) without a socket: a request's bytes, and what a reply's head or end means."""

from __future__ import annotations

from transport.dialing import DEAD_LINE_ERRNOS
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, RequestHead, ResponseHead, header

_HAVE_CONTENT = frozenset((b"POST", b"PUT", b"PATCH"))


def request_bytes(head: RequestHead, body: bytes | None, *, end: bool) -> tuple[bytes, int | None]:
    """The request's first bytes, and how many body bytes must follow; None: chunks and a last chunk must.

    The number is negative if `body` is longer than its content-length, and not 0 with `end` if it is shorter.
    Raises ValueError if content-length is no number.
    """
    parts = [head.method, b" ", head.target, b" HTTP/1.1\r\nhost: ", head.authority, b"\r\n"]
    for name, value in head.headers:
        parts += (name, b": ", value, b"\r\n")
    left: int | None = 0
    if body or not end or head.method in _HAVE_CONTENT:
        left = _frame(parts, header(head.headers, b"content-length"), body or b"", end)
    else:
        parts.append(b"\r\n")
    return b"".join(parts), left


def _frame(parts: list[bytes], length: bytes | None, body: bytes, end: bool) -> int | None:
    """Appends the framing fields, the head's end and the first body bytes."""
    if length is not None:
        parts += (b"\r\n", body)
        return int(length) - len(body)
    if end and not body:
        parts.append(b"content-length: 0\r\n\r\n")  # RFC 9110 §8.6
        return 0
    parts.append(b"transfer-encoding: chunked\r\n\r\n")
    if body:
        parts.append(chunk(body))
    if end:
        parts.append(LAST_CHUNK)
        return 0
    return None


LAST_CHUNK = b"0\r\n\r\n"


def chunk(data: bytes) -> bytes:
    """One chunk (RFC 9112 §7.1); `data` is not empty, for that would end the body."""
    return b"%x\r\n%b\r\n" % (len(data), data)


def ends_at_close(reply: ResponseHead) -> bool:
    """Is this reply's body, which the parser still waits for, delimited by the connection's end (RFC 9112 §6.3)?"""
    return header(reply.headers, b"content-length") is None and header(reply.headers, b"transfer-encoding") is None


def keep_alive_timeout(headers: Headers) -> float | None:
    """Seconds of `Keep-Alive: timeout=N`, or None."""
    for parameter in (header(headers, b"keep-alive") or b"").split(b","):
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"timeout" and value.strip().isdigit():
            return float(value)
    return None


def lost(error: Exception | None, *, began: bool) -> Failure:
    """Why an exchange failed whose connection ended with `error`; `began`: its reply's head was passed on.

    None is the peer's EOF at the wrong moment. An error that isn't the system's came from our own code.
    """
    verdict = Verdict.UNSAFE if began else Verdict.UNKNOWN
    if error is None:
        code = Code.HTTP_RESPONSE_INCOMPLETE if began else Code.CONNECTION_TERMINATED  # RFC 9209 §2.3.7, §2.3.15
        return Failure(Origin.ENDPOINT, verdict, code, "the peer closed the connection")
    if not isinstance(error, OSError):
        return Failure(Origin.EDGE, verdict, Code.PROXY_INTERNAL_ERROR, type(error).__name__)
    if error.errno in DEAD_LINE_ERRNOS:
        return Failure(Origin.LINE, verdict, Code.CONNECTION_TIMEOUT, f"the line went silent: {error.strerror}")
    return Failure(Origin.LINE, verdict, Code.CONNECTION_TERMINATED, str(error))
