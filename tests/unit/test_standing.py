from __future__ import annotations

import pytest

from health.standing import Record, Standing, StandingRules

RULES = StandingRules(consecutive_failures=3, base_ejection=1.0, longest_ejection=8.0, forgiveness=100.0)


def ejected(now: float = 0.0) -> Record:
    record = Record()
    for _ in range(3):
        record.fail(now, RULES)
    return record


def test_three_failures_in_a_row_eject() -> None:
    record = Record()
    record.fail(0.0, RULES)
    record.fail(0.0, RULES)
    assert record.standing(0.0) is Standing.ADMITTED
    record.fail(0.0, RULES)
    assert record.standing(0.0) is Standing.EJECTED
    assert record.standing(0.99) is Standing.EJECTED
    assert record.standing(1.0) is Standing.PROBATION


def test_a_success_in_between_starts_the_row_anew() -> None:
    record = Record()
    for _ in range(5):
        record.fail(0.0, RULES)
        record.fail(0.0, RULES)
        record.succeed(0.0, RULES)
    assert record.standing(0.0) is Standing.ADMITTED


def test_success_on_probation_admits() -> None:
    record = ejected()
    record.succeed(1.5, RULES)
    assert record.standing(1.5) is Standing.ADMITTED


def test_late_success_while_ejected_proves_nothing() -> None:
    record = ejected()
    record.succeed(0.5, RULES)
    assert record.standing(0.5) is Standing.EJECTED


def test_late_failures_while_ejected_do_not_lengthen_it() -> None:
    record = ejected()
    for _ in range(10):
        record.fail(0.5, RULES)
    assert record.standing(1.0) is Standing.PROBATION


def test_ejections_double_up_to_the_longest() -> None:
    record, now, lengths = ejected(), 0.0, []
    for _ in range(5):
        assert record.ejected_until is not None
        lengths.append(record.ejected_until - now)
        now = record.ejected_until
        record.fail(now, RULES)
    assert lengths == pytest.approx([1.0, 2.0, 4.0, 8.0, 8.0])


def test_good_time_forgives_one_ejection_at_a_time() -> None:
    record = ejected()
    record.succeed(1.0, RULES)
    assert record.ejections == 1
    record.succeed(50.0, RULES)
    assert record.ejections == 1
    record.succeed(102.0, RULES)
    assert record.ejections == 0
