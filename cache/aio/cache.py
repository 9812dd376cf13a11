"""The cache as the edge uses it: look up, keep, purge. Stores, sealing and clocks are behind it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from time import time
from typing import TypeVar

from msgspec import Struct

from cache.aio.store import Store, StoreStats
from cache.entry import Entry
from cache.flight import Flights
from cache.key import Key
from cache.policy import Decision, is_usable
from cache.purge import Purge
from cache.seal import Sealer, Unreadable
from transport.aio.tasks import TaskOwner

T = TypeVar("T")

_log = logging.getLogger(__name__)

_LARGE_BYTES = 128 * 1024  # from here on zstd takes a millisecond: not on the event loop
_MOST_STORING = 64  # replies being stored at a time; more are left out


class Counts(Struct):
    """Since the start."""

    hits: int = 0
    misses: int = 0
    stored: int = 0
    left_out: int = 0
    unreadable: int = 0


class Cache:
    """`store` should be Guarded where it can fail. `sealers` makes sealers with the same secret: one for the event
    loop and one for the thread that takes large entries."""

    def __init__(
        self,
        store: Store,
        sealers: Callable[[], Sealer] = Sealer,
        flights: Flights | None = None,
        clock_utc: Callable[[], float] = time,
    ) -> None:
        self.flights = flights or Flights()
        self.counts = Counts()
        self._store = store
        self._sealer, self._aside = sealers(), sealers()
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache-seal")  # one, so that its sealer has one user
        self._clock = clock_utc
        self._is_closed = False
        self._storing = TaskOwner("cache-store")

    async def look_up(self, decision: Decision) -> Entry | None:
        """What may answer this request, or None. Raises nothing that is the store's fault."""
        key = decision.key
        if key is None or not decision.may_look_up:
            return None
        entry = await self.entry(decision, key)
        if entry is None:
            self.counts.misses += 1
        else:
            self.counts.hits += 1
        return entry

    async def entry(self, decision: Decision, key: Key) -> Entry | None:
        """What is stored under `key`, which needn't be the decision's own, if it may answer. Not counted."""
        entry = await self._found(key)
        return entry if entry is not None and is_usable(decision, entry, self._clock()) else None

    async def record(self, key: Key) -> bytes | None:
        """Bytes that `put_record` stored; None if they are gone, or unreadable."""
        blob = await self._store.get(key)
        try:
            return None if blob is None else self._sealer.open_bytes(blob, key.digest)
        except Unreadable:
            return None

    async def put_record(self, key: Key, plain: bytes, ttl: float) -> None:
        """Stores a few bytes that aren't an entry beside the entries, sealed as they are. Raises StoreError."""
        if ttl > 0:
            await self._store.put(key, self._sealer.seal_bytes(plain, key.digest), ttl)

    async def delete(self, key: Key) -> None:
        """Takes one entry out. Raises StoreError."""
        await self._store.delete(key)

    def now_utc(self) -> float:
        """For `Recorder.entry` and `Entry.age`."""
        return self._clock()

    def keep(self, decision: Decision, entry: Entry) -> asyncio.Task[None] | None:
        """Stores in the background: the task that does it. Ask `policy.refusal` before; here only load can be a reason
        not to."""
        if decision.key is None or not decision.may_store or self._is_closed:
            return None
        if len(self._storing) >= _MOST_STORING:
            self.counts.left_out += 1
            return None
        return self._storing.start(self._keep(decision.key, entry))

    async def purge(self, purge: Purge) -> int:
        """How many entries went. Raises StoreError if it can't be said that all did."""
        return await self._store.purge(purge)

    async def stats(self) -> tuple[StoreStats, ...]:
        return await self._store.stats()

    async def close(self) -> None:
        """What is being stored is given up."""
        self._is_closed = True
        await self._storing.close()
        await self._store.close()
        self._thread.shutdown()

    async def _found(self, key: Key) -> Entry | None:
        blob = await self._store.get(key)
        if blob is None:
            return None
        try:
            if len(blob) < _LARGE_BYTES:
                return self._sealer.open(blob, key.digest)
            return await self._in_thread(lambda: self._aside.open(blob, key.digest))
        except Unreadable as why:
            self.counts.unreadable += 1
            level = logging.WARNING if self.counts.unreadable == 1 else logging.DEBUG  # another secret makes all so
            _log.log(level, "cache entry %s can't be read (%s) and is removed", key.name, why)
            self._storing.start(self._store.delete(key))
            return None

    async def _keep(self, key: Key, entry: Entry) -> None:
        if len(entry.body) < _LARGE_BYTES:
            blob = self._sealer.seal(entry, key.digest)
        else:
            blob = await self._in_thread(lambda: self._aside.seal(entry, key.digest))
        ttl = entry.expires_at_utc - self._clock()
        if ttl > 0:
            await self._store.put(key, blob, ttl)
            self.counts.stored += 1

    async def _in_thread(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)
