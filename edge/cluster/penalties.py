"""A provider that asks one node for less asks all that use the same credential: they step back too.

Nodes name their endpoints as they like, so an endpoint goes by the hash of its address and its credential, keyed by the
cluster's id. A credential is long and made by chance: nothing of it can be found from its hash.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from hashlib import blake2b

MOST = 3600.0
"""Seconds: nobody steps back for longer on another's word."""


def mark(cluster: str, authority: str, credential: str) -> str:
    """The endpoint's name in the cluster."""
    return blake2b(f"{authority}\0{credential}".encode(), digest_size=12, key=cluster.encode()[:64]).hexdigest()


def told(others: Iterable[Mapping[str, float]], marks: Mapping[str, str]) -> dict[str, float]:
    """Endpoint id → seconds for which others say it wants less. `marks`: endpoint id → mark."""
    worst: dict[str, float] = {}
    by_mark = {value: id for id, value in marks.items()}
    for penalties in others:
        for name, seconds in penalties.items():
            id = by_mark.get(name)
            if id is not None and seconds > 0:
                worst[id] = max(worst.get(id, 0.0), min(seconds, MOST))
    return worst
