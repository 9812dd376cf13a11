"""Do two lines lose packets at the same moments? Then they share a fate, and carrying everything twice helps little.

Time is cut into windows. A window of a line is bad when something was lost in it; of two lines their windows make a
2 × 2 table, whose phi coefficient (Yule, 1912) is 0 for independent lines and 1 for lines that are bad together always
and only then. Old windows fade: after five minutes they count half.
"""

from __future__ import annotations

from collections.abc import Mapping
from itertools import combinations
from math import sqrt

HALF_LIFE = 300  # windows
LEAST = 5.0  # windows of each kind, on either line, before a correlation means anything

Pair = tuple[str, str]


class LossCorrelation:
    """Of all lines, by pairs of their ids in order."""

    def __init__(self) -> None:
        self._tables: dict[Pair, list[float]] = {}  # both good, only the second bad, only the first bad, both bad

    def add(self, windows: Mapping[str, bool]) -> None:
        """One window of every line that carried something in it: was it bad?"""
        kept = 0.5 ** (1.0 / HALF_LIFE)
        for one, other in combinations(sorted(windows), 2):
            table = self._tables.setdefault((one, other), [0.0] * 4)
            for cell in range(4):
                table[cell] *= kept
            table[2 * windows[one] + windows[other]] += 1.0

    def phi(self) -> dict[Pair, float]:
        """-1 to 1. Pairs of which too little is known are missing."""
        found = {}
        for pair, (good, second, first, both) in self._tables.items():
            margins = (first + both, good + second, second + both, good + first)
            if min(margins) >= LEAST:
                found[pair] = (both * good - first * second) / sqrt(margins[0] * margins[1] * margins[2] * margins[3])
        return found

    def keep(self, lines: set[str]) -> None:
        """Forgets the pairs with others."""
        self._tables = {pair: table for pair, table in self._tables.items() if lines.issuperset(pair)}
