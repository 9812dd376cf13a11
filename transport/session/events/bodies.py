"""Bodies of requests: zstd (RFC 8878) with a dictionary of what such requests hold, a flush per chunk.

On the wire: the dictionary's number, then one frame without its magic number, with a checksum. Each body has its own
context: the streaming objects of one zstandard compressor would share theirs.
"""

from __future__ import annotations

from functools import cache

import zstandard

from transport.session.events.dictionaries import Dictionary, bodies
from transport.session.events.records import CorruptEvents

LIMIT_BYTES = 64 * 1024 * 1024
_WINDOW_LOG = 17
_LEVEL = 3
_PIECE_BYTES = 256
"""Fed at once: restores at most 8 MiB (each 4 bytes a block of 128 KiB), so a limit is overrun by no more than that."""


@cache
def _parameters() -> zstandard.ZstdCompressionParameters:
    return zstandard.ZstdCompressionParameters.from_level(
        _LEVEL,
        window_log=_WINDOW_LOG,
        hash_log=14,
        chain_log=14,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=True,
        write_dict_id=False,
    )


@cache
def _digested(which: Dictionary) -> zstandard.ZstdCompressionDict | None:
    words = bodies(which)
    if words is not None:
        words.precompute_compress(compression_params=_parameters())
    return words


class BodyEncoder:
    """One body's encoder: `encode` its chunks, then `finish`. A context takes about 0.5 MiB until then."""

    __slots__ = ("_context", "_owner", "_start")

    def __init__(self, which: Dictionary) -> None:
        self._owner = zstandard.ZstdCompressor(compression_params=_parameters(), dict_data=_digested(which))
        self._context = self._owner.compressobj()
        self._start = bytes((which,))

    def encode(self, chunk: bytes) -> bytes:
        """All of `chunk`, and what the peer can restore all of it from."""
        start, self._start = self._start, b""
        return start + self._context.compress(chunk) + self._context.flush(zstandard.COMPRESSOBJ_FLUSH_BLOCK)

    def finish(self, last: bytes = b"") -> bytes:
        """The `last` chunk, and the end."""
        start, self._start = self._start, b""
        return start + self._context.compress(last) + self._context.flush()


class BodyDecoder:
    """One body's decoder. Raises CorruptEvents and nothing else."""

    __slots__ = ("_context", "_left", "_owner")

    def __init__(self, limit_bytes: int = LIMIT_BYTES) -> None:
        """`limit_bytes`: of the whole body."""
        self._owner: zstandard.ZstdDecompressor | None = None
        self._context: zstandard.ZstdDecompressionObj | None = None
        self._left = limit_bytes

    def decode(self, data: bytes) -> bytes:
        """What `data`, cut anywhere, restores."""
        if self._context is None:
            if not data:
                return b""
            self._context = self._begin(data[0])
            data = data[1:]
        out = []
        for at in range(0, len(data), _PIECE_BYTES):
            out.append(self._piece(self._context, data[at : at + _PIECE_BYTES]))
        return b"".join(out)

    def finish(self) -> None:
        """The body ended. Raises CorruptEvents if it wasn't whole."""
        if self._context is None or not self._context.eof:
            raise CorruptEvents("the body was cut")

    def _begin(self, number: int) -> zstandard.ZstdDecompressionObj:
        try:
            which = Dictionary(number)
        except ValueError:
            raise CorruptEvents(f"dictionary {number} is unknown") from None
        self._owner = zstandard.ZstdDecompressor(
            dict_data=bodies(which), max_window_size=1 << _WINDOW_LOG, format=zstandard.FORMAT_ZSTD1_MAGICLESS
        )
        return self._owner.decompressobj()

    def _piece(self, context: zstandard.ZstdDecompressionObj, piece: bytes) -> bytes:
        if context.eof:
            raise CorruptEvents("bytes after the body")
        try:
            restored = context.decompress(piece)
        except zstandard.ZstdError as error:
            raise CorruptEvents(f"not zstd: {error}") from error
        self._left -= len(restored)
        if self._left < 0:
            raise CorruptEvents("a body longer than is allowed")
        if context.unused_data:
            raise CorruptEvents("bytes after the body")
        return restored
