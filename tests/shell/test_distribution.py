"""A node's side of published configurations, over a real Redis and real files: what can go wrong on the way."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

import pytest

from cache.address import parse_address
from cache.aio.redis_client import RedisAccess, connect
from edge.cluster.aio import distribution as distributing
from edge.cluster.aio.channels import Channels, Unreachable
from edge.cluster.aio.distribution import Distribution, Taker
from edge.cluster.taking import KEPT
from edge.config.model import Snapshot
from edge.config.published import Version
from edge.config.watch import ConfigWatcher, load
from tests.support.redis_servers import RedisServer, redis_cli
from tests.support.waiting import until

OWN = '[node]\nstate_dir = "state"\n[cluster]\nredis = "redis://127.0.0.1:1"\nconfig = "prod"\n'
KEY = "farline:cluster:{c}:config:prod"


class Node:
    """The part of a node that takes configurations."""

    def __init__(self, file: Path, channels: Channels) -> None:
        self.file = file
        self.snapshot = load(str(file))
        self.why_not: str = ""
        self.refusals: list[list[str]] = []
        self.watcher = ConfigWatcher(str(file), self.snapshot, self._use, interval=0.05)
        taker = Taker(lambda: self.snapshot, self.watcher, lambda: "bj-1", self.refusals.append)
        self.distribution = Distribution(channels, taker)

    def _use(self, new: Snapshot, old: Snapshot) -> None:
        if self.why_not:
            raise ValueError(self.why_not)
        self.snapshot = new

    @property
    def number(self) -> int:
        assert self.snapshot.published is not None
        return self.snapshot.published.number

    @property
    def kept(self) -> Path:
        assert self.snapshot.published is not None
        return Path(self.snapshot.published.file)


@pytest.fixture
async def channels(redis: RedisServer) -> AsyncIterator[Channels]:
    client = connect(parse_address(f"redis://127.0.0.1:{redis.port}"), RedisAccess())
    yield Channels("c", client)
    await client.close()


@pytest.fixture
async def node(tmp_path: Path, channels: Channels) -> AsyncIterator[Node]:
    file = tmp_path / "edge.toml"
    file.write_text(OWN)
    made = Node(file, channels)
    task = asyncio.get_running_loop().create_task(made.distribution.run())
    yield made
    task.cancel()
    with suppress(asyncio.CancelledError):
        await task


def limit(number: int, most: int = 5) -> Version:
    return Version("prod", number, f"[limits]\nmax_in_flight = {most}\n")


async def test_the_newest_that_fits_is_taken(node: Node, channels: Channels) -> None:
    for version in (limit(1), limit(2, 7), replace_nodes(limit(3), "sh-1"), Version("prod", 4, "limits = 3")):
        assert await channels.put(version)
    node.distribution.changed()
    await until(lambda: node.number == 2)
    assert node.snapshot.limits.max_in_flight == 7
    note = node.distribution.note
    assert note is not None
    assert (note.number, note.refused) == (2, 4)
    assert note.why.startswith("prod@4:1: limits")
    assert len(node.refusals) == 1
    assert load(str(node.file)).limits.max_in_flight == 7


def replace_nodes(version: Version, *nodes: str) -> Version:
    return Version(version.channel, version.number, version.text, nodes=nodes)


async def test_a_number_is_given_once_and_old_ones_go(channels: Channels) -> None:
    for number in range(1, KEPT + 3):
        assert await channels.put(limit(number))
    assert not await channels.put(limit(9, 9))
    assert sorted(await channels.numbers("prod")) == list(range(3, KEPT + 3))
    assert (await channels.versions("prod"))[0] == limit(KEPT + 2)


async def test_what_isnt_a_version_is_passed_over(redis: RedisServer, channels: Channels) -> None:
    await redis_cli(redis.port, "hset", KEY, "3", "{", "x", "y", "4", '{"channel":"prod","number":5,"text":""}')
    assert await channels.versions("prod") == []
    assert await channels.version("prod", 3) is None
    assert await channels.version("prod", 9) is None


async def test_what_cant_be_put_in_use_is_taken_back(node: Node, channels: Channels) -> None:
    node.why_not = "no"
    await channels.put(limit(1))
    node.distribution.changed()
    await until(lambda: bool(node.refusals))
    assert "could not be put in use" in node.refusals[0][0]
    assert (node.number, node.kept.exists()) == (0, False)

    node.why_not = ""
    node.distribution.forget_refusals()
    await until(lambda: node.number == 1)
    before, node.why_not = node.kept.read_bytes(), "no"
    await channels.put(limit(2))
    node.distribution.changed()
    await until(lambda: len(node.refusals) == 2)
    assert (node.number, node.kept.read_bytes()) == (1, before)


async def test_a_number_that_is_given_again_is_looked_at_again(
    node: Node, channels: Channels, redis: RedisServer
) -> None:
    """Redis has lost a version that nobody took, and so its number."""
    await channels.put(Version("prod", 1, "limits = 3"))
    node.distribution.changed()
    await until(lambda: bool(node.refusals))
    await redis_cli(redis.port, "flushall")
    await channels.put(limit(1))
    node.distribution.changed()
    await until(lambda: node.number == 1)


async def test_no_place_to_keep_it(node: Node, channels: Channels, tmp_path: Path) -> None:
    (tmp_path / "state").write_text("a file where the directory should be")
    await channels.put(limit(1))
    node.distribution.changed()
    await until(lambda: bool(node.refusals))
    assert "File exists" in node.refusals[0][0] or "Not a directory" in node.refusals[0][0]
    assert node.number == 0


async def test_redis_that_goes_and_comes_back_empty(
    node: Node, channels: Channels, redis: RedisServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(distributing, "AGAIN", 0.05)
    await channels.put(limit(4))
    node.distribution.changed()
    await until(lambda: node.number == 4)
    await redis.kill()
    node.distribution.changed()
    with pytest.raises(Unreachable, match="doesn't answer"):
        await channels.numbers("prod")
    await redis.start()
    async with asyncio.timeout(20):
        while await channels.numbers("prod") != [4]:
            await asyncio.sleep(0.02)


async def test_what_a_node_keeps_cant_go_back(node: Node, channels: Channels) -> None:
    """Its file is taken away, or an older one put there: what is in use stays in use."""
    await channels.put(limit(4))
    node.distribution.changed()
    await until(lambda: node.number == 4)
    node.kept.unlink()
    assert not await node.watcher.reload()
    assert node.number == 4
    assert node.watcher.snapshot == node.snapshot
    assert replace(node.snapshot, generation=1).limits.max_in_flight == 5
