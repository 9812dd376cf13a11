"""`farline requests`: what ended lately on a running node, and where one request's time went. docs/operating.md"""

from __future__ import annotations

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console, RenderableType

from edge.cli import requests_show as show
from edge.cli.admin_client import AdminClient, add_options, performing
from edge.cli.spoken import duration

Action = Callable[[AdminClient, argparse.Namespace], int]

_WIDE = 150  # columns, if the reader is no terminal
_EPILOG = """\
exit codes: 0 done; 1 refused or unknown; 2 wrong usage, or no node answers
examples:
  farline requests --slower-than 2s --slowest        who waited long for a first byte
  farline requests --failed --line cn2               what went wrong there
  farline requests show 3f2a91c07b-1c                where its time went, and why it took its way
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser(
        "requests",
        help="requests that ended lately",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    _add_filters(parser)
    parser.set_defaults(run=performing("requests", _list))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    one = actions.add_parser("show", help="one of them in full", description="One request in full.")
    add_options(one)
    one.add_argument("request", help="its id: x-farline-request-id, or `request` in the log")
    one.set_defaults(run=performing("requests", _show))


def _add_filters(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--limit", type=int, default=20, metavar="N", help="the newest N; default 20, at most 500")
    parser.add_argument("--line", metavar="ID", help="an attempt was made on it")
    for name in ("provider", "model"):
        parser.add_argument(f"--{name}", metavar="NAME")
    parser.add_argument("--key", dest="principal", metavar="ID", help="of this [[key]]")
    parser.add_argument("--status", type=int, metavar="N")
    parser.add_argument("--failed", action="store_true", help="with a failure or a status of 400 and more")
    parser.add_argument("--slower-than", type=duration, metavar="TIME", help="the first byte took longer (0.5s, 2s)")
    parser.add_argument("--slowest", action="store_true", help="the slowest first, not the newest")


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    wanted = {name: getattr(args, name) for name in ("limit", "line", "provider", "model", "principal", "status")}
    query = {name: value for name, value in wanted.items() if value is not None}
    if args.failed:
        query["failed"] = "true"
    if args.slower_than is not None:
        query["slower_than_ms"] = round(args.slower_than * 1000)
    told = client.ask("GET", f"/api/v1/requests?{urlencode(query)}")
    if args.slowest:
        told["requests"].sort(key=show.waited_ms, reverse=True)
    return _print(args, told, show.requests)


def _show(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, client.ask("GET", f"/api/v1/requests/{quote(args.request, safe='')}"), show.request)


def _print(args: argparse.Namespace, told: Any, render: Callable[[Any], RenderableType]) -> int:
    if vars(args).get("json"):
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        Console(width=None if sys.stdout.isatty() else _WIDE, highlight=False, markup=False).print(render(told))
    return 0
