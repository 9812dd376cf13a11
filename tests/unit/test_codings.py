"""Content codings: who gets which, for what, and what is too much."""

from __future__ import annotations

import gzip
import zlib
from collections.abc import Callable

import brotli
import pytest
import zstandard

from edge.codings import decoding
from edge.codings.accept import choose
from edge.codings.decoding import BodyDecoder, body_decoder
from edge.codings.eligible import DOCUMENT_ORDER, STREAM_ORDER, Chosen, chosen, encoded_head, is_near
from edge.codings.encoders import encoder
from edge.dialects.inflate import inflater
from edge.serve.client import BadBody, BodyTooLarge
from tests.support.stored_replies import CHAT_STREAM
from transport.message import Headers

CODINGS = (b"gzip", b"zstd", b"br")
PACK: dict[bytes, Callable[[bytes], bytes]] = {
    b"gzip": gzip.compress,
    b"x-gzip": gzip.compress,
    b"deflate": zlib.compress,
    b"br": lambda body: brotli.compress(body, quality=3),
    b"zstd": zstandard.ZstdCompressor().compress,
}


@pytest.mark.parametrize(
    ("told", "wanted"),
    [
        (b"gzip", b"gzip"),
        (b"gzip, deflate, br, zstd", b"gzip"),
        (b"br;q=1.0, gzip;q=0.8", b"br"),
        (b"BR ; Q=0.9,\tzstd;q=0.95", b"zstd"),
        (b"x-gzip", b"gzip"),
        (b"*", b"gzip"),
        (b"gzip;q=0, *;q=0.1", b"zstd"),
        (b"identity;q=0.5, br", b"br"),
        (b"identity, gzip;q=0.5", None),
        (b"identity;q=0", None),
        (b"gzip;q=0", None),
        (b"gzip;q=2", None),
        (b"gzip;q=0.1234", None),
        (b"compress, deflate", None),
        (b"", None),
        (b",;=,", None),
    ],
)
def test_accept_encoding(told: bytes, wanted: bytes | None) -> None:
    assert choose(told, STREAM_ORDER) == wanted


JSON = (b"content-type", b"application/json; charset=utf-8")
LONG = (b"content-length", b"5000")


@pytest.mark.parametrize(
    ("headers", "wanted"),
    [
        ([(b"content-type", b"text/event-stream")], Chosen(b"gzip", None)),
        ([JSON], Chosen(b"gzip", None)),
        ([JSON, LONG], Chosen(b"zstd", 5000)),
        ([JSON, LONG, (b"cache-control", b"no-cache")], Chosen(b"zstd", 5000)),
        ([(b"content-type", b"application/problem+json"), LONG], Chosen(b"zstd", 5000)),
        ([(b"content-type", b"Text/Plain"), LONG], Chosen(b"zstd", 5000)),
        ([JSON, (b"content-length", b"1399")], None),
        ([JSON, (b"content-length", b"x")], None),
        ([LONG], None),
        ([(b"content-type", b"image/png"), LONG], None),
        ([(b"content-type", b"application/octet-stream"), LONG], None),
        ([JSON, LONG, (b"content-encoding", b"br")], None),
        ([JSON, LONG, (b"content-range", b"bytes 0-1/2")], None),
        ([JSON, LONG, (b"repr-digest", b"sha-256=:x:")], None),
        ([JSON, LONG, (b"cache-control", b"public,No-Transform")], None),
    ],
)
def test_what_is_worth_it(headers: Headers, wanted: Chosen | None) -> None:
    assert chosen(b"gzip, zstd", 200, headers) == wanted


@pytest.mark.parametrize("status", [204, 206, 304])
def test_replies_without_a_whole_body(status: int) -> None:
    assert chosen(b"gzip", status, [JSON]) is None


def test_who_accepts_nothing() -> None:
    assert chosen(b"identity", 200, [JSON]) is None


def test_heads() -> None:
    headers = [JSON, LONG, (b"etag", b'"a"'), (b"vary", b"origin"), (b"accept-ranges", b"bytes"), (b"x", b"y")]
    made = dict(encoded_head(headers, b"gzip"))
    assert made == {
        b"content-type": JSON[1],
        b"etag": b'W/"a"',
        b"x": b"y",
        b"content-encoding": b"gzip",
        b"vary": b"origin, accept-encoding",
    }
    weak = dict(encoded_head([(b"etag", b'W/"a"'), (b"vary", b"Accept-Encoding")], b"br"))
    assert (weak[b"etag"], weak[b"vary"]) == (b'W/"a"', b"Accept-Encoding")
    assert dict(encoded_head([(b"vary", b"*")], b"br"))[b"vary"] == b"*"


