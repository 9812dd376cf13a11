"""Embeddings as bytes, and how near they are: float16, little-endian, of length 1, so that a product is a cosine.

Half the size of float32; a cosine is off by less than 0.001.
"""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Callable, Sequence
from functools import lru_cache
from math import sqrt
from operator import mul
from struct import Struct as Layout

Score = Callable[[bytes, Sequence[bytes]], Sequence[float]]

_LEXICAL_PLACES = 384


class NotAVector(ValueError):
    """Zero, endless, or no numbers at all."""


@lru_cache(16)
def _layout(places: int) -> Layout:
    return Layout(f"<{places}e")


def packed(numbers: Sequence[float]) -> bytes:
    """Of length 1. Raises NotAVector."""
    length = sqrt(sum(map(mul, numbers, numbers)))
    if not 0 < length < 1e30:
        raise NotAVector("a vector without direction")
    return _layout(len(numbers)).pack(*(number / length for number in numbers))


def cosines(one: bytes, others: Sequence[bytes]) -> list[float]:
    """Of `one` with each; of another length it is 0."""
    layout = _layout(len(one) // 2)
    mine = layout.unpack(one)
    return [sum(map(mul, mine, layout.unpack(other))) if len(other) == len(one) else 0.0 for other in others]


def lexical(text: str) -> bytes:
    """What needs no model: which characters and pairs of them a text is made of, each hashed to a place.

    It knows nothing of meaning: "refund" and "money back" are strangers to it.
    """
    counts: Counter[str] = Counter()
    for size in (1, 2):
        counts.update(text[at : at + size] for at in range(len(text) - size + 1))
    numbers = [0.0] * _LEXICAL_PLACES
    for gram, count in counts.items():
        place = int.from_bytes(hashlib.blake2b(gram.encode("utf-8", "surrogatepass"), digest_size=8).digest(), "big")
        numbers[place % _LEXICAL_PLACES] += sqrt(count) * (1 if place >> 63 else -1)
    return packed(numbers)
