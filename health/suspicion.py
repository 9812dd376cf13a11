"""Silence of a line: from "something is late" over "suspected" to "down", within a few round trips.

Something was *asked* of the far side – a probe was sent, a connection waits for an acknowledgement – and not answered.

    HEARD      nothing is late
    DOUBTED    one question is late: probe faster, change nothing else
    SUSPECTED  two are late, the older for 2 round trips + margin + 4 σ of the jitter (of a line that spoke all the time
               until now two late ones are enough): prefer other lines
    DOWN       at least five are late, over a longer time than this line's own bursts of loss explain

How long that is, each line teaches: the silences that healed are a record of its bursts. Their lengths beyond 0.2 s of
doubt are taken to be exponential (peaks over threshold: Pickands, Ann. Statist. 1975, with shape 0), with mean θ and λ
such silences per hour; then one in 1/`false_alarms_per_hour` hours is longer than

    delay until doubt + 0.2 s + θ · ln(λ / false_alarms_per_hour)

A line that has never been silent is soon believed at once; one that loses bursts of 300 ms gets the seconds it needs. A
question that is answered late, or a newer one that is answered, ends all doubt about what was asked before it. Nothing
here reads a clock: `now` is monotonic seconds.
"""

from __future__ import annotations

from bisect import bisect_right, insort
from dataclasses import dataclass
from enum import IntEnum
from math import exp, log, sqrt

_NEAR = 0.01  # seconds; questions closer than this are one: they share the fate of one burst
_MOST = 64  # questions remembered
SHORT = 0.2  # seconds beyond doubt; shorter silences are single losses by chance, and would hide how long bursts are
FORGOTTEN = 10.0  # seconds after the last question
BUSY = 0.12  # seconds: signs of life come more often than this where there is traffic


class Stage(IntEnum):
    """How silent a line is."""

    HEARD = 0
    DOUBTED = 1
    SUSPECTED = 2
    DOWN = 3


@dataclass(frozen=True, slots=True)
class SuspicionRules:
    """Seconds. docs/health.md says where each number comes from."""

    margin: float = 0.1
    sigmas: float = 4.0
    suspected_questions: int = 2
    down_questions: int = 5
    false_alarms_per_hour: float = 0.01
    longest_silence: float = 4.5  # whatever the line's bursts are like, it is down then
    usual_rtt: float = 0.3  # until one is known
    usual_jitter: float = 0.03
    fast_after: float = 1.0  # probes stay fast for so long after a doubt has gone


class Bursts:
    """What silences that healed say of a line: their rate, and their mean length beyond 0.2 s of doubt.

    Before anything is known bursts of 300 ms are expected; that expectation fades over five minutes in which the line
    was watched. What happened an hour ago counts half. As few bursts may all
    have been short by chance, their mean is raised by its own standard error.
    """

    __slots__ = ("_at", "_excess", "_number", "_watched")

    HALF_LIFE = 3600.0
    EXPECTED, FLOOR, FADES = 0.3, 0.06, 300.0  # mean excess in seconds before, after, and how fast

    def __init__(self) -> None:
        self._at: float | None = None
        self._number = 0.0
        self._excess = 0.0
        self._watched = 0.0  # seconds

    def watched(self, now: float) -> None:
        """The line is being heard: time that passes without a silence counts."""
        if self._at is not None and now > self._at:
            passed = now - self._at
            kept = 0.5 ** (passed / self.HALF_LIFE)
            self._number *= kept
            self._excess *= kept
            self._watched = self._watched * kept + min(passed, 10.0)
        self._at = now

    def healed(self, excess: float, now: float) -> None:
        """A silence has ended that was longer than 0.2 s of doubt, by `excess` seconds."""
        self.watched(now)
        self._number += 1.0
        self._excess += excess

    def longest(self, false_alarms_per_hour: float) -> float:
        """The excess that is exceeded only so often."""
        prior = max(self.FLOOR, self.EXPECTED * exp(-self._watched / self.FADES))
        error = 1.0 / sqrt(max(1.0, self._number))
        mean = (prior + self._excess * (1.0 + error)) / (1.0 + self._number)
        per_hour = (1.0 + self._number) / (30.0 + self._watched) * 3600.0
        return max(mean, self.FLOOR) * log(max(per_hour / false_alarms_per_hour, 2.0))


