"""Round trips of one kind between two ends: what to expect now, and how they were spread lately."""

from __future__ import annotations

from collections import deque
from itertools import islice
from math import exp

from health.view import RttFigures

KEPT = 100  # samples
LATEST = 10  # of them make the median: what the line does now
MEMORY = 300.0  # seconds; what is older says nothing about now


class PeakEwma:
    """Jumps to every higher sample at once, comes down over the time constant `tau` (seconds).

    Being late in seeing a line get worse costs requests, being late in seeing it recover costs only a better choice.
    """

    __slots__ = ("_at", "_tau", "value")

    def __init__(self, tau: float = 10.0) -> None:
        self._tau = tau
        self._at = 0.0
        self.value = 0.0

    def add(self, sample: float, now: float) -> None:
        if sample >= self.value:
            self.value = sample
        else:
            kept = exp(min(0.0, self._at - now) / self._tau)
            self.value = self.value * kept + sample * (1.0 - kept)
        self._at = now


class RoundTrips:
    """A bounded window of samples with their estimate and jitter. Seconds; `now` must not go back."""

    __slots__ = ("_ewma", "_jitter", "_last", "_samples")

    def __init__(self) -> None:
        self._samples: deque[tuple[float, float]] = deque(maxlen=KEPT)  # (when, round trip)
        self._ewma = PeakEwma()
        self._jitter = 0.0
        self._last: float | None = None

    def add(self, seconds: float, now: float) -> None:
        """One round trip. Jitter as RFC 3550 §6.4.1 has it, of round trips instead of transit times."""
        if self._last is not None:
            self._jitter += (abs(seconds - self._last) - self._jitter) / 16.0
        self._last = seconds
        self._keep(seconds, now)

    def add_smoothed(self, seconds: float, variation: float, now: float) -> None:
        """A smoothed round trip with its mean deviation (RFC 6298), as kernels and QUIC keep them. What was smoothed
        jitters no more, so the deviation stands for the jitter."""
        self._jitter += (variation - self._jitter) / 4.0 if self._last is not None else variation
        self._last = seconds
        self._keep(seconds, now)

    def _keep(self, seconds: float, now: float) -> None:
        self._samples.append((now, seconds))
        self._ewma.add(seconds, now)

    def is_plentiful(self, number: int, seconds: float, now: float) -> bool:
        """Were there at least `number` samples in the last `seconds`?"""
        samples = self._samples
        return len(samples) >= number and samples[-number][0] >= now - seconds

    @property
    def newest_at(self) -> float:
        """When the last sample came; -inf: never."""
        return self._samples[-1][0] if self._samples else float("-inf")

    @property
    def samples(self) -> int:
        return len(self._samples)

    @property
    def median(self) -> float | None:
        """Of the last 10 samples, whatever their age."""
        latest = sorted(value for _, value in islice(reversed(self._samples), LATEST))
        return latest[len(latest) // 2] if latest else None

    @property
    def jitter(self) -> float:
        return self._jitter

    def figures(self, now: float) -> RttFigures | None:
        """None: no sample in five minutes. Minimum and p95 of the last 100 samples, the median of the last 10."""
        kept = [value for at, value in self._samples if at > now - MEMORY]
        if not kept:
            return None
        latest = sorted(kept[-LATEST:])
        ordered = sorted(kept)
        return RttFigures(
            estimate=self._ewma.value,
            minimum=ordered[0],
            median=latest[len(latest) // 2],
            p95=ordered[int(0.95 * (len(ordered) - 1) + 0.5)],
            jitter=self._jitter,
            samples=len(ordered),
            at=self._samples[-1][0],
        )
