"""How often each caller may ask: token buckets, in bounded number."""

from __future__ import annotations

from collections import OrderedDict
from dataclasses import dataclass, field


@dataclass(slots=True)
class Rates:
    """`per_second` calls on average and `burst` at once for each caller. It remembers `most` callers."""

    per_second: float
    burst: float
    most: int = 1024
    _buckets: OrderedDict[str, tuple[float, float]] = field(default_factory=OrderedDict)  # level, when

    def wait(self, caller: str, now: float) -> float:
        """0: go on, and it is counted. Else the seconds until the next call is allowed. `now`: monotonic seconds."""
        level, at = self._buckets.pop(caller, (self.burst, now))
        level = min(self.burst, level + (now - at) * self.per_second)
        is_allowed = level >= 1.0
        self._buckets[caller] = (level - 1.0 if is_allowed else level, now)
        if len(self._buckets) > self.most:
            self._buckets.popitem(last=False)
        return 0.0 if is_allowed else (1.0 - level) / self.per_second
