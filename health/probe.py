"""One active check and what came of it."""

from __future__ import annotations

from enum import Enum

from msgspec import Struct

from transport.failure import Failure
from transport.path import Path


class ProbeKind(Enum):
    """How the far end was asked."""

    ICMP = "icmp"  # echo (RFC 792, RFC 4443)
    TCP = "tcp"  # connect
    TLS = "tls"  # connect and handshake
    QUIC = "quic"  # handshake, or a PING on a connection that is kept
    HTTP = "http"  # a request that costs nothing at the provider
    SESSION = "session"  # PING of an edge–relay session


class ProbeResult(Struct, frozen=True, gc=False):
    """`rtt` in seconds; None: lost (no answer in time), or refused when `failure` says so.

    `sequence` counts the probes of one kind on one path, so that lost, late and repeated answers can be told apart.
    """

    path: Path
    kind: ProbeKind
    sequence: int
    sent_at: float  # monotonic seconds
    rtt: float | None = None
    failure: Failure | None = None
    is_duplicate: bool = False  # a second answer to the same probe
    is_reordered: bool = False  # answered after a later probe's answer
