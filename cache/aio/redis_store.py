"""The store in a Redis, shared between nodes. Calls of the same moment travel in one pipeline.

An entry's name there is `farline:1:TENANT/PROVIDER/MODEL/DIGEST`, so that purging needs no index that could disagree
with what is there: it walks over the names (SCAN), which doesn't block the server. How much is kept is Redis's own
business: `maxmemory` with `allkeys-lfu`.
"""

from __future__ import annotations

import asyncio
from collections import deque
from typing import Any
from urllib.parse import quote, unquote

from msgspec import Struct
from redis.exceptions import RedisClusterException, RedisError

from cache.aio.redis_client import RedisClient
from cache.aio.store import StoreError, StoreStats
from cache.key import Key
from cache.purge import Purge
from transport.aio.tasks import TaskOwner

NAMESPACE = "farline:1:"
_BATCHES = 4  # pipelines at a time, each on a connection of its own: a large value delays only its own
_BATCH_CALLS = 64
_MOST_WAITING = 2048
_SCAN_COUNT = 1000
_FAULTS = (RedisError, RedisClusterException, OSError, TimeoutError)


class _Call(Struct, eq=False):
    arguments: tuple[Any, ...]
    answer: asyncio.Future[Any]


class RedisStore:
    """Owns the client and closes it."""

    def __init__(self, redis: RedisClient) -> None:
        self._redis = redis
        self._waiting: deque[_Call] = deque()
        self._batches = TaskOwner("cache-redis")

    async def get(self, key: Key) -> bytes | None:
        found = await self._call("GET", name_of(key))
        return found if isinstance(found, bytes) else None

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        await self._call("SET", name_of(key), blob, "PX", max(1, int(ttl * 1000)))

    async def delete(self, key: Key) -> None:
        await self._call("UNLINK", name_of(key))

    async def purge(self, purge: Purge) -> int:
        client, found = self._redis.client, 0
        names: list[bytes] = []
        try:
            async for name in client.scan_iter(match=pattern_of(purge), count=_SCAN_COUNT):
                key = key_in(name)
                if key is not None and purge.fits(key):
                    names.append(name)
                if len(names) >= _SCAN_COUNT:
                    found += await self._unlink(names)
                    names = []
            return found + await self._unlink(names)
        except _FAULTS as error:
            raise StoreError(str(error)) from error

    async def stats(self) -> tuple[StoreStats, ...]:
        """Of the whole Redis, whoever else uses it; of a Cluster, of all its primaries together."""
        try:
            told: dict[str, Any] = await self._redis.client.info()
        except _FAULTS as error:
            raise StoreError(str(error)) from error
        nodes = [told] if "used_memory" in told else [one for one in told.values() if isinstance(one, dict)]
        used, limit, evicted = (
            sum(int(node.get(name, 0)) for node in nodes) for name in ("used_memory", "maxmemory", "evicted_keys")
        )
        return (StoreStats("redis", None, used, limit or None, evicted),)

    async def close(self) -> None:
        await self._batches.close()
        for call in self._waiting:
            _refuse(call, "closed")
        try:
            await self._redis.close()
        except _FAULTS as error:
            raise StoreError(str(error)) from error

    async def _unlink(self, names: list[bytes]) -> int:
        if not names:
            return 0
        pipeline: Any = self._redis.client.pipeline(transaction=False)
        for name in names:
            pipeline.execute_command("UNLINK", name)
        return sum(await pipeline.execute())

    async def _call(self, *arguments: Any) -> Any:
        if len(self._waiting) >= _MOST_WAITING:
            raise StoreError("too many calls wait")
        call = _Call(arguments, asyncio.get_running_loop().create_future())
        self._waiting.append(call)
        if len(self._batches) < _BATCHES:
            self._batches.start(self._send())  # begins after this turn of the loop: its other calls go along
        return await call.answer

    async def _send(self) -> None:
        """Sends what waits until nothing does. Callers that have left are passed over."""
        while self._waiting:
            count = min(_BATCH_CALLS, len(self._waiting))
            batch = [call for call in (self._waiting.popleft() for _ in range(count)) if not call.answer.done()]
            if batch:
                await self._send_batch(batch)

    async def _send_batch(self, batch: list[_Call]) -> None:
        pipeline: Any = self._redis.client.pipeline(transaction=False)
        for call in batch:
            pipeline.execute_command(*call.arguments)
        try:
            answers = await pipeline.execute(raise_on_error=False)
        except _FAULTS as error:
            answers = [error] * len(batch)
        except asyncio.CancelledError:
            for call in batch:
                _refuse(call, "closed")
            raise
        for call, answer in zip(batch, answers, strict=True):
            if isinstance(answer, Exception):
                _refuse(call, str(answer) or type(answer).__name__)
            elif not call.answer.done():
                call.answer.set_result(answer)


def _refuse(call: _Call, why: str) -> None:
    if not call.answer.done():
        call.answer.set_exception(StoreError(why))


def name_of(key: Key) -> str:
    """The entry's name in Redis. Quoted parts hold no `/`, no `{` (which would choose a cluster's slot), no glob."""
    return f"{NAMESPACE}{_quoted(key.tenant)}/{_quoted(key.provider)}/{_quoted(key.model)}/{key.digest.hex()}"


def key_in(name: bytes) -> Key | None:
    """The key that `name_of` made this name of; None for a foreign name."""
    parts = name.removeprefix(NAMESPACE.encode()).split(b"/")
    try:
        tenant, provider, model, digest = (unquote(part.decode(), errors="surrogateescape") for part in parts)
        return Key(bytes.fromhex(digest), tenant, provider, model)
    except ValueError:
        return None


def pattern_of(purge: Purge) -> str:
    """A SCAN pattern that every fitting name matches, and not many others."""
    tenant = "*" if purge.tenant is None else f"{_quoted(purge.tenant)}*"
    model = "*" if purge.model is None else f"*/{_quoted(purge.model)}/*"
    digest = "*" if purge.digest is None else f"*/{purge.digest.hex()}"
    narrowest = max((f"{tenant}/*", model, digest), key=len)
    return NAMESPACE + narrowest


def _quoted(text: str) -> str:
    return quote(text, safe="", errors="surrogateescape")
