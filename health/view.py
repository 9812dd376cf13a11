"""The immutable picture that choice, alerts, the admin API and the metrics read. Made by the board, never changed.

Subjects are lines, relays, far ends (endpoints, and relays as ends of lines) and paths. Times are monotonic seconds,
durations seconds, rates bits per second, ratios 0 to 1. None means *unknown*: neither good nor bad.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from health.standing import Standing
from transport.path import Path


@dataclass(frozen=True, slots=True)
class RttFigures:
    """Round trips. `jitter` is RFC 3550 §6.4.1's interarrival jitter, of round trips; `at`: the newest sample."""

    estimate: float  # peak-sensitive EWMA: what to expect now
    minimum: float
    median: float
    p95: float
    jitter: float
    samples: int
    at: float


@dataclass(frozen=True, slots=True)
class LossFigures:
    """Shares of probes (or of packets that the kernel counted) that were lost in the last 10 s, 60 s and 5 min."""

    ratio_10s: float | None
    ratio_60s: float | None
    ratio_300s: float | None
    mean_burst: float | None = None  # losses in a row, on average
    up_ratio: float | None = None  # by direction, over 60 s, where the kind of probe can tell
    down_ratio: float | None = None


@dataclass(frozen=True, slots=True)
class LineHealth:
    """One line over all its far ends."""

    standing: Standing = Standing.ADMITTED
    is_suspected: bool = False  # silent right now: prefer others, probe faster
    reason: str = ""  # why the standing or the suspicion, for people
    since: float = 0.0  # when the standing began
    rtt: RttFigures | None = None
    loss: LossFigures | None = None
    in_flight: int = 0
    up_bps: float = 0.0
    down_bps: float = 0.0
    success_ratio: float | None = None  # of what the line was asked to carry, over 5 min
    flaps: int = 0  # ejections in the last 10 min


@dataclass(frozen=True, slots=True)
class PathHealth:
    """One line to one far end."""

    standing: Standing = Standing.ADMITTED
    reason: str = ""
    since: float = 0.0
    rtt: RttFigures | None = None
    loss: LossFigures | None = None
    first_byte_p50: float | None = None  # from the request's last byte to the reply's first, streamed replies
    first_byte_p95: float | None = None
    throughput_bps: float | None = None  # what the path delivers when asked for much
    in_flight: int = 0


@dataclass(frozen=True, slots=True)
class EndpointHealth:
    """One far end over all lines."""

    standing: Standing = Standing.ADMITTED
    reason: str = ""
    since: float = 0.0
    penalised_until: float | None = None  # it asked for less traffic (429, 503, 529; Retry-After)
    success_ratio: float | None = None  # replies that aren't 5xx, over 5 min


@dataclass(frozen=True, slots=True)
class RelayHealth:
    """One relay and the session to it. `way`: the relay judged as a line is; its round trip is that of the line which
    the session goes by now. `why_not`: why it takes no new requests; empty: it does."""

    way: LineHealth = field(default_factory=LineHealth)
    why_not: str = "no session yet"
    is_draining: bool = False  # it has said that it takes no new requests


UNKNOWN_LINE = LineHealth()
UNKNOWN_PATH = PathHealth()
UNKNOWN_ENDPOINT = EndpointHealth()
UNKNOWN_RELAY = RelayHealth()


@dataclass(frozen=True, slots=True)
class HealthView:
    """The picture at one moment. What isn't named is ADMITTED and unknown."""

    lines: Mapping[str, LineHealth] = field(default_factory=dict)
    paths: Mapping[Path, PathHealth] = field(default_factory=dict)
    endpoints: Mapping[str, EndpointHealth] = field(default_factory=dict)
    relays: Mapping[str, RelayHealth] = field(default_factory=dict)
    is_panic: bool = False  # too much is ejected to believe it: the least bad may be used

    def line(self, line: str) -> LineHealth:
        return self.lines.get(line, UNKNOWN_LINE)

    def relay(self, relay: str) -> RelayHealth:
        return self.relays.get(relay, UNKNOWN_RELAY)

    def way(self, path: Path) -> LineHealth:
        """How the line of `path` does, or its relay."""
        return self.line(path.line) if path.relay is None else self.relay(path.relay).way

    def path(self, path: Path) -> PathHealth:
        return self.paths.get(path, UNKNOWN_PATH)

    def endpoint(self, endpoint: str) -> EndpointHealth:
        return self.endpoints.get(endpoint, UNKNOWN_ENDPOINT)
