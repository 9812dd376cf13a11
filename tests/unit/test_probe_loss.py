from __future__ import annotations

import pytest

from health.loss import ProbeLoss, loss_figures
from health.probe import ProbeKind, ProbeResult
from health.view import LossFigures
from health.windows import RatioWindow
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

PATH = Path("cn2", "openai")
REFUSED = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)


def probe(sequence: int, rtt: float | None = 0.2, **more: object) -> ProbeResult:
    return ProbeResult(PATH, ProbeKind.ICMP, sequence, float(sequence), rtt, **more)  # type: ignore[arg-type]


def test_nothing_counted_is_unknown() -> None:
    assert loss_figures([], [], [], 0.0) is None
    assert loss_figures([ProbeLoss()], [RatioWindow()], [RatioWindow()], 0.0) is None


def test_ratios_of_three_windows() -> None:
    loss = ProbeLoss()
    for sequence in range(200):
        loss.add(probe(sequence, None if sequence % 10 == 0 and sequence < 190 else 0.2), float(sequence))
    figures = loss_figures([loss], [], [], 199.0)
    assert figures is not None
    assert figures.ratio_10s == 0.0
    assert figures.ratio_60s == pytest.approx(5 / 60, abs=0.01)
    assert figures.ratio_300s == pytest.approx(19 / 200)
    assert figures.mean_burst == 1.0
    assert (figures.up_ratio, figures.down_ratio) == (None, None)


def test_runs_are_counted_by_sequence_not_by_the_order_of_news() -> None:
    loss = ProbeLoss()
    for sequence in (1, 5, 6):
        loss.add(probe(sequence), 1.0)
    for sequence in (4, 2, 3):  # their time was up after the answers to 5 and 6
        loss.add(probe(sequence, None), 2.0)
    loss.add(probe(7, None), 3.0)
    assert loss.runs() == (4, 2)
    figures = loss_figures([loss], [], [], 3.0)
    assert figures is not None
    assert figures.mean_burst == 2.0


def test_a_late_answer_was_no_loss() -> None:
    loss = ProbeLoss()
    loss.add(probe(1, None), 1.0)
    loss.add(probe(1, 1.5, is_late=True), 1.5)
    assert (loss.late, loss.counted, loss.runs()) == (1, 1, (0, 0))
    figures = loss_figures([loss], [], [], 2.0)
    assert figures is not None
    assert figures.ratio_10s == 0.0


def test_a_refusal_is_an_answer_a_second_answer_is_none() -> None:
    loss = ProbeLoss()
    loss.add(probe(1, None, failure=REFUSED), 1.0)
    loss.add(probe(1, 0.2, is_duplicate=True), 1.0)
    loss.add(probe(2, 0.2, is_reordered=True), 1.0)
    assert (loss.counted, loss.duplicates, loss.reordered) == (2, 1, 1)


def test_memory_of_outcomes_is_bounded() -> None:
    loss = ProbeLoss()
    for sequence in range(1000):
        loss.add(probe(sequence, None), 0.0)
    assert loss.runs() == (256, 1)


def test_real_traffic_tells_directions_and_stands_in_for_probes() -> None:
    sent, received = RatioWindow(), RatioWindow()
    sent.add(0.0, 99, 1)
    assert loss_figures([], [sent], [received], 1.0) is None  # too few
    sent.add(0.0, 1, 0)
    received.add(0.0, 200, 20)
    assert loss_figures([], [sent], [received], 1.0) == LossFigures(0.1, 0.1, 0.1, None, 0.01, 0.1)
    loss = ProbeLoss()
    loss.add(probe(1), 1.0)
    assert loss_figures([loss], [sent], [received], 1.0) == LossFigures(0.0, 0.0, 0.0, None, 0.01, 0.1)
