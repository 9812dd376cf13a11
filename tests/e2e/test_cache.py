"""The cache as applications meet it: the vendors' SDKs and plain HTTP through a real edge, executions counted at the
provider."""

from __future__ import annotations

import asyncio
import io
import json
import signal
import time
from collections import Counter
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from edge.cli import main
from tests.support.nodes import Edge, Provider, config, fetch_json
from tests.support.redis_servers import redis_server

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

SIM = "think_ms=20,interval_ms=2,tokens=12"
KEYS = "".join(
    f'[[key]]\nid = "{id}"\nkey = "env:FARLINE_TEST_{id.upper()}"\n{more}'
    for id, more in (("one", ""), ("two", ""), ("zero", "zero_retention = true\n"))
)
SECRETS = {"FARLINE_TEST_ONE": "key-one", "FARLINE_TEST_TWO": "key-two", "FARLINE_TEST_ZERO": "key-zero"}
CHAT = "/openai/v1/chat/completions"
USER = [{"role": "user", "content": "count for me"}]


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider(sim=SIM) as running:
        yield running


@pytest.fixture(scope="module")
def edge(provider: Provider) -> Iterator[Edge]:
    with Edge(config(provider.url, extra=KEYS + "[timeouts]\nidle_seconds = 1\n"), SECRETS) as running:
        yield running
        assert "Traceback" not in running.err.read_text()


class Reply:
    def __init__(self, status: int, headers: dict[str, str], body: bytes, is_whole: bool) -> None:
        self.status, self.headers, self.body, self.is_whole = status, headers, body, is_whole

    @property
    def cache(self) -> str:
        return self.headers["x-farline-cache"]


class Caller:
    """Plain HTTP with one farline key."""

    def __init__(self, session: aiohttp.ClientSession, edge: Edge, key: str = "key-one") -> None:
        self.session, self.edge, self.key = session, edge, key

    async def ask(self, text: str, sim: str = "", path: str = CHAT, **more: Any) -> Reply:
        """`text` is the question, and the id under which the provider counts it."""
        headers = {"authorization": f"Bearer {self.key}", "x-sim-id": text, "x-sim": sim, **more.pop("headers", {})}
        body = {"model": "gpt-4.1", "temperature": 0, "messages": [{"role": "user", "content": text}], **more}
        sent = io.BytesIO(json.dumps(body).encode())
        headers["content-type"] = "application/json"
        async with self.session.post(self.edge.url + path, data=sent, headers=headers) as reply:
            body, is_whole = bytearray(), True
            try:
                while part := await reply.content.readany():
                    body += part
            except aiohttp.ClientPayloadError:
                is_whole = False
            told = {name.lower(): value for name, value in reply.headers.items()}
            return Reply(reply.status, told, bytes(body), is_whole)


@asynccontextmanager
async def calling(edge: Edge, key: str = "key-one") -> AsyncIterator[Caller]:
    async with aiohttp.ClientSession(connector=aiohttp.TCPConnector(limit=0)) as session:
        yield Caller(session, edge, key)


# --- the vendors' SDKs ---


async def test_openai(edge: Edge, provider: Provider) -> None:
    async with openai.AsyncOpenAI(
        base_url=f"{edge.url}/openai/v1", api_key="key-one", default_headers={"x-sim-id": "sdk-openai"}
    ) as client:
        seen = []
        for wanted in ("miss", "hit", "hit"):
            raw = await client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=USER, temperature=0)
            assert raw.headers["x-farline-cache"] == wanted
            seen.append(raw.parse().choices[0].message.content)
        assert len(set(seen)) == 1 and seen[0]
        stream = await client.chat.completions.create(model="gpt-4.1", messages=USER, temperature=0, stream=True)
        parts = [chunk.choices[0].delta.content or "" async for chunk in stream if chunk.choices]
        assert "".join(parts) == seen[0]  # the stored document, as a stream
        vectors = [await client.embeddings.create(model="e", input=["a"], dimensions=8) for _ in range(2)]
        assert vectors[0].data[0].embedding == vectors[1].data[0].embedding
    assert provider.executions()["sdk-openai"] == 2


