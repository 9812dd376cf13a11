"""How much earlier or later than the mean delay: independent per packet, or a smooth function of time."""

from collections.abc import Callable
from math import sqrt

from netem.link.chance import normal_cdf, normal_quantile, pareto_quantile, stream_key, uniform
from netem.link.conditions import Conditions, Shape

Jitter = Callable[[int, float], float]
"""(packet number, now) → seconds to add to the delay; mean 0, may be negative."""


class Wave:
    """A standard normal value that moves smoothly with time: independent knots every `spacing` s, blended between.

    The blend is divided by its own standard deviation, so the spread is 1 at every moment, not only at the knots.
    """

    __slots__ = ("_key", "_knot", "_left", "_right", "_spacing")

    def __init__(self, spacing: float, key: int) -> None:
        self._spacing = spacing
        self._key = key
        self._knot = -1
        self._left = self._right = 0.0

    def at(self, now: float) -> float:
        """The value at `now` ≥ 0."""
        position = now / self._spacing
        knot = int(position)
        if knot != self._knot:
            self._knot = knot
            self._left = normal_quantile(uniform(self._key, knot))
            self._right = normal_quantile(uniform(self._key, knot + 1))
        part = position - knot
        rest = 1.0 - part
        return (rest * self._left + part * self._right) / sqrt(rest * rest + part * part)


def jitter(conditions: Conditions, seed: int, name: str) -> Jitter | None:
    """The jitter of `conditions` for the lane `name`, or None where the delay is constant."""
    if not conditions.jitter_ms:
        return None
    sigma = conditions.jitter_ms / 1000.0
    key = stream_key(seed, name, "jitter")
    if conditions.jitter_corr_ms:
        return _smooth(sigma, conditions.jitter_shape, Wave(conditions.jitter_corr_ms / 1000.0, key))
    quantile = normal_quantile if conditions.jitter_shape == "normal" else pareto_quantile
    return lambda n, now: sigma * quantile(uniform(key, n))


def _smooth(sigma: float, shape: Shape, wave: Wave) -> Jitter:
    if shape == "normal":
        return lambda n, now: sigma * wave.at(now)
    return lambda n, now: sigma * pareto_quantile(normal_cdf(wave.at(now)))
