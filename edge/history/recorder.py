"""Observations → the cells of the second that is going on. Every worker has a recorder; touched by its loop only.

A line's round trips are those to its nearest far end: a line to two continents would else show two clouds. Its losses
are those to all far ends. A kind of probe that nobody answers is filtered somewhere and says nothing.

A request through a relay counts for the relay, and for one of the lines (`edge.links.traffic`): its time and its faults
say nothing of a single line. What sessions carried is told by the second (`relay`), not by the request.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence

from msgspec import structs

from edge.dialects.facts import NO_USAGE
from edge.history.cell import Cell, State
from edge.history.sketch import add, bucket_of
from edge.links.look import RelayLook
from edge.observe.prices import NO_COSTS, Costs
from edge.observe.record import RequestRecord
from edge.routing.controls import Switch
from health.probe import Outcome, ProbeKind, ProbeResult
from health.standing import Standing
from health.view import HealthView, RelayHealth
from transport.failure import Code, Failure, Origin
from transport.path import LOCAL, Line, Path

NODE = "node"  # the subject of all requests together
ATTEMPTS = "attempts"  # … of all attempts on lines
LINES, PATHS, ENDPOINTS, KEYS, RELAYS = "lines", "paths", "endpoints", "keys", "relays"  # kinds; a subject is kind:id
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
        self._of_keys: defaultdict[str, Cell] = defaultdict(Cell)  # clients' requests by principal; "": none was told
        self._of_lines: defaultdict[str, Cell] = defaultdict(
            Cell
        )  # requests through relays, by the line that they count for
        self._through_relays = 0.0  # what keys pay for them
        self._of_paths: defaultdict[Path, Cell] = defaultdict(Cell)  # attempts, and what they carried
        self._known: set[str] = set()
        self._prices: dict[str, float] = {}
        self._nearest: dict[str, str] = {}
        self._voices: dict[Path, _Voices] = {}
        self._subjects: dict[Path, tuple[str, ...]] = {}

    def configure(self, lines: Iterable[Line]) -> None:
        """Prices are those of the configuration in use when bytes are counted."""
        self._prices = {line.id: line.cost_per_gb for line in lines}

    def take(self) -> dict[str, Cell]:
        """The cells of the second that is over, by subject."""
        self._share()
        cells, self._cells = self._cells, {}
        return cells

    def probe(self, result: ProbeResult) -> None:
        """What a probe says of its path, line and far end."""
        outcome, path, failure = result.outcome, result.path, result.failure
        is_answer = result.rtt is not None or (failure is not None and _is_refusal(failure))
        if outcome is Outcome.DUPLICATE or (failure is not None and failure.origin is Origin.EDGE):
            return
        if not self._voice(path).counts(result.kind, is_answer) and failure is None:
            return
        cells = self._cells_of(path)
        for cell in cells:
            if outcome is Outcome.LATE:  # it was counted as lost when its time was over
                cell.lost -= 1
            else:
                cell.sent += 1
                cell.lost += not is_answer
        if result.rtt is not None and result.kind is not ProbeKind.HTTP:  # which takes the far end's own time as well
            self._round_trip(path, cells, bucket_of(result.rtt))

    def request(self, record: RequestRecord, costs: Costs = NO_COSTS) -> None:
        """A client's request is over."""
        path, first, sent = record.path, record.first_byte_at, record.sent_at
        cell = self._of_keys[record.principal]
        cell.requests += 1
        cell.failures += record.failure is not None or record.status >= 500
        if costs is not NO_COSTS:
            cell.spent += costs.spent
            cell.saved += costs.saved
            cell.unpriced += costs.unpriced
        price = 0.0 if path is None else self._prices.get(record.line or path.line, 0.0)
        self._carried(cell, record, price, None if first is None else first - record.received_at)
        for attempt in record.attempts:
            cell = self._of_paths[attempt.path]
            cell.requests += 1
            cell.failures += attempt.code is not None
        if path is not None:
            self._carried(self._of_paths[path], record, price, None if first is None or sent is None else first - sent)
            if path.relay is not None:
                self._through(record, price)

    def _through(self, record: RequestRecord, price: float) -> None:
        """Through a relay: packets count as they go, for it, its lines and the node, and are paid for then."""
        self._through_relays += (record.bytes_in + record.bytes_out) * price / 1e9
        if not record.line:
            return
        cell = self._of_lines[record.line]
        cell.requests += 1
        _tokens(cell, record)

    def relay(self, relay: str, look: RelayLook) -> None:
        """One second of the sessions with a relay."""
        cell = self._cell(f"{RELAYS}:{relay}")
        if look.rtt is not None:
            bucket = bucket_of(look.rtt)
            cell.rtt[bucket] = cell.rtt.get(bucket, 0) + 1
        cell.sent += look.packets
        cell.lost += look.lost
        cell.useful += look.useful
        cell.streamed += look.streamed
        cell.suspicions += look.suspicions
        cell.false_suspicions += look.false_suspicions
        for late_ms, count in look.late.items():
            bucket = bucket_of((late_ms + 0.5) / 1000.0)
            cell.late[bucket] = cell.late.get(bucket, 0) + count
        for line, traffic in look.traffic.items():
            if traffic.sent or traffic.received:
                self._packets(line, cell, traffic.sent, traffic.received)

    def _packets(self, line: str, relay: Cell, up: int, down: int) -> None:
        cost = (up + down) * self._prices.get(line, 0.0) / 1e9
        for cell in (relay, self._cell(f"{LINES}:{line}")):
            cell.up += up
            cell.down += down
            cell.cost += cost
        self._cell(NODE).cost += cost

    def look(self, view: HealthView, switches: Mapping[str, Switch], scores: Mapping[str, float] | None) -> None:
        """Standings right now, once a second. `switches`: what operators said of each line; `scores`, when they were
        worked out."""
        for line, switch in switches.items():
            cell, health = self._cell(f"{LINES}:{line}"), view.line(line)
            suspected = State.SUSPECTED if health.is_suspected else State.UNKNOWN
            cell.see(max(_STATES[health.standing], suspected, _SWITCHES[switch]))
            if scores is not None:
                cell.score += scores.get(line, 0.0)
                cell.scores += 1
        for path, known in view.paths.items():
            self._cell(f"{PATHS}:{path}").see(_STATES[known.standing])
        for endpoint, far_end in view.endpoints.items():
            self._cell(f"{ENDPOINTS}:{endpoint}").see(_STATES[far_end.standing])
        for relay, told in view.relays.items():
            self._cell(f"{RELAYS}:{relay}").see(_relay_state(told))
        self._nearest = nearest(view)

    def _carried(self, cell: Cell, record: RequestRecord, price: float, first: float | None) -> None:
        if first is not None:
            add(cell.first_byte, first)
        cell.up += record.bytes_in
        cell.down += record.bytes_out
        cell.cost += (record.bytes_in + record.bytes_out) * price / 1e9
        _tokens(cell, record)

    def _share(self) -> None:
        """Requests are counted once by key and once by path; all that they belong to learn of it here."""
        for principal, cell in self._of_keys.items():
            self._cell(NODE).join(cell)
            if principal:
                self._cell(f"{KEYS}:{principal}").join(cell)
        if self._through_relays:
            self._cell(NODE).cost -= self._through_relays
        for line, cell in self._of_lines.items():
            self._cell(f"{LINES}:{line}").join(cell)
        for path, cell in self._of_paths.items():
            if cell.requests and path.line != LOCAL:
                self._cell(ATTEMPTS).requests += cell.requests
            way = cell if path.relay is None else structs.replace(cell, up=0, down=0, cost=0.0)
            for place, each in enumerate(self._cells_of(path)):
                each.join(way if place == 1 else cell)
        for told in (self._of_keys, self._of_lines, self._of_paths):
            told.clear()
        self._through_relays = 0.0

    def _round_trip(self, path: Path, cells: Sequence[Cell], bucket: int) -> None:
        for place, cell in enumerate(cells):
            if place != 1 or self._nearest.get(path.line, path.endpoint) == path.endpoint:
                cell.rtt[bucket] = cell.rtt.get(bucket, 0) + 1

    def _cells_of(self, path: Path) -> list[Cell]:
        """Of the path, its line or relay, and its far end; the local pool has neither."""
        subjects = self._subjects.get(path)
        if subjects is None:
            if len(self._subjects) >= MOST_SUBJECTS:
                self._subjects.clear()
            subjects = self._subjects[path] = _subjects_of(path)
        return [self._cell(subject) for subject in subjects]

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