async def test_anthropic(edge: Edge, provider: Provider) -> None:
    async with anthropic.AsyncAnthropic(
        base_url=f"{edge.url}/anthropic", api_key="key-one", default_headers={"x-sim-id": "sdk-anthropic"}
    ) as client:
        asked: dict[str, Any] = {"model": "claude", "max_tokens": 100, "messages": USER}
        asked["extra_body"] = {"temperature": 0}
        texts = []
        for _ in range(2):
            async with client.messages.stream(**asked) as stream:
                texts.append(await stream.get_final_text())
        whole = await client.messages.create(**asked)
        assert [whole.content[0].text, texts[0]] == [texts[1]] * 2  # type: ignore[union-attr]
    assert provider.executions()["sdk-anthropic"] == 1


async def test_gemini(edge: Edge, provider: Provider) -> None:
    options = types.HttpOptions(base_url=f"{edge.url}/gemini", headers={"x-sim-id": "sdk-gemini"})
    client = genai.Client(api_key="key-one", http_options=options)
    settings = types.GenerateContentConfig(temperature=0)
    asked: dict[str, Any] = {"model": "gemini-2.5", "contents": "count", "config": settings}
    texts = []
    for _ in range(2):
        stream = await client.aio.models.generate_content_stream(**asked)
        texts.append("".join([part.text or "" async for part in stream]))
    texts.append((await client.aio.models.generate_content(**asked)).text or "")
    await client.aio.aclose()
    client.close()
    assert len(set(texts)) == 1 and texts[0]
    assert provider.executions()["sdk-gemini"] == 1


# --- what callers can say ---


async def test_what_callers_can_say(edge: Edge, provider: Provider) -> None:
    async with calling(edge) as caller:
        only = {"headers": {"cache-control": "only-if-cached"}}
        nothing = await caller.ask("say", **only)
        assert (nothing.status, nothing.cache, nothing.headers["x-should-retry"]) == (504, "miss", "false")
        assert json.loads(nothing.body)["error"]["code"] == "not_cached"
        assert "say" not in provider.executions()
        first = await caller.ask("say", stream=True)
        hit = await caller.ask("say", stream=True, **only)
        assert (first.cache, hit.cache, hit.body == first.body) == ("miss", "hit", True)
        assert int(hit.headers["age"]) < 60 and "age" not in first.headers
        assert "x-farline-path" not in hit.headers and hit.headers["x-farline-attempts"] == "0"
        assert (await caller.ask("say", headers={"x-farline-cache": "bypass"})).cache == "bypass"
        assert (await caller.ask("say", stream=True, headers={"x-farline-cache": "refresh"})).cache == "miss"
        assert (await caller.ask("say", temperature=1)).cache == "bypass"
        assert (await caller.ask("say", headers={"x-farline-cache": "perhaps"})).status == 400
        assert (await caller.ask("say", temperature=1, headers={"x-farline-cache": "only"})).status == 504
    assert provider.executions()["say"] == 4
    log = {record["cache_reason"] for record in edge.requests()}
    assert {"stored", "bypass", "not deterministic"} <= log


async def test_long_requests_are_read_to_their_end(edge: Edge, provider: Provider) -> None:
    text = "long " + "x" * 200_000
    async with calling(edge) as caller:
        body = {"headers": {"x-sim-id": "long"}}
        replies = [await caller.ask(text, **body) for _ in range(2)]
        assert [reply.cache for reply in replies] == ["miss", "hit"]
        over = [await caller.ask("y" * 1_200_000, headers={"x-sim-id": "over"}) for _ in range(2)]
        assert [(reply.status, reply.cache) for reply in over] == [(200, "bypass")] * 2
    assert (provider.executions()["long"], provider.executions()["over"]) == (1, 2)


# --- who may have what ---


