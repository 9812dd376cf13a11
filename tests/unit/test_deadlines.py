from __future__ import annotations

import pytest

from edge.attempts.deadlines import (
    MOST_KINDS,
    NO_PATIENCE,
    DeadlineRules,
    Durations,
    Patience,
    idle_limit,
    patience,
    size_class,
)

RULES = DeadlineRules(enough=10.0)


def known(*seconds: float) -> Durations:
    durations = Durations(RULES)
    for each in seconds:
        durations.took("m", each, 0.0)
    return durations


def ask(durations: Durations, now: float = 0.0, **changes: object) -> Patience:
    settings = {"is_hedged": False, "is_adaptive": True, "floor": 0.5} | changes
    return patience(durations, "m", now, **settings)  # type: ignore[arg-type]  # flags and a number mixed


def test_nothing_is_overdue_while_little_is_known() -> None:
    assert ask(known(*[1.0] * 9)) == NO_PATIENCE
    assert patience(known(1.0), "other", 0.0, is_hedged=True, is_adaptive=True, floor=0.0) == NO_PATIENCE


def test_overdue_is_well_beyond_the_slowest_in_a_hundred() -> None:
    found = ask(known(*[1.0] * 10))
    assert found.hedge_after is None
    assert found.overdue_after == pytest.approx(3.0, rel=0.05)


def test_the_floor_holds_for_the_quick() -> None:
    assert ask(known(*[0.01] * 10), floor=3.0).overdue_after == 3.0


def test_hedging_is_by_the_slowest_in_twenty() -> None:
    found = ask(known(*[1.0] * 94, *[4.0] * 6), is_hedged=True, is_adaptive=False)
    assert found.overdue_after is None
    assert found.hedge_after == pytest.approx(4.0, rel=0.05)


def test_figures_are_used_again_for_a_second() -> None:
    durations = known(*[1.0] * 10)
    first = ask(durations)
    for _ in range(100):
        durations.took("m", 10.0, 0.5)
    assert ask(durations, 0.9) == first
    assert (ask(durations, 1.0).overdue_after or 0) > 20


def test_old_samples_fade() -> None:
    durations = known(*[1.0] * 20)
    assert ask(durations, 5.0) != NO_PATIENCE
    assert ask(durations, 1200.0) == NO_PATIENCE


def test_a_wait_that_was_cut_short_raises_an_estimate_and_never_lowers_it() -> None:
    durations = known(*[2.0] * 20)
    before = durations.figures("m", 0.0)
    for _ in range(50):
        durations.waited("m", 0.1, 0.0)
    assert durations.figures("m", 2.0) == before
    for _ in range(50):
        durations.waited("m", 30.0, 2.0)
    p95, p99 = durations.figures("m", 4.0)
    assert p95 == p99 == pytest.approx(30.0, rel=0.05)


def test_a_wait_cut_short_says_nothing_where_nothing_is_known() -> None:
    durations = Durations(RULES)
    durations.waited("m", 30.0, 0.0)
    assert durations.figures("m", 0.0) == (None, None)


def test_kinds_are_bounded() -> None:
    durations = known(*[1.0] * 10)
    for number in range(MOST_KINDS):
        durations.took(number, 1.0, 0.0)
    assert ask(durations) == NO_PATIENCE  # the oldest made room
    assert len(durations._kinds) == MOST_KINDS


def test_the_idle_limit_is_generous() -> None:
    assert idle_limit(known(), "m", 120.0, 0.0) == 120.0
    assert idle_limit(known(*[0.1] * 10), "m", 120.0, 0.0) == 30.0
    assert idle_limit(known(*[10.0] * 10), "m", 120.0, 0.0) == pytest.approx(50.0, rel=0.05)
    assert idle_limit(known(*[60.0] * 10), "m", 120.0, 0.0) == 120.0


@pytest.mark.parametrize(
    ("body", "size"),
    [(0, 0), (4095, 0), (4096, 1), (16383, 1), (16384, 2), (65535, 2), (65536, 3), (1 << 20, 5), (1 << 30, 10)],
)
def test_size_classes_span_a_factor_of_four(body: int, size: int) -> None:
    assert size_class(body) == size
