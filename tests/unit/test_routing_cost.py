"""What a path costs, term by term, and which of two lines a request then takes."""

from __future__ import annotations

import pytest

from edge.routing.cost import best_terms, loss_ratio, median
from health.view import EndpointHealth, HealthView, LineHealth, LossFigures, PathHealth
from tests.support.routing import Desk, costs, endpoint, line_view, loss, named, path_view, ranked, rtt
from transport.path import Line, Path


def terms(health: LineHealth, line: Line = Line("a"), **needs: object) -> dict[str, float]:  # noqa: B008
    desk = Desk((line,), view=HealthView({line.id: health}))
    return costs(ranked(desk.why(**needs), line.id))


def test_a_round_trip_is_the_cost_of_a_clean_line() -> None:
    assert terms(LineHealth(rtt=rtt(150))) == {"rtt": 150.0}


def test_terms_add_up_to_the_cost() -> None:
    health = LineHealth(rtt=rtt(150, 10), loss=loss(0.02, 4.0), in_flight=7, down_bps=60e6, success_ratio=0.98)
    desk = Desk((Line("a", weight=50, capacity_mbps=100, cost_per_gb=2.0),), view=HealthView({"a": health}))
    for priority in ("realtime", "interactive", "batch"):
        line = ranked(desk.why(priority=priority, prompt_bytes=1 << 20), "a")
        assert line.cost == pytest.approx(sum(term.cost for term in line.terms), abs=0.01)


def test_loss_costs_a_retransmission_as_often_as_it_is_noticed() -> None:
    of = {
        name: terms(LineHealth(rtt=rtt(200), loss=loss(0.05)), priority=name)["loss"] for name in ("realtime", "batch")
    }
    assert of["realtime"] == pytest.approx((1 - 0.95**16) * 1.2 * 200, abs=0.01)
    assert of["batch"] == pytest.approx((1 - 0.95**2) * 1.2 * 200, abs=0.01)


def test_bursts_cost_more_within_bounds() -> None:
    alone, burst, endless = (
        terms(LineHealth(rtt=rtt(200), loss=loss(0.05, length)))["loss"] for length in (1.0, 4.0, 1000.0)
    )
    assert burst == pytest.approx(2 * alone, abs=0.01)
    assert endless == pytest.approx(3 * alone, abs=0.01)


def test_the_loss_of_three_windows_as_far_as_known() -> None:
    assert loss_ratio(LossFigures(1.0, 0.0, 0.0)) == pytest.approx(0.3)
    assert loss_ratio(LossFigures(None, 0.1, None)) == pytest.approx(0.1)
    assert loss_ratio(LossFigures(None, None, None)) is None


def test_jitter_is_for_those_who_mind() -> None:
    health = LineHealth(rtt=rtt(150, jitter_ms=10))
    assert terms(health, priority="realtime")["jitter"] == 40.0
    assert terms(health)["jitter"] == 10.0
    assert "jitter" not in terms(health, priority="batch")


def test_load_grows_towards_capacity_and_stays_finite() -> None:
    def load(mbps: float) -> float:
        return terms(LineHealth(rtt=rtt(1), down_bps=mbps * 1e6), Line("a", capacity_mbps=100))["load"]

    assert load(50) == pytest.approx(10)
    assert load(10) < load(50) < load(90) < load(97) < load(99)
    assert load(99) == load(500)


def test_a_cap_is_a_capacity() -> None:
    health = LineHealth(rtt=rtt(1), up_bps=5e6)
    assert terms(health, Line("a", max_mbps=10))["load"] == terms(health, Line("a", capacity_mbps=10))["load"]
    assert terms(health, Line("a", capacity_mbps=100, max_mbps=10))["load"] == pytest.approx(10)
    assert "load" not in terms(health)


def test_requests_in_flight_and_failures() -> None:
    found = terms(LineHealth(rtt=rtt(1), in_flight=30, success_ratio=0.9))
    assert found["in_flight"] == pytest.approx(3.0)
    assert found["failures"] == pytest.approx(50.0)
    view = HealthView(endpoints={"us": EndpointHealth(success_ratio=0.5)})
    assert costs(ranked(Desk(named("a"), view=view).why(), "a"))["failures"] == pytest.approx(250.0)


