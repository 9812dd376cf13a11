"""Everything that holds for all requests until the next health view, control, reload or second.

A line is *usable* or excluded with a reason. What stands against a usable one is a set of marks; the sum of marks is a
rank: a path with a lower rank goes first, whatever its cost. Each mark outweighs all that stand before it:

    SPILL       more than `spill_ratio` of its capacity or cap is in use
    AVOIDED     its schedule says to avoid it now
    PROBATION   it has failed and may be tried again, a little
    SPARE       weight 0: only when nothing else is left
    PENALISED   the endpoint asked for less traffic (429, 503, 529)
    SUSPECTED   the line is silent right now
    EJECTED     it failed too often
"""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct

from edge.config.model import Endpoint, Snapshot
from edge.routing.ask import Ask, Moment
from edge.routing.controls import Controls, Switch
from health.standing import Standing
from health.view import HealthView, LineHealth
from transport.path import Line, Path

RELIEF = 0.875  # a line that spills does so until its use is below this part of `spill_ratio`


class Mark:
    """What stands against a path; see the module's head. Plain integers: enum's flags cost a microsecond each."""

    SPILL = 1
    AVOIDED = 2
    PROBATION = 4
    SPARE = 8
    PENALISED = 16
    SUSPECTED = 32
    EJECTED = 64


class LineState(Struct, frozen=True):
    """A line now. `excluded` empty: it may be used. `use` None: its capacity isn't known."""

    line: Line
    health: LineHealth
    weight: float
    marks: int
    excluded: str
    use: float | None


class Scene(Struct, frozen=True):
    """The lines' states; made once per (snapshot, view, controls, moment)."""

    snapshot: Snapshot
    view: HealthView
    controls: Controls
    moment: Moment
    lines: Mapping[str, LineState]
    pins: Mapping[str, str]  # subject → line

    @classmethod
    def of(
        cls,
        snapshot: Snapshot,
        view: HealthView,
        controls: Controls,
        moment: Moment,
        spilling: Collection[str] = (),
    ) -> Scene:
        """`spilling`: lines that did so before; they are relieved only below `RELIEF`."""
        states = {
            line.id: _line_state(line, view, controls, moment, snapshot.routing.spill_ratio, line.id in spilling)
            for line in snapshot.lines
        }
        pins = {pin.subject: pin.line for pin in controls.pins if pin.line in states}
        return cls(snapshot, view, controls, moment, states, pins)

    @property
    def spilling(self) -> frozenset[str]:
        return frozenset(line for line, state in self.lines.items() if state.marks & Mark.SPILL)

    def pinned(self, ask: Ask) -> str | None:
        """The line that operators want such requests on; the most exact subject counts."""
        pins = self.pins
        subjects = (f"key:{ask.key}", f"model:{ask.model}", f"provider:{ask.provider.id}", "*")
        return next((pins[subject] for subject in subjects if subject in pins), None)

    def path_marks(self, path: Path, endpoint: Endpoint) -> int:
        """All that stands against `path`. In panic nobody's ejection is believed."""
        view = self.view
        far_end = view.endpoint(endpoint.id)
        marks = self.lines[path.line].marks | standing_mark(view.path(path).standing) | standing_mark(far_end.standing)
        if endpoint.weight <= 0:
            marks |= Mark.SPARE
        if far_end.penalised_until is not None:
            marks |= Mark.PENALISED
        if marks & Mark.EJECTED:
            marks &= ~Mark.PROBATION
        return marks & ~Mark.EJECTED if view.is_panic else marks


def standing_mark(standing: Standing) -> int:
    """Compared by identity: an enum's member is slow as a key."""
    if standing is Standing.ADMITTED:
        return 0
    return Mark.PROBATION if standing is Standing.PROBATION else Mark.EJECTED


def utilisation(line: Line, health: LineHealth) -> float | None:
    """How much of what it may carry a line carries now, in its busier direction; None where that isn't known."""
    bounds = [mbps for mbps in (line.capacity_mbps, line.max_mbps) if mbps > 0]
    return max(health.up_bps, health.down_bps) / (min(bounds) * 1e6) if bounds else None


def _line_state(
    line: Line, view: HealthView, controls: Controls, moment: Moment, spill_ratio: float, spilled: bool
) -> LineState:
    health = view.line(line.id)
    use = utilisation(line, health)
    weight = controls.line(line.id).weight
    weight = line.weight if weight is None else weight
    marks = standing_mark(health.standing)
    if use is not None and use > (spill_ratio * RELIEF if spilled else spill_ratio):
        marks |= Mark.SPILL
    if any(window.covers(moment.weekday, moment.minute) for window in line.avoid):
        marks |= Mark.AVOIDED
    if weight <= 0:
        marks |= Mark.SPARE
    if health.is_suspected:
        marks |= Mark.SUSPECTED
    return LineState(line, health, weight, marks, _excluded(controls.switch(line.id, moment.utc)), use)


def _excluded(switch: Switch) -> str:
    return "" if switch is Switch.ON else switch.value
