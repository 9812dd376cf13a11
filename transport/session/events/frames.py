"""One zstd frame (RFC 8878), restored piece by piece and never far beyond a limit."""

from __future__ import annotations

import zstandard

from transport.session.events.records import CorruptEvents

WINDOW_LOG = 17
LEVEL = 3
_PIECE_BYTES = 256
"""Fed at once: restores at most 8 MiB (each 4 bytes a block of 128 KiB), so a limit is overrun by no more than that."""


def parameters(*, checksum: bool) -> zstandard.ZstdCompressionParameters:
    """Frames without magic number, sizes and dictionary id: what holds them tells as much. Tables of about 0.3 MiB."""
    return zstandard.ZstdCompressionParameters.from_level(
        LEVEL,
        window_log=WINDOW_LOG,
        hash_log=14,
        chain_log=14,
        format=zstandard.FORMAT_ZSTD1_MAGICLESS,
        write_content_size=False,
        write_checksum=checksum,
        write_dict_id=False,
    )


def decompressor(words: zstandard.ZstdCompressionDict | None) -> zstandard.ZstdDecompressor:
    return zstandard.ZstdDecompressor(
        dict_data=words, max_window_size=1 << WINDOW_LOG, format=zstandard.FORMAT_ZSTD1_MAGICLESS
    )


class FrameReader:
    """Reads one frame. No other may be begun with the same `owner` before it ends: they share a context."""

    __slots__ = ("_frame", "_left", "_owner")

    def __init__(self, owner: zstandard.ZstdDecompressor, limit_bytes: int) -> None:
        self._owner = owner
        self._frame = owner.decompressobj()
        self._left = limit_bytes

    @property
    def is_whole(self) -> bool:
        return self._frame.eof

    def feed(self, data: bytes) -> bytes:
        """What `data`, cut anywhere, restores. Raises CorruptEvents: no zstd, bytes after the frame, over the limit."""
        return b"".join([self._piece(data[at : at + _PIECE_BYTES]) for at in range(0, len(data), _PIECE_BYTES)])

    def _piece(self, piece: bytes) -> bytes:
        if self._frame.eof:
            raise CorruptEvents("bytes after the frame")
        try:
            restored = self._frame.decompress(piece)
        except zstandard.ZstdError as error:
            raise CorruptEvents(f"not zstd: {error}") from error
        self._left -= len(restored)
        if self._left < 0:
            raise CorruptEvents("longer than is allowed")
        if self._frame.unused_data:
            raise CorruptEvents("bytes after the frame")
        return restored
