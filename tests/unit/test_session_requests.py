"""Request bodies and heads made small: exact, within limits, and no credential inside a compressed frame."""

from __future__ import annotations

import zlib
from random import Random

import pytest
import zstandard

from tests.support.requests import BODIES, Writer, request_head, response_head
from transport.message import Headers, RequestHead, ResponseHead
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder, BodyEncoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.records import CorruptEvents, integer

WINDOW = 1 << 17


def restored(data: bytes, limit_bytes: int = 1 << 26) -> bytes:
    decoder = BodyDecoder(limit_bytes)
    body = decoder.decode(data)
    decoder.finish()
    return body


@pytest.mark.parametrize("kind", BODIES)
def test_bodies_come_back_and_the_dictionary_helps_with_unseen_text(kind: str) -> None:
    writer = Writer(kind, unseen=True)
    bodies = [BODIES[kind](writer) for _ in range(50)]
    sizes = dict.fromkeys((Dictionary[kind.upper()], Dictionary.NONE), 0)
    for which in sizes:
        for body in bodies:
            small = BodyEncoder(which).finish(body)
            assert restored(small) == body
            sizes[which] += len(small)
    known, unknown = sizes.values()
    assert known < 0.85 * unknown
    assert known < 0.9 * sum(len(zlib.compress(body)) for body in bodies)


def test_a_body_in_chunks_of_which_each_can_be_read_at_once() -> None:
    encoder, decoder = BodyEncoder(Dictionary.CHAT), BodyDecoder()
    for chunk in (b'{"messages":', b"", b"[" + Random(1).randbytes(300_000), b"]}"):
        assert decoder.decode(encoder.encode(chunk)) == chunk
    with pytest.raises(CorruptEvents, match="cut"):
        decoder.finish()
    assert decoder.decode(encoder.finish(b"\n")) == b"\n"
    decoder.finish()


def test_two_bodies_at_once_do_not_touch_each_other() -> None:
    """The streaming objects of one zstandard compressor would."""
    encoders = [BodyEncoder(Dictionary.CHAT) for _ in range(3)]
    decoders = [BodyDecoder() for _ in encoders]
    random = Random(1)
    for _ in range(50):
        for encoder, decoder in zip(encoders, decoders, strict=True):
            chunk = random.choice((b'{"role":"user","content":"', b'"}', random.randbytes(99))) * 3
            assert decoder.decode(encoder.encode(chunk)) == chunk


def test_an_empty_body() -> None:
    assert restored(BodyEncoder(Dictionary.NONE).finish()) == b""
    decoder = BodyDecoder()
    assert decoder.decode(b"") == b""
    with pytest.raises(CorruptEvents, match="cut"):
        decoder.finish()


def test_bodies_that_are_refused() -> None:
    small = BodyEncoder(Dictionary.NONE).finish(b"x" * 1000)
    for data, fault in (
        (b"\x00", "dictionary 0 is unknown"),
        (b"\xff" + small[1:], "dictionary 255 is unknown"),
        (b"\x01" + b"\xff" * 40, "not zstd"),
        (small[:-1] + bytes((small[-1] ^ 1,)), "not zstd"),  # the checksum
        (small + b"x", "bytes after"),
    ):
        with pytest.raises(CorruptEvents, match=fault):
            restored(data)
    decoder = BodyDecoder()
    decoder.decode(small)
    with pytest.raises(CorruptEvents, match="bytes after"):
        decoder.decode(b"x")
    with pytest.raises(CorruptEvents, match="longer than is allowed"):
        restored(small, 999)
    assert restored(small, 1000) == b"x" * 1000


def test_a_window_larger_than_ours_is_refused() -> None:
    large = zstandard.ZstdCompressionParameters.from_level(
        1, window_log=20, format=zstandard.FORMAT_ZSTD1_MAGICLESS, write_content_size=False
    )
    with pytest.raises(CorruptEvents, match="not zstd"):
        restored(b"\x01" + zstandard.ZstdCompressor(compression_params=large).compress(Random(1).randbytes(2 * WINDOW)))


@pytest.mark.parametrize("kind", BODIES)
def test_heads_come_back_and_small(kind: str) -> None:
    writer = Writer(f"heads {kind}")
    for _ in range(50):
        asked, told = request_head(writer, kind), response_head(writer, kind)
        small = heads.encode_request(asked)
        assert heads.decode_request(small) == asked
        hidden = heads.split_request(asked)[1]
        assert len(small) - sum(map(len, hidden)) < 100
        assert heads.decode_response(heads.encode_response(told)) == told


