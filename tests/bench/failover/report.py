"""Rows as a table for people, as Markdown and as JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isinf
from typing import Any

from tests.bench.failover.judging import Quantiles, Row, misses
from tests.bench.failover.plan import Plan

FORMAT = 1
_ODD = {"client_lag_p99_ms": 10.0, "late_writes_percent": 2.0, "late_start_ms": 5.0}


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a reader gets. `seconds`: how long the run took."""

    plan: Plan
    machine: Mapping[str, Any]
    rows: Sequence[Row]
    seconds: float


def milliseconds(value: float | None) -> str:
    """ "–": it didn't happen; "never": not while we looked."""
    if value is None:
        return "–"
    return "never" if isinf(value) else f"{1000 * value:.0f}"


def _three(values: Quantiles | None) -> str:
    return "–" if values is None else "/".join(map(milliseconds, values))


def _percent(value: float | None) -> str:
    return "–" if value is None else f"{100 * value:.0f}"


def _caught(row: Row) -> str:
    return "–" if row.extra is None else f"{row.caught}: {_three(row.extra)} (≤ {milliseconds(row.goal)})"


def _failures(row: Row) -> str:
    told = f"{row.fates.refused}/{row.fates.cut}"
    return told if not row.fates.truncated else f"{told}, {row.fates.truncated} truncated"


COLUMNS: tuple[tuple[str, Callable[[Row], str]], ...] = (
    ("condition", lambda row: row.name),
    ("struck", lambda row: "+".join(row.struck) or "–"),
    ("requests", lambda row: str(row.fates.requests)),
    ("failed before/after commit", _failures),
    ("executed twice", lambda row: str(row.doubled)),
    ("suspected ms", lambda row: milliseconds(row.detection.suspected)),
    ("ejected ms", lambda row: milliseconds(row.detection.ejected)),
    ("TTFT met p50/95/99", lambda row: _three(row.ttft)),
    ("same without", lambda row: _three(row.twins)),
    ("caught: extra p50/95/max", _caught),
    ("share % before/during/after", lambda row: "/".join(map(_percent, _shares(row)))),
    ("good again ms", lambda row: milliseconds(row.returned)),
    ("carries again ms", lambda row: milliseconds(row.carried)),
    ("wrong ejected/suspected", lambda row: f"{row.wrong_ejections}/{row.wrong_suspicions}"),
)


def _shares(row: Row) -> tuple[float | None, float | None, float | None]:
    return row.share_before, row.share_during, row.share_after


def table(rows: Sequence[Row]) -> list[list[str]]:
    """The cells, row by row."""
    return [[cell(row) for _, cell in COLUMNS] for row in rows]


def notes(rows: Sequence[Row]) -> list[str]:
    """What isn't as it must be, and what casts doubt on a row."""
    found = []
    for row in rows:
        found += [f"{row.name}, round {row.round + 1}: {miss}" for miss in misses(row)]
        if row.refused_after is not None:
            told = _three(row.refused_after)
            found.append(f"{row.name}, round {row.round + 1}: {row.fates.refused} refusals came after {told} ms")
        odd = {name: value for name, value in row.troubles.items() if value > _ODD.get(name, 0.0)}
        if odd:
            told = ", ".join(f"{name} {value:.1f}" for name, value in odd.items())
            found.append(f"{row.name}, round {row.round + 1}: doubtful, {told}")
    return found


def markdown(report: Report) -> str:
    """The whole report."""
    heads = [head for head, _ in COLUMNS]
    lines = [*summary(report), "", _cells(heads), _cells(["---"] * len(heads)), *map(_cells, table(report.rows))]
    if told := notes(report.rows):
        lines += ["", *(f"- {note}" for note in told)]
    return "\n".join(lines) + "\n"


def _cells(cells: Sequence[str]) -> str:
    return f"| {' | '.join(cells)} |"


def summary(report: Report) -> list[str]:
    """What was run, where."""
    plan, machine = report.plan, report.machine
    return [
        f"policy {plan.policy}, weights {'/'.join(f'{weight:g}' for weight in plan.weights)}, {plan.streams} streams "
        f"of {plan.tokens} tokens, think {plan.think_ms:g} ms, {plan.rounds} rounds, seed {plan.seed}, "
        f"{report.seconds / 60:.0f} minutes",
        f"{machine.get('cpu')}, {machine.get('cores')} cores, Linux {machine.get('kernel')}, "
        f"Python {machine.get('python')}, load {machine.get('load_average')}, {machine.get('at_utc')}",
    ]


def document(report: Report) -> dict[str, Any]:
    """For a file. Times in seconds; what didn't happen is null, what hadn't happened when the turn ended "never"."""
    plain: dict[str, Any] = _plain(
        {
            "format": FORMAT,
            "plan": {**asdict(report.plan), "happenings": [each.name for each in report.plan.happenings]},
            "machine": dict(report.machine),
            "seconds": round(report.seconds, 1),
            "rows": [{**asdict(row), "misses": misses(row)} for row in report.rows],
        }
    )
    return plain


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    if isinstance(value, float):
        return "never" if isinf(value) else round(value, 4)
    return value
