from math import isclose

import pytest

from netem.link.chance import exponential, normal_cdf, normal_quantile, pareto_quantile, stream_key, uniform, word
from netem.verify import mean, sigma

N = 20_000


def test_word_is_splitmix64() -> None:
    # The reference sequence of seed 0 begins so; our n counts its steps from 1.
    assert [word(0, n) for n in (1, 2, 3)] == [0xE220A8397B1DCDAF, 0x6E789E6AA1B965F4, 0x06C45D188009454F]


def test_uniform_is_made_of_words() -> None:
    assert all(uniform(9, n) == ((word(9, n) >> 11) + 0.5) / 2**53 for n in range(100))


def test_streams_differ_by_seed_and_name() -> None:
    keys = {stream_key(1, "a"), stream_key(2, "a"), stream_key(1, "b"), stream_key(1, "a", "b"), stream_key(1, "a", 0)}
    assert len(keys) == 5


def test_uniform_has_the_moments_of_the_even_spread() -> None:
    key = stream_key(7, "u")
    values = [uniform(key, n) for n in range(N)]
    assert 0.0 < min(values) < max(values) < 1.0
    assert isclose(mean(values), 0.5, abs_tol=0.01)
    assert isclose(sigma(values), 12**-0.5, abs_tol=0.01)


def test_exponential_has_its_mean() -> None:
    key = stream_key(7, "e")
    values = [exponential(key, n, 3.0) for n in range(N)]
    assert isclose(mean(values), 3.0, rel_tol=0.03)
    assert isclose(sigma(values), 3.0, rel_tol=0.05)


@pytest.mark.parametrize("quantile", [normal_quantile, pareto_quantile])
def test_shapes_are_standardised(quantile) -> None:
    key = stream_key(7, "q")
    values = [quantile(uniform(key, n)) for n in range(N)]
    assert isclose(mean(values), 0.0, abs_tol=0.03)
    assert isclose(sigma(values), 1.0, rel_tol=0.15)


def test_pareto_has_a_floor_and_a_tail() -> None:
    assert pareto_quantile(1e-9) > -0.6
    assert pareto_quantile(0.9999) > 20.0


def test_normal_cdf_never_leaves_the_open_interval() -> None:
    assert 0.0 < normal_cdf(-40.0) < normal_cdf(0.0) == 0.5 < normal_cdf(40.0) < 1.0
