"""Checks across sections: ids that repeat, references to nothing, listeners in each other's way, open doors."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from edge.config import nodes, oidc
from edge.config.fault import KeyPath, shown
from edge.config.model import Address, AdminKey, ClientKey, Listen, Provider, Snapshot
from edge.config.places import is_loopback
from edge.config.reading import STAND_IN, Reading

OPEN_DOOR = "lets anybody spend the node's own provider credentials"
_ANY_HOST = {"0.0.0.0": ".", "::": ":"}  # wildcard address → what an address of its family contains


def check(reading: Reading, snapshot: Snapshot) -> None:
    """Notes every fault that shows only when the sections are seen together."""
    _unique(reading, "provider", "id", [provider.id for provider in snapshot.providers])
    _unique_endpoints(reading, snapshot.providers)
    _unique(reading, "line", "id", [line.id for line in snapshot.lines])
    _unique(reading, "model", "name", [model.name for model in snapshot.models])
    _unique(reading, "key", "id", [key.id for key in snapshot.keys])
    _unique(reading, "admin_key", "id", [key.id for key in snapshot.admin_keys])
    _unique_digests(reading, "key", snapshot.keys)
    _unique_digests(reading, "admin_key", snapshot.admin_keys)
    _check_models(reading, snapshot)
    _unique(reading, "pool", "id", [pool.id for pool in snapshot.pools])
    _check_local_models(reading, snapshot)
    _check_keys(reading, snapshot)
    _check_cache(reading, snapshot)
    _check_listeners(reading, snapshot.listen)
    nodes.check(reading, snapshot)
    oidc.check(reading, snapshot)
    _unique(reading, "relay", "id", [relay.id for relay in snapshot.relays])
    _unique(reading, "edge", "id", [edge.id for edge in snapshot.edges])
    if snapshot.routing.max_billed_replays >= snapshot.routing.max_attempts:
        where = ("routing", "max_billed_replays" if reading.has(("routing", "max_billed_replays")) else "max_attempts")
        reading.fault(where, "allows more replays than attempts", "max_billed_replays < max_attempts")
    if snapshot.probe.fast_interval_ms > snapshot.probe.interval_ms:
        where = ("probe", "fast_interval_ms")  # it is in the file: the default is below any interval
        reading.fault(where, "makes fast probes slower than others", "fast_interval_ms ≤ interval_ms")
    if is_open_door(snapshot) and not snapshot.listen.open:
        reading.fault(("listen", "data"), OPEN_DOOR, "[[key]] entries, loopback addresses, or [listen] open = true")


def is_open_door(snapshot: Snapshot) -> bool:
    """Does the node hold provider credentials, listen beyond this machine, and ask no client for a key?"""
    held = any(
        provider.credential is not None or any(endpoint.credential is not None for endpoint in provider.endpoints)
        for provider in snapshot.providers
    )
    held = held or any(pool.credential is not None for pool in snapshot.pools)
    return held and not snapshot.keys and not all(map(is_loopback, snapshot.listen.data))


def _unique(reading: Reading, section: str, key: str, names: Iterable[str]) -> None:
    seen: set[str] = set()
    for index, name in enumerate(names):
        if name in seen:
            reading.fault((section, index, key), f"{shown(name)} is there twice", f"{key} that no other has")
        seen.add(name)


def _unique_endpoints(reading: Reading, providers: tuple[Provider, ...]) -> None:
    """Endpoint ids key paths and labels, so they differ over all providers."""
    seen: set[str] = set()
    repeated = {provider.id for provider in providers if [other.id for other in providers].count(provider.id) > 1}
    for index, provider in enumerate(providers):
        for number, endpoint in enumerate(provider.endpoints):
            if endpoint.id in seen and not (provider.id in repeated and endpoint.id.startswith(provider.id)):
                where: KeyPath = ("provider", index, "endpoint", number, "id")
                reading.fault(where, f"{shown(endpoint.id)} is there twice", "an id of its own")
            seen.add(endpoint.id)


def _unique_digests(reading: Reading, section: str, keys: Sequence[ClientKey | AdminKey]) -> None:
    owners: dict[str, str] = {}
    for index, key in enumerate(keys):
        if key.sha256 and owners.setdefault(key.sha256, key.id) != key.id:
            reading.fault((section, index), f"has the same key as {owners[key.sha256]}", "a key of its own")


def _check_models(reading: Reading, snapshot: Snapshot) -> None:
    providers = {provider.id for provider in snapshot.providers}
    for index, model in enumerate(snapshot.models):
        if model.provider not in providers and not model.provider.startswith(STAND_IN):
            _unknown(reading, ("model", index, "provider"), model.provider, "provider", providers)


def _check_local_models(reading: Reading, snapshot: Snapshot) -> None:
    """What falls back to the pool must be there. A pool without `models` may have any: its server says which."""
    known = {name for pool in snapshot.pools for name, _ in pool.models or ()}
    is_open = any(pool.models is None for pool in snapshot.pools)
    asked: list[tuple[KeyPath, str]] = [
        (("model", index, "fallback", number), name)
        for index, model in enumerate(snapshot.models)
        for number, name in enumerate(model.fallback or ())
    ]
    if snapshot.routing.local_model is not None:
        asked.append((("routing", "local_model"), snapshot.routing.local_model))
    for path, name in asked:
        if not snapshot.pools:
            reading.fault(path, "there is no local pool", "a [[pool]] that serves it")
        elif not is_open and name not in known:
            reading.fault(path, f"no [[pool]] serves {shown(name)}", " | ".join(sorted(known)))


def _check_keys(reading: Reading, snapshot: Snapshot) -> None:
    """With no [[model]] in the file any model may be named: the routes with a provider's prefix take them all."""
    providers = {provider.id for provider in snapshot.providers}
    models = {name for model in snapshot.models for name in (model.name, model.upstream) if name}
    for index, key in enumerate(snapshot.keys):
        for number, name in enumerate(key.providers):
            if name not in providers:
                _unknown(reading, ("key", index, "providers", number), name, "provider", providers)
        for number, name in enumerate(key.models if models else ()):
            if name not in models:
                _unknown(reading, ("key", index, "models", number), name, "model", models)


