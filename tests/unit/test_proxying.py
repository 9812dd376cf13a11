"""transport/proxying.py: proxy URLs and both handshakes, byte by byte."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.proxying import HEAD_LIMIT_BYTES, Proxy, ProxyRefused, parse_proxy

HTTP = Proxy("http", "p.test", 8080)
SOCKS = Proxy("socks5", "p.test", 1080)


def run(proxy: Proxy, host: str, port: int, incoming: bytes) -> tuple[bytes, bytes]:
    """What was sent, and what of `incoming` was left for the tunnel."""
    steps = proxy.handshake(host, port)
    sent = b""
    try:
        step = next(steps)
        while True:
            if isinstance(step, bytes):
                sent += step
                step = next(steps)
            else:
                data, incoming = incoming[:step], incoming[step:]
                assert len(data) == step, "it waits for more than the proxy sends"
                step = steps.send(data)
    except StopIteration:
        return sent, incoming


@pytest.mark.parametrize(
    ("url", "proxy"),
    [
        ("http://p.test:3128", Proxy("http", "p.test", 3128)),
        ("http://p.test", HTTP),
        ("socks5://u%40:p%3A@p.test", Proxy("socks5", "p.test", 1080, "u@", "p:")),
        ("socks5h://[2001:db8::1]:9", Proxy("socks5", "2001:db8::1", 9)),
    ],
)
def test_urls(url: str, proxy: Proxy) -> None:
    assert parse_proxy(url) == proxy


@pytest.mark.parametrize("url", ["https://p.test:1", "p.test:1", "http://", "http://u:secret@p.test:99999"])
def test_bad_urls(url: str) -> None:
    with pytest.raises(ValueError) as caught:
        parse_proxy(url)
    assert "secret" not in str(caught.value)


def test_the_password_never_prints() -> None:
    assert "secret" not in repr(Proxy("http", "p.test", 1, "user", "secret"))


def test_connect() -> None:
    sent, rest = run(HTTP, "far.test", 443, b"HTTP/1.1 200 OK\r\nvia: p\r\n\r\nafter")
    assert sent == b"CONNECT far.test:443 HTTP/1.1\r\nHost: far.test:443\r\n\r\n"
    assert rest == b"after"
    sent, _ = run(Proxy("http", "p", 1, "Aladdin", "open sesame"), "2001:db8::1", 80, b"HTTP/1.0 204 \r\n\r\n")
    assert sent.startswith(b"CONNECT [2001:db8::1]:80 HTTP/1.1\r\n")
    assert b"\r\nProxy-Authorization: Basic QWxhZGRpbjpvcGVuIHNlc2FtZQ==\r\n" in sent


@pytest.mark.parametrize(
    "reply",
    [
        b"HTTP/1.1 407 Authenticate\r\n\r\n",
        b"HTTP/1.1\r\n\r\n",
        b"220 mail ready\r\n\r\n",
        b"x" * (HEAD_LIMIT_BYTES + 1),
    ],
)
def test_connect_refused(reply: bytes) -> None:
    with pytest.raises(ProxyRefused):
        run(HTTP, "far.test", 443, reply)


def test_socks5() -> None:
    sent, rest = run(SOCKS, "far.test", 443, b"\x05\x00\x05\x00\x00\x01\x7f\x00\x00\x01\x12\x34after")
    assert sent == b"\x05\x01\x00\x05\x01\x00\x03\x08far.test\x01\xbb"
    assert rest == b"after"


def test_socks5_with_a_password_and_every_kind_of_address() -> None:
    proxy = Proxy("socks5", "p", 1, "user", "pw")
    welcome = b"\x05\x02\x01\x00"
    sent, rest = run(proxy, "192.0.2.1", 80, welcome + b"\x05\x00\x00\x04" + bytes(18) + b"after")
    assert sent == b"\x05\x02\x00\x02\x01\x04user\x02pw\x05\x01\x00\x01\xc0\x00\x02\x01\x00\x50"
    assert rest == b"after"
    sent, rest = run(proxy, "2001:db8::1", 80, welcome + b"\x05\x00\x00\x03\x03abc\x00\x00after")
    assert sent.endswith(b"\x05\x01\x00\x04\x20\x01\x0d\xb8" + bytes(11) + b"\x01\x00\x50")
    assert rest == b"after"


@pytest.mark.parametrize(
    ("user", "reply"),
    [
        ("", b"\x05\xff"),
        ("", b"\x05\x02"),
        ("", b"\x04\x00"),
        ("user", b"\x05\x02\x01\x01"),
        ("", b"\x05\x00\x05\x05\x00\x01"),
        ("", b"\x05\x00\x05\x63\x00\x01"),
        ("", b"\x05\x00\x04\x00\x00\x01"),
    ],
)
def test_socks5_refused(user: str, reply: bytes) -> None:
    with pytest.raises(ProxyRefused):
        run(Proxy("socks5", "p", 1, user, "pw"), "far.test", 443, reply)


@given(st.sampled_from([HTTP, SOCKS, Proxy("socks5", "p", 1, "u", "p")]), st.binary(max_size=60))
def test_any_reply_is_taken_or_refused(proxy: Proxy, reply: bytes) -> None:
    steps = proxy.handshake("far.test", 443)
    try:
        step = next(steps)
        while True:
            step = next(steps) if isinstance(step, bytes) else steps.send(reply[:step].ljust(step, b"\0"))
            reply = reply[1:]
    except (StopIteration, ProxyRefused):
        pass
