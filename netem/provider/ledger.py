"""What was asked, what was executed, and which callers meet which fault.

An *execution* is a request that the provider began to work on: its body was whole and it wasn't turned away with an
error status or REFUSED_STREAM. It is what would have been billed.
"""

from __future__ import annotations

from collections import Counter, deque
from collections.abc import Iterable
from dataclasses import asdict, dataclass, field
from typing import Any

from netem.provider.request import Request
from netem.provider.sim import Sim, SimError, from_header


@dataclass(slots=True)
class Record:
    """One request. Times are seconds on the monotonic clock; `ended_at` is when the end *or the cancel* was noticed."""

    id: str
    method: str
    target: str
    protocol: str
    source: str  # the peer's address, without port
    connection: int  # number of the connection, from 1
    headers: tuple[tuple[str, str], ...]
    body_length: int
    body_sha256: str
    received_at: float
    operation: str = ""
    model: str | None = None
    status: int = 0
    executed: bool = False
    fault: str = ""
    tokens_planned: int = 0
    tokens_written: int = 0  # handed to the connection
    bytes_written: int = 0
    crc_written: int = 0  # CRC-32 of the body's bytes
    head_at: float | None = None
    ended_at: float | None = None
    outcome: str = "open"  # open | complete | cancelled | a fault's name

    def as_json(self) -> dict[str, Any]:
        return asdict(self)


@dataclass(slots=True)
class Rule:
    """A standing order: what `source` asks (under `path`) is answered with `sim` on top of its own wishes."""

    sim: str
    source: str = ""  # empty: anyone
    path: str = ""  # prefix of the request's path
    times: int = 0  # so many requests, then the rule is spent; 0: for ever

    def matches(self, source: str, path: str) -> bool:
        return self.source in ("", source) and path.startswith(self.path)


@dataclass(slots=True)
class Access:
    """Who is heard. Addresses are sources; "*" means everyone."""

    blackhole: set[str] = field(default_factory=set)  # neither read from nor written to, though TCP connects
    reset: set[str] = field(default_factory=set)  # every connection of theirs is reset at once
    refuse: bool = False  # nobody listens: connection refused

    def is_dark(self, source: str) -> bool:
        return bool(self.blackhole) and (source in self.blackhole or "*" in self.blackhole)

    def is_reset(self, source: str) -> bool:
        return bool(self.reset) and (source in self.reset or "*" in self.reset)


class Ledger:
    """Bounded log, unbounded counts."""

    def __init__(self, log_size: int = 10_000) -> None:
        self.log: deque[Record] = deque(maxlen=log_size)
        self.rules: list[Rule] = []
        self._executions: Counter[str] = Counter()
        self._totals: Counter[str] = Counter()
        self._by: dict[str, Counter[str]] = {"source": Counter(), "protocol": Counter(), "connection": Counter()}
        self.connections = 0

    def opened(self) -> int:
        """A connection came; its number."""
        self.connections += 1
        return self.connections

    def receive(self, request: Request, source: str, connection: int, now: float) -> Record:
        record = Record(
            request.id,
            request.method,
            request.target,
            request.protocol,
            source,
            connection,
            request.headers,
            request.body_length,
            request.body_sha256,
            now,
        )
        self.log.append(record)
        self._totals["requests"] += 1
        return record

    def execute(self, record: Record) -> int:
        """The provider begins to work. How often it has now begun for this id."""
        record.executed = True
        self._executions[record.id] += 1
        self._totals["executions"] += 1
        self._by["source"][record.source] += 1
        self._by["protocol"][record.protocol] += 1
        self._by["connection"][str(record.connection)] += 1
        return self._executions[record.id]

    def end(self, record: Record, outcome: str, now: float) -> None:
        record.outcome, record.ended_at = outcome, now
        self._totals[f"outcome.{outcome}"] += 1
        self._totals["tokens_written"] += record.tokens_written
        self._totals["bytes_written"] += record.bytes_written

    def executions(self, request_id: str) -> int:
        return self._executions[request_id]

    def rule_for(self, source: str, path: str) -> Rule | None:
        """The first rule that matches."""
        return next((rule for rule in self.rules if rule.matches(source, path)), None)

    def ordered(self, source: str, path: str, sim: Sim) -> Sim:
        """`sim` with the matching rule's orders on top; a rule for a number of requests is used up by this."""
        rule = self.rule_for(source, path)
        if rule is None:
            return sim
        if rule.times:
            rule.times -= 1
            if not rule.times:
                self.rules = [each for each in self.rules if each is not rule]
        return from_header(rule.sim, sim)

    def set_rules(self, rules: Iterable[Rule]) -> None:
        """Replace all rules.

        Raises:
            SimError: a rule's `sim` can't be obeyed; then nothing changes.
        """
        checked = list(rules)
        for rule in checked:
            from_header(rule.sim)
        self.rules = checked

    def counters(self) -> dict[str, Any]:
        return {
            "connections": self.connections,
            **self._totals,
            "executions_by_id": dict(self._executions),
            **{f"executions_by_{name}": dict(counts) for name, counts in self._by.items()},
        }

    def reset(self) -> None:
        """Forget the log and the counts; rules and connection numbers stay."""
        self.log.clear()
        self._executions.clear()
        self._totals.clear()
        for counts in self._by.values():
            counts.clear()


def rules_from(given: Any) -> list[Rule]:
    """Rules from decoded JSON.

    Raises:
        SimError: not a list of objects with `sim` and optional `source`, `path`, `times`.
    """
    try:
        return [Rule(**each) for each in given]
    except TypeError as error:
        raise SimError(f"rules are objects with sim, source, path, times: {error}") from error
