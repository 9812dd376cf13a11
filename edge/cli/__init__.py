"""The `farline` command. Each verb is a module of its name with `add(subparsers)`, listed in `VERBS`.

`add` makes the verb's parser and sets its `run`: `parser.set_defaults(run=run)`, `run(args) -> int` is the exit code.
Only the module of the verb that is asked for is imported: `farline keys` needn't wait for HTTP/3 and the lab.
"""

from __future__ import annotations

import argparse
import importlib
import os
import sys
from collections.abc import Sequence

from edge.version import version

VERBS = {
    "edge": "run an edge node",
    "relay": "run a relay: the far end of edges' sessions, near the providers",
    "check": "check a configuration file",
    "probe": "measure lines and far ends from this machine",
    "top": "a running node at a glance, live in the terminal",
    "lines": "what the lines are like; weights, drains, pins, maintenance; why a request went where it went",
    "requests": "requests that ended lately: those that failed or were slow, and where one's time went",
    "alerts": "what fires on a running node; silences",
    "nodes": "the nodes of the cluster; which is near a client",
    "config": "publish a configuration for all nodes, see who runs what, go back",
    "cache": "what the cache holds and saves; purging it, warming it up",
    "report": "a day, week or month as HTML and Markdown",
    "keys": "client and admin keys: make one, or hash one",
    "demo": "farline beside a direct connection over bad lines; a fake provider",
    "netem": "bad networks on this machine",
    "bench": "farline and other systems side by side over bad lines",
}

_DESCRIPTION = "An edge proxy for overseas LLM APIs: applications keep their SDK and change only base_url."
_FIRST_STEPS = """\
To begin:
  farline edge                 run on defaults: http://127.0.0.1:8080/openai/v1, /anthropic, /gemini, …
  farline top                  see how the running edge is, live (the console: http://127.0.0.1:8081/)
  farline check -c FILE        see whether a configuration is right
  farline VERB --help          all about one verb
"""


def main(argv: Sequence[str] | None = None) -> int:
    """Runs one verb; the return value is the process's exit code (2: wrong usage or configuration)."""
    words = sys.argv[1:] if argv is None else list(argv)
    parser = _parser(next((word for word in words if not word.startswith("-")), None))
    args = parser.parse_args(words)
    if args.verb is None:
        parser.print_help()
        return 0
    try:
        code: int = args.run(args)
        sys.stdout.flush()
    except KeyboardInterrupt:
        return 130
    except BrokenPipeError:  # the reader of our output has left; so that the exit doesn't write to it again
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 141
    return code


def _parser(asked: str | None) -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        "farline",
        description=_DESCRIPTION,
        epilog=_FIRST_STEPS,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("--version", action="version", version=f"farline {version()}")
    verbs = parser.add_subparsers(dest="verb", metavar="VERB", title="verbs")
    for verb, text in VERBS.items():
        if verb == asked:
            importlib.import_module(f"edge.cli.{verb}").add(verbs)
        else:
            verbs.add_parser(verb, help=text)
    return parser
