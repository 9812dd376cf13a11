"""Raw deflate (RFC 1951) with a small window, flushed per record, and its context made only when it is needed.

A compressing context takes about 30 KiB, one that restores about 12: streams whose templates carry them drop theirs.
"""

from __future__ import annotations

import zlib

from transport.session.events.records import MAX_RECORD_BYTES, CorruptEvents

WINDOW_BITS = 12
_MEMORY_LEVEL = 4
_LEVEL = 6
_DICTIONARY_BYTES = (1 << WINDOW_BITS) - 262
"""The window less deflate's look-ahead: more of a dictionary could not be reached."""
_FLUSHED = b"\x00\x00\xff\xff"
"""What every sync flush ends with; left out on the way."""
_MIN_BYTES = 8
_REST_BYTES = 4096
_MAX_REST_BYTES = 1024 * 1024


class Rest:
    """Whether deflate is worth a try for one kind of data: after failing twice in a row, only ever more seldom."""

    __slots__ = ("_bytes", "_fails", "_left")

    def __init__(self) -> None:
        self._bytes = _REST_BYTES
        self._fails = 0
        self._left = 0

    def is_over(self, size: int) -> bool:
        """May `size` bytes be tried?"""
        if self._left <= 0:
            return True
        self._left -= size
        return False

    def judge(self, succeeded: bool) -> None:
        if succeeded:
            self._fails, self._bytes = 0, _REST_BYTES
            return
        self._fails += 1
        if self._fails > 1:
            self._left = self._bytes
            self._bytes = min(2 * self._bytes, _MAX_REST_BYTES)


class Squeezer:
    """The compressing end. Measures itself, by a `Rest` for each kind of data."""

    __slots__ = ("_context",)

    def __init__(self) -> None:
        self._context: zlib._Compress | None = None

    @property
    def is_open(self) -> bool:
        return self._context is not None

    def drop(self) -> None:
        """Frees the context; the peer must be told to drop its own."""
        self._context = None

    def squeeze(self, data: bytes, begins: bytes, rest: Rest) -> bytes | None:
        """Shorter bytes, or None. `begins`: dictionary of a new context. After None the context may be dropped."""
        if len(data) < _MIN_BYTES or not rest.is_over(len(data)):
            return None
        context = self._context
        if context is None:
            context = self._context = zlib.compressobj(
                _LEVEL, zlib.DEFLATED, -WINDOW_BITS, _MEMORY_LEVEL, zdict=begins[-_DICTIONARY_BYTES:]
            )
        squeezed = context.compress(data) + context.flush(zlib.Z_SYNC_FLUSH)
        is_shorter = len(squeezed) - len(_FLUSHED) < len(data)
        rest.judge(is_shorter)
        if is_shorter:
            return squeezed[: -len(_FLUSHED)]
        self._context = None  # it holds what the peer's doesn't
        return None


class Unsqueezer:
    """The restoring end."""

    __slots__ = ("_context",)

    def __init__(self) -> None:
        self._context: zlib._Decompress | None = None

    @property
    def is_open(self) -> bool:
        return self._context is not None

    def drop(self) -> None:
        self._context = None

    def restore(self, squeezed: bytes, begins: bytes) -> bytes:
        """At most `MAX_RECORD_BYTES`. Raises CorruptEvents if it would be more, or isn't one flushed deflate record."""
        context = self._context
        if context is None:
            context = self._context = zlib.decompressobj(-WINDOW_BITS, zdict=begins[-_DICTIONARY_BYTES:])
        try:
            data = context.decompress(squeezed + _FLUSHED, MAX_RECORD_BYTES + 1)
        except zlib.error as error:
            raise CorruptEvents(f"not deflate: {error}") from error
        if len(data) > MAX_RECORD_BYTES or context.unconsumed_tail or context.eof:
            raise CorruptEvents("a deflated record that is too long or ends the stream")
        return data
