"""Three real nodes and a Redis: an operator's word reaches all, who dies is missed, Redis is not missed."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from mmdb_writer import MMDBWriter
from netaddr import IPSet

from edge.cli import main
from tests.support.redis_servers import RedisServer
from tests.support.servers import free_port
from tests.support.waiting import until

PLACES = {"bj-1": (39.9, 116.4), "sh-1": (31.2, 121.5), "sz-1": (22.5, 114.1)}
FILE = """\
[node]
name = "{name}"
region = "cn"
location = [{place[0]}, {place[1]}]

[listen]
data = ["127.0.0.1:0"]
admin = "127.0.0.1:{admin}"

[[line]]
id = "cn2"

[[line]]
id = "{name}-own"

[[provider]]
id = "openai"
credential = "env:CLUSTER_TEST_KEY"
[[provider.endpoint]]
url = "http://127.0.0.1:{provider}"

[probe]
enabled = false

[cluster]
redis = "redis://127.0.0.1:{redis}"
address = "https://{name}.example.net"
geo_file = "places.mmdb"
addresses = ["{ip}"]

[dns]
zone = "edge.example.net"
nameservers = ["ns1.example.net"]
listen = ["127.0.0.1:{dns}"]
ttl_seconds = 5
"""
ADDRESSES = {"bj-1": "203.0.113.1", "sh-1": "203.0.113.2", "sz-1": "203.0.113.3"}


class Node:
    def __init__(self, name: str, admin: int, dns: int, process: asyncio.subprocess.Process) -> None:
        self.name = name
        self.dns = dns
        self.url = f"http://127.0.0.1:{admin}"
        self.process = process

    async def ask(self, method: str, path: str, body: object = None) -> Any:
        async with aiohttp.ClientSession() as session, session.request(method, self.url + path, json=body) as reply:
            return await reply.json(content_type=None)

    async def others(self) -> list[str]:
        cluster = (await self.ask("GET", "/api/v1/nodes"))["cluster"]
        return [node["name"] for node in cluster["nodes"]]

    async def weight(self, line: str) -> float:
        told: float = (await self.ask("GET", f"/api/v1/lines/{line}"))["weight"]["effective"]
        return told


@pytest.fixture
async def nodes(tmp_path: Path, redis: RedisServer, monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[list[Node]]:
    monkeypatch.setenv("CLUSTER_TEST_KEY", "sk-cluster")
    writer = MMDBWriter(6, "places", ipv4_compatible=True)
    writer.insert_network(IPSet(["198.51.100.0/24"]), {"location": {"latitude": 31.0, "longitude": 121.0}})
    writer.to_db_file(str(tmp_path / "places.mmdb"))
    provider = free_port()
    found = []
    async with AsyncExitStack() as stack:
        for name, place in PLACES.items():
            admin, dns, path = free_port(), free_port(), tmp_path / f"{name}.toml"
            ports = {"admin": admin, "dns": dns, "provider": provider, "redis": redis.port}
            path.write_text(FILE.format(name=name, place=place, ip=ADDRESSES[name], **ports))
            command = (sys.executable, "-m", "edge.cli", "edge", "-c", str(path))
            process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.DEVNULL)
            stack.push_async_callback(_end, process)
            found.append(Node(name, admin, dns, process))
        for node in found:
            await until(lambda node=node: _sees(node, sorted(PLACES)), 60.0)
        yield found


async def _end(process: asyncio.subprocess.Process) -> None:
    if process.returncode is None:
        process.terminate()
        await process.wait()


async def _sees(node: Node, names: list[str]) -> bool:
    try:
        return await node.others() == names
    except aiohttp.ClientConnectionError:
        return False


async def test_an_operators_word_reaches_all_and_no_further(nodes: list[Node], redis: RedisServer) -> None:
    bj, sh, sz = nodes
    await bj.ask("PATCH", "/api/v1/lines/cn2", {"weight": 7})
    await bj.ask("POST", "/api/v1/lines/bj-1-own/drain", {})
    for node in (sh, sz):
        await until(lambda node=node: _has(node, "cn2", 7.0), 5.0)
        assert await node.weight(f"{node.name}-own") == 100.0
    heard = [entry for entry in (await sh.ask("GET", "/api/v1/audit"))["entries"] if entry["action"] == "cluster"]
    assert (heard[0]["target"], heard[0]["after"]["lines"]["cn2"]["weight"]) == ("bj-1", 7.0)

    await redis.kill()
    await sz.ask("PATCH", "/api/v1/lines/cn2", {"weight": 9})
    assert (await bj.weight("cn2"), await sz.weight("cn2")) == (7.0, 9.0)
    await until(lambda: _is_cut(bj))
    await redis.start()
    for node in (bj, sh):
        await until(lambda node=node: _has(node, "cn2", 9.0))


async def test_who_dies_is_missed(nodes: list[Node]) -> None:
    bj, sh, sz = nodes
    sz.process.kill()
    await until(lambda: _sees(bj, ["bj-1", "sh-1"]), 8.0)
    sh.process.terminate()
    await until(lambda: _sees(bj, ["bj-1"]), 3.0)


async def test_clients_learn_which_edge_is_near(nodes: list[Node], capsys: pytest.CaptureFixture[str]) -> None:
    bj = nodes[0]
    near = (await bj.ask("GET", "/api/v1/nodes?near=198.51.100.7"))["near"]
    assert [each["name"] for each in near] == ["sh-1", "bj-1", "sz-1"]
    assert near[0]["address"] == "https://sh-1.example.net"
    measured = (await bj.ask("GET", "/api/v1/nodes?near=31.0,121.0&rtt=bj-1:10,sh-1:200"))["near"]
    assert measured[0]["name"] == "bj-1"
    assert "nothing is known" in (await bj.ask("GET", "/api/v1/nodes?near=203.0.113.1"))["detail"]
    assert "NODE:MILLISECONDS" in (await bj.ask("GET", "/api/v1/nodes?near=1,1&rtt=x"))["detail"]

    def told(*words: str) -> str:
        assert main(["nodes", "--admin", bj.url, *words]) == 0
        return capsys.readouterr().out

    assert [line.split()[0] for line in (await asyncio.to_thread(told)).splitlines()] == ["node", *sorted(PLACES)]
    assert "sh-1" in (await asyncio.to_thread(told, "--near", "31,121")).splitlines()[1]
    assert json.loads(await asyncio.to_thread(told, "--json"))["cluster"]["connected"] is True


async def test_resolvers_learn_which_edge_is_near(nodes: list[Node], capsys: pytest.CaptureFixture[str]) -> None:
    bj, sh, _ = nodes

    async def resolved(*words: str) -> list[str]:
        command = ("dig", "@127.0.0.1", "-p", str(bj.dns), "+short", "+tries=1", *words)
        process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
        output, _ = await process.communicate()
        return output.decode().split()

    near = ("edge.example.net", "+subnet=198.51.100.0/24")
    assert (await resolved(*near))[0] == ADDRESSES["sh-1"]
    assert await resolved("sz-1.edge.example.net") == [ADDRESSES["sz-1"]]
    assert sorted(await resolved("cn.edge.example.net")) == sorted(ADDRESSES.values())[:2]

    words = ("nodes", "zone", "--admin", bj.url, "--domain", "edge.example.net", "--nameserver", "ns1.example.net")
    assert await asyncio.to_thread(main, words) == 0
    zone = capsys.readouterr().out
    assert "$ORIGIN edge.example.net." in zone
    assert [line.split()[4] for line in zone.splitlines() if line.startswith("sh-1 ")] == [ADDRESSES["sh-1"]]
    assert await asyncio.to_thread(main, [*words[:6], "--nameserver", "x.edge.example.net"]) == 1
    assert await asyncio.to_thread(main, words[:4]) == 2

    sh.process.kill()

    async def is_elsewhere() -> bool:
        return (await resolved(*near))[0] != ADDRESSES["sh-1"]

    await until(is_elsewhere, 10.0)


async def _has(node: Node, line: str, weight: float) -> bool:
    return await node.weight(line) == weight


async def _is_cut(node: Node) -> bool:
    return not (await node.ask("GET", "/api/v1/nodes"))["cluster"]["connected"]
