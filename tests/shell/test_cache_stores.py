"""What every store does, over each of them."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path

import pytest

from cache.address import parse_address
from cache.aio.disk import DiskStore
from cache.aio.guarded import Guarded
from cache.aio.memory import MemoryStore
from cache.aio.redis_client import RedisAccess, connect
from cache.aio.redis_store import RedisStore
from cache.aio.store import Store
from cache.aio.tiered import Tiered
from cache.purge import Purge
from tests.support.cache_values import key
from tests.support.redis_servers import redis_server

MIB = 1024 * 1024


@asynccontextmanager
async def memory(_: Path) -> AsyncIterator[Store]:
    yield MemoryStore(MIB)


@asynccontextmanager
async def disk(directory: Path) -> AsyncIterator[Store]:
    yield DiskStore(directory / "cache.db", MIB)


@asynccontextmanager
async def redis(directory: Path) -> AsyncIterator[Store]:
    async with redis_server(directory) as server:
        yield RedisStore(connect(parse_address(f"redis://127.0.0.1:{server.port}/3"), RedisAccess()))


@asynccontextmanager
async def tiered(directory: Path) -> AsyncIterator[Store]:
    yield Guarded("tiered", Tiered(MemoryStore(MIB), DiskStore(directory / "far.db", MIB)), get_timeout=5.0)


@pytest.fixture(params=[memory, disk, redis, tiered])
async def store(request: pytest.FixtureRequest, tmp_path: Path) -> AsyncIterator[Store]:
    async with AsyncExitStack() as stack:
        made: Store = await stack.enter_async_context(request.param(tmp_path))
        yield made
        await made.close()


async def test_gives_back_what_was_put(store: Store) -> None:
    assert await store.get(key(1)) is None
    await store.put(key(1), b"one\0\xff", 60.0)
    await store.put(key(2), b"two", 60.0)
    assert await store.get(key(1)) == b"one\0\xff"
    await store.put(key(1), b"", 60.0)
    assert await store.get(key(1)) == b""
    await store.delete(key(1))
    await store.delete(key(1))
    assert await store.get(key(1)) is None
    assert await store.get(key(2)) == b"two"


async def test_forgets_what_has_expired(store: Store) -> None:
    await store.put(key(1), b"one", 0.05)
    await asyncio.sleep(0.1)
    assert await store.get(key(1)) is None


async def test_many_calls_of_the_same_moment(store: Store) -> None:
    values = {n: b"%d" % n * 50 for n in range(150)}
    await asyncio.gather(*(store.put(key(n), blob, 60.0) for n, blob in values.items()))
    found = await asyncio.gather(*(store.get(key(n)) for n in values))
    assert found == list(values.values())


PURGES: list[tuple[Purge, set[int]]] = [
    (Purge(digest=key("b", tenant="one").digest), {1}),
    (Purge(model="gpt/4*"), {2}),
    (Purge(tenant="one"), {0, 1, 4}),
    (Purge(tenant="one", model="m"), {0, 1, 4}),
    (Purge(tenant="two", model="nothing"), set()),
    (Purge(prefix="anthropic/"), {3}),
    (Purge(), {0, 1, 2, 3, 4}),
]


@pytest.mark.parametrize(("purge", "gone"), PURGES)
async def test_purges(store: Store, purge: Purge, gone: set[int]) -> None:
    keys = [
        key("a", "one", model="m"),
        key("b", "one", model="m"),
        key("c", "two", model="gpt/4*"),
        key("d", "two/{x}", provider="anthropic", model="公司 m"),
        key("e", "one+0123abc", model="m"),
    ]
    keys[1] = key("b", tenant="one") if purge.digest else keys[1]
    for one in keys:
        await store.put(one, b"x", 60.0)
    assert await store.purge(purge) == len(gone)
    left = {n for n, one in enumerate(keys) if await store.get(one) is not None}
    assert left == {0, 1, 2, 3, 4} - gone


async def test_says_how_it_is(store: Store) -> None:
    await store.put(key(1), b"one" * 100, 60.0)
    for told in await store.stats():
        assert told.is_admitted and told.faults == 0
        assert told.entries in (None, 1)
        assert told.used_bytes is not None and told.used_bytes >= 300


async def test_the_bound_holds(tmp_path: Path) -> None:
    stores: list[Callable[[], Store]] = [lambda: MemoryStore(200_000), lambda: DiskStore(tmp_path / "b.db", 200_000)]
    for make in stores:
        bounded = make()
        for n in range(300):
            await bounded.put(key(n), bytes(2000), 60.0)
            (told,) = await bounded.stats()
            assert told.used_bytes is not None and told.used_bytes <= 200_000
        assert told.evictions
        assert await _held(bounded.get, 300) > 50
        await bounded.close()
    assert sum(file.stat().st_size for file in tmp_path.glob("b.db*")) < 6_000_000  # most of it the log


async def _held(get: Callable[..., Awaitable[bytes | None]], count: int) -> int:
    return sum([await get(key(n)) is not None for n in range(count)])
