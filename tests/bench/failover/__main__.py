"""`python -m tests.bench.failover`, as root: see docs/failover.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
import time
from collections.abc import Callable
from dataclasses import replace
from math import ceil
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from netem.aio.namespaces import LabError
from netem.bench.aio.kernel import allowed
from netem.bench.aio.processes import StageError
from netem.bench.aio.run import machine_facts
from tests.bench.failover import weights
from tests.bench.failover.judging import Played, Row, row
from tests.bench.failover.place import CONGESTION
from tests.bench.failover.plan import FULL, HAPPENINGS, LINES, QUICK, STANDARD, Plan, find
from tests.bench.failover.play import play
from tests.bench.failover.report import COLUMNS, Report, document, markdown, notes, summary, table
from tests.bench.failover.soak import plain_soak, soak

_WEIGHTED = (80.0, 10.0, 10.0)
"""Under the policy "weighted" one line must be the active one."""


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 it ran; 1 what must be 0 isn't (docs/failover.md); 2 it couldn't run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args = _parser().parse_args(argv)
    try:
        with allowed({CONGESTION}):
            return _run(args)
    except (LabError, StageError, ValueError, OSError) as refused:
        print(f"failover: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench.failover", description=__doc__)
    size = parser.add_mutually_exclusive_group()
    size.add_argument("--quick", action="store_true", help="four conditions in under four minutes")
    size.add_argument("--full", action="store_true", help="every event and every profile")
    parser.add_argument("--only", help=f"beginnings of names, comma-separated: {', '.join(HAPPENINGS)}")
    size.add_argument("--soak", type=float, metavar="SECONDS", help="all lines alike, no event: wrong ejections")
    size.add_argument(
        "--show", choices=tuple(SHOWS), help="operators' weights and draining; all lines cut and a local pool"
    )
    parser.add_argument("--profile", default="internet-bad", help="of --soak (default internet-bad)")
    parser.add_argument("--policy", default="best")
    parser.add_argument("--weights", help=f"of {', '.join(LINES)}, e.g. 50,30,20")
    parser.add_argument("--streams", type=int, help="at a time (default 40, of --soak 10)")
    parser.add_argument("--rounds", type=int, default=1)
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument("--extra", type=Path, metavar="FILE", help="TOML to put at the end of the edge's file")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    parser.add_argument("--list", action="store_true", help="say what would run, and how long, and do nothing")
    return parser


def plan_of(args: argparse.Namespace) -> Plan:
    """What the options say. Raises ValueError."""
    names = tuple(args.only.split(",")) if args.only else QUICK if args.quick else FULL if args.full else STANDARD
    plan = Plan(
        find(names),
        policy=args.policy,
        streams=args.streams or (10 if args.soak else 40),
        rounds=args.rounds,
        seed=args.seed,
        extra=args.extra.read_text() if args.extra else "",
    )
    if args.weights:
        return replace(plan, weights=tuple(map(float, args.weights.split(","))))
    return replace(plan, weights=_WEIGHTED) if args.policy == "weighted" else plan


def _run(args: argparse.Namespace) -> int:
    plan = plan_of(args)
    if args.soak:
        soaked = soak(plan, args.profile, args.soak)
        print(soaked)
        _write(args.json, plain_soak(soaked))
        return 1 if soaked.ejections or soaked.refused or soaked.truncated else 0
    if args.show:
        return SHOWS[args.show](args, plan)
    turns = plan.turns()
    print(f"{plan.rounds * len(turns)} turns, about {ceil(plan.expected_seconds / 60)} minutes", file=sys.stderr)
    if args.list:
        print("\n".join(each.name for each in turns))
        return 0
    return _play(args, plan)


def _show_weights(args: argparse.Namespace, plan: Plan) -> int:
    shown = weights.show(plan)
    print(shown)
    _write(args.json, weights.plain_weights(shown))
    return 0 if shown.is_right else 1


def _show_pool(args: argparse.Namespace, plan: Plan) -> int:
    from tests.bench.failover import pool  # only this show needs the SDKs and a llama.cpp server

    shown = pool.show(plan)
    print("\n".join([*pool.timeline(shown.calls), str(shown)]))
    _write(args.json, pool.plain_pool(shown))
    return 0 if shown.is_right else 1


SHOWS: dict[str, Callable[[argparse.Namespace, Plan], int]] = {"weights": _show_weights, "pool": _show_pool}


def _play(args: argparse.Namespace, plan: Plan) -> int:
    machine, began = machine_facts(), time.monotonic()
    report = Report(plan, machine, _measure(plan), time.monotonic() - began)
    _show(report)
    _write(args.json, document(report))
    if args.markdown:
        args.markdown.write_text(markdown(report))
    return 1 if any((each.fates.refused and not each.may_fail) or each.fates.truncated for each in report.rows) else 0


def _write(file: Path | None, what: dict[str, Any]) -> None:
    if file:
        file.write_text(json.dumps(what, indent=1, ensure_ascii=False) + "\n")


def _measure(plan: Plan) -> list[Row]:
    found: list[Row] = []
    for round in range(plan.rounds):
        twin = Played(plan.happenings[0], round)
        for happening in plan.turns():
            played = play(happening, plan, round)
            twin = played if happening.strikes == "nothing" else twin
            found.append(row(played, twin, plan.tokens, plan.round_trip))
            _tell(found[-1])
    return found


def _tell(row: Row) -> None:
    told = ", ".join(f"{head} {cell(row)}" for head, cell in COLUMNS)
    print(f"round {row.round + 1}: {told}", file=sys.stderr, flush=True)
    if row.fates.faults or row.fault:
        print(f"  {row.fault} {dict(row.fates.faults)} failovers {dict(row.failovers)}", file=sys.stderr, flush=True)


def _show(report: Report) -> None:
    console = Console(width=None if sys.stdout.isatty() else 260)
    for text in summary(report):
        console.print(text, style="dim", markup=False)
    shown = Table(header_style="bold")
    for number, (head, _) in enumerate(COLUMNS):
        shown.add_column(head, justify="left" if number < 2 else "right")
    for cells in table(report.rows):
        shown.add_row(*cells)
    console.print(shown)
    for note in notes(report.rows):
        console.print(f"  {note}", style="yellow", markup=False)


if __name__ == "__main__":
    sys.exit(main())
