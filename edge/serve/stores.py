"""The cache's stores of this process: made as configured, made anew when that changes, looked at for the metrics."""

from __future__ import annotations

import asyncio
import logging

from msgspec import structs

from cache.aio.opened import OpenCache, opened
from cache.aio.store import StoreStats
from cache.purge import Purge
from edge.config.caching import settings
from edge.config.model import Snapshot
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.cache")

LOOK_SECONDS = 5.0


class Stores:
    """`open` None: there is no cache. `seen` is what the stores last told of themselves, nearest first."""

    def __init__(self, snapshot: Snapshot, worker: int | None, tasks: TaskOwner) -> None:
        """Raises OSError: the directory of the disk's file can't be made."""
        self._worker = worker
        self._tasks = tasks
        self._settings = settings(snapshot, worker)
        self.open = opened(self._settings)
        self.seen: tuple[StoreStats, ...] = ()

    def reload(self, snapshot: Snapshot) -> OpenCache | None:
        """What is to be used from now on. Requests under way lose the cache if it is another one."""
        wanted = settings(snapshot, self._worker)
        if wanted != self._settings:
            before, self.open, self._settings = self.open, opened(wanted), wanted
            if before is not None:
                self._tasks.start(before.close())
        return self.open

    async def watch(self) -> None:
        """Looks at the stores now and then, until cancelled."""
        while True:
            await self.look()
            await asyncio.sleep(LOOK_SECONDS)

    async def look(self) -> tuple[StoreStats, ...]:
        self.seen = await self.open.cache.stats() if self.open is not None else ()
        return self.seen

    def flights(self) -> int:
        """Exchanges under way that others can share."""
        return len(self.open.cache.flights) if self.open is not None else 0

    async def purge(self, purge: Purge) -> int:
        """How many entries went. Raises StoreError if it can't be said that all did."""
        if self.open is None:
            return 0
        count = await self.open.cache.purge(purge)
        await self.look()
        return count

    def similar(self) -> dict[str, int]:
        """What similar questions did since the start, or since the store was changed."""
        return structs.asdict(self.open.similar.counts) if self.open is not None else {}

    async def wrong(self, request_id: str) -> bool:
        """See `Similar.wrong`; an operator may report any tenant's. Raises StoreError."""
        return self.open is not None and await self.open.similar.wrong(request_id)

    async def close(self) -> None:
        if self.open is not None:
            await self.open.close()
