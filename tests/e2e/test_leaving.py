"""The client goes: the upstream is cancelled at once, it is counted, and nothing stays behind."""

from __future__ import annotations

import asyncio
import gc
import json
import time
from collections.abc import AsyncIterator
from dataclasses import dataclass

import pytest

from edge.app import Node
from tests.support.nodes import node
from tests.support.pooling import open_files
from tests.support.waiting import until
from tests.support.worlds import APIS, World, world_config

LONG = "tokens=2000,interval_ms=20"
WAYS = {
    "streaming": (LONG, True),
    "thinking before the head": ("think_ms=20000", False),
    "thinking after the head": (f"reasoning_ms=20000,{LONG}", True),
}
assert "openai" in APIS


@dataclass
class Leaver:
    """A client that goes without a word."""

    reader: asyncio.StreamReader
    writer: asyncio.StreamWriter

    @classmethod
    async def ask(cls, base: str, provider: str, id: str, sim: str) -> Leaver:
        host, _, port = base.removeprefix("http://").rpartition(":")
        reader, writer = await asyncio.open_connection(host, int(port))
        body = json.dumps({"model": "m", "stream": True, "messages": [{"role": "user", "content": "x"}]}).encode()
        writer.write(
            f"POST /{provider}/v1/chat/completions HTTP/1.1\r\nhost: edge\r\nx-sim-id: {id}\r\nx-sim: {sim}\r\n"
            f"content-type: application/json\r\ncontent-length: {len(body)}\r\n\r\n".encode()
            + body
        )
        return cls(reader, writer)

    async def wait_for(self, text: bytes) -> None:
        await asyncio.wait_for(self.reader.readuntil(text), 10)

    def leave(self) -> float:
        """When, on the monotonic clock that all processes share."""
        self.writer.transport.abort()
        return time.monotonic()


async def ended(world: World, id: str) -> tuple[str, float]:
    """How and when the provider saw the request end."""
    for _ in range(200):
        records = world.provider.log(id)
        if records and records[0]["ended_at"] is not None:
            return records[0]["outcome"], records[0]["ended_at"]
        await asyncio.sleep(0.02)
    raise AssertionError(f"the provider still works on {id}")


@pytest.mark.parametrize("way", WAYS)
async def test_the_upstream_is_cancelled_at_once(world: World, protocol: str, way: str):
    """The quickest of a few, for the machine may be busy with something else."""
    sim, has_head = WAYS[way]
    before = world.edge.metric("farline_clients_gone_total")
    delays = []
    for number in range(3):
        id = f"leave-{protocol}-{way.replace(' ', '-')}-{number}"
        client = await Leaver.ask(world.edge.url, f"openai-{protocol}", id, sim)
        if has_head:
            await client.wait_for(b"data: ")
        else:
            await until(lambda id=id: bool(world.provider.log(id)))  # type: ignore[misc]  # lambda defaults
        left = client.leave()
        outcome, at = await ended(world, id)
        assert outcome == "cancelled"
        delays.append(at - left)
    assert min(delays) < 0.1
    assert max(delays) < 2
    await until(lambda: world.edge.metric("farline_clients_gone_total") == before + 3)


async def test_a_drained_reply_is_counted_as_paid_and_undelivered(world: World):
    client = await Leaver.ask(world.edge.url, "openai-drain", "drained", "tokens=40,interval_ms=5")
    await client.wait_for(b"t0003")
    client.leave()
    assert (await ended(world, "drained"))[0] == "complete"
    await until(lambda: world.edge.metric("farline_paid_undelivered_tokens_total") >= 20)


@pytest.fixture
async def inner(world: World) -> AsyncIterator[Node]:
    async with node(world_config(world.provider)) as running:
        yield running


def traces(running: Node) -> dict[str, int]:
    """What a request could leave behind."""
    gc.collect()
    loop = asyncio.get_running_loop()
    scheduled = [handle for handle in loop._scheduled if not handle.cancelled()]  # type: ignore[attr-defined]  # CPython's
    stats = list(running.pools.stats())
    return {
        "tasks": len(asyncio.all_tasks()),
        "timers": len(scheduled),
        "permits": running.permits.in_flight,
        "active": sum(stat.active for stat in stats),
        "dialing": sum(stat.dialing for stat in stats),
        "clients": running.ingress.counts.open,
        "files": open_files(),
    }


async def test_fifty_that_leave_leave_nothing_behind(world: World, inner: Node, protocol: str):
    host, port = inner.ingress.addresses[0]
    base, before_any = f"http://{host}:{port}", traces(inner)
    for number in range(20):  # all lines are warm now
        client = await Leaver.ask(base, f"openai-{protocol}", f"warm-{protocol}-{number}", "tokens=1")
        await client.wait_for(b"\r\n0\r\n\r\n")
        client.leave()
    await until(lambda: inner.ingress.counts.open == 0 and inner.permits.in_flight == 0)
    before = traces(inner)
    for number in range(50):
        sim, has_head = list(WAYS.values())[number % 3]
        client = await Leaver.ask(base, f"openai-{protocol}", f"gone-{protocol}-{number}", sim)
        if has_head:
            await client.wait_for(b"data: ")
        else:
            await asyncio.sleep(number % 5 * 0.002)
        client.leave()
    await until(lambda: inner.ingress.counts.open == 0 and inner.permits.in_flight == 0)
    await until(lambda: _none_is_more(traces(inner), before))
    assert before_any["permits"] == before["permits"] == 0
    assert inner.tasks.failures == 0


def _none_is_more(now: dict[str, int], before: dict[str, int]) -> bool:
    return all(now[name] <= before[name] for name in before)
