"""Loss of sequence-numbered probes: lost, late, repeated, overtaken; how much lately, and how many in a row."""

from __future__ import annotations

from health.probe import ProbeResult
from health.view import LossFigures
from health.windows import RatioWindow

SPANS = (10.0, 60.0, 300.0)  # seconds
LEAST_SEGMENTS = 100  # of real traffic: fewer say nothing about percents
REMEMBERED = 256  # outcomes by sequence number, for runs and late answers


class ProbeLoss:
    """The fates of one kind of probe on one path.

    A loss is reported when a probe's time is up, long after the answers to its successors; so runs are counted by
    sequence number, and an answer that comes after all turns its loss into a late answer.
    """

    __slots__ = ("_outcomes", "counted", "duplicates", "late", "reordered", "window")

    def __init__(self) -> None:
        self.window = RatioWindow()
        self._outcomes: dict[int, bool] = {}  # sequence → was it lost?
        self.counted = 0
        self.late = 0
        self.duplicates = 0
        self.reordered = 0

    def add(self, result: ProbeResult, now: float) -> None:
        """One result. A refusal is an answer: something came back."""
        if result.is_duplicate:
            self.duplicates += 1
            return
        self.reordered += result.is_reordered
        is_lost = result.rtt is None and result.failure is None
        if not is_lost and self._outcomes.get(result.sequence):
            self.late += 1
            self.window.add(now, 0, -1)
        else:
            self.counted += 1
            self.window.add(now, 1, int(is_lost))
        self._remember(result.sequence, is_lost)

    def _remember(self, sequence: int, is_lost: bool) -> None:
        outcomes = self._outcomes
        outcomes[sequence] = is_lost
        if len(outcomes) > REMEMBERED:
            del outcomes[next(iter(outcomes))]

    def runs(self) -> tuple[int, int]:
        """(lost, runs of losses) among the outcomes remembered."""
        outcomes = self._outcomes
        lost = [sequence for sequence, is_lost in outcomes.items() if is_lost]
        return len(lost), sum(not outcomes.get(sequence - 1, False) for sequence in lost)


def loss_figures(
    probes: list[ProbeLoss], sent: list[RatioWindow], received: list[RatioWindow], now: float
) -> LossFigures | None:
    """The loss of several kinds or paths together; None: nothing was counted in five minutes.

    `sent` counts segments of real traffic and those sent again, `received` segments and those that came after a gap:
    each tells of one direction, where there were enough of them in the last minute. Where there are no probes the worse
    direction stands for the whole.
    """
    windows = [each.window for each in probes]
    up, down = (_pooled(counts, 60.0, now, LEAST_SEGMENTS) for counts in (sent, received))
    ratios = [_pooled(windows, seconds, now) for seconds in SPANS]
    if ratios[-1] is None:
        ratios = [_worse(sent, received, seconds, now) for seconds in SPANS]
        if ratios[-1] is None:
            return None
    counts = [each.runs() for each in probes]
    lost, runs = sum(each for each, _ in counts), sum(each for _, each in counts)
    return LossFigures(ratios[0], ratios[1], ratios[2], lost / runs if runs else None, up, down)


def _worse(sent: list[RatioWindow], received: list[RatioWindow], seconds: float, now: float) -> float | None:
    known = [_pooled(counts, seconds, now, LEAST_SEGMENTS) for counts in (sent, received)]
    return max((ratio for ratio in known if ratio is not None), default=None)


def _pooled(windows: list[RatioWindow], seconds: float, now: float, least: int = 1) -> float | None:
    totals = [window.totals(seconds, now) for window in windows]
    everything = sum(each for each, _ in totals)
    return min(1.0, sum(bad for _, bad in totals) / everything) if everything >= least else None
