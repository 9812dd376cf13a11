"""Which model of the local pool stands in for the one that was asked for."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from edge.config.model import Model, Pool

Names = Mapping[str, str]
"""A server's models: the name used here → its own."""


def wanted(model: str | None, entry: Model | None, stand_in: str | None) -> tuple[str, ...]:
    """Names to look for in the pool, best first. A [[model]] with `fallback` has the last word (an empty one: none);
    otherwise the model's own name, then `stand_in` ([routing] local_model)."""
    if entry is not None and entry.fallback is not None:
        return entry.fallback
    return tuple(dict.fromkeys(name for name in (model, stand_in) if name))


def served(pool: Pool, listed: Sequence[str]) -> Names:
    """What the file says it serves, else what its server lists."""
    return dict(pool.models) if pool.models is not None else {name: name for name in listed}


def best_served(names: Sequence[str], by_pool: Mapping[str, Names]) -> dict[str, str]:
    """pool → the server's own name, for all pools that have the first of `names` that any has."""
    for name in names:
        found = {pool: models[name] for pool, models in by_pool.items() if name in models}
        if found:
            return found
    return {}
