"""gzip (RFC 1952), zstd (RFC 8878) and br (RFC 7932) for replies, with little memory for each.

A stream's encoder gives out all that it was fed before it takes more, so no event waits inside of it. That costs a few
bytes per event; the window remembers what events have in common. A document's encoder gives out when it likes.
"""

from __future__ import annotations

import importlib
import zlib
from collections.abc import Callable
from typing import Any
from typing import Protocol as Interface

_WINDOW_LOG, _MEMORY_LEVEL, _LEVEL = 11, 4, 4
_LARGEST_WINDOW_LOG = 17
_GZIP = 16  # added to a window: a gzip header, not a zlib one
_BR_STREAM, _BR_DOCUMENT = (2, 10), (4, 18)  # quality, window


class Encoder(Interface):
    """One reply on its way to one client."""

    def feed(self, data: bytes) -> bytes:
        """Hot path: what can go now; of a stream, all of it."""

    def finish(self) -> bytes:
        """What is left, and the coding's own end."""


class _Encoder:
    __slots__ = ("feed", "finish")

    def __init__(self, feed: Callable[[bytes], bytes], finish: Callable[[], bytes]) -> None:
        self.feed = feed
        self.finish = finish


def encoder(coding: bytes, length: int | None) -> Encoder:
    """An encoder for a coding of `eligible.STREAM_ORDER`. `length`: of the document; None: a stream."""
    return _MAKERS[coding](length)


def _gzip(length: int | None) -> Encoder:
    window = _WINDOW_LOG if length is None else _window_log(length, 9, 15)
    made = zlib.compressobj(_LEVEL, zlib.DEFLATED, _GZIP + window, _MEMORY_LEVEL if length is None else 8)
    compress, flush = made.compress, made.flush
    if length is not None:
        return _Encoder(compress, flush)
    sync = zlib.Z_SYNC_FLUSH

    def feed(data: bytes) -> bytes:
        return compress(data) + flush(sync)

    return _Encoder(feed, flush)


def _zstd(length: int | None) -> Encoder:
    zstandard: Any = importlib.import_module("zstandard")
    if length is None:
        parameters = zstandard.ZstdCompressionParameters(
            window_log=10,
            hash_log=8,
            chain_log=6,
            search_log=1,
            min_match=5,
            target_length=0,
            strategy=zstandard.STRATEGY_FAST,
            write_content_size=False,
        )
    else:
        window = _window_log(length, 10, _LARGEST_WINDOW_LOG)
        parameters = zstandard.ZstdCompressionParameters.from_level(1, source_size=length, window_log=window)
    made = zstandard.ZstdCompressor(compression_params=parameters).compressobj()
    compress, flush = made.compress, made.flush
    if length is not None:
        return _Encoder(compress, flush)
    block = zstandard.COMPRESSOBJ_FLUSH_BLOCK

    def feed(data: bytes) -> bytes:
        out: bytes = compress(data) + flush(block)
        return out

    return _Encoder(feed, flush)


def _brotli(length: int | None) -> Encoder:
    brotli: Any = importlib.import_module("brotli")
    quality, window = _BR_STREAM if length is None else _BR_DOCUMENT
    made = brotli.Compressor(mode=brotli.MODE_TEXT, quality=quality, lgwin=window)
    process, flush = made.process, made.flush
    if length is not None:
        return _Encoder(process, made.finish)

    def feed(data: bytes) -> bytes:
        out: bytes = process(data) + flush()
        return out

    return _Encoder(feed, made.finish)


def _window_log(length: int, least: int, most: int) -> int:
    """A window that holds the whole document, within bounds."""
    return max(least, min(most, length.bit_length()))


_MAKERS: dict[bytes, Callable[[int | None], Encoder]] = {b"gzip": _gzip, b"zstd": _zstd, b"br": _brotli}
