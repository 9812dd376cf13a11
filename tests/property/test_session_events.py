"""Whatever the bytes and however they are cut, the event encoding restores them; decoders only raise CorruptEvents."""

from __future__ import annotations

import itertools

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz import session_events as fuzz
from tests.support.dialect_streams import ALL
from tests.support.event_streams import all_streams
from transport.message import RequestHead
from transport.session.events import heads
from transport.session.events.bodies import BodyDecoder, BodyEncoder
from transport.session.events.decoder import EventDecoder
from transport.session.events.dictionaries import Dictionary
from transport.session.events.encoder import EventEncoder

FRAGMENTS = [
    *(b"\n", b"\n\n", b"\r\n\r\n", b"\r", b"\n{", b"{", b"}", b'"', b"\\", b"%", b"%b", b"\0", b"\xff\xfe", b"a", b""),
    *(b"data: ", b"event: x\n", b": ping\n\n", b"data: [DONE]\n\n", b'{"a":', b',"b":"', b'"}\n', b'"}\n\n', b"[1,2]"),
    *(b'{"n":7,"t":"x"}\n\n', b'{"n":8,"t":"yy"}\n\n', b'{"n":0}\n', b'{"n":00}\n', b'{"n":1e5,"t":null}\n', b"x" * 99),
    *(b'"2026-11-22T08:15:03"', b"9" * 16, b"9" * 17, b"1" * 18),
]
fragments = st.lists(st.sampled_from(FRAGMENTS) | st.binary(max_size=40), max_size=60).map(b"".join)
events = st.lists(
    st.tuples(st.sampled_from((b"\n\n", b"\r\n\r\n", b"\n")), st.integers(0, 10**19), fragments), max_size=20
).map(lambda found: b"".join(b'data: {"n":%d,"t":"%b"}%b' % (n, text, end) for end, n, text in found))
STREAMS = [b"".join(stream) for _, _, stream in all_streams(2, 40)] + [recorded.body for recorded in ALL]
bodies = fragments | events | st.binary(max_size=3000) | st.sampled_from(STREAMS)
cuts = st.lists(st.integers(0, 20_000), max_size=30)


def pieces(body: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in at)})
    return [body[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=120, deadline=None)
@given(body=bodies, chunks=cuts, splits=cuts)
def test_any_bytes_in_any_chunks_over_any_splits(body: bytes, chunks: list[int], splits: list[int]) -> None:
    encoder, whole, split = EventEncoder(), EventDecoder(), EventDecoder()
    records = []
    for chunk in pieces(body, chunks):
        records.append(encoder.encode(chunk))
        assert len(records[-1]) <= len(chunk) + 12 + len(chunk) // 256
        assert whole.decode(records[-1]) == chunk, "a chunk waits for nothing"
    records.append(encoder.finish())
    assert whole.decode(records[-1]) == b""
    whole.finish()
    assert b"".join(split.decode(piece) for piece in pieces(b"".join(records), splits)) == body
    split.finish()


@settings(max_examples=60, deadline=None)
@given(body=bodies, chunks=cuts, which=st.sampled_from(Dictionary))
def test_any_body(body: bytes, chunks: list[int], which: Dictionary) -> None:
    encoder, decoder = BodyEncoder(which), BodyDecoder()
    for chunk in pieces(body, chunks):
        assert decoder.decode(encoder.encode(chunk)) == chunk
    assert decoder.decode(encoder.finish()) == b""
    decoder.finish()


text = st.binary(max_size=30).map(lambda data: data.replace(b"\0", b"").replace(b"\1", b""))
names = text | st.sampled_from((b"authorization", b"cookie", b"accept"))


@settings(max_examples=200, deadline=None)
@given(st.builds(RequestHead, text, text | text.map(b"/?".__add__), text, st.lists(st.tuples(names, text)), text))
def test_any_head(head: RequestHead) -> None:
    assert heads.decode_request(heads.encode_request(head)) == head


@pytest.mark.parametrize("seed", range(4))
def test_changed_records_are_refused_properly(seed: int) -> None:
    tally = fuzz.run(seed, 150)
    assert {name: count for name, (count, _) in tally.items()} == dict.fromkeys(tally, 150)
    assert tally["there_and_back"][1] == 150


@settings(max_examples=300, deadline=None)
@given(st.binary(max_size=300).map(b"\x01".__add__))
def test_any_records(data: bytes) -> None:
    fuzz.events(data)
    fuzz.bodies(data)
    fuzz.head(data)
