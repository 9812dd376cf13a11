"""Real redis-servers that die, hang, want TLS, have Sentinels, or are a Cluster."""

from __future__ import annotations

import asyncio
import logging
import os
import re
from collections.abc import Callable
from contextlib import AsyncExitStack
from pathlib import Path

import pytest

from cache.address import RedisAddress, parse_address
from cache.aio.guarded import Guarded
from cache.aio.redis_client import RedisAccess, RedisClient, connect
from cache.aio.redis_store import RedisStore
from cache.aio.shared_flight import SharedFlights
from cache.aio.store import StoreError
from cache.circuit import Circuit
from cache.flight import Flights
from cache.purge import Purge
from tests.support.cache_values import key
from tests.support.certificates import certificates
from tests.support.redis_servers import RedisServer, redis_cli, redis_server
from tests.support.servers import free_port
from tests.unit.test_cache_flight import Client


def store_at(port: int, scheme: str = "redis", access: RedisAccess | None = None) -> RedisStore:
    return RedisStore(connect(parse_address(f"{scheme}://127.0.0.1:{port}"), access or RedisAccess()))


def guarded(store: RedisStore) -> Guarded:
    """Patient enough for a busy machine, with a pause short enough to see it end."""
    return Guarded("redis", store, get_timeout=1.0, put_timeout=2.0, circuit=Circuit(base=0.1, longest=0.2))


async def test_a_server_killed_in_the_middle_is_misses_and_comes_back(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.WARNING)
    async with redis_server(tmp_path) as server:
        store = guarded(store_at(server.port))
        await store.put(key(0), b"zero", 60.0)
        assert await store.get(key(0)) == b"zero"
        lookups = asyncio.gather(*(store.get(key(n % 2)) for n in range(300)))
        await asyncio.sleep(0)
        await server.kill()
        assert all(found in (None, b"zero") for found in await lookups)
        for _ in range(10):
            assert await store.get(key(0)) is None
        (told,) = await store.stats()
        assert not told.is_admitted and told.faults >= 3
        await server.start()
        async with asyncio.timeout(20):
            while await store.get(key(0)) is None:
                await store.put(key(0), b"again", 60.0)
                await asyncio.sleep(0.02)
        (told,) = await store.stats()
        assert told.is_admitted
        await store.close()
    lines = [record.getMessage() for record in caplog.records if record.name.startswith("cache")]
    assert len(lines) == 2 and "left alone" in lines[0] and "answers again" in lines[1]