async def test_two_tenants_never_share(edge: Edge, provider: Provider) -> None:
    async with calling(edge) as one, calling(edge, "key-two") as two, calling(edge, "key-zero") as zero:
        replies = await asyncio.gather(*(caller.ask("mine", stream=True) for caller in (one, two, zero, zero)))
        assert [reply.cache for reply in replies] == ["miss", "miss", "bypass", "bypass"]
        later = [(await caller.ask("mine", stream=True)).cache for caller in (one, two, zero)]
        assert later == ["hit", "hit", "bypass"]
        own = {"x-farline-key": "key-one", "authorization": "Bearer sk-of-an-organisation"}
        assert (await one.ask("mine", stream=True, headers=own)).cache == "miss"
    assert provider.executions()["mine"] == 6


async def test_what_is_sensitive_is_neither_stored_nor_answered(edge: Edge, provider: Provider) -> None:
    async with calling(edge) as caller:
        await caller.ask("secret")
        for _ in range(2):  # there is no local pool
            reply = await caller.ask("secret", headers={"x-farline-data-class": "sensitive"})
            assert (reply.status, reply.cache) == (403, "bypass")
    assert provider.executions()["secret"] == 1


# --- what is stored ---


@pytest.mark.parametrize("fault", ["error_event", "truncate", "reset", "stall", "cut"])
async def test_only_whole_replies_are_stored(edge: Edge, provider: Provider, fault: str) -> None:
    async with calling(edge) as caller:
        for _ in range(2):
            broken = await caller.ask(fault, f"fault={fault},after=3,{SIM}", stream=True)
            assert broken.cache == "miss" and b"[DONE]" not in broken.body
        whole = await caller.ask(fault, SIM, stream=True)
        assert (whole.cache, whole.is_whole) == ("miss", True)
        assert (await caller.ask(fault, stream=True)).body == whole.body
    assert provider.executions()[fault] == 3


@pytest.mark.parametrize(("name", "sim", "more"), [("status", "status=500", {}), ("limit", SIM, {"max_tokens": 3})])
async def test_errors_and_truncated_replies_are_not_stored(
    edge: Edge, provider: Provider, name: str, sim: str, more: dict[str, Any]
) -> None:
    async with calling(edge) as caller:
        assert [(await caller.ask(name, sim, **more)).cache for _ in range(2)] == ["miss", "miss"]
    assert provider.executions().get(name, 0) >= (2 if name == "limit" else 0)


# --- single flight ---


async def test_200_identical_streams_are_one_execution(edge: Edge, provider: Provider) -> None:
    async with calling(edge) as caller:
        sim = "think_ms=3000,interval_ms=2,tokens=12"  # time for all to come, on a busy machine too
        replies = await asyncio.gather(*(caller.ask("crowd", sim, stream=True) for _ in range(200)))
    assert Counter(reply.cache for reply in replies) == {"miss": 1, "coalesced": 199}
    assert len({reply.body for reply in replies}) == 1 and replies[0].body.endswith(b"[DONE]\n\n")
    assert len({reply.headers["x-farline-request-id"] for reply in replies}) == 200
    assert provider.executions()["crowd"] == 1


async def test_late_ones_catch_up(edge: Edge, provider: Provider) -> None:
    async with calling(edge) as caller:
        replies = []

        async def ask(after: float) -> None:
            await asyncio.sleep(after)
            replies.append(await caller.ask("late", "think_ms=100,interval_ms=100,tokens=30", stream=True))

        await asyncio.gather(*(ask(number * 0.1) for number in range(10)))
    assert len({reply.body for reply in replies}) == 1
    assert Counter(reply.cache for reply in replies) == {"miss": 1, "coalesced": 9}
    assert provider.executions()["late"] == 1


@pytest.mark.parametrize("when", [1.0, 2.5], ids=["before the head", "in the stream"])
async def test_the_leader_leaves(edge: Edge, provider: Provider, when: float) -> None:
    sim, text = "think_ms=1800,interval_ms=50,tokens=40", f"leader-{when}"
    async with calling(edge) as leading, calling(edge) as caller:
        async with asyncio.TaskGroup() as group:
            leader = group.create_task(leading.ask(text, sim, stream=True))
            await asyncio.sleep(0.4)
            others = [group.create_task(caller.ask(text, sim, stream=True)) for _ in range(20)]
            await asyncio.sleep(when - 0.4)
            leader.cancel()
        replies = [one.result() for one in others]
        assert len({reply.body for reply in replies}) == 1 and replies[0].body.endswith(b"[DONE]\n\n")
        assert (await caller.ask(text, stream=True)).cache == "hit"
    assert provider.executions()[text] == 1
    records = [record for record in edge.requests() if record["client_left"]]
    assert records and all(record["status"] in (200, 499) for record in records)


