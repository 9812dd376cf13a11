"""The cluster's nodes as the admin API tells of them, and which edges a client should try. (Shell: the geo file.)"""

from __future__ import annotations

from time import monotonic
from typing import Any

from edge.cluster.aio.geo import look
from edge.cluster.aio.member import Member
from edge.cluster.aio.membership import Membership
from edge.cluster.near import ranked
from edge.cluster.places import Nowhere, place_of
from edge.cluster.registry import Known, NodeNote
from edge.control.changes import Refused
from edge.control.publications import config_document


class Nodes:
    """`membership`: this node's, None for one without."""

    def __init__(self, id: str = "", membership: Membership | None = None) -> None:
        self._id = id
        self.membership = membership

    def _member(self) -> Member | None:
        return self.membership.member if self.membership is not None else None

    def document(self) -> dict[str, Any] | None:
        """JSON-ready; None for a node on its own."""
        member = self._member()
        if member is None:
            return None
        now = monotonic()
        return {
            "id": self._id,
            "connected": member.is_connected,
            "nodes": [_document(known, now) for known in member.registry.alive(now)],
            "gone": [known.note.name for known in member.registry.gone(now)],
        }

    def notes(self) -> list[NodeNote]:
        """Of all that are alive."""
        return self.membership.notes() if self.membership is not None else []


def ranking(nodes: Nodes, near: str, rtts: str, geo_file: str | None) -> list[dict[str, Any]]:
    """Which edges a client at `near` should try, best first. `rtts`: what it measured, "NODE:MS,NODE:MS".

    Raises:
        Refused: it can't be said where that is, or the round trips can't be read.
    """
    try:
        place = place_of(near, None if geo_file is None else look(geo_file))
    except Nowhere as nowhere:
        raise Refused("invalid", str(nowhere), "/near") from None
    return [
        {
            "name": each.note.name,
            "address": each.note.address,
            "distance_km": None if each.distance_km is None else round(each.distance_km, 1),
            "rtt_ms": None if each.rtt is None else round(each.rtt * 1000, 1),
            "cost": round(each.cost, 4),
        }
        for each in ranked(nodes.notes(), place, _measured(rtts))
    ]


def _measured(text: str) -> dict[str, float]:
    """Seconds by node."""
    found = {}
    for part in filter(None, text.split(",")):
        name, colon, number = part.rpartition(":")
        try:
            found[name] = float(number) / 1000
        except ValueError:
            colon = ""
        if not colon or not 0 <= found[name] < 60:
            raise Refused("invalid", f'"{part}" is not NODE:MILLISECONDS', "/rtt")
    return found


def _document(known: Known, now: float) -> dict[str, Any]:
    note = known.note
    return {
        "name": note.name,
        "role": note.role,
        "region": note.region,
        "location": None if note.location is None else list(note.location),
        "address": note.address,
        "version": note.version,
        "generation": note.generation,
        "workers": note.workers,
        "is_draining": note.is_draining,
        "in_flight": note.in_flight,
        "max_in_flight": note.max_in_flight,
        "success_ratio": note.success_ratio,
        "uptime_seconds": note.uptime,
        "heard_seconds_ago": round(now - known.heard_at, 2),
        "addresses": list(note.addresses),
        "config": config_document(note),
        "lines": [
            {
                "id": line.id,
                "carrier": line.carrier,
                "standing": line.standing,
                "switch": line.switch,
                "rtt_ms": None if line.rtt is None else round(line.rtt * 1000, 2),
                "loss": line.loss,
            }
            for line in note.lines
        ],
    }
