"""Concurrency permits: how many requests may be in flight, in all and per client key."""

from __future__ import annotations

from collections import Counter

from edge.policy.access import Principal


class Permits:
    """Counts requests in flight. Taking and checking are one step, so no burst slips past the limit."""

    def __init__(self) -> None:
        self._by_principal: Counter[str] = Counter()
        self.in_flight = 0

    def take(self, principal: Principal, limit: int) -> bool:
        """Takes a permit if the node (`limit`) and the principal's own key allow one more."""
        own = principal.key.max_in_flight if principal.key is not None else 0
        if self.in_flight >= limit or (own and self._by_principal[principal.id] >= own):
            return False
        self.in_flight += 1
        self._by_principal[principal.id] += 1
        return True

    def release(self, principal: Principal) -> None:
        """Gives back what `take` took; exactly once for each."""
        self.in_flight -= 1
        self._by_principal[principal.id] -= 1
        if not self._by_principal[principal.id]:
            del self._by_principal[principal.id]