def _subjects_of(path: Path) -> tuple[str, ...]:
    if path.line == LOCAL:
        return (f"{PATHS}:{path}",)
    way = f"{LINES}:{path.line}" if path.relay is None else f"{RELAYS}:{path.relay}"
    return (f"{PATHS}:{path}", way, f"{ENDPOINTS}:{path.endpoint}")


def _relay_state(told: RelayHealth) -> State:
    """A relay without a session is as good as ejected, unless it drains."""
    if told.is_draining:
        return State.DRAINING
    suspected = State.SUSPECTED if told.way.is_suspected else State.UNKNOWN
    return State.EJECTED if told.why_not else max(_STATES[told.way.standing], suspected)


def _tokens(cell: Cell, record: RequestRecord) -> None:
    if record.usage is not NO_USAGE:
        cell.input_tokens += record.usage.input or 0
        cell.output_tokens += record.usage.output or 0


def nearest(view: HealthView) -> dict[str, str]:
    """Each line's far end with the shortest median round trip, as far as any is known."""
    found: dict[str, tuple[float, str]] = {}
    for path, health in view.paths.items():
        if health.rtt is not None:
            here = (health.rtt.median, path.endpoint)
            found[path.line] = min(found.get(path.line, here), here)
    return {line: endpoint for line, (_, endpoint) in found.items()}
