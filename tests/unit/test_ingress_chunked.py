"""The chunked reader: what it takes, what it refuses, and what it leaves."""

from __future__ import annotations

import pytest

from edge.ingress.chunked import LAST_CHUNK, MAX_LINE_BYTES, MAX_TRAILER_BYTES, BadChunk, ChunkedReader, last_chunk


def read(*pieces: bytes) -> tuple[bytes, bool, bytes]:
    reader = ChunkedReader()
    out = b"".join(part for piece in pieces for part in reader.feed(piece))
    return out, reader.done, reader.rest


def test_chunks_extensions_and_trailers() -> None:
    message = b'3\r\nabc\r\n00A ;q="x" ;y\r\n0123456789\r\n0;z\r\nx-a: 1\r\nx-b:\r\n\r\nGET'
    assert read(message) == (b"abc0123456789", True, b"GET")
    assert read(*[message[i : i + 1] for i in range(len(message) - 3)]) == (b"abc0123456789", True, b"")


def test_an_unfinished_body_is_not_done() -> None:
    assert read(b"5\r\nabc") == (b"abc", False, b"")
    assert read(b"5\r\nabcde", b"\r") == (b"abcde", False, b"")
    assert read(b"0\r\n") == (b"", False, b"")


@pytest.mark.parametrize(
    "message",
    [
        b"\r\n",
        b"x\r\n",
        b"-1\r\n",
        b"+1\r\na\r\n",
        b"0x1\r\na\r\n",
        b" 1\r\na\r\n",
        b"1 2\r\na\r\n",
        b"1\na\n",
        b"1\n",
        b"1\rx\r\n",
        b"1;a\x00b\r\n",
        b"1;a\nb\r\na\r\n",
        b"1" * 16 + b"\r\n",
        b"1\r\nab\r\n",
        b"1\r\nabc",
        b"1\r\na\n0\r\n\r\n",
        b"0\r\nno colon\r\n\r\n",
        b"0\r\n: x\r\n\r\n",
        b"0\r\n folded: x\r\n\r\n",
        b"0\r\nx: \x00\r\n\r\n",
        b"1;" + b"a" * MAX_LINE_BYTES + b"\r\n",
        b"1;" + b"a" * MAX_LINE_BYTES,
        b"0\r\n" + b"x: y\r\n" * MAX_TRAILER_BYTES,
    ],
)
def test_broken_framing_is_refused(message: bytes) -> None:
    with pytest.raises(BadChunk):
        read(message)


def test_last_chunk() -> None:
    assert last_chunk(None) == last_chunk([]) == LAST_CHUNK == b"0\r\n\r\n"
    assert last_chunk([(b"a", b"1"), (b"b", b"2")]) == b"0\r\na: 1\r\nb: 2\r\n\r\n"