async def test_a_server_that_hangs_costs_at_most_the_time_bound(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        store = Guarded("redis", store_at(server.port), get_timeout=0.1, put_timeout=0.2)
        await store.put(key(0), b"zero", 60.0)
        server.stop()
        async with asyncio.timeout(10):
            assert await asyncio.gather(*(store.get(key(0)) for _ in range(50))) == [None] * 50
            assert await store.get(key(0)) is None
            with pytest.raises(StoreError):
                await Guarded("redis", store_at(server.port), purge_timeout=0.1).purge(Purge())
        server.resume()
        await store.close()


async def test_nobody_there_is_a_store_error() -> None:
    store = store_at(free_port())
    for call in (store.get(key(1)), store.put(key(1), b"", 1.0), store.purge(Purge()), store.stats()):
        with pytest.raises(StoreError):
            await call
    await store.close()


async def test_foreign_names_and_values_stay(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        await redis_cli(server.port, "SET", "somebody:else", "1")
        await redis_cli(server.port, "SET", "farline:1:not/a/name", "1")
        await redis_cli(server.port, "SET", "farline:1:a/b/c/not-hex", "1")
        store = store_at(server.port)
        await store.put(key(1), b"one", 60.0)
        assert await store.purge(Purge()) == 1
        assert (await redis_cli(server.port, "DBSIZE")).strip() == "3"
        await store.close()


async def test_more_than_one_page_of_names(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        store = store_at(server.port)
        await asyncio.gather(*(store.put(key(n), b"x", 60.0) for n in range(1500)))
        await store.put(key(1, "other"), b"x", 60.0)
        assert await store.purge(Purge(tenant="team")) == 1500
        assert await store.get(key(1, "other")) == b"x"
        await store.close()


async def test_close_refuses_what_waits(tmp_path: Path) -> None:
    async with redis_server(tmp_path) as server:
        store = store_at(server.port)
        server.stop()
        waiting = [asyncio.ensure_future(store.get(key(n))) for n in range(3000)]  # noqa: TID251
        await asyncio.sleep(0.1)
        await store.close()
        answers = await asyncio.gather(*waiting, return_exceptions=True)
        assert all(isinstance(answer, StoreError) for answer in answers)
        server.resume()


MANUAL = Path(__file__).resolve().parents[2].joinpath("docs", "cache.md").read_text()


def rights(start: str) -> list[str]:
    """What the manual has in backticks, from `start` on."""
    found = re.search(rf"`{re.escape(start)}([^`]+)`", MANUAL)
    assert found is not None
    return found[1].replace("PASSWORD", "secret").split()


async def test_a_user_with_no_more_rights_than_the_manual_says(tmp_path: Path) -> None:
    async with redis_server(tmp_path, "--user", *rights("ACL SETUSER ")) as server:
        address = RedisAddress("single", (("127.0.0.1", server.port),), "farline")
        store = RedisStore(connect(address, RedisAccess(password="secret")))
        await store.put(key(1), b"one", 60.0)
        assert await store.get(key(1)) == b"one"
        assert (await store.stats())[0].used_bytes
        await store.delete(key(1))
        await store.put(key(1), b"one", 60.0)
        assert await store.purge(Purge()) == 1
        await store.close()
        await one_flight(lambda: connect(address, RedisAccess(password="secret")))
        wrong = RedisStore(connect(address, RedisAccess(password="wrong")))
        with pytest.raises(StoreError):
            await wrong.get(key(1))
        await wrong.close()


async def one_flight(connected: Callable[[], RedisClient]) -> None:
    """Led by one node, listened to by another, to its end."""
    nodes = [Flights(), Flights()]
    shared = [SharedFlights(connected(), flights, lambda: os.urandom(16).hex(), claim_timeout=2.0) for flights in nodes]
    leading, following, client = nodes[0].lead(b"k"), nodes[1].lead(b"k"), Client()
    assert await shared[0].claim(b"k", leading)
    assert not await shared[1].claim(b"k", following)
    following.join(client)
    leading.begin(200, [])
    leading.feed(b"one")
    leading.end()
    async with asyncio.timeout(10):
        while client.told != [200, b"one", "end"]:
            await asyncio.sleep(0.01)
    for one in shared:
        await one.close()


async def test_tls_with_the_right_authority_only(tmp_path: Path) -> None:
    made = certificates(tmp_path)
    port = free_port()
    tls = ("--tls-port", str(port), "--tls-cert-file", made.chain, "--tls-key-file", made.key)
    async with redis_server(
        tmp_path, *tls, "--tls-ca-cert-file", made.authority, "--tls-auth-clients", "no", port=port
    ):
        trusting = RedisAccess(authority=made.authority)
        store = store_at(port, "rediss", trusting)
        await store.put(key(1), b"one", 60.0)
        assert await store.get(key(1)) == b"one"
        await store.close()
        stranger = store_at(port, "rediss")
        with pytest.raises(StoreError):
            await stranger.get(key(1))
        await stranger.close()


async def test_sentinel_leads_to_the_new_master(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        master = await stack.enter_async_context(redis_server(tmp_path))
        replica = await stack.enter_async_context(redis_server(tmp_path, "--replicaof", "127.0.0.1", str(master.port)))
        watch = (
            f"sentinel monitor cache 127.0.0.1 {master.port} 1",
            "sentinel down-after-milliseconds cache 500",
            "sentinel failover-timeout cache 3000",
        )
        sentinel = await stack.enter_async_context(redis_server(tmp_path, *watch, sentinel=True))
        address = parse_address(f"redis+sentinel://127.0.0.1:{sentinel.port}/cache")
        store = guarded(RedisStore(connect(address, RedisAccess(timeout=1.0))))
        async with asyncio.timeout(30):
            while "slaves=1" not in await redis_cli(sentinel.port, "info", "sentinel"):
                await asyncio.sleep(0.1)
            await store.put(key(1), b"one", 60.0)
            assert await store.get(key(1)) == b"one"
            while await redis_cli(replica.port, "dbsize") != "1\n":
                await asyncio.sleep(0.05)
            await master.kill()
            while await store.get(key(1)) != b"one":  # misses until the Sentinel has made the replica a master
                await asyncio.sleep(0.1)
            while await store.get(key(2)) != b"two":
                await store.put(key(2), b"two", 60.0)
        await store.close()


async def test_cluster(tmp_path: Path) -> None:
    async with AsyncExitStack() as stack:
        nodes: list[RedisServer] = []
        for name in "abc":
            (tmp_path / name).mkdir()
            port = free_port()
            options = ("--cluster-enabled", "yes", "--cluster-port", str(free_port()))
            nodes.append(await stack.enter_async_context(redis_server(tmp_path / name, *options, port=port)))
        hosts = [f"127.0.0.1:{node.port}" for node in nodes]
        made = await redis_cli(nodes[0].port, "--cluster", "create", *hosts, "--cluster-yes")
        assert "All 16384 slots covered" in made
        async with asyncio.timeout(30):
            for node in nodes:
                while "cluster_state:ok" not in await redis_cli(node.port, "cluster", "info"):
                    await asyncio.sleep(0.05)
        for node in nodes:
            rules = [*rights("ACL SETUSER "), *rights("+cluster|slots "), "+cluster|slots"]
            assert await redis_cli(node.port, "ACL", "SETUSER", *rules) == "OK\n"
        access = RedisAccess(password="secret")
        store = RedisStore(connect(parse_address(f"redis+cluster://farline@{hosts[0]}"), access))
        await asyncio.gather(*(store.put(key(n), b"%d" % n, 60.0) for n in range(100)))
        assert await asyncio.gather(*(store.get(key(n)) for n in range(100))) == [b"%d" % n for n in range(100)]
        sizes = [int(await redis_cli(node.port, "dbsize")) for node in nodes]
        assert sum(sizes) == 100 and all(sizes)
        (told,) = await store.stats()
        assert told.used_bytes and told.used_bytes > 1_000_000
        assert await store.purge(Purge(model="gpt-4.1")) == 100
        await store.close()
        await one_flight(lambda: connect(parse_address(f"redis+cluster://farline@{hosts[1]}"), access))
