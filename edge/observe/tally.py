"""How many requests went well lately: counts in a ring of time slots, so that a window's ratio costs no memory."""

from __future__ import annotations


class Tally:
    """Good and bad outcomes over `slots` slots of `slot_seconds` each. `now` is monotonic seconds."""

    def __init__(self, slot_seconds: float, slots: int) -> None:
        self._seconds = slot_seconds
        self._good = [0] * slots
        self._bad = [0] * slots
        self._slot = 0

    def add(self, good: bool, now: float) -> None:
        """One outcome."""
        slot = self._turn(now)
        (self._good if good else self._bad)[slot] += 1

    def counts(self, now: float) -> tuple[int, int]:
        """(good, bad) within the window that ends now."""
        self._turn(now)
        return sum(self._good), sum(self._bad)

    def _turn(self, now: float) -> int:
        """Clears the slots that time has left behind; the current one's index."""
        slots, current = len(self._good), int(now / self._seconds)
        if current == self._slot:
            return current % slots
        for slot in range(max(self._slot + 1, current - slots + 1), current + 1):
            self._good[slot % slots] = self._bad[slot % slots] = 0
        self._slot = max(self._slot, current)
        return current % slots
