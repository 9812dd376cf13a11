"""One second of one relay, for those who keep a record of it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from edge.links.facts import RelayFacts
from transport.sample import TransportSample
from transport.session.traffic import Traffic, added, since


@dataclass(frozen=True, slots=True)
class RelayLook:
    """What has come since the last look.

    rtt           seconds, over the carrier that thin streams go by; None: there is none
    packets, lost of carriers in datagrams, both ways
    streamed      stream bytes carried, copies and repetitions included, and `useful` without them; both ways
    suspicions    of lines by sessions; false_suspicions: of those of before or now, found wrong
    late          how many parts of replies came late by so many milliseconds
    traffic       by line
    """

    rtt: float | None = None
    packets: int = 0
    lost: int = 0
    useful: int = 0
    streamed: int = 0
    suspicions: int = 0
    false_suspicions: int = 0
    late: Mapping[int, int] = field(default_factory=dict)
    traffic: Mapping[str, Traffic] = field(default_factory=dict)


class RelayLooks:
    """Differences between two looks at one relay's facts."""

    def __init__(self) -> None:
        self._suspicions = 0
        self._false = 0
        self._totals: dict[str, Traffic] = {}

    def take(self, facts: RelayFacts, samples: Mapping[int, TransportSample], rtt: float | None) -> RelayLook:
        """`samples` are differences already: see `facts.CarrierLooks`."""
        before, self._totals = self._totals, facts.traffic.totals()
        traffic = since(self._totals, before)
        all_of = added(traffic.values())
        useful = all_of.first + all_of.fresh
        more = all_of.bundled + all_of.resent + all_of.repeated + all_of.copied + all_of.again
        suspicions, false = sum(facts.suspicions.values()), sum(facts.false_suspicions.values())
        look = RelayLook(
            rtt,
            sum(each.segments + each.segments_received for each in samples.values()),
            sum(each.retransmits + max(0, each.out_of_order) for each in samples.values()),
            useful,
            useful + more,
            suspicions - self._suspicions,
            false - self._false,
            facts.lateness.take(),
            traffic,
        )
        self._suspicions, self._false = suspicions, false
        return look
