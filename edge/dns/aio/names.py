"""The responder of a node: its zone, the cluster's nodes, and where addresses are."""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from functools import lru_cache
from time import monotonic

from edge.cluster.aio.geo import look
from edge.cluster.places import Nowhere, place_of
from edge.cluster.registry import NodeNote
from edge.config.model import Dns, Snapshot
from edge.dns.aio.responder import Counted, Responder
from edge.dns.answer import Address, Picture
from edge.dns.zone import Place, Zone

FRESH = 0.25
"""Seconds for which a picture of the cluster is good."""
log = logging.getLogger("farline.dns")


def responder(snapshot: Snapshot, notes: Callable[[], list[NodeNote]], counted: Counted) -> Responder:
    """For a snapshot whose [dns] has a zone."""
    zone, geo_file = zone_of(snapshot.dns), snapshot.cluster.geo_file
    if geo_file is None:
        log.warning("no [cluster] geo_file: all clients get the same answer, by round trip and load alone")

    @lru_cache(maxsize=10_000)
    def place(address: Address) -> Place | None:
        try:
            return place_of(str(address), None if geo_file is None else look(geo_file))
        except Nowhere:
            return None

    drawn = Picture(zone, [], place, 0)
    until = 0.0

    def picture() -> Picture:
        nonlocal drawn, until
        if monotonic() >= until:
            drawn, until = Picture(zone, notes(), place, int(time.time()) // zone.ttl), monotonic() + FRESH
        return drawn

    return Responder(snapshot.dns, picture, counted)


def zone_of(dns: Dns) -> Zone:
    assert dns.zone is not None, "the caller has looked"
    return Zone(dns.zone, dns.nameservers, dns.contact, dns.ttl_seconds, dns.answers)
