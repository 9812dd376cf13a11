"""`farline probe`: asks every far end over every line, in every way this machine can, and prints what came back.

The node's own probes, sent now: docs/probes.md. Nothing that is sent is billed by a provider.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Iterator
from dataclasses import asdict, replace
from typing import Any

import uvloop
from rich.console import Console
from rich.table import Table

from edge.cli.check import FAULTY, print_faults
from edge.config.fault import ConfigError
from edge.config.model import Snapshot
from edge.config.presets import defaults
from edge.config.watch import load
from edge.serve.tables import Tables
from health.aio.abilities import inabilities
from health.aio.prober import Listeners, Prober
from health.figures import Figures, by_check
from health.probe import ProbeResult
from health.probing import Check
from transport.aio.standard import make_pools

PAUSE = 0.2  # seconds between two rounds

_COLUMNS = ("line", "far end", "kind", "sent", "lost", "min", "median", "p95", "jitter", "failures")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser("probe", help="measure lines and far ends from this machine", description=__doc__)
    parser.add_argument("-c", "--config", metavar="FILE", help="the TOML file; without it the defaults of farline edge")
    parser.add_argument("--line", metavar="ID", action="append", help="only this line; may be repeated")
    parser.add_argument("--count", metavar="N", type=_count, default=5, help="probes of each kind (default 5)")
    parser.add_argument("--json", action="store_true", help="print one JSON object")
    parser.set_defaults(run=run)


def _count(text: str) -> int:
    number = int(text)
    if not 1 <= number <= 1000:
        raise argparse.ArgumentTypeError("1 to 1000")
    return number


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 something answered, 1 nothing did, 2 a faulty configuration or an unknown line."""
    try:
        snapshot = load(args.config) if args.config else defaults(os.environ)
    except ConfigError as error:
        print_faults(error, as_json=args.json, to=None if args.json else sys.stderr)
        return FAULTY
    known = {line.id for line in snapshot.lines}
    unknown = sorted(set(args.line or ()) - known)
    if unknown:
        print(f"farline probe: no line {', '.join(unknown)}; there are {', '.join(sorted(known))}", file=sys.stderr)
        return FAULTY
    if args.line:
        snapshot = replace(snapshot, lines=tuple(line for line in snapshot.lines if line.id in args.line))
    found = by_check(uvloop.run(_measure(snapshot, args.count)))
    notes = list(_notes(snapshot))
    if args.json:
        print(json.dumps({"checks": [_row(check, each) for check, each in found.items()], "notes": notes}, indent=2))
    else:
        _show(found, notes)
    return 0 if any(each.minimum is not None for each in found.values()) else 1


async def _measure(snapshot: Snapshot, count: int) -> list[ProbeResult]:
    results: list[ProbeResult] = []
    tables = Tables.of(snapshot)
    targets = [replace(target, keep_warm=0) for target in tables.targets]
    pools = make_pools(snapshot.lines, targets, connect_timeout=snapshot.timeouts.connect)
    prober = Prober(pools.dialer, pools, Listeners(on_result=lambda result: None, on_probe=results.append))
    policy = replace(snapshot.probe, enabled=True)
    prober.start(snapshot.lines, tables.far_ends, policy, on_demand=True)
    try:
        await prober.measure(count, max(PAUSE, len(prober.checks) / policy.budget_per_second))
    finally:
        await prober.close()
        await pools.close(1.0)
    order = {check: number for number, check in enumerate(sorted(prober.checks, key=_place(snapshot)))}
    return sorted(results, key=lambda result: order[Check(result.path, result.kind)])


def _place(snapshot: Snapshot) -> Any:
    """Lines in the file's order, then far ends by name, then kinds as they are configured."""
    lines = [line.id for line in snapshot.lines]
    return lambda check: (lines.index(check.path.line), check.path.endpoint, snapshot.probe.kinds.index(check.kind))


def _notes(snapshot: Snapshot) -> Iterator[str]:
    for line in snapshot.lines:
        for kind, why in inabilities(line, snapshot.probe.kinds).items():
            yield f"{line.id}: no {kind.value}: {why}"


def _row(check: Check, figures: Figures) -> dict[str, Any]:
    told = asdict(figures)
    times = {f"{name}_ms": _ms(told.pop(name)) for name in ("minimum", "median", "p95", "jitter")}
    return {"line": check.path.line, "endpoint": check.path.endpoint, "kind": check.kind.value, **told, **times}


def _ms(seconds: float | None) -> float | None:
    return None if seconds is None else round(seconds * 1000, 3)


def _show(found: dict[Check, Figures], notes: list[str]) -> None:
    console = Console(width=None if sys.stdout.isatty() else 160)
    table = Table(header_style="bold", caption="times in ms; HTTP's include the far end's own", caption_justify="left")
    for name in _COLUMNS:
        table.add_column(name, justify="left" if name in ("line", "far end", "kind", "failures") else "right")
    for check, figures in found.items():
        times = [_ms(time) for time in (figures.minimum, figures.median, figures.p95, figures.jitter)]
        table.add_row(
            check.path.line,
            check.path.endpoint,
            check.kind.value,
            str(figures.sent),
            f"{figures.lost} ({figures.loss_ratio:.0%})" if figures.lost else "0",
            *("–" if time is None else f"{time:.1f}" for time in times),
            ", ".join(f"{number} × {code}" for code, number in _failures(figures).items()),
        )
    console.print(table)
    for note in notes:
        console.print(note, style="dim", markup=False)


def _failures(figures: Figures) -> dict[str, int]:
    others = {"late": figures.late, "duplicate": figures.duplicates, "reordered": figures.reordered}
    return {**figures.failures, **{word: number for word, number in others.items() if number}}
