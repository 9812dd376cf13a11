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


def test_good_replies_earn_repeats_of_what_a_connection_took_with_it() -> None:
    budget = RetryBudget(0.0, 1.0, 0.0)
    assert budget.withdraw(0.0, collateral=True)  # from the floor: nothing is earned yet
    assert not budget.withdraw(0.0, collateral=True)
    budget.earn(0.0)
    budget.earn(0.0)
    assert not budget.withdraw(0.0)
    assert budget.withdraw(0.0, collateral=True)
    assert budget.withdraw(0.0, collateral=True)
    assert not budget.withdraw(0.0, collateral=True)
    budget.earn(0.0)
    assert budget.withdraw(10.0)  # the floor's
    assert not budget.withdraw(10.0, collateral=True)  # ten seconds later nothing is left of it
