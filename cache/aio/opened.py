"""The cache that settings describe, ready for use."""

from __future__ import annotations

import logging
import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from cache.aio.cache import Cache
from cache.aio.disk import DiskStore
from cache.aio.embedder import Embedder, EmbedError, Lexical, embedder_of
from cache.aio.guarded import Guarded
from cache.aio.memory import MemoryStore
from cache.aio.redis_client import RedisAccess, RedisClient, connect
from cache.aio.redis_store import RedisStore
from cache.aio.shared_flight import SharedFlights
from cache.aio.similar import Similar
from cache.aio.store import Store
from cache.aio.tiered import Tiered
from cache.flight_wire import Wire
from cache.seal import Sealer
from cache.settings import CacheSettings, EmbeddingSettings

log = logging.getLogger("farline.cache")

_FLIGHT_CONNECTIONS = 256  # one for each flight that is led or read
_FOR_EVER = 10.0**9  # nobody else can purge what this process alone keeps on its disk


@dataclass(frozen=True, slots=True)
class OpenCache:
    """`shared` None: flights are this process's own."""

    cache: Cache
    similar: Similar
    shared: SharedFlights | None = None

    async def close(self) -> None:
        if self.shared is not None:
            await self.shared.close()
        await self.similar.close()
        await self.cache.close()


def opened(settings: CacheSettings) -> OpenCache | None:
    """None if there is to be no cache. Connects to nothing yet: the first call does. Raises OSError: the directory of
    the disk's file can't be made."""
    if settings.kind == "off":
        return None
    key = settings.cipher_key
    nonce = os.urandom if key is not None else None
    cache = Cache(_store(settings), lambda: Sealer(key, nonce))
    similar = Similar(cache, _embedder(settings.embedding))
    if settings.kind != "redis" or not settings.shares_flights:
        return OpenCache(cache, similar)
    client = _redis(settings, _FLIGHT_CONNECTIONS)
    wire, tokens = Wire(key, nonce), lambda: secrets.token_hex(16)
    shared = SharedFlights(client, cache.flights, tokens, wire, settings.lookup_timeout)
    return OpenCache(cache, similar, shared)


def _store(settings: CacheSettings) -> Store:
    if settings.kind == "memory":
        return MemoryStore(settings.memory_bytes)
    far: Store
    if settings.kind == "disk":
        file = Path(settings.file)
        file.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        far, near_ttl = DiskStore(file, settings.disk_bytes), _FOR_EVER
    else:
        far, near_ttl = RedisStore(_redis(settings)), 60.0
    guarded = Guarded(settings.kind, far, settings.lookup_timeout)
    return Tiered(MemoryStore(settings.memory_bytes), guarded, near_ttl) if settings.memory_bytes else guarded


def _embedder(settings: EmbeddingSettings) -> Embedder:
    """Without the package that it needs, similar questions are still found by their characters."""
    try:
        return embedder_of(settings.by, settings.model, settings.key, settings.timeout)
    except EmbedError as error:
        log.warning("[cache] embedder: %s; comparing characters instead", error)
        return Lexical()


def _redis(settings: CacheSettings, connections: int = 8) -> RedisClient:
    assert settings.redis is not None
    login = settings.login
    return connect(settings.redis, RedisAccess(login.password, login.authority, connections=connections))
