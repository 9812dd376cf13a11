"""Bodies of requests: zstd with a dictionary of what such requests hold, a flush per chunk.

On the wire: the dictionary's number, then one frame with a checksum. Each body has its own context at either end: the
streaming objects of one zstandard compressor would share theirs.
"""

from __future__ import annotations

from functools import cache

import zstandard

from transport.session.events.dictionaries import Dictionary, bodies
from transport.session.events.frames import FrameReader, decompressor, parameters
from transport.session.events.records import CorruptEvents

LIMIT_BYTES = 64 * 1024 * 1024


@cache
def _digested(which: Dictionary) -> zstandard.ZstdCompressionDict | None:
    words = bodies(which)
    if words is not None:
        words.precompute_compress(compression_params=parameters(checksum=True))
    return words


class BodyEncoder:
    """One body's encoder: `encode` its chunks, then `finish`. Takes about 0.3 MiB until it is gone."""

    __slots__ = ("_context", "_owner", "_start")

    def __init__(self, which: Dictionary) -> None:
        self._owner = zstandard.ZstdCompressor(compression_params=parameters(checksum=True), dict_data=_digested(which))
        self._context = self._owner.compressobj()
        self._start = bytes((which,))

    def encode(self, chunk: bytes) -> bytes:
        """Bytes from which the peer restores all of `chunk` at once."""
        start, self._start = self._start, b""
        return start + self._context.compress(chunk) + self._context.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self, last: bytes = b"") -> bytes:
        """The `last` chunk, and the end."""
        start, self._start = self._start, b""
        return start + self._context.compress(last) + self._context.flush()


class BodyDecoder:
    """One body's decoder. Raises CorruptEvents and nothing else."""

    __slots__ = ("_limit_bytes", "_reader")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """`limit_bytes`: of the whole body."""
        self._limit_bytes = limit_bytes
        self._reader: FrameReader | None = None

    def decode(self, data: bytes) -> bytes:
        """What `data`, cut anywhere, restores."""
        if self._reader is not None:
            return self._reader.feed(data)
        if not data:
            return b""
        try:
            which = Dictionary(data[0])
        except ValueError:
            raise CorruptEvents(f"dictionary {data[0]} is unknown") from None
        self._reader = FrameReader(decompressor(bodies(which)), self._limit_bytes)
        return self._reader.feed(data[1:])

    def finish(self) -> None:
        """The body ended. Raises CorruptEvents if it wasn't whole."""
        if self._reader is None or not self._reader.is_whole:
            raise CorruptEvents("the body was cut")
