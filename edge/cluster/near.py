"""Which edges a client should try, best first: the nearest few, among them by round trip, failures and load.

Distance is from the client, not from whoever answers. Round trips are the client's own measurements, where it has any:
another's tell nothing about its way.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import asin, cos, radians, sin, sqrt

import msgspec

from edge.cluster.registry import NodeNote

EARTH_KM = 6371.0
NEAREST = 3
WEIGHTS = (0.5, 0.3, 0.2)
"""Of the round trip, the share of failures, the load."""
SLOW = 0.3
"""Seconds: a round trip that counts as bad as can be."""


class Ranked(msgspec.Struct, frozen=True):
    """`cost` 0 (best) to 1; `distance_km` None: one of the two places isn't known."""

    note: NodeNote
    distance_km: float | None
    rtt: float | None
    cost: float


def distance_km(one: tuple[float, float], two: tuple[float, float]) -> float:
    """Along a great circle, by the haversine formula; latitude and longitude in degrees."""
    (lat1, lon1), (lat2, lon2) = (tuple(map(radians, place)) for place in (one, two))
    half = sin((lat2 - lat1) / 2) ** 2 + cos(lat1) * cos(lat2) * sin((lon2 - lon1) / 2) ** 2
    return 2 * EARTH_KM * asin(sqrt(min(1.0, half)))


def ranked(
    nodes: Sequence[NodeNote], client: tuple[float, float] | None, rtts: Mapping[str, float] | None = None
) -> list[Ranked]:
    """Edges that take traffic. `client`: latitude and longitude; `rtts`: seconds by node, as the client measured them.

    The nearest three come first, by cost, then the others by distance; without a place all compete by cost alone.
    """
    measured = rtts or {}
    found = [
        Ranked(note, _distance(note, client), measured.get(note.name), cost(note, measured.get(note.name)))
        for note in nodes
        if note.role == "edge" and not note.is_draining
    ]
    if client is None:
        return sorted(found, key=lambda each: (each.cost, each.note.name))
    by_distance = sorted(found, key=lambda each: (_far(each), each.note.name))
    first = sorted(by_distance[:NEAREST], key=lambda each: (each.cost, _far(each), each.note.name))
    return first + by_distance[NEAREST:]


def cost(note: NodeNote, rtt: float | None) -> float:
    """What is unknown counts as middling: it is neither preferred nor avoided."""
    slow = 0.5 if rtt is None else min(rtt / SLOW, 1.0)
    failing = 0.0 if note.success_ratio is None else 1.0 - note.success_ratio
    load = min(note.in_flight / note.max_in_flight, 1.0) if note.max_in_flight else 0.5
    return sum(weight * term for weight, term in zip(WEIGHTS, (slow, failing, load), strict=True))


def _distance(note: NodeNote, client: tuple[float, float] | None) -> float | None:
    return None if client is None or note.location is None else distance_km(note.location, client)


def _far(each: Ranked) -> float:
    return each.distance_km if each.distance_km is not None else 2 * EARTH_KM * 3.15
