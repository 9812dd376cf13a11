"""Quantiles of a stream of durations, with old samples fading: a histogram of geometric buckets whose newest counts
weigh most.

Instead of shrinking all counts as time goes by, new samples weigh more (forward decay: Cormode et al., ICDE 2009).
A bucket spans 5 %, so a quantile is right within 2.5 %.
"""

from __future__ import annotations

from bisect import bisect_left
from itertools import accumulate
from math import exp, log

_LOG_WIDTH = log(1.05)
_SMALLEST = 1e-5  # seconds; what is shorter counts as this
_HEAVIEST = 1e12  # of a single sample; then all weights are scaled down


class Quantiles:
    """`half_life` seconds after it came, a sample counts half. `now` must not go back."""

    __slots__ = ("_buckets", "_decay", "_origin", "_total")

    def __init__(self, half_life: float, now: float) -> None:
        self._decay = log(2.0) / half_life
        self._origin = now
        self._buckets: dict[int, float] = {}
        self._total = 0.0

    def add(self, value: float, now: float) -> None:
        """One sample, in seconds."""
        weight = self._weight(now)
        if weight > _HEAVIEST:
            self._rescale(weight, now)
            weight = 1.0
        bucket = int(log(max(value, _SMALLEST) / _SMALLEST) / _LOG_WIDTH)
        self._buckets[bucket] = self._buckets.get(bucket, 0.0) + weight
        self._total += weight

    def count(self, now: float) -> float:
        """How many samples' worth of evidence there is at `now`."""
        return self._total / self._weight(now)

    def quantile(self, q: float, now: float) -> float | None:
        """The value below which a share `q` (0 to 1) of the samples lies; None without any."""
        if self.count(now) < 1e-3:
            return None
        buckets = sorted(self._buckets)
        seen = list(accumulate(self._buckets[bucket] for bucket in buckets))
        bucket = buckets[min(bisect_left(seen, q * self._total), len(buckets) - 1)]
        return _SMALLEST * exp((bucket + 0.5) * _LOG_WIDTH)

    def _weight(self, now: float) -> float:
        return exp(min(700.0, (now - self._origin) * self._decay))

    def _rescale(self, weight: float, now: float) -> None:
        """Moves the origin to `now`; what has faded to nothing is dropped."""
        kept = {bucket: count / weight for bucket, count in self._buckets.items() if count / weight > 1e-9}
        self._buckets, self._total, self._origin = kept, sum(kept.values()), now
