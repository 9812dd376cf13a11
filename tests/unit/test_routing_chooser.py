"""Which paths a request gets, in which order: standing, tiers, schedules, operators, policies."""

from __future__ import annotations

from collections import Counter

import pytest

from edge.routing.ask import Moment
from edge.routing.chooser import less_busy
from edge.routing.controls import Controls, LineControl, Maintenance, Pin, Switch
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, endpoint, line_view, loss, named, path_view, ranked, rtt, rtts
from transport.path import Line, Path
from transport.schedule import Window

ABC = named("abc")
THREE = (Line("cn2", weight=50), Line("cu2", weight=30), Line("cmi", weight=20))
WELL = LineHealth(rtt=rtt(150))
SLOW = LineHealth(rtt=rtt(400))
GONE = LineHealth(Standing.EJECTED, rtt=rtt(150))
BACK = LineHealth(Standing.PROBATION, rtt=rtt(150))
SILENT = LineHealth(is_suspected=True, rtt=rtt(150))


# --- best ---


def test_the_best_line_first_the_others_as_fallbacks() -> None:
    desk = Desk(ABC, view=rtts(a=300, b=150, c=200))
    assert {tuple(desk.lines_of()) for _ in range(50)} == {("b", "c", "a")}


def test_equals_share_by_what_is_in_flight() -> None:
    desk = Desk(ABC, view=rtts(a=150, b=150, c=150))
    firsts = desk.firsts(300)
    assert all(80 <= firsts[line] <= 120 for line in "abc")
    busy = path_view({("a", "us"): PathHealth(rtt=rtt(150), in_flight=500), ("b", "us"): PathHealth(rtt=rtt(150))})
    assert Desk(named("ab"), view=busy).firsts(100) == {"b": 100}


def test_two_are_drawn_evenly_and_the_less_busy_taken() -> None:
    drawn = Counter(less_busy((0, 1, 2), (9, 5, 5), number / 600) for number in range(600))
    assert drawn == {1: 400, 2: 200}
    assert less_busy((4,), (), 0.99) == 4


def test_nothing_is_known_yet_so_all_are_used() -> None:
    assert set(Desk(ABC).firsts(60)) == {"a", "b", "c"}


def test_traffic_stays_where_it_is_until_another_is_much_better_for_a_while() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    assert desk.firsts(10) == {"a": 10}
    desk.view = rtts(a=300, b=200)
    assert desk.firsts(10) == {"a": 10}
    desk.now += 3
    desk.view = rtts(a=300, b=200)
    assert desk.firsts(10) == {"b": 10}


def test_the_settings_of_hysteresis() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200), settings={"switch_ratio": 1.0, "switch_seconds": 0.0})
    desk.ask()
    desk.view = rtts(a=390, b=200)
    assert desk.firsts(10)["a"] > 0
    desk.view = rtts(a=500, b=200)
    assert desk.firsts(10) == {"b": 10}


def test_classes_have_their_own_taste_and_policy() -> None:
    view = line_view(a=LineHealth(rtt=rtt(150, jitter_ms=40)), b=LineHealth(rtt=rtt(200, jitter_ms=1)))
    desk = Desk(named("ab"), view=view, classes={"batch": "weighted"})
    assert desk.lines_of(priority="realtime")[0] == "b"
    assert desk.lines_of()[0] == "a"
    assert desk.firsts(10, priority="batch") == {"a": 5, "b": 5}


def test_an_unknown_line_is_explored_by_a_few() -> None:
    desk = Desk(ABC, view=rtts(a=150, b=300))
    assert desk.firsts(5000)["c"] == pytest.approx(100, abs=40)
    assert desk.ask(chance=0.01).how == "exploring"
    assert desk.firsts(500, priority="realtime") == {"a": 500}
    assert Desk(ABC, view=rtts(a=150, b=300), settings={"explore_ratio": 0.0}).firsts(500) == {"a": 500}


def test_redundant_chooses_as_best() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200), policy="redundant")
    assert desk.lines_of() == ["a", "b"]


# --- weighted ---


def test_shares_follow_weights_exactly_over_a_round() -> None:
    assert Desk(THREE, policy="weighted").firsts(1000) == {"cn2": 500, "cu2": 300, "cmi": 200}


def test_turns_are_spread_not_bunched() -> None:
    desk = Desk(THREE[:2], policy="weighted")
    firsts = [desk.lines_of()[0] for _ in range(8)]
    assert "cu2" in firsts[:2]
    assert max(len(run) for run in "".join("x" if f == "cn2" else "." for f in firsts).split(".")) <= 2


