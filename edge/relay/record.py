"""Everything known about one execution: filled in on the way, read once at its end."""

from __future__ import annotations

from msgspec import Struct

from transport.failure import Failure


class ExecutionRecord(Struct):
    """Times are monotonic seconds; byte counts are of bodies. `outcome`: done, failed, refused, cancelled."""

    edge: str
    execution: str  # the request's id, which is in the edge's log too
    received_at: float  # the request's head
    provider: str = ""
    endpoint: str = ""
    method: str = ""
    route: str = ""  # the target without its query
    protocol: str = ""
    status: int = 0
    sent_at: float | None = None
    first_byte_at: float | None = None
    ended_at: float = 0.0
    bytes_in: int = 0
    bytes_out: int = 0
    dials: int = 0
    joined: int = 0  # further streams that asked for it
    messages_in: int = 0
    messages_out: int = 0
    outcome: str = ""
    failure: Failure | None = None

    def summary(self) -> dict[str, object]:
        """The log line's members: nothing secret, nothing of any body."""
        return {
            "execution": self.execution,
            "edge": self.edge,
            "provider": self.provider,
            "endpoint": self.endpoint,
            "method": self.method,
            "route": self.route,
            "protocol": self.protocol or None,
            "status": self.status or None,
            "outcome": self.outcome,
            "dials": self.dials,
            "joined": self.joined,
            "connect_ms": _ms(self.received_at, self.sent_at),
            "ttfb_ms": _ms(self.sent_at, self.first_byte_at),
            "duration_ms": _ms(self.received_at, self.ended_at),
            "bytes_in": self.bytes_in,
            "bytes_out": self.bytes_out,
            "messages": [self.messages_in, self.messages_out] if self.messages_in or self.messages_out else None,
            "failure": self.failure.code if self.failure else None,
            "detail": self.failure.detail if self.failure else None,
        }


def _ms(start: float | None, end: float | None) -> float | None:
    return round((end - start) * 1000, 2) if start is not None and end is not None else None
