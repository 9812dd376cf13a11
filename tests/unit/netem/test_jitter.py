from itertools import pairwise
from math import isclose

import pytest

from netem.link.chance import stream_key
from netem.link.conditions import Conditions
from netem.link.jitter import Wave, jitter
from netem.verify import mean, sigma


def test_no_jitter_is_nothing_to_ask() -> None:
    assert jitter(Conditions(delay_ms=5), 1, "x") is None


@pytest.mark.parametrize("shape", ["normal", "pareto"])
@pytest.mark.parametrize("corr", [0.0, 20.0])
def test_spread_is_sigma_and_mean_is_none(shape, corr) -> None:
    add = jitter(Conditions(jitter_ms=10, jitter_corr_ms=corr, jitter_shape=shape), 5, "x")
    assert add is not None
    values = [add(n, n * 0.007) for n in range(20_000)]
    assert isclose(mean(values), 0.0, abs_tol=0.0008)
    assert isclose(sigma(values), 0.010, rel_tol=0.2)


def correlation(values: list[float]) -> float:
    pairs = list(pairwise(values))
    return mean([a * b for a, b in pairs]) / mean([a * a for a, _ in pairs])


def test_independent_jitter_has_no_memory_and_a_wave_has() -> None:
    own = jitter(Conditions(jitter_ms=10), 5, "x")
    wave = jitter(Conditions(jitter_ms=10, jitter_corr_ms=100), 5, "x")
    assert own is not None
    assert wave is not None
    assert abs(correlation([own(n, n * 0.033) for n in range(5000)])) < 0.1
    assert 0.7 < correlation([wave(n, n * 0.033) for n in range(5000)]) < 0.9


def test_a_wave_is_a_function_of_time() -> None:
    key = stream_key(1, "w")
    one, other = Wave(0.1, key), Wave(0.1, key)
    often = [one.at(n * 0.005) for n in range(200)]
    assert [other.at(n * 0.005) for n in range(0, 200, 7)] == often[::7]
    steps = [abs(a - b) for a, b in pairwise(often)]
    assert max(steps) < 0.5
