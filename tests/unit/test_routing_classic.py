"""The classic score without its known mistakes; each test bears the mistake's name."""

from __future__ import annotations

import pytest

from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, costs, endpoint, loss, named, path_view, ranked, rtt
from tests.unit.test_config_faults import faults
from transport.path import Line


def classic(lines: tuple[Line, ...], **healths: LineHealth) -> Desk:
    return Desk(lines, view=HealthView(healths), policy="classic")


def score(desk: Desk, line: str, name: str) -> float:
    return next(term.value for term in ranked(desk.why(), line).terms if term.name == name)


def test_latency_is_not_swamped_by_the_other_terms() -> None:
    """1/(ms + 1) is next to nothing for every real line: 2900 ms at 29 % load beat 120 ms at 30 %."""
    lines = (Line("far", capacity_mbps=100), Line("near", capacity_mbps=100))
    desk = classic(lines, far=LineHealth(rtt=rtt(2900), down_bps=29e6), near=LineHealth(rtt=rtt(120), down_bps=30e6))
    assert desk.lines_of() == ["near", "far"]


def test_a_dead_idle_line_does_not_score_best() -> None:
    desk = classic(
        named(("dead", "busy")),
        dead=LineHealth(Standing.EJECTED, rtt=rtt(100)),
        busy=LineHealth(rtt=rtt(200), in_flight=300),
    )
    assert desk.lines_of() == ["busy", "dead"]


def test_load_and_bandwidth_are_not_the_same_number() -> None:
    desk = classic((Line("a", capacity_mbps=100),), a=LineHealth(rtt=rtt(100), in_flight=5, down_bps=90e6))
    assert score(desk, "a", "load") == pytest.approx(0.5)
    assert score(desk, "a", "bandwidth") == pytest.approx(0.1)
    assert score(desk, "a", "line_score") == pytest.approx(0.4 + 0.3 * 0.5 + 0.3 * 0.1)


def test_capacity_is_a_number() -> None:
    assert faults("[[line]]\nid = 'a'\ncapacity_mbps = '500M'")[0].startswith(
        '3: line[0].capacity_mbps: "500M" is a str'
    )
    desk = classic((Line("a", capacity_mbps=50), Line("b")), a=LineHealth(down_bps=80e6))
    assert score(desk, "a", "bandwidth") == 0.0
    assert score(desk, "b", "bandwidth") == 0.5


def test_load_is_what_the_view_says_now() -> None:
    """It was never updated."""
    desk = classic(named("ab"), a=LineHealth(rtt=rtt(100)), b=LineHealth(rtt=rtt(100)))
    assert desk.lines_of(chance=0.0)[0] == "a"
    desk.view = HealthView({"a": LineHealth(rtt=rtt(100), in_flight=90), "b": LineHealth(rtt=rtt(100))})
    assert score(desk, "a", "load") == 0.0
    assert ranked(desk.why(), "a").cost > ranked(desk.why(), "b").cost


def test_failures_of_the_past_are_no_permanent_ban() -> None:
    """A count without a cap was held against a history with one. The ratio is of the last five minutes, and floors."""
    lines, ends = named("a"), (endpoint("us"), endpoint("eu"))
    paths = {("a", "us"): PathHealth(rtt=rtt(100)), ("a", "eu"): PathHealth(rtt=rtt(150))}
    desk = Desk(lines, ends, path_view(paths, us=EndpointHealth(success_ratio=0.0)), policy="classic")
    assert desk.ask().paths[0].endpoint == "eu"
    desk.view = path_view(paths, us=EndpointHealth(success_ratio=1.0))
    desk.now += 10
    desk.ask()  # from now on it is seen to be better…
    desk.view = path_view(paths, us=EndpointHealth(success_ratio=1.0))
    desk.now += 10  # …and has been for ten seconds
    assert desk.ask().paths[0].endpoint == "us"


def test_loss_counts_and_there_is_hysteresis() -> None:
    """Neither did before."""
    desk = classic(named("ab"), a=LineHealth(rtt=rtt(100), loss=loss(0.4)), b=LineHealth(rtt=rtt(120), loss=loss(0.0)))
    assert desk.lines_of(chance=0.0)[0] == "b"
    desk.view = HealthView({"a": LineHealth(rtt=rtt(100)), "b": LineHealth(rtt=rtt(900), loss=loss(0.3))})
    assert desk.firsts(20) == {"b": 20}
    desk.now += 3.0
    desk.view = HealthView(desk.view.lines)
    assert desk.firsts(20) == {"a": 20}


def test_an_endpoints_score() -> None:
    paths = {
        ("a", "us"): PathHealth(rtt=rtt(100), in_flight=20),
        ("a", "eu"): PathHealth(rtt=rtt(200), in_flight=10),
    }
    desk = Desk(
        named("a"),
        (endpoint("us"), endpoint("eu")),
        path_view(paths, eu=EndpointHealth(success_ratio=0.9)),
        policy="classic",
    )
    why = desk.why()
    values = {term.name: term.value for term in ranked(why, "a", "eu").terms}
    assert values["endpoint_score"] == pytest.approx(0.5 * 0.5 + 0.3 * 0.9 + 0.2 * 0.5)
    assert values["line_score"] == pytest.approx(0.4 * 0.5 + 0.3 + 0.15)
    eu = ranked(why, "a", "eu")
    assert eu.cost == pytest.approx(100 / values["endpoint_score"] / values["line_score"], rel=1e-3)
    assert sum(costs(eu).values()) == pytest.approx(eu.cost or 0.0, rel=1e-3)
    assert sum(costs(ranked(why, "a")).values()) < eu.cost


def test_the_worst_of_lines_still_has_a_score() -> None:
    lossy = LineHealth(rtt=rtt(3000), loss=loss(1.0), in_flight=99, down_bps=1e9)
    desk = classic((Line("a", capacity_mbps=1), Line("b", weight=50)), a=lossy, b=LineHealth(rtt=rtt(0.0)))
    assert score(desk, "a", "line_score") == 0.01
    assert costs(ranked(desk.why(), "b"))["line_weight"] > 0
