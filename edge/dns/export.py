"""The zone as a file for other servers (RFC 1035 §5), or as JSON for a provider's interface."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import ip_address
from typing import Any

from edge.cluster.registry import NodeNote
from edge.dns.zone import Place, Zone, addresses, names, told

HOUR = 3600


class NoAddress(Exception):
    """A name server in the zone leads to no node; `args[0]` is its name."""


def records(zone: Zone, notes: Sequence[NodeNote], place: Place | None, serial: int) -> list[dict[str, Any]]:
    """`name` is relative to the zone, "@" for itself. Raises NoAddress."""
    known = names(notes)
    for server in zone.nameservers:
        if f".{server}".endswith(f".{zone.name}") and server.removesuffix(zone.name).rstrip(".") not in known:
            raise NoAddress(server)
    soa = f"{zone.nameservers[0]}. {zone.mailbox}. {serial} {HOUR} 600 604800 {zone.ttl}"
    found = [_record("@", HOUR, "SOA", soa), *(_record("@", HOUR, "NS", f"{each}.") for each in zone.nameservers)]
    owners = {address: note.name for note in notes for address in addresses(note)}
    for name in sorted(known):
        every = told(zone, name, notes, place) or ()
        found += [_address(name or "@", zone.ttl, address, owners[address]) for address in every]
    return found


def bind(zone: Zone, found: Sequence[dict[str, Any]]) -> str:
    """As BIND, NSD and Knot read it."""
    rows = [f"$ORIGIN {zone.name}.", f"$TTL {zone.ttl}"]
    for each in found:
        comment = f" ; {each['node']}" if "node" in each else ""
        rows.append(f"{each['name']:<24} {each['ttl']:>6} IN {each['type']:<5} {each['data']}{comment}")
    return "\n".join(rows) + "\n"


def _address(name: str, ttl: int, address: str, node: str) -> dict[str, Any]:
    kind = "A" if ip_address(address).version == 4 else "AAAA"
    return {**_record(name, ttl, kind, address), "node": node}


def _record(name: str, ttl: int, kind: str, data: str) -> dict[str, Any]:
    return {"name": name, "ttl": ttl, "type": kind, "data": data}
