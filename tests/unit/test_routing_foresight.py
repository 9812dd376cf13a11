from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace

import pytest

from edge.config.model import Address, Relay
from edge.routing.ask import Ask
from edge.routing.controls import Controls, LineControl, Switch
from edge.routing.foresight import Shares, evenly, scores, shares
from health.standing import Standing
from health.view import HealthView, LineHealth, RelayHealth
from tests.support.routing import Desk, endpoint, line_view, named, rtt, rtts
from transport.path import Line


def scored(desk: Desk) -> dict[str, float]:
    return scores(desk.snapshot, desk.view, desk.controls, desk.moment)


def shared(desk: Desk, requests: int = 1000) -> dict[str, float]:
    return shares(Ask(desk.provider), desk.snapshot, desk.view, desk.controls, desk.moment, requests).lines


def test_the_best_line_scores_one_and_the_others_by_their_cost() -> None:
    desk = Desk(named("abc"), view=rtts(a=300, b=150, c=200), policy="weighted")
    assert scored(desk) == {
        "a": 0.5,
        "b": 1.0,
        "c": 0.75,
    }


def test_what_is_not_used_scores_nothing() -> None:
    gone, silent = LineHealth(Standing.EJECTED), LineHealth(is_suspected=True)
    desk = Desk(named("abcd"), view=HealthView({"a": gone, "b": silent, "c": LineHealth(rtt=rtt(100))}))
    desk.controls = Controls(lines={"d": LineControl(switch=Switch.OFF)})
    assert scored(desk) == {"a": 0.0, "b": 0.0, "c": 1.0, "d": 0.0}
    desk.controls = Controls(lines={line: LineControl(switch=Switch.OFF) for line in "abcd"})
    assert scored(desk) == dict.fromkeys("abcd", 0.0)


def test_shares_under_other_weights() -> None:
    desk = Desk(named("abc"), policy="weighted")
    assert shared(desk) == pytest.approx({"a": 1 / 3, "b": 1 / 3, "c": 1 / 3}, abs=0.002)
    desk.controls = Controls(1, {"a": LineControl(weight=300), "c": LineControl(switch=Switch.DRAINING)})
    assert shared(desk) == {"a": 0.75, "b": 0.25, "c": 0.0}


def test_shares_of_best() -> None:
    desk = Desk(named("abc"), (endpoint("us"), endpoint("eu")), rtts(a=150, b=150, c=300))
    assert shared(desk) == pytest.approx({"a": 0.5, "b": 0.5, "c": 0.0}, abs=0.02)
    desk.controls = Controls(1, {"c": LineControl(weight=400)})
    assert shared(desk) == {"a": 0.0, "b": 0.0, "c": 1.0}


def test_what_goes_through_a_relay_counts_for_its_lines() -> None:
    desk = Desk(named("abc"))
    desk.snapshot = replace(desk.snapshot, relays=(Relay("sjc", Address("far", 1), "", lines=("a", "b")),))
    desk.view = HealthView(relays={"sjc": RelayHealth(LineHealth(), "")})

    def parts(relay: str, lines: Sequence[str]) -> Mapping[str, float]:
        return evenly(relay, lines) if len(lines) < 2 else {"a": 0.9, "b": 0.1}

    def shared() -> Shares:
        return shares(Ask(desk.provider), desk.snapshot, desk.view, desk.controls, desk.moment, 100, parts)

    assert shared() == Shares({"a": 0.9, "b": 0.1, "c": 0.0}, {"sjc": 1.0})
    desk.controls = Controls(1, {"a": LineControl(switch=Switch.DRAINING)})
    assert shared() == Shares({"a": 0.0, "b": 1.0, "c": 0.0}, {"sjc": 1.0})
    desk.controls = Controls(1, {each: LineControl(switch=Switch.DRAINING) for each in "ab"})
    assert shared() == Shares({"a": 0.0, "b": 0.0, "c": 1.0}, {"sjc": 0.0})


def test_no_shares_where_nothing_is_left() -> None:
    desk = Desk(named("a"), controls=Controls(lines={"a": LineControl(switch=Switch.OFF)}))
    assert shared(desk, 10) == {"a": 0.0}


def test_foresight_changes_nothing() -> None:
    desk, other = (Desk((Line("a", weight=50), Line("b")), view=line_view(), policy="weighted") for _ in range(2))
    desk.ask()
    other.ask()
    shared(desk)
    assert [desk.lines_of() for _ in range(5)] == [other.lines_of() for _ in range(5)]
