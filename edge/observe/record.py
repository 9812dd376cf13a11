"""Everything known about one request. Filled in as it passes through the pipeline; read once, in its `finally`."""

from __future__ import annotations

from msgspec import Struct, field

from cache.entry import Spent
from edge.dialects.facts import NO_USAGE, Facts, Usage
from edge.routing.chooser import Choice
from transport.failure import Failure
from transport.path import Path


class AttemptTrace(Struct):
    """One attempt, for the log: where, how it ended, why. `sent_at`: when the request's last byte was handed over;
    `execution`: the id by which the relay it went through knows it, in its log too."""

    path: Path
    outcome: str
    status: int | None
    code: str | None
    sent_at: float | None = None  # monotonic seconds
    execution: str = ""

    def summary(self) -> dict[str, object]:
        """The log line's members."""
        told: dict[str, object] = {
            "path": str(self.path),
            "outcome": self.outcome,
            "status": self.status,
            "code": self.code,
        }
        return {**told, "execution": self.execution} if self.execution else told


class RequestRecord(Struct):
    """Times are monotonic seconds; byte counts are of bodies."""

    id: str
    received_at: float
    peer: str
    method: str
    route: str  # the target without its query
    principal: str = ""
    provider: str = ""
    dialect: str = ""
    priority: str = "interactive"
    facts: Facts | None = None
    choice: Choice | None = None  # why it went where it went; see `edge.observe.recent`
    path: Path | None = None
    line: str = ""  # that it counts for: through a relay one of those in `path`, chosen when it is over
    protocol: str = ""
    attempts: list[AttemptTrace] = field(default_factory=list)
    failovers: list[str] = field(default_factory=list)
    status: int = 0
    routed_at: float | None = None
    sent_at: float | None = None
    first_byte_at: float | None = None
    ended_at: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    usage: Usage = NO_USAGE
    undelivered_tokens: int = 0
    client_left: bool = False
    failure: Failure | None = None
    traceparent: bytes | None = None  # the caller's, as it came (W3C Trace Context)
    cache: str = "bypass"  # what x-farline-cache says: hit, normalised, semantic, coalesced, miss or bypass
    cache_reason: str = ""  # of a bypass; of a miss: why its reply wasn't stored, or "stored"
    saved: Spent | None = None  # what a reply cost that this request didn't have to pay for
    local: str = ""  # why the local pool was asked, if it was: a `Reason` of edge.pool.when

    def summary(self) -> dict[str, object]:
        """The log line's members: nothing secret, nothing of any body."""
        facts = self.facts
        return {
            "request": self.id,
            "peer": self.peer,
            "method": self.method,
            "route": self.route,
            "principal": self.principal,
            "provider": self.provider,
            "operation": facts.operation if facts else None,
            "model": facts.model if facts else None,
            "streaming": facts.streaming if facts else None,
            "status": self.status,
            "path": str(self.path) if self.path else None,
            "protocol": self.protocol or None,
            "local": self.local or None,
            "cache": self.cache,
            "cache_reason": self.cache_reason or None,
            "attempts": [attempt.summary() for attempt in self.attempts],
            "failovers": self.failovers,
            "duration_ms": _ms(self.received_at, self.ended_at),
            "ttfb_ms": _ms(self.received_at, self.first_byte_at),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "tokens": {"input": self.usage.input, "output": self.usage.output, "cached": self.usage.cached},
            "client_left": self.client_left,
            "failure": self.failure.code if self.failure else None,
            "detail": self.failure.detail if self.failure else None,
        }


def _ms(start: float, end: float | None) -> float | None:
    return None if end is None else round((end - start) * 1000, 2)
