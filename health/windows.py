"""Counts over the last seconds, and rates: fixed memory, whatever comes."""

from __future__ import annotations

from collections import deque
from math import exp


class RatioWindow:
    """How many of the things counted in the last `span` seconds were bad, in buckets of `width` seconds."""

    __slots__ = ("_buckets", "_width")

    def __init__(self, span: float = 300.0, width: float = 2.0) -> None:
        self._width = width
        self._buckets: deque[list[int]] = deque(maxlen=int(span / width) + 1)  # [number, all, bad], oldest first

    def add(self, now: float, all_: int = 1, bad: int = 0) -> None:
        """Counts `all_` things of which `bad` were bad. Numbers below 0 take back what was counted too early."""
        number = int(now / self._width)
        if self._buckets and self._buckets[-1][0] >= number:
            bucket = self._buckets[-1]
        else:
            bucket = [number, 0, 0]
            self._buckets.append(bucket)
        bucket[1] += all_
        bucket[2] += bad

    def totals(self, seconds: float, now: float) -> tuple[int, int]:
        """(all, bad) of the last `seconds`, exact to a bucket."""
        oldest = int((now - seconds) / self._width)
        everything = bad = 0
        for number, count, wrong in reversed(self._buckets):
            if number <= oldest:
                break
            everything += count
            bad += wrong
        return everything, max(0, bad)

    def ratio(self, seconds: float, now: float) -> float | None:
        """The bad share of the last `seconds`; None without anything counted."""
        everything, bad = self.totals(seconds, now)
        return min(1.0, bad / everything) if everything > 0 else None

    def clear(self) -> None:
        """Forgets everything: what comes now is judged by itself."""
        self._buckets.clear()


class Rate:
    """Things per second, as an average whose weight fades with the time constant `tau` (seconds)."""

    __slots__ = ("_at", "_rate", "_tau")

    def __init__(self, tau: float = 10.0) -> None:
        self._tau = tau
        self._rate = 0.0
        self._at = 0.0

    def add(self, amount: float, now: float) -> None:
        self._rate = self.per_second(now) + amount / self._tau
        self._at = max(now, self._at)

    def per_second(self, now: float) -> float:
        return self._rate * exp(min(0.0, self._at - now) / self._tau)
