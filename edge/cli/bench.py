"""`farline bench`: what users of farline and of other systems see over the same bad lines. docs/benchmark.md"""

from __future__ import annotations

import argparse
import json
import sys
import time
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from netem.aio.namespaces import LabError
from netem.bench.aio.run import machine_facts, run, schedule
from netem.bench.figures import cells
from netem.bench.page import page
from netem.bench.plan import FULL, QUICK, STANDARD, TRAFFIC, Load, Plan, conditions
from netem.bench.record import Turn
from netem.bench.report import COLUMNS, RATIO_COLUMNS, Column, Report, document, doubts, markdown, notes, rows, summary
from netem.bench.systems import ADAPTERS, adapter
from netem.profiles import PROFILES

_LOAD = ("streams", "requests", "tokens", "interval_ms", "think_ms", "prompt_bytes")


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """Add the verb."""
    parser = subparsers.add_parser("bench", help="compare systems over bad networks", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="a few cells in under three minutes")
    size.add_argument("--full", action="store_true", help="all systems, for publication, under 45 minutes")
    parser.add_argument("--systems", type=_names, help=f"some of {', '.join(ADAPTERS)}")
    parser.add_argument("--profiles", type=_names, help=f"some of {', '.join(PROFILES)}")
    parser.add_argument("--events", type=_names, help='e.g. "blackhole-3,flap"; on the first profile; "" for none')
    parser.add_argument("--traffic", type=_names, help=f"some of {', '.join(TRAFFIC)}")
    parser.add_argument("--rounds", type=int)
    parser.add_argument("--seed", type=int)
    parser.add_argument("--baseline", help="the system that ratios are to (default direct-bbr)")
    for name in _LOAD:
        kind = type(getattr(Load(), name))
        parser.add_argument(f"--{name.replace('_', '-')}", type=kind, help=f"default {getattr(Load(), name):g}")
    for kind_of_file in ("json", "markdown", "html"):
        parser.add_argument(f"--{kind_of_file}", metavar="FILE", type=Path, help=f"write the report as {kind_of_file}")
    parser.add_argument("--list", action="store_true", help="say what would run, and how long, and do nothing")
    parser.set_defaults(run=main)


def _names(text: str) -> tuple[str, ...]:
    return tuple(filter(None, map(str.strip, text.split(","))))


def main(args: argparse.Namespace) -> int:
    """Exit codes: 0 it ran, 1 a token was lost or repeated or a reply only looked complete, 2 it couldn't be run."""
    try:
        plan = plan_of(args)
        turns = list(schedule(plan))
        expected = plan.expected_seconds * len(turns) / plan.turns
        print(f"{len(turns)} turns, about {ceil(expected / 60)} minutes", file=sys.stderr)
        if args.list:
            return 0
        report = _measure(plan, len(turns))
    except (LabError, ValueError, OSError) as refused:
        print(f"farline bench: {refused}", file=sys.stderr)
        return 2
    _show(report)
    _write(args, report)
    return 1 if any(cell.lost or cell.repeated or cell.truncated for cell in report.cells) else 0


def plan_of(args: argparse.Namespace) -> Plan:
    """What the options say, over `--quick`, `--full` or the standard plan. Raises ValueError."""
    base = QUICK if args.quick else FULL if args.full else STANDARD
    given: dict[str, Any] = {name: getattr(args, name) for name in ("systems", "rounds", "seed", "baseline")}
    load = {name: value for name in _LOAD if (value := getattr(args, name)) is not None}
    profiles = args.profiles or tuple(dict.fromkeys(each.profile for each in base.conditions))
    events = tuple(each.event for each in base.conditions if each.event) if args.events is None else args.events
    traffic = args.traffic or tuple(dict.fromkeys(each.traffic for each in base.conditions))
    plan = replace(
        base,
        conditions=conditions(profiles, events, traffic),
        load=replace(base.load, **load),
        **{name: value for name, value in given.items() if value is not None},
    )
    for name in (*plan.systems, plan.baseline):
        adapter(name)
    return plan


def _measure(plan: Plan, total: int) -> Report:
    machine, began = machine_facts(), time.monotonic()

    def tell(number: int, turn: Turn) -> None:
        about = turn.fault.splitlines()[-1] if turn.fault else f"{len(turn.replies)} requests"
        where = " ".join(filter(None, (turn.profile, turn.event, turn.traffic)))
        print(f"[{number}/{total}] {turn.system}, {where}, round {turn.round + 1}: {about}", file=sys.stderr)

    turns = run(plan, tell)
    found = cells(turns, plan.load, baseline=plan.baseline, seed=plan.seed)
    return Report(plan, machine, found, turns, time.monotonic() - began)


def _show(report: Report) -> None:
    console = Console(width=None if sys.stdout.isatty() else 220)
    for text in summary(report):
        console.print(text, style="dim", markup=False)
    for condition in report.conditions():
        under = report.under(condition)
        console.print(_table(condition.title, COLUMNS, rows(under)))
        if ratios := rows(under, RATIO_COLUMNS):
            console.print(_table(f"{condition.title}: ratios to {report.plan.baseline}", RATIO_COLUMNS, ratios))
        for note in notes(under):
            console.print(f"  {note}", style="yellow", markup=False)
    for doubt in doubts(report):
        console.print(f"doubt: {doubt}", style="yellow", markup=False)


def _table(title: str, columns: tuple[Column, ...], lines: list[list[str]]) -> Table:
    table = Table(title=title, title_justify="left", header_style="bold")
    for number, (head, _) in enumerate(columns):
        table.add_column(head, justify="left" if number == 0 else "right")
    for line in lines:
        table.add_row(*line)
    return table


def _write(args: argparse.Namespace, report: Report) -> None:
    if args.json:
        args.json.write_text(json.dumps(document(report), indent=1) + "\n")
    if args.markdown:
        args.markdown.write_text(markdown(report))
    if args.html:
        args.html.write_text(page(report))
