"""Members of a cluster at a real Redis: they hear each other, agree, and go on without it."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Mapping
from typing import Any

import pytest

from cache.address import parse_address
from cache.aio.redis_client import RedisAccess, connect
from edge.cluster.aio.member import Member, Ties
from edge.cluster.registry import NodeNote
from tests.support.redis_servers import RedisServer
from tests.support.waiting import until


class Node:
    """A member and what it was told."""

    def __init__(self, port: int, name: str, own: Mapping[str, Any] | None = None) -> None:
        self.penalties: dict[str, float] = {}
        self.penalised: dict[str, float] = {}
        self.taken: dict[str, Any] = {}
        client = connect(parse_address(f"redis://127.0.0.1:{port}"), RedisAccess(connect_timeout=0.3, timeout=0.3))
        ties = Ties(
            lambda: NodeNote(name, 0, region="cn-north"),
            lambda: self.penalties,
            lambda: {f"openai-{name}": "mark"},
            lambda endpoint, seconds: self.penalised.update({endpoint: seconds}),
            self._take,
        )
        self.member = Member("test", name, client, ties, own or {})
        self.task = asyncio.get_running_loop().create_task(self.member.run())

    async def _take(self, told: Mapping[str, Any], who: str) -> None:
        self.taken.update(told)

    @property
    def others(self) -> list[str]:
        return [known.note.name for known in self.member.nodes()]

    async def stop(self) -> None:
        self.task.cancel()
        await asyncio.gather(self.task, return_exceptions=True)


async def test_nodes_agree_and_go_on_without_redis(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    nodes = [Node(redis.port, name, {"line:old": {"weight": 1}} if name == "a" else None) for name in "abc"]
    try:
        await until(lambda: all(node.others == ["a", "b", "c"] for node in nodes))
        await until(lambda: all(node.taken.get("line:old") == {"weight": 1} for node in nodes[1:]))

        nodes[0].member.changed({"line:cn2": {"weight": 5.0, "switch": "on"}})
        await until(lambda: all(node.taken.get("line:cn2") for node in nodes[1:]))
        assert "line:cn2" not in nodes[0].taken

        await redis.kill()
        await until(lambda: not any(node.member.is_connected for node in nodes))
        nodes[1].member.changed({"line:cn2": {"weight": 7.0, "switch": "on"}})
        nodes[2].member.changed({"pin:*": {"line": "cn2"}})
        await redis.start()  # empty
        wanted = {"line:cn2": {"weight": 7.0, "switch": "on"}, "pin:*": {"line": "cn2"}}
        await until(lambda: wanted.items() <= nodes[0].taken.items(), 20.0)
        await until(lambda: nodes[1].taken.get("pin:*") and nodes[2].taken["line:cn2"]["weight"] == 7.0)
        assert "goes on with what it knows" in caplog.text

        late = Node(redis.port, "d")
        nodes.append(late)
        await until(lambda: wanted.items() <= late.taken.items())
    finally:
        await asyncio.gather(*(node.stop() for node in nodes))


async def test_who_leaves_is_gone_at_once_and_who_dies_soon(redis: RedisServer) -> None:
    one, other, third = (Node(redis.port, name) for name in "abc")
    try:
        await until(lambda: one.others == ["a", "b", "c"])
        await other.stop()
        await until(lambda: one.others == ["a", "c"], 2.0)
        third.member._leave = third.member._client.close  # type: ignore[method-assign]  # as if the process had been killed
        await third.stop()
        await until(lambda: one.others == ["a"], 6.0)
    finally:
        await one.stop()


async def test_penalties_are_heard_once_and_not_echoed(redis: RedisServer) -> None:
    one, other = Node(redis.port, "a"), Node(redis.port, "b")
    try:
        await until(lambda: one.others == ["a", "b"])
        one.penalties["openai-a"] = 20.0
        await until(lambda: "openai-b" in other.penalised)
        other.penalties["openai-b"] = 19.0  # the board has it now
        one.penalties.clear()
        await asyncio.sleep(1.5)
        assert one.penalised == {}
    finally:
        await asyncio.gather(one.stop(), other.stop())


async def test_two_nodes_of_one_name_are_told_apart(redis: RedisServer, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING)
    one, other = Node(redis.port, "edge"), Node(redis.port, "edge")
    try:
        await until(lambda: len(one.others) == 2 == len(other.others))
        assert all(name.startswith("edge") for name in one.others)
        assert "another node calls itself edge" in caplog.text
    finally:
        await asyncio.gather(one.stop(), other.stop())


async def test_rubbish_in_redis_hurts_nobody(redis: RedisServer) -> None:
    one = Node(redis.port, "a")
    try:
        client = one.member._client.client
        await client.hset("farline:cluster:{test}:nodes", "x", "rubbish")
        await client.hset("farline:cluster:{test}:entries", "line:x", "rubbish")
        await client.incr("farline:cluster:{test}:version")
        other = Node(redis.port, "b")
        await until(lambda: one.others == ["a", "b"])
        one.member.changed({"line:y": None})
        await until(lambda: "x" not in other.others)
        assert await client.hget("farline:cluster:{test}:nodes", "x") is None
        await other.stop()
    finally:
        await one.stop()
