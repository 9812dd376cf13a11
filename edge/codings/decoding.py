"""Request bodies that come compressed: taken apart piece by piece, with bounds against bombs.

Bounds: `[limits] body_bytes` holds for what comes out, and what comes out may be a hundred times what came in, beyond
the first MiB. (JSON of real prompts is 2 to 20 times its compressed size; a bomb is a thousand times and more.)
"""

from __future__ import annotations

from edge.dialects.inflate import CannotInflate, Inflater, inflater
from edge.serve.client import BadBody, BodyTooLarge

LARGEST_RATIO = 100
FREE_BYTES = 1 << 20
"""So much may come out of however little."""


class BodyDecoder:
    """One request body of a content coding. Both methods raise BadBody or BodyTooLarge; then it is of no use."""

    __slots__ = ("_in_bytes", "_inflater", "_largest", "_out_bytes")

    def __init__(self, inflater: Inflater, largest_bytes: int) -> None:
        self._inflater = inflater
        self._largest = largest_bytes
        self._in_bytes = self._out_bytes = 0

    def feed(self, data: bytes) -> bytes:
        """What `data` holds."""
        self._in_bytes += len(data)
        allowed = min(self._largest, max(FREE_BYTES, self._in_bytes * LARGEST_RATIO))
        found = []
        try:
            for piece in self._inflater.inflate(data):
                self._out_bytes += len(piece)
                if self._out_bytes > allowed:
                    raise BodyTooLarge("the body is too large once it is decompressed")
                found.append(piece)
        except CannotInflate:
            raise BadBody("the body isn't what its content-encoding says") from None
        return b"".join(found)

    def end(self) -> None:
        """The body has come whole."""
        if self._in_bytes and not self._inflater.has_ended():
            raise BadBody("the compressed body is cut, or goes on after its end")


def body_decoder(coding: bytes, largest_bytes: int) -> BodyDecoder | None:
    """None: not a coding that is understood here."""
    found = inflater(coding.strip().lower())
    return None if found is None else BodyDecoder(found, largest_bytes)
