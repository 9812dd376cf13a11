"""Quantiles that can be added up: a histogram of geometric buckets as a plain dict, bucket → count.

Any two sketches add up to that of all samples together, so that seconds make minutes without loss (Masson, Rim, Lee:
DDSketch, VLDB 2019). A bucket spans 2 %, so a quantile is right within 1 %.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import exp, log

Sketch = dict[int, int]

_LOG_WIDTH = log(1.02)
SMALLEST = 1e-5  # seconds; what is shorter counts as this


def bucket_of(seconds: float) -> int:
    """Where a sample counts."""
    return int(log(seconds / SMALLEST) / _LOG_WIDTH) if seconds > SMALLEST else 0


def add(sketch: Sketch, seconds: float) -> None:
    """One more sample."""
    bucket = bucket_of(seconds)
    sketch[bucket] = sketch.get(bucket, 0) + 1


def join(sketch: Sketch, other: Mapping[int, int]) -> None:
    """All samples of `other` as well."""
    for bucket, count in other.items():
        sketch[bucket] = sketch.get(bucket, 0) + count


def quantiles(sketch: Mapping[int, int], shares: Sequence[float]) -> list[float] | None:
    """For each of the ascending `shares` (0 to 1) the value in seconds below which so many samples lie; None without
    any."""
    if not sketch:
        return None
    total, seen, found = sum(sketch.values()), 0, list[float]()
    buckets = iter(sorted(sketch))
    bucket = next(buckets)
    for share in shares:
        while seen + sketch[bucket] < share * total:
            seen += sketch[bucket]
            bucket = next(buckets)
        found.append(SMALLEST * exp((bucket + 0.5) * _LOG_WIDTH))
    return found
