from __future__ import annotations

import pytest

from transport.session.lateness import Lateness


def test_the_quickest_passage_is_on_time() -> None:
    late = Lateness()
    assert late.add(5_000, 100.0) == 0.0
    assert late.add(5_100, 100.15) == pytest.approx(0.05)
    assert late.add(5_200, 100.18) == 0.0
    assert late.add(5_300, 100.3) == pytest.approx(0.02)


def test_what_was_quick_long_ago_is_forgotten() -> None:
    late = Lateness()
    late.add(0, 100.0)
    assert late.add(10_000, 110.1) == pytest.approx(0.1)
    assert late.add(80_000, 180.1) == pytest.approx(0.0)
    assert late.add(80_100, 180.1) == pytest.approx(0.0)
    assert late.add(80_100, 180.3) == pytest.approx(0.2)


def test_clocks_that_wrap() -> None:
    late = Lateness()
    assert late.add((1 << 32) - 50, 100.0) == 0.0
    assert late.add(50, 100.13) == pytest.approx(0.03)
    other = Lateness()
    other.add(50, 100.0)
    assert other.add((1 << 32) - 50, 100.0) == pytest.approx(0.1)
