"""Retry budget: retries may be a bounded share of requests, so that an outage is not multiplied by our own zeal.

A token bucket fed by requests (Finagle's retry budget; gRPC's retry throttling, gRFC A6, is a cousin): every request
deposits `ratio`, time deposits `floor` per second, every retry withdraws one. Deposits age out over ten seconds.

A connection that ends takes all its requests with it at once, more than a bucket for single failures holds. Those draw
on what good replies have earned, one each: while the provider answers at all, they may be sent again elsewhere.
"""

from __future__ import annotations

WINDOW = 10.0  # seconds over which deposits count
GRAIN = 0.01  # seconds: what has come within them is of one age


class RetryBudget:
    """One per node. `now` is monotonic seconds and must not go back."""

    __slots__ = ("_at", "_cap_floor", "_earned", "_floor", "_ratio", "_tokens")

    def __init__(self, ratio: float, floor: float, now: float) -> None:
        """`ratio`: retries per request; `floor`: retries per second that are always allowed."""
        self._at = now
        self.configure(ratio, floor)
        self._tokens = self._cap_floor
        self._earned = 0.0

    def configure(self, ratio: float, floor: float) -> None:
        """Applies new settings from now on (a reload)."""
        self._ratio = ratio
        self._floor = floor
        self._cap_floor = max(1.0, floor)

    def deposit(self, now: float) -> None:
        """A request came in."""
        self._age(now)
        self._tokens += self._ratio

    def earn(self, now: float) -> None:
        """A good reply came."""
        self._age(now)
        self._earned += 1.0

    def withdraw(self, now: float, *, collateral: bool = False) -> bool:
        """May one more retry be made? If so it is counted. `collateral`: the request's connection ended under it."""
        self._age(now)
        if collateral and self._earned >= 1.0:
            self._earned -= 1.0
            return True
        if self._tokens < 1.0:
            return False
        self._tokens -= 1.0
        return True

    def balance(self, now: float) -> float:
        """Retries that are allowed at `now`."""
        return self._aged(now)

    def _aged(self, now: float) -> float:
        """Time pays in the floor up to its cap; what requests paid in beyond that fades over the window."""
        elapsed = max(0.0, now - self._at)
        surplus = max(0.0, self._tokens - self._cap_floor) * max(0.0, 1.0 - elapsed / WINDOW)
        base = min(self._cap_floor, min(self._tokens, self._cap_floor) + elapsed * self._floor)
        return base + surplus

    def _age(self, now: float) -> None:
        if now - self._at < GRAIN:
            return
        self._tokens = self._aged(now)
        self._earned *= max(0.0, 1.0 - max(0.0, now - self._at) / WINDOW)
        self._at = now
