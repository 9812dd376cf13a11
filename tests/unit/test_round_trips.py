from __future__ import annotations

import pytest

from health.round_trips import PeakEwma, RoundTrips


def test_the_estimate_jumps_up_and_comes_down_slowly() -> None:
    ewma = PeakEwma(tau=10.0)
    ewma.add(0.2, 0.0)
    ewma.add(0.6, 1.0)
    assert ewma.value == 0.6
    ewma.add(0.2, 2.0)
    assert ewma.value == pytest.approx(0.2 + 0.4 * 0.9048, rel=1e-3)
    ewma.add(0.2, 100.0)
    assert ewma.value == pytest.approx(0.2, rel=1e-3)


def test_without_samples_nothing_is_known() -> None:
    trips = RoundTrips()
    assert trips.figures(0.0) is None
    assert (trips.median, trips.samples, trips.newest_at) == (None, 0, float("-inf"))
    assert not trips.is_plentiful(1, 100.0, 0.0)


def test_figures_of_a_window() -> None:
    trips = RoundTrips()
    for number in range(150):
        trips.add(0.1 + number / 1000, float(number))
    figures = trips.figures(150.0)
    assert figures is not None
    assert figures.samples == 100
    assert figures.minimum == pytest.approx(0.150)
    assert figures.median == trips.median == pytest.approx(0.245)
    assert figures.p95 == pytest.approx(0.244)
    assert figures.estimate == pytest.approx(0.249)
    assert figures.at == 149.0


def test_the_median_is_of_the_last_ten() -> None:
    trips = RoundTrips()
    for number in range(90):
        trips.add(0.1, float(number))
    for number in range(10):
        trips.add(0.5, 90.0 + number)
    figures = trips.figures(100.0)
    assert figures is not None
    assert (figures.median, figures.minimum) == (0.5, 0.1)


def test_old_samples_are_not_known_any_more() -> None:
    trips = RoundTrips()
    trips.add(0.1, 0.0)
    assert trips.figures(299.0) is not None
    assert trips.figures(300.0) is None
    trips.add(0.2, 301.0)
    figures = trips.figures(301.0)
    assert figures is not None
    assert figures.minimum == 0.2


def test_jitter_as_in_rfc_3550() -> None:
    trips = RoundTrips()
    trips.add(0.2, 0.0)
    assert trips.jitter == 0.0
    trips.add(0.216, 1.0)
    assert trips.jitter == pytest.approx(0.001)
    trips.add(0.2, 2.0)
    assert trips.jitter == pytest.approx(0.001 + (0.016 - 0.001) / 16)


def test_a_smoothed_round_trips_deviation_stands_for_its_jitter() -> None:
    trips = RoundTrips()
    trips.add_smoothed(0.2, 0.01, 0.0)
    assert trips.jitter == 0.01
    trips.add_smoothed(0.2, 0.03, 1.0)
    assert trips.jitter == pytest.approx(0.015)


def test_plenty() -> None:
    trips = RoundTrips()
    for at in (0.0, 4.0, 5.0):
        trips.add(0.1, at)
    assert trips.is_plentiful(3, 5.0, 5.0)
    assert not trips.is_plentiful(3, 5.0, 5.1)
    assert not trips.is_plentiful(4, 5.0, 5.0)
