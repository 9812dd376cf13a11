from __future__ import annotations

from collections import Counter

from edge.routing.candidates import all_down, rank
from edge.routing.selector import Weighted

from edge.config.model import Endpoint
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth
from transport.path import Line, Path

CN2, CU2, CMI = Line("cn2", weight=50), Line("cu2", weight=30), Line("cmi", weight=20)
LINES = (CN2, CU2, CMI)
WELL = HealthView()


def endpoint(name: str) -> Endpoint:
    return Endpoint(id=name, provider="p", url=f"https://{name}", host=name, port=443, tls=True)


def test_shares_follow_weights_exactly_over_a_round() -> None:
    selector = Weighted()
    firsts = Counter(selector.order(LINES, WELL)[0].id for _ in range(1000))
    assert firsts == {"cn2": 500, "cu2": 300, "cmi": 200}


def test_turns_are_spread_not_bunched() -> None:
    selector = Weighted()
    firsts = [selector.order((CN2, CU2), HealthView())[0].id for _ in range(8)]
    assert "cu2" in firsts[:2]
    assert max(len(run) for run in "".join("x" if f == "cn2" else "." for f in firsts).split(".")) <= 2


def test_every_line_is_in_the_order_fallbacks_by_weight() -> None:
    order = Weighted().order(LINES, WELL)
    assert [line.id for line in order] == ["cn2", "cu2", "cmi"]


def test_ejected_lines_come_last_and_get_no_turn() -> None:
    view = HealthView({"cn2": LineHealth(Standing.EJECTED)})
    selector = Weighted()
    orders = [selector.order(LINES, view) for _ in range(50)]
    assert all(order[-1].id == "cn2" for order in orders)
    assert Counter(order[0].id for order in orders) == {"cu2": 30, "cmi": 20}


def test_a_line_on_probation_takes_its_turn_but_is_a_late_fallback() -> None:
    view = HealthView({"cn2": LineHealth(Standing.PROBATION)})
    selector = Weighted()
    orders = [selector.order(LINES, view) for _ in range(10)]
    assert Counter(order[0].id for order in orders)["cn2"] == 5
    assert all(order[-1].id == "cn2" for order in orders if order[0].id != "cn2")


def test_weight_zero_is_used_only_when_nothing_else_is_left() -> None:
    spare = Line("spare", weight=0)
    selector = Weighted()
    assert all(selector.order((CN2, spare), WELL)[0].id == "cn2" for _ in range(20))
    down = HealthView({"cn2": LineHealth(Standing.EJECTED)})
    assert [line.id for line in selector.order((CN2, spare), down)] == ["spare", "cn2"]
    all_down = HealthView({"cn2": LineHealth(Standing.EJECTED), "spare": LineHealth(Standing.EJECTED)})
    assert [line.id for line in selector.order((spare, CN2), all_down)] == ["cn2", "spare"]


def test_a_single_line_needs_no_turns() -> None:
    assert Weighted().order((CN2,), HealthView({"cn2": LineHealth(Standing.EJECTED)})) == (CN2,)


def test_the_chain_of_endpoints_comes_after_the_lines() -> None:
    paths = rank(Weighted(), LINES, [endpoint("us"), endpoint("eu")], WELL)
    assert paths[:3] == (Path("cn2", "us"), Path("cu2", "us"), Path("cmi", "us"))
    assert {path.endpoint for path in paths[3:]} == {"eu"}


def test_a_penalised_endpoint_steps_back_but_stays() -> None:
    view = HealthView(endpoints={"us": EndpointHealth(penalised_until=1.0)})
    paths = rank(Weighted(), (CN2,), [endpoint("us"), endpoint("eu")], view)
    assert paths == (Path("cn2", "eu"), Path("cn2", "us"))


def test_all_down() -> None:
    assert not all_down(LINES, WELL)
    assert not all_down(LINES, HealthView({"cn2": LineHealth(Standing.EJECTED), "cu2": LineHealth(Standing.EJECTED)}))
    assert all_down((CN2,), HealthView({"cn2": LineHealth(Standing.EJECTED)}))
