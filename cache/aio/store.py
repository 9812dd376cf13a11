"""What every store can do. Stores keep sealed entries as bytes and know nothing of their content."""

from __future__ import annotations

from typing import Protocol as Interface

from msgspec import Struct

from cache.key import Key
from cache.purge import Purge


class StoreError(Exception):
    """The store failed or didn't answer in time. `Guarded` makes a miss of it: no request ever sees one."""


class StoreStats(Struct, frozen=True):
    """None where the store can't know. `name` is from a closed set, safe as a metrics label."""

    name: str
    entries: int | None = None
    used_bytes: int | None = None
    max_bytes: int | None = None
    evictions: int | None = None
    faults: int = 0
    is_admitted: bool = True  # False while it is left alone after faults


class Store(Interface):
    """`ttl` in seconds. What is expired is not found; entries may go earlier. All raise StoreError."""

    async def get(self, key: Key) -> bytes | None: ...

    async def put(self, key: Key, blob: bytes, ttl: float) -> None: ...

    async def delete(self, key: Key) -> None: ...

    async def purge(self, purge: Purge) -> int:
        """Takes out all that fits; gives how many there were."""

    async def stats(self) -> tuple[StoreStats, ...]:
        """One per tier, nearest first."""

    async def close(self) -> None: ...
