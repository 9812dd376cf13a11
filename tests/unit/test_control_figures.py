from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import pytest

from edge.config.model import Address, Endpoint, Provider, Relay, Snapshot
from edge.control.figures import NO_SESSIONS, Load, figures, relay_documents
from edge.control.lines import is_idle, line_documents, maintenance_documents, utilisation, way_of
from edge.control.together import together
from edge.routing.controls import Controls, LineControl, Maintenance, Pin, Switch
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, LossFigures, PathHealth, RelayHealth, RttFigures
from transport.path import Line, Path
from transport.session.traffic import Traffic

NOW = 5000.0
UTC = 1_795_348_800.0


@dataclass(frozen=True)
class Stat:
    line: str
    idle: int
    active: int
    dialing: int


SNAPSHOT = Snapshot(
    generation=3,
    lines=(Line("cn2", "CN2", source="10.0.0.2", capacity_mbps=100, cost_per_gb=2.0), Line("cu2", weight=40.0)),
    providers=(Provider("openai", "openai", (Endpoint("openai", "openai", "https://x", "x", 443, True),)),),
)
RTT = RttFigures(0.18, 0.15, 0.17, 0.25, 0.004, 50, NOW - 2)
VIEW = HealthView(
    lines={
        "cn2": LineHealth(
            Standing.EJECTED,
            reason="silent",
            since=NOW - 60,
            rtt=RTT,
            loss=LossFigures(0.1, 0.02, 0.012345678, mean_burst=2.345),
            in_flight=2,
            up_bps=1e6,
            down_bps=25e6,
            success_ratio=0.98,
            flaps=1,
        )
    },
    paths={
        Path("cn2", "openai"): PathHealth(rtt=RTT, first_byte_p50=0.5, throughput_bps=9.6e6),
        Path("local", "gpu"): PathHealth(),
    },
    endpoints={"openai": EndpointHealth(penalised_until=NOW + 1.5)},
)
CARRIED = Traffic(sent=100, first=60, received=50, fresh=20)
LOAD = Load(4, 7, {"cn2": 3, "cu2": 1}, (Stat("cn2", 1, 2, 0), Stat("cn2", 1, 0, 1)), {"cn2": CARRIED})


def of_one(view: HealthView = VIEW, load: Load = LOAD) -> dict[str, Any]:
    return figures(SNAPSHOT, view, load, NOW)


def test_what_a_worker_knows_of_a_line() -> None:
    line = of_one()["lines"]["cn2"]
    assert line == {
        "standing": "ejected",
        "standing_for_seconds": 60.0,
        "suspected": False,
        "reason": "silent",
        "reason_parts": [{"code": "silent", "args": {}}],
        "rtt": {
            "estimate_ms": 180.0,
            "minimum_ms": 150.0,
            "median_ms": 170.0,
            "p95_ms": 250.0,
            "jitter_ms": 4.0,
            "samples": 50,
            "age_seconds": 2.0,
        },
        "loss": {
            "ratio_10s": 0.1,
            "ratio_60s": 0.02,
            "ratio_300s": 0.01235,
            "mean_burst": 2.35,
            "up_ratio": None,
            "down_ratio": None,
        },
        "in_flight": 2,
        "up_bps": 1_000_000,
        "down_bps": 25_000_000,
        "success_ratio": 0.98,
        "flaps": 1,
        "connections": {"idle": 2, "active": 2, "dialing": 1},
        "requests_60s": 3,
        "session": CARRIED.causes(),
    }


def test_what_isnt_known_is_null() -> None:
    line = of_one()["lines"]["cu2"]
    assert (line["standing"], line["standing_for_seconds"], line["rtt"], line["loss"]) == ("admitted", None, None, None)
    assert line["connections"] == {"idle": 0, "active": 0, "dialing": 0}


def test_paths_and_endpoints() -> None:
    told = of_one()
    assert list(told["paths"]) == ["cn2/direct/openai", "cu2/direct/openai", "local/direct/gpu"]
    path = told["paths"]["cn2/direct/openai"]
    assert (path["line"], path["relay"], path["first_byte_p50_ms"], path["throughput_bps"]) == (
        *("cn2", None),
        *(500.0, 9_600_000),
    )
    assert told["endpoints"]["openai"]["penalised_for_seconds"] == 1.5
    assert of_one(HealthView())["endpoints"]["openai"]["penalised_for_seconds"] is None
    assert (told["generation"], told["requests_in_flight"], told["client_connections"]) == (3, 4, 7)


def test_one_worker_alone_is_the_whole() -> None:
    assert together({0: of_one()}) == of_one()


def test_loads_add_up_and_the_worst_standing_counts() -> None:
    calm = HealthView(
        lines={"cn2": LineHealth(Standing.ADMITTED, is_suspected=True, rtt=RttFigures(0.2, 0.2, 0.2, 0.2, 0, 90, NOW))},
        is_panic=True,
    )
    told = together({0: of_one(calm), 1: of_one()})
    line = told["lines"]["cn2"]
    assert (line["standing"], line["reason"], line["standing_by_worker"]) == (
        "ejected",
        "silent",
        {"0": "admitted", "1": "ejected"},
    )
    assert (line["suspected"], line["in_flight"], line["down_bps"], line["requests_60s"]) == (True, 2, 25_000_000, 6)
    assert line["rtt"]["samples"] == 90
    assert line["session"] == Traffic(sent=200, first=120, received=100, fresh=40).causes()
    assert line["loss"]["ratio_10s"] == 0.1
    assert line["connections"] == {"idle": 4, "active": 4, "dialing": 2}
    assert "standing_by_worker" not in told["lines"]["cu2"]
    assert told["lines"]["cu2"]["loss"] is None
    assert (told["is_panic"], told["requests_in_flight"], told["client_connections"]) == (True, 8, 14)
    assert told["paths"]["cn2/direct/openai"]["throughput_bps"] == 9_600_000
    assert told["paths"]["cu2/direct/openai"]["throughput_bps"] is None


