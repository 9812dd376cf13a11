"""`farline top`: a running node at a glance, live in the terminal."""

from __future__ import annotations

import argparse
import json
import sys
import time
from typing import Any

from rich.console import Console, RenderableType
from rich.live import Live

from edge.cli import top_show as show
from edge.cli.admin_client import UNREACHABLE, AdminClient, AskFailed, add_options
from edge.cli.spoken import duration

_ASKED = {
    "lines": "lines",
    "alerts": "alerts",
    "nodes": "nodes",
    "ranking": "ranking",
    "charts": "history/lines?span=10m&series=true",
    "today": "history/lines?span=today",
    "failed": "requests?failed=true&limit=8",
    "events": "history/events?span=1d&limit=300",
}


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser("top", help="a node at a glance, live", description=__doc__)
    add_options(parser)
    parser.add_argument("--once", action="store_true", help="print one frame and leave")
    parser.add_argument("--every", type=duration, default=2.0, metavar="TIME", help="between two looks; default 2s")
    parser.add_argument("--width", type=int, metavar="N", help="columns, where there is no terminal (default 120)")
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0; 1 the node refuses; 2 no node answers, or wrong usage."""
    try:
        return _run(AdminClient.of(args), args)
    except AskFailed as failed:
        print(f"farline top: {failed}", file=sys.stderr)
        return failed.code


def _run(client: AdminClient, args: argparse.Namespace) -> int:
    console = Console(width=None if sys.stdout.isatty() else args.width or 120, highlight=False)
    is_json = vars(args).get("json")
    if is_json and not args.once:
        raise AskFailed("--json goes with --once", UNREACHABLE)
    told = look(client)
    if is_json:
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    if args.once:
        console.print(show.frame(told))
        return 0
    with Live(show.frame(told), console=console, screen=sys.stdout.isatty(), auto_refresh=False) as live:
        while True:
            time.sleep(max(0.5, args.every))  # the pace that was asked for, within what the admin API allows
            live.update(_again(client), refresh=True)


def _again(client: AdminClient) -> RenderableType:
    """The next frame; a node that is silent for a while is said to be, and asked again."""
    try:
        return show.frame(look(client))
    except AskFailed as failed:
        if failed.code != UNREACHABLE:
            raise
        return show.silent(str(failed))


def look(client: AdminClient) -> dict[str, Any]:
    """All that a frame shows."""
    return {name: client.ask("GET", f"/api/v1/{path}") for name, path in _ASKED.items()}
