"""A store whose faults are nobody's: every call has a time bound, and what fails is a miss."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Awaitable, Callable
from time import monotonic
from typing import TypeVar

import msgspec

from cache.aio.store import Store, StoreError, StoreStats
from cache.circuit import Circuit
from cache.key import Key
from cache.purge import Purge

T = TypeVar("T")

_log = logging.getLogger(__name__)


class Guarded:
    """`get_timeout`, `put_timeout` in seconds: a lookup stands in a request's way, a put doesn't. After three faults in
    a row the store is left alone for a while, which is logged once, as is its return."""

    def __init__(
        self,
        name: str,
        store: Store,
        get_timeout: float = 0.05,
        put_timeout: float = 1.0,
        purge_timeout: float = 30.0,
        circuit: Circuit | None = None,
        clock: Callable[[], float] = monotonic,
    ) -> None:
        self.faults = 0
        self._name = name
        self._store = store
        self._get_timeout, self._put_timeout, self._purge_timeout = get_timeout, put_timeout, purge_timeout
        self._circuit = circuit or Circuit()
        self._clock = clock

    async def get(self, key: Key) -> bytes | None:
        return await self._bounded(self._get_timeout, lambda: self._store.get(key), None)

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        await self._bounded(self._put_timeout, lambda: self._store.put(key, blob, ttl), None)

    async def delete(self, key: Key) -> None:
        await self._bounded(self._put_timeout, lambda: self._store.delete(key), None)

    async def purge(self, purge: Purge) -> int:
        """Raises StoreError: whoever purges must know that it didn't happen."""
        try:
            async with asyncio.timeout(self._purge_timeout):
                return await self._store.purge(purge)
        except TimeoutError:
            raise StoreError(f"{self._name}: no answer within {self._purge_timeout} s") from None

    async def stats(self) -> tuple[StoreStats, ...]:
        unknown: tuple[StoreStats, ...] = (StoreStats(self._name),)
        told = await self._bounded(self._put_timeout, self._store.stats, unknown)
        admitted = self._circuit.is_admitted
        return tuple(
            msgspec.structs.replace(one, faults=one.faults + self.faults, is_admitted=admitted) for one in told
        )

    async def close(self) -> None:
        try:
            async with asyncio.timeout(self._put_timeout):
                await self._store.close()
        except (TimeoutError, StoreError) as error:
            _log.warning("cache store %s did not close in order: %s", self._name, error or "no answer")

    async def _bounded(self, timeout: float, call: Callable[[], Awaitable[T]], otherwise: T) -> T:
        if not self._circuit.may_call(self._clock()):
            return otherwise
        try:
            async with asyncio.timeout(timeout):
                answer = await call()
        except (TimeoutError, StoreError) as error:
            self._failed(error)
            return otherwise
        if self._circuit.succeeded():
            _log.warning("cache store %s answers again", self._name)
        return answer

    def _failed(self, error: Exception) -> None:
        self.faults += 1
        if self._circuit.failed(self._clock()):
            _log.warning("cache store %s is left alone for now: %s", self._name, str(error) or "no answer in time")
