"""`farline lines`: what the lines of a running node are like, and how operators change that. docs/operating.md"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Callable
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console, Group, RenderableType
from rich.live import Live

from edge.cli import lines_show as show
from edge.cli.admin_client import REFUSED, UNREACHABLE, AdminClient, AskFailed, add_options, performing
from edge.cli.spoken import change_of, duration, moment, weight_of
from edge.control.lines import is_idle

QLOG_GRACE = 20.0  # seconds for the answer after the tracing
Action = Callable[[AdminClient, argparse.Namespace], int]

_EPILOG = """\
exit codes: 0 done; 1 refused, failed, or not in all workers; 2 wrong usage, or no node answers
examples:
  farline lines                                  how they are
  farline lines set cn2 weight=50                half of its usual share
  farline lines weights cn2=50 cu2=80 --preview  what share each line would get; then without --preview
  farline lines drain cn2 --wait 300             take it out, wait until its streams have finished
  farline lines maintenance add cn2 --from 02:00 --for 3h --note "carrier ticket 4711"
  farline lines why 3f2a91c07b-1c                why that request went where it went
"""


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser(
        "lines",
        help="lines of a running node",
        description=__doc__,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    add_options(parser)
    parser.set_defaults(run=performing("lines", _list))
    actions = parser.add_subparsers(metavar="ACTION", title="actions")
    _action(actions, "list", _list, "how the lines are (the same without a word)")
    watch = _action(actions, "watch", _watch, "the same, live, until Ctrl-C")
    watch.add_argument("--every", type=duration, default=1.0, metavar="TIME", help="default 1s")
    set_ = _action(actions, "set", _set, "change a line's weight or switch")
    set_.add_argument("id")
    set_.add_argument("change", nargs="*", help="weight=N (0: only when nothing else is left), switch=on|draining|off")
    set_.add_argument("--reset", action="store_true", help="as configured again")
    set_.add_argument("--preview", action="store_true", help="say what the shares would be, and change nothing")
    _force(set_)
    weights = _action(actions, "weights", _weights, "change several lines' weights; what comes of all together")
    weights.add_argument("weights", nargs="+", metavar="LINE=N")
    weights.add_argument("--preview", action="store_true", help="say what the shares would be, and change nothing")
    drain = _action(actions, "drain", _drain, "no new requests; those under way finish")
    drain.add_argument("id")
    drain.add_argument(
        "--wait", type=duration, metavar="TIME", help="wait so long until nothing is under way (300, 5m)"
    )
    _force(drain)
    undrain = _action(actions, "undrain", _undrain, "new requests again")
    undrain.add_argument("id")
    _action(actions, "pins", _pins, "what is pinned")
    pin = _action(actions, "pin", _pin, "requests of a subject go over one line while it can be used")
    pin.add_argument("subject", help='"*", provider:ID, model:NAME or key:ID')
    pin.add_argument("line")
    unpin = _action(actions, "unpin", _unpin, "remove a pin")
    unpin.add_argument("subject")
    why = _action(actions, "why", _why, "why a request went where it went")
    why.add_argument("request", help="its id: x-farline-request-id, or `request` in the log")
    _action(actions, "credentials", _credentials, "what is left of providers' rate limits, by credential and model")
    qlog = _action(actions, "qlog", _qlog, "write down what the sessions with a relay do, for qvis and its like")
    qlog.add_argument("id", help="a relay; with --at-relay, where the admin listener is a relay's, an edge")
    qlog.add_argument("--seconds", type=duration, default=10.0, metavar="TIME", help="default 10s, at most 120s")
    qlog.add_argument(
        "--max-mib", type=int, default=8, metavar="N", help="of each worker's part, at most 64; default 8"
    )
    qlog.add_argument("-o", "--output", metavar="FILE", required=True, help="a .sqlog file to write")
    qlog.add_argument("--at-relay", action="store_true")
    _add_maintenance(actions)


def _add_maintenance(actions: Any) -> None:
    parser = _action(actions, "maintenance", _windows, "times in which a line drains by itself")
    words = parser.add_subparsers(metavar="WHAT")
    _action(words, "list", _windows, "windows to come and going on")
    add_ = _action(words, "add", _add_window, "a new window")
    add_.add_argument("line")
    add_.add_argument("--from", dest="begins", metavar="TIME", help="22:30, 2026-11-23 22:30 or RFC 3339; default now")
    end = add_.add_mutually_exclusive_group(required=True)
    end.add_argument("--to", dest="ends", metavar="TIME")
    end.add_argument("--for", dest="length", type=duration, metavar="TIME", help="90m, 2h, 1h30m")
    add_.add_argument("--note", default="", help="for people")
    _force(add_)
    remove = _action(words, "remove", _remove_window, "remove a window, or end it early")
    remove.add_argument("id")


def _action(actions: Any, name: str, action: Action, text: str) -> argparse.ArgumentParser:
    parser: argparse.ArgumentParser = actions.add_parser(name, help=text, description=text)
    add_options(parser)
    parser.set_defaults(run=performing("lines", action))
    return parser


def _force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true", help="even if no other line is left that takes requests")


# --- looking ---


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, _ask_all(client), show.lines)


def _ask_all(client: AdminClient) -> dict[str, Any]:
    """Lines, and the relays whose sessions go over them."""
    return {**client.ask("GET", "/api/v1/lines"), **client.ask("GET", "/api/v1/relays")}


def _watch(client: AdminClient, args: argparse.Namespace) -> int:
    if vars(args).get("json"):
        raise AskFailed("watch is for people: take list --json", UNREACHABLE)
    with Live(show.lines(_ask_all(client)), console=_console(), screen=sys.stdout.isatty()) as live:
        while True:
            time.sleep(max(0.2, args.every))  # the pace that was asked for, within what the admin API allows
            live.update(show.lines(_ask_all(client)), refresh=True)


def _pins(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, client.ask("GET", "/api/v1/pins"), show.pins)


def _windows(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, client.ask("GET", "/api/v1/maintenance"), show.windows)


def _credentials(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, client.ask("GET", "/api/v1/credentials"), show.credentials)


def _why(client: AdminClient, args: argparse.Namespace) -> int:
    return _print(args, client.ask("GET", f"/api/v1/requests/{_part(args.request)}"), show.why)


def _qlog(client: AdminClient, args: argparse.Namespace) -> int:
    kind = "edges" if args.at_relay else "relays"
    order = {"seconds": args.seconds, "max_bytes": args.max_mib << 20}
    told = client.ask("POST", f"/api/v1/{kind}/{_part(args.id)}/qlog", order, seconds=args.seconds + QLOG_GRACE)
    try:
        Path(args.output).write_text(told.pop("qlog"))
    except OSError as error:
        raise AskFailed(f"{args.output}: {error.strerror}", UNREACHABLE) from None
    return _print(args, {"file": args.output, **told}, show.qlog)


# --- changing ---


def _set(client: AdminClient, args: argparse.Namespace) -> int:
    try:
        change: dict[str, Any] = {"weight": None, "switch": "on"} if args.reset else change_of(args.change)
    except ValueError as error:
        raise AskFailed(str(error), UNREACHABLE) from None
    if args.reset and args.change:
        raise AskFailed("either --reset or new values", UNREACHABLE)
    if args.preview:
        return _print(args, client.ask("POST", "/api/v1/preview", {"lines": {args.id: change}}), show.preview)
    if args.force:
        change["force"] = True
    return _told(args, client.ask("PATCH", f"/api/v1/lines/{_part(args.id)}", change))


def _weights(client: AdminClient, args: argparse.Namespace) -> int:
    try:
        changes = dict(weight_of(word) for word in args.weights)
    except ValueError as error:
        raise AskFailed(str(error), UNREACHABLE) from None
    shares = client.ask("POST", "/api/v1/preview", {"lines": changes})  # refused: none of them is changed
    if args.preview:
        return _print(args, shares, show.preview)
    applied = [client.ask("PATCH", f"/api/v1/lines/{_part(line)}", change) for line, change in changes.items()]
    _print(args, applied, lambda told: Group(*map(show.applied, told), show.preview(shares)))
    return REFUSED if any(map(_is_partial, applied)) else 0


def _drain(client: AdminClient, args: argparse.Namespace) -> int:
    body = {"force": True} if args.force else {}
    applied = client.ask("POST", f"/api/v1/lines/{_part(args.id)}/drain", body)
    if args.wait is None or _is_partial(applied):
        return _told(args, applied)
    return _wait(client, args, applied)


def _wait(client: AdminClient, args: argparse.Namespace, applied: dict[str, Any]) -> int:
    """Until the line has nothing under way in any worker, or the time is over."""
    end = time.monotonic() + args.wait
    while True:
        told = client.ask("GET", "/api/v1/lines")
        line = next(each for each in told["lines"] if each["id"] == args.id)
        if is_idle(line) and len(told["workers"]) == told["workers_expected"]:
            applied["line"] = line
            return _told(args, applied)
        if time.monotonic() >= end:
            raise AskFailed(f"{args.id} drains, but after {args.wait:g} s still has {show.under_way(line)}", REFUSED)
        if sys.stderr.isatty():
            print(f"\r{args.id}: {show.under_way(line)}   ", end="", file=sys.stderr, flush=True)
        time.sleep(min(1.0, max(0.05, end - time.monotonic())))  # before it asks again, not beyond the end


def _undrain(client: AdminClient, args: argparse.Namespace) -> int:
    return _told(args, client.ask("POST", f"/api/v1/lines/{_part(args.id)}/undrain", {}))


def _pin(client: AdminClient, args: argparse.Namespace) -> int:
    return _told(args, client.ask("PUT", "/api/v1/pins", {"subject": args.subject, "line": args.line}))


def _unpin(client: AdminClient, args: argparse.Namespace) -> int:
    return _told(args, client.ask("DELETE", f"/api/v1/pins?{urlencode({'subject': args.subject})}"))


def _add_window(client: AdminClient, args: argparse.Namespace) -> int:
    now = datetime.now().astimezone()
    try:
        begins = moment(args.begins, now) if args.begins else now
        ends = begins + timedelta(seconds=args.length) if args.length is not None else moment(args.ends, begins)
    except (ValueError, OverflowError) as error:
        raise AskFailed(str(error), UNREACHABLE) from None
    body: dict[str, Any] = {"line": args.line, "begins": begins.isoformat(), "ends": ends.isoformat()}
    body |= {"note": args.note, "force": args.force}
    return _told(args, client.ask("POST", "/api/v1/maintenance", body))


def _remove_window(client: AdminClient, args: argparse.Namespace) -> int:
    return _told(args, client.ask("DELETE", f"/api/v1/maintenance/{_part(args.id)}"))


# --- printing ---


def _print(args: argparse.Namespace, document: Any, render: Callable[[Any], RenderableType]) -> int:
    if vars(args).get("json"):
        print(json.dumps(document, indent=2, ensure_ascii=False))
    else:
        _console().print(render(document))
    return 0


def _told(args: argparse.Namespace, applied: dict[str, Any]) -> int:
    _print(args, applied, show.applied)
    return REFUSED if _is_partial(applied) else 0


def _is_partial(applied: dict[str, Any]) -> bool:
    return bool(applied["failed"] or applied["not_saved"])


def _console() -> Console:
    return Console(width=None if sys.stdout.isatty() else 150, highlight=False)


def _part(text: str) -> str:
    return quote(text, safe="")
