"""What a series of probes amounts to."""

from __future__ import annotations

import pytest

from health.figures import Figures, by_check
from health.probe import ProbeKind, ProbeResult
from health.probing import Check
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

PATH = Path("cn2", "openai")
REFUSED = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)


def result(sequence: int, rtt: float | None = None, kind: ProbeKind = ProbeKind.ICMP, **more: object) -> ProbeResult:
    return ProbeResult(PATH, kind, sequence, float(sequence), rtt, **more)  # type: ignore[arg-type]  # free keywords


def only(*results: ProbeResult) -> Figures:
    (figures,) = by_check(results).values()
    return figures


def test_round_trips() -> None:
    figures = only(*(result(number, 0.1 + number / 1000) for number in range(100)))
    assert (figures.sent, figures.lost, figures.failed) == (100, 0, 0)
    assert (figures.minimum, figures.median, figures.p95) == (0.1, pytest.approx(0.149), pytest.approx(0.194))
    assert figures.jitter == pytest.approx(0.001, rel=0.02)
    assert figures.loss_ratio == 0.0


def test_losses_and_the_longest_burst() -> None:
    figures = only(*(result(number, None if number in (1, 4, 5, 6, 8) else 0.1) for number in range(10)))
    assert (figures.sent, figures.lost, figures.longest_burst, figures.loss_ratio) == (10, 5, 3, 0.5)


def test_a_late_answer_is_no_loss_and_a_duplicate_no_probe() -> None:
    figures = only(
        result(0), result(1, 0.1), result(0, 1.4, is_late=True), result(1, 0.2, is_duplicate=True),
        result(2, 0.1), result(3, 0.1, is_reordered=True),
    )  # fmt: skip
    assert (figures.sent, figures.lost, figures.late, figures.duplicates, figures.reordered) == (4, 0, 1, 1, 1)
    assert figures.median == 0.1


def test_refusals_are_counted_by_code() -> None:
    figures = only(result(0, failure=REFUSED), result(1, failure=REFUSED))
    assert (figures.failed, figures.lost, figures.failures) == (2, 0, {Code.CONNECTION_REFUSED: 2})
    assert (figures.minimum, figures.jitter) == (None, None)


def test_each_check_has_its_own_figures() -> None:
    found = by_check([result(0, 0.1, ProbeKind.TCP), result(0, 0.2), result(1, 0.1, ProbeKind.TCP)])
    assert list(found) == [Check(PATH, ProbeKind.TCP), Check(PATH, ProbeKind.ICMP)]
    assert found[Check(PATH, ProbeKind.ICMP)].jitter is None
    assert by_check([]) == {}
    assert Figures(0, 0, 0, 0, 0, 0, 0, None, None, None, None, {}).loss_ratio == 0.0
