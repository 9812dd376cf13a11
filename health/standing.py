"""Standing of a line, a path or a far end: ADMITTED, EJECTED, PROBATION – as a table whose default is to stay.

    ADMITTED  --n failures in a row-->  EJECTED   (for base · 2^k seconds, capped)
    EJECTED   --time-->                 PROBATION (may be tried)
    PROBATION --m successes in a row--> ADMITTED  (the next ejection is longer; good time makes it shorter again)
    PROBATION --failure-->              EJECTED   (longer)
    any       --success-->              resets the row of failures

k counts the ejections not forgiven yet, but at least the flaps: how often it fell from ADMITTED in the last ten
minutes. Each of those also asks for one more success in PROBATION. Envoy's outlier detection, linkerd's probation and
BGP's route flap damping (RFC 2439) are the models. `now` is monotonic seconds.
"""

from __future__ import annotations

from collections import deque
from dataclasses import dataclass, field
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
    probation_successes: int = 2
    flap_window: float = 600.0


_MOST_FLAPS = 16  # remembered; and doublings


@dataclass(slots=True)
class Record:
    """One subject's record. Reading (`standing`, `since`, `flaps`) never changes it."""

    failures: int = 0  # in a row
    ejections: int = 0  # not forgiven yet
    ejected_until: float | None = None  # None: admitted
    ejected_at: float = 0.0
    admitted_at: float = 0.0
    successes: int = 0  # in a row, on probation
    reason: str = ""
    is_common: bool = False  # ejected together with all others: it says nothing about this one
    _flaps: deque[float] = field(default_factory=lambda: deque(maxlen=_MOST_FLAPS))

    @property
    def has_history(self) -> bool:
        """Is there anything that a success would change?"""
        return self.ejected_until is not None or self.failures > 0 or self.ejections > 0

    def standing(self, now: float) -> Standing:
        if self.ejected_until is None:
            return Standing.ADMITTED
        return Standing.EJECTED if now < self.ejected_until else Standing.PROBATION

    def since(self, now: float) -> float:
        """When the present standing began."""
        if self.ejected_until is None:
            return self.admitted_at
        return self.ejected_at if now < self.ejected_until else self.ejected_until

    def flaps(self, now: float, rules: StandingRules) -> int:
        """How often it fell from ADMITTED in the last ten minutes."""
        return sum(at > now - rules.flap_window for at in self._flaps)

    def succeed(self, now: float, rules: StandingRules) -> None:
        """It worked. A success while EJECTED is late news from before and proves nothing about now."""
        standing = self.standing(now)
        if standing is Standing.EJECTED:
            return
        self.failures = 0
        if standing is Standing.PROBATION:
            self._pass_probation(now, rules)
        elif self.ejections and now - self.admitted_at > rules.forgiveness:
            self.ejections -= 1
            self.admitted_at = now

    def _pass_probation(self, now: float, rules: StandingRules) -> None:
        self.successes += 1
        if self.successes >= rules.probation_successes + max(0, self.flaps(now, rules) - 1):
            self.ejected_until, self.admitted_at = None, now
            self.reason, self.is_common = "", False

    def fail(self, now: float, rules: StandingRules, reason: str = "", *, may_eject: bool = True) -> bool:
        """It failed, and by its own fault; was it ejected for that? `may_eject` False: counted, but judged later."""
        standing = self.standing(now)
        if standing is Standing.EJECTED:
            return False
        self.failures += 1
        self.successes = 0
        if may_eject and (standing is Standing.PROBATION or self.failures >= rules.consecutive_failures):
            self.eject(now, rules, reason)
            return True
        return False

    def eject(self, now: float, rules: StandingRules, reason: str, *, is_common: bool = False) -> None:
        """EJECTED from now on. `is_common`: so are all others, so nothing is held against this one."""
        flaps = self.flaps(now, rules)
        was_admitted = self.ejected_until is None
        doublings = 0 if is_common else min(max(self.ejections, flaps), _MOST_FLAPS)
        self.ejected_at = now
        self.ejected_until = now + min(rules.longest_ejection, rules.base_ejection * 2.0**doublings)
        self.failures = self.successes = 0
        self.reason, self.is_common = reason, is_common
        if not is_common:
            self.ejections = min(self.ejections + 1, _MOST_FLAPS)
            if was_admitted:
                self._flaps.append(now)

    def acquit(self) -> None:
        """It was another's fault: as if it had not failed lately."""
        self.failures = self.successes = 0
        self.ejected_until, self.reason = None, ""

    def prolong(self, until: float) -> None:
        """It is known to be no better yet: an ejection lasts until then at least."""
        if self.ejected_until is not None:
            self.ejected_until = max(self.ejected_until, until)

    def try_again(self, now: float) -> None:
        """What ejected it has passed, or was another's fault: an ejection ends now."""
        if self.ejected_until is not None and now < self.ejected_until:
            self.ejected_until = now
