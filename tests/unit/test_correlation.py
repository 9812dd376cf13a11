from __future__ import annotations

from random import Random

import pytest

from health.correlation import LossCorrelation


def test_lines_with_one_fate_and_without() -> None:
    known, random = LossCorrelation(), Random(3)
    for _ in range(1000):
        shared, own = random.random() < 0.2, random.random() < 0.2
        known.add({"b": shared, "a": shared, "c": own})
    phi = known.phi()
    assert phi["a", "b"] == pytest.approx(1.0)
    assert abs(phi["a", "c"]) < 0.2
    known.keep({"a", "c"})
    assert set(known.phi()) == {("a", "c")}


def test_lines_that_alternate() -> None:
    known = LossCorrelation()
    for number in range(100):
        known.add({"a": number % 2 == 0, "b": number % 2 == 1})
    assert known.phi()["a", "b"] == pytest.approx(-1.0)


def test_nothing_is_said_of_lines_that_lose_nothing() -> None:
    known = LossCorrelation()
    for _ in range(100):
        known.add({"a": False, "b": False})
    known.add({"a": True})
    assert known.phi() == {}
