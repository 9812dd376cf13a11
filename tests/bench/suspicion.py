"""How soon a dead line is noticed, and how often a living one is taken for dead: `python -m tests.bench.suspicion`.

Virtual time, the lab's link model with a seed, the real detector: a probe every second (ten a second while it asks for
that), with --traffic a stream of 30 tokens and two requests a second beside it, and a look at the clock every 50 ms.
False alarms are counted over hours of line without an outage. Then the line goes silent for ten seconds at a time;
times are from the last packet that came through to the verdict.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from heapq import heappop, heappush
from itertools import count
from random import Random

from health.round_trips import RoundTrips
from health.suspicion import Silence, Stage, SuspicionRules
from netem.link import Bursts, Event, Link, Profile
from netem.profiles import PROFILES, line

LINES: dict[str, Profile] = {
    "clean, 170 ms": line(170, 4, 0, 0),
    "cn2": PROFILES["cn2"],
    **{f"iid {percent} %": line(200, 5, 0, percent / 100) for percent in (1, 5, 10, 15)},
    "GE 5 %, 300 ms": line(200, 5, 0, 0, bursts_down=(Bursts(0.05, 300.0),)),
    "GE 15 %, 300 ms": line(200, 5, 0, 0, bursts_down=(Bursts(0.15, 300.0),)),
    "internet-evening": PROFILES["internet-evening"],
    "internet-bad": PROFILES["internet-bad"],
}
TICK, PROBE, FAST, TOKEN, ASK = 0.05, 1.0, 0.1, 0.033, 0.5  # seconds
OUTAGE, PERIOD, WARM_UP = 10.0, 100.0, 900.0
NO_FLOW = b""


@dataclass
class Outcome:
    """What one run of a line gave; seconds."""

    hours: float
    suspicions: int = 0
    ejections: int = 0
    suspected_share: float = 0.0
    suspected_after: list[float] = field(default_factory=list)
    down_after: list[float] = field(default_factory=list)


class Run:
    """One line under one detector. Every event is (when, serial, kind, when what it answers was sent)."""

    def __init__(self, profile: Profile, rules: SuspicionRules, seed: int, has_traffic: bool) -> None:
        self.link = Link(profile, seed)
        self.silence = Silence(rules)
        self.round_trips = RoundTrips()
        self.random = Random(seed)
        self._queue: list[tuple[float, int, str, float]] = []
        self._serial = count()
        self._last_probe, self._next_probe = -1.0, 0.0
        self._add(0.0, "tick")
        if has_traffic:
            self._add(0.0, "token")
            self._add(0.0, "ask")

    def _add(self, at: float, kind: str, sent: float = 0.0) -> None:
        heappush(self._queue, (at, next(self._serial), kind, sent))

    def stages(self, until: float) -> Iterator[tuple[float, Stage]]:
        """(when, stage) at every look at the clock."""
        while self._queue[0][0] < until:
            now, _, kind, sent = heappop(self._queue)
            if kind == "tick":
                self._add(now + TICK, "tick")
                stage = self.silence.judge(now, *self._known())
                wants = FAST if self.silence.wants_fast_probes(now) else PROBE * self.random.uniform(0.9, 1.1)
                if now >= min(self._next_probe, self._last_probe + wants):
                    self._probe(now, wants)
                yield now, stage
            elif kind.endswith(" sent"):
                for back in self.link.offer("down", 64, NO_FLOW, now):
                    self._add(back.at, kind.removesuffix(" sent"), sent)
            elif kind == "ask":
                self._ask(now)
                self._add(now + self.random.expovariate(1 / ASK), "ask")
            elif kind == "token":
                self._add(now + TOKEN, "token")
                for delivery in self.link.offer("down", 300, NO_FLOW, now):
                    self._add(delivery.at, "heard", delivery.at)
            else:
                if kind == "answer":
                    self.round_trips.add(now - sent, now)
                self.silence.heard(sent, now, *self._known())

    def _probe(self, now: float, wants: float) -> None:
        self._last_probe, self._next_probe = now, now + wants
        self._ask(now, "answer")

    def _ask(self, now: float, kind: str = "ack") -> None:
        self.silence.asked(now)
        for there in self.link.offer("up", 64, NO_FLOW, now):
            self._add(there.at, f"{kind} sent", now)

    def _known(self) -> tuple[float | None, float]:
        return self.round_trips.median, self.round_trips.jitter


def false_alarms(profile: Profile, rules: SuspicionRules, hours: float, seed: int, has_traffic: bool) -> Outcome:
    outcome = Outcome(hours)
    before, looks, suspected = Stage.HEARD, 0, 0
    for _, stage in Run(profile, rules, seed, has_traffic).stages(hours * 3600):
        looks += 1
        suspected += stage >= Stage.SUSPECTED
        outcome.suspicions += before < Stage.SUSPECTED <= stage
        outcome.ejections += before < Stage.DOWN <= stage
        before = stage
    outcome.suspected_share = suspected / looks
    return outcome


def detection(profile: Profile, rules: SuspicionRules, outages: int, seed: int, has_traffic: bool) -> Outcome:
    outcome = Outcome(0.0)
    run, random = Run(profile, rules, seed, has_traffic), Random(seed)
    starts = [WARM_UP + PERIOD * (number + random.random() * 0.5) for number in range(outages)]
    run.link.add(Event("blackhole", at, OUTAGE) for at in starts)
    stages = run.stages(WARM_UP + PERIOD * (outages + 1))
    for start in starts:
        suspected = down = None
        for now, stage in stages:
            if now < start:
                continue
            if now >= start + OUTAGE:
                break
            suspected = now - start if suspected is None and stage >= Stage.SUSPECTED else suspected
            down = now - start if down is None and stage >= Stage.DOWN else down
        outcome.suspected_after.append(OUTAGE if suspected is None else suspected)
        outcome.down_after.append(OUTAGE if down is None else down)
    return outcome


def rows(rules: SuspicionRules, hours: float, outages: int, has_traffic: bool, names: list[str]) -> Iterator[str]:
    """The table's lines, in Markdown."""
    for name in names:
        quiet = false_alarms(LINES[name], rules, hours, 1, has_traffic)
        dead = detection(LINES[name], rules, outages, 2, has_traffic)
        yield (
            f"| {name} | {quiet.suspicions / hours:.1f} | {100 * quiet.suspected_share:.2f} % | "
            f"{quiet.ejections / hours * 24:.1f} | {_spread(dead.suspected_after)} | {_spread(dead.down_after)} |"
        )


