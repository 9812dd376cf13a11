"""Which resolution a chart of so many hours reads, and how many of its cells become one point."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class Tier:
    """One resolution: cells of `step` seconds, in blocks of `cells`, kept for `kept` seconds (0: as configured)."""

    number: int
    step: int
    cells: int
    kept: int

    @property
    def block(self) -> int:
        """Seconds."""
        return self.step * self.cells


SECONDS = Tier(0, 1, 60, 3600 + 60)
TENS = Tier(1, 10, 60, 86_400 + 600)
MINUTES = Tier(2, 60, 60, 0)
HOURS = Tier(3, 3600, 24, 0)
HOURS_KEPT = 63 * 86_400  # at least, in a file: so that the month before this one can be reported whole
TIERS = (SECONDS, TENS, MINUTES, HOURS)


@dataclass(frozen=True, slots=True)
class Span:
    """A chart's width in seconds, what it reads, and the seconds of one point; `sums`: what a table of sums reads."""

    name: str
    seconds: int
    tier: Tier
    step: int
    sums: Tier


def sums_tier(begins: int, ends: int) -> Tier:
    """What sums of a period read: hours, unless it begins within one (a time zone of half hours)."""
    return HOURS if begins % 3600 == ends % 3600 == 0 else MINUTES


SPANS = {
    span.name: span
    for span in (
        Span("10m", 600, SECONDS, 5, TENS),
        Span("1h", 3600, SECONDS, 5, MINUTES),
        Span("3h", 3 * 3600, TENS, 20, MINUTES),
        Span("1d", 86_400, MINUTES, 120, HOURS),
        Span("7d", 7 * 86_400, MINUTES, 900, HOURS),
        Span("30d", 30 * 86_400, HOURS, 3600, HOURS),
    )
}