async def test_all_leave_and_the_exchange_ends(edge: Edge, provider: Provider) -> None:
    sim, text = "think_ms=20,interval_ms=50,tokens=200", "deserted"
    async with calling(edge) as caller:
        async with asyncio.TaskGroup() as group:
            crowd = [group.create_task(caller.ask(text, sim, stream=True)) for _ in range(5)]
            await asyncio.sleep(0.4)
            for one in crowd:
                one.cancel()
        async with asyncio.timeout(10):
            while not provider.log(text) or provider.log(text)[0]["outcome"] == "open":
                await asyncio.sleep(0.05)
        assert (await caller.ask(text, SIM, stream=True)).cache == "miss"
    assert edge.metric("farline_cache_flights") == 0


async def test_a_slow_reader_slows_nobody(edge: Edge, provider: Provider) -> None:
    """3 MB of a reply: far more than sockets hold."""
    sim, text = "think_ms=50,interval_ms=1,tokens=15000", "slow"
    headers = {"authorization": "Bearer key-one", "x-sim-id": text, "x-sim": sim}
    body = {"model": "m", "temperature": 0, "stream": True, "messages": [{"role": "user", "content": text}]}
    async with aiohttp.ClientSession(read_bufsize=1024) as session:
        async with session.post(edge.url + CHAT, json=body, headers=headers) as slow:
            async with calling(edge) as caller:
                quick = await caller.ask(text, sim, stream=True, model="m")
            assert quick.cache == "coalesced" and quick.body.endswith(b"[DONE]\n\n")
            assert await slow.read() == quick.body  # it had all the time it wanted
    assert provider.executions()[text] == 1


async def test_a_broken_exchange_breaks_for_all(edge: Edge, provider: Provider) -> None:
    sim, text = "fault=reset,after=5,think_ms=1000,interval_ms=5,tokens=30", "broken"
    async with calling(edge) as caller:
        replies = await asyncio.gather(*(caller.ask(text, sim, stream=True) for _ in range(20)))
    assert not any(reply.is_whole for reply in replies)
    assert all(b'"error"' in reply.body for reply in replies)
    assert provider.executions()[text] == 1


# --- stores ---


@asynccontextmanager
async def edge_with(provider: Provider, cache: str, environment: dict[str, str] | None = None) -> AsyncIterator[Edge]:
    with Edge(config(provider.url, extra=f"{KEYS}[cache]\n{cache}\n"), {**SECRETS, **(environment or {})}) as running:
        yield running
        assert "Traceback" not in running.err.read_text()


async def test_the_disk_survives_kill_9(provider: Provider, tmp_path: Path) -> None:
    store = f'store = "disk:{tmp_path}/answers"\nmemory_mb = 0'
    async with edge_with(provider, store) as first, calling(first) as caller:
        bodies = [(await caller.ask(f"disk-{n}", stream=True)).body for n in range(5)]
        assert (await caller.ask("disk-4", stream=True)).cache == "hit"
        first.stop(signal.SIGKILL)
    async with edge_with(provider, store) as second, calling(second) as caller:
        again = [await caller.ask(f"disk-{n}", stream=True) for n in range(5)]
        assert [reply.cache for reply in again] == ["hit"] * 5
        assert [reply.body for reply in again] == bodies
        assert int(again[0].headers["age"]) >= 0


