"""A snapshot in a few words: for `farline check` and the admin API. No secret, nor what it is made from."""

from __future__ import annotations

import ipaddress
from dataclasses import fields, is_dataclass
from enum import Enum
from typing import Any

from cache.rules import Rule
from edge.config import nodes
from edge.config.agree import OPEN_DOOR, is_open_door
from edge.config.model import Address, Cache, Endpoint, Pool, Provider, Relay, Secret, Snapshot
from edge.config.places import is_loopback
from transport.path import Line


def warnings(snapshot: Snapshot) -> tuple[str, ...]:
    """What is allowed, and probably not meant."""
    listen = snapshot.listen
    beyond = [address for address in listen.data if not is_loopback(address)]
    found = []
    if listen.admin is not None and _is_public(listen.admin):
        found.append(f"admin listens on a public address: {listen.admin}")
    if listen.admin is not None and not is_loopback(listen.admin) and not _knows_people(snapshot):
        found.append("no [[admin_key]]: the admin API answers callers on this machine only")
    if is_open_door(snapshot):
        found.append(f"[listen] open = true {OPEN_DOOR}")
    if beyond and listen.tls is None:
        found.append(f"requests and keys travel in the clear: {beyond[0]} has no TLS")
    if not any(line.weight > 0 for line in snapshot.lines):
        found.append("no line has a weight above 0")
    routing = snapshot.routing
    if not snapshot.relays and "redundant" in (routing.policy, *(each.policy for each in routing.classes)):
        found.append("the policy redundant needs a [[relay]] and there is none: requests are routed as by best")
    if snapshot.pools and not leads_to_pool(snapshot):
        found.append("[[pool]] stands in only for models of its own names: no [[model]] fallback, no local_model")
    if not snapshot.pools and any(key.data_class for key in snapshot.keys):
        found.append('keys with data_class = "sensitive" are refused everything: there is no [[pool]]')
    if any(rule.scope == "shared" and rule.what != "none" for rule in snapshot.cache.rules.rules):
        found.append('a [[cache.rule]] with scope = "shared" gives answers of one key to others')
    if snapshot.cache.store.kind == "redis" and snapshot.cache.secret is None:
        found.append("[cache] has no secret: whoever can read the Redis can read the answers")
    found += _misplaced(snapshot)
    if snapshot.node.role == "relay" and not snapshot.edges:
        found.append("no [[edge]]: nobody may use this relay")
    return tuple(found)


def _knows_people(snapshot: Snapshot) -> bool:
    return bool(snapshot.admin_keys or snapshot.admin_oidc.issuer)


def _misplaced(snapshot: Snapshot) -> list[str]:
    """Models and keys whose regions leave a provider no endpoint: all their requests to it will be refused."""
    providers = {provider.id: provider for provider in snapshot.providers}
    found = [
        f"no endpoint of {model.provider} is in a region that model {model.name} may use"
        for model in snapshot.models
        if model.regions and not _has_endpoint_in(providers[model.provider], model.regions)
    ]
    for key in snapshot.keys:
        for provider in snapshot.providers:
            may = not key.providers or provider.id in key.providers
            if may and not _has_endpoint_in(provider, key.regions):
                found.append(f"no endpoint of {provider.id} is in a region that key {key.id} may use")
    return found


def _has_endpoint_in(provider: Provider, regions: tuple[str, ...]) -> bool:
    return not regions or any(endpoint.region in regions for endpoint in provider.endpoints)


def leads_to_pool(snapshot: Snapshot) -> bool:
    """May any request be answered by the local pool, as the file alone shows it?"""
    routing = snapshot.routing
    if routing.local == "off":
        return True  # nobody expects anything of it
    return bool(routing.local_model or any(model.fallback for model in snapshot.models))


def summary(snapshot: Snapshot) -> dict[str, Any]:
    """JSON-ready: lines, providers with their endpoints, models, client keys' ids, listeners, warnings."""
    listen = snapshot.listen
    return {
        "source": snapshot.source,
        "generation": snapshot.generation,
        "node": {"name": snapshot.node.name, "role": snapshot.node.role, "region": snapshot.node.region},
        "listen": {
            "data": [str(address) for address in listen.data],
            "session": [str(address) for address in listen.session],
            "admin": str(listen.admin) if listen.admin else None,
            "tls": listen.tls is not None,
            "workers": listen.workers,
        },
        "lines": [_line(line) for line in snapshot.lines],
        "providers": [_provider(provider) for provider in snapshot.providers],
        "models": [{"name": model.name, "provider": model.provider} for model in snapshot.models],
        "pools": [_pool(pool) for pool in snapshot.pools],
        "cluster": _cluster(snapshot),
        "published": _published(snapshot),
        "cache": _cache(snapshot.cache),
        "keys": [key.id for key in snapshot.keys],
        "admin_keys": [{"id": key.id, "role": key.role} for key in snapshot.admin_keys],
        "admin_oidc": snapshot.admin_oidc.issuer or None,
        "fingerprint": nodes.fingerprint(snapshot.node),
        "relays": [_relay(snapshot, relay) for relay in snapshot.relays],
        "edges": [{"id": edge.id, "fingerprint": edge.fingerprint} for edge in snapshot.edges],
        "warnings": list(warnings(snapshot)),
    }