def test_the_price_is_for_batch() -> None:
    lines = (Line("dear", cost_per_gb=4.0), Line("cheap", cost_per_gb=1.0))
    desk = Desk(lines, view=HealthView({"dear": LineHealth(rtt=rtt(150)), "cheap": LineHealth(rtt=rtt(220))}))
    assert desk.lines_of(priority="batch") == ["cheap", "dear"]
    assert desk.lines_of() == ["dear", "cheap"]
    why = desk.why(priority="batch")
    assert (costs(ranked(why, "dear"))["price"], costs(ranked(why, "cheap"))["price"]) == (300.0, 75.0)


def test_a_large_prompt_takes_the_path_with_the_throughput() -> None:
    view = path_view(
        {
            ("near", "us"): PathHealth(rtt=rtt(100), throughput_bps=2e6),
            ("wide", "us"): PathHealth(rtt=rtt(200), throughput_bps=200e6),
        }
    )
    desk = Desk(named(("near", "wide")), view=view)
    assert desk.lines_of(prompt_bytes=2_000)[0] == "near"
    assert desk.lines_of(prompt_bytes=100_000)[0] == "wide"
    assert desk.lines_of(prompt_bytes=1 << 20)[0] == "wide"
    assert costs(ranked(desk.why(prompt_bytes=1 << 20), "wide"))["upload"] == pytest.approx(20.972, abs=0.001)


def test_the_endpoint_that_thinks_longer_is_farther_away() -> None:
    view = path_view(
        {
            ("a", "us"): PathHealth(rtt=rtt(150), first_byte_p50=0.85),
            ("a", "eu"): PathHealth(rtt=rtt(200), first_byte_p50=0.45),
        }
    )
    desk = Desk(named("a"), (endpoint("us"), endpoint("eu")), view=view)
    assert desk.ask().paths == (Path("a", "eu"), Path("a", "us"))
    assert desk.ask(priority="batch").paths[0] == Path("a", "eu")
    why = desk.why()
    assert (costs(ranked(why, "a"))["first_byte"], costs(ranked(why, "a", "eu"))["first_byte"]) == (700.0, 250.0)


def test_an_endpoints_own_time_is_the_same_over_every_line() -> None:
    """A line isn't blamed because it happened to carry the long prompts."""
    view = path_view(
        {
            ("a", "us"): PathHealth(rtt=rtt(150), first_byte_p50=2.15),
            ("b", "us"): PathHealth(rtt=rtt(170), first_byte_p50=0.57),
            ("c", "us"): PathHealth(rtt=rtt(160)),
        }
    )
    why = Desk(named("abc"), view=view).why()
    assert {costs(each)["first_byte"] for each in why.paths} == {400.0}
    assert why.paths[0].path.line == "a"


def test_what_nobody_knows_costs_nothing_and_what_others_know_is_the_median() -> None:
    view = line_view(a=LineHealth(rtt=rtt(100, 2)), b=LineHealth(rtt=rtt(200, 4)), c=LineHealth(rtt=rtt(300)))
    why = Desk(named("abcx"), view=view).why(chance=0.9)
    assert [each.path.line for each in why.paths] == ["a", "x", "b", "c"]
    assert costs(ranked(why, "x")) == {"rtt": 200.0, "jitter": 2.0}
    assert costs(ranked(Desk(named("x")).why(), "x")) == {"rtt": 250.0}


def test_a_path_of_its_own_outranks_what_its_line_shows() -> None:
    view = HealthView({"a": LineHealth(rtt=rtt(100), loss=loss(0.1))}, {Path("a", "us"): PathHealth(rtt=rtt(40))})
    found = costs(ranked(Desk(named("a"), view=view).why(), "a"))
    assert found["rtt"] == 40.0
    assert found["loss"] > 0


def test_the_weight_divides() -> None:
    assert terms(LineHealth(rtt=rtt(100)), Line("a", weight=50)) == {"rtt": 100.0, "line_weight": 100.0}
    assert terms(LineHealth(rtt=rtt(100)), Line("a", weight=200)) == {"rtt": 100.0, "line_weight": -50.0}
    desk = Desk(named("a"), (endpoint("us", weight=25),), view=HealthView({"a": LineHealth(rtt=rtt(100))}))
    assert ranked(desk.why(), "a").cost == 400.0


def test_no_candidates_no_terms() -> None:
    assert best_terms("batch", 0, []) == []
    assert median([]) is None
    assert median([3.0, 1.0]) == 1.0
