"""What choice would do: the lines' scores for the metrics, and shares under other weights before they are set."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace

from edge.config.model import Provider, Snapshot
from edge.routing.ask import Ask, Moment
from edge.routing.chooser import Chooser
from edge.routing.controls import Controls
from edge.routing.hold import Hold
from edge.routing.lane import lane_of
from edge.routing.scene import Mark, Scene
from health.view import HealthView
from transport.path import relay_end

_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly
EVERYTHING = "*"  # no provider's id


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


def shares(
    ask: Ask, snapshot: Snapshot, view: HealthView, controls: Controls, moment: Moment, requests: int = 1000
) -> dict[str, float]:
    """Which share of `requests` requests like `ask` would begin on which line, or through which relay ("relay:ID"),
    from now on, with these `controls`. Lines that would get none are named too."""
    chooser, firsts = Chooser(), Counter[str]()
    for number in range(requests):
        choice = chooser.choose(ask, snapshot, view, controls, moment, 0.0, number * _GOLDEN % 1.0)
        firsts.update(path.way for path in choice.paths[:1])
    ways = [line.id for line in snapshot.lines] + [relay_end(relay.id) for relay in snapshot.relays]
    return {way: firsts[way] / requests for way in ways}
