from __future__ import annotations

from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from health.quantiles import Quantiles


def test_without_samples_nothing_is_known() -> None:
    quantiles = Quantiles(60.0, 0.0)
    assert quantiles.quantile(0.5, 10.0) is None
    assert quantiles.count(10.0) == 0.0


@given(st.lists(st.floats(1e-4, 1e3), min_size=1, max_size=200), st.sampled_from((0.05, 0.5, 0.95, 1.0)))
def test_a_quantile_is_right_within_a_bucket(values: list[float], q: float) -> None:
    quantiles = Quantiles(60.0, 0.0)
    for value in values:
        quantiles.add(value, 0.0)
    found = quantiles.quantile(q, 0.0)
    exact = sorted(values)[max(0, -(-int(q * len(values) * 1e9) // 10**9) - 1)]
    assert found is not None
    assert any(abs(found / value - 1.0) < 0.03 for value in values)
    assert found == pytest.approx(exact, rel=0.03) or 0.0 < q < 1.0


def test_old_samples_fade() -> None:
    quantiles = Quantiles(10.0, 0.0)
    for _ in range(100):
        quantiles.add(1.0, 0.0)
    for _ in range(10):
        quantiles.add(0.1, 100.0)
    assert quantiles.quantile(0.5, 100.0) == pytest.approx(0.1, rel=0.03)
    assert quantiles.count(100.0) == pytest.approx(10.1, rel=0.01)
    assert quantiles.quantile(0.5, 10_000.0) is None


def test_weights_are_scaled_down_before_they_overflow() -> None:
    quantiles, chance = Quantiles(1.0, 0.0), Random(1)
    for second in range(0, 5000, 10):
        quantiles.add(chance.uniform(0.09, 0.11), float(second))
    quantiles.add(1e-9, 5000.0)
    assert quantiles.quantile(0.9, 5000.0) is not None
    assert quantiles.count(5000.0) < 1.01