def test_every_line_is_in_the_order_fallbacks_by_weight() -> None:
    assert Desk(THREE, policy="weighted").lines_of() == ["cn2", "cu2", "cmi"]


def test_ejected_lines_come_last_and_get_no_turn() -> None:
    desk = Desk(THREE, view=line_view(cn2=GONE), policy="weighted")
    orders = [desk.lines_of() for _ in range(50)]
    assert all(order[-1] == "cn2" for order in orders)
    assert Counter(order[0] for order in orders) == {"cu2": 30, "cmi": 20}


def test_weight_zero_is_used_only_when_nothing_else_is_left() -> None:
    lines = (Line("a"), Line("spare", weight=0))
    for policy in ("best", "weighted", "classic"):
        desk = Desk(lines, view=rtts(a=300, spare=10), policy=policy)
        assert desk.firsts(20) == {"a": 20}
        desk.view = line_view(a=GONE)
        assert desk.lines_of() == ["spare", "a"]
        desk.view = line_view(a=GONE, spare=GONE)
        assert desk.lines_of() == ["a", "spare"]


def test_a_single_line_needs_no_turns() -> None:
    desk = Desk(named("a"), view=line_view(a=GONE), policy="weighted")
    assert desk.lines_of() == ["a"]
    assert desk.ask().how == ""
    assert Desk((Line("a", weight=0), Line("b", weight=0)), policy="weighted").lines_of() == ["a", "b"]


def test_the_chain_of_endpoints_comes_after_the_lines() -> None:
    desk = Desk(THREE, (endpoint("us"), endpoint("eu")), policy="weighted")
    paths = desk.ask().paths
    assert paths[:3] == (Path("cn2", "us"), Path("cu2", "us"), Path("cmi", "us"))
    assert {path.endpoint for path in paths[3:]} == {"eu"}


def test_a_new_weight_counts_from_the_next_request_on() -> None:
    desk = Desk(named("ab"), policy="weighted")
    assert desk.firsts(31) == {"a": 16, "b": 15}
    desk.controls = Controls(1, {"a": LineControl(weight=300)})
    assert desk.firsts(100) == {"a": 75, "b": 25}
    desk.controls = Controls(2, {"a": LineControl(weight=0)})
    assert desk.firsts(100) == {"b": 100}


# --- standing ---


@pytest.mark.parametrize("policy", ["best", "weighted", "classic"])
@pytest.mark.parametrize("worse", [GONE, SILENT])
def test_ejected_and_suspected_lines_step_back_at_once(worse: LineHealth, policy: str) -> None:
    desk = Desk(named("ab"), view=line_view(a=WELL, b=SLOW), policy=policy)
    desk.ask()
    desk.view = line_view(a=worse, b=SLOW)
    assert {tuple(desk.lines_of()) for _ in range(10)} == {("b", "a")}


def test_from_bad_to_worse() -> None:
    lines = (Line("spare", weight=0), *named(("gone", "silent", "back")))
    view = line_view(gone=GONE, silent=SILENT, back=BACK, spare=WELL)
    assert Desk(lines, view=view).lines_of(priority="realtime") == ["back", "spare", "silent", "gone"]


def test_ejected_paths_and_endpoints_step_back_with_their_lines_unharmed() -> None:
    ends = (endpoint("us"), endpoint("eu"))
    ejected_path = path_view({("a", "us"): PathHealth(Standing.EJECTED), ("b", "us"): PathHealth()})
    assert Desk(named("ab"), ends, ejected_path, policy="weighted").ask().paths == (
        Path("b", "us"),
        Path("a", "eu"),
        Path("b", "eu"),
        Path("a", "us"),
    )
    ejected_end = HealthView(endpoints={"us": EndpointHealth(Standing.EJECTED)})
    assert [path.endpoint for path in Desk(named("ab"), ends, ejected_end).ask().paths] == ["eu", "eu", "us", "us"]


def test_a_penalised_endpoint_steps_back_but_stays() -> None:
    view = HealthView(endpoints={"us": EndpointHealth(penalised_until=1.0)})
    for policy in ("best", "weighted", "classic"):
        desk = Desk(named("a"), (endpoint("us"), endpoint("eu")), view, policy=policy)
        assert desk.ask().paths == (Path("a", "eu"), Path("a", "us"))


