"""The servers' standing and load. The poller and real traffic tell it; choice, admission and metrics read it.

    >> told(load)               reachable: a success for its record
    >> unreachable(reason)      a failure; two in a row eject it for a second or more (`health.standing`)
    >> loading()                it says 503 while it loads its model: nothing counts against it, nothing is sent to it
    >> warming(True) … (False)  its first request is being made for it: used only if there is no other

Nobody has to bring a server back: the next good look after its ejection does.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

from edge.config.model import Pool
from edge.pool.load import UNKNOWN, UNLISTED, Load, Served
from edge.pool.mapping import Names, served
from health.standing import Record, Standing, StandingRules

RULES = StandingRules(2, base_ejection=1.0, longest_ejection=2.0, probation_successes=1)  # it is polled all the time


@dataclass(slots=True)
class Backend:
    """One server. `in_flight`: this process's requests there."""

    pool: Pool
    record: Record = field(default_factory=Record)
    is_loading: bool = False
    is_warming: bool = False
    reason: str = ""  # why it isn't admitted, for people
    load: Load = UNKNOWN
    listed: Served = UNLISTED
    in_flight: int = 0
    others: int = 0  # requests at the server that aren't ours, as of the last look

    def standing(self, now: float) -> Standing:
        """EJECTED while it loads, PROBATION while it is warmed up."""
        if self.is_loading:
            return Standing.EJECTED
        standing = self.record.standing(now)
        return Standing.PROBATION if self.is_warming and standing is Standing.ADMITTED else standing

    @property
    def models(self) -> Names:
        return served(self.pool, self.listed.models)

    @property
    def context_tokens(self) -> int | None:
        """What a prompt and its reply may take together; None: unknown."""
        return self.pool.context_tokens or self.listed.context_tokens


class PoolBoard:
    """One per process; only the event loop's thread touches it."""

    def __init__(self, pools: Iterable[Pool], rules: StandingRules = RULES) -> None:
        self._rules = rules
        self.backends: dict[str, Backend] = {}
        self.update(pools)

    def update(self, pools: Iterable[Pool]) -> None:
        """A reload: what is known of a server stays, unless its URL is another."""
        old, self.backends = self.backends, {}
        for pool in pools:
            backend = old.get(pool.id)
            if backend is None or backend.pool.url != pool.url:
                backend = Backend(pool)
            backend.pool = pool
            self.backends[pool.id] = backend

    def documents(self, now: float) -> list[dict[str, Any]]:
        """The servers as JSON-ready objects, for people."""
        return [
            {
                "id": id,
                "url": backend.pool.url,
                "engine": backend.pool.engine,
                "standing": backend.standing(now).value,
                "reason": backend.reason,
                "models": sorted(backend.models),
                "context_tokens": backend.context_tokens,
                "in_flight": backend.in_flight,
                "max_in_flight": backend.pool.max_in_flight,
                "running": backend.load.running,
                "waiting": backend.load.waiting,
                "cache_ratio": backend.load.cache_ratio,
            }
            for id, backend in self.backends.items()
        ]

    def standing(self, pool: str, now: float) -> Standing:
        """A pool that isn't there any more is EJECTED."""
        backend = self.backends.get(pool)
        return Standing.EJECTED if backend is None else backend.standing(now)

    def told(self, pool: str, load: Load, now: float) -> None:
        """It answered the poller, with this load."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.load, backend.is_loading = load, False
            if load.running is not None:
                backend.others = max(0, load.running + (load.waiting or 0) - backend.in_flight)
            self.succeeded(pool, now)

    def lists(self, pool: str, listed: Served) -> None:
        """It said which models it serves and how long a context they take."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.listed = listed

    def loading(self, pool: str) -> None:
        """It is there, and not ready yet."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.is_loading, backend.reason, backend.load = True, "loading its model", UNKNOWN

    def warming(self, pool: str, is_warming: bool) -> None:
        """Its warm-up begins, or has ended."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.is_warming = is_warming

    def succeeded(self, pool: str, now: float) -> None:
        """It answered."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.record.succeed(now, self._rules)
            if backend.standing(now) is Standing.ADMITTED:
                backend.reason = ""

    def failed(self, pool: str, reason: str, now: float) -> None:
        """A connection to it, or a look at it, failed."""
        backend = self.backends.get(pool)
        if backend is not None:
            backend.record.fail(now, self._rules)
            backend.reason, backend.load, backend.others = reason, UNKNOWN, 0
