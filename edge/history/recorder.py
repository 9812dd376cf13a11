"""Observations → the cells of the second that is going on. Every worker has a recorder; touched by its loop only.

A line's round trips are those to its nearest far end: a line to two continents would else show two clouds. Its losses
are those to all far ends. A kind of probe that nobody answers is filtered somewhere and says nothing.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping

from edge.history.cell import Cell, State
from edge.history.sketch import add
from edge.observe.record import RequestRecord
from edge.routing.controls import Switch
from health.probe import Outcome, ProbeKind, ProbeResult
from health.standing import Standing
from health.view import HealthView
from transport.failure import Code, Failure, Origin
from transport.path import LOCAL, Line, Path

NODE = "node"  # the subject of all requests together
ATTEMPTS = "attempts"  # … of all attempts on lines
LINES, PATHS, ENDPOINTS, KEYS = "lines", "paths", "endpoints", "keys"  # kinds; a subject is kind:id
MOST_SUBJECTS = 5000  # beyond them new ones aren't recorded
SILENT = 20  # unanswered in a row, while another kind is answered on the path: filtered

_STATES = {
    Standing.ADMITTED: State.ADMITTED,
    Standing.PROBATION: State.PROBATION,
    Standing.EJECTED: State.EJECTED,
}
_SWITCHES = {Switch.ON: State.UNKNOWN, Switch.DRAINING: State.DRAINING, Switch.OFF: State.OFF}


class _Voices:
    """Which kinds of probe are answered on a path. `unanswered`: in a row; a kind never answered isn't in it."""

    __slots__ = ("unanswered",)

    def __init__(self) -> None:
        self.unanswered: dict[ProbeKind, int] = {}

    def counts(self, kind: ProbeKind, is_answer: bool) -> bool:
        """Does this probe say something?"""
        if is_answer:
            self.unanswered[kind] = 0
            return True
        if kind not in self.unanswered:
            return False
        self.unanswered[kind] += 1
        others = (number for other, number in self.unanswered.items() if other is not kind)
        return self.unanswered[kind] <= SILENT or all(number > SILENT for number in others)


class Recorder:
    """`take` hands out what has come since it was last called."""

    def __init__(self) -> None:
        self._cells: dict[str, Cell] = {}
        self._known: set[str] = set()
        self._prices: dict[str, float] = {}
        self._nearest: dict[str, str] = {}
        self._voices: dict[Path, _Voices] = {}

    def configure(self, lines: Iterable[Line]) -> None:
        """Prices are those of the configuration in use when bytes are counted."""
        self._prices = {line.id: line.cost_per_gb for line in lines}

    def take(self) -> dict[str, Cell]:
        """The cells of the second that is over, by subject."""
        cells, self._cells = self._cells, {}
        return cells

    def probe(self, result: ProbeResult) -> None:
        """What a probe says of its path, line and far end."""
        outcome, path = result.outcome, result.path
        is_answer = result.rtt is not None or (result.failure is not None and _is_refusal(result.failure))
        if outcome is Outcome.DUPLICATE or (result.failure is not None and result.failure.origin is Origin.EDGE):
            return
        if not self._voice(path).counts(result.kind, is_answer) and result.failure is None:
            return
        for subject in (f"{PATHS}:{path}", f"{LINES}:{path.line}", f"{ENDPOINTS}:{path.endpoint}"):
            cell = self._cell(subject)
            if outcome is Outcome.LATE:  # it was counted as lost when its time was over
                cell.lost -= 1
            else:
                cell.sent += 1
                cell.lost += not is_answer
            if result.rtt is not None and self._is_round_trip(subject, result):
                add(cell.rtt, result.rtt)

    def request(self, record: RequestRecord) -> None:
        """A client's request is over."""
        first = None if record.first_byte_at is None else record.first_byte_at - record.received_at
        subjects = [NODE, f"{KEYS}:{record.principal}"] if record.principal else [NODE]
        for subject in subjects:
            cell = self._cell(subject)
            cell.requests += 1
            cell.failures += record.failure is not None or record.status >= 500
            self._carried(cell, record, first)
        for attempt in record.attempts:
            if attempt.path.line != LOCAL:
                self._cell(ATTEMPTS).requests += 1
            for subject in _of_path(attempt.path):
                cell = self._cell(subject)
                cell.requests += 1
                cell.failures += attempt.code is not None
        if record.path is not None:
            first = None if first is None or record.sent_at is None else first + record.received_at - record.sent_at
            for subject in _of_path(record.path):
                self._carried(self._cell(subject), record, first)

    def look(self, view: HealthView, switches: Mapping[str, Switch], scores: Mapping[str, float] | None) -> None:
        """Standings right now, once a second. `switches`: what operators said of each line; `scores`, when they were
        worked out."""
        for line, switch in switches.items():
            cell, health = self._cell(f"{LINES}:{line}"), view.line(line)
            suspected = State.SUSPECTED if health.is_suspected else State.UNKNOWN
            cell.state = max(_STATES[health.standing], suspected, _SWITCHES[switch])
            if scores is not None:
                cell.score += scores.get(line, 0.0)
                cell.scores += 1
        for path, known in view.paths.items():
            self._cell(f"{PATHS}:{path}").state = _STATES[known.standing]
        for endpoint, far_end in view.endpoints.items():
            self._cell(f"{ENDPOINTS}:{endpoint}").state = _STATES[far_end.standing]
        self._nearest = nearest(view)

    def _carried(self, cell: Cell, record: RequestRecord, first: float | None) -> None:
        if first is not None:
            add(cell.first_byte, first)
        cell.up += record.bytes_in
        cell.down += record.bytes_out
        cell.input_tokens += record.usage.input or 0
        cell.output_tokens += record.usage.output or 0
        if record.path is not None:
            cell.cost += (record.bytes_in + record.bytes_out) / 1e9 * self._prices.get(record.path.line, 0.0)

    def _is_round_trip(self, subject: str, result: ProbeResult) -> bool:
        """HTTP checks take the far end's own time as well."""
        path = result.path
        if result.kind is ProbeKind.HTTP:
            return False
        return not subject.startswith(LINES) or self._nearest.get(path.line, path.endpoint) == path.endpoint

    def _voice(self, path: Path) -> _Voices:
        voices = self._voices.get(path)
        if voices is None:
            if len(self._voices) >= MOST_SUBJECTS:
                self._voices.clear()
            voices = self._voices[path] = _Voices()
        return voices

    def _cell(self, subject: str) -> Cell:
        cell = self._cells.get(subject)
        if cell is None:
            if subject not in self._known:
                if len(self._known) >= MOST_SUBJECTS:
                    return Cell()
                self._known.add(subject)
            cell = self._cells[subject] = Cell()
        return cell


def _is_refusal(failure: Failure) -> bool:
    """It was the far end that spoke: its packets came back."""
    return failure.origin is Origin.ENDPOINT or failure.code == Code.CONNECTION_REFUSED


def _of_path(path: Path) -> tuple[str, ...]:
    if path.line == LOCAL:
        return (f"{PATHS}:{path}",)
    return (f"{PATHS}:{path}", f"{LINES}:{path.line}", f"{ENDPOINTS}:{path.endpoint}")


def nearest(view: HealthView) -> dict[str, str]:
    """Each line's far end with the shortest median round trip, as far as any is known."""
    found: dict[str, tuple[float, str]] = {}
    for path, health in view.paths.items():
        if health.rtt is not None:
            here = (health.rtt.median, path.endpoint)
            found[path.line] = min(found.get(path.line, here), here)
    return {line: endpoint for line, (_, endpoint) in found.items()}
