"""What choice would do: the lines' scores for the metrics, and shares under other weights before they are set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace

from edge.config.model import Provider, Snapshot
from edge.routing.ask import Ask, Moment
from edge.routing.chooser import Choice, Chooser
from edge.routing.controls import Controls
from edge.routing.explain import explain
from edge.routing.hold import Hold
from edge.routing.lane import lane_of
from edge.routing.ranking import Ranking
from edge.routing.scene import Mark, Scene, usable
from health.view import HealthView

_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly
EVERYTHING = "*"  # no provider's id

Parts = Callable[[str, Sequence[str]], Mapping[str, float]]
"""How much of what goes through a relay goes over each of these lines, 0 to 1."""


def scores(snapshot: Snapshot, view: HealthView, controls: Controls, moment: Moment) -> dict[str, float]:
    """Each line's score for interactive requests, 0 to 1, higher is better: the best line's cost / its own cost, over
    the endpoint that it reaches best. 0: it isn't used now (ejected, suspected, draining, off)."""
    everywhere = Provider(EVERYTHING, "generic", tuple(e for p in snapshot.providers for e in p.endpoints))
    by_cost = replace(snapshot, routing=replace(snapshot.routing, policy="best", relay="off", classes=()))
    lane = lane_of(Scene.of(by_cost, view, controls, moment), Ask(everywhere), None, Hold(), 0.0)
    costs: dict[str, float] = {}
    for index in lane.order:
        line = lane.found[index].path.line
        if lane.ranks[index] < Mark.SUSPECTED:
            costs[line] = min(costs.get(line, float("inf")), max(lane.costs[index], 1e-9))
    best = min(costs.values(), default=0.0)
    return {line: best / costs[line] if line in costs else 0.0 for line in lane.scene.lines}


def ranking(ask: Ask, snapshot: Snapshot, view: HealthView, controls: Controls, moment: Moment) -> Ranking:
    """How the paths of a request like `ask` would be ranked now, and why."""
    return explain(Chooser().choose(ask, snapshot, view, controls, moment, 0.0, 0.5))


@dataclass(frozen=True, slots=True)
class Shares:
    """Of requests, 0 to 1. What goes through a relay counts for the lines of its session as well."""

    lines: dict[str, float]
    relays: dict[str, float]


def evenly(relay: str, lines: Sequence[str]) -> Mapping[str, float]:
    """The Parts of whom nothing is known."""
    return dict.fromkeys(lines, 1.0 / max(1, len(lines)))


def shares(
    ask: Ask,
    snapshot: Snapshot,
    view: HealthView,
    controls: Controls,
    moment: Moment,
    requests: int = 1000,
    parts: Parts = evenly,
) -> Shares:
    """Which share of `requests` requests like `ask` would begin on which line, and through which relay, from now on,
    with these `controls`. Those that would get none are named too."""
    chooser, lines, relays = Chooser(), Counter[str](), Counter[str]()
    choice: Choice | None = None
    for number in range(requests):
        choice = chooser.choose(ask, snapshot, view, controls, moment, 0.0, number * _GOLDEN % 1.0)
        for path in choice.paths[:1]:
            (lines if path.relay is None else relays)[path.relay or path.line] += 1
    told = {line.id: lines[line.id] / requests for line in snapshot.lines}
    states = {} if choice is None else choice.lane.scene.lines
    for relay in snapshot.relays:
        for line, part in parts(relay.id, usable(snapshot.lines_of(relay), states, view)).items():
            told[line] += part * relays[relay.id] / requests
    return Shares(told, {relay.id: relays[relay.id] / requests for relay in snapshot.relays})