def test_a_loss_is_taken_from_whoever_knows_one() -> None:
    judged = HealthView(lines={"cn2": LineHealth(Standing.EJECTED)})
    knowing = HealthView(lines={"cn2": LineHealth(loss=LossFigures(0.3, None, None))})
    assert together({0: of_one(judged), 1: of_one(knowing)})["lines"]["cn2"]["loss"]["ratio_10s"] == 0.3


def test_a_worker_with_an_older_configuration_may_lack_a_line() -> None:
    older = of_one()
    del older["lines"]["cu2"]
    told = together({0: of_one(), 1: {**older, "generation": 2}})
    assert told["lines"]["cu2"]["requests_60s"] == 1
    assert told["generation"] == 2


def lines(controls: Controls | None = None) -> dict[str, dict[str, Any]]:
    return {each["id"]: each for each in line_documents(SNAPSHOT, controls or Controls(), of_one(), UTC)}


def test_a_line_as_operators_see_it() -> None:
    line = lines()["cn2"]
    assert (line["carrier"], line["way"], line["capacity_mbps"], line["cost_per_gb"]) == ("CN2", "10.0.0.2", 100, 2.0)
    assert line["weight"] == {"configured": 100.0, "override": None, "effective": 100.0}
    assert (line["share_60s"], line["utilisation"], line["since"]) == (0.75, 0.25, "2026-11-22T11:59:00Z")
    assert (line["switch"], line["in_effect"], line["standing"]) == ("on", "on", "ejected")
    assert lines()["cu2"]["utilisation"] is None
    assert lines()["cu2"]["since"] is None


def test_an_operators_word_on_a_line() -> None:
    window = Maintenance("cu2", UTC - 5, UTC + 5, "4711")
    controls = Controls(
        4, {"cn2": LineControl(30.0, Switch.OFF), "cu2": LineControl(30.0)}, (Pin("*", "cn2"),), (window,)
    )
    told = lines(controls)
    assert told["cn2"]["weight"] == {"configured": 100.0, "override": 30.0, "effective": 0.0}
    assert (told["cn2"]["switch"], told["cn2"]["in_effect"]) == ("off", "off")
    assert told["cn2"]["pins"] == [{"subject": "*", "line": "cn2"}]
    assert (told["cu2"]["switch"], told["cu2"]["in_effect"]) == ("on", "draining")
    assert told["cu2"]["maintenance"][0]["note"] == "4711"


def test_a_line_that_was_just_configured() -> None:
    snapshot = Snapshot(lines=(*SNAPSHOT.lines, Line("new", interface="eth1")))
    new = line_documents(snapshot, Controls(), {"lines": {}}, UTC)[2]
    assert (new["standing"], new["share_60s"], new["connections"]["active"]) == ("admitted", None, 0)
    assert is_idle(new)


def test_ways_out() -> None:
    ways = [Line("a", interface="eth1"), Line("b", proxy="http://user:secret@p:1"), Line("c")]
    assert [way_of(line) for line in ways] == ["eth1", "proxy", "system route"]


@pytest.mark.parametrize(("in_flight", "active", "idle"), [(0, 0, True), (1, 0, False), (0, 1, False)])
def test_idle(in_flight: int, active: int, idle: bool) -> None:
    assert is_idle({"in_flight": in_flight, "connections": {"active": active}}) is idle


def test_utilisation_is_of_the_busier_direction() -> None:
    assert utilisation(10.0, {"up_bps": 8e6, "down_bps": 1e6}) == 0.8
    assert utilisation(0.0, {"up_bps": 8e6, "down_bps": 0.0}) is None


def test_windows_have_a_state() -> None:
    windows = tuple(Maintenance("cn2", UTC + at, UTC + at + 10) for at in (-20, -5, 5))
    told = maintenance_documents(Controls(maintenance=windows), UTC)
    assert [each["state"] for each in told] == ["over", "active", "upcoming"]


def test_relays() -> None:
    relay = Relay("sjc", Address("far.example", 4433), "")
    way = LineHealth(Standing.PROBATION, since=NOW - 3, rtt=RTT, in_flight=4, success_ratio=0.5, flaps=2)
    view = HealthView(relays={"sjc": RelayHealth(way, "draining", True)})
    shown = {"sjc": {**NO_SESSIONS, "sessions": 3, "lines_used": ["cu2"]}}
    (told,) = relay_documents(replace(SNAPSHOT, relays=(relay,)), view, shown, NOW)
    assert (told["id"], told["address"], told["lines"]) == ("sjc", "far.example:4433", ["cn2", "cu2"])
    assert (told["ready"], told["why_not"], told["draining"]) == (False, "draining", True)
    assert (told["standing"], told["standing_for_seconds"], told["in_flight"]) == ("probation", 3.0, 4)
    assert (told["sessions"], told["lines_used"]) == (3, ["cu2"])
    (unknown,) = relay_documents(replace(SNAPSHOT, relays=(relay,)), HealthView(), {}, NOW)
    assert (unknown["sessions"], unknown["carriers"], unknown["lines_used"]) == (0, [], [])
