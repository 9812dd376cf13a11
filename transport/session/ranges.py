"""Sets of whole numbers kept as intervals: which bytes of a stream are there, lost or known."""

from __future__ import annotations

from bisect import bisect_left, bisect_right
from collections.abc import Iterator


class Ranges:
    """Half-open intervals [start, end), disjoint, not touching, in rising order. `starts` is to look at: where they
    begin."""

    __slots__ = ("_ends", "starts")

    def __init__(self) -> None:
        self.starts: list[int] = []
        self._ends: list[int] = []

    def __iter__(self) -> Iterator[tuple[int, int]]:
        return zip(self.starts, self._ends, strict=True)

    def __len__(self) -> int:
        """How many intervals."""
        return len(self.starts)

    def __contains__(self, number: int) -> bool:
        at = bisect_right(self.starts, number) - 1
        return at >= 0 and number < self._ends[at]

    def add(self, start: int, end: int) -> None:
        """All numbers from `start` up to `end`; those that are in already don't matter."""
        if start >= end:
            return
        first = bisect_left(self._ends, start)
        last = bisect_right(self.starts, end)
        if first < last:
            start = min(start, self.starts[first])
            end = max(end, self._ends[last - 1])
        self.starts[first:last] = [start]
        self._ends[first:last] = [end]

    def remove(self, start: int, end: int) -> None:
        """None of the numbers from `start` up to `end` any more."""
        if start >= end or not self.starts:
            return
        first = bisect_right(self._ends, start)
        last = bisect_left(self.starts, end)
        if first >= last:
            return
        left, right = self.starts[first], self._ends[last - 1]
        kept = [piece for piece in ((left, start), (end, right)) if piece[0] < piece[1]]
        self.starts[first:last] = [piece[0] for piece in kept]
        self._ends[first:last] = [piece[1] for piece in kept]

    def first(self) -> tuple[int, int]:
        """The lowest interval. Raises IndexError if there is none."""
        return self.starts[0], self._ends[0]
