"""Single flight between two nodes over a real Redis."""

from __future__ import annotations

import asyncio
import os
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from cache.address import parse_address
from cache.aio.redis_client import RedisAccess, connect
from cache.aio.shared_flight import SharedFlights
from cache.flight import FlightLimits, Flights
from cache.flight_wire import Wire
from tests.support.redis_servers import RedisServer, redis_cli, redis_server
from tests.support.waiting import until
from tests.unit.test_cache_flight import HEAD, LOST, Client

KEY = bytes(range(32))


class Node:
    """A node's flights."""

    def __init__(self, port: int, wire: Wire | None = None) -> None:
        access = RedisAccess(connections=100)
        client = connect(parse_address(f"redis://127.0.0.1:{port}"), access)
        self.flights = Flights(FlightLimits())
        self.shared = SharedFlights(client, self.flights, lambda: os.urandom(16).hex(), wire, claim_timeout=2.0)


@asynccontextmanager
async def two(server: RedisServer, wire: Callable[[], Wire] = Wire) -> AsyncIterator[tuple[Node, Node]]:
    one, other = Node(server.port, wire()), Node(server.port, wire())
    try:
        yield one, other
    finally:
        await one.shared.close()
        await other.shared.close()


@pytest.fixture
async def server(tmp_path: Path) -> AsyncIterator[RedisServer]:
    async with redis_server(tmp_path) as made:
        yield made


SECRET = bytes(32)


@pytest.mark.parametrize("wire", [Wire, lambda: Wire(SECRET, os.urandom)])
async def test_the_other_node_listens(server: RedisServer, wire: Callable[[], Wire]) -> None:
    async with two(server, wire) as (one, other):
        leading, following = one.flights.lead(KEY), other.flights.lead(KEY)
        assert await one.shared.claim(KEY, leading)
        assert not await other.shared.claim(KEY, following)
        clients = [Client() for _ in range(5)]
        for client in clients:
            following.join(client)
        leading.begin(200, HEAD)
        for n in range(100):
            leading.feed(b"chunk %d " % n)
            if n % 20 == 0:
                await asyncio.sleep(0.01)
        await until(lambda: clients[0].body.endswith(b"chunk 80 ") or len(clients[0].body) > 500)
        late = other.flights.find(KEY)
        assert late is following
        late.join(clients[0].__class__())
        leading.end()
        await until(lambda: all(client.told[-1:] == ["end"] for client in clients))
        whole = b"".join(b"chunk %d " % n for n in range(100))
        assert {client.body for client in clients} == {whole}
        assert clients[0].told[0] == 200
        await until(lambda: len(other.flights) == 0)


