"""Standing of a line or a far end: ADMITTED, EJECTED, PROBATION – as a table whose default is to stay.

    ADMITTED  --n failures in a row-->  EJECTED   (for base · 2^ejections seconds, capped)
    EJECTED   --time-->                 PROBATION (may be tried)
    PROBATION --success-->              ADMITTED  (the next ejection is as long as the last; it decays with good time)
    PROBATION --failure-->              EJECTED   (twice as long)
    any       --success-->              resets the row of failures

Envoy's outlier detection and linkerd's probation are the models. `now` is monotonic seconds.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Standing(Enum):
    """May it be used?"""

    ADMITTED = "admitted"
    EJECTED = "ejected"
    PROBATION = "probation"


@dataclass(frozen=True, slots=True)
class StandingRules:
    """When to eject and for how long; seconds."""

    consecutive_failures: int = 3
    base_ejection: float = 1.0
    longest_ejection: float = 60.0
    forgiveness: float = 120.0  # good time after which one ejection is forgotten


@dataclass(slots=True)
class Record:
    """One subject's record. Reading (`standing`) never changes it."""

    failures: int = 0
    ejections: int = 0
    ejected_until: float | None = None  # None: admitted
    admitted_at: float = 0.0

    def standing(self, now: float) -> Standing:
        if self.ejected_until is None:
            return Standing.ADMITTED
        return Standing.EJECTED if now < self.ejected_until else Standing.PROBATION

    def succeed(self, now: float, rules: StandingRules) -> None:
        """It worked. A success while EJECTED is late news from before and proves nothing about now."""
        standing = self.standing(now)
        if standing is Standing.EJECTED:
            return
        self.failures = 0
        if standing is Standing.PROBATION:
            self.ejected_until, self.admitted_at = None, now
        elif self.ejections and now - self.admitted_at > rules.forgiveness:
            self.ejections -= 1
            self.admitted_at = now

    def fail(self, now: float, rules: StandingRules) -> None:
        """It failed, and by its own fault."""
        standing = self.standing(now)
        self.failures += 1
        if standing is Standing.EJECTED:
            return
        if standing is Standing.PROBATION or self.failures >= rules.consecutive_failures:
            length = min(rules.longest_ejection, rules.base_ejection * 2.0**self.ejections)
            self.ejected_until = now + length
            self.ejections = min(self.ejections + 1, 16)
            self.failures = 0
