"""The cache in the admin API: what a worker tells of it, several workers as one, which entries are to go."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from types import MappingProxyType
from typing import Any

from msgspec import structs

from cache.aio.store import StoreStats
from cache.purge import Purge
from edge.control.changes import Refused
from edge.observe.metrics import Metrics

_DIGEST = re.compile(r"(?:.*/)?([0-9a-f]{64})")
NO_COUNTS: Mapping[str, int] = MappingProxyType({})
_WHAT = ("key", "model", "tenant", "prefix")
_RESULTS = ("hit", "normalised", "semantic", "coalesced", "miss", "bypass")


def cache_document(
    place: str, stores: Iterable[StoreStats], flights: int, metrics: Metrics, similar: Mapping[str, int] = NO_COUNTS
) -> dict[str, Any]:
    """What one worker knows. Counts are since its start; `similar` is what `SimilarCounts` has."""
    events, saved = metrics.cache_events.by, metrics.cache_saved_tokens.by
    return {
        "store": place,
        "stores": [structs.asdict(each) for each in stores],
        "flights": flights,
        "events": {result: int(events.get((result,), 0)) for result in _RESULTS},
        "reasons": {f"{result}: {reason}": int(count) for (result, reason), count in metrics.cache_reasons.by.items()},
        "similar": dict(similar),
        "saved": {
            "tokens": {kind: int(saved.get((kind,), 0)) for kind in ("input", "output", "cached", "reasoning")},
            "seconds": round(metrics.cache_saved_seconds.by.get((), 0.0), 3),
        },
    }


def caches_together(by_worker: Mapping[int, Mapping[str, Any]]) -> dict[str, Any]:
    """Counts are summed; each worker's stores are listed. `by_worker` has at least one."""
    all_of = [told for _, told in sorted(by_worker.items())]
    return {
        "store": all_of[0]["store"],
        "stores": [
            {**store, "worker": worker} for worker, told in sorted(by_worker.items()) for store in told["stores"]
        ],
        "flights": sum(told["flights"] for told in all_of),
        "events": _summed(told["events"] for told in all_of),
        "reasons": _summed(told["reasons"] for told in all_of),
        "similar": _summed(told["similar"] for told in all_of),
        "saved": {
            "tokens": _summed(told["saved"]["tokens"] for told in all_of),
            "seconds": round(sum(told["saved"]["seconds"] for told in all_of), 3),
        },
        "workers": sorted(by_worker),
    }


def _summed(tables: Iterable[Mapping[str, int]]) -> dict[str, int]:
    total: dict[str, int] = {}
    for table in tables:
        for name, count in table.items():
            total[name] = total.get(name, 0) + count
    return total


def purge_of(document: Mapping[str, Any]) -> Purge:
    """`{"key", "model", "tenant", "prefix"}`, each optional, all of which must fit; or `{"all": true}`.

    Raises:
        Refused: it says nothing, or what makes no sense.
    """
    for name in document:
        if name not in (*_WHAT, "all"):
            raise Refused("invalid", f"unknown; expected {', '.join(_WHAT)} or all", f"/{name[:60]}")
    told = {name: document[name] for name in _WHAT if name in document}
    for name, value in told.items():
        if not isinstance(value, str) or not value or not value.isprintable():
            raise Refused("invalid", "expected a string", f"/{name}")
    if ("all" in document) == bool(told) or document.get("all", True) is not True:
        raise Refused("invalid", f'expected {", ".join(_WHAT)}, or "all": true')
    return Purge(_digest(told.get("key")), told.get("model"), told.get("tenant"), told.get("prefix"))


def request_of(document: Mapping[str, Any]) -> str:
    """`{"request": ID}`. Raises Refused."""
    id = document.get("request")
    if not isinstance(id, str) or not id or len(document) != 1:
        raise Refused("invalid", "expected a request's id, and nothing else", "/request")
    return id


def _digest(key: str | None) -> bytes | None:
    """Of a key's 64 hex digits, alone or after `provider/model/`."""
    if key is None:
        return None
    found = _DIGEST.fullmatch(key)
    if found is None:
        raise Refused("invalid", "expected a key's 64 hex digits, alone or after provider/model/", "/key")
    return bytes.fromhex(found[1])
