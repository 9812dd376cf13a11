"""A long run over bad lines with nothing else happening: what the edge takes for a failure that isn't one."""

from __future__ import annotations

import sys
import time
from collections import Counter
from dataclasses import dataclass, field, fields
from typing import Any

from netem.bench.plan import SETTLE
from netem.bench.record import Reply, read_reply
from tests.bench.failover.judging import Fates, doubled, fates
from tests.bench.failover.place import Place, lab_troubles, place
from tests.bench.failover.plan import LINES, PLAIN, Plan
from tests.bench.failover.watching import EJECTED, SUSPECTED, read_routes

SEGMENT = 120.0
"""Seconds that one load client runs; then it says what it found and another one goes on."""
_LOOK = 0.25


@dataclass(slots=True)
class Soak:
    """What came of it so far. `ejections` and `suspicions` by line: all of them are wrong."""

    profile: str
    seconds: float = 0.0
    requests: int = 0
    refused: int = 0
    cut: int = 0
    truncated: int = 0
    doubled: int = 0
    ejections: Counter[str] = field(default_factory=Counter)
    suspicions: Counter[str] = field(default_factory=Counter)
    failovers: Counter[str] = field(default_factory=Counter)
    faults: Counter[str] = field(default_factory=Counter)
    troubles: dict[str, float] = field(default_factory=dict)

    def add(self, found: Fates) -> None:
        self.requests += found.requests
        self.refused += found.refused
        self.cut += found.cut
        self.truncated += found.truncated
        self.faults.update(found.faults)

    def __str__(self) -> str:
        return (
            f"{self.seconds / 60:.0f} min of {self.profile}: {self.requests} requests, {self.refused} failed before "
            f"and {self.cut} after commit, {self.truncated} truncated, {self.doubled} executed twice; ejections "
            f"{dict(self.ejections)}, suspicions {dict(self.suspicions)}, failovers {dict(self.failovers)}, "
            f"faults {dict(self.faults)}, doubts {self.troubles}"
        )


def soak(plan: Plan, profile: str, seconds: float) -> Soak:
    """All lines have that profile. Interrupted, it returns what it has. Raises LabError, StageError."""
    found = Soak(profile)
    with place(dict.fromkeys(LINES, profile), plan.seed, PLAIN, _LOOK) as made:
        made.start_providers(plan.load(SEGMENT))
        made.start_edge(made.configuration(plan))
        try:
            for number in range(max(1, round(seconds / SEGMENT))):
                _segment(made, plan, number, found)
                print(found, file=sys.stderr, flush=True)
        except KeyboardInterrupt:
            print("interrupted: that is what was found until now", file=sys.stderr)
    return found


def _segment(made: Place, plan: Plan, number: int, found: Soak) -> None:
    load, name = plan.load(SEGMENT), f"client-{number}"
    client = made.client(load, plan.seed + number, f"segment {number}", 60.0, name)
    client.await_warm_up()
    begin_ns = time.monotonic_ns() + int(1e9 * SETTLE)
    zero = begin_ns / 1e9
    client.begin(begin_ns)
    before = made.packets()
    said = client.finish(load.seconds + 120.0)
    found.seconds += time.monotonic() - zero
    found.add(fates(_replies(said), plan.tokens))
    found.doubled += doubled(made.executions(zero))
    utc_of_zero = time.time() + zero - time.monotonic()
    sightings = made.sightings(zero, utc_of_zero)  # of the whole run
    found.ejections = Counter(each.line for each in sightings if each.word == EJECTED)
    found.suspicions = Counter(each.line for each in sightings if each.word == SUSPECTED)
    routes = (route for route in read_routes(made.request_log(), utc_of_zero) if route.begun >= 0.0)
    found.failovers.update(reason for route in routes for reason in route.failovers)
    for name, value in {**lab_troubles(before, made.packets()), **said["troubles"]}.items():
        found.troubles[name] = max(value, found.troubles.get(name, 0.0))


def _replies(said: dict[str, Any]) -> list[Reply]:
    return [read_reply(each) for each in said["replies"]]


def plain_soak(soak: Soak) -> dict[str, Any]:
    """As JSON."""
    values = {each.name: getattr(soak, each.name) for each in fields(soak)}
    return {name: dict(value) if isinstance(value, Counter) else value for name, value in values.items()}
