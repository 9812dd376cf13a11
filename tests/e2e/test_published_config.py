"""Three real nodes and a Redis: what is published once is in use everywhere, or refused, and said so."""

from __future__ import annotations

import asyncio
import json
import os
import sys
from collections.abc import AsyncIterator, Callable
from contextlib import AsyncExitStack
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp
import pytest

from edge.cli import main
from tests.support.redis_servers import RedisServer, redis_cli
from tests.support.servers import free_port
from tests.support.waiting import until

NAMES = ("bj-1", "sh-1", "sz-1")
FILE = """\
[node]
name = "{name}"
state_dir = "state-{name}"

[listen]
data = ["127.0.0.1:0"]
admin = "127.0.0.1:{admin}"
workers = {workers}

[[line]]
id = "cn2"
source = "127.0.0.1"

[[line]]
id = "{name}-own"

[probe]
enabled = false

[cluster]
redis = "redis://127.0.0.1:{redis}"
config = "production"
{more}
"""
GOOD = """\
[[line]]
id = "cn2"
weight = {weight}

[[provider]]
id = "openai"
credential = "env:PUBLISHED_TEST_KEY"
[[provider.endpoint]]
url = "http://127.0.0.1:9"

[limits]
max_in_flight = {weight}
"""


@dataclass
class Edge:
    """A node as a process of its own, which can be started again."""

    name: str
    admin: int
    file: Path
    process: asyncio.subprocess.Process | None = None
    environment: dict[str, str] = field(default_factory=dict)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.admin}"

    async def start(self) -> None:
        command = (sys.executable, "-m", "edge.cli", "edge", "-c", str(self.file))
        quiet = asyncio.subprocess.DEVNULL
        environment = {**os.environ, "PUBLISHED_TEST_KEY": "sk-published", **self.environment}
        self.process = await asyncio.create_subprocess_exec(*command, stdout=quiet, stderr=quiet, env=environment)

    async def end(self) -> None:
        if self.process is not None and self.process.returncode is None:
            self.process.terminate()
            await self.process.wait()

    async def ask(self, path: str) -> Any:
        async with aiohttp.ClientSession() as session, session.get(self.url + path) as reply:
            return json.loads(await reply.text())

    async def runs(self, version: int) -> bool:
        try:
            config = await self.ask("/api/v1/config")
        except aiohttp.ClientConnectionError:
            return False
        return bool(config["published"]["number"] == version)

    async def weight(self) -> float:
        lines = (await self.ask("/api/v1/config"))["lines"]
        return next(float(line["weight"]) for line in lines if line["id"] == "cn2")

    async def refusal(self) -> Any:
        cluster = (await self.ask("/api/v1/nodes"))["cluster"]
        return next(node["config"]["refused"] for node in cluster["nodes"] if node["name"] == self.name)


@pytest.fixture
async def make(tmp_path: Path, redis: RedisServer) -> AsyncIterator[Callable[..., Any]]:
    async with AsyncExitStack() as stack:

        async def started(more: str = "", twice: str = "", **environments: dict[str, str]) -> list[Edge]:
            edges = []
            for name in NAMES:
                edge = Edge(name, free_port(), tmp_path / f"{name}.toml")
                edge.environment = environments.get(name.replace("-", ""), {})
                edge.file.write_text(
                    FILE.format(name=name, admin=edge.admin, redis=redis.port, workers=1 + (name in twice), more=more)
                )
                stack.push_async_callback(edge.end)
                await edge.start()
                edges.append(edge)
            for edge in edges:
                await until(lambda edge=edge: _sees_all(edge), 90)
            return edges

        yield started


async def _sees_all(edge: Edge) -> bool:
    try:
        return [node["name"] for node in (await edge.ask("/api/v1/nodes"))["cluster"]["nodes"]] == list(NAMES)
    except aiohttp.ClientConnectionError:
        return False


