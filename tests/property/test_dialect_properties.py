"""However a stream is split, its meter says the same; nothing that a far end sends makes a meter or a scan raise."""

from __future__ import annotations

import itertools
import json

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dialects import NAMES, by_name, sse
from edge.dialects.facts import Facts
from edge.dialects.json_scan import members
from edge.dialects.request import body_fields
from tests.support.dialect_streams import ALL, JSON, SSE, Recorded

cuts = st.lists(st.integers(0, 3000), max_size=12)
OPERATIONS = ["chat", "responses", "audio", "messages", "stream", "interactions", "generate", "other"]


def pieces(body: bytes, at: list[int]) -> list[bytes]:
    edges = sorted({0, len(body), *(cut % (len(body) + 1) for cut in at)})
    return [body[a:b] for a, b in itertools.pairwise(edges)]


@settings(max_examples=120, deadline=None)
@given(recorded=st.sampled_from(ALL), at=cuts, stop=st.integers(0, 3000))
def test_any_split_gives_the_same(recorded: Recorded, at: list[int], stop: int) -> None:
    body = recorded.body[: stop if stop < len(recorded.body) else None]
    whole = by_name(recorded.dialect).meter(recorded.facts, 200, SSE)
    split = by_name(recorded.dialect).meter(recorded.facts, 200, SSE)
    whole.feed(body)
    for piece in pieces(body, at):
        split.feed(piece)
    assert split.usage() == whole.usage()
    assert split.is_complete() == whole.is_complete()
    assert split.at_boundary() == whole.at_boundary()
    assert split.tokens_seen() == whole.tokens_seen()


FRAGMENTS = [
    *(
        b"\n",
        b"\r",
        b"\r\n",
        b"data: ",
        b"data:{",
        b"[DONE]",
        b"id:",
        b":",
        b"}",
        b"\xff",
        b"\\",
        b'"',
        b"\xef\xbb\xbf",
    ),
    *(b'"usage":', b'{"prompt_tokens":1}', b'{"error":{"a":1}}', b'"type":"message_stop"', b'"candidates"'),
    *(b"event: message_start\n", b'data: {"id"', b'data: {"candidates"', b"event: content_block_delta\ndata: {"),
]
noise = st.lists(st.sampled_from(FRAGMENTS), max_size=40).map(b"".join)


@settings(max_examples=120, deadline=None)
@given(
    name=st.sampled_from(sorted(NAMES)),
    operation=st.sampled_from(OPERATIONS),
    headers=st.sampled_from([SSE, JSON, [*SSE, (b"content-encoding", b"gzip")], [*JSON, (b"content-encoding", b"br")]]),
    chunks=st.lists(noise | st.binary(max_size=60), max_size=10),
)
def test_meters_take_anything(
    name: str, operation: str, headers: list[tuple[bytes, bytes]], chunks: list[bytes]
) -> None:
    meter = by_name(name).meter(Facts(operation, streaming=True), 200, headers)
    for chunk in chunks:
        meter.feed(chunk)
        meter.usage(), meter.is_complete(), meter.at_boundary(), meter.tokens_seen()


@settings(max_examples=20, deadline=None)
@given(sizes=st.lists(st.integers(1, 200_000), min_size=1, max_size=20), tail=st.booleans())
def test_the_scanner_is_bounded(sizes: list[int], tail: bool) -> None:
    scanner = sse.EventScanner()
    for size in sizes:
        scanner.feed(b"d" * size)
        assert len(scanner._held) + len(scanner._head) <= sse.HOLD_BYTES + sse.HEAD_BYTES
    if tail:
        scanner.feed(b"\n\n")
        assert scanner.at_boundary()
        assert scanner.events_seen == 1


values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-9, 9)
    | st.text(max_size=8)
    | st.sampled_from(['"model": "no"', "\\", "]}"]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=4), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=120, deadline=None)
@given(document=st.dictionaries(st.sampled_from(["model", "stream", "a", "b", "tools"]), values), indent=st.booleans())
def test_members_of_whole_objects(document: dict[str, object], indent: bool) -> None:
    raw = json.dumps(document, indent=2 if indent else None).encode()
    found = members(raw, (b"model", b"stream", b"tools", b"never"))
    assert {name.decode(): json.loads(text) for name, text in found.items()} == {
        name: document[name] for name in ("model", "stream", "tools") if name in document
    }


@settings(max_examples=120, deadline=None)
@given(
    document=st.dictionaries(st.sampled_from(["model", "stream", "max_tokens", "x"]), values), cut=st.integers(0, 200)
)
def test_fields_of_cut_objects_are_those_of_the_whole(document: dict[str, object], cut: int) -> None:
    raw = json.dumps(document).encode()
    whole = body_fields(JSON, raw, True)
    part = body_fields(JSON, raw[:cut], False)
    assert part.model in (None, whole.model)
    assert part.stream in (None, whole.stream)
    assert part.max_tokens in (None, whole.max_tokens)


@pytest.mark.parametrize("kind", [b"application/json", b"multipart/form-data; boundary=x", b""])
@settings(max_examples=40, deadline=None)
@given(body=st.binary(max_size=200) | noise, complete=st.booleans(), target=st.binary(max_size=30))
def test_facts_take_anything(kind: bytes, body: bytes, complete: bool, target: bytes) -> None:
    for name in NAMES:
        dialect = by_name(name)
        headers = [(b"content-type", kind), (b"authorization", target), (b"sec-websocket-protocol", target)]
        dialect.facts(b"POST", b"/" + target, headers, body, complete)
        dialect.credential_of(headers, b"/?" + target)
        dialect.authorize(headers, b"/?" + target, "k")
