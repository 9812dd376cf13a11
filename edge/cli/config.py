"""`farline config`: publish a configuration once for all nodes of a channel, see who runs what, go back.

The node that is asked (--admin) checks it against its own file first. Each node then checks it against its own, and
goes on with what it has if it can't take it. Versions only rise: going back publishes the older text once more.
"""

from __future__ import annotations

import argparse
import difflib
import json
import os
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

from rich.console import Console
from rich.table import Table

from edge.cli.admin_client import REFUSED, UNREACHABLE, AdminClient, AskFailed, add_options, performing
from edge.config.published import Version, signed
from transport.session import keys

WAIT = 5.0
"""Seconds in which nodes take a version up, usually less than two."""
_ROUTE = "/api/v1/config/versions"


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parsers."""
    parser = subparsers.add_parser(
        "config", help="publish a configuration for all nodes, see who runs what, go back", description=__doc__
    )
    add_options(parser)
    actions = parser.add_subparsers(dest="action", metavar="ACTION", required=True)

    def action(name: str, text: str, run: Callable[[AdminClient, argparse.Namespace], int]) -> argparse.ArgumentParser:
        found = actions.add_parser(name, help=text, description=text)
        found.add_argument("--channel", metavar="NAME", help="default: the one that the asked node takes")
        found.set_defaults(run=performing("config", run))
        add_options(found)
        return found

    publish = action("publish", "Publish a file as the next version.", _publish)
    publish.add_argument("file", type=Path, metavar="FILE", help="TOML with the sections that nodes share")
    publish.add_argument("--dry-run", action="store_true", help="only check it, and show what would change")
    action("list", "The versions, and which nodes run which.", _list)
    show = action("show", "A version's text.", _show)
    show.add_argument("version", type=int, metavar="VERSION")
    diff = action("diff", "What differs between two versions.", _diff)
    diff.add_argument("old", type=int, metavar="A")
    diff.add_argument("new", type=int, metavar="B")
    rollback = action("rollback", "Publish an older version's text once more, for all nodes.", _rollback)
    rollback.add_argument(
        "version", type=int, nargs="?", metavar="VERSION", help="default: the one before the text in use"
    )
    promote = action("promote", "Publish for all nodes what some have tried.", _promote)
    promote.add_argument("version", type=int, nargs="?", metavar="VERSION", help="default: the newest")
    for each in (publish, rollback, promote):
        each.add_argument("--note", default="", metavar="TEXT", help="why, for the list")
        each.add_argument("--key", metavar="REF", help="sign with the private key in file:PATH or env:NAME")
        each.add_argument(
            "--wait", type=float, default=WAIT, metavar="SECONDS", help="for nodes to take it (5; 0: don't)"
        )
    for each in (publish, rollback):
        each.add_argument("--nodes", default="", metavar="NAME,…", help="only these: the others keep what they have")


def _publish(client: AdminClient, args: argparse.Namespace) -> int:
    try:
        text = args.file.read_text("utf-8-sig")
    except (OSError, ValueError) as error:
        raise AskFailed(f"{args.file}: {error}", UNREACHABLE) from None
    told = _versions(client, args)
    if args.dry_run:
        tried = _post(client, args, told, {"text": text, "dry_run": True}, text)
        newest = _text(client, args, told["versions"][0]["version"]) if told["versions"] else ""
        if vars(args).get("json"):
            print(json.dumps(tried, indent=2))
        else:
            _print_difference(newest, text, _label(told, told["next"] - 1), str(args.file))
            print(f"{tried['channel']}@{tried['version']} could be published; nothing was.")
        return 0
    return _announce(client, args, _post(client, args, told, {"text": text}, text))


def _rollback(client: AdminClient, args: argparse.Namespace) -> int:
    told = _versions(client, args)
    return _again(client, args, told, args.version or _before(told))


def _promote(client: AdminClient, args: argparse.Namespace) -> int:
    args.nodes = ""
    told = _versions(client, args)
    if not told["versions"]:
        raise AskFailed(f"nothing is published on {told['channel']}", REFUSED)
    return _again(client, args, told, args.version or told["versions"][0]["version"])


def _before(told: dict[str, Any]) -> int:
    """The newest version that is older than the text in use, and another: going back twice goes back two steps."""
    newest = told["versions"][0] if told["versions"] else {"again": None, "version": 0, "digest": ""}
    since = newest["again"] or newest["version"]
    older = (each for each in told["versions"] if each["version"] < since and each["digest"] != newest["digest"])
    found = next(older, None)
    if found is None:
        raise AskFailed(f"no older version of {told['channel']} is remembered to go back to", REFUSED)
    return int(found["again"] or found["version"])


def _again(client: AdminClient, args: argparse.Namespace, told: dict[str, Any], version: int) -> int:
    text = _text(client, args, version)
    return _announce(client, args, _post(client, args, told, {"again": version}, text))


def _post(
    client: AdminClient, args: argparse.Namespace, told: dict[str, Any], document: dict[str, Any], text: str
) -> dict[str, Any]:
    """`told`: what the node said of the channel. The number is part of what is sent: if somebody else publishes
    meanwhile, this fails."""
    nodes = tuple(filter(None, args.nodes.split(",")))
    version = Version(told["channel"], told["next"], text, nodes=nodes)
    if args.key is not None:
        version = signed(version, told["cluster"], _key(args.key))
    sent = {
        **document,
        "channel": version.channel,
        "number": version.number,
        "note": args.note,
        "nodes": list(nodes),
        "public": version.public,
        "signature": version.signature,
    }
    found: dict[str, Any] = client.ask("POST", _ROUTE, sent)
    return found


def _key(ref: str) -> keys.PrivateKey:
    source, _, name = ref.partition(":")
    try:
        if source == "file":
            return keys.load(Path(name).read_bytes())
        if source == "env" and name in os.environ:
            return keys.load(os.environ[name].encode())
    except OSError as error:
        raise AskFailed(f"--key: {name}: {error.strerror}", UNREACHABLE) from None
    except keys.BadKey as bad:
        raise AskFailed(f"--key: {name}: {bad}", UNREACHABLE) from None
    raise AskFailed("--key: expected file:PATH, or env:NAME of a variable that is set", UNREACHABLE)


def _announce(client: AdminClient, args: argparse.Namespace, published: dict[str, Any]) -> int:
    """Waits until every node that is meant runs it, or has refused it."""
    number = published["version"]
    end = time.monotonic() + args.wait
    while True:
        args.channel = published["channel"]
        told = _versions(client, args)
        waiting, refused = _standing(told["nodes"], published)
        if (not waiting and _meant(told["nodes"], published)) or time.monotonic() > end:
            break
        time.sleep(0.2)  # before it asks again: nodes look every 0.4 s
    if vars(args).get("json"):
        newest = next((each for each in told["versions"] if each["version"] == number), published)
        print(json.dumps({**newest, "waiting": waiting}, indent=2))
    else:
        running = sorted(set(_meant(told["nodes"], published)) - set(waiting) - set(refused))
        print(f"{published['channel']}@{number} is published{'' if not running else '; in use: ' + ', '.join(running)}")
        for name, why in refused.items():
            print(f"{name} refuses it: {why}", file=sys.stderr)
        if not told["nodes"]:
            print(f"no node is known that takes {published['channel']}", file=sys.stderr)
        if waiting and args.wait:
            print(f"not yet: {', '.join(waiting)}", file=sys.stderr)
    return REFUSED if refused or (waiting and args.wait) else 0


def _meant(nodes: list[dict[str, Any]], published: dict[str, Any]) -> list[str]:
    return [node["name"] for node in nodes if not published["nodes"] or node["name"] in published["nodes"]]


def _standing(nodes: list[dict[str, Any]], published: dict[str, Any]) -> tuple[list[str], dict[str, str]]:
    """Who has neither taken it nor said no, and who has said no."""
    number, meant = published["version"], _meant(nodes, published)
    missing = sorted(set(published["nodes"]) - {node["name"] for node in nodes})
    refused, waiting = {}, missing
    for node in nodes:
        if node["name"] not in meant or node["version"] >= number:
            continue
        if node["refused"] is not None and node["refused"]["version"] >= number:
            refused[node["name"]] = node["refused"]["why"]
        else:
            waiting.append(node["name"])
    return waiting, refused


def _list(client: AdminClient, args: argparse.Namespace) -> int:
    told = _versions(client, args)
    if vars(args).get("json"):
        print(json.dumps(told, indent=2))
        return 0
    console = Console(highlight=False, markup=False)
    if not told["versions"]:
        console.print(f"nothing is published on {told['channel']}")
    else:
        console.print(_table(told))
    for node in told["nodes"]:
        if node["refused"] is not None:
            console.print(f"{node['name']} refuses version {node['refused']['version']}: {node['refused']['why']}")
        if not node["version"]:
            console.print(f"{node['name']} runs no version yet")
    return 0


def _table(told: dict[str, Any]) -> Table:
    table = Table(box=None)
    for name in ("version", "published (UTC)", "by", "for", "digest"):
        table.add_column(name, no_wrap=True)
    for name in ("in use on", "note"):
        table.add_column(name)
    for each in told["versions"]:
        again = f"again {each['again']}" if each["again"] else ""
        table.add_row(
            str(each["version"]),
            each["at"][:16].replace("T", " "),
            each["who"],
            ", ".join(each["nodes"]) or "all",
            each["digest"][:8] + (" signed" if each["signed_by"] else ""),
            ", ".join(each["running"]) or "–",
            " – ".join(filter(None, (again, each["note"]))),
        )
    return table


def _show(client: AdminClient, args: argparse.Namespace) -> int:
    found = _version(client, args, args.version)
    print(json.dumps(found, indent=2) if vars(args).get("json") else found["text"].rstrip("\n"))
    return 0


def _diff(client: AdminClient, args: argparse.Namespace) -> int:
    old, new = (_version(client, args, each) for each in (args.old, args.new))
    _print_difference(old["text"], new["text"], _label(old, args.old), _label(new, args.new))
    return 0


def _print_difference(old: str, new: str, before: str, after: str) -> None:
    rows = difflib.unified_diff(old.splitlines(), new.splitlines(), before, after, lineterm="")
    print("\n".join(rows) or f"{before} and {after} are the same")


def _label(told: dict[str, Any], number: int) -> str:
    return f"{told['channel']}@{number}"


def _versions(client: AdminClient, args: argparse.Namespace) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("GET", _ROUTE + _query(args))
    if found["channel"] is None:
        raise AskFailed("the asked node takes no channel ([cluster] config); name one with --channel", REFUSED)
    return found


def _version(client: AdminClient, args: argparse.Namespace, number: int) -> dict[str, Any]:
    found: dict[str, Any] = client.ask("GET", f"{_ROUTE}/{quote(str(number))}{_query(args)}")
    return found


def _text(client: AdminClient, args: argparse.Namespace, number: int) -> str:
    return str(_version(client, args, number)["text"])


def _query(args: argparse.Namespace) -> str:
    return f"?{urlencode({'channel': args.channel})}" if args.channel else ""
