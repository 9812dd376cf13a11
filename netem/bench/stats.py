"""Quantiles with bootstrap intervals, and paired ratios of them.

The unit that is drawn again is the request, not the token: tokens of one reply share its luck (a clustered bootstrap,
Davison & Hinkley 1997, §3.8), and intervals over single tokens would be far too narrow. In a ratio of two systems the
same requests are drawn for both, so what the shared line did to both cancels.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from math import ceil, inf, nan
from random import Random

RESAMPLES = 300
COVERAGE = 0.95

Clusters = Sequence[Sequence[float]]
"""The values of each request."""
Rounds = Sequence[Clusters]
Interval = tuple[float, float]


class Pool:
    """All values of one round, sorted once; `quantile(part, weights)` counts request i `weights[i]` times."""

    __slots__ = ("_items", "_sizes")

    def __init__(self, clusters: Clusters) -> None:
        self._items = sorted((value, index) for index, values in enumerate(clusters) for value in values)
        self._sizes = [len(values) for values in clusters]

    def quantile(self, part: float, weights: Sequence[int]) -> float:
        """The smallest value that at least `part` of all don't exceed; nan if there are none."""
        total = sum(size * weight for size, weight in zip(self._sizes, weights, strict=True))
        if not total:
            return nan
        above = total - max(1, ceil(part * total - 1e-9))  # how many may be larger: high quantiles are near the end
        return next(value for value, index in reversed(self._items) if (above := above - weights[index]) < 0)


def quantile(values: Sequence[float], part: float) -> float:
    """As `Pool.quantile`, of plain values."""
    return Pool([values]).quantile(part, [1])


def median(values: Sequence[float]) -> float:
    """The middle one, or the mean of the two; nan if there are none."""
    ordered = sorted(values)
    middle = len(ordered) // 2
    if not ordered:
        return nan
    return ordered[middle] if len(ordered) % 2 else (ordered[middle - 1] + ordered[middle]) / 2


def quantile_of_rounds(rounds: Rounds, part: float, seed: int, resamples: int = RESAMPLES) -> tuple[float, Interval]:
    """The median over the rounds of each round's quantile, and its interval."""
    pools = [Pool(clusters) for clusters in rounds]
    return _with_interval(rounds, lambda draw: median(_quantiles(pools, part, draw)), seed, resamples)


def ratio_of_rounds(
    ours: Rounds, theirs: Rounds, part: float, seed: int, resamples: int = RESAMPLES
) -> tuple[float, Interval]:
    """The median over the rounds of ours / theirs; both must have the same requests in the same order."""
    pools = [(Pool(mine), Pool(other)) for mine, other in zip(ours, theirs, strict=True)]

    def statistic(draw: Sequence[Sequence[int]]) -> float:
        mine = _quantiles([pair[0] for pair in pools], part, draw)
        others = _quantiles([pair[1] for pair in pools], part, draw)
        return median([_ratio(one, other) for one, other in zip(mine, others, strict=True)])

    return _with_interval(ours, statistic, seed, resamples)


def _quantiles(pools: Sequence[Pool], part: float, draw: Sequence[Sequence[int]]) -> list[float]:
    return [pool.quantile(part, weights) for pool, weights in zip(pools, draw, strict=True)]


def _ratio(one: float, other: float) -> float:
    return one / other if other else inf


def _with_interval(
    rounds: Rounds, statistic: Callable[[Sequence[Sequence[int]]], float], seed: int, resamples: int
) -> tuple[float, Interval]:
    sizes = [len(clusters) for clusters in rounds]
    value = statistic([[1] * size for size in sizes])
    chance = Random(seed)
    found = sorted(statistic([_draw(size, chance) for size in sizes]) for _ in range(resamples))
    cut = int(len(found) * (1.0 - COVERAGE) / 2)
    return value, ((found[cut], found[-1 - cut]) if found else (value, value))


def _draw(size: int, chance: Random) -> list[int]:
    weights = [0] * size
    for index in chance.choices(range(size), k=size) if size else ():
        weights[index] += 1
    return weights