@pytest.mark.parametrize(
    ("peer", "near"),
    [
        ("127.0.0.1", True),
        ("::1", True),
        ("10.1.2.3", True),
        ("192.168.0.9", True),
        ("fe80::1%eth0", True),
        ("fd00::1", True),
        ("::ffff:10.0.0.1", True),
        ("unix", True),
        ("8.8.8.8", False),
        ("::ffff:8.8.8.8", False),
        ("2001:4860:4860::8888", False),
    ],
)
def test_neighbours(peer: str, near: bool) -> None:
    assert is_near(peer) is near


# --- encoders ---


def plain(coding: bytes, data: bytes) -> bytes:
    found = inflater(coding)
    assert found is not None
    return b"".join(found.inflate(data))


@pytest.mark.parametrize("coding", CODINGS)
def test_a_stream_gives_out_all_that_it_was_fed(coding: bytes) -> None:
    made, found = encoder(coding, None), inflater(coding)
    assert found is not None
    for event in CHAT_STREAM.split(b"\n\n"):
        assert b"".join(found.inflate(made.feed(event))) == event
    assert b"".join(found.inflate(made.finish())) == b""
    assert found.has_ended()


@pytest.mark.parametrize("length", [1, 2000, 300_000])
@pytest.mark.parametrize("coding", CODINGS)
def test_documents(coding: bytes, length: int) -> None:
    document = (CHAT_STREAM * 200)[:length]
    made = encoder(coding, length)
    out = b"".join([made.feed(document[at : at + 5000]) for at in range(0, length, 5000)]) + made.finish()
    assert plain(coding, out) == document


@pytest.mark.parametrize("coding", STREAM_ORDER)
def test_every_coding_that_may_be_chosen_can_be_made(coding: bytes) -> None:
    assert coding in DOCUMENT_ORDER
    assert plain(coding, encoder(coding, None).finish()) == b""


# --- decoding ---


def decoder(coding: bytes, largest: int = 1 << 30) -> BodyDecoder:
    found = body_decoder(coding, largest)
    assert found is not None
    return found


@pytest.mark.parametrize("coding", PACK)
def test_bodies_come_out_piece_by_piece(coding: bytes) -> None:
    found, packed = decoder(b" " + coding.upper()), PACK[coding](CHAT_STREAM)
    out = b"".join(found.feed(packed[at : at + 7]) for at in range(0, len(packed), 7))
    found.end()
    assert out == CHAT_STREAM


def take(found: BodyDecoder, body: bytes, step: int) -> None:
    for at in range(0, len(body), step):
        found.feed(body[at : at + step])
    found.end()


@pytest.mark.parametrize("coding", PACK)
def test_damaged_bodies(coding: bytes) -> None:
    packed = PACK[coding](CHAT_STREAM)
    for wrong in (packed[:-1], packed + b"x", packed + packed, b"x" + packed):
        for step in (len(wrong), 100):
            with pytest.raises(BadBody):
                take(decoder(coding), wrong, step)


@pytest.mark.parametrize("coding", PACK)
def test_what_comes_after_the_end(coding: bytes) -> None:
    found = decoder(coding)
    found.feed(PACK[coding](b"{}"))
    with pytest.raises(BadBody):
        take(found, b"more", 4)


@pytest.mark.parametrize("coding", PACK)
def test_bombs(coding: bytes) -> None:
    bomb = PACK[coding](bytes(8 << 20))
    with pytest.raises(BodyTooLarge):
        decoder(coding).feed(bomb)
    with pytest.raises(BodyTooLarge):
        decoder(coding, 1000).feed(PACK[coding](bytes(1001)))


def test_a_little_may_be_much(monkeypatch: pytest.MonkeyPatch) -> None:
    assert len(decoder(b"gzip").feed(gzip.compress(bytes(1 << 20)))) == 1 << 20
    monkeypatch.setattr(decoding, "FREE_BYTES", 10)
    noise = bytes(range(256)) * 4
    assert decoder(b"gzip").feed(gzip.compress(noise)) == noise


def test_no_body_and_unknown_codings() -> None:
    decoder(b"gzip").end()
    assert body_decoder(b"compress", 10) is None
    assert body_decoder(b"gzip, br", 10) is None
