"""Turns by weight: smooth weighted round robin, so that shares follow the weights and turns are spread, not bunched.

Everyone earns his weight each turn; whoever has most takes the turn and pays what all have earned.
"""

from __future__ import annotations

from collections.abc import Sequence


class Turns:
    """Credits by id. Those who aren't asked neither earn nor pay."""

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def take(self, shares: Sequence[tuple[str, float]]) -> int:
        """Whose turn is it? Index into `shares`, (id, weight > 0) each and at least one."""
        credit = self._credit
        total = 0.0
        first, most = 0, float("-inf")
        for index, (name, weight) in enumerate(shares):
            total += weight
            earned = credit.get(name, 0.0) + weight
            credit[name] = earned
            if earned > most:
                first, most = index, earned
        credit[shares[first][0]] -= total
        return first

    def forget(self) -> None:
        """The weights have changed: debts of before would distort the shares."""
        self._credit.clear()
