"""Decompresses a copy of a compressed reply for its meter; the client gets the provider's bytes as they are.

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


def inflater(coding: bytes) -> Inflate | None:
    """A decompressor for one stream of a content coding (RFC 9110 §8.4.1, RFC 7932, RFC 8878); None: not available.

    The iterator it returns raises CannotInflate; after that it must not be used again.
    """
    make = {b"gzip": _zlib, b"x-gzip": _zlib, b"deflate": _zlib, b"br": _brotli, b"zstd": _zstd}.get(coding)
    if make is None:
        return None
    try:
        pieces, errors = make()
    except ImportError:
        return None
    return _bounded(pieces, errors)


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


def _zlib() -> tuple[Inflate, tuple[type[Exception], ...]]:
    decoder = zlib.decompressobj(wbits=47)  # 32 + 15: gzip or zlib, told by the header

    def pieces(data: bytes) -> Iterator[bytes]:
        while data:
            piece = decoder.decompress(data, PIECE_BYTES)
            data = decoder.unconsumed_tail
            yield piece

    return pieces, (zlib.error,)


def _brotli() -> tuple[Inflate, tuple[type[Exception], ...]]:
    brotli: Any = importlib.import_module("brotli")
    decoder = brotli.Decompressor()

    def pieces(data: bytes) -> Iterator[bytes]:
        while piece := decoder.process(data, output_buffer_limit=PIECE_BYTES):
            yield piece
            data = b""  # what exceeds the limit comes without more input

    return pieces, (brotli.error, TypeError)  # TypeError: a release before 1.2, without the limit


def _zstd() -> tuple[Inflate, tuple[type[Exception], ...]]:
    zstandard: Any = importlib.import_module("zstandard")
    decoder = zstandard.ZstdDecompressor(max_window_size=8 * 1024 * 1024).decompressobj()

    def pieces(data: bytes) -> Iterator[bytes]:
        # Small slices bound the output: a block holds at most 128 KiB and takes at least 4 bytes.
        for start in range(0, len(data), 128):
            if decoder.eof:
                return
            yield decoder.decompress(data[start : start + 128])

    return pieces, (zstandard.ZstdError,)
