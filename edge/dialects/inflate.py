"""Decompresses: a copy of a compressed reply for its meter, and request bodies (see `edge.codings.decoding`).

brotli and zstandard are used if they are installed. Output is produced in pieces of bounded size, and a reply that
expands beyond all reason ends the metering, not the reply.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable, Iterator
from typing import Any

PIECE_BYTES = 64 * 1024
MAX_EXPANSION_BYTES = 16 * 1024 * 1024
"""Most output for one `feed`; what a socket delivers at once expands to far less in any honest reply."""

Inflate = Callable[[bytes], Iterator[bytes]]


class CannotInflate(Exception):
    """The bytes aren't what `content-encoding` said, or expand too much."""


class Inflater:
    """One body of a content coding. `inflate` gives an iterator that raises CannotInflate; then it is of no use."""

    __slots__ = ("has_ended", "inflate")

    def __init__(self, pieces: Inflate, has_ended: Callable[[], bool], errors: tuple[type[Exception], ...]) -> None:
        self.inflate = _bounded(pieces, errors)
        self.has_ended = has_ended  # has the coding's own end come, and nothing after it?


def inflater(coding: bytes) -> Inflater | None:
    """A decompressor for a content coding (RFC 9110 §8.4.1, RFC 7932, RFC 8878); None: not available."""
    make = {b"gzip": _zlib, b"x-gzip": _zlib, b"deflate": _zlib, b"br": _brotli, b"zstd": _zstd}.get(coding)
    if make is None:
        return None
    try:
        return make()
    except ImportError:
        return None


def _bounded(pieces: Inflate, errors: tuple[type[Exception], ...]) -> Inflate:
    def inflate(data: bytes) -> Iterator[bytes]:
        total = 0
        try:
            for piece in pieces(data):
                total += len(piece)
                if total > MAX_EXPANSION_BYTES:
                    raise CannotInflate("expands too much")
                if piece:
                    yield piece
        except errors as error:
            raise CannotInflate(str(error)) from error

    return inflate


def _zlib() -> Inflater:
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told by the header
    more = False  # after the end

    def pieces(data: bytes) -> Iterator[bytes]:
        nonlocal more
        more |= decoder.eof and data != b""
        while data and not decoder.eof:
            piece = decoder.decompress(data, PIECE_BYTES)
            data = decoder.unconsumed_tail
            yield piece

    return Inflater(pieces, lambda: decoder.eof and not more and not decoder.unused_data, (zlib.error,))


def _brotli() -> Inflater:
    brotli: Any = importlib.import_module("brotli")
    decoder = brotli.Decompressor()

    def pieces(data: bytes) -> Iterator[bytes]:
        while piece := decoder.process(data, output_buffer_limit=PIECE_BYTES):
            yield piece
            data = b""  # what exceeds the limit comes without more input

    return Inflater(pieces, decoder.is_finished, (brotli.error, TypeError))  # TypeError: before 1.2, without the limit


def _zstd() -> Inflater:
    zstandard: Any = importlib.import_module("zstandard")
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()
    more = False  # after the end

    def pieces(data: bytes) -> Iterator[bytes]:
        nonlocal more
        # Small slices bound the output: a block holds at most 128 KiB and takes at least 4 bytes.
        for start in range(0, len(data), 128):
            if decoder.eof:
                more = True
                return
            yield decoder.decompress(data[start : start + 128])

    return Inflater(pieces, lambda: decoder.eof and not more and not decoder.unused_data, (zstandard.ZstdError,))
