"""Chunked transfer coding (RFC 9112 §7.1), both ways, as pure functions over bytes.

ChunkedReader.feed(data) -> payload pieces; `done` and `rest` when the last chunk and its trailers have gone by
"""

from __future__ import annotations

import re
from enum import Enum

from transport.message import Headers

LAST_CHUNK = b"0\r\n\r\n"
MAX_LINE_BYTES = 4096
"""Longest chunk-size line with its extensions: they carry nothing we use, so a long one is an attack."""

MAX_TRAILER_BYTES = 16 * 1024

_SIZE = re.compile(rb"([0-9A-Fa-f]{1,15})[ \t]*(?:;[\t\x20-\x7e\x80-\xff]*)?")
_TRAILER = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+:[\t\x20-\x7e\x80-\xff]*")


class BadChunk(Exception):
    """The framing is broken: where the body ends can't be known."""


class _At(Enum):
    SIZE = 1
    DATA = 2
    DATA_END = 3
    TRAILER = 4


class ChunkedReader:
    """Takes a chunked body apart. Strict: CRLF only, hexadecimal sizes only; extensions and trailers are dropped."""

    __slots__ = ("_at", "_left", "_pending", "_trailer_bytes", "done", "rest")

    def __init__(self) -> None:
        self._at = _At.SIZE
        self._left = 0
        self._pending = b""
        self._trailer_bytes = 0
        self.done = False
        self.rest = b""  # what follows the body, once `done`

    def feed(self, data: bytes) -> list[bytes]:
        """The payload in `data`.

        Raises:
            BadChunk: the framing is broken; the reader must not be used any more.
        """
        out: list[bytes] = []
        if self._pending:
            data = self._pending + data
            self._pending = b""
        at = 0
        while True:
            if self._at is _At.DATA:
                piece = data[at : at + self._left]
                if piece:
                    out.append(piece)
                    at += len(piece)
                    self._left -= len(piece)
                if self._left:
                    return out
                self._at = _At.DATA_END
            end = data.find(b"\r\n", at)
            if end < 0:
                self._pending = data[at:]
                self._check_partial()
                return out
            if self._line(data[at:end]):
                self.done = True
                self.rest = data[end + 2 :]
                return out
            at = end + 2

    def _check_partial(self) -> None:
        if self._at is _At.DATA_END and self._pending not in (b"", b"\r"):
            raise BadChunk("a chunk is longer than its size")
        if b"\n" in self._pending:
            raise BadChunk("a line ends without CR")
        if len(self._pending) > MAX_LINE_BYTES:
            raise BadChunk("a line is too long")

    def _line(self, line: bytes) -> bool:
        """One line between chunks; True for the empty line that ends the body."""
        if self._at is _At.DATA_END:
            if line:
                raise BadChunk("a chunk is longer than its size")
            self._at = _At.SIZE
        elif self._at is _At.SIZE:
            size = _SIZE.fullmatch(line) if len(line) <= MAX_LINE_BYTES else None
            if size is None:
                raise BadChunk("malformed chunk size")
            self._left = int(size[1], 16)
            self._at = _At.DATA if self._left else _At.TRAILER
        elif not line:
            return True
        else:
            self._trailer_bytes += len(line)
            if self._trailer_bytes > MAX_TRAILER_BYTES or _TRAILER.fullmatch(line) is None:
                raise BadChunk("malformed or too long trailer section")
        return False


def last_chunk(trailers: Headers | None) -> bytes:
    """The end of a chunked body."""
    if not trailers:
        return LAST_CHUNK
    return b"0\r\n%b\r\n" % b"".join(b"%b: %b\r\n" % pair for pair in trailers)