def test_an_endpoint_of_weight_zero_is_a_spare() -> None:
    desk = Desk(named("a"), (endpoint("us", weight=0), endpoint("eu")))
    assert desk.endpoints_of(20) == {"eu": 20}


@pytest.mark.parametrize("policy", ["best", "weighted", "classic"])
def test_a_line_on_probation_gets_one_request_a_second(policy: str) -> None:
    desk = Desk(named("ab"), view=line_view(a=BACK, b=SLOW), policy=policy)
    assert [desk.ask().how for _ in range(3)].count("trial") == 1
    for _ in range(5):
        desk.now += 1.0
        assert desk.firsts(50) == {"a": 1, "b": 49}
    assert desk.firsts(50, priority="realtime") == {"b": 50}
    assert all(order[-1] == "a" for order in (desk.lines_of() for _ in range(10)))


def test_paths_and_endpoints_on_probation_are_tried_too() -> None:
    ends = (endpoint("us"), endpoint("eu"))
    path = Desk(named("ab"), ends, path_view({("a", "us"): PathHealth(Standing.PROBATION)}), policy="weighted")
    assert path.ask().paths[0] == Path("a", "us")
    assert path.ask().paths[0] == Path("b", "us")
    end = Desk(named("ab"), ends, HealthView(endpoints={"us": EndpointHealth(Standing.PROBATION)}), policy="weighted")
    assert end.ask().paths[0] == Path("a", "us")
    assert end.ask().paths[0].endpoint == "eu"


def test_all_on_probation_is_no_trial() -> None:
    desk = Desk(named("ab"), view=line_view(a=BACK, b=BACK))
    assert desk.ask().how == ""
    assert desk.ask().is_hopeless


def test_an_ejected_lines_endpoint_on_probation_is_no_trial() -> None:
    view = HealthView({"a": GONE}, {}, {"eu": EndpointHealth(Standing.PROBATION)})
    desk = Desk(named("ab"), (endpoint("us"), endpoint("eu")), view, policy="weighted")
    assert desk.ask().paths[0] == Path("b", "eu")
    assert ranked(desk.why(), "a", "eu").note == "ejected"


def test_all_ejected_the_least_bad_first() -> None:
    silent = LineHealth(Standing.EJECTED, is_suspected=True, rtt=rtt(100))
    desk = Desk(ABC, view=line_view(a=LineHealth(Standing.EJECTED, rtt=rtt(300)), b=GONE, c=silent))
    assert desk.lines_of() == ["b", "a", "c"]
    assert desk.ask().is_hopeless


def test_in_panic_nobodys_ejection_is_believed() -> None:
    lines = {"a": LineHealth(Standing.EJECTED, rtt=rtt(100)), "b": LineHealth(rtt=rtt(300))}
    assert Desk(named("ab"), view=HealthView(lines)).lines_of() == ["b", "a"]
    desk = Desk(named("ab"), view=HealthView(lines, is_panic=True))
    assert desk.lines_of() == ["a", "b"]
    assert "panic" in desk.why().note


def test_hopeless_only_when_no_line_is_known_to_work() -> None:
    assert not Desk(ABC).ask().is_hopeless
    assert not Desk(ABC, view=line_view(a=GONE, b=BACK)).ask().is_hopeless
    assert Desk(ABC, view=line_view(a=GONE, b=BACK, c=GONE)).ask().is_hopeless
    assert Desk(ABC, view=line_view(a=GONE)).ask(wanted="a").is_hopeless


# --- tiers, capacity, schedules ---

AT_ONCE = {"switch_seconds": 0.0}
TIERS = (Line("main", capacity_mbps=100), Line("backup", tier=2), Line("last", tier=3))


@pytest.mark.parametrize("policy", ["best", "weighted", "classic"])
def test_backups_wait_until_no_primary_can_be_used(policy: str) -> None:
    desk = Desk(TIERS, view=rtts(main=300, backup=50, last=10), policy=policy)
    assert desk.lines_of() == ["main", "backup", "last"]
    desk.view = line_view(main=SILENT)
    assert desk.lines_of() == ["backup", "last", "main"]


def test_a_full_line_spills_over_until_it_is_relieved() -> None:
    desk = Desk(TIERS)
    for mbps, first in ((80, "main"), (81, "backup"), (75, "backup"), (69, "main"), (75, "main")):
        desk.view = line_view(main=LineHealth(rtt=rtt(150), up_bps=mbps * 1e6), backup=WELL, last=WELL)
        assert desk.lines_of()[0] == first, mbps
    desk.view = line_view(main=LineHealth(down_bps=95e6))
    assert ranked(desk.why(), "main").note.startswith("at 95 % of its capacity; not measured yet")


