"""What is derived from a snapshot once: the limits of attempts by kind of request."""

from __future__ import annotations

import pytest

from edge.config.model import Endpoint, Provider, Snapshot, TimeoutClass, Timeouts
from edge.config.read import read
from edge.dialects.facts import Facts, Repeat
from edge.serve import tables
from edge.serve.tables import HOPELESS_DIAL_SECONDS, Tables

TIMEOUTS = Timeouts(connect=5.0, first_byte_stream=60.0, first_byte=600.0)


def made() -> Tables:
    return Tables.of(Snapshot(timeouts=TIMEOUTS))


def test_policies_by_kind_of_request() -> None:
    of = made().attempt_policy
    assert of(Facts("chat", streaming=True), hopeless=False).first_byte == 60.0
    assert of(Facts("chat"), hopeless=False).first_byte == 600.0
    assert of(Facts("chat", patience=100.0), hopeless=False).first_byte == 90.0
    assert of(Facts("chat", repeat=Repeat.FREE), hopeless=False).repeat is Repeat.FREE
    assert of(Facts("chat"), hopeless=True).dial_deadline == HOPELESS_DIAL_SECONDS
    assert of(Facts("chat"), hopeless=False).dial_deadline == 5.0


def test_the_same_kind_has_the_same_policy() -> None:
    of = made().attempt_policy
    assert of(Facts("chat", "a"), hopeless=False) is of(Facts("images", "b"), hopeless=False)


def test_strange_patience_fills_no_memory(monkeypatch) -> None:
    monkeypatch.setattr(tables, "_MOST_POLICIES", 2)
    of = made().attempt_policy
    for patience in (1.0, 2.0, 3.0):
        assert of(Facts("chat", patience=patience), hopeless=False).first_byte == patience * 0.9
    third = Facts("chat", patience=3.0)
    assert of(third, hopeless=False) is not of(third, hopeless=False)


def test_far_ends_are_the_endpoints_with_their_base_paths() -> None:
    one = Endpoint("one", "p", "https://h/base", "h", 443, True, base_path="/base")
    (end,) = Tables.of(Snapshot(providers=(Provider("p", "generic", (one,)),))).far_ends
    assert (end.target.id, end.target.host, end.base_path) == ("one", "h", "/base")


@pytest.mark.parametrize(
    ("facts", "priority", "size", "found"),
    [
        (Facts("chat", "gpt-4.1"), "interactive", 1000, ""),
        (Facts("chat"), "realtime", 399_999, ""),
        (Facts("chat", "gpt-4.1"), "interactive", 400_000, "long_context"),
        (Facts("chat", "claude-sonnet-4-5", reasons=True), "interactive", 400_000, "reasoning"),
        (Facts("chat", "o3"), "interactive", 0, "reasoning"),
        (Facts("chat", "openai/o4-mini"), "interactive", 0, "reasoning"),
        (Facts("chat", "gpt-5-mini"), "interactive", 0, "reasoning"),
        (Facts("chat", "deepseek-reasoner"), "interactive", 0, "reasoning"),
        (Facts("chat", "deepseek-r1"), "interactive", 0, "reasoning"),
        (Facts("chat", "gpt-4o"), "interactive", 0, ""),
        (Facts("chat", "o3"), "batch", 0, "batch"),
    ],
)
def test_classes_of_requests(facts: Facts, priority: str, size: int, found: str) -> None:
    assert made().timeout_class(facts, priority, size) == found


def test_a_class_lengthens_and_never_shortens() -> None:
    of = made().attempt_policy
    assert of(Facts("chat", streaming=True), hopeless=False, timeouts="reasoning").first_byte == 600.0
    assert of(Facts("chat"), hopeless=False, timeouts="batch").total == 86_400.0
    base = Timeouts(first_byte_stream=900.0, long_context=TimeoutClass(180.0, 900.0, 180.0, 3600.0))
    tables = Tables.of(Snapshot(timeouts=base))
    assert (
        tables.attempt_policy(Facts("chat", streaming=True), hopeless=False, timeouts="long_context").first_byte == 900
    )
    assert tables.timeouts["long_context"].idle == 180.0
    assert tables.timeouts[""] is base


def test_classes_stand_in_the_file() -> None:
    text = "[timeouts]\nlong_context_bytes = 5\n[timeouts.reasoning]\nfirst_byte_stream_seconds = 240\n"
    outcome = read(text, {}, lambda name: b"")
    assert outcome.snapshot is not None
    assert outcome.snapshot.timeouts.reasoning == TimeoutClass(240.0, 1800.0, 300.0, 3600.0)
    wrong = read("[timeouts]\nbatch = 3\n[timeouts.reasoning]\nfirst = 1", {}, lambda name: b"")
    assert [fault.line for fault in wrong.faults] == [2, 4]
