"""What a series of probes amounts to, for people: pure. (What requests are routed by is the board's.)"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from itertools import pairwise
from math import ceil

from health.probe import Outcome, ProbeResult
from health.probing import Check


@dataclass(frozen=True, slots=True)
class Figures:
    """One check's series. Times are seconds, None without an answer. `rtt` as in `ProbeResult`."""

    sent: int
    lost: int  # without those that came late
    late: int
    failed: int
    duplicates: int
    reordered: int
    longest_burst: int  # losses in a row
    minimum: float | None
    median: float | None
    p95: float | None
    jitter: float | None  # RFC 3550 §6.4.1, of round trips
    failures: dict[str, int]  # by code

    @property
    def loss_ratio(self) -> float:
        return self.lost / self.sent if self.sent else 0.0


def by_check(results: Iterable[ProbeResult]) -> dict[Check, Figures]:
    """The figures of each check, in the order of their first result."""
    series: dict[Check, list[ProbeResult]] = {}
    for result in results:
        series.setdefault(Check(result.path, result.kind), []).append(result)
    return {check: _figures(found) for check, found in series.items()}


def _figures(results: list[ProbeResult]) -> Figures:
    count = Counter(result.outcome for result in results)
    late = {result.sequence for result in results if result.is_late}
    lost = sorted({r.sequence for r in results if r.outcome is Outcome.LOST} - late)
    answers = [r for r in results if r.rtt is not None and not r.is_duplicate]
    rtts = [r.rtt for r in sorted(answers, key=lambda r: r.sequence) if r.rtt is not None]
    ordered = sorted(rtts)
    return Figures(
        sent=len({result.sequence for result in results}),
        lost=len(lost),
        late=len(late),
        failed=count[Outcome.FAILED],
        duplicates=count[Outcome.DUPLICATE],
        reordered=sum(result.is_reordered for result in results),
        longest_burst=_longest_run(lost),
        minimum=_quantile(ordered, 0.0),
        median=_quantile(ordered, 0.5),
        p95=_quantile(ordered, 0.95),
        jitter=_jitter(rtts),
        failures=dict(Counter(result.failure.code for result in results if result.failure is not None)),
    )


def _quantile(ordered: list[float], q: float) -> float | None:
    """Nearest rank."""
    return ordered[max(0, ceil(q * len(ordered)) - 1)] if ordered else None


def _jitter(rtts: list[float]) -> float | None:
    if len(rtts) < 2:
        return None
    jitter = 0.0
    for earlier, later in pairwise(rtts):
        jitter += (abs(later - earlier) - jitter) / 16
    return jitter


def _longest_run(numbers: list[int]) -> int:
    """Of successive integers, in an ascending list."""
    longest = run = 0
    for index, number in enumerate(numbers):
        run = run + 1 if index and number == numbers[index - 1] + 1 else 1
        longest = max(longest, run)
    return longest
