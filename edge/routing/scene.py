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

from collections.abc import Collection, Mapping, Sequence

from msgspec import Struct

from edge.config.model import Endpoint, Relay, Snapshot
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
    """A line now. `excluded` empty: it may be used. `use` None: its capacity isn't known.

    A `relay` is one more way out: `line` then stands for all lines of its session, `providers` are those it is for
    (empty: all).
    """

    line: Line
    health: LineHealth
    weight: float
    marks: int
    excluded: str
    use: float | None
    relay: str | None = None
    providers: tuple[str, ...] = ()

    def path(self, endpoint: str) -> Path:
        return Path(self.line.id, endpoint, self.relay)


class Scene(Struct, frozen=True):
    """The states of lines and relays; made once per (snapshot, view, controls, moment)."""

    snapshot: Snapshot
    view: HealthView
    controls: Controls
    moment: Moment
    lines: Mapping[str, LineState]
    relays: Mapping[str, LineState]
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
        relays = {relay.id: relay_state(relay, snapshot.lines_of(relay), states, view) for relay in snapshot.relays}
        pins = {pin.subject: pin.line for pin in controls.pins if pin.line in states}
        return cls(snapshot, view, controls, moment, states, relays, pins)

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
        way = self.lines[path.line] if path.relay is None else self.relays[path.relay]
        marks = way.marks | standing_mark(view.path(path).standing) | standing_mark(far_end.standing)
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


def relay_state(relay: Relay, over: Sequence[str], lines: Mapping[str, LineState], view: HealthView) -> LineState:
    """A relay now: as dear as the dearest line that may carry its session."""
    health = view.relay(relay.id)
    used = [lines[line] for line in usable(over, lines, view)]
    excluded = health.why_not
    if not used:
        excluded = "none of its lines takes requests"
    line = Line(
        "+".join(over),
        cost_per_gb=max([state.line.cost_per_gb for state in used], default=0.0),
        tier=min([state.line.tier for state in used], default=1),
    )
    marks = standing_mark(health.way.standing) | (Mark.SUSPECTED if health.way.is_suspected else 0)
    return LineState(line, health.way, 100.0, marks, excluded, None, relay.id, relay.providers)


_UNWANTED = (Mark.EJECTED | Mark.SPARE | Mark.AVOIDED, Mark.EJECTED | Mark.SPARE, Mark.EJECTED, 0)


def usable(wanted: Sequence[str], lines: Mapping[str, LineState], view: HealthView) -> tuple[str, ...]:
    """The lines, of those a relay is reached over, that its session may use now, in the same order.

    Never one that is drained or off. Of the others those that are wanted: not ejected (in panic nobody's ejection is
    believed), weight above 0, not to be avoided at this hour; as many of these wishes as leave a line at all. Then
    those of the lowest tier. A suspected line stays: the session itself knows better when to leave it.
    """
    states = [lines[line] for line in wanted if line in lines and not lines[line].excluded]
    for unwanted in _UNWANTED:
        if view.is_panic:
            unwanted &= ~Mark.EJECTED
        kept = [state.line for state in states if not state.marks & unwanted]
        if kept:
            tier = min(line.tier for line in kept)
            return tuple(line.id for line in kept if line.tier == tier)
    return ()


def _excluded(switch: Switch) -> str:
    return "" if switch is Switch.ON else switch.value
