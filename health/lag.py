"""Stalls of our own event loop, so that they aren't blamed on a line: pure, fed by a timer that should fire in time."""

from __future__ import annotations

from collections import deque

NOTABLE = 0.005  # seconds; what is shorter is a timer's ordinary lateness
MEMORY = 30.0  # seconds


class LoopLag:
    """How late a regular timer was, of late."""

    def __init__(self) -> None:
        self._stalls: deque[tuple[float, float]] = deque()  # (when it ended, seconds)

    def beat(self, due_at: float, now: float) -> float:
        """The timer that was due at `due_at` fires now; returns its lateness in seconds."""
        late = max(0.0, now - due_at)
        if late >= NOTABLE:
            self._stalls.append((now, late))
        while self._stalls and self._stalls[0][0] < now - MEMORY:
            self._stalls.popleft()
        return late

    def worst(self, since: float) -> float:
        """The longest stall that ended at `since` or later, within the last half minute; 0: none worth telling."""
        return max((seconds for at, seconds in self._stalls if at >= since), default=0.0)
