"""transport.session.once: no id is ever executed twice, and memory is bounded."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from transport.session.once import OnceTable, Verdict


def test_the_life_of_an_id() -> None:
    table: OnceTable[str] = OnceTable()
    assert table.arrive(b"a", 0.0) is Verdict.NEW
    assert table.arrive(b"a", 1.0) is Verdict.EXECUTING
    table.finished(b"a", "reply", 2.0)
    assert table.arrive(b"a", 3.0) is Verdict.DONE and table.outcome(b"a") == "reply"
    table.drop(b"a")
    table.drop(b"a")
    assert table.arrive(b"a", 4.0) is Verdict.FORGOTTEN
    with pytest.raises(KeyError):
        table.outcome(b"a")


def test_what_never_reached_a_provider_may_come_again() -> None:
    table: OnceTable[str] = OnceTable()
    table.arrive(b"a", 0.0)
    table.failed_before_start(b"a")
    assert table.arrive(b"a", 1.0) is Verdict.NEW
    with pytest.raises(KeyError):
        table.finished(b"b", "", 2.0)


def test_the_oldest_outcome_goes_its_id_stays() -> None:
    table: OnceTable[str] = OnceTable(kept=1)
    for key in (b"a", b"b"):
        table.arrive(key, 0.0)
        table.finished(key, "reply", 1.0)
    assert table.arrive(b"a", 2.0) is Verdict.FORGOTTEN and table.arrive(b"b", 2.0) is Verdict.DONE


def test_ids_are_forgotten_after_the_horizon_only() -> None:
    table: OnceTable[str] = OnceTable(remembered=2, horizon=10.0)
    for at, key in enumerate((b"a", b"b")):
        table.arrive(key, float(at))
        table.finished(key, "reply", float(at))
    assert table.arrive(b"c", 9.0) is Verdict.FULL
    assert table.arrive(b"c", 10.5) is Verdict.NEW
    assert len(table) == 2
    assert table.arrive(b"a", 10.5) is Verdict.FULL
    table.finished(b"c", "reply", 11.0)
    assert table.arrive(b"d", 30.0) is Verdict.NEW and len(table) == 1


@given(st.lists(st.tuples(st.sampled_from([b"a", b"b", b"c", b"d"]), st.sampled_from(["arrive", "finish", "fail"]))))
def test_never_twice(steps: list[tuple[bytes, str]]) -> None:
    table: OnceTable[int] = OnceTable(kept=1, remembered=3, horizon=1e9)
    executed: set[bytes] = set()
    under_way: set[bytes] = set()
    for now, (key, step) in enumerate(steps):
        if step == "arrive" and table.arrive(key, now) is Verdict.NEW:
            assert key not in executed and key not in under_way
            under_way.add(key)
        elif step == "finish" and key in under_way:
            under_way.remove(key)
            executed.add(key)
            table.finished(key, now, now)
        elif step == "fail" and key in under_way:
            under_way.remove(key)
            table.failed_before_start(key)
        assert len(table) <= 3
