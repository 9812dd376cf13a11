"""However bytes are cut on the way, the ingress reads the same; whatever they are, it answers or refuses."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.ingress.chunked import BadChunk, ChunkedReader, last_chunk
from edge.ingress.head import BadRequest, Head, parse_head

pieces = st.lists(st.binary(min_size=1, max_size=40), max_size=8)
cuts = st.lists(st.integers(0, 500), max_size=12)


def split(data: bytes, at: list[int]) -> list[bytes]:
    bounds = sorted({min(cut, len(data)) for cut in at} | {0, len(data)})
    return [data[a:b] for a, b in pairwise(bounds)]


@given(pieces, cuts, st.binary(max_size=20))
def test_chunked_bodies_survive_any_cut(body: list[bytes], at: list[int], rest: bytes) -> None:
    wire = b"".join(b"%x\r\n%b\r\n" % (len(piece), piece) for piece in body) + last_chunk([(b"a", b"b")])
    reader = ChunkedReader()
    out = b"".join(part for piece in split(wire, at) for part in reader.feed(piece))
    assert out == b"".join(body)
    assert reader.done
    assert reader.rest == b""
    whole = ChunkedReader()
    assert b"".join(whole.feed(wire + rest)) == out
    assert whole.rest == rest


@given(st.binary(max_size=200), cuts)
def test_cutting_never_changes_the_verdict_on_garbage(data: bytes, at: list[int]) -> None:
    def run(parts: list[bytes]) -> tuple[bytes, bool] | None:
        reader = ChunkedReader()
        out = b""
        for part in parts:
            if reader.done:
                break
            try:
                out += b"".join(reader.feed(part))
            except BadChunk:
                return None
        return out, reader.done

    whole = run([data])
    cut = run(split(data, at))
    if whole is not None:
        assert cut == whole


tokens = st.one_of(
    st.sampled_from((b"GET", b"POST", b" ", b"/", b"/a?b", b"http://h/", b"*", b" HTTP/1.1", b" HTTP/1.0", b"\r\n")),
    st.sampled_from((b"\r", b"\n", b"host: a", b"content-length: 3", b"transfer-encoding: chunked", b":", b"x", b"\0")),
)


@settings(max_examples=300)
@given(st.lists(tokens, max_size=16).map(b"".join))
def test_any_head_is_parsed_or_refused(data: bytes) -> None:
    try:
        head = parse_head(data + b"\r\n\r\n")
    except BadRequest:
        return
    assert isinstance(head, Head)
    assert head.target == b"*" or head.target.startswith(b"/")
    names = [name for name, _ in head.headers]
    assert not (b"content-length" in names and b"transfer-encoding" in names)
    for name, value in head.headers:
        assert not set(b"\r\n\0") & set(name + value)
