"""Holding on to what is in use, so that traffic doesn't flap between paths whose costs cross back and forth.

a path joins     when its cost has been within `join` of the best's for `seconds`
a path leaves    when its cost has been more than `leave` above the best's for `seconds`
at once          what is no longer a candidate (suspected, ejected, full) leaves; if nobody is left, the best join
"""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

from transport.path import Path

SLACK = 3.0  # ms or points: differences nobody could feel
JOIN = 0.4  # of `switch_ratio`


class Hold(Struct):
    """The paths in use, and since when others want to change that."""

    members: frozenset[Path] = frozenset()
    wishes: dict[Path, float] = {}

    def update(self, costs: Mapping[Path, float], leave: float, seconds: float, now: float) -> frozenset[Path]:
        """The paths to use among `costs`, of which there is at least one. `leave` is a ratio (0.25: a quarter more)."""
        best = min(costs.values())
        joining, leaving = best * (1.0 + leave * JOIN) + SLACK, best * (1.0 + leave) + SLACK
        members = {path for path in self.members if path in costs}
        wishes = {}
        for path, cost in costs.items():
            if (cost > leaving) if path in members else (cost <= joining):
                wishes[path] = self.wishes.get(path, now)
        granted = {path for path, since in wishes.items() if now - since >= seconds}
        kept = members ^ granted or {path for path, cost in costs.items() if cost <= joining}
        self.members = frozenset(kept)
        self.wishes = {path: since for path, since in wishes.items() if path not in granted and members}
        return self.members
