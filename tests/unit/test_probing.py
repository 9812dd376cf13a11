"""Which probe is due when, in virtual time."""

from __future__ import annotations

from collections import Counter
from itertools import pairwise
from random import Random

import pytest

from health.probe import ProbeKind
from health.probing import (
    BYTES,
    FAST_LIMIT,
    SPREAD,
    Bucket,
    Check,
    FarEnd,
    ProbePolicy,
    Schedule,
    checks_of,
)
from transport.path import Line, Path, Protocol, Target

ICMP, QUIC, TCP, TLS, HTTP = ProbeKind.ICMP, ProbeKind.QUIC, ProbeKind.TCP, ProbeKind.TLS, ProbeKind.HTTP
ALL = ProbePolicy().kinds


def nobody(check: Check) -> bool:
    return False


def never(line: str) -> bool:
    return False


class World:
    """A schedule and a clock that ticks every 25 ms."""

    def __init__(self, checks: list[Check], policy: ProbePolicy | None = None, workers: int = 1, seed: int = 7) -> None:
        self.now = 100.0
        self.schedule = Schedule(Random(seed).random, workers)
        self.schedule.update(checks, policy or ProbePolicy(), self.now)
        self.resting = nobody
        self.off = never

    def run(self, seconds: float) -> list[tuple[float, Check]]:
        asked = []
        until = self.now + seconds
        while self.now < until:
            self.now += 0.025
            asked += [(self.now, check) for check in self.schedule.due(self.now, self.resting, self.off)]
        return asked


def check(kind: ProbeKind, line: str = "cn2", end: str = "openai") -> Check:
    return Check(Path(line, end), kind)


def counted(asked: list[tuple[float, Check]]) -> Counter[ProbeKind]:
    return Counter(one.kind for _, one in asked)


def gaps(asked: list[tuple[float, Check]]) -> list[float]:
    times = [at for at, _ in asked]
    return [later - earlier for earlier, later in pairwise(times)]


def test_what_can_be_asked_where() -> None:
    ends = [
        FarEnd(Target("old", "h", 443)),
        FarEnd(Target("new", "h", 443, protocols=(Protocol.H3, Protocol.H2))),
        FarEnd(Target("plain", "h", 80, tls=False)),
    ]
    found = Counter((one.kind, one.path.endpoint) for one in checks_of({Line("cn2"): ALL, Line("proxy"): (TCP,)}, ends))
    assert {end for kind, end in found if kind is QUIC} == {"new"}
    assert {end for kind, end in found if kind is TLS} == {"old", "new"}
    assert found[TCP, "plain"] == 2
    assert found[ICMP, "plain"] == found[HTTP, "plain"] == 1


def test_a_pulse_a_second_from_one_far_end_to_the_next() -> None:
    world = World([check(ICMP, end=end) for end in "abc"])
    asked = world.run(60)
    assert 55 <= len(asked) <= 65
    assert [one.path.endpoint for _, one in asked][:6] == list("abcabc")
    assert all(1 - SPREAD <= gap <= 1 + SPREAD + 0.026 for gap in gaps(asked))
    assert len(set(gaps(asked))) > 5  # jittered


def test_the_rounds_keep_their_own_time() -> None:
    world = World([check(kind) for kind in ALL])
    asked = counted(world.run(300))
    assert asked[ICMP] + asked[QUIC] == pytest.approx(300, abs=15)
    assert asked[TCP] == pytest.approx(60, abs=5)
    assert asked[TLS] == pytest.approx(10, abs=2)
    assert asked[HTTP] == pytest.approx(10, abs=2)


def test_a_line_that_only_tcp_can_cross_is_pulsed_with_tcp() -> None:
    world = World([check(TCP, end=end) for end in "ab"])
    asked = world.run(60)
    assert len(asked) == pytest.approx(60 + 2 * 12, abs=8)
    pulses = Counter(one.path.endpoint for _, one in asked)
    assert abs(pulses["a"] - pulses["b"]) <= 4


def test_checks_that_nobody_answers_are_left_out_of_the_pulse() -> None:
    world = World([check(kind, end=end) for kind in (ICMP, QUIC) for end in "ab"])
    world.resting = lambda one: one.kind is ICMP
    assert counted(world.run(10)).keys() == {QUIC}
    world.resting = lambda one: True
    assert world.run(10) == []


def test_a_suspected_line_is_asked_ten_times_a_second_at_once_and_by_tcp_too_but_not_for_ever() -> None:
    world = World([check(kind, line) for kind in (ICMP, TCP) for line in ("cn2", "cu2")])
    world.run(20)
    assert world.schedule.hurry({"cn2"}, world.now) == ["cn2"]
    assert world.schedule.hurry({"cn2"}, world.now) == []
    assert world.schedule.is_fast("cn2", world.now)
    began = world.now
    asked = [(at, one) for at, one in world.run(5) if one.path.line == "cn2"]
    assert asked[0][0] - began <= 0.026
    assert len(asked) == pytest.approx(50, abs=8)
    assert counted(asked)[ICMP] > 15 < counted(asked)[TCP]
    world.run(FAST_LIMIT - 5)
    assert not world.schedule.is_fast("cn2", world.now)
    assert len([one for _, one in world.run(20) if one.path.line == "cn2"]) < 35
    world.schedule.hurry(set(), world.now)
    world.schedule.hurry({"cn2"}, world.now)  # a suspicion of its own
    assert world.schedule.is_fast("cn2", world.now)