async def command(edge: Edge, *words: str) -> int:
    return await asyncio.to_thread(main, ["config", "--admin", edge.url, *words])


def written(path: Path, text: str) -> str:
    path.write_text(text)
    return str(path)


async def test_published_once_in_use_everywhere(
    make: Callable[..., Any], redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bj, sh, sz = edges = await make(twice="sh-1")
    assert "has been taken yet" in (await bj.ask("/readyz"))["reason"]

    file = written(tmp_path / "shared.toml", GOOD.format(weight=40))
    assert await command(bj, "publish", file, "--dry-run") == 0
    assert "+weight = 40" in capsys.readouterr().out
    assert await command(bj, "publish", file, "--note", "first", "--wait", "20") == 0
    assert "in use: bj-1, sh-1, sz-1" in capsys.readouterr().out
    assert [await edge.weight() for edge in edges] == [40.0, 40.0, 40.0]
    assert (await sz.ask("/readyz"))["status"] == "ready"
    await until(lambda: _all_workers_run(sh, 1), 90)

    # what can't be taken is refused by all, and all go on
    bad = written(tmp_path / "bad.toml", GOOD.format(weight=50) + "[listen]\nworkers = 3\n")
    assert await command(bj, "publish", bad) == 1
    assert "listen: is each node's own" in capsys.readouterr().err
    await redis_cli(redis.port, "hset", "farline:cluster:{farline}:config:production", "2", _as_stored(2, "limits = 3"))
    await redis_cli(redis.port, "incr", "farline:cluster:{farline}:config:production:changes")
    for edge in edges:
        await until(lambda edge=edge: edge.refusal(), 90)
        assert "production@2:1: limits" in (await edge.refusal())["why"]
        assert await edge.weight() == 40.0
    events = (await _events(sh))["events"]
    assert any(event["type"] == "reload" and event["action"] == "reload refused" for event in events)
    await until(lambda: _knows_of_refusals(bj), 90)
    assert await asyncio.to_thread(main, ["nodes", "--admin", bj.url]) == 0
    told = capsys.readouterr().out
    assert "production@1" in told and "can't take production@2" in told

    # one first, then all, then back
    second = written(tmp_path / "second.toml", GOOD.format(weight=60))
    assert await command(bj, "publish", second, "--nodes", "sh-1", "--wait", "20") == 0
    assert [await edge.weight() for edge in edges] == [40.0, 60.0, 40.0]
    assert await command(bj, "promote", "--wait", "20") == 0
    assert [await edge.weight() for edge in edges] == [60.0, 60.0, 60.0]
    assert await command(bj, "rollback", "1", "--note", "too much", "--wait", "20") == 0
    assert [await edge.weight() for edge in edges] == [40.0, 40.0, 40.0]
    capsys.readouterr()
    assert await command(bj, "list", "--json") == 0
    newest = json.loads(capsys.readouterr().out)["versions"][0]
    assert await command(bj, "list") == 0
    assert newest["digest"][:8] in capsys.readouterr().out
    assert (newest["version"], newest["again"], newest["note"]) == (5, 1, "too much")
    assert "bj-1" in newest["running"]
    assert await command(sz, "diff", "3", "5") == 0
    assert "-weight = 60\n+weight = 40" in capsys.readouterr().out
    assert await command(sz, "show", "1") == 0
    assert "max_in_flight = 40" in capsys.readouterr().out
    entries = (await bj.ask("/api/v1/audit"))["entries"]
    published = [entry["target"] for entry in entries if entry["action"] == "publish configuration"]
    assert published == [f"production@{version}" for version in (5, 4, 3, 1)]

    # no Redis, and a start: the last good one; an empty Redis: it is brought back
    await redis.kill()
    await sz.end()
    await sz.start()
    await until(lambda: sz.runs(5), 90)
    assert (await sz.weight(), (await sz.ask("/readyz"))["status"]) == (40.0, "ready")
    await redis.start()
    await until(lambda: _is_stored(redis, "5"), 90)
    await until(lambda: _sees_all(sz), 90)
    assert await command(sz, "publish", second, "--wait", "25") == 0
    assert [await edge.weight() for edge in edges] == [60.0, 60.0, 60.0]


async def test_what_a_node_lacks_is_its_own_matter(
    make: Callable[..., Any], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    bj, sh, _ = await make(bj1={"ONLY_HERE": "x"}, sz1={"ONLY_HERE": "x"})
    text = GOOD.format(weight=40).replace("PUBLISHED_TEST_KEY", "ONLY_HERE")
    assert await command(bj, "publish", written(tmp_path / "a.toml", text), "--wait", "20") == 1
    told = capsys.readouterr()
    assert "in use: bj-1, sz-1" in told.out
    assert "sh-1 refuses it: production@1:7: provider[0].credential: environment variable ONLY_HERE is not" in told.err
    assert "nothing that was published" in (await sh.ask("/readyz"))["reason"]
    with sh.file.open("a") as file:
        file.write('[[provider]]\nid = "openai"\n')  # not the cure, but another reason
    await until(lambda: _says(sh, "stands in production@1 too"), 90)


async def test_only_what_is_signed(
    make: Callable[..., Any], redis: RedisServer, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert main(["keys", "publisher", "--out", str(tmp_path / "publisher.key"), "--json"]) == 0
    trusted = json.loads(capsys.readouterr().out)["fingerprint"]
    assert main(["keys", "publisher", "--out", str(tmp_path / "other.key"), "--json"]) == 0
    bj, sh, sz = await make(f'config_keys = ["{trusted}"]')
    capsys.readouterr()
    file = written(tmp_path / "shared.toml", GOOD.format(weight=40))
    assert await command(bj, "publish", file) == 1
    assert "it is not signed" in capsys.readouterr().err
    assert await command(bj, "publish", file, "--key", f"file:{tmp_path}/other.key") == 1
    assert "that this node doesn't trust" in capsys.readouterr().err
    key = "farline:cluster:{farline}:config:production"
    await redis_cli(redis.port, "hset", key, "7", _as_stored(7, "[limits]\nmax_in_flight = 1\n"))
    await redis_cli(redis.port, "incr", f"{key}:changes")
    await until(lambda: _says(sz, "it is not signed"), 90)
    assert await command(bj, "publish", file, "--key", f"file:{tmp_path}/publisher.key", "--wait", "20") == 0
    assert [await edge.weight() for edge in (bj, sh, sz)] == [40.0, 40.0, 40.0]
    assert await bj.runs(8)


def _as_stored(number: int, text: str) -> str:
    return json.dumps({"channel": "production", "number": number, "text": text})


async def _says(edge: Edge, words: str) -> bool:
    refused = await edge.refusal()
    return refused is not None and words in refused["why"]


async def _knows_of_refusals(edge: Edge) -> bool:
    nodes = (await edge.ask("/api/v1/nodes"))["cluster"]["nodes"]
    return len(nodes) == len(NAMES) and all(node["config"]["refused"] is not None for node in nodes)


async def _events(edge: Edge) -> Any:
    headers = {"accept": "application/json"}
    async with aiohttp.ClientSession(headers=headers) as session, session.get(f"{edge.url}/api/v1/events") as reply:
        return await reply.json()


async def _all_workers_run(edge: Edge, version: int) -> bool:
    async with aiohttp.ClientSession() as session, session.get(f"{edge.url}/metrics") as reply:
        rows = [row for row in (await reply.text()).splitlines() if row.startswith("farline_config_version{")]
    return len(rows) == 2 and all(row.endswith(f" {version}.0") for row in rows)


async def _is_stored(redis: RedisServer, version: str) -> bool:
    return await redis_cli(redis.port, "hexists", "farline:cluster:{farline}:config:production", version) == "1\n"
