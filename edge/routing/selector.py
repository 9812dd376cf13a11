"""The order in which lines are tried. Selectors hold only their own turn-taking state; health comes as a view."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Protocol as Interface

from health.standing import Standing
from health.view import HealthView
from transport.path import Line


class Selector(Interface):
    """Orders the lines for one request, best first. Every line given is in the result."""

    def order(self, lines: Sequence[Line], view: HealthView) -> tuple[Line, ...]: ...


class Weighted:
    """Shares follow the operators' weights: smooth weighted round robin (as in nginx) over the lines that may be used.

    The first line takes its turn; the others follow by weight, as fallbacks. A line on PROBATION takes part in the
    turns again (one lost turn is cheap: a rival line is dialed if it doesn't answer). EJECTED lines come last,
    weight 0 means "only when nothing else is left" and comes before them.
    """

    def __init__(self) -> None:
        self._credit: dict[str, float] = {}

    def order(self, lines: Sequence[Line], view: HealthView) -> tuple[Line, ...]:
        if len(lines) == 1:
            return (lines[0],)
        usable = [line for line in lines if line.weight > 0 and view.line(line.id).standing is not Standing.EJECTED]
        if not usable:
            return tuple(sorted(lines, key=lambda line: _last_resort(line, view)))
        first = self._take_turn(usable)
        rest = sorted((line for line in lines if line is not first), key=lambda line: _fallback(line, view))
        return (first, *rest)

    def _take_turn(self, usable: Sequence[Line]) -> Line:
        credit = self._credit
        total = 0.0
        first = usable[0]
        best = float("-inf")
        for line in usable:
            total += line.weight
            earned = credit.get(line.id, 0.0) + line.weight
            credit[line.id] = earned
            if earned > best:
                first, best = line, earned
        credit[first.id] -= total
        return first


_RANK = {Standing.ADMITTED: 0, Standing.PROBATION: 1, Standing.EJECTED: 2}


def _fallback(line: Line, view: HealthView) -> tuple[int, float]:
    return (_RANK[view.line(line.id).standing], -line.weight)


def _last_resort(line: Line, view: HealthView) -> tuple[bool, bool, float]:
    return (view.line(line.id).standing is Standing.EJECTED, line.weight <= 0, -line.weight)
