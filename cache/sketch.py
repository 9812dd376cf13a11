"""How often was something asked for lately? A count–min sketch whose counts fade.

Four rows of one-byte counters that stop at 15 (Cormode and Muthukrishnan 2005; the reset is TinyLFU's: Einziger,
Friedman and Manes, ACM TOS 2017): after ten times as many records as there are counters in a row, all counts are
halved. The digests counted are SHA-256 already, so their own bytes are the hashes.
"""

from __future__ import annotations

from struct import Struct as Layout

_FULL = 15
_HALVES = bytes(count >> 1 for count in range(256))
_WORDS = Layout(">4I")


class Sketch:
    """For about `capacity` distinct digests (at least 16 bytes each); memory is 4 to 8 bytes per one."""

    __slots__ = ("_mask", "_recorded", "_rows")

    def __init__(self, capacity: int) -> None:
        width = 1 << max(6, (max(1, capacity) - 1).bit_length())
        self._mask = width - 1
        self._rows = [bytearray(width) for _ in range(4)]
        self._recorded = 0

    def record(self, digest: bytes) -> None:
        """One more request for it. Only the smallest of its counters grow (conservative update)."""
        mask = self._mask
        places = [word & mask for word in _WORDS.unpack_from(digest)]
        counts = [row[place] for row, place in zip(self._rows, places, strict=True)]
        least = min(counts)
        if least < _FULL:
            for row, place, count in zip(self._rows, places, counts, strict=True):
                if count == least:
                    row[place] = count + 1
        self._recorded += 1
        if self._recorded > 10 * (mask + 1):
            self._halve()

    def estimate(self, digest: bytes) -> int:
        """0 to 15; never less than what was recorded since it was last halved (up to 15)."""
        mask = self._mask
        words: tuple[int, ...] = _WORDS.unpack_from(digest)
        return min(row[word & mask] for row, word in zip(self._rows, words, strict=True))

    def _halve(self) -> None:
        self._rows = [row.translate(_HALVES) for row in self._rows]
        self._recorded //= 2
