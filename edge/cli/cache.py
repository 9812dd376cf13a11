"""`farline cache`: what a running node's cache holds and saves; purging it, warming it up. docs/cache.md"""

from __future__ import annotations

import argparse
import asyncio
import json
import os
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

from rich.console import Console

from edge.cli import cache_show as show
from edge.cli import calibrating
from edge.cli.admin_client import REFUSED, UNREACHABLE, AdminClient, AskFailed, add_options
from edge.cli.warming import BadLine, Warmth, requests_in, warm

DATA = "http://127.0.0.1:8080"
WRONG_USAGE = 2

_EPILOG = """\
exit codes: 0 done; 1 refused, failed, or not in all workers; 2 wrong usage, or no node answers
examples:
  farline cache                                  what it holds, did and saved
  farline cache purge --model gpt-4.1            all answers of that model
  farline cache purge --tenant app --prefix openai/
  farline cache warm questions.jsonl --key env:APP_KEY
  farline cache calibrate questions.jsonl        what similar questions would have done to a log of your own
  farline cache wrong 01JD…                      that request got a similar question's answer, and it was wrong
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser(
        "cache",
        help="the cache of a running node",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=_run(_stats))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    stats = actions.add_parser("stats", help="what it holds, did and saved (the same without a word)")
    add_options(stats)
    stats.set_defaults(run=_run(_stats))
    _add_purge(actions)
    _add_warm(actions)
    _add_wrong(actions)
    calibrating.add(actions)


def _add_purge(actions: Any) -> None:
    purge = actions.add_parser("purge", help="take answers out, in every worker; what is given must all fit")
    add_options(purge)
    purge.add_argument("--key", help="one entry: 64 hex digits, alone or after provider/model/")
    purge.add_argument("--model", help="as asked for")
    purge.add_argument("--tenant", help="a [[key]]'s id; * for what rules share between keys")
    purge.add_argument("--prefix", help="of provider/model/digest")
    purge.add_argument("--all", action="store_true", help="everything")
    purge.set_defaults(run=_run(_purge))


def _add_wrong(actions: Any) -> None:
    text = "a request was answered wrongly with a similar question's answer: purge it, and never again from that one"
    wrong = actions.add_parser("wrong", help=text, description=text)
    add_options(wrong)
    wrong.add_argument("request", help="its x-farline-request-id")
    wrong.set_defaults(run=_run(_wrong))


def _add_warm(actions: Any) -> None:
    text = 'send a file\'s requests through a node, so that it knows their answers; a line each: {"path": …, "body": …}'
    warm_ = actions.add_parser("warm", help=text, description=text)
    warm_.add_argument("file", type=Path, help="JSON lines, or - for standard input")
    warm_.add_argument("--url", default=DATA, help=f"the node's data listener (default {DATA})")
    warm_.add_argument("--key", metavar="REF", help="the farline key whose answers these are: env:NAME or file:PATH")
    warm_.add_argument("--credential", metavar="REF", help="the provider's key, if callers bring their own")
    warm_.add_argument("--at-once", type=int, default=2, metavar="N", help="requests at a time (default 2)")
    warm_.add_argument("--refresh", action="store_true", help="ask again for what is stored already")
    warm_.add_argument("--json", action="store_true", help="print one JSON object")
    warm_.set_defaults(run=_run_warm)


def _run(action: Callable[[argparse.Namespace], int]) -> Callable[[argparse.Namespace], int]:
    def run(args: argparse.Namespace) -> int:
        try:
            return action(args)
        except AskFailed as failed:
            if vars(args).get("json"):
                print(json.dumps({"ok": False, "detail": str(failed)}))
            print(f"farline cache: {failed}", file=sys.stderr)
            return failed.code

    return run


def _stats(args: argparse.Namespace) -> int:
    told = AdminClient.of(args).ask("GET", "/api/v1/cache")
    if vars(args).get("json"):
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        Console(width=None if sys.stdout.isatty() else 150, highlight=False).print(show.stats(told))
    return 0


def _purge(args: argparse.Namespace) -> int:
    asked = {name: value for name in ("key", "model", "tenant", "prefix") if (value := getattr(args, name)) is not None}
    if bool(asked) == args.all:
        raise AskFailed("purge what? --key, --model, --tenant, --prefix, or --all", UNREACHABLE)
    told = AdminClient.of(args).ask("POST", "/api/v1/cache/purge", asked or {"all": True})
    if vars(args).get("json"):
        print(json.dumps(told, indent=2, ensure_ascii=False))
    else:
        print(f"{told['purged']} {'entry' if told['purged'] == 1 else 'entries'} purged")
        for worker, why in told["failed"].items():
            print(f"NOT in worker {worker}: {why}")
    return REFUSED if told["failed"] else 0


def _wrong(args: argparse.Namespace) -> int:
    told = AdminClient.of(args).ask("POST", "/api/v1/cache/wrong", {"request": args.request})
    if vars(args).get("json"):
        print(json.dumps(told, indent=2, ensure_ascii=False))
    elif told["is_known"]:
        print("purged, and the two questions don't answer each other any more")
    else:
        print("no worker gave that request a similar question's answer lately")
    for worker, why in told["failed"].items():
        print(f"NOT in worker {worker}: {why}", file=sys.stderr)
    return 0 if told["is_known"] and not told["failed"] else REFUSED


def _run_warm(args: argparse.Namespace) -> int:
    try:
        text = sys.stdin.read() if str(args.file) == "-" else args.file.read_text("utf-8")
        asked = requests_in(text)
        secrets = {name: _secret(getattr(args, name)) for name in ("key", "credential")}
    except (OSError, BadLine, ValueError) as error:
        print(f"farline cache warm: {error}", file=sys.stderr)
        return WRONG_USAGE
    warmth: Warmth = asyncio.run(warm(args.url, asked, secrets, max(1, args.at_once), refresh=args.refresh))
    if args.json:
        print(json.dumps(warmth.document(), indent=2))
    else:
        print("\n".join(warmth.lines()))
    return REFUSED if warmth.failures else 0


def _secret(ref: str | None) -> str | None:
    """Raises ValueError: it isn't there."""
    if ref is None:
        return None
    source, _, name = ref.partition(":")
    found = os.environ.get(name) if source == "env" else Path(name).read_text() if source == "file" else None
    if not found or not found.strip():
        raise ValueError(f"{source}:… is not set; expected env:NAME or file:PATH")
    return found.strip()
