"""One call per request: which paths, in which order.

Costs are worked out once per health view (or control, reload, second) and kind of request, not per request. What is
left for a request is a turn, a draw between two, or nothing.

    PROBATION   one request a second tries whoever is back, never a realtime one
    unknown     `explore_ratio` of the requests go where nothing has been measured, never a realtime one
    weighted    the next turn
    sticky      among equals, the endpoint where the conversation lives
    otherwise   of two equals drawn at random, the one with fewer requests in flight (Mitzenmacher, 2001)
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec import Struct

from edge.config.model import Snapshot
from edge.routing.ask import Ask, Moment
from edge.routing.controls import Controls
from edge.routing.hold import Hold
from edge.routing.lane import Kind, Lane, Refusal, lane_of
from edge.routing.scene import Scene
from edge.routing.turns import Turns
from health.view import HealthView
from transport.path import Path

TRIAL_SECONDS = 1.0


class Choice(Struct, frozen=True):
    """`paths` best first, none twice; empty if there is a `refusal`. `explain` makes a Ranking of it, when asked."""

    paths: tuple[Path, ...]
    lane: Lane
    ask: Ask
    how: str  # "", "turn", "sticky", "trial", "exploring"
    at: float

    @property
    def refusal(self) -> Refusal | None:
        return self.lane.refusal

    @property
    def is_hopeless(self) -> bool:
        """Is no line known to work? Then a request should learn its fate quickly."""
        return self.lane.is_hopeless


class Chooser:
    """Remembers turns, trials and what is held. One per process; only the event loop's thread touches it."""

    def __init__(self) -> None:
        self._scene: Scene | None = None
        self._lanes: dict[Kind, Lane] = {}
        self._holds: dict[Kind, Hold] = {}
        self._turns = Turns()
        self._trials: dict[str, float] = {}  # subject → when the next may be sent

    def choose(
        self,
        ask: Ask,
        snapshot: Snapshot,
        view: HealthView,
        controls: Controls,
        moment: Moment,
        now: float,
        chance: float,
    ) -> Choice:
        """`now` monotonic seconds; `chance` drawn evenly from [0, 1)."""
        scene = self._scene
        if (
            scene is None
            or scene.view is not view
            or scene.moment is not moment
            or scene.controls is not controls
            or scene.snapshot is not snapshot
        ):
            scene = self._set_scene(snapshot, view, controls, moment)
        pinned = scene.pinned(ask) if scene.pins else None
        kind = (ask.provider.id, ask.priority, ask.size, ask.regions, ask.wanted, pinned)
        lane = self._lanes.get(kind)
        if lane is None:
            hold = self._holds.setdefault(kind, Hold())
            lane = self._lanes[kind] = lane_of(scene, ask, pinned, hold, now)
        if lane.refusal is not None:
            return Choice((), lane, ask, "", now)
        first, how = self._pick(lane, ask, now, chance)
        lane.loads[first] += 1
        return Choice(lane.paths(first), lane, ask, how, now)

    def _set_scene(self, snapshot: Snapshot, view: HealthView, controls: Controls, moment: Moment) -> Scene:
        """What operators have changed counts from this request on: nothing of before is held on to."""
        old = self._scene
        spilling = old.spilling if old is not None else ()
        if old is None or old.snapshot is not snapshot or old.controls is not controls:
            self._turns.forget()
            self._holds.clear()
            self._trials.clear()
        self._lanes = {}  # a new one: choices of before keep theirs
        self._scene = Scene.of(snapshot, view, controls, moment, spilling)
        return self._scene

    def _pick(self, lane: Lane, ask: Ask, now: float, chance: float) -> tuple[int, str]:
        """The first path's index, and how it came to be first."""
        is_patient = ask.priority != "realtime"
        if lane.trials and is_patient:
            trial = self._trial(lane.trials, now)
            if trial is not None:
                return trial, "trial"
        members = lane.members
        if lane.shares:
            return members[self._turns.take(lane.shares)], "turn"
        if lane.unknown and is_patient:
            share = lane.scene.snapshot.routing.explore_ratio
            if chance < share:
                return lane.unknown[int(chance / share * len(lane.unknown))], "exploring"
            chance = (chance - share) / (1.0 - share)
        if len(members) == 1:
            return members[0], ""
        if ask.sticky is not None:
            return less_busy(lane.at_home(ask.sticky), lane.loads, chance), "sticky"
        return less_busy(members, lane.loads, chance), ""

    def _trial(self, trials: Sequence[tuple[str, int]], now: float) -> int | None:
        for subject, index in trials:
            if now >= self._trials.get(subject, now):
                self._trials[subject] = now + TRIAL_SECONDS
                return index
        return None


def less_busy(members: Sequence[int], loads: Sequence[int], chance: float) -> int:
    """The power of two choices: of two members drawn by `chance`, the one with the smaller load, else the first."""
    count = len(members)
    if count == 1:
        return members[0]
    one, other = divmod(int(chance * count * (count - 1)), count - 1)
    other += other >= one
    first, second = members[min(one, other)], members[max(one, other)]
    return second if loads[second] < loads[first] else first
