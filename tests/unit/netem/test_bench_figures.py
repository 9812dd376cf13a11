"""From what clients saw to the figures of a cell."""

from __future__ import annotations

from math import isnan

import pytest

from netem.bench.figures import STALL, cells, expected_ttft_ms, shortest_way
from netem.bench.plan import Condition, Load
from netem.bench.record import Reply, Turn, plain_turn, read_turn

LOAD = Load(streams=2, requests=2, tokens=4, think_ms=100)


def reply(index: int = 0, *, arrivals: tuple[float, ...] = (1.3, 1.4, 1.5, 1.6), **changes: object) -> Reply:
    given: dict[str, object] = {
        "index": index,
        "planned": 1.0,
        "started": 1.0,
        "ended": 1.7,
        "status": 200,
        "numbers": tuple(range(1, len(arrivals) + 1)),
        "arrivals": arrivals,
        "stamps": tuple(at - 0.1 for at in arrivals),
        "is_clean": True,
        "is_done": True,
    }
    return Reply(**{**given, **changes})  # type: ignore[arg-type]  # of mixed types by design


def turn(system: str = "direct-bbr", *replies: Reply, round: int = 0, **changes: object) -> Turn:
    return Turn(system, "cmi-evening", "", "sse", round, 1, replies, **changes)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("changes", "outcome"),
    [
        ({}, "complete"),
        ({"status": 502}, "failed"),
        ({"is_clean": False}, "failed"),
        ({"is_error": True}, "failed"),
        ({"fault": "no end"}, "failed"),
        ({"is_done": False}, "truncated"),
        ({"numbers": (1, 2, 4, 5)}, "truncated"),
        ({"status": 101}, "complete"),
    ],
)
def test_outcomes(changes: dict[str, object], outcome: str) -> None:
    assert reply(**changes).outcome(4) == outcome  # type: ignore[arg-type]


def test_holes_and_repetitions() -> None:
    odd = reply(numbers=(1, 1, 2, 4))
    assert (odd.repeated(), odd.lost()) == (1, 1)
    assert (reply().repeated(), reply().lost()) == (0, 0)
    assert reply(arrivals=()).lost() == 0


def test_the_time_to_a_first_token_that_never_came_is_at_least_the_wait() -> None:
    assert reply().ttft() == pytest.approx(0.3)
    assert reply(arrivals=(), ended=21.0).ttft() == pytest.approx(20.0)


def test_the_silence_before_a_stream_broke_is_a_gap() -> None:
    assert reply().gaps() == pytest.approx([0.1, 0.1, 0.1])
    assert reply(is_clean=False, ended=9.6).gaps() == pytest.approx([0.1, 0.1, 0.1, 8.0])
    assert reply(arrivals=(), is_clean=False).gaps() == []


def test_tokens_without_a_stamp_have_no_delay() -> None:
    assert reply(stamps=(0.0, 0.0, 0.0, 0.0)).delays() == []
    assert shortest_way([turn("a", reply(stamps=(0.0,) * 4))]) == 0.0


def test_a_cell() -> None:
    late = reply(1, arrivals=(1.3, 1.4, 2.4, 2.5), stamps=(1.2, 1.3, 1.4, 2.4))
    counts = {"system_cpu_seconds": 0.01, "wire_up_bytes": 4000, "wire_down_bytes": 6000, "executions": 2}
    mine = turn("farline-1", reply(), late, **counts)
    base = turn("direct-bbr", reply(), reply(1))
    found = cells([base, mine], LOAD, baseline="direct-bbr", seed=1)
    assert [cell.system for cell in found] == ["direct-bbr", "farline-1"]
    cell = found[1]
    assert (cell.requests, cell.complete, cell.failed, cell.truncated) == (2, 2, 0, 0)
    assert cell.stalls == 1
    assert cell.stalls_per_minute == pytest.approx(60 / 1.5)
    assert cell.stall_ratio == pytest.approx(1.0 / 1.5)
    assert cell.wire_kb_per_request == pytest.approx(5.0)
    assert cell.cpu_ms_per_request == pytest.approx(5.0)
    assert cell.executions == 2
    assert cell.figures["late_p99"].value == pytest.approx(900.0)
    assert cell.figures["ttft_p50"].value == pytest.approx(300.0)
    assert cell.over_p50_ms == pytest.approx(300.0 - 290.0)
    assert cell.ratios["ttft_p50"].value == pytest.approx(1.0)
    assert cell.ratios["gap_p99"].value == pytest.approx(10.0)
    assert found[0].ratios == {}
    assert found[0].cpu_ms_per_request is None
    assert STALL == 0.5


def test_a_system_that_could_not_run_says_why() -> None:
    (cell,) = cells([turn("nginx", fault="not installed: nginx")], LOAD, baseline="direct-bbr", seed=1)
    assert cell.fault == "not installed: nginx"
    assert cell.figures == {}
    (empty,) = cells([turn("nginx")], LOAD, baseline="direct-bbr", seed=1)
    assert empty.fault == "no requests"


def test_a_round_that_failed_leaves_the_others() -> None:
    turns = [turn("a", reply(), round=0), turn("a", round=1, fault="broke")]
    (cell,) = cells(turns, LOAD, baseline="b", seed=1)
    assert (cell.rounds, cell.fault) == (1, "broke")
    assert cell.ratios == {}


def test_only_like_rounds_are_paired() -> None:
    turns = [turn("b", reply(), round=0), turn("b", reply(), reply(1), round=1), turn("b", round=2, fault="x")]
    mine = [turn("a", reply(arrivals=(1.6, 1.7, 1.8, 1.9)), round=round) for round in range(4)]
    cell = cells([*turns, *mine], LOAD, baseline="b", seed=1)[1]
    assert cell.ratios["ttft_p50"].value == pytest.approx(2.0)


def test_no_tokens_no_rates() -> None:
    dead = reply(arrivals=(), status=502, fault="status 502")
    (cell,) = cells([turn("a", dead)], LOAD, baseline="b", seed=1)
    assert isnan(cell.stalls_per_minute)
    assert isnan(cell.stall_ratio)
    assert cell.failed == 1
    assert cell.faults == ("status 502",)


def test_troubles_are_the_worst_of_all_rounds() -> None:
    turns = [turn("a", reply(), troubles={"late_writes": 3.0, "overruns": 0.0}), turn("a", reply(), round=1)]
    (cell,) = cells(turns, LOAD, baseline="b", seed=1)
    assert cell.troubles == {"late_writes": 3.0}


def test_the_expected_time_to_the_first_token() -> None:
    assert expected_ttft_ms(Condition("cmi-evening"), LOAD) == pytest.approx(290.0)


def test_turns_survive_json() -> None:
    one = turn("a", reply(), troubles={"overruns": 0.0})
    assert read_turn(plain_turn(one)) == one
