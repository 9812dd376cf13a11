"""What is derived from a snapshot once: the limits of attempts by kind of request."""

from __future__ import annotations

from edge.config.model import Endpoint, Provider, Snapshot, Timeouts
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
