"""What became of the requests of one side: in all, and in the last half minute."""

from collections import deque
from dataclasses import dataclass, field, fields

from netem.demo.spread import Spread

RECENT = 30.0
"""How far back "lately" reaches, in seconds."""


@dataclass(slots=True)
class Figures:
    """Counts and times. `failed`: no token came; `cut`: some came, then the stream broke."""

    requests: int = 0
    completed: int = 0
    failed: int = 0
    cut: int = 0
    retries: int = 0
    tokens: int = 0
    lost: int = 0
    repeated: int = 0
    stalls: int = 0
    ttft: Spread = field(default_factory=Spread)
    gaps: Spread = field(default_factory=Spread)
    transit: Spread = field(default_factory=Spread)

    def take_in(self, other: "Figures") -> None:
        """Add those of `other`."""
        for each in fields(self):
            mine, theirs = getattr(self, each.name), getattr(other, each.name)
            if isinstance(mine, Spread):
                mine.take_in(theirs)
            else:
                setattr(self, each.name, mine + theirs)

    def plain(self) -> dict[str, int | float | None]:
        """For JSON: counts, and percentiles in milliseconds."""
        spreads = {
            "ttft_p50_ms": self.ttft.quantile(0.5),
            "ttft_p95_ms": self.ttft.quantile(0.95),
            "gap_p99_ms": self.gaps.quantile(0.99),
            "transit_p99_ms": self.transit.quantile(0.99),
        }
        counts = {each.name: getattr(self, each.name) for each in fields(self)}
        return {
            **{name: value for name, value in counts.items() if not isinstance(value, Spread)},
            **{name: None if value is None else round(value * 1000, 1) for name, value in spreads.items()},
        }


class Account:
    """Figures that know how old they are: one set for each second, for as long as `RECENT`."""

    def __init__(self) -> None:
        self.total = Figures()
        self._seconds: deque[tuple[int, Figures]] = deque()

    def at(self, now: float) -> tuple[Figures, Figures]:
        """The sets to write to: the total, and the one of this second."""
        second = int(now)
        if not self._seconds or self._seconds[-1][0] != second:
            self._seconds.append((second, Figures()))
            while self._seconds[0][0] <= second - RECENT:
                self._seconds.popleft()
        return self.total, self._seconds[-1][1]

    def count(self, name: str, now: float, number: int = 1) -> None:
        """So many more of `name`, which is a count of `Figures`."""
        for figures in self.at(now):
            setattr(figures, name, getattr(figures, name) + number)

    def time(self, name: str, seconds: float, now: float) -> None:
        """One more time for the spread called `name`."""
        for figures in self.at(now):
            getattr(figures, name).add(seconds)

    def recent(self, now: float) -> Figures:
        """Those of the last `RECENT` seconds."""
        found = Figures()
        for second, figures in self._seconds:
            if second > now - RECENT:
                found.take_in(figures)
        return found
