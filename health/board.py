"""The health board: takes observations, gives out immutable views.

A failure counts against what its origin blames: LINE against the line, ENDPOINT against nothing but a penalty for
refusals (429/503/529: the endpoint asks for less traffic, it is not dead), CLIENT and EDGE against nobody.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass, field

from health.change import Change
from health.standing import Record, Standing, StandingRules
from health.view import EndpointHealth, HealthView, LineHealth
from transport.failure import Failure, Origin
from transport.path import Path


@dataclass(slots=True)
class HealthBoard:
    """One per process; only the event loop's thread touches it."""

    rules: StandingRules = field(default_factory=StandingRules)
    _records: dict[str, Record] = field(default_factory=dict)
    _penalties: dict[str, float] = field(default_factory=dict)  # endpoint id → until
    _view: HealthView = field(default_factory=HealthView)
    _valid_until: float = float("inf")
    on_change: Callable[[Change], None] = lambda change: None
    _suspected: dict[str, str] = field(default_factory=dict)  # line → reason

    def succeeded(self, path: Path, now: float) -> None:
        """The line of `path` carried something: a finished dial, a reply's head."""
        record = self._records.get(path.line)
        if record is not None and (record.failures or record.ejections):
            record.succeed(now, self.rules)
            self._refresh(now)

    def failed(self, path: Path, failure: Failure, now: float) -> None:
        """An attempt or dial on `path` failed."""
        if failure.origin is not Origin.LINE:
            return
        record = self._records.setdefault(path.line, Record())
        before = record.standing(now)
        record.fail(now, self.rules)
        self._refresh(now)
        if record.standing(now) is not before:
            self.on_change(Change(now, "line", path.line, before.value, record.standing(now).value, failure.code))

    def penalise(self, endpoint: str, seconds: float, now: float) -> None:
        """The endpoint refused a request (429, 503, 529) and may have said for how long (Retry-After)."""
        self._penalties[endpoint] = max(self._penalties.get(endpoint, 0.0), now + seconds)
        self._refresh(now)

    def suspect(self, line: str, reason: str, now: float) -> None:
        """The line went silent."""
        if line not in self._suspected:
            self._suspected[line] = reason
            self._refresh(now)
            self.on_change(Change(now, "line", line, "relieved", "suspected", reason))

    def relieve(self, line: str, now: float) -> None:
        """The line was heard again."""
        reason = self._suspected.pop(line, None)
        if reason is not None:
            self._refresh(now)
            self.on_change(Change(now, "line", line, "suspected", "relieved", reason))

    def view(self, now: float) -> HealthView:
        """The current picture; the same object until something changes."""
        if now >= self._valid_until:
            self._refresh(now)
        return self._view

    def forget(self, keep: Iterable[str]) -> None:
        """Lines were removed from the configuration."""
        kept = set(keep)
        for line in [line for line in self._records if line not in kept]:
            del self._records[line]

    def _refresh(self, now: float) -> None:
        self._penalties = {endpoint: until for endpoint, until in self._penalties.items() if until > now}
        self._view = HealthView(
            lines={
                line: LineHealth(
                    self._records[line].standing(now) if line in self._records else Standing.ADMITTED,
                    is_suspected=line in self._suspected,
                )
                for line in {**self._records, **self._suspected}
            },
            endpoints={each: EndpointHealth(penalised_until=until) for each, until in self._penalties.items()},
        )
        changes = [record.ejected_until for record in self._records.values() if record.ejected_until is not None]
        self._valid_until = min((at for at in [*changes, *self._penalties.values()] if at > now), default=float("inf"))
