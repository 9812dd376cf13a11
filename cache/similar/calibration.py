"""How often a similar question's answer would have been right, on an operator's own questions.

Precision is what counts: of the answers that would have been given, how many were right? Its lower bound is Wilson's
(JASA 22, 1927, at 95 %): ten right answers out of ten don't show much. A threshold is recommended only if that bound
is at least 99.5 %, for which 765 answers without a single wrong one are needed.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from math import sqrt

from msgspec import Struct

GOAL = 0.995
THRESHOLDS = (*(step / 20 for step in range(4, 14)), *(step / 100 for step in range(70, 101)))
_Z = 1.959964  # of the normal distribution, for 95 % between both bounds


class Trial(Struct, frozen=True):
    """One question. `similarity` of what would have answered it, None if nothing would; `is_right`: was that the right
    answer; `could`: was there a right one."""

    similarity: float | None
    is_right: bool
    could: bool


class Row(Struct, frozen=True):
    """At one threshold. Precision, its bounds and recall are None where there is nothing to divide by."""

    threshold: float
    asked: int
    answered: int
    wrong: int
    precision: float | None
    low: float | None
    high: float | None
    recall: float | None


def row(trials: Sequence[Trial], threshold: float) -> Row:
    answered = [trial for trial in trials if trial.similarity is not None and trial.similarity >= threshold]
    right = sum(trial.is_right for trial in answered)
    could = sum(trial.could for trial in trials)
    low, high = wilson(right, len(answered)) if answered else (None, None)
    return Row(
        threshold=threshold,
        asked=len(trials),
        answered=len(answered),
        wrong=len(answered) - right,
        precision=right / len(answered) if answered else None,
        low=low,
        high=high,
        recall=right / could if could else None,
    )


def rows(trials: Sequence[Trial], thresholds: Iterable[float] = THRESHOLDS) -> list[Row]:
    return [row(trials, threshold) for threshold in thresholds]


def recommended(table: Iterable[Row], goal: float = GOAL) -> Row | None:
    """The lowest threshold that is good enough; None if the figures support none. All answers above it count, so what a
    lower one adds has to be good as well."""
    good = (line for line in table if line.low is not None and line.low >= goal)
    return min(good, key=lambda line: line.threshold, default=None)


def wilson(successes: int, total: int) -> tuple[float, float]:
    """The score interval of a proportion; `total` at least 1."""
    share, square = successes / total, _Z * _Z
    centre = (share + square / (2 * total)) / (1 + square / total)
    reach = _Z * sqrt(share * (1 - share) / total + square / (4 * total * total)) / (1 + square / total)
    return max(0.0, centre - reach), min(1.0, centre + reach)
