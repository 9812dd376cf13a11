"""The names of the zone, and the nodes they lead to.

    ZONE                the best edges for who asks: geography first, then what is measured, then load
    REGION.ZONE         the same among those of a region
    NODE.ZONE           one node

Regions and nodes go by their names as labels: lower-case, with dashes for what a label can't hold.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import ip_address

from edge.cluster.near import ranked
from edge.cluster.registry import LineNote, NodeNote

Place = tuple[float, float]
IN_USE = ("admitted", "probation")


@dataclass(frozen=True, slots=True)
class Zone:
    """`name` and `nameservers` without a dot at the end."""

    name: str
    nameservers: tuple[str, ...]
    contact: str = ""
    ttl: int = 20
    answers: int = 2

    @property
    def mailbox(self) -> str:
        """Whose zone it is, as a domain name (RFC 1035 §3.3.13)."""
        return self.contact or f"hostmaster.{self.name}"


def label(name: str) -> str:
    """As it stands in the zone; empty if nothing of it can."""
    return re.sub(r"[^a-z0-9-]+", "-", name.lower()).strip("-")[:63].strip("-")


def edges(notes: Sequence[NodeNote]) -> list[NodeNote]:
    """Those that clients can be sent to: they take traffic, have an address, and a line that works. If none has such a
    line, all that take traffic: a bad answer is better than none."""
    found = [note for note in _known(notes) if not note.is_draining]
    return [note for note in found if _works(note)] or found


def _known(notes: Sequence[NodeNote]) -> list[NodeNote]:
    return [note for note in notes if note.role == "edge" and addresses(note)]


def addresses(note: NodeNote) -> tuple[str, ...]:
    """Where clients reach it."""
    if note.addresses:
        return note.addresses
    host = note.address.partition("://")[2].partition("/")[0]
    host = host.partition("]")[0].removeprefix("[") if host.startswith("[") else host.partition(":")[0]
    try:
        return (str(ip_address(host)),)
    except ValueError:
        return ()


def _works(note: NodeNote) -> bool:
    return not note.lines or any(map(_carries, note.lines))


def _carries(line: LineNote) -> bool:
    return line.switch == "on" and line.standing in IN_USE


def best(notes: Sequence[NodeNote], place: Place | None) -> list[NodeNote]:
    """Best first. What is measured is a node's best round trip over its lines: the way from it to the providers is part
    of every client's way."""
    found = edges(notes)
    rtts = {
        note.name: min(line.rtt for line in note.lines if line.rtt is not None and _carries(line))
        for note in found
        if any(line.rtt is not None and _carries(line) for line in note.lines)
    }
    return [each.note for each in ranked(found, place, rtts)]


def names(notes: Sequence[NodeNote]) -> dict[str, list[NodeNote]]:
    """Label → the nodes it stands for, also those that clients aren't sent to now; "" is the zone itself. A region goes
    before a node of the same label."""
    known = sorted(_known(notes), key=lambda note: note.name)
    found = {"": known, **{name: [note] for note in known if (name := label(note.name))}}
    regions: dict[str, list[NodeNote]] = {}
    for note in known:
        regions.setdefault(label(note.region), []).append(note)
    return {**found, **{name: those for name, those in regions.items() if name}}


def leads_to(asked: str, notes: Sequence[NodeNote], place: Place | None) -> list[NodeNote] | None:
    """The nodes for a label, best first; None: no such name. A node's own name leads to it even while it drains."""
    found = names(notes).get(asked)
    if found is None or (len(found) == 1 and label(found[0].name) == asked):
        return found
    return best(found, place)


def told(zone: Zone, asked: str, notes: Sequence[NodeNote], place: Place | None) -> list[str] | None:
    """The addresses for a label, the best of each family; None: there is no such name."""
    found = leads_to(asked, notes, place)
    if found is None:
        return None
    every = dict.fromkeys(address for note in found for address in addresses(note))
    return [each for family in (4, 6) for each in [one for one in every if _family(one) == family][: zone.answers]]


def _family(address: str) -> int:
    return ip_address(address).version
