"""Quantiles, intervals, paired ratios."""

from __future__ import annotations

from math import inf, isnan
from random import Random

import pytest
from hypothesis import given
from hypothesis import strategies as st

from netem.bench.stats import Pool, median, quantile, quantile_of_rounds, ratio_of_rounds

VALUES = st.lists(st.lists(st.floats(0, 1e6), max_size=5), min_size=1, max_size=8)


def test_quantiles() -> None:
    values = [float(n) for n in range(1, 101)]
    assert [quantile(values, part) for part in (0.0, 0.01, 0.5, 0.99, 1.0)] == [1.0, 1.0, 50.0, 99.0, 100.0]
    assert isnan(quantile([], 0.5))


@given(VALUES, st.sampled_from([0.0, 0.3, 0.5, 0.99, 1.0]), st.integers(0, 9))
def test_a_weight_is_a_number_of_copies(clusters: list[list[float]], part: float, seed: int) -> None:
    weights = [Random(seed + n).randrange(3) for n in range(len(clusters))]
    copies = [value for values, weight in zip(clusters, weights, strict=True) for value in values * weight]
    weighted = Pool(clusters).quantile(part, weights)
    assert weighted == quantile(copies, part) or not copies


def test_median() -> None:
    assert median([3.0, 1.0, 2.0]) == 2.0
    assert median([4.0, 1.0]) == 2.5
    assert isnan(median([]))


def test_an_interval_holds_its_value_and_is_the_seeds() -> None:
    chance = Random(5)
    rounds = [[[chance.gauss(100, 10) for _ in range(5)] for _ in range(30)] for _ in range(3)]
    value, (low, high) = quantile_of_rounds(rounds, 0.9, seed=1)
    assert low <= value <= high
    assert 105 < low < high < 125
    assert quantile_of_rounds(rounds, 0.9, seed=1) == (value, (low, high))
    assert quantile_of_rounds(rounds, 0.9, seed=1, resamples=0) == (value, (value, value))
    assert isnan(quantile_of_rounds([[]], 0.9, seed=1)[0])


def test_pairing_takes_the_shared_luck_out_of_a_ratio() -> None:
    chance = Random(5)
    theirs = [[[chance.uniform(10, 1000)] for _ in range(60)]]
    ours = [[[2 * each for each in cluster] for cluster in theirs[0]]]
    value, (low, high) = ratio_of_rounds(ours, theirs, 0.5, seed=1)
    assert (value, low, high) == pytest.approx((2.0, 2.0, 2.0))


def test_nothing_is_infinitely_better_than_zero() -> None:
    assert ratio_of_rounds([[[1.0]]], [[[0.0]]], 0.5, seed=1, resamples=0)[0] == inf
