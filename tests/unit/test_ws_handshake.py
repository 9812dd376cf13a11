"""The two opening handshakes of a bridged WebSocket, against the other roles of the same library."""

from __future__ import annotations

import base64
import hashlib

import pytest

from edge.serve.ws_handshake import UpstreamOffer, WebSocketRefused
from transport.failure import Code, TransportError
from transport.message import Headers, ResponseHead, header

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
ASKED: Headers = [
    (b"host", b"edge"),
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-protocol", b"realtime, other"),
    (b"sec-websocket-extensions", b"permessage-deflate"),
    (b"authorization", b"Bearer x"),
]


def accept(key: bytes) -> bytes:
    return base64.b64encode(hashlib.sha1(key + b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11").digest())


def answer(offer: UpstreamOffer, *more: tuple[bytes, bytes]) -> ResponseHead:
    key = header(offer.headers, b"sec-websocket-key")
    assert key is not None
    upgrade: Headers = [(b"upgrade", b"websocket"), (b"connection", b"Upgrade")]
    return ResponseHead(101, [*upgrade, (b"sec-websocket-accept", accept(key)), *more])


def test_the_offer_carries_the_clients_wishes_under_a_key_of_its_own() -> None:
    offer = UpstreamOffer(b"GET", ASKED)
    assert header(offer.headers, b"authorization") == b"Bearer x"
    assert header(offer.headers, b"sec-websocket-protocol") == b"realtime, other"
    assert header(offer.headers, b"sec-websocket-key") != KEY
    assert header(offer.headers, b"upgrade") == b"websocket"
    assert header(offer.headers, b"host") is None


def test_what_the_upstream_chose_is_what_the_client_hears() -> None:
    offer = UpstreamOffer(b"GET", ASKED)
    head = answer(offer, (b"sec-websocket-protocol", b"realtime"), (b"x-request-id", b"7"), (b"date", b"then"))
    upstream = offer.accept(head)
    assert upstream.subprotocol == "realtime"
    _, headers = offer.answer_client(upstream, head)
    assert header(headers, b"sec-websocket-accept") == accept(KEY)
    assert header(headers, b"sec-websocket-protocol") == b"realtime"
    assert header(headers, b"x-request-id") == b"7"
    assert header(headers, b"date") != b"then"
    assert b"permessage-deflate" in (header(headers, b"sec-websocket-extensions") or b"")


def test_without_a_subprotocol_or_compression() -> None:
    plain = [pair for pair in ASKED if pair[0] not in (b"sec-websocket-protocol", b"sec-websocket-extensions")]
    offer = UpstreamOffer(b"GET", plain)
    head = answer(offer)
    _, headers = offer.answer_client(offer.accept(head), head)
    assert header(headers, b"sec-websocket-protocol") is None
    assert header(headers, b"sec-websocket-extensions") is None


@pytest.mark.parametrize(
    "wrong",
    [
        [(b"upgrade", b"websocket"), (b"connection", b"Upgrade"), (b"sec-websocket-accept", b"bm9uc2Vuc2U=")],
        [(b"connection", b"Upgrade"), (b"sec-websocket-accept", accept(KEY))],
    ],
    ids=["another key", "no upgrade"],
)
def test_a_101_that_does_not_answer_the_offer_is_refused(wrong: Headers) -> None:
    offer = UpstreamOffer(b"GET", ASKED)
    with pytest.raises(TransportError) as caught:
        offer.accept(ResponseHead(101, wrong))
    assert caught.value.failure.code == Code.HTTP_UPGRADE_FAILED


@pytest.mark.parametrize(
    ("method", "replaced", "status"),
    [
        (b"POST", {}, 405),
        (b"GET", {b"sec-websocket-key": b"short"}, 400),
        (b"GET", {b"sec-websocket-version": b"8"}, 426),
        (b"GET", {b"sec-websocket-version": None}, 400),
        (b"GET", {b"upgrade": b"h2c"}, 426),
    ],
)
def test_a_request_that_is_no_websocket(method: bytes, replaced: dict[bytes, bytes | None], status: int) -> None:
    headers = [(name, replaced.get(name, value)) for name, value in ASKED]
    with pytest.raises(WebSocketRefused) as caught:
        UpstreamOffer(method, [(name, value) for name, value in headers if value is not None])
    assert caught.value.status == status
    assert (header(caught.value.headers, b"sec-websocket-version") == b"13") is (status == 426)
