"""A distribution of times in little room: counts in bins that grow by two per cent."""

from math import log, sqrt

FIRST = 0.0005
"""Upper bound of the first bin, in seconds."""
_GROWTH = 1.02
_SCALE = 1.0 / log(_GROWTH)


class Spread:
    """Times in seconds; percentiles are true to one per cent (below half a millisecond: to that)."""

    __slots__ = ("_bins", "count")

    def __init__(self) -> None:
        self._bins: dict[int, int] = {}
        self.count = 0

    def add(self, seconds: float) -> None:
        """One more."""
        number = 0 if seconds <= FIRST else 1 + int(log(seconds / FIRST) * _SCALE)
        self._bins[number] = self._bins.get(number, 0) + 1
        self.count += 1

    def take_in(self, other: "Spread") -> None:
        """All that `other` has."""
        for number, times in other._bins.items():
            self._bins[number] = self._bins.get(number, 0) + times
        self.count += other.count

    def quantile(self, ratio: float) -> float | None:
        """The smallest time that `ratio` of all do not exceed, in seconds; None if there is nothing."""
        wanted = max(1.0, ratio * self.count)
        seen = 0
        for number in sorted(self._bins):
            seen += self._bins[number]
            if seen >= wanted:
                return FIRST * _GROWTH ** (number - 1) * sqrt(_GROWTH) if number else FIRST
        return None
