"""Randomness without state: the n-th draw of a named stream is a function of (seed, name, n).

Nothing here remembers how many draws were made. The fate of packet n therefore doesn't depend on which other features
are switched on, and the state of a burst or of the jitter at a moment of lab time doesn't depend on the traffic at all.
The mixing function is SplitMix64 (Steele, Lea, Flood: "Fast Splittable Pseudorandom Number Generators", OOPSLA 2014).
"""

from hashlib import blake2b
from math import log
from statistics import NormalDist

_MASK = (1 << 64) - 1
_GOLDEN = 0x9E3779B97F4A7C15
_TO_UNIT = 2.0**-53
_NORMAL = NormalDist()

# Pareto with shape 3 (the shape of tc's distribution table), shifted and scaled to mean 0 and standard deviation 1.
_PARETO_SHAPE = 3.0
_PARETO_MEAN = 1.5
_PARETO_SIGMA = 0.75**0.5


def stream_key(seed: int, *names: object) -> int:
    """The 64-bit key of the stream called `names` under `seed`."""
    text = repr((seed, *names)).encode()
    return int.from_bytes(blake2b(text, digest_size=8).digest(), "big")


def word(key: int, n: int) -> int:
    """The n-th 64-bit word of a stream."""
    z = (key + n * _GOLDEN) & _MASK
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return z ^ (z >> 31)


def uniform(key: int, n: int) -> float:
    """The n-th number of a stream, evenly spread over (0, 1): neither end is ever returned."""
    z = (key + n * _GOLDEN) & _MASK  # `word` once more: this is called for every packet, and a call costs as much
    z = ((z ^ (z >> 30)) * 0xBF58476D1CE4E5B9) & _MASK
    z = ((z ^ (z >> 27)) * 0x94D049BB133111EB) & _MASK
    return (((z ^ (z >> 31)) >> 11) + 0.5) * _TO_UNIT


def exponential(key: int, n: int, mean: float) -> float:
    """The n-th number of a stream, exponentially distributed."""
    return -mean * log(uniform(key, n))


def normal_quantile(u: float) -> float:
    """Inverse of the standard normal distribution function, 0 < u < 1."""
    return _NORMAL.inv_cdf(u)


def normal_cdf(z: float) -> float:
    """The standard normal distribution function, kept inside (0, 1) so that a quantile of it exists."""
    return min(max(_NORMAL.cdf(z), 1e-15), 1.0 - 1e-15)


def pareto_quantile(u: float) -> float:
    """Inverse of a Pareto-like distribution of mean 0 and standard deviation 1: a floor, and a long tail above it."""
    return float(((1.0 - u) ** (-1.0 / _PARETO_SHAPE) - _PARETO_MEAN) / _PARETO_SIGMA)