def test_the_less_full_of_full_lines() -> None:
    lines = (Line("a", capacity_mbps=10), Line("b", capacity_mbps=100, max_mbps=10))
    view = line_view(a=LineHealth(rtt=rtt(150), up_bps=9.7e6), b=LineHealth(rtt=rtt(150), up_bps=8.5e6))
    assert Desk(lines, view=view).lines_of() == ["b", "a"]


def test_a_schedule_avoids_a_line_for_its_hours() -> None:
    evening = Window(19 * 60, 23 * 60)
    desk = Desk((Line("a", avoid=(evening,)), Line("b")), view=rtts(a=100, b=300), settings=AT_ONCE)
    orders = []
    for hour in (18, 19, 22, 23):
        desk.moment = Moment(0.0, 0, hour * 60)
        orders.append(desk.lines_of()[0])
    assert orders == ["a", "b", "b", "a"]
    desk.moment = Moment(0.0, 0, 20 * 60)
    assert ranked(desk.why(), "a").note == "avoided at this hour"


# --- operators and rules ---


def test_draining_and_off_lines_take_nothing_new() -> None:
    controls = Controls(lines={"a": LineControl(switch=Switch.OFF), "b": LineControl(switch=Switch.DRAINING)})
    desk = Desk(ABC, view=rtts(a=1, b=1, c=300), controls=controls)
    assert desk.lines_of() == ["c"]
    why = desk.why()
    assert {each.path.line: each.note for each in why.excluded} == {"a": "off", "b": "draining"}


def test_maintenance_drains_for_its_time() -> None:
    controls = Controls(maintenance=(Maintenance("a", 50.0, 60.0),))
    desk = Desk(named("ab"), view=rtts(a=1, b=300), controls=controls, settings=AT_ONCE)
    found = []
    for utc in (49.0, 50.0, 59.0, 60.0):
        desk.moment = Moment(utc)
        found.append(desk.lines_of()[0])
    assert found == ["a", "b", "b", "a"]


def test_if_operators_leave_nothing_the_request_is_told_so() -> None:
    controls = Controls(lines={"a": LineControl(switch=Switch.OFF)}, maintenance=(Maintenance("b", 0.0, 9e9),))
    refusal = Desk(named("ab"), controls=controls).ask().refusal
    assert refusal is not None
    assert not refusal.is_forbidden
    assert refusal.text == "no line takes new requests: a is off, b is draining"


def test_the_line_that_the_request_names() -> None:
    desk = Desk(ABC, view=line_view(a=GONE))
    assert desk.lines_of(wanted="a") == ["a"]
    assert {each.note for each in desk.why(wanted="a").excluded} == {"the request names a"}
    desk.controls = Controls(lines={"a": LineControl(switch=Switch.DRAINING)})
    refusal = desk.ask(wanted="a").refusal
    assert refusal is not None
    assert refusal.text == "no line takes new requests: a is draining"
    assert desk.why(wanted="a").note == refusal.text


PINS = (Pin("*", "a"), Pin("provider:p", "b"), Pin("model:m", "c"), Pin("key:k", "d"), Pin("model:x", "nowhere"))


@pytest.mark.parametrize(
    ("pins", "needs", "first"),
    [
        (PINS[:1], {}, "a"),
        (PINS[:2], {}, "b"),
        (PINS, {"model": "m"}, "c"),
        (PINS, {"model": "m", "key": "k"}, "d"),
        (PINS, {"model": "x", "key": "other"}, "b"),
    ],
)
def test_pins_the_most_exact_first(pins: tuple[Pin, ...], needs: dict[str, str], first: str) -> None:
    lines = (Line("a", tier=3), Line("b", weight=0), Line("c", capacity_mbps=1), Line("d"), Line("e"))
    view = HealthView({"c": LineHealth(up_bps=9e9), "d": LineHealth(rtt=rtt(900)), "e": LineHealth(rtt=rtt(1))})
    for policy in ("best", "weighted", "classic"):
        desk = Desk(lines, view=view, controls=Controls(pins=pins), policy=policy, settings={"explore_ratio": 0.0})
        assert desk.firsts(20, **needs) == {first: 20}


