"""What sessions carried, added up: by line, and for which line a request counts."""

from __future__ import annotations

from collections import Counter

import pytest

from edge.links.facts import RelayFacts
from edge.links.look import RelayLook, RelayLooks
from edge.links.traffic import Division, Ledger, SessionCounts
from transport.sample import TransportSample
from transport.session.traffic import Traffic


def came(**lines: int) -> dict[str, Traffic]:
    return {line: Traffic(received=2 * size, fresh=size) for line, size in lines.items()}


def test_sessions_that_are_over_stay_counted() -> None:
    counts, standing = SessionCounts(), {"a": Traffic(sent=5)}
    counts.begin(1, standing)
    counts.begin(2, {"a": Traffic(sent=1), "b": Traffic(sent=2)})
    standing["a"].sent = 7
    assert counts.totals() == {"a": Traffic(sent=8), "b": Traffic(sent=2)}
    counts.end(1)
    counts.end(1)
    standing["a"].sent = 100
    assert counts.totals() == {"a": Traffic(sent=8), "b": Traffic(sent=2)}


def test_nothing_known_is_divided_evenly() -> None:
    division = Division()
    assert not division.is_known
    assert division.parts(("a", "b")) == {"a": 0.5, "b": 0.5}
    assert division.parts(()) == {}
    assert Counter(division.deal(("a", "b")) for _ in range(10)) == {"a": 5, "b": 5}


def test_requests_are_dealt_out_by_first_copies() -> None:
    division = Division()
    division.add(came(a=3000, b=1000), 10.0)
    assert division.is_known
    assert division.parts(("a", "b")) == {"a": 0.75, "b": 0.25}
    dealt = [division.deal(("a", "b")) for _ in range(100)]
    assert Counter(dealt) == {"a": 75, "b": 25}
    assert all("b" in dealt[at : at + 4] for at in range(96))  # nobody waits long
    assert division.parts(("b",)) == {"b": 1.0}
    assert division.deal(("b",)) == "b"


def test_what_was_long_ago_counts_less() -> None:
    division = Division()
    division.add(came(a=1000), 10.0)
    division.add(came(b=1000), 30.0)
    assert division.parts(("a", "b")) == pytest.approx({"a": 1 / 3, "b": 2 / 3})


def test_the_ledger_adds_up_what_is_new() -> None:
    ledger = Ledger()
    assert ledger.take("sjc", came(a=100), 1.0) == came(a=100)
    assert ledger.take("sjc", came(a=150, b=10), 2.0) == came(a=50, b=10)
    assert ledger.take("fra", came(a=1), 2.0) == came(a=1)
    assert ledger.lines == came(a=151, b=10)
    assert ledger.division("sjc").parts(("a", "b"))["a"] > 0.9
    ledger.restart("sjc")
    ledger.take("sjc", came(a=5), 3.0)
    assert ledger.lines == came(a=156, b=10)


def test_a_look_at_a_relay() -> None:
    facts, looks, session = (
        RelayFacts(),
        RelayLooks(),
        {"a": Traffic(sent=300, first=50, copied=50, fresh=100, again=40)},
    )
    facts.traffic.begin(1, session)
    facts.suspicions["a"] = 2
    facts.relieved("a", 0.2)
    facts.lateness.stamped(0, 10.0)
    facts.lateness.stamped(0, 10.0255)
    sample = TransportSample(0.1, 0.0, 1, 10, 0.0, 0, 0.0, segments_received=20, out_of_order=2)
    look = looks.take(facts, {1: sample}, 0.15)
    assert look == RelayLook(
        0.15, 30, 3, 150, 240, 2, 1, {0: 1, 25: 1}, {"a": Traffic(300, 50, 0, 0, 0, 50, 0, 0, 100, 40)}
    )
    session["a"].sent = 400
    assert looks.take(facts, {}, None) == RelayLook(traffic={"a": Traffic(sent=100)})
