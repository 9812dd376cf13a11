from __future__ import annotations

from dataclasses import replace

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


def test_two_successes_in_a_row_on_probation_admit() -> None:
    record = ejected()
    record.succeed(1.5, RULES)
    assert record.standing(1.5) is Standing.PROBATION
    record.succeed(1.6, RULES)
    assert record.standing(1.6) is Standing.ADMITTED
    assert (record.reason, record.since(1.6)) == ("", 1.6)


def test_a_failure_on_probation_ejects_for_longer_unless_it_is_judged_later() -> None:
    record = ejected()
    record.succeed(1.5, RULES)
    assert not record.fail(1.5, RULES, may_eject=False)
    record.succeed(1.6, RULES)
    assert record.standing(1.6) is Standing.PROBATION  # the row began anew
    assert record.fail(1.7, RULES, "again")
    assert record.standing(1.7 + 1.9) is Standing.EJECTED
    assert record.standing(1.7 + 2.0) is Standing.PROBATION
    assert record.reason == "again"


def test_since_when() -> None:
    record = Record(admitted_at=-5.0)
    assert record.since(0.0) == -5.0
    record.eject(1.0, RULES, "dead")
    assert record.since(1.5) == 1.0
    assert record.since(2.5) == 2.0


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
    record.succeed(1.0, RULES)
    assert record.ejections == 1
    record.succeed(101.0, RULES)
    assert record.ejections == 1
    record.succeed(101.1, RULES)
    assert record.ejections == 0


def test_flaps_lengthen_ejections_and_probation_even_if_forgiven() -> None:
    rules = replace(RULES, forgiveness=0.0, longest_ejection=60.0)
    record, now = Record(), 0.0
    for flap in range(4):
        record.eject(now, rules, "down")
        assert record.flaps(now, rules) == flap + 1
        assert record.ejected_until == now + 2.0**flap
        assert record.ejected_until is not None
        now = record.ejected_until
        for _ in range(1 + flap):
            record.succeed(now, rules)
            assert record.standing(now) is Standing.PROBATION
        record.succeed(now, rules)
        assert record.standing(now) is Standing.ADMITTED
        now += 10.0
        for _ in range(5):
            record.succeed(now, rules)
        assert record.ejections == 0
    assert record.flaps(now + 600.0, rules) == 0


def test_an_ejection_from_probation_is_no_new_flap() -> None:
    record = ejected()
    record.fail(1.0, RULES)
    record.fail(3.0, RULES)
    assert (record.flaps(3.0, RULES), record.ejections) == (1, 3)


def test_an_ejection_in_common_with_all_others_is_not_held_against_it() -> None:
    record = Record()
    for now in (0.0, 2.0, 4.0):
        record.eject(now, RULES, "all", is_common=True)
        assert record.ejected_until == now + 1.0
    assert (record.flaps(4.0, RULES), record.ejections, record.is_common) == (0, 0, True)


def test_prolonged_shortened_and_acquitted() -> None:
    record = Record()
    record.prolong(5.0)
    record.try_again(0.0)
    assert record.standing(0.0) is Standing.ADMITTED
    record.eject(0.0, RULES, "down")
    record.prolong(5.0)
    record.prolong(2.0)
    assert record.ejected_until == 5.0
    record.try_again(3.0)
    assert record.standing(3.0) is Standing.PROBATION
    record.try_again(4.0)
    assert record.ejected_until == 3.0
    record.acquit()
    assert record.standing(4.0) is Standing.ADMITTED
    assert record.has_history  # it was ejected, after all
    assert not Record().has_history
    assert Record(failures=1).has_history


def test_doublings_and_flaps_are_bounded() -> None:
    record, now = Record(), 0.0
    for _ in range(50):
        record.eject(now, RULES, "down")
        now += 8.0
    assert record.ejections == 16
