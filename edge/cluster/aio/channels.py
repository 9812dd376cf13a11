"""Published configurations in the cluster's Redis: of each channel the latest versions, each written once.

farline:cluster:{ID}:config:CHANNEL            version → encoded Version
farline:cluster:{ID}:config:CHANNEL:changes    rises when one is published
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any, TypeVar

from redis.exceptions import RedisError

from cache.aio.redis_client import RedisClient
from edge.cluster.taking import numbers, surplus
from edge.config.published import Version, decoded, encoded

CALL = 3.0
"""Seconds for one look."""
T = TypeVar("T")


class Unreachable(Exception):
    """Redis doesn't answer; the text says more."""


class Channels:
    """All methods raise Unreachable."""

    def __init__(self, id: str, client: RedisClient) -> None:
        self.id = id
        self._client: Any = client.client  # of either kind; their annotations disagree

    def changes(self, channel: str) -> str:
        """The key of the counter."""
        return f"{self._key(channel)}:changes"

    async def numbers(self, channel: str) -> list[int]:
        return numbers(await self._call(self._client.hkeys(self._key(channel))))

    async def version(self, channel: str, number: int) -> Version | None:
        """None: there is none, or it can't be read."""
        data = await self._call(self._client.hget(self._key(channel), str(number)))
        return None if data is None else _version(channel, number, data)

    async def versions(self, channel: str) -> list[Version]:
        """Newest first."""
        told = await self._call(self._client.hgetall(self._key(channel)))
        found = [_version(channel, number, data) for name, data in told.items() for number in numbers([name])]
        return sorted((each for each in found if each is not None), key=lambda each: each.number, reverse=True)

    async def put(self, version: Version) -> bool:
        """False: there is a version of that number already. Drops what is too old."""
        key = self._key(version.channel)
        if not await self._call(self._client.hsetnx(key, str(version.number), encoded(version))):
            return False
        await self._call(self._client.incr(self.changes(version.channel)))
        old = surplus(await self.numbers(version.channel))
        if old:
            await self._call(self._client.hdel(key, *map(str, old)))
        return True

    def _key(self, channel: str) -> str:
        return f"farline:cluster:{{{self.id}}}:config:{channel}"

    async def _call(self, call: Awaitable[T]) -> T:
        try:
            async with asyncio.timeout(CALL):
                return await call
        except (RedisError, OSError, TimeoutError) as error:
            raise Unreachable(f"the cluster's Redis doesn't answer: {error or type(error).__name__}") from None


def _version(channel: str, number: int, data: bytes | str) -> Version | None:
    try:
        found = decoded(data)
    except ValueError:
        return None
    return found if (found.channel, found.number) == (channel, number) else None
