from __future__ import annotations

import pytest

from edge.attempts.budget import RetryBudget


def test_the_floor_is_there_from_the_start_and_runs_dry() -> None:
    budget = RetryBudget(ratio=0.2, floor=3.0, now=0.0)
    assert [budget.withdraw(0.0) for _ in range(4)] == [True, True, True, False]


def test_time_pays_in_the_floor_and_no_more() -> None:
    budget = RetryBudget(ratio=0.0, floor=2.0, now=0.0)
    while budget.withdraw(0.0):
        pass
    assert not budget.withdraw(0.4)
    assert budget.withdraw(0.6)
    assert budget.balance(100.0) == pytest.approx(2.0)


def test_requests_pay_in_their_ratio_which_fades() -> None:
    budget = RetryBudget(ratio=0.5, floor=1.0, now=0.0)
    for _ in range(20):
        budget.deposit(0.0)
    assert budget.balance(0.0) == pytest.approx(11.0)
    assert budget.balance(5.0) == pytest.approx(6.0)
    assert budget.balance(10.0) == pytest.approx(1.0)


def test_reading_changes_nothing_and_settings_can_change() -> None:
    budget = RetryBudget(ratio=0.5, floor=1.0, now=0.0)
    assert budget.balance(3.0) == budget.balance(3.0)
    budget.configure(ratio=1.0, floor=5.0)
    budget.deposit(0.0)
    assert budget.balance(0.0) == pytest.approx(2.0)
    assert budget.balance(10.0) == pytest.approx(5.0)
