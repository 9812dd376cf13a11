"""The cache as the edge uses it."""

from __future__ import annotations

import asyncio
import logging
import os
from pathlib import Path

import msgspec
import pytest

from cache.aio.cache import Cache
from cache.aio.disk import DiskStore
from cache.aio.guarded import Guarded
from cache.aio.memory import MemoryStore
from cache.aio.replay import at_cadence
from cache.aio.store import StoreError, StoreStats
from cache.aio.tiered import Tiered
from cache.key import Key
from cache.policy import judge
from cache.purge import Purge
from cache.rules import Rules
from cache.seal import Sealer
from tests.support.cache_values import entry, key, question

ASKED = judge(question(), Rules())
MIB = 1024 * 1024


async def kept(cache: Cache, count: int = 1) -> None:
    async with asyncio.timeout(10):
        while cache.counts.stored < count:
            await asyncio.sleep(0.01)


async def test_hit_after_miss() -> None:
    cache = Cache(MemoryStore(MIB), clock_utc=lambda: 1010.0)
    assert await cache.look_up(ASKED) is None
    cache.keep(ASKED, entry(created=1000.0))
    await kept(cache)
    found = await cache.look_up(ASKED)
    assert found == entry(created=1000.0) and found.age(cache.now_utc()) == 10
    assert await cache.look_up(judge(question(tenant="other"), Rules())) is None
    assert await cache.purge(Purge(tenant="team")) == 1
    assert await cache.look_up(ASKED) is None
    assert (cache.counts.hits, cache.counts.misses) == (1, 3)
    await cache.close()


async def test_what_has_no_part_in_the_cache() -> None:
    cache = Cache(MemoryStore(MIB), clock_utc=lambda: 1000.0)
    refresh = judge(question(headers=[(b"x-farline-cache", b"refresh")]), Rules())
    bypass = judge(question(headers=[(b"x-farline-cache", b"bypass")]), Rules())
    only = judge(question(headers=[(b"x-farline-cache", b"only")]), Rules())
    for decision in (bypass, only):
        cache.keep(decision, entry())
    cache.keep(refresh, entry())
    await kept(cache)
    assert await cache.look_up(refresh) is await cache.look_up(bypass) is None
    assert await cache.look_up(only) is not None
    assert cache.counts.stored == 1
    await cache.close()


async def test_expired_entries_are_not_used_nor_stored() -> None:
    now = 1000.0
    cache = Cache(MemoryStore(MIB), clock_utc=lambda: now)
    cache.keep(ASKED, entry(created=1000.0, ttl=60.0))
    await kept(cache)
    now = 1060.0
    assert await cache.look_up(ASKED) is None
    cache.keep(ASKED, entry(created=1000.0, ttl=60.0))
    await asyncio.sleep(0)
    assert cache.counts.stored == 1
    await cache.close()


async def test_large_entries_go_through_the_thread() -> None:
    cache = Cache(MemoryStore(10 * MIB), clock_utc=lambda: 1000.0)
    large = entry(os.urandom(300_000))
    cache.keep(ASKED, large)
    await kept(cache)
    assert await asyncio.gather(*(cache.look_up(ASKED) for _ in range(5))) == [large] * 5
    await cache.close()


async def test_unreadable_entries_are_removed_and_told_once(caplog: pytest.LogCaptureFixture) -> None:
    store = MemoryStore(MIB)
    cache = Cache(store, clock_utc=lambda: 1000.0)
    caplog.set_level(logging.WARNING)
    assert ASKED.key is not None
    for _ in range(2):
        await store.put(ASKED.key, b"rubbish", 60.0)
        assert await cache.look_up(ASKED) is None
    await asyncio.sleep(0)
    assert await store.get(ASKED.key) is None
    assert cache.counts.unreadable == 2 and len(caplog.records) == 1
    await cache.close()


async def test_encrypted_at_rest_over_a_restart(tmp_path: Path) -> None:
    secret = os.urandom(32)
    for _ in range(2):
        cache = Cache(DiskStore(tmp_path / "c.db", MIB), lambda: Sealer(secret, os.urandom), clock_utc=lambda: 1000.0)
        found = await cache.look_up(ASKED)
        if found is None:
            cache.keep(ASKED, entry(b"a secret answer " * 50))
            await kept(cache)
        await cache.close()
    assert found is not None and found.body.startswith(b"a secret answer")
    assert not any(b"a secret" in file.read_bytes() for file in tmp_path.iterdir())


