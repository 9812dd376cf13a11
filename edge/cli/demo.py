"""`farline demo`: something to try the edge against."""

from __future__ import annotations

from typing import Any

from netem.provider.aio.command import add_arguments, serve


def add(subparsers: Any) -> None:
    """Register the verb; `subparsers` is what `ArgumentParser.add_subparsers` returned."""
    parser = subparsers.add_parser("demo", help="a fake provider to try the edge against")
    verbs = parser.add_subparsers(required=True, metavar="WHAT")
    provider = verbs.add_parser(
        "provider",
        help="a fake OpenAI, Anthropic and Gemini with settable pace and faults",
    )
    add_arguments(provider)
    provider.set_defaults(run=serve)