async def test_redis_dies_and_nobody_notices(provider: Provider, tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        store = f'store = "redis://127.0.0.1:{redis.port}"\nmemory_mb = 0\nsecret = "env:FARLINE_TEST_SEAL"'
        async with edge_with(provider, store, {"FARLINE_TEST_SEAL": "s" * 40}) as edge, calling(edge) as caller:
            assert (await caller.ask("redis-0", stream=True)).cache == "miss"
            again = await caller.ask("redis-0", stream=True)
            assert again.cache in ("hit", "coalesced")  # a flight between nodes can be joined for two seconds more
            failed: list[Reply] = []
            asked = 0

            async def ask(number: int) -> None:
                nonlocal asked
                end = time.monotonic() + 3
                while time.monotonic() < end:
                    asked += 1
                    reply = await caller.ask(f"redis-{number}-{asked % 7}", stream=True)
                    if reply.status != 200 or not reply.is_whole or not reply.body.endswith(b"[DONE]\n\n"):
                        failed.append(reply)

            async with asyncio.TaskGroup() as group:
                for number in range(8):
                    group.create_task(ask(number))
                await asyncio.sleep(1)
                await redis.kill()
            assert failed == [] and asked > 20
            (store,) = fetch_json(f"{edge.admin_url}/api/v1/cache")["stores"]
            assert store["name"] == "redis" and store["faults"] > 0 and not store["is_admitted"]


async def test_two_nodes_share_one_execution(provider: Provider, tmp_path: Path) -> None:
    async with redis_server(tmp_path) as redis:
        store = f'store = "redis://127.0.0.1:{redis.port}"\nlookup_ms = 5000'
        async with edge_with(provider, store) as here, edge_with(provider, store) as there:
            async with calling(here) as one, calling(there) as two:
                sim = "think_ms=2000,interval_ms=10,tokens=30"
                asked = [caller.ask("both", sim, stream=True) for caller in (one, two) for _ in range(20)]
                replies = await asyncio.gather(*asked)
                assert len({reply.body for reply in replies}) == 1
                assert Counter(reply.cache for reply in replies) == {"miss": 1, "coalesced": 39}
                later = [await caller.ask("both", stream=True) for caller in (one, two)]
                assert [reply.body for reply in later] == [replies[0].body] * 2
    assert provider.executions()["both"] == 1


# --- operators ---


async def test_figures_purge_and_warm_up(
    provider: Provider, tmp_path: Path, capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    async with edge_with(provider, "") as edge, calling(edge) as caller, calling(edge, "key-two") as other:

        async def types_(*words: str, code: int = 0) -> str:
            """In a thread, as the verbs have loops of their own."""
            assert await asyncio.to_thread(main, ["cache", *words]) == code
            return capsys.readouterr().out

        for one, text in ((caller, "a"), (caller, "a"), (caller, "b"), (other, "a")):
            await one.ask(f"ops-{text}")
        told = json.loads(await types_("stats", "--admin", edge.admin_url, "--json"))
        assert (told["events"]["miss"], told["events"]["hit"], told["stores"][0]["entries"]) == (3, 1, 3)
        assert told["saved"]["tokens"]["output"] == 12 and told["saved"]["seconds"] > 0
        assert "25.0%" in await types_("--admin", edge.admin_url)

        assert "1 entry purged" in await types_("purge", "--tenant", "two", "--admin", edge.admin_url)
        assert (await other.ask("ops-a")).cache == "miss"
        assert (await caller.ask("ops-a")).cache == "hit"
        assert "3 entries purged" in await types_("purge", "--all", "--admin", edge.admin_url)
        assert "purge what?" not in await types_("purge", "--admin", edge.admin_url, code=2)

        lines = [
            json.dumps({"path": CHAT, "body": {"model": "gpt-4.1", "temperature": 0, "messages": USER, "seed": n}})
            for n in range(6)
        ]
        file = tmp_path / "questions.jsonl"
        file.write_text("\n".join(lines))
        monkeypatch.setenv("FARLINE_TEST_WARM", "key-one")
        warm = ("warm", str(file), "--url", edge.url, "--key", "env:FARLINE_TEST_WARM")
        assert "asked for: 6, known already: 0" in await types_(*warm)
        assert "asked for: 0, known already: 6" in await types_(*warm)
        file.write_text("{}")
        await types_(*warm, code=2)
