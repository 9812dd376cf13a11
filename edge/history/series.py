"""Cells → columns for charts, and sums for tables."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from edge.history.cell import Cell, State, joined
from edge.history.sketch import quantiles

Cells = Mapping[int, Cell]  # by the second at which each begins

RTT_SHARES = (0.05, 0.25, 0.5, 0.75, 0.95)
FIRST_BYTE_SHARES = (0.5, 0.95)
LATE_SHARES = (0.5, 0.99)
COLUMNS = (
    *("rtt_p5_ms", "rtt_p25_ms", "rtt_p50_ms", "rtt_p75_ms", "rtt_p95_ms"),
    *("loss", "state", "score", "share", "requests", "failures", "first_byte_p50_ms", "first_byte_p95_ms"),
    *("up_bps", "down_bps", "cost"),
)
RELAY_COLUMNS = ("redundancy", "suspicions", "false_suspicions", "late_p50_ms", "late_p99_ms")


def points(cells: Cells, step: int) -> dict[int, Cell]:
    """Cells that fall into the same `step` seconds as one: the first of them takes up the others."""
    grouped: dict[int, Cell] = {}
    for at in sorted(cells):
        known = grouped.setdefault(at - at % step, cells[at])
        if known is not cells[at]:
            known.join(cells[at])
    return grouped


def columns(found: Cells, step: int, requests: Mapping[int, int], *, of_relay: bool = False) -> dict[str, list[Any]]:
    """A chart's columns, one entry for each point, `at` ascending. `requests`: those of all subjects, for the share."""
    names = (*COLUMNS, *RELAY_COLUMNS) if of_relay else COLUMNS
    told: dict[str, list[Any]] = {"at": list(found), **{name: [] for name in names}}
    for at, cell in found.items():
        row = [*_row(cell, step, requests.get(at, 0)), *(_relay_row(cell) if of_relay else ())]
        for name, value in zip(names, row, strict=True):
            told[name].append(value)
    return told


def _row(cell: Cell, step: int, requests: int) -> Iterable[Any]:
    yield from _ms(cell.rtt, RTT_SHARES)
    yield loss(cell)
    yield State(cell.state).name.lower() if cell.state else None
    yield round(cell.score / cell.scores, 4) if cell.scores else None
    yield round(cell.requests / requests, 4) if requests else None
    yield cell.requests
    yield cell.failures
    yield from _ms(cell.first_byte, FIRST_BYTE_SHARES)
    yield round(cell.up * 8 / step)
    yield round(cell.down * 8 / step)
    yield round(cell.cost, 6)


def _relay_row(cell: Cell) -> Iterable[Any]:
    yield redundancy(cell)
    yield cell.suspicions
    yield cell.false_suspicions
    yield from _ms(cell.late, LATE_SHARES)


def summary(cells: Iterable[Cell], *, of_relay: bool = False) -> dict[str, Any]:
    """All of them in figures. `unavailable_ratio`: of the seconds in which the state was looked at, those EJECTED;
    `observed_seconds` and `out_seconds` are both, of all workers."""
    total = joined(list(cells))
    rtt, first_byte = _ms(total.rtt, RTT_SHARES), _ms(total.first_byte, FIRST_BYTE_SHARES)
    return {
        **{f"rtt_{name}_ms": value for name, value in zip(("p5", "p25", "p50", "p75", "p95"), rtt, strict=True)},
        "probes": total.sent,
        "loss": loss(total),
        "unavailable_ratio": round(total.out / total.looks, 6) if total.looks else None,
        "observed_seconds": total.looks,
        "out_seconds": total.out,
        "requests": total.requests,
        "failures": total.failures,
        "first_byte_p50_ms": first_byte[0],
        "first_byte_p95_ms": first_byte[1],
        "up_bytes": total.up,
        "down_bytes": total.down,
        "cost": round(total.cost, 6),
        "input_tokens": total.input_tokens,
        "output_tokens": total.output_tokens,
        "spent": round(total.spent, 6),
        "saved": round(total.saved, 6),
        "unpriced": total.unpriced,
        **(dict(zip(RELAY_COLUMNS, _relay_row(total), strict=True)) if of_relay else {}),
    }


def loss(cell: Cell) -> float | None:
    """Share of the probes that were lost; a late answer may come in another second than its loss."""
    return round(min(1.0, max(0, cell.lost) / cell.sent), 4) if cell.sent else None


def redundancy(cell: Cell) -> float | None:
    """Stream bytes carried per byte that there was to carry."""
    return round(cell.streamed / cell.useful, 3) if cell.useful else None


def _ms(sketch: Mapping[int, int], shares: tuple[float, ...]) -> list[float | None]:
    found = quantiles(sketch, shares)
    return [None] * len(shares) if found is None else [round(value * 1000, 2) for value in found]
