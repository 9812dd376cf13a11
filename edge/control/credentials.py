"""The node's own credentials as operators see them: by name, with what their providers say is left."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import Any

from edge.config.model import Snapshot
from edge.control.times import rfc3339
from edge.policy.headroom import Headroom, Limit

Paused = Callable[[str, str | None], float | None]


def credential_documents(snapshot: Snapshot, known: Iterable[Headroom], paused: Paused) -> list[dict[str, Any]]:
    """One per endpoint with a credential, and model that was heard of; one without a model where nothing was heard.

    `paused`: for how many seconds an (endpoint, model) gets no requests, by the provider's word. Times stay numbers,
    seconds since the epoch, until `shown`: workers' documents are compared first.
    """
    by_endpoint: dict[str, list[Headroom]] = {}
    for each in known:
        by_endpoint.setdefault(each.endpoint, []).append(each)
    return [
        {
            "credential": str(secret),
            "provider": provider.id,
            "endpoint": endpoint.id,
            "model": heard.model,
            "seen": heard.seen or None,
            "limits": [_limit(limit) for limit in heard.limits],
            "paused_for_seconds": paused(endpoint.id, heard.model),
        }
        for provider in snapshot.providers
        for endpoint in provider.endpoints
        if (secret := endpoint.credential or provider.credential) is not None
        for heard in by_endpoint.get(endpoint.id) or [Headroom(endpoint.id, None, 0.0, ())]
    ]


def _limit(limit: Limit) -> dict[str, Any]:
    return {"kind": limit.kind, "remaining": limit.remaining, "limit": limit.limit, "full_at": limit.full_at}


def newest(documents: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
    """Of several workers' documents: for each endpoint and model what was heard last, and the longest pause."""
    found: dict[tuple[str, str | None], dict[str, Any]] = {}
    for each in documents:
        key = (each["endpoint"], each["model"])
        there = found.setdefault(key, dict(each))
        pauses = [pause for told in (there, each) if (pause := told["paused_for_seconds"]) is not None]
        if (each["seen"] or 0) > (there["seen"] or 0):
            found[key] = there = dict(each)
        there["paused_for_seconds"] = max(pauses, default=None)
    heard = {each["endpoint"] for each in found.values() if each["seen"]}
    return [each for each in found.values() if each["seen"] or each["endpoint"] not in heard]


def shown(document: Mapping[str, Any], utc: float) -> dict[str, Any]:
    """As the API tells it. `utc`: now."""
    seen = document["seen"]
    return {
        **document,
        "seen": None if seen is None else rfc3339(seen),
        "limits": [
            {
                "kind": each["kind"],
                "remaining": each["remaining"],
                "limit": each["limit"],
                "full_in_seconds": None if each["full_at"] is None else round(max(0.0, each["full_at"] - utc), 1),
            }
            for each in document["limits"]
        ],
    }
