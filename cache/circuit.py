"""A store that doesn't answer is left alone for a while: three faults in a row, then a pause that doubles.

    ADMITTED --3 faults in a row--> EJECTED (1 s, 2 s, 4 s … 30 s) --time--> one trial --ok--> ADMITTED
                                       ^-------------------------------------fault--'

`now` is monotonic seconds.
"""

from __future__ import annotations


class Circuit:
    """One store's record. Faults while ejected (of calls that had begun before) don't lengthen the pause."""

    __slots__ = ("_base", "_faults", "_longest", "_pauses", "_tolerated", "_trial_at", "_until", "trips")

    def __init__(self, tolerated: int = 3, base: float = 1.0, longest: float = 30.0) -> None:
        self.trips = 0  # how often it was ejected while admitted
        self._tolerated, self._base, self._longest = tolerated, base, longest
        self._faults = self._pauses = 0
        self._until: float | None = None  # None: admitted
        self._trial_at: float | None = None

    @property
    def is_admitted(self) -> bool:
        return self._until is None

    def may_call(self, now: float) -> bool:
        """May a call be made? After a pause one caller is told yes; the others when its trial has succeeded, or when it
        hasn't ended within another pause (whoever made it may be gone)."""
        if self._until is None:
            return True
        if now < self._until or (self._trial_at is not None and now < self._trial_at + self._pause()):
            return False
        self._trial_at = now
        return True

    def succeeded(self) -> bool:
        """A call worked. True if this ends an ejection."""
        was_ejected = self._until is not None
        self._faults = self._pauses = 0
        self._until = self._trial_at = None
        return was_ejected

    def failed(self, now: float) -> bool:
        """A call failed or ran out of time. True if this begins an ejection (not if it goes on)."""
        self._faults += 1
        if self._until is None:
            if self._faults < self._tolerated:
                return False
            self.trips += 1
            self._until = now + self._pause()
            return True
        if self._trial_at is not None and now >= self._until:
            self._pauses += 1
            self._until, self._trial_at = now + self._pause(), None
        return False

    def _pause(self) -> float:
        return float(min(self._longest, self._base * 2.0 ** min(self._pauses, 16)))
