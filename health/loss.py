"""Loss of sequence-numbered probes: lost, late, repeated, overtaken; how much lately, and how many in a row."""

from __future__ import annotations

from health.probe import ProbeResult
from health.view import LossFigures
from health.windows import RatioWindow

REMEMBERED = 256  # outcomes by sequence number, for runs and late answers


class ProbeLoss:
    """The fates of one kind of probe on one path.

    A loss is reported when a probe's time is up, long after the answers to its successors; so runs are counted by
    sequence number, and an answer that comes after all turns its loss into a late answer.
    """

    __slots__ = ("_outcomes", "_window", "duplicates", "late", "reordered")

    def __init__(self) -> None:
        self._window = RatioWindow()
        self._outcomes: dict[int, bool] = {}  # sequence → was it lost?
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
            self._window.add(now, 0, -1)
        else:
            self._window.add(now, 1, int(is_lost))
        self._remember(result.sequence, is_lost)

    def _remember(self, sequence: int, is_lost: bool) -> None:
        outcomes = self._outcomes
        outcomes[sequence] = is_lost
        if len(outcomes) > REMEMBERED:
            del outcomes[next(iter(outcomes))]

    def window(self) -> RatioWindow:
        return self._window

    def runs(self) -> tuple[int, int]:
        """(lost, runs of losses) among the outcomes remembered."""
        outcomes = self._outcomes
        lost = [sequence for sequence, is_lost in outcomes.items() if is_lost]
        return len(lost), sum(not outcomes.get(sequence - 1, False) for sequence in lost)


def loss_figures(
    parts: list[ProbeLoss], kernel: list[RatioWindow], now: float, least_segments: int = 100
) -> LossFigures | None:
    """The loss of several kinds or paths together; None: nothing was counted in five minutes.

    `kernel` counts segments sent and retransmitted by real traffic. They tell of the direction away from us only, so
    they are that direction's figure when there were enough in the last minute, and stand for the whole where there
    are no probes.
    """
    windows = [part.window() for part in parts]
    ratios = [_pooled(windows, seconds, now) for seconds in (10.0, 60.0, 300.0)]
    up = _pooled(kernel, 60.0, now, least_segments)
    if ratios[2] is None:
        ratios = [_pooled(kernel, seconds, now, least_segments) for seconds in (10.0, 60.0, 300.0)]
        if ratios[2] is None:
            return None
    lost = runs = 0
    for part in parts:
        part_lost, part_runs = part.runs()
        lost, runs = lost + part_lost, runs + part_runs
    return LossFigures(*ratios, mean_burst=lost / runs if runs else None, up_ratio=up)


def _pooled(windows: list[RatioWindow], seconds: float, now: float, least: int = 1) -> float | None:
    totals = [window.totals(seconds, now) for window in windows]
    everything = sum(each for each, _ in totals)
    return min(1.0, sum(bad for _, bad in totals) / everything) if everything >= least else None
