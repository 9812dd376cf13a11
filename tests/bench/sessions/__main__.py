"""`python -m tests.bench.sessions`, as root: see docs/sessions-lab.md."""

from __future__ import annotations

import argparse
import json
import signal
import sys
from pathlib import Path

from netem.aio.namespaces import LabError
from netem.bench.aio.kernel import allowed
from netem.bench.aio.processes import StageError
from netem.bench.aio.run import machine_facts
from tests.bench.failover.place import CONGESTION
from tests.bench.sessions.shows import SHOWS, Order, Shown, played


def main(argv: list[str] | None = None) -> int:
    """Exit codes: 0 all is as it must be; 1 it isn't; 2 it couldn't run."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    args = _parser().parse_args(argv)
    order = Order(
        args.minutes, args.streams, args.rounds, args.seed, args.only, tuple(filter(None, args.systems.split(",")))
    )
    machine = machine_facts()
    try:
        with allowed({CONGESTION}):
            shown = played(args.show, order)
    except (LabError, StageError, ValueError, OSError) as refused:
        print(f"sessions: {refused}", file=sys.stderr)
        return 2
    except KeyboardInterrupt:
        return 130
    text = markdown(shown, machine)
    print(text)
    if args.markdown:
        args.markdown.write_text(text + "\n")
    if args.json:
        plain = {"machine": machine, "is_right": shown.is_right, **shown.plain}
        args.json.write_text(json.dumps(plain, indent=1, ensure_ascii=False, default=str) + "\n")
    return 0 if shown.is_right else 1


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser("python -m tests.bench.sessions", description=__doc__)
    parser.add_argument("--show", choices=tuple(SHOWS), required=True)
    parser.add_argument("--minutes", type=float, default=0.0, help="of chaos (default 30)")
    parser.add_argument("--streams", type=int, default=0, help="at a time; default: the show's")
    parser.add_argument("--rounds", type=int, default=1, help="of profiles and premium")
    parser.add_argument("--seed", type=int, default=1)
    parser.add_argument(
        "--only", default="", help="of profiles: names; of restarts: beginnings of names; comma-separated"
    )
    parser.add_argument("--systems", default="", help="comma-separated, instead of the show's")
    parser.add_argument("--json", type=Path, metavar="FILE")
    parser.add_argument("--markdown", type=Path, metavar="FILE")
    return parser


def markdown(shown: Shown, machine: dict[str, object]) -> str:
    """The whole report."""
    facts = (
        f"{machine.get('cpu')}, {machine.get('cores')} cores, Linux {machine.get('kernel')}, Python "
        f"{machine.get('python')}, load {machine.get('load_average')}, {machine.get('at_utc')}; "
        f"{shown.plain.get('seconds')} s, {shown.plain.get('order')}"
    )
    return "\n\n".join([f"## {shown.title}", facts, *filter(None, shown.parts)])


if __name__ == "__main__":
    sys.exit(main())
