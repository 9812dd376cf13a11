from __future__ import annotations

from edge.routing.hold import Hold
from transport.path import Path

A, B, C = Path("a", "us"), Path("b", "us"), Path("c", "us")


def held(hold: Hold, now: float, **costs: float) -> str:
    paths = {Path(line, "us"): cost for line, cost in costs.items()}
    return "".join(sorted(path.line for path in hold.update(paths, leave=0.25, seconds=3.0, now=now)))


def test_the_best_and_its_equals_begin() -> None:
    assert held(Hold(), 0.0, a=100, b=112, c=114) == "ab"


def test_a_small_difference_moves_nothing_however_long_it_lasts() -> None:
    hold = Hold()
    assert held(hold, 0.0, a=100, b=200) == "a"
    for now in range(1, 50):
        assert "a" in held(hold, now, a=124, b=102)


def test_a_large_difference_moves_it_after_a_while() -> None:
    hold = Hold()
    held(hold, 0.0, a=100, b=200)
    assert held(hold, 1.0, a=300, b=200) == "a"
    assert held(hold, 3.9, a=300, b=200) == "a"
    assert held(hold, 4.0, a=300, b=200) == "b"


def test_a_difference_that_comes_and_goes_moves_nothing() -> None:
    hold = Hold()
    held(hold, 0.0, a=100, b=200)
    for now in range(1, 60, 2):
        assert held(hold, now, a=300, b=200) == "a"
        assert held(hold, now + 1, a=200, b=300) == "a"


def test_what_may_not_be_used_any_more_leaves_at_once() -> None:
    hold = Hold()
    held(hold, 0.0, a=100, b=200)
    assert held(hold, 0.1, b=200, c=210) == "bc"


def test_what_comes_back_waits() -> None:
    hold = Hold()
    held(hold, 0.0, b=200)
    assert held(hold, 1.0, a=100, b=200) == "b"
    assert held(hold, 4.0, a=100, b=200) == "a"


def test_nobody_is_left_waiting_for_nobody() -> None:
    hold = Hold()
    held(hold, 0.0, a=100)
    held(hold, 1.0, a=500, b=200)
    assert held(hold, 4.0, a=500, c=100) == "c"


def test_slack_makes_equals_of_tiny_costs() -> None:
    assert held(Hold(), 0.0, a=0.1, b=0.9, c=2.9) == "abc"
