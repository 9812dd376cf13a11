"""The load client against the real fake provider: every protocol, every way in which a reply can end."""

from __future__ import annotations

import time
from dataclasses import replace

import pytest

from netem.bench.aio.load import Client
from netem.bench.aio.order import Order
from netem.bench.record import Reply, read_reply
from netem.provider import FakeProvider

BOTH_LOOPS = True
TOKENS = 6
SIM = f"answer=stamped,think_ms=5,interval_ms=2,tokens={TOKENS}"
ORDER = Order("127.0.0.1", 0, "h1", "", "", "sse", (0.0, 0.01, 0.02), 2, 200, 5.0, "test")


def _order(provider: FakeProvider, **changes: object) -> Order:
    return replace(ORDER, port=provider.port, ca_file=provider.ca_file or "", **changes)  # type: ignore[arg-type]


async def _replies(order: Order) -> list[Reply]:
    client = Client(order)
    assert await client.warm_up() == ""
    said = await client.measure(time.monotonic_ns())
    return [read_reply(each) for each in said["replies"]]


@pytest.mark.parametrize("way", ["cold", "h1", "h2", "h3"])
async def test_every_protocol_brings_every_token(way: str) -> None:
    async with FakeProvider(tls=True, h3=True, sim=SIM) as provider:
        replies = await _replies(_order(provider, way=way))
        assert [reply.outcome(TOKENS) for reply in replies] == ["complete"] * 3
        assert [reply.index for reply in replies] == [0, 1, 2]
        for reply in replies:
            assert reply.numbers == tuple(range(1, TOKENS + 1))
            assert all(0.0 <= delay < 1.0 for delay in reply.delays())
            assert reply.planned - 0.002 <= reply.started <= reply.arrivals[0] <= reply.ended
        connections = {"cold": 3 + 2, "h1": 2, "h2": 1, "h3": 1}[way]
        assert provider.counters()["connections"] == connections or way == "h1"


async def test_a_realtime_conversation() -> None:
    async with FakeProvider(tls=True, sim=SIM) as provider:
        replies = await _replies(_order(provider, traffic="ws"))
        assert [reply.outcome(TOKENS) for reply in replies] == ["complete"] * 3
        assert all(reply.delays() == [] for reply in replies)


FAULTS = {
    "truncate": "truncated",
    "cut": "failed",
    "reset": "failed",
    "error_event": "failed",
    "reset_before_head": "failed",
    "stall": "failed",
}


@pytest.mark.parametrize("way", ["h1", "h2", "h3"])
@pytest.mark.parametrize(("fault", "outcome"), FAULTS.items())
async def test_how_a_reply_ends_is_told_apart(way: str, fault: str, outcome: str) -> None:
    async with FakeProvider(tls=True, h3=True, sim=SIM) as provider:
        client = Client(_order(provider, way=way, starts=(0.0,), patience=0.5))
        assert await client.warm_up() == ""
        provider.rule(f"{SIM},fault={fault},after=3")
        said = await client.measure(time.monotonic_ns())
        (reply,) = (read_reply(each) for each in said["replies"])
        assert reply.outcome(TOKENS) == outcome
        assert bool(reply.fault or reply.is_error) == (outcome == "failed")


async def test_an_error_status_is_a_fault() -> None:
    async with FakeProvider(sim=SIM) as provider:
        client = Client(_order(provider, starts=(0.0,)))
        assert await client.warm_up() == ""
        provider.rule("status=503")
        said = await client.measure(time.monotonic_ns())
        assert said["replies"][0]["fault"] == "status 503"


async def test_a_warm_up_that_fails_is_told() -> None:
    async with FakeProvider(sim="status=500") as provider:
        assert "status 500" in await Client(_order(provider)).warm_up()
    assert "Connect" in await Client(replace(ORDER, port=1)).warm_up()


@pytest.mark.parametrize("way", ["h1", "h2", "h3"])
async def test_nobody_there(way: str) -> None:
    async with FakeProvider(tls=True, h3=True, sim=SIM) as provider:
        order = _order(provider, way=way, starts=(0.0,), patience=0.5)
    said = await Client(order).measure(time.monotonic_ns())
    assert read_reply(said["replies"][0]).outcome(TOKENS) == "failed"
    assert said["replies"][0]["fault"]


@pytest.mark.parametrize("traffic", ["sse", "ws"])
async def test_a_websocket_that_is_cut_or_refused(traffic: str) -> None:
    async with FakeProvider(sim=f"{SIM},fault=reset,after=3") as provider:
        said = await Client(_order(provider, traffic=traffic, starts=(0.0,))).measure(time.monotonic_ns())
        assert read_reply(said["replies"][0]).outcome(TOKENS) == "failed"
    async with FakeProvider(sim="status=503") as provider:
        said = await Client(_order(provider, traffic=traffic, starts=(0.0,))).measure(time.monotonic_ns())
        assert "503" in said["replies"][0]["fault"]
