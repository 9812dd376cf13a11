"""The result of a benchmark: as a JSON document, as the rows of a table, as Markdown."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass
from math import isfinite, isnan
from typing import Any

from netem.bench.figures import Cell, Figure
from netem.bench.plan import Condition, Plan
from netem.bench.record import Turn

FORMAT = 1
MAY_SHOW = {"load_average"}
"""What is told of the machine during a turn without casting doubt on it."""


@dataclass(frozen=True, slots=True)
class Report:
    """Everything a reader gets. `seconds`: how long the whole run took."""

    plan: Plan
    machine: Mapping[str, Any]
    cells: Sequence[Cell]
    turns: Sequence[Turn]
    seconds: float

    def conditions(self) -> list[Condition]:
        """In the order in which they ran."""
        return list(dict.fromkeys(cell.condition for cell in self.cells))

    def under(self, condition: Condition) -> list[Cell]:
        """The cells of one condition, in the plan's order of systems."""
        order = self.plan.systems
        return sorted((cell for cell in self.cells if cell.condition == condition), key=lambda c: order.index(c.system))


def document(report: Report) -> dict[str, Any]:
    """For a file: no value that JSON doesn't have (what isn't known is null). `--json` writes this."""
    plain: dict[str, Any] = _plain(
        {
            "format": FORMAT,
            "plan": asdict(report.plan),
            "machine": dict(report.machine),
            "seconds": round(report.seconds, 1),
            "cells": [asdict(cell) for cell in report.cells],
            "doubts": doubts(report),
        }
    )
    return plain


def doubts(report: Report) -> list[str]:
    """Why a reader should look twice: what the lab or the client couldn't keep up with."""
    found = []
    for cell in report.cells:
        odd = {name: value for name, value in cell.troubles.items() if name not in MAY_SHOW and _is_odd(name, value)}
        if odd:
            told = ", ".join(f"{name} {value:.1f}" for name, value in odd.items())
            found.append(f"{cell.system}, {cell.condition.title}: {told}")
    return found


def _is_odd(name: str, value: float) -> bool:
    return value > {"client_lag_p99_ms": 10.0, "late_writes_percent": 2.0, "late_start_ms": 5.0}.get(name, 0.0)


def _plain(value: Any) -> Any:
    if isinstance(value, Mapping):
        return {name: _plain(each) for name, each in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(each) for each in value]
    return None if isinstance(value, float) and not isfinite(value) else value


# The table

Column = tuple[str, Callable[[Cell], str]]


def number(value: float | None, digits: int = 0) -> str:
    """ "–" where there is nothing to say."""
    return "–" if value is None or isnan(value) else f"{value:.{digits}f}"


def _ttft(cell: Cell) -> str:
    return "/".join(number(cell.figures[name].value) for name in ("ttft_p50", "ttft_p95", "ttft_p99"))


def _gap(cell: Cell) -> str:
    return "/".join(number(cell.figures[name].value) for name in ("gap_p50", "gap_p99", "gap_p999"))


def _outcomes(cell: Cell) -> str:
    return f"{cell.complete}/{cell.failed}/{cell.truncated}"


def with_interval(figure: Figure | None, digits: int = 0) -> str:
    """`123 [110–140]`"""
    if figure is None or isnan(figure.value):
        return "–"
    low, high = figure.interval
    return f"{figure.value:.{digits}f} [{low:.{digits}f}–{high:.{digits}f}]"


COLUMNS: tuple[Column, ...] = (
    ("system", lambda cell: cell.system),
    ("TTFT p50/p95/p99 ms", _ttft),
    ("over RTT+think p50/p99", lambda cell: f"{number(cell.over_p50_ms)}/{number(cell.over_p99_ms)}"),
    ("gap p50/p99/p99.9 ms", _gap),
    ("late p99 ms", lambda cell: with_interval(cell.figures["late_p99"])),
    ("stalls >500 ms", lambda cell: str(cell.stalls)),
    ("per stream-minute", lambda cell: number(cell.stalls_per_minute, 2)),
    ("stall %", lambda cell: number(100.0 * cell.stall_ratio, 2)),
    ("ok/failed/truncated", _outcomes),
    ("lost/repeated", lambda cell: f"{cell.lost}/{cell.repeated}"),
    ("executed", lambda cell: str(cell.executions)),
    ("kB/request", lambda cell: number(cell.wire_kb_per_request, 1)),
    ("CPU ms/request", lambda cell: number(cell.cpu_ms_per_request, 1)),
)
RATIO_COLUMNS: tuple[Column, ...] = (
    ("system", lambda cell: cell.system),
    ("TTFT p50", lambda cell: with_interval(cell.ratios.get("ttft_p50"), 2)),
    ("TTFT p99", lambda cell: with_interval(cell.ratios.get("ttft_p99"), 2)),
    ("gap p99", lambda cell: with_interval(cell.ratios.get("gap_p99"), 2)),
    ("gap p99.9", lambda cell: with_interval(cell.ratios.get("gap_p999"), 2)),
    ("late p99", lambda cell: with_interval(cell.ratios.get("late_p99"), 2)),
)


def rows(cells: Sequence[Cell], columns: Sequence[Column] = COLUMNS) -> list[list[str]]:
    """The cells that have figures, as text; of the ratios, those that have any."""
    with_figures = [cell for cell in cells if cell.figures and (columns is COLUMNS or cell.ratios)]
    return [[render(cell) for _, render in columns] for cell in with_figures]


def notes(cells: Sequence[Cell]) -> list[str]:
    """What has to be said about single systems: unavailable ones, and what clients saw go wrong."""
    found = [f"{cell.system}: {cell.fault}" for cell in cells if cell.fault]
    return found + [f"{cell.system}: clients saw: {'; '.join(cell.faults[:3])}" for cell in cells if cell.faults]


def summary(report: Report) -> list[str]:
    """The machine and the plan in two sentences."""
    load, machine = report.plan.load, report.machine
    cpu = machine.get("cpu") or machine.get("machine")
    return [
        f"{load.requests} requests per turn, about {load.streams} at a time, {load.tokens} tokens every "
        f"{load.interval_ms:g} ms after {load.think_ms:g} ms of thinking; {report.plan.rounds} round(s), "
        f"seed {report.plan.seed}, {report.seconds / 60:.1f} minutes.",
        f"Linux {machine.get('kernel')}, {machine.get('cores')} cores ({cpu}), "
        f"Python {machine.get('python')}, load average before {machine.get('load_average')}, {machine.get('at_utc')}.",
    ]


def markdown(report: Report) -> str:
    """The whole report as Markdown; also good to read as text."""
    parts = ["# farline bench", *summary(report)]
    for condition in report.conditions():
        cells = report.under(condition)
        parts.append(f"## {condition.title}")
        parts.append(_markdown_table(COLUMNS, rows(cells)))
        if ratios := rows(cells, RATIO_COLUMNS):
            parts.append(f"Ratios to {report.plan.baseline} on the same requests, 95 % intervals:")
            parts.append(_markdown_table(RATIO_COLUMNS, ratios))
        parts += [f"- {note}" for note in notes(cells)]
    if found := doubts(report):
        parts.append("## Doubts\nThe machine was too busy here; read these cells with care.")
        parts += [f"- {doubt}" for doubt in found]
    return "\n\n".join(parts) + "\n"


def _markdown_table(columns: Sequence[Column], table: Sequence[Sequence[str]]) -> str:
    heads = [title for title, _ in columns]
    lines = [heads, ["---"] + ["---:"] * (len(heads) - 1), *table]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
