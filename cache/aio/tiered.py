"""Memory in front of a store that is farther away."""

from __future__ import annotations

from cache.aio.memory import MemoryStore
from cache.aio.store import Store, StoreStats
from cache.key import Key
from cache.purge import Purge


class Tiered:
    """What is found in the far store is kept in memory too, for `near_ttl` seconds at most: so long may an entry be
    answered that another node has purged from a store they share. Memory may hold an entry a little beyond its own
    life; entries carry their expiry, and whoever opens one looks at it."""

    def __init__(self, near: MemoryStore, far: Store, near_ttl: float = 60.0) -> None:
        self._near, self._far = near, far
        self._near_ttl = near_ttl

    async def get(self, key: Key) -> bytes | None:
        blob = await self._near.get(key)
        if blob is None and (blob := await self._far.get(key)) is not None:
            await self._near.put(key, blob, self._near_ttl)
        return blob

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        await self._near.put(key, blob, min(ttl, self._near_ttl))
        await self._far.put(key, blob, ttl)

    async def delete(self, key: Key) -> None:
        await self._near.delete(key)
        await self._far.delete(key)

    async def purge(self, purge: Purge) -> int:
        """Gives how many there were in the far store, or in memory if those were more. Raises StoreError if the far
        store failed; memory is purged then, too."""
        near = await self._near.purge(purge)
        return max(near, await self._far.purge(purge))

    async def stats(self) -> tuple[StoreStats, ...]:
        return *await self._near.stats(), *await self._far.stats()

    async def close(self) -> None:
        await self._near.close()
        await self._far.close()
