"""`farline alerts`: what fires on a running node, and what nobody wants to hear of for a while. docs/alerts.md"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable
from datetime import datetime
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from edge.cli.admin_client import REFUSED, AdminClient, add_options, performing
from edge.cli.spoken import duration

Action = Callable[[AdminClient, argparse.Namespace], int]

_EPILOG = """\
exit codes: 0 done; 1 refused, failed, or not in all workers; 2 wrong usage, or no node answers
examples:
  farline alerts
  farline alerts silence line-loss --subject cmi --for 2h --note "carrier ticket 4711"
  farline alerts unsilence line-loss --subject cmi
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser(
        "alerts",
        help="what fires on a running node; silences",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=performing("alerts", _list))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    _action(actions, "list", _list, "what fires, and the silences (the same without a word)")
    silence = _action(actions, "silence", _silence, "tell nobody of some alerts for a while; they are judged as before")
    silence.add_argument("--for", dest="length", type=duration, metavar="TIME", required=True, help="90m, 2h, 1d")
    silence.add_argument("--note", default="", help="for people")
    unsilence = _action(actions, "unsilence", _unsilence, "end a silence")
    for each in (silence, unsilence):
        each.add_argument("rule", help="a rule's id, or *")
        each.add_argument("--subject", default="*", metavar="ID", help="a line; left out: all")


def _action(actions: Any, name: str, action: Action, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    add_options(parser)
    parser.set_defaults(run=performing("alerts", action))
    return parser


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    told = client.ask("GET", "/api/v1/alerts")
    if vars(args).get("json"):
        print(json.dumps(told, indent=2, ensure_ascii=False))
        return 0
    console = Console(highlight=False, markup=False)
    console.print(_firing(told["alerts"]) if told["alerts"] else "Nothing fires.")
    if told["silences"]:
        console.print(_silences(told["silences"]))
    return 0


def _firing(alerts: list[dict[str, Any]]) -> Table:
    table = Table("alert", "subject", "severity", "value", "threshold", "for", "", box=None, pad_edge=False)
    for each in alerts:
        value = "–" if each["value"] is None else f"{each['value']:.4g}"
        seconds = f"{each['firing_seconds']:.0f} s"
        row = (each["rule"], each["subject"] or "node", each["severity"], value, f"{each['threshold']:g}", seconds)
        table.add_row(*row, "silenced" if each["silenced"] else "")
    return table


def _silences(silences: list[dict[str, Any]]) -> Table:
    table = Table("silenced", "subject", "until (local time)", "note", box=None, pad_edge=False)
    for each in silences:
        until = datetime.fromisoformat(each["ends"]).astimezone()
        table.add_row(each["rule"], each["subject"], f"{until:%Y-%m-%d %H:%M}", each["note"])
    return table


def _silence(client: AdminClient, args: argparse.Namespace) -> int:
    body = {"rule": args.rule, "subject": args.subject, "minutes": args.length / 60, "note": args.note}
    return _told(args, client.ask("POST", "/api/v1/silences", body))


def _unsilence(client: AdminClient, args: argparse.Namespace) -> int:
    query = urlencode({"rule": args.rule, "subject": args.subject})
    return _told(args, client.ask("DELETE", f"/api/v1/silences?{query}"))


def _told(args: argparse.Namespace, applied: dict[str, Any]) -> int:
    is_partial = bool(applied["failed"] or applied["not_saved"])
    if vars(args).get("json"):
        print(json.dumps(applied, indent=2))
    else:
        print(f"NOT saved, a restart would undo it: {applied['not_saved']}" if applied["not_saved"] else "Done.")
    return REFUSED if is_partial else 0