def _spread(values: list[float]) -> str:
    ordered = sorted(values)
    return " / ".join(f"{ordered[min(len(ordered) - 1, int(q * len(ordered)))]:.2f}" for q in (0.5, 0.95))


HEAD = """\
| line | suspicions/h | time suspected | ejections/day | suspected after, s: p50 / p95 | down after, s: p50 / p95 |
|---|---|---|---|---|---|"""


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--hours", type=float, default=24.0, help="of line without an outage")
    parser.add_argument("--outages", type=int, default=100)
    parser.add_argument("--lines", nargs="*", default=list(LINES), choices=list(LINES))
    parser.add_argument("--traffic", action="store_true", help="a stream and requests beside the probes")
    parser.add_argument("--questions", type=int, default=SuspicionRules().down_questions)
    parser.add_argument("--alarms", type=float, default=SuspicionRules().false_alarms_per_hour)
    parser.add_argument("--margin", type=float, default=SuspicionRules().margin)
    settings = parser.parse_args()
    rules = replace(
        SuspicionRules(),
        down_questions=settings.questions,
        false_alarms_per_hour=settings.alarms,
        margin=settings.margin,
    )
    print(HEAD)
    for row in rows(rules, settings.hours, settings.outages, settings.traffic, settings.lines):
        print(row, flush=True)


if __name__ == "__main__":
    main()
