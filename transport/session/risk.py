"""How likely bytes are lost although they were sent several times, from what lines have lost: what repeating is worth.

Lines lose packets one by one and in bursts. Of a line are known the ratio p that it loses and, weighted by packets, the
mean length L of its bursts. Bytes that went over some lines at once are lost on all of them with the product of their
ratios, and sent again `a` seconds later they are lost once more if no burst has ended:

    chance(a) = Π p · exp(-a · Σ 1/L)

Lines that fail together are worse than that: what was lost on all of a packet's lines is counted, and what independence
doesn't explain is taken to last as long as the longest burst. Before anything is known, lines are taken to be bad.
"""

from __future__ import annotations

from collections.abc import Sequence
from math import ceil, exp, log, prod

FEWEST = 2
"""So often everything goes, whatever is known."""
SHORTEST = 0.025
"""Seconds for which everything is repeated, whatever is known."""
EXPLAINED = 3.0
"""Joint losses up to so many times what independent lines would have are chance."""
LOSS_MEMORY = 10.0
"""Seconds after which what was lost is mostly forgotten. Bursts of 300 ms must not be forgotten between two of them."""
LEAST_COUNTED = 500
"""A loss never counts for more than one of so many packets."""
BURST_MEMORY = 30.0
LEAST_BURST = 0.005
SUPPOSED_PACKETS, SUPPOSED_LOST, SUPPOSED_SECONDS = 200.0, 10.0, 2.0
"""Counted beside what was seen, so that lines of which little is known are taken to be bad: 5 % in bursts of 100 ms."""


class Losses:
    """What a carrier loses. `recent`: ratio over `LOSS_MEMORY`; `ratio` and `burst` (the mean length of what is lost in
    a row, weighted by packets, in seconds) over `BURST_MEMORY`."""

    __slots__ = (
        "_at", "_counted", "_last", "_lost", "_lost_seconds", "_packets", "_run", "_run_began", "_run_ended", "recent",
    )  # fmt: skip

    def __init__(self, now: float) -> None:
        self.recent = 0.0
        self._at = now
        self._counted = 0.0
        self._packets = self._lost = self._lost_seconds = 0.0
        self._last = -2
        self._run = 0
        self._run_began = self._run_ended = 0.0

    @property
    def ratio(self) -> float:
        return (self._lost + SUPPOSED_LOST) / (self._packets + SUPPOSED_PACKETS)

    @property
    def burst(self) -> float:
        """Weighted by packets an exponential length is twice its mean."""
        mean = (self._lost_seconds + SUPPOSED_SECONDS) / (self._lost + SUPPOSED_LOST) / 2
        return max(mean, LEAST_BURST)

    @property
    def seen_burst(self) -> float:
        """The same of nothing but what was seen; 0: nothing."""
        return self._lost_seconds / self._lost / 2 if self._lost else 0.0

    def arrived(self, packets: int, now: float) -> None:
        """So many packets more."""
        self._count(packets, 0.0, now)

    def lost(self, number: int, sent_at: float, now: float) -> None:
        """One more is lost."""
        self._count(1, 1.0, now)
        self._lost += 1
        if number == self._last + 1:
            self._run += 1
            # all of the run so far is now longer by this much
            self._lost_seconds += sent_at - self._run_began + (self._run - 1) * (sent_at - self._run_ended)
        else:
            self._run, self._run_began = 1, sent_at
        self._last, self._run_ended = number, sent_at

    def _count(self, packets: int, lost: float, now: float) -> None:
        passed = self._at - now
        self._at = now
        if passed:
            fade = exp(passed / BURST_MEMORY)
            self._packets *= fade
            self._lost *= fade
            self._lost_seconds *= fade
            self._counted *= exp(passed / LOSS_MEMORY)
        self._packets += packets
        self._counted += packets
        self.recent += (lost - self.recent) * min(packets / max(self._counted, LEAST_COUNTED), 1.0)


class Together:
    """What packets that went over several lines had in common: the ratio of those that were lost on all."""

    __slots__ = ("_at", "_lost", "_sent", "lost", "sent")

    def __init__(self) -> None:
        self.sent = self.lost = 0
        self._at = 0.0
        self._sent = 0.0
        self._lost = 0.0

    def ratio(self, now: float) -> float:
        """Takes in what was counted since the last time."""
        fade = exp(min(self._at - now, 0.0) / BURST_MEMORY)
        self._at = now
        self._sent = self._sent * fade + self.sent
        self._lost = self._lost * fade + self.lost
        self.sent = self.lost = 0
        return self._lost / (self._sent + SUPPOSED_PACKETS)


def reach(lines: Sequence[Losses], together: float, chance: float) -> float:
    """Seconds after the first sending from which bytes are still lost with no more than `chance`. At least one line."""
    alone = prod(line.ratio for line in lines)
    seconds = log(alone / chance) / sum(1 / line.burst for line in lines) if alone > chance else 0.0
    shared = together - EXPLAINED * alone
    if shared > chance and len(lines) > 1:
        seconds = max(seconds, max(line.burst for line in lines) * log(shared / chance))
    return seconds


def sendings(lines: Sequence[Losses], chance: float) -> int:
    """How often bytes have to go over all these lines for `chance`, if nothing but single packets is lost."""
    alone = min(prod(line.ratio for line in lines), 0.5)
    return max(ceil(log(chance) / log(alone)), FEWEST)
