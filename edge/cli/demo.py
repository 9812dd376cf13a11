"""`farline demo`: see what several bad lines and an edge are worth; or something to try the edge against."""

from __future__ import annotations

import argparse
import sys
from typing import Any

from netem.demo.aio import run as live
from netem.provider.aio.command import add_arguments, serve

_ABOUT = """\
The same streaming requests straight over one bad line and through farline over several, side by side. Keys break and
heal the lines. With root the lines are network namespaces, without it relays on loopback. docs/demo.md says more."""


def add(subparsers: Any) -> None:
    """Register the verb; `subparsers` is what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser(
        "demo", help="farline beside a direct connection, live in the terminal; a fake provider", description=_ABOUT
    )
    live.add_arguments(parser)
    parser.set_defaults(run=_run)
    verbs = parser.add_subparsers(metavar="WHAT")
    again = verbs.add_parser("live", help="the same as without a word", description=_ABOUT)
    live.add_arguments(again)
    provider = verbs.add_parser(
        "provider",
        help="a fake OpenAI, Anthropic and Gemini with settable pace and faults",
    )
    add_arguments(provider)
    provider.set_defaults(run=serve)


def _run(args: argparse.Namespace) -> int:
    return live.run(args, [sys.executable, "-m", "edge.cli", "edge", "-c"])
