"""`farline relay`: runs a relay."""

from __future__ import annotations

import argparse
import os
import sys

import uvloop

from edge.cli.edge import raise_open_files, spare_collector
from edge.config.fault import ConfigError
from edge.config.watch import load
from edge.ingress.handover import Successor
from edge.observe.log import set_up_logging
from edge.relay.node import RelayNode

_DESCRIPTION = """Runs a relay until SIGTERM or SIGINT. SIGHUP reads the configuration anew; SIGUSR2 starts a new
process that takes the listeners over, while this one ends its streams."""


def add(verbs: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    parser = verbs.add_parser("relay", help="run a relay", description=_DESCRIPTION)
    parser.add_argument("-c", "--config", metavar="FILE", required=True, help='TOML configuration with role = "relay"')
    parser.set_defaults(run=run)


def run(args: argparse.Namespace) -> int:
    """Exit codes: 0 after an orderly drain, 1 a listener can't be bound, 2 a faulty configuration."""
    try:
        snapshot = load(args.config)
    except ConfigError as error:
        for fault in error.faults:
            print(fault, file=sys.stderr)
        return 2
    if snapshot.node.role != "relay":
        print(f"{args.config}: role is {snapshot.node.role}; run farline {snapshot.node.role}", file=sys.stderr)
        return 2
    set_up_logging()
    raise_open_files()

    async def serve() -> None:
        await RelayNode(snapshot, successor=Successor(os.environ), on_ready=_ready).run()

    try:
        uvloop.run(serve())
    except OSError as error:
        print(f"farline relay: {error}", file=sys.stderr)
        return 1
    return 0


def _ready(node: RelayNode) -> None:
    spare_collector()
    _announce(node)


def _announce(node: RelayNode) -> None:
    for host, port in node.server.bound:
        print(f"farline relay: sessions {host}:{port}", file=sys.stderr)
    print(f"farline relay: key {node.key.fingerprint}", file=sys.stderr)
    if node.admin.bound is not None:
        print(f"farline relay: admin http://{node.admin.bound[0]}:{node.admin.bound[1]}", file=sys.stderr)
