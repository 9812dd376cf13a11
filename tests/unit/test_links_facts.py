"""What is counted of relays' sessions, and how it is told."""

from __future__ import annotations

import pytest

from edge.links import seam
from edge.links.facts import (
    LATENESS_BOUNDS,
    CarrierLooks,
    LatenessCounts,
    RelayFacts,
    best,
    rates,
    redundancy_factor,
    relay_document,
)
from transport.path import Line
from transport.session.acks import Sent
from transport.session.carrier import Carrier
from transport.session.values import CarrierKind, SessionConfig, Tally

CONFIG = SessionConfig(bytes(16), bytes(32))


def carrier(line: str, rtt: float | None = 0.1, kind: CarrierKind = CarrierKind.QUIC) -> Carrier:
    made = Carrier(1, kind, line, 1200, CONFIG, 0.0)
    made.is_confirmed = True
    if rtt is not None:
        made.outgoing.trip.add(rtt, 0.0)
    return made


def test_rates_of_lines() -> None:
    lines = (Line("a", capacity_mbps=100, max_mbps=8), Line("b", capacity_mbps=16), Line("c"))
    assert rates(lines) == {"a": 1e6, "b": 2e6}


def test_the_best_carrier() -> None:
    quick, slow, unknown, stranger = carrier("a"), carrier("b", 0.3), carrier("c", None), carrier("d", 0.01)
    stranger.is_confirmed = False
    assert best({1: slow, 2: quick, 3: unknown, 4: stranger}, 1.0) is quick
    assert best({3: unknown}, 1.0) is None


def test_looks_at_carriers() -> None:
    looks, seen = CarrierLooks(), carrier("a")
    assert looks.take({1: seen}, 0.5)[1].segments == 0
    for number in range(10):
        seen.outgoing.send(Sent([], 100, 0.6))
        if number != 3:
            seen.incoming.receive(number, is_eliciting=True, now=0.6)
    seen.outgoing.rate.packets_lost += 2
    seen.heard_at = 0.8
    sample = looks.take({1: seen}, 1.0)[1]
    assert (sample.srtt, sample.segments, sample.retransmits) == (0.1, 10, 2)
    assert (sample.segments_received, sample.out_of_order) == (10, 1)
    assert sample.heard_ago == pytest.approx(0.2)
    assert (sample.silent_for, sample.unacked) == (0.0, 10)
    seen.incoming.receive(3, is_eliciting=True, now=1.1)
    assert looks.take({1: seen}, 1.2)[1].out_of_order == -1  # it was only late


def test_tls_tells_nothing_of_losses() -> None:
    looks, seen = CarrierLooks(), carrier("a", None, CarrierKind.TLS)
    looks.take({1: seen}, 0.0)
    seen.outgoing.send(Sent([], 100, 0.6))
    sample = looks.take({1: seen}, 1.0)[1]
    assert (sample.srtt, sample.segments, sample.segments_received) == (0.0, 0, 0)


def test_lateness() -> None:
    late = LatenessCounts()
    for ms, now in ((0, 10.0), (100, 10.1), (200, 10.24), (300, 30.0)):
        late.stamped(ms, now)
    assert sum(late.buckets) == 4
    assert late.buckets[0] == 2
    assert late.buckets[LATENESS_BOUNDS.index(0.05)] == 1
    assert late.buckets[-1] == 1
    assert late.seconds == pytest.approx(19.74)
    late.restart()
    late.stamped(0, 50.0)
    assert late.buckets[0] == 3


def test_counts_outlive_sessions() -> None:
    facts = RelayFacts()
    assert redundancy_factor(facts.total()) is None
    facts.tally = Tally(first_bytes=100, copied_bytes=40, packets=3)
    facts.session_ended()
    facts.tally.first_bytes = 100
    facts.tally.resent_bytes = 20
    total = facts.total()
    assert (total.first_bytes, total.packets) == (200, 3)
    assert redundancy_factor(total) == pytest.approx(1.3)


def test_suspicions_that_were_probably_wrong() -> None:
    facts = RelayFacts()
    facts.suspicions["a"] += 2
    facts.relieved("a", 0.3)
    facts.relieved("a", 5.0)
    assert facts.false_suspicions["a"] == 1


def test_a_document() -> None:
    facts, one, other = RelayFacts(sessions=2, resumes=1), carrier("a"), carrier("b", None, CarrierKind.TLS)
    facts.tally = Tally(first_bytes=100, bundled_bytes=50)
    other.suspected_at = 0.5
    told = relay_document(facts, {2: other, 1: one}, 1.0)
    assert {name: told[name] for name in ("sessions", "resumes", "redundancy_factor")} == {
        "sessions": 2,
        "resumes": 1,
        "redundancy_factor": 1.5,
    }
    assert told["bytes"] == {"first": 100, "bundle": 50, "resend": 0, "repeat": 0, "copy": 0}
    first, second = told["carriers"]
    assert (first["line"], first["kind"], first["rtt_ms"], first["suspected"]) == ("a", "datagram", 100.0, False)
    assert (second["line"], second["kind"], second["rtt_ms"], second["suspected"]) == ("b", "tls", None, True)
    assert second["heard_ms_ago"] == 1000


def test_what_links_are() -> None:
    assert {"session", "problems", "start", "close", "use"} <= vars(seam.Link).keys()