def _check_cache(reading: Reading, snapshot: Snapshot) -> None:
    """Rules that can never fit are mistakes; patterns may fit what is configured later."""
    cache = snapshot.cache
    if cache.store.kind == "disk" and not cache.store.directory and snapshot.node.state_dir is None:
        reading.fault(("cache", "store"), "has no directory", '"disk:DIRECTORY", or [node] state_dir')
    if cache.store.kind == "memory" and cache.memory_mb == 0:
        reading.fault(("cache", "memory_mb"), "leaves a memory store no memory", 'more than 0, or store = "off"')
    for name in ("redis_password", "redis_ca_file"):
        if getattr(cache, name) is not None and cache.store.kind != "redis":
            reading.fault(("cache", name), "is for a store at redis://…", "nothing here")
    known = (
        ("providers", "provider", {provider.id for provider in snapshot.providers}),
        ("keys", "key", {key.id for key in snapshot.keys}),
    )
    for index, rule in enumerate(cache.rules.rules):
        for section, noun, ids in known:
            for number, name in enumerate(rule.tenants if noun == "key" else rule.providers):
                if name not in ids and not set("*?[") & set(name) and (ids or noun == "provider"):
                    _unknown(reading, ("cache", "rule", index, section, number), name, noun, ids)


def _unknown(reading: Reading, path: KeyPath, name: str, noun: str, known: set[str], expected: str = "") -> None:
    listed = " | ".join(sorted(known)) if 0 < len(known) <= 12 else f"the id of a [[{noun}]]"
    reading.fault(path, f"{shown(name)} is no {noun} of this file", expected or listed)


def _check_listeners(reading: Reading, listen: Listen) -> None:
    places: list[tuple[KeyPath, Address]] = [(("listen", "data", i), address) for i, address in enumerate(listen.data)]
    places += [(("listen", "session", i), address) for i, address in enumerate(listen.session)]
    if listen.admin is not None:
        places.append((("listen", "admin"), listen.admin))
    for index, (path, address) in enumerate(places):
        other = next((taken for _, taken in places[:index] if clash(taken, address)), None)
        if other is not None:
            reading.fault(path, f"{address} is in the way of {other}", "an address and port of its own")


def clash(one: Address, other: Address) -> bool:
    """Can't both be bound? Wildcards are compared within their family; port 0 never clashes."""
    if one.unix or other.unix:
        return one == other
    if one.port != other.port or one.port == 0:
        return False
    return _host(one) == _host(other) or _covers(one, other) or _covers(other, one)


def _covers(wide: Address, narrow: Address) -> bool:
    family = _ANY_HOST.get(wide.host)
    return family is not None and family in _host(narrow)


def _host(address: Address) -> str:
    return "127.0.0.1" if address.host == "localhost" else address.host