class Silence:
    """One line's questions without an answer."""

    __slots__ = ("_asked", "_fast_until", "_gap", "alive_at", "bursts", "is_known", "rules", "stage", "suspected_at")

    def __init__(self, rules: SuspicionRules) -> None:
        self.rules = rules
        self._asked: list[float] = []  # when, oldest first
        self.alive_at = float("-inf")  # newest question that was answered
        self._fast_until = float("-inf")
        self._gap = 1.0  # usual time between two signs of life
        self.bursts = Bursts()
        self.is_known = False  # has anything ever been heard?
        self.stage = Stage.HEARD
        self.suspected_at = 0.0

    def asked(self, at: float) -> None:
        """Something was sent at `at` that must be answered. Before anything was ever heard this proves nothing."""
        asked = self._asked
        if not self.is_known or at <= self.alive_at:
            return
        place = bisect_right(asked, at)
        if (place and at - asked[place - 1] < _NEAR) or (place < len(asked) and asked[place] - at < _NEAR):
            return
        if len(asked) == _MOST:
            del asked[_MOST // 2]  # the oldest tell for how long, the newest that it goes on
        insort(asked, at)

    def heard(self, at: float, now: float, rtt: float | None, jitter: float) -> None:
        """What was sent at `at`, or anything since then, was answered: whatever was asked before is settled."""
        self.is_known = True
        if at <= self.alive_at:
            return
        self._gap += (min(at - self.alive_at, 1.0) - self._gap) / 8.0
        self.alive_at = at
        asked = self._asked
        if not asked or asked[0] > at:
            return
        settled = bisect_right(asked, at)
        first, last = asked[0], asked[settled - 1]
        del asked[:settled]
        if self.stage is not Stage.HEARD:
            self._heal(last - first - self.delay(rtt, jitter) - SHORT, now)

    def _heal(self, excess: float, now: float) -> None:
        """Longer than twice what was expected: that was an outage, and says nothing about bursts."""
        if 0.0 < excess < 2.0 * self.bursts.longest(self.rules.false_alarms_per_hour):
            self.bursts.healed(excess, now)
        if not self._asked:
            self.stage = Stage.HEARD
            self._fast_until = now + self.rules.fast_after

    def excuse(self, lag: float) -> None:
        """This process stood still for `lag` seconds: answers may be waiting to be read, and nothing was late by its
        own fault."""
        self._asked = [at + lag for at in self._asked]

    def settle(self, now: float) -> None:
        """All were silent, and one is heard again: what was asked meanwhile proves nothing, what is asked now does."""
        self._asked.clear()
        self.stage = Stage.HEARD
        self.doubt(now)

    def doubt(self, now: float) -> None:
        """Somebody else has reason to doubt: probe faster for a while."""
        self._fast_until = max(self._fast_until, now + self.rules.fast_after)

    def delay(self, rtt: float | None, jitter: float) -> float:
        """From the sending of a question until it is late."""
        rules = self.rules
        if rtt is None:
            rtt, jitter = rules.usual_rtt, rules.usual_jitter
        return rtt + rules.sigmas * jitter + rules.margin / 2.0

    def needed(self, rtt: float | None, jitter: float) -> float:
        """How long, from the first question to the last that is late, a silence must be to mean "down"."""
        rules = self.rules
        longest = self.delay(rtt, jitter) + SHORT + self.bursts.longest(rules.false_alarms_per_hour)
        return min(rules.longest_silence, longest)

    def wants_fast_probes(self, now: float) -> bool:
        """Something is late, or was; or a line that spoke all the time says nothing."""
        is_quiet = self._gap < BUSY and now - self.alive_at > 2.0 * max(self._gap, 0.05)
        return is_quiet or self.stage is not Stage.HEARD or now < self._fast_until

    def silent_for(self, now: float) -> float:
        """Seconds since the oldest question without an answer; 0: there is none."""
        return max(0.0, now - self._asked[0]) if self._asked else 0.0

    def late(self, now: float, rtt: float | None, jitter: float) -> int:
        """How many questions are late."""
        due = now - self.delay(rtt, jitter)
        return bisect_right(self._asked, due)

    def judge(self, now: float, rtt: float | None, jitter: float) -> Stage:
        """Looks at the clock: the stage now. `rtt` and `jitter` as known (None: not yet)."""
        asked = self._asked
        if asked and now - asked[-1] > FORGOTTEN:
            asked.clear()  # nobody asks any more: what was asked so long ago proves nothing about now
        if not asked:
            if self.stage is not Stage.HEARD:
                self.stage, self._fast_until = Stage.HEARD, now + self.rules.fast_after
            elif self.is_known:
                self.bursts.watched(now)
            return self.stage
        self.stage = self._stage(now, rtt, jitter)
        return self.stage

    def _stage(self, now: float, rtt: float | None, jitter: float) -> Stage:
        rules = self.rules
        delay = self.delay(rtt, jitter)
        asked, late = self._asked, bisect_right(self._asked, now - delay)
        if not late:
            return Stage.HEARD
        known = rules.usual_rtt if rtt is None else rtt
        patience = delay + known + rules.margin / 2.0  # 2 round trips + margin + 4 σ
        if self._gap < BUSY:
            patience = delay  # it spoke all the time, and now nothing: two late questions are enough
        if late < rules.suspected_questions or now - asked[0] < patience:
            return Stage.DOUBTED
        if self.stage < Stage.SUSPECTED:
            self.suspected_at = now
        if late >= rules.down_questions and asked[late - 1] - asked[0] >= self.needed(rtt, jitter):
            return Stage.DOWN
        return Stage.SUSPECTED
