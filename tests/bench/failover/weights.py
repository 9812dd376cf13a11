"""Operators' weights at work: shares of a thousand requests, a change, a drain with streams under way.

The change and the drain are made as an operator makes them, with `farline lines`; where this version hasn't that verb,
by another configuration and SIGHUP.
"""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from edge.cli import VERBS
from netem.bench.aio.processes import StageError
from netem.bench.plan import SETTLE, Load
from netem.bench.record import Reply, read_reply
from tests.bench.failover.judging import fates
from tests.bench.failover.place import ADMIN, Place, place
from tests.bench.failover.plan import LINES, PLAIN, Plan
from tests.bench.failover.watching import Route, read_routes

FIRST = (50.0, 30.0, 20.0)
SECOND = (10.0, 30.0, 60.0)
REQUESTS = 1000
NEXT = 100
"""Requests in which a change must show."""
_SHORT = Load(streams=40, requests=REQUESTS, tokens=3, think_ms=50.0)
_LONG = Load(streams=20, requests=20, tokens=240)


@dataclass(frozen=True, slots=True)
class Shares:
    """Requests by line, in parts of one."""

    title: str
    requests: int
    wanted: Mapping[str, float]
    found: Mapping[str, float]

    @property
    def worst(self) -> float:
        """The largest difference from what was wanted."""
        return max(abs(self.found.get(line, 0.0) - part) for line, part in self.wanted.items())

    def __str__(self) -> str:
        told = ", ".join(
            f"{line} {100 * self.found.get(line, 0.0):.1f} % (wanted {100 * part:.0f})"
            for line, part in self.wanted.items()
        )
        return f"{self.title}, {self.requests} requests: {told}"


def shares(title: str, routes: Sequence[Route], weights: Mapping[str, float]) -> Shares:
    """Of the requests' first attempts."""
    count = Counter(route.lines[0] for route in routes if route.lines)
    total = max(1, count.total())
    whole = sum(weights.values())
    return Shares(
        title,
        count.total(),
        {line: weight / whole for line, weight in weights.items()},
        {line: count[line] / total for line in weights},
    )


@dataclass(frozen=True, slots=True)
class Drained:
    """What became of streams that were under way on a line when it was drained, and of the requests after it."""

    line: str
    streams: int
    on_the_line: int
    broken: int
    later: int
    later_on_the_line: int

    def __str__(self) -> str:
        return (
            f"{self.line} drained with {self.streams} streams under way, {self.on_the_line} of them on it: "
            f"{self.broken} broken; of the next {self.later} requests {self.later_on_the_line} took it"
        )


@dataclass(frozen=True, slots=True)
class WeightsShow:
    """All of it."""

    way: str
    parts: tuple[Shares, ...]
    drained: Drained

    @property
    def is_right(self) -> bool:
        first, second = self.parts
        drained = self.drained
        return first.worst <= 0.02 and second.worst <= 0.02 and not drained.broken and not drained.later_on_the_line

    def __str__(self) -> str:
        return "\n".join([f"changed by {self.way}", *map(str, self.parts), str(self.drained)])


def show(plan: Plan) -> WeightsShow:
    """Raises LabError, StageError."""
    plan = replace(plan, policy="weighted", weights=FIRST)
    with place(LINES, plan.seed, PLAIN) as made:
        made.start_providers(_LONG)
        made.start_edge(made.configuration(plan))
        operator = _Operator(made, plan)
        ids = made.lines
        _, routes = _run(made, _SHORT, plan.seed, "first")
        parts = [shares("as configured", routes[:REQUESTS], dict(zip(ids, FIRST, strict=True)))]
        operator.weigh(SECOND)
        _, routes = _run(made, replace(_SHORT, requests=NEXT + 20), plan.seed, "second")
        parts.append(shares("after the change", routes[:NEXT], dict(zip(ids, SECOND, strict=True))))
        drained = _drain(made, operator, plan, ids[2])
        return WeightsShow(operator.way, tuple(parts), drained)


def _drain(made: Place, operator: _Operator, plan: Plan, line: str) -> Drained:
    """Long streams begin on all lines, the line is drained, short requests follow, the streams go on to their end."""
    long = made.client(_LONG, plan.seed, "long", 60.0, "long")
    long.await_warm_up()
    zero = time.monotonic() + SETTLE
    utc_of_zero = time.time() + SETTLE
    long.begin(int(zero * 1e9))
    time.sleep(SETTLE + _LONG.seconds / 2)  # until the streams are half over
    operator.drain(line)
    _, later = _run(made, replace(_SHORT, requests=NEXT), plan.seed, "later")
    said = long.finish(_LONG.seconds + 90.0)
    replies = _replies(said)
    time.sleep(0.4)  # the edge writes its request log four times a second
    begun = {route for route in read_routes(made.request_log(), utc_of_zero) if route.ended - route.begun > 2.0}
    ends = fates(replies, _LONG.tokens)
    return Drained(
        line,
        len(replies),
        sum(route.line == line for route in begun),
        ends.refused + ends.cut + ends.truncated,
        len(later),
        sum(line in route.lines for route in later),
    )


def _run(made: Place, load: Load, seed: int, name: str) -> tuple[list[Reply], list[Route]]:
    """Replies, and routes in the order in which the requests came."""
    client = made.client(load, seed, name, 60.0, name)
    client.await_warm_up()
    zero, utc_of_zero = time.monotonic() + SETTLE, time.time() + SETTLE
    client.begin(int(zero * 1e9))
    said = client.finish(load.seconds + 90.0)
    time.sleep(0.4)  # the edge writes its request log four times a second
    routes = [route for route in read_routes(made.request_log(), utc_of_zero) if route.begun > -0.05]
    return _replies(said), sorted(routes, key=lambda route: route.begun)


def _replies(said: Mapping[str, Any]) -> list[Reply]:
    return [read_reply(each) for each in said["replies"]]


class _Operator:
    """Changes weights and drains lines of the running edge."""

    def __init__(self, made: Place, plan: Plan) -> None:
        self._made = made
        self._plan = plan
        self._has_verb = "lines" in VERBS

    @property
    def way(self) -> str:
        return "farline lines" if self._has_verb else "another configuration and SIGHUP"

    def weigh(self, weights: tuple[float, ...]) -> None:
        if not self._has_verb:
            self._reload(weights)
            return
        for line, weight in zip(self._made.lines, weights, strict=True):
            self._command("set", line, f"weight={weight:g}")
        self._plan = replace(self._plan, weights=weights)

    def drain(self, line: str) -> None:
        """Without the verb its weight becomes 0, which leaves it for the time when nothing else is left."""
        if self._has_verb:
            self._command("drain", line)
            return
        lines = self._made.lines
        self._reload(tuple(0.0 if id == line else w for id, w in zip(lines, self._plan.weights, strict=True)))

    def _reload(self, weights: tuple[float, ...]) -> None:
        self._plan = replace(self._plan, weights=weights)
        self._made.reload(self._made.configuration(self._plan))
        time.sleep(1.0)

    def _command(self, *words: str) -> None:
        argv = [sys.executable, "-m", "edge.cli", "lines", *words]
        environment = {**os.environ, "FARLINE_ADMIN": f"http://127.0.0.1:{ADMIN}"}
        done = self._made.lab.run_in(
            "edge", argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, env=environment
        )
        if done.returncode:
            raise StageError(f"farline lines {' '.join(words)}: {done.stdout.strip()}")


def plain_weights(show: WeightsShow) -> dict[str, Any]:
    """As JSON."""
    return {**asdict(show), "is_right": show.is_right}