HEADERS: Headers = [(b"x-a", b""), (b"", b"v"), (b"x-a", b"\xff"), (b"cookie", b"c=1"), (b"cookie", b"\x00")]


def test_heads_of_any_kind() -> None:
    for target in (b"/", b"/p?", b"/p?key=secret", b"/p?alt=sse", b"*", b"", b"/a?b?c"):
        head = RequestHead(b"PUT", target, b"a:1", HEADERS, b"http")
        assert heads.decode_request(heads.encode_request(head)) == head
    assert heads.decode_response(heads.encode_response(ResponseHead(503, []))) == ResponseHead(503, [])
    for trailers in ([], HEADERS):
        assert heads.decode_trailers(heads.encode_trailers(trailers)) == trailers


def test_credentials_and_queries_are_never_compressed() -> None:
    head = RequestHead(
        b"POST",
        b"/v1beta/models/m:generateContent?key=AIza-one",
        b"host",
        [(b"authorization", b"Bearer two"), (b"x-api-key", b"three"), (b"x-mine", b"four"), (b"accept", b"five")],
    )
    plain, hidden = heads.split_request(head, heads.SECRETS | {b"x-mine"})
    assert hidden == [b"key=AIza-one", b"Bearer two", b"three", b"four"]
    assert b"five" in plain
    assert not any(secret in plain for secret in hidden)
    small = heads.encode_request(head, heads.SECRETS | {b"x-mine"})
    assert small.endswith(b"".join(integer(len(secret)) + secret for secret in hidden))
    assert heads.decode_request(small) == head


def test_the_length_of_a_frame_tells_nothing_of_a_credential() -> None:
    """A guess that repeats the key is no shorter than one that doesn't."""
    key = b"Bearer sk-live-0123456789abcdef"
    sizes = set()
    for guess in (key[7:], key[7:][::-1]):
        sizes.add(len(heads.encode_request(RequestHead(b"POST", b"/", b"h", [(b"authorization", key), (b"x", guess)]))))
        other = RequestHead(b"POST", b"/", b"h", [(b"authorization", key[::-1]), (b"x", guess)])
        assert len(heads.encode_request(other)) in sizes


@pytest.mark.parametrize("bad", [b"a\0b", b"\x01", b"a\x01"])
def test_heads_that_no_head_may_be(bad: bytes) -> None:
    with pytest.raises(ValueError, match="bytes 0 and 1"):
        heads.encode_trailers([(b"x", bad)])


def packed(plain: bytes, tail: bytes = b"") -> bytes:
    frame = zstandard.ZstdCompressor(
        compression_params=zstandard.ZstdCompressionParameters.from_level(
            1, window_log=17, format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )
    ).compress(plain)
    return b"\x01" + integer(len(frame)) + frame + tail


@pytest.mark.parametrize(
    ("data", "fault"),
    [
        (b"", "cut"),
        (b"\x02", "version 2"),
        (b"\x01\x80", "cut"),
        (b"\x01\x28" + b"\xff" * 40, "not zstd"),
        (b"\x01\x00", "cut"),
        (b"\x01\x05abc", "cut"),
        (packed(b"200", b"\x05abc"), "cut"),
        (packed(b"200\0x"), "impossible number"),
        (packed(b"2000"), "no status"),
        (packed(b"2x0"), "no status"),
        (packed(b"200\0a\0\x01"), "secret is missing"),
        (packed(b"200\0a\0b", b"\x01x"), "more secrets"),
        (packed(b"x" * (heads.LIMIT_BYTES + 1)), "longer than is allowed"),
    ],
)
def test_heads_that_are_refused(data: bytes, fault: str) -> None:
    with pytest.raises(CorruptEvents, match=fault):
        heads.decode_response(data)


def test_a_head_is_read_after_one_that_was_refused() -> None:
    good = heads.encode_response(ResponseHead(200, HEADERS))
    for cut in range(2, 20):
        with pytest.raises(CorruptEvents):
            heads.decode_response(b"\x01" + integer(cut) + good[2 : 2 + cut])
        assert heads.decode_response(good) == ResponseHead(200, HEADERS)


def test_a_request_head_without_its_first_strings() -> None:
    with pytest.raises(CorruptEvents, match="impossible number"):
        heads.decode_request(packed(b"GET\0https\0a"))
    with pytest.raises(CorruptEvents, match="secret is missing"):
        heads.decode_request(packed(b"GET\0https\0a\0/?\x01"))
