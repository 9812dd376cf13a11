"""What repeating is worth, from what lines lost."""

from __future__ import annotations

from math import exp

import pytest

from transport.session.risk import FEWEST, LEAST_BURST, Losses, Together, reach, sendings


def seen(packets: int, bursts: int, length: int, *, spacing: float = 0.005) -> Losses:
    """A line that lost `bursts` times `length` packets in a row, `spacing` seconds apart, among `packets`."""
    made = Losses(0.0)
    made.arrived(packets - bursts * length, 0.0)
    for burst in range(bursts):
        for index in range(length):
            number = burst * 1000 + index
            made.lost(number, number * spacing, 0.0)
    return made


class TestLosses:
    def test_an_unknown_line_is_taken_to_be_bad(self) -> None:
        line = Losses(0.0)
        assert (line.ratio, line.burst, line.recent) == (0.05, 0.1, 0.0)

    def test_a_clean_line(self) -> None:
        line = seen(100_000, 0, 0)
        assert line.ratio == pytest.approx(1e-4, rel=0.01)

    def test_single_losses_are_no_bursts(self) -> None:
        line = seen(100_000, 5000, 1)
        assert line.ratio == pytest.approx(0.05, rel=0.01)
        assert line.burst == LEAST_BURST

    def test_bursts_are_weighed_by_their_packets(self) -> None:
        line = seen(100_000, 100, 41)  # 200 ms each
        assert line.burst == pytest.approx(0.1, rel=0.05)

    def test_what_was_is_forgotten(self) -> None:
        line = seen(100_000, 100, 41)
        line.arrived(100, 600.0)
        assert line.ratio == pytest.approx(10 / 300, rel=0.01)
        assert line.burst == pytest.approx(0.1, rel=0.01)


class TestTogether:
    def test_counts_what_all_lost(self) -> None:
        both = Together()
        assert both.ratio(0.0) == 0.0
        both.sent, both.lost = 800, 10
        assert both.ratio(0.0) == pytest.approx(0.01)
        both.sent = 100_000
        assert both.ratio(1.0) < 0.0002

    def test_fades(self) -> None:
        both = Together()
        both.sent, both.lost = 800, 10
        both.ratio(0.0)
        assert both.ratio(30.0) == pytest.approx(10 * exp(-1) / (800 * exp(-1) + 200))


class TestReach:
    def test_clean_lines_need_nothing(self) -> None:
        assert reach([seen(100_000, 0, 0)] * 2, 0.0, 1e-4) == 0.0

    def test_one_bursty_line_needs_long(self) -> None:
        line = seen(100_000, 100, 41)
        one, two = reach([line], 0.0, 1e-4), reach([line, line], 0.0, 1e-4)
        assert one == pytest.approx(0.6, rel=0.1) and two == pytest.approx(0.14, rel=0.1)

    def test_lines_that_fail_together(self) -> None:
        lines = [seen(100_000, 100, 41)] * 2
        alone = reach(lines, 0.0, 1e-4)
        assert reach(lines, 0.004, 1e-4) == alone  # chance
        assert reach(lines, 0.02, 1e-4) > 3 * alone
        assert reach(lines[:1], 0.02, 1e-4) == reach(lines[:1], 0.0, 1e-4)

    def test_how_often(self) -> None:
        lossy = seen(100_000, 10_000, 1)
        assert sendings([lossy], 1e-4) == 4
        assert sendings([lossy, lossy], 1e-4) == FEWEST
        assert sendings([seen(100, 90, 1)], 1e-4) > 4
