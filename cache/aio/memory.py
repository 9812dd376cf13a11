"""The store in this process's memory: W-TinyLFU, bounded in bytes."""

from __future__ import annotations

from collections.abc import Callable
from time import monotonic

from msgspec import Struct

from cache.aio.store import StoreStats
from cache.key import Key
from cache.purge import Purge
from cache.tinylfu import TinyLfu

_OVERHEAD_BYTES = (
    600  # of an entry's objects and its place in the tables; 420 and what the allocator adds (tests.bench.cache_policy)
)


class _Held(Struct, frozen=True):
    key: Key
    blob: bytes
    expires_at: float


class MemoryStore:
    """Never waits and never fails. `max_bytes` covers entries and what Python needs to hold them."""

    def __init__(self, max_bytes: int, clock: Callable[[], float] = monotonic) -> None:
        self._held: TinyLfu[_Held] = TinyLfu(max_bytes)
        self._clock = clock

    async def get(self, key: Key) -> bytes | None:
        held = self._held.get(key.digest)
        if held is None:
            return None
        if held.expires_at <= self._clock():
            self._held.pop(key.digest)
            return None
        return held.blob

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        held = _Held(key, blob, self._clock() + ttl)
        self._held.put(key.digest, held, len(blob) + _OVERHEAD_BYTES)

    async def delete(self, key: Key) -> None:
        self._held.pop(key.digest)

    async def purge(self, purge: Purge) -> int:
        """Walks over all entries: a million take about a second, during which this process does nothing else."""
        every = [digest for digest in self._held if (held := self._held.peek(digest)) and purge.fits(held.key)]
        for digest in every:
            self._held.pop(digest)
        return len(every)

    async def stats(self) -> tuple[StoreStats, ...]:
        held = self._held
        return (StoreStats("memory", len(held), held.used_bytes, held.max_bytes, held.evictions),)

    async def close(self) -> None:
        self._held.clear()
