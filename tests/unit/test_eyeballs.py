"""transport/eyeballs.py: the order of addresses and the times of attempts."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from transport.eyeballs import Schedule, arrange, is_v6

FOUR = ("192.0.2.1", "192.0.2.2", "192.0.2.3")
SIX = ("2001:db8::1", "2001:db8::2")


def test_families_alternate_beginning_with_ipv6() -> None:
    assert arrange(FOUR + SIX) == (SIX[0], FOUR[0], SIX[1], FOUR[1], FOUR[2])
    assert arrange(FOUR) == FOUR
    assert arrange(SIX + SIX) == SIX
    assert arrange(()) == ()


def test_a_source_address_reaches_its_own_family_only() -> None:
    assert arrange(FOUR + SIX, "192.0.2.77") == FOUR
    assert arrange(FOUR + SIX, "2001:db8::77") == SIX
    assert arrange(FOUR, "2001:db8::77") == ()


@given(st.lists(st.sampled_from(FOUR + SIX)))
def test_nothing_is_lost_or_doubled(addresses: list[str]) -> None:
    ordered = arrange(addresses)
    assert sorted(ordered) == sorted(set(addresses))
    for family in (True, False):
        assert [a for a in ordered if is_v6(a) is family] == [a for a in dict.fromkeys(addresses) if is_v6(a) is family]


def test_attempts_are_staggered() -> None:
    schedule = Schedule(("a", "b"), now=10.0, stagger=0.25)
    assert schedule.wait(10.0) == 0
    assert schedule.begin(10.0) == "a"
    assert schedule.begin(10.1) is None
    assert schedule.wait(10.1) == 10.25 - 10.1
    assert schedule.begin(10.25) == "b"
    assert schedule.wait(10.25) is None
    assert schedule.begin(99.0) is None


def test_a_failure_starts_the_next_at_once() -> None:
    schedule = Schedule(("a", "b", "c"), now=0.0)
    schedule.begin(0.0)
    schedule.failed(0.05)
    assert schedule.wait(0.05) == 0
    assert schedule.begin(0.05) == "b"
    assert schedule.begin(0.06) is None
    assert schedule.begin(0.30) == "c"