async def test_who_comes_a_moment_too_late_gets_it_too(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading = one.flights.lead(KEY)
        assert await one.shared.claim(KEY, leading)
        leading.begin(200, HEAD)
        leading.feed(b"all")
        leading.end()
        await until(lambda: leading.listeners == 0)
        await asyncio.sleep(0.1)
        following, client = other.flights.lead(KEY), Client()
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        await until(lambda: client.told == [200, b"all", "end"])


@pytest.mark.parametrize("status", [429, None])
async def test_what_went_wrong_is_told_but_not_kept(server: RedisServer, status: int | None) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        assert await one.shared.claim(KEY, leading)
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        if status is None:
            leading.fail(LOST)
            await until(lambda: bool(client.told))
            failure = client.told[0]
            assert (getattr(failure, "origin", None), getattr(failure, "code", None)) == (LOST.origin, LOST.code)
        else:
            leading.begin(status, HEAD)
            leading.end()
            await until(lambda: client.told == [429, "end"])
        again = other.flights.lead(KEY)
        async with asyncio.timeout(5):
            while not await other.shared.claim(KEY, again):
                again = other.flights.lead(KEY)


async def test_the_leaders_client_leaves_and_the_other_node_still_listens(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        abandoned: list[bool] = []
        leading.on_abandoned = lambda: abandoned.append(True)
        assert await one.shared.claim(KEY, leading)
        assert not await other.shared.claim(KEY, following)
        seat = following.join(client)
        leading.begin(200, HEAD)
        leading.feed(b"a")
        await until(lambda: client.body == b"a" and any(one.is_wanted for one in leading._seats))
        assert not leading.may_abandon()
        leading.feed(b"b")
        await until(lambda: client.body == b"ab")
        seat.leave()
        assert not abandoned
        await until(lambda: abandoned == [True])  # when nobody has listened for some seconds


async def test_nobody_listens_elsewhere(server: RedisServer) -> None:
    async with two(server) as (one, _):
        leading = one.flights.lead(KEY)
        assert await one.shared.claim(KEY, leading)
        leading.begin(200, HEAD)
        assert leading.may_abandon()


async def test_a_leaders_death_is_noticed(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        assert await one.shared.claim(KEY, leading)
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        leading.begin(200, HEAD)
        leading.feed(b"a")
        await until(lambda: client.body == b"a")
        await one.shared._leading.close()
        await until(lambda: len(client.told) == 3)
        assert getattr(client.told[2], "code", None) == "connection_terminated"
        assert await other.shared.claim(KEY, other.flights.lead(KEY))


async def test_redis_dies_and_everybody_flies_alone(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        assert await one.shared.claim(KEY, leading)
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        leading.begin(200, HEAD)
        leading.feed(b"a")
        await until(lambda: client.body == b"a")
        await server.kill()
        await until(lambda: len(client.told) == 3)
        leading.feed(b"b")
        leading.end()  # unharmed
        await until(lambda: leading.listeners == 0)
        for node in (one, other, one, other, one, other, one, other):
            assert await node.shared.claim(KEY, node.flights.lead(KEY))


async def test_strange_messages_fail_the_flight(server: RedisServer) -> None:
    async with two(server) as (_, other):
        await redis_cli(server.port, "SET", f"farline:1:lead:{{{KEY.hex()}}}", "token", "PX", "60000")
        following, client = other.flights.lead(KEY), Client()
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        await redis_cli(server.port, "XADD", f"farline:1:flight:{{{KEY.hex()}}}:token", "*", "n", "0", "m", "rubbish")
        await until(lambda: len(client.told) == 1)
        assert len(other.flights) == 0


async def test_a_stream_without_its_beginning_is_not_taken_for_a_reply(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        assert await one.shared.claim(KEY, leading)
        leading.begin(200, HEAD)
        leading.feed(b"a")
        names = ""
        async with asyncio.timeout(10):
            while "flight" not in names:
                names = await redis_cli(server.port, "KEYS", "farline:1:flight:*")
        await redis_cli(server.port, "DEL", names.strip())
        leading.feed(b"b")
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        await until(lambda: bool(client.told))
        assert client.body == b"" and getattr(client.told[0], "code", None) == "connection_terminated"


async def test_a_silent_leader_keeps_its_stream(server: RedisServer) -> None:
    async with two(server) as (one, other):
        leading, following, client = one.flights.lead(KEY), other.flights.lead(KEY), Client()
        assert await one.shared.claim(KEY, leading)
        leading.begin(200, HEAD)
        leading.feed(b"a")
        await asyncio.sleep(0.2)
        for name in (await redis_cli(server.port, "KEYS", "farline:1:*")).split():
            await redis_cli(server.port, "PEXPIRE", name, "2500")  # as if seconds had gone by
        await asyncio.sleep(3.0)
        assert not await other.shared.claim(KEY, following)
        following.join(client)
        leading.end()
        await until(lambda: client.told == [200, b"a", "end"])


async def test_all_listeners_leave_and_reading_stops(server: RedisServer) -> None:
    async with two(server) as (one, other):
        assert await one.shared.claim(KEY, one.flights.lead(KEY))
        following = other.flights.lead(KEY)
        assert not await other.shared.claim(KEY, following)
        following.join(Client()).leave()
        await until(lambda: len(other.flights) == 0)
        assert following.is_over
