"""What is counted of one relay and the sessions with it, and how it is told."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, fields
from typing import TYPE_CHECKING, Any

from edge.links.traffic import SessionCounts
from transport.path import Line
from transport.sample import TransportSample
from transport.session.lateness import Lateness
from transport.session.values import CarrierKind, Tally

if TYPE_CHECKING:  # QUIC's modules take commands a quarter of a second to load
    from transport.session.carrier import Carrier

LATENESS_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 1.0, 2.0, 5.0)
"""Seconds."""
CAUSES = {
    "first": "first_bytes",
    "bundle": "bundled_bytes",
    "resend": "resent_bytes",
    "repeat": "repeated_bytes",
    "copy": "copied_bytes",
}


FALSE = 1.0
"""Seconds: a suspicion that is over so soon was probably wrong."""


class LatenessCounts:
    """A histogram of how late replies' parts came, over all sessions with a relay. `fresh`: of those that came since
    somebody took it, by whole milliseconds."""

    __slots__ = ("_known", "buckets", "fresh", "seconds")

    def __init__(self) -> None:
        self._known = Lateness()
        self.fresh: defaultdict[int, int] = defaultdict(int)
        self.buckets = [0] * (len(LATENESS_BOUNDS) + 1)
        self.seconds = 0.0

    def stamped(self, ms: int, now: float) -> None:
        """A relay's stamp came."""
        late = self._known.add(ms, now)
        self.buckets[bisect_left(LATENESS_BOUNDS, late)] += 1
        self.fresh[int(late * 1000.0)] += 1
        self.seconds += late

    def take(self) -> Mapping[int, int]:
        """What has come since the last call: how many parts were late by so many milliseconds."""
        fresh, self.fresh = self.fresh, defaultdict(int)
        return fresh

    def restart(self) -> None:
        """Another session, maybe with another clock."""
        self._known = Lateness()


@dataclass(slots=True)
class RelayFacts:
    """Counts only go up. `tally` is that of the present session, `before` the sum of those that have ended."""

    sessions: int = 0
    resumes: int = 0
    suspicions: Counter[str] = field(default_factory=Counter)  # by line
    false_suspicions: Counter[str] = field(default_factory=Counter)  # of them, probably wrong
    lateness: LatenessCounts = field(default_factory=LatenessCounts)
    tally: Tally = field(default_factory=Tally)
    before: Tally = field(default_factory=Tally)
    traffic: SessionCounts = field(default_factory=SessionCounts)

    def session_ended(self) -> None:
        """Its counts stay."""
        self.before = self.total()
        self.tally = Tally()

    def total(self) -> Tally:
        """Over all sessions."""
        names = [each.name for each in fields(Tally)]
        return Tally(**{name: getattr(self.before, name) + getattr(self.tally, name) for name in names})

    def relieved(self, line: str, seconds: float) -> None:
        """A suspicion is over, `seconds` old."""
        if seconds < FALSE:
            self.false_suspicions[line] += 1


def redundancy_factor(tally: Tally) -> float | None:
    """Bytes of streams sent, copies and repetitions included, per byte that there was to send; None: nothing yet."""
    if not tally.first_bytes:
        return None
    every: int = sum(getattr(tally, name) for name in CAUSES.values())
    return every / tally.first_bytes


class CarrierLooks:
    """Differences between two looks at the carriers of a session."""

    def __init__(self) -> None:
        self._last: dict[int, tuple[int, int, int, int]] = {}  # sent, lost, expected, received

    def take(self, carriers: Mapping[int, Carrier], now: float) -> dict[int, TransportSample]:
        """What each carrier shows since the last look."""
        last, self._last = self._last, {number: _totals(carrier) for number, carrier in carriers.items()}
        return {
            number: _sample(carriers[number], totals, last.get(number, totals), now)
            for number, totals in self._last.items()
        }


def _totals(carrier: Carrier) -> tuple[int, int, int, int]:
    rate, incoming = carrier.outgoing.rate, carrier.incoming
    return rate.packets_sent, rate.packets_lost, incoming.largest + 1, incoming.received


def _sample(
    carrier: Carrier, totals: tuple[int, int, int, int], last: tuple[int, int, int, int], now: float
) -> TransportSample:
    sent, lost, expected, received = (total - before for total, before in zip(totals, last, strict=True))
    trip, outgoing = carrier.outgoing.trip, carrier.outgoing
    is_lossy = carrier.kind is CarrierKind.QUIC  # TLS over TCP loses nothing
    return TransportSample(
        srtt=trip.smoothed if trip.has_sample else 0.0,
        rttvar=trip.variation,
        retransmits=lost if is_lossy else 0,
        segments=sent if is_lossy else 0,
        delivery_rate_bps=0.0,
        unacked=len(outgoing.outstanding),
        silent_for=0.0,
        segments_received=expected if is_lossy else 0,
        out_of_order=expected - received if is_lossy else 0,
        heard_ago=max(0.0, now - carrier.heard_at),
    )


def rates(lines: Iterable[Line]) -> dict[str, float]:
    """Bytes/s that a session may send over each line: its cap or capacity, the smaller; unknown ones are left out."""
    bounds = {line.id: [mbps for mbps in (line.capacity_mbps, line.max_mbps) if mbps > 0] for line in lines}
    return {line: min(known) * 125_000.0 for line, known in bounds.items() if known}


def best(carriers: Mapping[int, Carrier], now: float) -> Carrier | None:
    """The one that a thin stream goes by."""
    known = [each for each in carriers.values() if each.is_confirmed and each.outgoing.trip.has_sample]
    return min(known, key=lambda each: each.cost(now), default=None)


def carrier_documents(carriers: Mapping[int, Carrier], now: float) -> list[dict[str, Any]]:
    """JSON-ready, in the order of their numbers."""
    return [_document(number, carrier, now) for number, carrier in sorted(carriers.items())]


def _document(number: int, carrier: Carrier, now: float) -> dict[str, Any]:
    outgoing, trip = carrier.outgoing, carrier.outgoing.trip
    rate = outgoing.rate
    return {
        "number": number,
        "line": carrier.line,
        "kind": "tls" if carrier.kind is CarrierKind.TLS else "datagram",
        "confirmed": carrier.is_confirmed,
        "suspected": carrier.suspected_at is not None,
        "rtt_ms": round(trip.smoothed * 1000, 1) if trip.has_sample else None,
        "jitter_ms": round(trip.variation * 1000, 1) if trip.has_sample else None,
        "loss_ratio": round(outgoing.loss_ratio, 4),
        "packets_sent": rate.packets_sent,
        "packets_lost": rate.packets_lost,
        "packets_received": carrier.incoming.received,
        "heard_ms_ago": round(max(0.0, now - carrier.heard_at) * 1000),
    }


def relay_document(facts: RelayFacts, carriers: Mapping[int, Carrier], now: float) -> dict[str, Any]:
    """What a relay's sessions show, JSON-ready."""
    total = facts.total()
    factor = redundancy_factor(total)
    return {
        "sessions": facts.sessions,
        "resumes": facts.resumes,
        "suspicions": sum(facts.suspicions.values()),
        "false_suspicions": sum(facts.false_suspicions.values()),
        "redundancy_factor": None if factor is None else round(factor, 3),
        "bytes": {cause: getattr(total, name) for cause, name in CAUSES.items()},
        "carriers": carrier_documents(carriers, now),
    }
