"""What if: requests of before chosen for anew, with other weights or another policy, from the same health views.

Pure and deterministic. Three columns come of it: what was (`actual`), what the model says of the paths that were taken
(`model`: how far it can be believed), and what it says of the paths that would have been taken (`then`). A request's
first byte is predicted as its own measured one plus the difference of the two paths' predicted costs; its failure as
the share that its line and endpoint failed at that moment.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace

from edge.config.model import Snapshot
from edge.routing.ask import Ask
from edge.routing.chooser import Choice, Chooser
from edge.routing.controls import Controls
from edge.routing.hold import Hold
from edge.routing.lane import lane_of
from edge.routing.scene import Scene
from transport.path import Path

_GOLDEN = 0.6180339887498949  # its multiples, modulo 1, are spread evenly
_OPINIONS = frozenset(("line_weight", "endpoint_weight", "price"))  # terms that nobody waits for


@dataclass(frozen=True, slots=True)
class Past:
    """A request that is over: its choice, the path that answered, seconds to its first byte, what it carried."""

    choice: Choice
    path: Path | None
    first_byte: float | None
    failed: bool
    bytes: int


@dataclass(slots=True)
class Outcome:
    """What requests met. `first_bytes` in seconds; `failures` may be a fraction: a sum of chances. `by_way`: over which
    line they went, or through which relay ("relay:ID"), whose lines' bytes cost what the dearest of them does."""

    requests: int = 0
    by_way: dict[str, int] = field(default_factory=dict)
    first_bytes: list[float] = field(default_factory=list)
    failures: float = 0.0
    cost: float = 0.0

    def join(self, other: Outcome) -> None:
        """What others met as well."""
        self.requests += other.requests
        for way, count in other.by_way.items():
            self.by_way[way] = self.by_way.get(way, 0) + count
        self.first_bytes += other.first_bytes
        self.failures += other.failures
        self.cost += other.cost

    def document(self) -> dict[str, object]:
        """JSON-ready."""
        ordered = sorted(self.first_bytes)
        return {
            "requests": self.requests,
            "shares": {way: round(count / self.requests, 4) for way, count in sorted(self.by_way.items())},
            "first_byte_p50_ms": _quantile(ordered, 0.5),
            "first_byte_p95_ms": _quantile(ordered, 0.95),
            "failure_ratio": round(self.failures / self.requests, 5) if self.requests else None,
            "cost": round(self.cost, 6),
        }


@dataclass(frozen=True, slots=True)
class Replayed:
    """`moved`: requests that would have begun on another line, or through another relay."""

    actual: Outcome
    model: Outcome
    then: Outcome
    moved: int


def joined(several: Iterable[Replayed]) -> Replayed:
    """Of different requests, as one."""
    actual, model, then, moved = Outcome(), Outcome(), Outcome(), 0
    for each in several:
        moved += each.moved
        for total, part in ((actual, each.actual), (model, each.model), (then, each.then)):
            total.join(part)
    return Replayed(actual, model, then, moved)


Prediction = tuple[float, float]  # seconds to wait, chance to fail


def replay(pasts: Iterable[Past], change: Callable[[Controls], Controls], policy: str = "") -> Replayed:
    """`pasts` oldest first. `change`: the controls that would have been in effect instead; `policy` "": as it was."""
    world = _World(change, policy)
    chooser, moved = Chooser(), 0
    actual, model, then = Outcome(), Outcome(), Outcome()
    for number, past in enumerate(pasts):
        if not past.choice.paths:
            continue
        scene, ask = past.choice.lane.scene, past.choice.ask
        controls, snapshot = world.controls(scene.controls), world.snapshot(scene.snapshot)
        choice = chooser.choose(
            ask, snapshot, scene.view, controls, scene.moment, past.choice.at, number * _GOLDEN % 1.0
        )
        predicted = world.predictions(scene, ask)
        was, would = past.choice.paths[0], (choice.paths or past.choice.paths)[0]
        prices = {line.id: line.cost_per_gb for line in snapshot.lines}
        moved += was.way != would.way
        _count(actual, past, past.path or was, past.first_byte, float(past.failed), prices)
        _count(model, past, was, past.first_byte, predicted.get(was, (0.0, 0.0))[1], prices)
        _count(then, past, would, _shifted(past, predicted, would), predicted.get(would, (0.0, 0.0))[1], prices)
    return Replayed(actual, model, then, moved)


def _shifted(past: Past, predicted: Mapping[Path, Prediction], would: Path) -> float | None:
    """The first byte over another path: never sooner than nothing."""
    if past.first_byte is None or past.path is None or past.path not in predicted or would not in predicted:
        return past.first_byte
    return max(0.0, past.first_byte + (predicted[would][0] - predicted[past.path][0]))


def _count(
    outcome: Outcome, past: Past, path: Path, first_byte: float | None, failed: float, prices: Mapping[str, float]
) -> None:
    outcome.requests += 1
    outcome.by_way[path.way] = outcome.by_way.get(path.way, 0) + 1
    outcome.failures += failed
    outcome.cost += past.bytes / 1e9 * max(prices.get(line, 0.0) for line in path.line.split("+"))
    if first_byte is not None:
        outcome.first_bytes.append(first_byte)


class _World:
    """The changed controls and snapshots, each made once: the chooser compares them by identity."""

    def __init__(self, change: Callable[[Controls], Controls], policy: str) -> None:
        self._change = change
        self._policy = policy
        self._controls: dict[int, tuple[Controls, Controls]] = {}
        self._snapshots: dict[int, tuple[Snapshot, Snapshot]] = {}
        self._predictions: dict[tuple[int, str, str, int], tuple[Scene, dict[Path, Prediction]]] = {}

    def controls(self, old: Controls) -> Controls:
        if id(old) not in self._controls:
            self._controls[id(old)] = (old, self._change(old))
        return self._controls[id(old)][1]

    def snapshot(self, old: Snapshot) -> Snapshot:
        if not self._policy:
            return old
        if id(old) not in self._snapshots:
            routing = replace(old.routing, policy=self._policy, classes=())
            self._snapshots[id(old)] = (old, replace(old, routing=routing))
        return self._snapshots[id(old)][1]

    def predictions(self, scene: Scene, ask: Ask) -> dict[Path, Prediction]:
        """Of every path that isn't excluded, whatever the policy was: that of `best` knows the terms."""
        key = (id(scene), ask.provider.id, ask.priority, ask.size)
        if key not in self._predictions:
            routing = replace(scene.snapshot.routing, policy="best", classes=())
            by_cost = Scene.of(replace(scene.snapshot, routing=routing), scene.view, Controls(), scene.moment)
            anyone = Ask(ask.provider, ask.priority, prompt_bytes=ask.prompt_bytes)
            lane = lane_of(by_cost, anyone, None, Hold(), 0.0)
            made = {each.path: _prediction(rows) for each, rows in zip(lane.found, lane.rows, strict=True)}
            self._predictions[key] = (scene, made)  # holding the scene keeps its id its own
        return self._predictions[key][1]


def _prediction(rows: Sequence[tuple[str, float, str, float]]) -> Prediction:
    waiting = sum(cost for name, _, _, cost in rows if name not in _OPINIONS)
    failing = sum(value for name, value, _, _ in rows if name == "failures")
    return waiting / 1000.0, min(1.0, failing)


def _quantile(ordered: Sequence[float], share: float) -> float | None:
    return round(ordered[min(len(ordered) - 1, int(share * len(ordered)))] * 1000, 1) if ordered else None
