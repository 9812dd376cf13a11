"""What if: requests of before under other weights and policies."""

from __future__ import annotations

from dataclasses import replace

import msgspec
import pytest

from edge.control.changes import Refused
from edge.control.requested import replay_question
from edge.routing.ask import Ask
from edge.routing.controls import Controls, LineControl, Switch
from edge.routing.foresight import ranking
from edge.routing.replay import Past, Replayed, joined, replay
from health.view import HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, rtt
from transport.path import Line, Path

LINES = (Line("near", cost_per_gb=4.0), Line("far", cost_per_gb=1.0))
VIEW = HealthView(
    {"near": LineHealth(rtt=rtt(50), success_ratio=0.9), "far": LineHealth(rtt=rtt(150))},
    {
        Path("near", "us"): PathHealth(rtt=rtt(50), first_byte_p50=0.25),
        Path("far", "us"): PathHealth(rtt=rtt(150), first_byte_p50=0.35),
    },
)


def pasts(desk: Desk, count: int = 10, **more: object) -> list[Past]:
    choices = [desk.ask() for _ in range(count)]
    whole = [Past(choice, choice.paths[0] if choice.paths else None, 0.3, False, 10**8) for choice in choices]
    return [replace(past, **more) for past in whole]  # type: ignore[arg-type]  # the fields by name


def without(line: str) -> Controls:
    return Controls(1, {line: LineControl(switch=Switch.OFF)})


def test_as_it_was_nothing_moves() -> None:
    desk = Desk(LINES, view=VIEW)
    told = replay(pasts(desk), lambda controls: controls)
    assert told.moved == 0
    assert told.actual.document() == {
        "requests": 10,
        "shares": {"near": 1.0},
        "first_byte_p50_ms": 300.0,
        "first_byte_p95_ms": 300.0,
        "failure_ratio": 0.0,
        "cost": 4.0,
    }
    assert told.model.document()["failure_ratio"] == pytest.approx(0.1)
    assert told.then == told.model


def test_what_several_workers_remember_is_one_past() -> None:
    desk = Desk(LINES, view=VIEW)
    one, other = (replay(pasts(desk, count), lambda controls: without("near")) for count in (4, 6))
    told, whole = joined((one, other)), replay(pasts(desk), lambda controls: without("near"))
    for name in ("actual", "model", "then"):
        assert getattr(told, name).document() == getattr(whole, name).document()
    assert told.moved == 10
    assert joined(()).actual.document()["requests"] == 0
    assert msgspec.json.decode(msgspec.json.encode(one), type=Replayed) == one


def test_a_relay_is_a_way_of_its_own_and_costs_what_its_dearest_line_does() -> None:
    told = replay(pasts(Desk(LINES, view=VIEW), 5, path=Path("near+far", "us", "sjc")), lambda controls: controls)
    assert (told.actual.document()["shares"], told.actual.cost) == ({"relay:sjc": 1.0}, pytest.approx(2.0))


def test_without_the_near_line_all_would_wait_longer_fail_less_and_cost_less() -> None:
    told = replay(pasts(Desk(LINES, view=VIEW)), lambda controls: without("near"))
    then = told.then.document()
    assert (told.moved, then["shares"], then["cost"]) == (10, {"far": 1.0}, 1.0)
    assert then["failure_ratio"] == 0.0
    # 100 ms more round trip, 50 ms less for failed attempts: one in ten times 500 ms
    assert then["first_byte_p50_ms"] == pytest.approx(350.0)


def test_another_policy_for_all_classes() -> None:
    desk = Desk(LINES, view=VIEW, classes={"interactive": "best"})
    told = replay(pasts(desk, 100), lambda controls: controls, "weighted")
    assert told.then.document()["shares"] == {"near": 0.5, "far": 0.5}
    assert told.moved == 50


def test_a_prediction_is_never_below_nothing_and_needs_both_paths() -> None:
    desk = Desk(LINES, view=VIEW, controls=without("near"))
    quick = replay(pasts(desk, 3, first_byte=0.01), lambda controls: Controls())
    assert quick.then.document()["first_byte_p50_ms"] == 0.0
    unknown = replay(pasts(desk, 3, path=Path("gone", "us")), lambda controls: Controls())
    assert unknown.then.document()["first_byte_p50_ms"] == 300.0
    nothing = replay(pasts(desk, 3, first_byte=None, path=None, failed=True), lambda controls: Controls())
    assert nothing.then.document()["first_byte_p50_ms"] is None
    assert nothing.actual.document()["failure_ratio"] == 1.0


def test_nothing_to_replay() -> None:
    off = Controls(1, {line.id: LineControl(switch=Switch.OFF) for line in LINES})
    refused = replay(pasts(Desk(LINES, controls=off)), lambda controls: controls)
    assert refused.actual.document()["failure_ratio"] is None
    nowhere = replay(pasts(Desk(LINES, view=VIEW)), lambda controls: off)  # then they stay where they were
    assert nowhere.moved == 0


def test_a_ranking_for_a_request_that_nobody_has_sent() -> None:
    desk = Desk(LINES, view=VIEW)
    found = ranking(Ask(desk.provider), desk.snapshot, desk.view, desk.controls, desk.moment)
    assert [ranked.path.line for ranked in found.paths] == ["near", "far"]


def test_what_to_replay_against() -> None:
    assert replay_question({}).changes == ()
    asked = replay_question({"lines": {"near": {"weight": 5}}, "policy": "classic"})
    assert (len(asked.changes), asked.policy) == (1, "classic")
    for wrong in ({"policy": "redundant"}, {"lines": 5}, {"x": 1}):
        with pytest.raises(Refused):
            replay_question(wrong)
