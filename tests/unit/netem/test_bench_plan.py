"""Plans: the same schedule for every system, everybody's turn, names that are wrong."""

from __future__ import annotations

import pytest

from netem.bench.plan import (
    EVENT_AT,
    FULL,
    QUICK,
    SETTLE,
    STANDARD,
    Condition,
    Load,
    Plan,
    conditions,
    read_event_name,
)
from netem.bench.systems import adapter

CMI = Condition("cmi-evening")


def test_starts_are_the_plans_and_the_seeds() -> None:
    load = Load(streams=4, requests=10, tokens=11, interval_ms=100, think_ms=0)
    starts = load.starts(7)
    assert starts == load.starts(7) != load.starts(8)
    assert len(starts) == 10
    period = load.ideal_seconds + 0.6
    for number, start in enumerate(starts):
        ideal = period * (number // 4 + number % 4 / 4)
        assert ideal <= start <= ideal + 0.1


def test_how_long_a_load_takes() -> None:
    load = Load(streams=4, requests=10, tokens=11, interval_ms=100, think_ms=500)
    assert load.ideal_seconds == pytest.approx(1.5)
    assert load.seconds == pytest.approx(3 * 2.1 + 1.5)
    assert load.patience_seconds == pytest.approx(23.0)


@pytest.mark.parametrize(
    "wrong", [{"streams": 0}, {"requests": 0}, {"tokens": 0}, {"interval_ms": 0}, {"think_ms": -1}]
)
def test_a_load_must_be_one(wrong: dict[str, int]) -> None:
    with pytest.raises(ValueError, match="positive"):
        Load(**wrong)


def test_everybody_has_every_place_in_a_round() -> None:
    plan = Plan(("a", "b", "c"), (CMI,), rounds=3)
    assert [plan.order(round) for round in range(3)] == [("a", "b", "c"), ("b", "c", "a"), ("c", "a", "b")]
    assert plan.turns == 9
    assert plan.expected_seconds > 9 * plan.load.seconds
    assert len({plan.seed_of(round) for round in range(3)}) == 3


@pytest.mark.parametrize("wrong", [{"systems": ()}, {"conditions": ()}, {"rounds": 0}])
def test_a_plan_needs_something_to_do(wrong: dict[str, object]) -> None:
    with pytest.raises(ValueError, match="needs"):
        Plan(**{"systems": ("a",), "conditions": (CMI,), **wrong})  # type: ignore[arg-type]  # that is the point


def test_events_and_other_traffic_meet_the_first_profile_only() -> None:
    found = conditions(("cn2", "cmi-evening"), ("blackhole-1",), ("sse", "ws"))
    assert [each.title for each in found] == ["cn2", "cmi-evening", "cn2 + blackhole-1", "cn2 WebSocket"]
    assert [each.title for each in conditions(("cn2", "clean"), ("flap",), ("ws",))] == ["cn2 WebSocket"]


def test_an_event_happens_while_requests_run() -> None:
    happening = Condition("cn2", "blackhole-3").happening()
    assert happening is not None
    assert (happening.kind, happening.at, happening.seconds) == ("blackhole", SETTLE + EVENT_AT, 3.0)
    assert CMI.happening() is None


def test_names_of_events() -> None:
    assert read_event_name("") is None
    named, timed = read_event_name("flap"), read_event_name("flap:6")
    assert named is not None
    assert named.kind == "flap"
    assert timed is not None
    assert timed.seconds == 6.0
    with pytest.raises(ValueError, match="unknown event 'earthquake'"):
        Condition("cn2", "earthquake")
    with pytest.raises(ValueError, match="traffic"):
        Condition("cn2", "", "fax")
    with pytest.raises(ValueError, match="no profile"):
        Condition("moon")


def test_the_built_in_plans() -> None:
    for plan, minutes in ((QUICK, 3), (STANDARD, 25), (FULL, 45)):
        assert plan.expected_seconds < 60 * minutes
        assert plan.baseline in plan.systems
        for name in plan.systems:
            assert adapter(name).name == name
