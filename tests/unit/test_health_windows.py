from __future__ import annotations

import pytest

from health.windows import Rate, RatioWindow


def test_counts_of_the_last_seconds_only() -> None:
    window = RatioWindow(span=300.0, width=2.0)
    assert window.ratio(10.0, 0.0) is None
    for second in range(100):
        window.add(float(second), 1, int(second >= 95))
    assert window.totals(10.0, 99.0) == (10, 5)
    assert window.totals(300.0, 99.0) == (100, 5)
    assert window.ratio(10.0, 99.0) == 0.5
    assert window.ratio(10.0, 200.0) is None


def test_what_was_counted_too_early_is_taken_back() -> None:
    window = RatioWindow()
    window.add(0.0, 1, 1)
    window.add(20.0, 0, -1)
    assert window.ratio(60.0, 20.0) == 0.0
    assert window.totals(10.0, 20.0) == (0, 0)
    assert window.ratio(10.0, 20.0) is None


def test_memory_is_bounded_and_can_be_emptied() -> None:
    window = RatioWindow(span=10.0, width=1.0)
    for second in range(1000):
        window.add(float(second))
    assert window.totals(1e9, 1000.0)[0] == 11
    window.clear()
    assert window.totals(1e9, 1000.0) == (0, 0)


def test_more_bad_than_counted_is_still_a_ratio() -> None:
    window = RatioWindow()
    window.add(0.0, 1, 1)
    window.add(100.0, 1, 1)
    window.add(100.0, 0, 1)
    assert window.ratio(10.0, 100.0) == 1.0


def test_a_rate_is_right_on_average_and_fades() -> None:
    rate = Rate(tau=10.0)
    assert rate.per_second(5.0) == 0.0
    for tenth in range(1000):
        rate.add(100.0, tenth / 10)
    assert rate.per_second(100.0) == pytest.approx(1000.0, rel=0.02)
    assert rate.per_second(110.0) == pytest.approx(1000.0 / 2.718, rel=0.02)
    assert rate.per_second(1e6) == 0.0
