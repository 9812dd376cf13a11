"""All lines, paths and far ends that were ever named, and what listeners have been told of them."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from health.change import Change, Kind
from health.rules import HealthRules, QualityRules
from health.standing import Record, Standing, StandingRules
from health.states import EndpointState, LineState, PathState
from health.suspicion import SuspicionRules
from transport.path import Path


def _nobody(change: Change) -> None:
    """Nobody listens."""


class Subjects:
    """`is_dirty`: figures have changed; `is_urgent`: something that choices depend on has."""

    def __init__(self, rules: StandingRules) -> None:
        self.rules = rules
        self.quality: QualityRules = HealthRules().quality
        self.suspicion: SuspicionRules = HealthRules().suspicion
        self.on_change: Callable[[Change], None] = _nobody
        self.lines: dict[str, LineState] = {}
        self.paths: dict[Path, PathState] = {}
        self.endpoints: dict[str, EndpointState] = {}
        self.is_dirty = False
        self.is_urgent = False

    # --- made when they are first named ---

    def line(self, line: str, now: float) -> LineState:
        state = self.lines.get(line)
        if state is None:
            state = self.lines[line] = LineState(line, self.suspicion, now)
            self.is_urgent = True
        return state

    def endpoint(self, endpoint: str, now: float) -> EndpointState:
        state = self.endpoints.get(endpoint)
        if state is None:
            state = self.endpoints[endpoint] = EndpointState(endpoint, now)
        return state

    def path(self, path: Path, now: float) -> PathState:
        state = self.paths.get(path)
        if state is None:
            line, endpoint = self.line(path.line, now), self.endpoint(path.endpoint, now)
            state = self.paths[path] = line.paths[path] = endpoint.paths[path] = PathState(path, line, endpoint, now)
        return state

    def keep(self, lines: Iterable[str], endpoints: Iterable[str] | None) -> None:
        """Forgets all others. `endpoints` None: keeps them all."""
        kept_lines, kept_ends = set(lines), None if endpoints is None else set(endpoints)
        for line in [line for line in self.lines if line not in kept_lines]:
            del self.lines[line]
        for path, state in list(self.paths.items()):
            if path.line not in kept_lines or (kept_ends is not None and path.endpoint not in kept_ends):
                del self.paths[path]
                del state.endpoint.paths[path]
                state.line.paths.pop(path, None)
        for endpoint in [each for each in self.endpoints if kept_ends is not None and each not in kept_ends]:
            del self.endpoints[endpoint]
        self.is_urgent = True

    # --- what changed ---

    def touch(self, state: PathState) -> None:
        """Its figures have changed."""
        state.is_dirty = state.line.is_dirty = self.is_dirty = True

    def settle_line(self, line: LineState, now: float) -> None:
        """Tells of its standing, if that has changed. Who is admitted again has been judged for what was before."""
        before = line.told
        self._settle("line", line.line, line, line.record, now)
        if line.told is Standing.ADMITTED and before is not Standing.ADMITTED:
            line.outcomes.clear()

    def settle_path(self, path: PathState, now: float) -> None:
        self._settle("path", path.path, path, path.record, now)

    def settle_endpoint(self, endpoint: EndpointState, now: float) -> None:
        self._settle("endpoint", endpoint.endpoint, endpoint, endpoint.worse(now), now)

    def _settle(
        self, kind: Kind, id: object, state: LineState | PathState | EndpointState, record: Record, now: float
    ) -> None:
        standing, since = record.standing(now), record.since(now)
        if since != state.told_since:
            state.told_since, state.is_dirty, self.is_urgent = since, True, True
        if standing is not state.told:
            before, state.told = state.told, standing
            self.is_urgent = state.is_dirty = True
            self.tell(kind, str(id), before.value, standing.value, record.reason or "works again", now)

    def tell(self, kind: Kind, id: str, before: str, after: str, reason: str, now: float) -> None:
        """Listeners hear of a change at once."""
        self.on_change(Change(now, kind, id, before, after, reason))

    def settle(self, now: float) -> None:
        """Standings that time alone has changed."""
        for line in self.lines.values():
            self.settle_line(line, now)
        for path in self.paths.values():
            if path.record.ejected_until is not None:
                self.settle_path(path, now)
        for endpoint in self.endpoints.values():
            self.settle_endpoint(endpoint, now)
