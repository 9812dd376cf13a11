"""`farline nodes`: the nodes of the cluster as a running node sees them, and which edges a client should try."""

from __future__ import annotations

import argparse
import json
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from edge.cli.admin_client import AdminClient, add_options, performing


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser(
        "nodes", help="the nodes of the cluster; which is near a client", description=__doc__
    )
    parser.add_argument("--near", metavar="PLACE", help="LATITUDE,LONGITUDE or an IP address: rank edges for it")
    parser.add_argument("--rtt", metavar="NODE:MS,…", help="round trips that the client measured")
    add_options(parser)
    parser.set_defaults(run=performing("nodes", _run))


def _run(client: AdminClient, args: argparse.Namespace) -> int:
    query = {name: value for name in ("near", "rtt") if (value := getattr(args, name)) is not None}
    told = client.ask("GET", f"/api/v1/nodes?{urlencode(query)}")
    if getattr(args, "json", False):
        print(json.dumps(told, indent=2))
        return 0
    console = Console(highlight=False, markup=False)
    if "near" in told:
        console.print(_near(told["near"]))
    elif told["cluster"] is None:
        node = told["nodes"][0]
        console.print(f"{node['name']} is on its own: its configuration has no [cluster] redis.")
    else:
        _show(console, told["cluster"])
    return 0


def _show(console: Console, cluster: dict[str, Any]) -> None:
    console.print(_alive(cluster["nodes"]))
    for node in cluster["nodes"]:
        config = node["config"]
        if config is not None and config["refused"] is not None:
            refused = f"{config['channel']}@{config['refused']['version']}"
            console.print(f"{node['name']} can't take {refused}: {config['refused']['why']}")
    if cluster["gone"]:
        console.print(f"silent: {', '.join(cluster['gone'])}")
    if not cluster["connected"]:
        console.print("The cluster's Redis doesn't answer: this is what the node last knew.")


def _alive(nodes: list[dict[str, Any]]) -> Table:
    table = Table("node", "role", "region", "lines", "in flight", "good", "configuration", "version", box=None)
    for node in nodes:
        lines = " ".join(_line(line) for line in node["lines"])
        good = "–" if node["success_ratio"] is None else f"{node['success_ratio']:.1%}"
        role = f"{node['role']}, draining" if node["is_draining"] else node["role"]
        row = (node["name"], role, node["region"] or "–", lines, str(node["in_flight"]), good)
        table.add_row(*row, _configuration(node), node["version"])
    return table


def _configuration(node: dict[str, Any]) -> str:
    """The published version, or how often the node has read its own file."""
    config = node["config"]
    if config is None:
        return str(node["generation"])
    return f"{config['channel']}@{config['version']}" if config["version"] else f"{config['channel']}: none yet"


def _line(line: dict[str, Any]) -> str:
    state = line["switch"] if line["switch"] != "on" else line["standing"]
    rtt = "" if line["rtt_ms"] is None else f" {line['rtt_ms']:.0f} ms"
    return f"{line['id']}{rtt}" if state == "admitted" else f"{line['id']} ({state}{rtt})"


def _near(found: list[dict[str, Any]]) -> Table:
    table = Table("", "node", "address", "km", "RTT ms", "cost", box=None)
    for place, each in enumerate(found, 1):
        distance = "–" if each["distance_km"] is None else f"{each['distance_km']:.0f}"
        rtt = "–" if each["rtt_ms"] is None else f"{each['rtt_ms']:.0f}"
        table.add_row(str(place), each["name"], each["address"] or "–", distance, rtt, f"{each['cost']:.2f}")
    return table