class Broken:
    """Fails, or never answers; counts calls."""

    def __init__(self, hangs: bool = False) -> None:
        self.calls = 0
        self._hangs = hangs

    async def _fail(self) -> None:
        self.calls += 1
        if self._hangs:
            await asyncio.Event().wait()
        raise StoreError("broken")

    async def get(self, key: Key) -> bytes | None:
        await self._fail()
        return None

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        await self._fail()

    async def delete(self, key: Key) -> None:
        await self._fail()

    async def purge(self, purge: Purge) -> int:
        await self._fail()
        return 0

    async def stats(self) -> tuple[StoreStats, ...]:
        await self._fail()
        return ()

    async def close(self) -> None:
        await self._fail()


@pytest.mark.parametrize("hangs", [False, True])
async def test_a_broken_far_store_leaves_memory_working(hangs: bool, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    broken = Broken(hangs)
    far = Guarded("far", broken, get_timeout=0.05, put_timeout=0.05, purge_timeout=0.05)
    store = Tiered(MemoryStore(MIB), far)
    for n in range(20):
        await store.put(key(n), b"x", 60.0)
        assert await store.get(key(n)) == b"x"
        assert await store.get(key(n + 1)) is None
    await store.delete(key(0))
    assert broken.calls <= 5  # then it is left alone
    with pytest.raises(StoreError):
        await store.purge(Purge())
    assert await store.get(key(1)) is None  # memory was purged all the same
    near, told = await store.stats()
    assert near.is_admitted and not told.is_admitted and told.faults >= 3
    await store.close()
    assert sum("left alone" in record.getMessage() for record in caplog.records) == 1


async def test_tiers_promote_and_limit_how_long_memory_knows_better(tmp_path: Path) -> None:
    now = 0.0
    far, near = DiskStore(tmp_path / "c.db", MIB), MemoryStore(MIB, clock=lambda: now)
    store = Tiered(near, far, near_ttl=30.0)
    await far.put(key(1), b"one", 600.0)
    assert await near.get(key(1)) is None
    assert await store.get(key(1)) == b"one"
    assert await near.get(key(1)) == b"one"
    await far.purge(Purge())  # as another node would
    assert await store.get(key(1)) == b"one"
    now = 31.0
    assert await store.get(key(1)) is None
    await store.close()


async def test_storing_more_than_can_be_is_left_out() -> None:
    class Slow(MemoryStore):
        async def put(self, key: Key, blob: bytes, ttl: float) -> None:
            await asyncio.sleep(0.05)
            await super().put(key, blob, ttl)

    cache = Cache(Slow(MIB), clock_utc=lambda: 1000.0)
    for _ in range(100):
        cache.keep(ASKED, entry())
    assert cache.counts.left_out == 36
    await kept(cache, 64)
    (told,) = await cache.stats()
    assert told.entries == 1
    await cache.close()


async def test_replay_at_the_original_cadence() -> None:
    one = msgspec.structs.replace(entry(b"abcdef"), chunks=((2, 0), (2, 100), (2, 5000)))
    loop = asyncio.get_running_loop()
    began = loop.time()
    seen = [(loop.time() - began, data) async for data in at_cadence(one, longest_gap=0.2)]
    assert [data for _, data in seen] == [b"ab", b"cd", b"ef"]
    assert seen[1][0] >= 0.099 and 0.299 <= seen[2][0] < 4.0


async def test_replay_to_a_slow_reader_catches_up() -> None:
    one = msgspec.structs.replace(entry(b"abc"), chunks=((1, 0), (1, 20), (1, 40)))
    seen = []
    async for data in at_cadence(one):
        await asyncio.sleep(0.05 if not seen else 0)
        seen.append(data)
    assert seen == [b"a", b"b", b"c"]


async def test_values_are_not_changed_by_sealing() -> None:
    one = entry()
    copy = msgspec.structs.replace(one)
    Sealer().seal(one, bytes(32))
    assert one == copy
