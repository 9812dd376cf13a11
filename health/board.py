"""The health board: takes observations, gives out immutable views.

A failure counts against what its origin blames: LINE against the line, ENDPOINT against nothing but a penalty for
refusals (429/503/529: the endpoint asks for less traffic, it is not dead), CLIENT and EDGE against nobody.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field

from health.standing import Record, StandingRules
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
        self._records.setdefault(path.line, Record()).fail(now, self.rules)
        self._refresh(now)

    def penalise(self, endpoint: str, seconds: float, now: float) -> None:
        """The endpoint refused a request (429, 503, 529) and may have said for how long (Retry-After)."""
        self._penalties[endpoint] = max(self._penalties.get(endpoint, 0.0), now + seconds)
        self._refresh(now)

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
            lines={line: LineHealth(record.standing(now)) for line, record in self._records.items()},
            endpoints={each: EndpointHealth(penalised_until=until) for each, until in self._penalties.items()},
        )
        changes = [record.ejected_until for record in self._records.values() if record.ejected_until is not None]
        self._valid_until = min((at for at in [*changes, *self._penalties.values()] if at > now), default=float("inf"))
