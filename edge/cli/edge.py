"""`farline edge`: runs a node."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import resource
import sys
import tempfile
from pathlib import Path

import uvloop

from edge.app import Node
from edge.config.fault import ConfigError
from edge.config.model import Snapshot
from edge.config.presets import defaults
from edge.config.watch import load
from edge.ingress.handover import Predecessor, Successor, command
from edge.ingress.sockets import for_workers
from edge.ingress.workers import run_workers
from edge.observe.log import set_up_logging
from edge.observe.traces import Unavailable

COLLECT_AFTER = 20_000
"""Containers more than there were, after which the youngest are looked at."""
_DESCRIPTION = """Runs an edge node until SIGTERM or SIGINT. SIGHUP reads the configuration anew; SIGUSR2 starts a new
process that takes the listeners over, while this one ends its requests."""
_SNIPPETS = """
Point an SDK at it; your own keys are passed through:
  OPENAI_BASE_URL={url}/openai/v1
  ANTHROPIC_BASE_URL={url}/anthropic
  GOOGLE_GEMINI_BASE_URL={url}/gemini
"""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("edge", help="run an edge node", description=_DESCRIPTION)
    parser.add_argument(
        "-c", "--config", metavar="FILE", help="TOML configuration; without it the node runs on defaults"
    )
    parser.add_argument("--worker", type=int, help=argparse.SUPPRESS)
    parser.add_argument("--run-dir", type=Path, help=argparse.SUPPRESS)
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 after an orderly drain, 1 a listener can't be bound, 2 a faulty configuration."""
    try:
        snapshot = load(args.config) if args.config else defaults(os.environ)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    if snapshot.node.role != "edge":
        print(f"{args.config}: role is {snapshot.node.role}; run farline {snapshot.node.role}", file=sys.stderr)
        return 2
    if snapshot.listen.workers > 1 and args.worker is None:
        return _run_workers(args, snapshot)
    return _run_node(args, snapshot)


def _run_workers(args: argparse.Namespace, snapshot: Snapshot) -> int:
    set_up_logging()
    listen, successor = snapshot.listen, Successor(os.environ)
    try:
        seconds = snapshot.limits.client_write_seconds
        sockets = for_workers(listen.data, successor.listening, listen.workers, seconds)
    except OSError as error:
        print(f"farline edge: {error}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="farline-") as run_dir:
        again = command("edge", args.config)
        return run_workers([*again, "--run-dir", run_dir], listen.workers, sockets, successor, Predecessor(again))


def _run_node(args: argparse.Namespace, snapshot: Snapshot) -> int:
    set_up_logging()
    raise_open_files()

    async def serve() -> None:
        successor = Successor(os.environ)
        await Node(snapshot, worker=args.worker, run_dir=args.run_dir, successor=successor, on_ready=_announce).run()

    try:
        uvloop.run(serve())
    except (OSError, Unavailable) as error:
        print(f"farline edge: {error}", file=sys.stderr)
        return 1
    return 0


def raise_open_files() -> None:
    """A stream takes two sockets: the usual soft limit of 1024 files would end at 500 streams."""
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    try:
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    except (OSError, ValueError) as error:
        logging.getLogger("farline.node").warning("the limit of open files stays as it is: %s", error)


def _ready(node: Node) -> None:
    spare_collector()
    _announce(node)


def spare_collector() -> None:
    """Keeps the garbage collector from looking again and again at modules and configuration, which stay: 0.1 s each
    time, in which every stream stands still. What requests leave behind goes by itself, so it is called seldom."""
    gc.collect()
    gc.freeze()
    gc.set_threshold(COLLECT_AFTER)


def _announce(node: Node) -> None:
    """Tells a person at a terminal where to point an SDK."""
    scheme = "https" if node.snapshot.listen.tls else "http"
    for host, port in node.ingress.addresses:
        print(
            f"farline edge: data  {scheme}://{host}:{port}" if port else f"farline edge: data  unix:{host}",
            file=sys.stderr,
        )
    if node.admin.bound is not None:
        print(f"farline edge: admin http://{node.admin.bound[0]}:{node.admin.bound[1]}", file=sys.stderr)
    if node.snapshot.source is None and node.ingress.addresses:
        host, port = node.ingress.addresses[0]
        print(_SNIPPETS.format(url=f"http://{host}:{port}"), file=sys.stderr)
