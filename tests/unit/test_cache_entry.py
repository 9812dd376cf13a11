from __future__ import annotations

import os

import msgspec
import pytest
import zstandard

from cache.entry import Entry, Recorder, Spent
from cache.replay import parts, parts_after
from cache.seal import Sealer, Unreadable
from cache.skeleton import DICTIONARIES, NEWEST
from tests.support.cache_values import entry

DIGEST = bytes(range(32))
SECRET = bytes(32)


def sealers() -> list[Sealer]:
    return [Sealer(), Sealer(SECRET, os.urandom)]


def test_recorder_takes_a_reply_down() -> None:
    recorder = Recorder(1000)
    for at, data in ((5.0, b"ab"), (5.0004, b"c"), (5.25, b"def")):
        recorder.feed(data, at)
    headers = [(b"content-type", b"text/event-stream"), (b"set-cookie", b"x"), (b"x-request-id", b"y")]
    made = recorder.entry(200, headers, True, Spent(1, 2), now_utc=100.0, ttl=60.0)
    chunks = ((2, 0), (1, 0), (3, 250))
    assert made == Entry(200, (headers[0],), b"abcdef", chunks, True, Spent(1, 2), 100.0, 160.0)


def test_recorder_lets_go_of_what_is_too_large() -> None:
    recorder = Recorder(5)
    for data in (b"abc", b"def", b"g"):
        recorder.feed(data, 0.0)
    assert recorder.size_bytes == 7
    assert recorder._parts == []
    assert recorder.entry(200, [], False, Spent(), 0.0, 1.0) is None


def test_an_empty_reply() -> None:
    made = Recorder(5).entry(200, [], False, Spent(), 0.0, 1.0)
    assert made is not None and made.body == b"" and list(parts(made)) == []


def test_age() -> None:
    assert entry(created=100.0).age(160.9) == 60
    assert entry(created=100.0).age(90.0) == 0


@pytest.mark.parametrize("sealer", sealers())
def test_sealed_and_opened(sealer: Sealer) -> None:
    one = entry(b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n' * 50)
    blob = sealer.seal(one, DIGEST)
    assert sealer.open(blob, DIGEST) == one
    assert len(blob) < len(one.body) / 8


@pytest.mark.parametrize("sealer", sealers())
def test_any_damage_is_noticed(sealer: Sealer) -> None:
    blob = sealer.seal(entry(), DIGEST)
    for place in range(len(blob)):
        for bit in (1, 128):
            with pytest.raises(Unreadable):
                sealer.open(blob[:place] + bytes([blob[place] ^ bit]) + blob[place + 1 :], DIGEST)
    for length in range(len(blob)):
        with pytest.raises(Unreadable):
            sealer.open(blob[:length], DIGEST)


@pytest.mark.parametrize("sealer", sealers())
def test_an_entry_belongs_to_its_key(sealer: Sealer) -> None:
    with pytest.raises(Unreadable):
        sealer.open(sealer.seal(entry(), DIGEST), DIGEST[::-1])


def test_secrets() -> None:
    plain, secret, other = Sealer(), Sealer(SECRET, os.urandom), Sealer(b"x" * 32, os.urandom)
    assert b"hi" not in secret.seal(entry(), DIGEST)
    for sealer, blob in (
        (plain, secret.seal(entry(), DIGEST)),
        (secret, plain.seal(entry(), DIGEST)),
        (other, secret.seal(entry(), DIGEST)),
    ):
        with pytest.raises(Unreadable):
            sealer.open(blob, DIGEST)
    with pytest.raises(ValueError, match="nonces"):
        Sealer(SECRET)
    with pytest.raises(ValueError):
        Sealer(b"short", os.urandom)


def sealed_raw(plain: bytes, size: int | None = None) -> bytes:
    """A frame with a right checksum around whatever content."""
    from cache import seal

    dictionary = zstandard.ZstdCompressionDict(DICTIONARIES[NEWEST], dict_type=zstandard.DICT_TYPE_RAWCONTENT)
    packed = zstandard.ZstdCompressor(dict_data=dictionary, write_content_size=size is None).compress(plain)
    head = seal._HEAD.pack(b"FLC", seal.VERSION, 0, NEWEST, len(plain) if size is None else size)
    return head + seal._checksum(head, DIGEST, packed) + packed


def test_right_checksum_wrong_content() -> None:
    good = msgspec.msgpack.encode(entry())
    assert Sealer().open(sealed_raw(good), DIGEST) == entry()
    wrong = [
        b"",
        b"\xc1",
        msgspec.msgpack.encode([1, 2]),
        msgspec.msgpack.encode(msgspec.structs.replace(entry(), chunks=((1, 0),))),
        msgspec.msgpack.encode(msgspec.structs.replace(entry(), chunks=((-1, 0), (25, 0)))),
        b"\x91" * 5000,
    ]
    for plain in wrong:
        with pytest.raises(Unreadable):
            Sealer().open(sealed_raw(plain), DIGEST)
    with pytest.raises(Unreadable):
        Sealer().open(sealed_raw(bytes(10_000_000), size=100), DIGEST)  # more than it says: a bomb
    with pytest.raises(Unreadable, match="version"):
        Sealer().open(sealed_raw(good, size=2**31), DIGEST)


def test_too_large_to_seal() -> None:
    with pytest.raises(ValueError, match="64 MiB"):
        Sealer().seal(entry(bytes(65 * 1024 * 1024)), DIGEST)


def paced(*chunks: tuple[int, int]) -> Entry:
    body = bytes(range(sum(length for length, _ in chunks)))
    return msgspec.structs.replace(entry(), body=body, chunks=chunks)


def test_parts_keep_the_cadence() -> None:
    assert list(parts(paced((1, 0), (1, 0), (2, 40), (0, 50), (1, 90)))) == [
        (0.0, b"\0\1"),
        (0.04, b"\2\3"),
        (0.09, b"\4"),
    ]
    assert list(parts(paced())) == []


def test_parts_after_shortens_stalls() -> None:
    timed = list(parts_after(paced((1, 100), (1, 200), (1, 9200), (1, 9100)), 1.0))
    assert [round(at, 3) for at, _ in timed] == [0.1, 0.2, 1.2, 1.2]
    assert b"".join(data for _, data in timed) == b"\0\1\2\3"
