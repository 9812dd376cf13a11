"""One reply on its way to its sink: the rules of `transport.exchange` for protocols that multiplex (HTTP/2, HTTP/3).

A `Reply` is told what the peer did and calls the sink; what breaks HTTP's own rules comes back as a complaint, a
sentence, and the connection resets that stream alone (RFC 9113 §8.1.1, RFC 9114 §4.1.2).
"""

from __future__ import annotations

import re
from collections.abc import Iterable

from transport.exchange import ResponseSink
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, RequestHead, ResponseHead

_NAME = re.compile(rb"[!#$%&'*+\-.^_`|~0-9a-z]+")  # RFC 9110 §5.6.2 tchar, without upper case (RFC 9113 §8.2)
_BAD_VALUE = re.compile(rb"[\x00\r\n]")
_STATUS = re.compile(rb"[1-9][0-9][0-9]")
_LENGTH = re.compile(rb"[0-9]{1,18}")
_OF_THE_CONNECTION = frozenset((b"connection", b"keep-alive", b"proxy-connection", b"transfer-encoding", b"upgrade"))
_UNREQUESTED = _OF_THE_CONNECTION | {b"host", b"http2-settings", b"te"}


def request_fields(head: RequestHead) -> Headers:
    """The field section of a request: pseudo-header fields first, nothing that belongs to one connection."""
    fields: Headers = [
        (b":method", head.method),
        (b":scheme", head.scheme),
        (b":authority", head.authority),
        (b":path", head.target),
    ]
    fields += [pair for pair in head.headers if pair[0] not in _UNREQUESTED]
    return fields


def response_head(fields: Iterable[tuple[bytes, bytes]]) -> ResponseHead | str:
    """A response's field section as a head, or what is wrong with it (RFC 9113 §8.2, §8.3.2)."""
    status = b""
    headers: Headers = []
    for name, value in fields:
        if name == b":status":
            if status or headers:
                return ":status is repeated or late"
            status = value
        elif complaint := _field_fault(name, value):
            return complaint
        else:
            headers.append((name, value))
    if not _STATUS.fullmatch(status):
        return "no valid :status"
    return "status 101 needs HTTP/1.1" if status == b"101" else ResponseHead(int(status), headers)


def trailer_fields(fields: Iterable[tuple[bytes, bytes]]) -> Headers | str:
    """A trailer section, or what is wrong with it; pseudo-header fields aren't allowed in it."""
    trailers: Headers = []
    for name, value in fields:
        if complaint := _field_fault(name, value):
            return complaint
        trailers.append((name, value))
    return trailers


def _field_fault(name: bytes, value: bytes) -> str | None:
    if not _NAME.fullmatch(name):
        return "invalid field name"
    if name in _OF_THE_CONNECTION:
        return "field of the connection in a multiplexed message"
    return "invalid field value" if _BAD_VALUE.search(value) else None


def content_length(method: bytes, head: ResponseHead) -> int | str | None:
    """Bytes of body to come: a number, None where only the end of the stream tells, or what is wrong."""
    values = {value for name, value in head.headers if name == b"content-length"}
    if len(values) > 1 or not all(_LENGTH.fullmatch(value) for value in values):
        return "invalid content-length"
    if method == b"HEAD" or head.status in (204, 304):
        return 0
    return int(values.pop()) if values else None


class Reply:
    """What has been passed on of one reply. After `is_over` nothing more is."""

    __slots__ = ("_expected", "_method", "_received", "_sink", "has_begun", "has_left", "is_over")

    def __init__(self, sink: ResponseSink, method: bytes) -> None:
        self._sink = sink
        self._method = method
        self._expected: int | None = None
        self._received = 0
        self.has_left = False  # the first byte of the request went to the network
        self.has_begun = False
        self.is_over = False

    def on_fields(self, fields: Iterable[tuple[bytes, bytes]]) -> str | None:
        """The final response's field section arrived. Returns a complaint, or None."""
        head = response_head(fields)
        if isinstance(head, str):
            return head
        expected = content_length(self._method, head)
        if isinstance(expected, str):
            return expected
        self._expected = expected
        self.has_begun = True
        self._sink.on_head(head)
        return None

    def on_data(self, data: bytes) -> str | None:
        """Body bytes arrived. Returns a complaint, or None."""
        self._received += len(data)
        if self._expected is not None and self._received > self._expected:
            return "body longer than content-length"
        if data:
            self._sink.on_data(data)
        return None

    def on_end(self, trailers: Headers) -> str | None:
        """The stream ended in order. Returns a complaint, or None."""
        if not self.has_begun:
            return "stream ended without a response"
        if self._expected is not None and self._received != self._expected:
            return "body shorter than content-length"
        self.is_over = True
        self._sink.on_end(trailers)
        return None

    def on_writable(self) -> None:
        self._sink.on_writable()

    def fail(self, origin: Origin, code: str, detail: str, *, executed: bool = True) -> None:
        """Ends the reply with a failure, once. `executed` False: the far end said that it didn't touch the request."""
        if self.is_over:
            return
        self.is_over = True
        self._sink.on_failure(Failure(origin, self._verdict(executed), code, detail))

    def silence(self) -> None:
        """The caller gave it up."""
        self.is_over = True

    def _verdict(self, executed: bool) -> Verdict:
        if self.has_begun:
            return Verdict.UNSAFE
        return Verdict.UNKNOWN if executed and self.has_left else Verdict.SAFE


LOST = (Origin.LINE, Code.CONNECTION_TERMINATED)
CLOSED = (Origin.ENDPOINT, Code.CONNECTION_TERMINATED)
SILENT = (Origin.LINE, Code.CONNECTION_TIMEOUT)
MALFORMED = (Origin.ENDPOINT, Code.HTTP_PROTOCOL_ERROR)
RESET = (Origin.ENDPOINT, Code.STREAM_RESET)
REFUSED = (Origin.ENDPOINT, Code.STREAM_REFUSED)
