"""The pure parts of the sessions' shows: plans, verdicts, tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from netem.bench.plan import Load
from netem.bench.record import Reply
from netem.bench.systems import ADAPTERS
from netem.profiles import PROFILES
from tests.bench.sessions import plan, report
from tests.bench.sessions.judging import (
    Gap,
    Mixed,
    Outcome,
    Premium,
    altered,
    executions,
    gaps,
    mixed,
    outcome,
    pooled,
    quantiles,
    success,
)


def reply(*arrivals: float, index: int = 0, size: int = 10, crc: int = 7, fault: str = "") -> Reply:
    numbers = tuple(range(1, len(arrivals) + 1))
    ended = arrivals[-1] if arrivals else 1.0
    status = 200 if arrivals else 0
    return Reply(
        index, 0.0, 0.0, ended, status, numbers, arrivals, (0.0,) * len(arrivals), not fault, not fault, False, fault,
        size, crc,
    )  # fmt: skip


def record(id: str = "a", size: int = 10, crc: int = 7, **rest: Any) -> dict[str, Any]:
    return {"id": id, "bytes_written": size, "crc_written": crc, "executed": True, "body_sha256": "h", **rest}


class TestPlan:
    def test_ways_and_lines_exist(self) -> None:
        assert set(plan.WAYS.values()) <= set(ADAPTERS)
        assert set(plan.CHAOS_LINES.values()) <= set(PROFILES)

    def test_find(self) -> None:
        assert plan.find("") == tuple(plan.RESTARTS.values())
        assert [each.name for each in plan.find("UDP b, NAT")] == ["UDP blocked", "NAT rebinding"]
        with pytest.raises(ValueError, match="nothing is called 'x'"):
            plan.find("x")

    def test_chaos_is_reproducible_and_leaves_time_to_end(self) -> None:
        deeds = plan.chaos(3, 120.0)
        assert deeds == plan.chaos(3, 120.0) != plan.chaos(4, 120.0)
        assert [deed.at for deed in deeds] == sorted(deed.at for deed in deeds)
        assert all(plan.EVENT_AT <= deed.at < 108.0 for deed in deeds)
        acts = {deed.act for seed in range(20) for deed in plan.chaos(seed, 120.0)}
        assert acts == {"event", "stop"}

    def test_a_hole_comes_while_all_are_under_way(self) -> None:
        load = plan.load(50, 0.1, 300)
        assert load.requests == 50
        for seed in range(20):
            (deed,) = plan.hole(seed, 3.0, load).deeds
            assert 0.6 * load.ideal_seconds <= deed.at <= 0.9 * load.ideal_seconds
            assert deed.event is not None
            assert deed.event.seconds == 3.0

    def test_words(self) -> None:
        assert str(plan.RESTARTS["relay killed, back after 1 s"].deeds[0]) == "5.0 s: kill relay 1 s"
        assert str(plan.RESTARTS["UDP policed"].deeds[0]) == "5.0 s: udp-policed all"
        assert str(plan.RESTARTS["NAT rebinding"].deeds[0]) == "5.0 s: nat-rebind all"

    def test_load(self) -> None:
        load = plan.load(10, 60.0, 30, think_ms=100.0)
        assert isinstance(load, Load)
        assert load.requests > 200


class TestGaps:
    def test_the_longest_inside_and_outside(self) -> None:
        assert gaps([reply(1.0, 1.1, 1.5, 1.6)], 1.2, 1.4) == [Gap(pytest.approx(0.4), pytest.approx(0.1))]
        assert Gap(0.4, 0.1).extra == pytest.approx(0.3)
        assert Gap(0.1, 0.4).extra == 0.0

    def test_only_streams_under_way(self) -> None:
        assert gaps([reply(), reply(2.0, 3.0), reply(0.1, 0.2)], 1.0, 2.0) == []

    def test_the_silence_before_a_stream_broke_counts(self) -> None:
        broken = replace(reply(1.0, 1.5, fault="cut"), ended=4.0)
        assert gaps([broken], 1.2, 2.0)[0].longest == pytest.approx(2.5)


class TestBytes:
    def test_each_reply_must_be_one_that_was_sent(self) -> None:
        same = [reply(1.0, 2.0), reply(1.0, 2.0)]
        assert altered(same, [record(), record("b")], 2) == 0
        assert altered(same, [record(), record("b", crc=8)], 2) == 1
        assert altered(same, [record(), record("b", executed=False)], 2) == 1

    def test_only_whole_replies_are_compared(self) -> None:
        assert altered([reply(1.0, fault="cut"), reply(1.0, 2.0, size=0)], [], 2) == 0

    def test_executions(self) -> None:
        assert executions([record(), record(), record("b"), record("c", executed=False)]) == {"a": 2, "b": 1}


class TestOutcome:
    def test_right(self) -> None:
        told = outcome("x", [reply(1.0, 2.0)], [record()], 2, done=["it"], troubles={"lag": 1.0})
        assert told.is_right
        assert (told.gap, told.extra, told.under_way, told.done) == ((1.0, 1.0, 1.0, 1.0), None, 0, ("it",))

    def test_what_is_wrong(self) -> None:
        fine = [record(), record("b")]
        assert not outcome("x", [reply(1.0, 2.0)], [record(crc=1)], 2).is_right
        assert not outcome("x", [reply(1.0, 2.0)], [record(), record()], 2).is_right
        assert not outcome("x", [reply(1.0)], fine, 2).is_right
        assert not outcome("x", [reply(1.0, fault="cut")], fine, 2).is_right
        assert outcome("x", [reply(1.0, fault="cut")], fine, 2, may_fail=True).is_right
        assert not Outcome("x", fault="it broke").is_right

    def test_what_met_the_event(self) -> None:
        told = outcome("x", [reply(1.0, 1.1, 1.6, 1.7)], [record()], 4, (1.2, 1.5))
        assert told.under_way == 1
        assert told.gap is not None
        assert told.gap[3] == pytest.approx(0.5)
        assert told.extra is not None
        assert told.extra[3] == pytest.approx(0.4)
        assert told.ttft is None

    def test_turns_are_pooled(self) -> None:
        told = outcome("x", [reply(1.0, 1.1, 1.6, 1.7)], [record()], 4, (1.2, 1.5))
        both = pooled("hot", [told, told])
        assert (both.streams, both.lost, both.repeated, both.doubled) == (2, 0, 0, 0)
        assert report.pooled_row(both)[:4] == ["hot", "2", "500/500/500/500", "400/400/400/400"]
        assert len(report.pooled_row(pooled("none", []))) == len(report.POOLED_HEADS)

    def test_no_values(self) -> None:
        assert quantiles([]) is None


CALL = {"sent": 3, "back": 3, "wrong": 0, "trips": [0.2, 0.3], "fault": ""}
UPLOAD = {"sha256": "h", "status": 200, "seconds": 1.5, "fault": ""}


class TestMixed:
    def test_all_well(self) -> None:
        found = mixed({"calls": [CALL], "uploads": [UPLOAD]}, [record()])
        assert found.is_right
        assert (found.calls, found.audio_sent, found.audio_back, found.uploads) == (1, 3, 3, 1)
        assert found.upload_seconds == (1.5, 1.5, 1.5, 1.5)

    def test_what_is_wrong(self) -> None:
        assert not mixed({"calls": [{**CALL, "wrong": 1}], "uploads": []}, []).is_right
        assert mixed({"calls": [], "uploads": [UPLOAD]}, [record(body_sha256="other")]).uploads_altered == 1
        assert mixed({"calls": [], "uploads": [UPLOAD]}, [record(), record()]).uploads_twice == 1
        failed = mixed({"calls": [{**CALL, "fault": "gone"}], "uploads": [{**UPLOAD, "status": 502, "fault": "s"}]}, [])
        assert (failed.calls_broken, failed.uploads_failed, dict(failed.faults)) == (1, 1, {"gone": 1, "s": 1})

    def test_success(self) -> None:
        told = outcome("x", [reply(1.0, 2.0), reply(1.0, fault="cut")], [record()], 2)
        assert success([told], [Mixed(calls=1, uploads=1, uploads_failed=1)]) == 0.5
        assert success([], []) == 1.0


def test_premium() -> None:
    assert Premium({"a": 1.02, "b": 0.5}).is_right
    assert not Premium({"a": 1.05}).is_right


class TestReport:
    def test_tables(self) -> None:
        told = outcome("x", [reply(1.0, 2.0)], [record()], 2, (1.5, 1.6))
        text = report.table(report.HEADS, [report.row(told)])
        assert text.count("\n") == 2
        assert "| x | 1 | 0/0 | 0/0/0 | 0 | 0 | – | 1 | 1000/1000/1000/1000 |" in text
        assert len(report.mixed_row(Mixed())) == len(report.MIXED_HEADS)
        assert report.mixed_row(mixed({"calls": [CALL], "uploads": [UPLOAD]}, [record()]))[-1] == "1.50/1.50/1.50/1.50"

    def test_notes(self) -> None:
        assert report.notes([Outcome("x", fault="it broke")]) == ["x: it broke"]
        told = outcome(
            "x", [reply(1.0, fault="cut")], [], 2, troubles={"client_lag_p99_ms": 50.0, "late_start_ms": 1.0}
        )
        assert report.notes([told]) == ["x: 1 × cut", "x: doubtful, client_lag_p99_ms 50.0"]
