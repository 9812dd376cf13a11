"""`parse_head`: what it makes of good heads. The refusals are the shell test's table, through the same function."""

from __future__ import annotations

import pytest

from edge.ingress.head import MAX_FIELDS, BadRequest, parse_head


def head(*lines: bytes, start: bytes = b"GET /x HTTP/1.1") -> bytes:
    return b"\r\n".join((start, *lines, b"", b""))


def refusal(data: bytes) -> int:
    with pytest.raises(BadRequest) as caught:
        parse_head(data)
    assert caught.value.detail
    return caught.value.status


def test_names_are_lowered_and_values_trimmed() -> None:
    parsed = parse_head(head(b"HOST:  a.example:80 \t", b"X-Y:", b"x-y: \xe4 b"))
    assert parsed.headers == [(b"host", b"a.example:80"), (b"x-y", b""), (b"x-y", b"\xe4 b")]
    assert (parsed.method, parsed.target, parsed.is_http11, parsed.keep_alive) == (b"GET", b"/x", True, True)
    assert (parsed.length, parsed.expects_continue, parsed.upgrade) == (0, False, None)


@pytest.mark.parametrize(
    ("start", "lines", "keep_alive"),
    [
        (b"GET / HTTP/1.1", (), True),
        (b"GET / HTTP/1.1", (b"connection: te", b"Connection: Close"), False),
        (b"GET / HTTP/1.1", (b"connection: closed",), True),
        (b"GET / HTTP/1.0", (), False),
        (b"GET / HTTP/1.0", (b"connection: Keep-Alive",), True),
    ],
)
def test_keep_alive(start: bytes, lines: tuple[bytes, ...], keep_alive: bool) -> None:
    assert parse_head(head(b"host: a", *lines, start=start)).keep_alive is keep_alive


def test_body_framing() -> None:
    post = b"POST / HTTP/1.1"
    assert parse_head(head(b"host: a", b"content-length: 12", start=post)).length == 12
    assert parse_head(head(b"host: a", b"content-length: 0", start=post)).length == 0
    assert parse_head(head(b"host: a", b"transfer-encoding: Chunked", start=post)).length is None
    assert refusal(head(b"host: a", b"transfer-encoding: gzip, chunked", start=post)) == 501
    assert refusal(head(b"host: a", b"transfer-encoding: chunked", start=b"POST / HTTP/1.0")) == 400
    assert refusal(head(b"host: a", b"content-length: 1", b"content-length: 1", start=post)) == 400


def test_expectations() -> None:
    assert parse_head(head(b"host: a", b"expect: 100-Continue", b"content-length: 1")).expects_continue
    assert not parse_head(head(b"host: a", b"expect: x", start=b"GET / HTTP/1.0")).expects_continue
    assert refusal(head(b"host: a", b"expect: x")) == 417
    assert refusal(head(b"host: a", b"expect: 100-continue", b"expect: 100-continue")) == 417


def test_upgrades() -> None:
    upgrade = (b"host: a", b"connection: keep-alive, Upgrade", b"upgrade: WebSocket")
    assert parse_head(head(*upgrade)).upgrade == b"websocket"
    assert parse_head(head(*upgrade[:2])).upgrade is None
    assert parse_head(head(b"host: a", b"upgrade: websocket")).upgrade is None
    assert parse_head(head(*upgrade, start=b"GET / HTTP/1.0")).upgrade is None


def test_targets() -> None:
    absolute = parse_head(head(b"x: 1", b"host: a", start=b"GET http://b:8/p?q HTTP/1.1"))
    assert (absolute.target, absolute.headers) == (b"/p?q", [(b"x", b"1"), (b"host", b"b:8")])
    assert parse_head(head(start=b"GET http://b HTTP/1.0")).headers == [(b"host", b"b")]
    assert parse_head(head(b"host: a", start=b"GET http://b?x HTTP/1.1")).target == b"/?x"
    assert parse_head(head(b"host: a", start=b"OPTIONS * HTTP/1.1")).target == b"*"
    for start in (b"GET * HTTP/1.1", b"GET ftp://a/ HTTP/1.1", b"GET http://u@a/ HTTP/1.1", b"GET /a#b HTTP/1.1"):
        assert refusal(head(b"host: a", start=start)) == 400
    assert refusal(head(b"host: a", start=b"CONNECT a:1 HTTP/1.1")) == 405


def test_hosts() -> None:
    for host in (b"", b"a", b"[::1]:80", b"a_b.c:8080", b"127.0.0.1"):
        assert parse_head(head(b"host: " + host)).headers == [(b"host", host)]
    assert parse_head(head(start=b"GET / HTTP/1.0")).headers == []
    for lines in ((), (b"host: a", b"host: a"), (b"host: a/b",), (b"host: a@b",), (b"host: a:x",)):
        assert refusal(head(*lines)) == 400


def test_what_is_no_http11() -> None:
    assert refusal(head(b"host: a", start=b"GET / HTTP/2.0")) == 505
    assert refusal(head(b"host: a", start=b"FROB / HTTP/1.1")) == 501
    assert refusal(b"\x00\x01\r\n\r\n") == 400
    assert refusal(head(b"host: a", start=b"GET  / HTTP/1.1")) == 400
    assert refusal(b"PRI * HTTP/2.0\r\n\r\n") == 400
    assert refusal(head(b"host: a", b"x: \x00")) == 400
    assert refusal(head(b"host: a", *[b"x: y"] * MAX_FIELDS)) == 431
