"""`farline nodes`: the nodes of the cluster as a running node sees them, and which edges a client should try."""

from __future__ import annotations

import argparse
import json
import time
from typing import Any
from urllib.parse import urlencode

from rich.console import Console
from rich.table import Table

from edge.cli.admin_client import UNREACHABLE, AdminClient, AskFailed, add_options, performing
from edge.cluster.registry import LineNote, NodeNote
from edge.dns.export import NoAddress, bind, records
from edge.dns.zone import Zone


def add(subparsers: argparse._SubParsersAction[argparse.ArgumentParser]) -> None:
    """The verb's parser."""
    parser = subparsers.add_parser(
        "nodes", help="the nodes of the cluster; which is near a client", description=__doc__
    )
    parser.add_argument("action", nargs="?", choices=("zone",), help="zone: print them as a DNS zone")
    parser.add_argument("--near", metavar="PLACE", help="LATITUDE,LONGITUDE or an IP address: rank edges for it")
    parser.add_argument("--rtt", metavar="NODE:MS,…", help="round trips that the client measured")
    zone = parser.add_argument_group("with zone")
    zone.add_argument("--domain", metavar="NAME", help="the zone's name, such as edge.example.com")
    zone.add_argument("--nameserver", metavar="NAME", action="append", default=[], help="a server of it; at least one")
    zone.add_argument("--contact", metavar="NAME", default="", help="mailbox, as a domain name (hostmaster.DOMAIN)")
    zone.add_argument("--ttl", type=int, default=60, metavar="SECONDS", help="of addresses (60)")
    zone.add_argument("--answers", type=int, default=16, metavar="N", help="addresses of each family, the best (16)")
    zone.add_argument("--format", choices=("bind", "json"), default="bind")
    add_options(parser)
    parser.set_defaults(run=performing("nodes", _run))


def _run(client: AdminClient, args: argparse.Namespace) -> int:
    if args.action == "zone":
        return _zone(client, args)
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


def _zone(client: AdminClient, args: argparse.Namespace) -> int:
    """Best first for nobody in particular: an exported zone doesn't know who asks."""
    if not args.domain or not args.nameserver:
        raise AskFailed("zone: --domain and at least one --nameserver are needed", UNREACHABLE)
    told = client.ask("GET", "/api/v1/nodes")["cluster"]
    notes = [_note(node) for node in told["nodes"]] if told is not None else []
    servers = tuple(name.rstrip(".").lower() for name in args.nameserver)
    zone = Zone(args.domain.rstrip(".").lower(), servers, args.contact.rstrip("."), args.ttl, args.answers)
    try:
        found = records(zone, notes, None, int(time.time()))
    except NoAddress as missing:
        raise AskFailed(f"{missing} is in the zone, but no node or region of that name has an address", 1) from None
    as_json = args.format == "json" or vars(args).get("json")
    print(json.dumps({"zone": zone.name, "records": found}, indent=2) if as_json else bind(zone, found).rstrip("\n"))
    return 0


def _note(node: dict[str, Any]) -> NodeNote:
    """As much of it as a zone needs."""
    lines = tuple(
        LineNote(
            line["id"],
            standing=line["standing"],
            switch=line["switch"],
            rtt=None if line["rtt_ms"] is None else line["rtt_ms"] / 1000,
        )
        for line in node["lines"]
    )
    return NodeNote(
        node["name"],
        0,
        role=node["role"],
        region=node["region"],
        address=node["address"],
        addresses=tuple(node["addresses"]),
        is_draining=node["is_draining"],
        in_flight=node["in_flight"],
        max_in_flight=node["max_in_flight"],
        success_ratio=node["success_ratio"],
        lines=lines,
    )
