"""One active check and what came of it."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from transport.failure import Failure
from transport.path import Path
from transport.sample import TransportSample

__all__ = ["Outcome", "ProbeKind", "ProbeResult", "TransportSample"]


class ProbeKind(Enum):
    """How the far end was asked."""

    ICMP = "icmp"  # echo (RFC 792, RFC 4443)
    TCP = "tcp"  # connect
    TLS = "tls"  # connect and handshake
    QUIC = "quic"  # handshake, or a PING on a connection that is kept
    HTTP = "http"  # a request that costs nothing at the provider
    SESSION = "session"  # PING of an edge–relay session


class Outcome(Enum):
    """What came of a probe: the metrics' words."""

    ANSWERED = "answered"
    LOST = "lost"  # no answer in time
    LATE = "late"  # an answer after it had been counted as lost
    DUPLICATE = "duplicate"
    FAILED = "failed"  # an answer, and it was a refusal; or it couldn't be sent


class ProbeResult(Struct, frozen=True, gc=False):
    """`rtt` in seconds; None: lost (no answer in time), or refused when `failure` says so.

    `rtt` is a round trip of packets, as near as the kind comes to it, for ICMP, TCP, TLS and QUIC; for HTTP it is the
    time from the request to the reply's head, the far end's own work included. `seconds` is how long the whole check
    took: a TLS handshake is several round trips.

    `sequence` counts the probes of one kind on one path, so that lost, late and repeated answers can be told apart. A
    probe counted as lost whose answer comes after all gives a second result with `is_late`: it was no loss.
    """

    path: Path
    kind: ProbeKind
    sequence: int
    sent_at: float  # monotonic seconds
    rtt: float | None = None
    failure: Failure | None = None
    is_duplicate: bool = False  # a second answer to the same probe
    is_reordered: bool = False  # answered after a later probe's answer
    is_late: bool = False  # answered after it had been given as lost
    seconds: float | None = None
    loop_lag: float = 0.0  # the worst stall of this process while the probe was under way: ours, not the line's

    @property
    def outcome(self) -> Outcome:
        """In one word."""
        if self.is_duplicate:
            return Outcome.DUPLICATE
        if self.is_late:
            return Outcome.LATE
        if self.failure is not None:
            return Outcome.FAILED
        return Outcome.LOST if self.rtt is None else Outcome.ANSWERED