def _line(line: Line) -> dict[str, Any]:
    way = line.source or line.interface or ("proxy" if line.proxy else "system route")
    return {"id": line.id, "carrier": line.carrier, "way": way, "weight": line.weight}


def _cluster(snapshot: Snapshot) -> dict[str, Any] | None:
    cluster = snapshot.cluster
    if cluster.redis is None:
        return None
    hosts = [f"{host}:{port}" for host, port in cluster.redis.hosts]
    return {"id": cluster.id, "redis": hosts, "shares": list(cluster.share), "address": cluster.address}


def _published(snapshot: Snapshot) -> dict[str, Any] | None:
    published = snapshot.published
    if published is None:
        return None
    return {"channel": published.channel, "version": published.number, "file": published.file}


def _relay(snapshot: Snapshot, relay: Relay) -> dict[str, Any]:
    return {
        "id": relay.id,
        "address": str(relay.address),
        "fingerprint": relay.fingerprint,
        "lines": list(snapshot.lines_of(relay)),
        "redundancy": relay.redundancy,
        "carrier": relay.carrier,
    }


def _pool(pool: Pool) -> dict[str, Any]:
    return {
        "id": pool.id,
        "url": pool.url,
        "engine": pool.engine,
        "models": None if pool.models is None else [name for name, _ in pool.models],
        "max_in_flight": pool.max_in_flight,
    }


def _cache(cache: Cache) -> dict[str, Any]:
    return {
        "store": str(cache.store),
        "memory_mb": cache.memory_mb,
        "disk_mb": cache.disk_mb if cache.store.kind == "disk" else None,
        "encrypted": cache.secret is not None,
        "single_flight": cache.single_flight,
        "rules": [
            {
                "what": rule.what,
                "scope": rule.scope,
                "ttl_seconds": rule.ttl,
                "similar": rule.similar,
                "for": _fits(rule),
            }
            for rule in cache.rules.rules
        ],
        "zero_retention": sorted(cache.rules.zero_retention),
    }


def _fits(rule: Rule) -> dict[str, list[str]]:
    """What the rule is for; nothing: everything."""
    told = {
        "operations": rule.operations,
        "providers": rule.providers,
        "models": rule.models,
        "keys": rule.tenants,
        "paths": rule.paths,
    }
    return {name: list(patterns) for name, patterns in told.items() if patterns}


def _provider(provider: Provider) -> dict[str, Any]:
    return {
        "id": provider.id,
        "dialect": provider.dialect,
        "endpoints": [_endpoint(provider, endpoint) for endpoint in provider.endpoints],
    }


def _endpoint(provider: Provider, endpoint: Endpoint) -> dict[str, Any]:
    credential = endpoint.credential or provider.credential
    return {
        "id": endpoint.id,
        "url": endpoint.url,
        "region": endpoint.region,
        "protocols": [protocol.value for protocol in endpoint.protocols],
        "credential": str(credential) if credential else "client",
    }


def document(value: Any) -> Any:
    """A snapshot whole, JSON-ready. Secrets are told by how the file names them; digests, proxies' URLs and the values
    of added headers are not told."""
    match value:
        case Secret() | Address():
            return str(value)
        case Enum():
            return value.value
        case tuple() | list() | frozenset():
            return [document(each) for each in value]
        case bytes():
            return value.decode("latin-1")
    if not is_dataclass(value) or isinstance(value, type):
        return value
    told = {each.name: document(getattr(value, each.name)) for each in fields(value)}
    for name in _HIDDEN & told.keys():
        told[name] = HIDDEN if told[name] else told[name]
    if "headers" in told:
        told["headers"] = [each if isinstance(each, str) else each[0] for each in told["headers"]]
    return told


HIDDEN = "(not shown)"
_HIDDEN = {"sha256", "proxy"}


def _is_public(address: Address) -> bool:
    """Wildcards and names count as public: nobody here knows what they bind."""
    if is_loopback(address):
        return False
    try:
        host = ipaddress.ip_address(address.host)
    except ValueError:
        return True
    return host.is_unspecified or not host.is_private
