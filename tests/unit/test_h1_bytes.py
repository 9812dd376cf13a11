"""transport/h1.py: a request's bytes, and what a reply's end means."""

from __future__ import annotations

import errno

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.failure import Code, Origin, Verdict
from transport.h1 import chunk, ends_at_close, keep_alive_timeout, lost, request_bytes
from transport.message import Headers, RequestHead, ResponseHead

HEAD = b" /x HTTP/1.1\r\nhost: a.test\r\n"
CHUNKED = b"transfer-encoding: chunked\r\n\r\n"
FIVE: Headers = [(b"content-length", b"5")]


@pytest.mark.parametrize(
    ("method", "headers", "body", "end", "content", "left"),
    [
        (b"GET", [], None, True, b"\r\n", 0),
        (b"GET", [(b"a", b"1"), (b"A", b"2")], None, True, b"a: 1\r\nA: 2\r\n\r\n", 0),
        (b"DELETE", [], b"", True, b"\r\n", 0),
        (b"POST", [], None, True, b"content-length: 0\r\n\r\n", 0),
        (b"POST", [(b"content-length", b"0")], None, True, b"content-length: 0\r\n\r\n", 0),
        (b"POST", FIVE, b"12345", True, b"content-length: 5\r\n\r\n12345", 0),
        (b"POST", FIVE, b"12", False, b"content-length: 5\r\n\r\n12", 3),
        (b"POST", FIVE, None, False, b"content-length: 5\r\n\r\n", 5),
        (b"POST", FIVE, b"123456", True, b"content-length: 5\r\n\r\n123456", -1),
        (b"POST", [], b"12", False, CHUNKED + b"2\r\n12\r\n", None),
        (b"POST", [], None, False, CHUNKED, None),
        (b"GET", [], b"12", True, CHUNKED + b"2\r\n12\r\n0\r\n\r\n", 0),
    ],
)
def test_requests(
    method: bytes, headers: Headers, body: bytes | None, end: bool, content: bytes, left: int | None
) -> None:
    assert request_bytes(RequestHead(method, b"/x", b"a.test", headers), body, end=end) == (
        method + HEAD + content,
        left,
    )


def test_a_length_that_is_no_number() -> None:
    with pytest.raises(ValueError):
        request_bytes(RequestHead(b"POST", b"/", b"a", [(b"content-length", b"x")]), b"1", end=True)


@given(st.binary(min_size=1, max_size=300))
def test_chunks_say_their_size(data: bytes) -> None:
    size, rest = chunk(data).split(b"\r\n", 1)
    assert rest == data + b"\r\n"
    assert int(size, 16) == len(data)


def test_which_replies_end_at_close() -> None:
    assert ends_at_close(ResponseHead(200, [(b"date", b"x")]))
    assert not ends_at_close(ResponseHead(200, FIVE))
    assert not ends_at_close(ResponseHead(200, [(b"transfer-encoding", b"chunked")]))


@pytest.mark.parametrize(
    ("value", "seconds"),
    [(b"timeout=5", 5.0), (b"max=100, Timeout = 75", 75.0), (b"timeout=x", None), (b"max=5", None), (b"", None)],
)
def test_keep_alive(value: bytes, seconds: float | None) -> None:
    assert keep_alive_timeout([(b"keep-alive", value)]) == seconds
    assert keep_alive_timeout([]) is None


@pytest.mark.parametrize(
    ("error", "origin", "code"),
    [
        (None, Origin.ENDPOINT, Code.CONNECTION_TERMINATED),
        (ConnectionResetError(errno.ECONNRESET, "reset"), Origin.LINE, Code.CONNECTION_TERMINATED),
        (TimeoutError(errno.ETIMEDOUT, "timed out"), Origin.LINE, Code.CONNECTION_TIMEOUT),
        (RuntimeError("ours"), Origin.EDGE, Code.PROXY_INTERNAL_ERROR),
    ],
)
def test_losses(error: Exception | None, origin: Origin, code: str) -> None:
    for began, verdict in ((False, Verdict.UNKNOWN), (True, Verdict.UNSAFE)):
        failure = lost(error, began=began)
        late = Code.HTTP_RESPONSE_INCOMPLETE if began and error is None else code
        assert (failure.origin, failure.verdict, failure.code) == (origin, verdict, late)