def test_a_pin_to_a_line_that_is_gone_is_nothing() -> None:
    desk = Desk(named("ab"), view=rtts(a=100, b=300), controls=Controls(pins=(Pin("*", "nowhere"),)))
    assert desk.firsts(20) == {"a": 20}
    desk.controls = Controls(pins=(Pin("key:k", "b"),))
    assert desk.firsts(20, key="other") == {"a": 20}
    assert desk.firsts(20, key="k") == {"b": 20}


@pytest.mark.parametrize("health", [GONE, SILENT, BACK])
def test_a_pin_holds_while_its_line_can_be_used(health: LineHealth) -> None:
    desk = Desk(named("ab"), view=line_view(a=health, b=WELL), controls=Controls(pins=(Pin("*", "a"),)))
    assert desk.firsts(20, priority="realtime") == {"b": 20}
    desk.view = line_view(a=SLOW, b=WELL)
    assert desk.firsts(20) == {"a": 20}
    assert ranked(desk.why(), "a").note == "pinned by operators"
    desk.controls = Controls(lines={"a": LineControl(switch=Switch.OFF)}, pins=(Pin("*", "a"),))
    assert desk.lines_of() == ["b"]


ENDS = (endpoint("us", "us-west"), endpoint("eu", "eu-central"), endpoint("somewhere"))


def test_residency_fails_closed() -> None:
    desk = Desk(named("ab"), ENDS)
    assert desk.endpoints_of(20, regions=frozenset({"eu-central"})) == {"eu": 20}
    notes = {each.note for each in desk.why(regions=frozenset({"eu-central"})).excluded}
    assert notes == {"region us-west: only eu-central allowed", "region unknown: only eu-central allowed"}
    refusal = desk.ask(regions=frozenset({"ap-east"})).refusal
    assert refusal is not None
    assert refusal.is_forbidden
    assert refusal.text == "no endpoint of p is in a region allowed here (ap-east)"
    nowhere = desk.ask(regions=frozenset()).refusal
    assert nowhere is not None
    assert nowhere.text.endswith("(none)")


def test_a_misplaced_endpoint_is_no_excuse_for_a_drained_line() -> None:
    desk = Desk(named("a"), ENDS, controls=Controls(lines={"a": LineControl(switch=Switch.OFF)}))
    refusal = desk.ask(regions=frozenset({"eu-central"})).refusal
    assert refusal is not None
    assert refusal.text == "no line takes new requests: a is off"


def test_a_conversation_stays_at_one_endpoint_over_any_line() -> None:
    desk = Desk(named("ab"), ENDS)
    for talk in (b"one", b"two", b"three", b"four"):
        choices = [desk.ask(sticky=talk) for _ in range(40)]
        assert len({choice.paths[0].endpoint for choice in choices}) == 1
        assert {choice.paths[0].line for choice in choices} == {"a", "b"}
        assert choices[0].how == "sticky"
    assert len({desk.ask(sticky=str(talk).encode()).paths[0].endpoint for talk in range(60)}) == 3


def test_stickiness_is_among_equals_only() -> None:
    view = path_view({("a", "us"): PathHealth(rtt=rtt(150)), ("a", "eu"): PathHealth(rtt=rtt(250))})
    desk = Desk(named("a"), ENDS[:2], view)
    assert {desk.ask(sticky=str(talk).encode()).paths[0].endpoint for talk in range(60)} == {"us"}
    near = path_view({("a", "us"): PathHealth(rtt=rtt(150)), ("b", "us"): PathHealth(rtt=rtt(150))})
    assert Desk(named("ab"), ENDS[:1], near).ask(sticky=b"x").how == "sticky"


# --- what is kept ---


def test_what_operators_change_counts_from_the_next_request_on() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    assert desk.firsts(10) == {"a": 10}
    desk.controls = Controls(1, {"a": LineControl(weight=25)})
    assert desk.firsts(10) == {"b": 10}
    desk.controls = Controls(2)
    assert desk.firsts(10) == {"a": 10}


def test_a_reload_forgets_turns_and_what_was_held() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    desk.ask()
    desk.view = rtts(a=400, b=200)
    assert desk.lines_of() == ["a", "b"]
    other = Desk(named("ab"))
    desk.snapshot, desk.provider = other.snapshot, other.provider
    assert desk.lines_of() == ["b", "a"]


def test_loss_makes_a_nearer_line_farther() -> None:
    view = line_view(a=LineHealth(rtt=rtt(150), loss=loss(0.15)), b=LineHealth(rtt=rtt(220), loss=loss(0)))
    assert Desk(named("ab"), view=view).lines_of() == ["b", "a"]
