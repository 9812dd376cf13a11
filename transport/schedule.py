"""Spans of local time that return every day or every week."""

from __future__ import annotations

from dataclasses import dataclass

DAY_MINUTES = 24 * 60
EVERY_DAY = frozenset(range(7))


@dataclass(frozen=True, slots=True)
class Window:
    """From minute `begins` up to, not including, minute `ends` of a local day; over midnight if `ends` isn't later.

    `days` (Monday is 0) are those on which it begins.
    """

    begins: int
    ends: int
    days: frozenset[int] = EVERY_DAY

    def covers(self, weekday: int, minute: int) -> bool:
        """Is `minute` (0 to 1439) of `weekday` inside?"""
        if self.begins < self.ends:
            return weekday in self.days and self.begins <= minute < self.ends
        late = weekday in self.days and minute >= self.begins
        return late or ((weekday - 1) % 7 in self.days and minute < self.ends)