def test_hurrying_a_line_whose_pulse_is_due_or_that_has_none_changes_nothing() -> None:
    world = World([check(TLS), check(ICMP, "cu2")], ProbePolicy(interval_ms=100))
    world.schedule.hurry({"cn2", "nowhere", "cu2"}, world.now + 1.0)
    world.now += 1.0
    assert len([one for _, one in world.run(1) if one.kind is ICMP]) == pytest.approx(10, abs=3)


def test_a_line_brought_forward_twice_is_asked_once() -> None:
    world = World([check(ICMP)])
    for lines in ({"cn2"}, {"cn2"}, set(), {"cn2"}):
        world.schedule.hurry(lines, world.now)
        world.now += 0.001
    assert len(world.schedule.due(world.now, nobody, never)) == 1


def test_a_line_that_is_off_is_left_alone() -> None:
    world = World([check(kind, line) for kind in ALL for line in ("cn2", "cu2")])
    world.off = lambda line: line == "cn2"
    assert {one.path.line for _, one in world.run(60)} == {"cu2"}
    world.off = never
    assert {one.path.line for _, one in world.run(60)} == {"cn2", "cu2"}


def test_the_budget_holds_and_everybody_gets_his_part() -> None:
    lines, ends = [f"line-{i}" for i in range(12)], [f"end-{i}" for i in range(6)]
    world = World(
        [check(kind, line, end) for kind in ALL for line in lines for end in ends],
        ProbePolicy(budget_per_second=20, budget_bytes_per_second=20_000),
    )
    world.run(30)
    asked = world.run(60)
    assert len(asked) <= 20 * 61
    assert sum(BYTES[one.kind] for _, one in asked) <= 20_000 * 61 + max(BYTES.values())
    by_line = Counter(one.path.line for _, one in asked)
    assert len(by_line) == 12
    assert max(by_line.values()) < 2 * min(by_line.values())


def test_the_usual_need_of_twelve_lines_and_six_far_ends_is_within_the_default_budget() -> None:
    lines, ends = [f"line-{i}" for i in range(12)], [f"end-{i}" for i in range(6)]
    world = World([check(kind, line, end) for kind in ALL for line in lines for end in ends])
    world.run(30)
    asked = world.run(60)
    assert len(asked) / 60 == pytest.approx(12 + 72 / 5 + 2 * 72 / 30, rel=0.1)
    assert sum(BYTES[one.kind] for _, one in asked) / 60 < 40_000


def test_a_start_is_no_burst() -> None:
    world = World([check(kind, f"line-{i}", f"end-{j}") for kind in ALL for i in range(12) for j in range(6)])
    first = [at for at, _ in world.run(2.0)]
    per_tick = Counter(first)
    assert max(per_tick.values()) <= 8


def test_workers_share_the_work_but_stay_within_the_slowest_bounds() -> None:
    policy = ProbePolicy()
    assert policy.pulse_interval(4, fast=False) == 4.0
    assert policy.pulse_interval(16, fast=False) == 5.0
    assert policy.pulse_interval(16, fast=True) == 0.1
    assert policy.round_interval(TCP, 4) == 20.0
    assert policy.round_interval(TCP, 64) == 30.0
    assert policy.round_interval(TLS, 4) == 30.0
    assert ProbePolicy(interval_ms=60_000).pulse_interval(4, fast=False) == 60.0
    world = World([check(ICMP)], workers=4)
    assert len(world.run(60)) == pytest.approx(15, abs=3)


def test_a_reload_keeps_the_places_and_drops_what_is_gone() -> None:
    world = World([check(TLS, end="a"), check(TLS, end="b")])
    world.run(40)
    before = world.schedule._slots
    world.schedule.update([check(TLS, end="a"), check(TLS, end="c")], ProbePolicy(request_interval_ms=5_000), world.now)
    kept = world.schedule._slots
    assert {one.checks[0].path.endpoint for one in kept.values()} == {"a", "c"}
    assert all(slot.due_at <= world.now + 5.0 for slot in kept.values())
    assert before is not kept
    assert {one.path.endpoint for _, one in world.run(12)} == {"a", "c"}
    world.schedule.update([], ProbePolicy(), world.now)
    assert world.run(60) == []


def test_a_bucket_holds_a_second_and_lends() -> None:
    bucket = Bucket(10.0, 0.0)
    bucket.take(14, 0.0)
    assert bucket.level(0.0) == -4
    assert bucket.level(0.5) == 1.0
    assert bucket.level(100.0) == 10.0
    assert Bucket(0.25, 0.0).level(0.0) == 1.0  # else it would never have enough
