"""A limit on frames that make us work without bringing any request forward."""

from __future__ import annotations


class FloodGate:
    """At most `limit` frames per `window` seconds, counted in fixed windows: twice that may pass around an edge."""

    __slots__ = ("_count", "_limit", "_started_at", "_window")

    def __init__(self, limit: int = 2000, window: float = 10.0) -> None:
        self._limit = limit
        self._window = window
        self._started_at = float("-inf")
        self._count = 0

    def admit(self, now: float) -> bool:
        """Counts one frame; False when there were too many."""
        if now - self._started_at >= self._window:
            self._started_at = now
            self._count = 0
        self._count += 1
        return self._count <= self._limit
