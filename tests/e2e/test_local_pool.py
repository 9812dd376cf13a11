"""The local pool answers when nothing overseas can, and nothing else may: real SDKs, a node, engines and a provider."""

from __future__ import annotations

import asyncio
import hashlib
import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass
from time import monotonic
from typing import Any

import aiohttp
import anthropic
import openai
import pytest
from google import genai
from google.genai import types
from prometheus_client.parser import text_string_to_metric_families

from edge.app import Node
from health.standing import StandingRules
from netem.provider.aio.server import FakeProvider
from tests.support.engine import Engine
from tests.support.nodes import LINES, config, node
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
CHAT: dict[str, Any] = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}
SENSITIVE = {"x-farline-data-class": "sensitive"}
STAND_IN = '[routing]\nlocal_model = "qwen3-32b"\n'
UNPROBED = "[probe]\nenabled = false\n"  # the lines are found dead by word of mouth


@dataclass
class World:
    """A node whose lines lead to a fake provider, with engines beside it."""

    node: Node
    provider: FakeProvider
    engines: list[Engine]
    http: aiohttp.ClientSession

    @property
    def url(self) -> str:
        host, port = self.node.ingress.addresses[0]
        return f"http://{host}:{port}"

    async def cut(self) -> None:
        """Nothing overseas answers any more."""
        await self.provider.refuse(True)
        self.provider.close_connections()

    async def heal(self) -> None:
        await self.provider.refuse(False)

    async def ask(self, body: dict[str, Any] | None = None, path: str = "/v1/chat/completions", **headers: str) -> Any:
        """Status, headers, body."""
        headers = {name.replace("_", "-"): value for name, value in headers.items()}
        async with self.http.post(self.url + path, json=body or CHAT, headers=headers) as reply:
            return reply.status, reply.headers, await reply.read()

    def eject_lines(self, seconds: float) -> None:
        """As if all lines had been found dead."""
        board = self.node.board
        board.rules = StandingRules(base_ejection=seconds, longest_ejection=seconds)
        dead = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT, "silent")
        for line in LINES:
            for _ in range(board.rules.consecutive_failures):
                board.failed(Path(line, "openai"), dead, monotonic())

    def metric(self, name: str, **labels: str) -> float:
        text = self.node.told.exposition().decode()
        samples = [sample for family in text_string_to_metric_families(text) for sample in family.samples]
        return sum(s.value for s in samples if s.name == name and labels.items() <= s.labels.items())


@asynccontextmanager
async def world(*engines: Engine, extra: str = STAND_IN, pool: str = "", is_up: bool = True) -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        provider = await stack.enter_async_context(FakeProvider(sim="think_ms=1,interval_ms=1,tokens=4"))
        text = extra
        for number, engine in enumerate(engines, 1):
            await stack.enter_async_context(engine)
            text += (
                f'[[pool]]\nid = "gpu-{number}"\nurl = "{engine.url}"\nengine = "{engine.kind}"\n'
                f"poll_seconds = 0.05\n{pool}\n"
            )
        running = await stack.enter_async_context(node(config(provider.url, extra=text)))
        http = await stack.enter_async_context(aiohttp.ClientSession())
        async with asyncio.timeout(5):
            backends = running.pool_board.backends.values()
            while is_up and not all(backend.models and not backend.is_warming for backend in backends):
                await asyncio.sleep(0.01)
        yield World(running, provider, list(engines), http)


async def test_all_lines_are_cut_and_heal_again() -> None:
    async with world(Engine("vllm")) as w:
        client = openai.AsyncOpenAI(base_url=w.url + "/v1", api_key="k", max_retries=0)
        async with client:
            raw = await client.chat.completions.with_raw_response.create(**CHAT)
            assert not raw.headers["x-farline-path"].startswith("local/")
            await w.cut()
            for _ in range(3):
                raw = await client.chat.completions.with_raw_response.create(**CHAT)
                assert raw.headers["x-farline-path"] == "local/direct/gpu-1"
                assert raw.parse().model == "qwen3-32b"  # it says who answered
                stream = await client.chat.completions.create(**CHAT, stream=True)
                assert [chunk async for chunk in stream][-1].choices[0].finish_reason == "stop"
            assert len(w.engines[0].chats) == 6
            assert {each["model"] for each in w.engines[0].chats} == {"qwen3-32b"}
            await w.heal()
            async with asyncio.timeout(10):
                while True:
                    raw = await client.chat.completions.with_raw_response.create(**CHAT)
                    if not raw.headers["x-farline-path"].startswith("local/"):
                        break
            raw = await client.chat.completions.with_raw_response.create(**CHAT)
            assert not raw.headers["x-farline-path"].startswith("local/")
        assert w.engines[0].heads[-1].get("authorization") is None  # the caller's key stays here


@pytest.mark.parametrize("stream", [False, True])
async def test_other_dialects_are_translated(stream: bool) -> None:
    async with world(Engine("sglang")) as w:
        await w.cut()
        claude = anthropic.AsyncAnthropic(base_url=w.url, api_key="k", max_retries=0)
        async with claude:
            ask: dict[str, Any] = {"model": "claude-x", "max_tokens": 64, "messages": CHAT["messages"]}
            if stream:
                async with claude.messages.stream(**ask) as events:
                    message = await events.get_final_message()
            else:
                message = await claude.messages.create(**ask)
        assert message.content[0].text.split() == ["w0", "w1", "w2", "w3"]
        gemini = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=w.url)).aio
        try:
            if stream:
                parts = [p async for p in await gemini.models.generate_content_stream(model="gemini-2", contents="hi")]
                text = "".join(part.text or "" for part in parts)
            else:
                text = (await gemini.models.generate_content(model="gemini-2", contents="hi")).text or ""
        finally:
            await gemini.aclose()
        assert text.split() == ["w0", "w1", "w2", "w3"]


async def test_sensitive_requests_never_leave() -> None:
    key = hashlib.sha256(b"clinic").hexdigest()
    keys = f'[[key]]\nid = "clinic"\nsha256 = "{key}"\ndata_class = "sensitive"\n'
    async with world(Engine(), extra=STAND_IN + keys) as w:
        by_key = {"authorization": "Bearer clinic"}
        for headers in (by_key, {**by_key, **SENSITIVE}):
            status, head, _ = await w.ask(**headers)
            assert (status, head["x-farline-path"]) == (200, "local/direct/gpu-1")
        w.engines[0].status = 500
        assert (await w.ask(**by_key))[0] == 500
        w.engines[0].status, w.engines[0].dies = 200, True
        assert (await w.ask(**by_key))[0] == 502
        w.engines[0].dies = False
        refused = await w.ask({"input_file_id": "f"}, "/v1/batches", **by_key)
        assert refused[0] == 403
        with pytest.raises(aiohttp.WSServerHandshakeError):
            await w.http.ws_connect(w.url.replace("http", "ws") + "/v1/realtime?model=m", headers=by_key)
        await w.engines[0].__aexit__(None, None, None)
        async with asyncio.timeout(5):
            while not w.metric("farline_pool_standing", standing="ejected"):
                await asyncio.sleep(0.02)
        status, head, body = await w.ask(**by_key)
        assert (status, head["retry-after"]) == (503, "1")
        assert json.loads(body)["error"]["type"] == "server_error"
        assert not w.provider.log  # through all of it


async def test_without_a_pool_sensitive_requests_are_refused() -> None:
    async with world(extra="") as w:
        status, _, body = await w.ask(**SENSITIVE)
        assert status == 403
        assert b"there is none" in body
        assert not w.provider.log


@pytest.mark.parametrize("switch", ["off", "sensitive-only"])
async def test_the_pool_can_be_switched_off(switch: str) -> None:
    async with world(Engine(), extra=f'{STAND_IN}local = "{switch}"\n') as w:
        await w.cut()
        assert (await w.ask())[0] == 503
        assert (await w.ask(**SENSITIVE))[0] == (403 if switch == "off" else 200)


async def test_with_all_lines_known_to_be_dead_nobody_waits() -> None:
    async with world(Engine("llama.cpp"), extra=STAND_IN + UNPROBED) as w:
        await w.cut()
        w.eject_lines(60.0)
        answers = [await w.ask() for _ in range(5)]
        assert {(status, head["x-farline-path"]) for status, head, _ in answers} == {(200, "local/direct/gpu-1")}
        assert w.metric("farline_pool_requests_total", pool="gpu-1", reason="unreachable") >= 4  # one tries its luck


async def test_one_request_finds_out_that_the_lines_are_back() -> None:
    async with world(Engine(), extra=STAND_IN + UNPROBED) as w:
        w.eject_lines(0.05)
        await asyncio.sleep(0.1)  # on probation now, and nobody probes
        async with asyncio.timeout(5):
            while (await w.ask())[1]["x-farline-path"].startswith("local/"):
                pass
        assert not (await w.ask())[1]["x-farline-path"].startswith("local/")


async def test_a_full_pool_queues_and_then_refuses() -> None:
    engine = Engine(holds=True)
    async with world(engine, pool="max_in_flight = 1\nqueue_seconds = 0.6\nwarm_up = false") as w:
        asks = [asyncio.ensure_future(w.ask(**SENSITIVE)) for _ in range(3)]  # noqa: TID251 - gathered below
        async with asyncio.timeout(5):
            while not any(ask.done() for ask in asks):
                await asyncio.sleep(0.01)
        assert w.metric("farline_pool_waiting") == 1
        assert w.metric("farline_pool_in_flight", pool="gpu-1") == 1
        engine.release.set()
        answers = await asyncio.gather(*asks)
        assert sorted(status for status, _, _ in answers) == [200, 200, 503]
        full = next(body for status, _, body in answers if status == 503)
        assert b"full" in full
        assert w.metric("farline_pool_in_flight", pool="gpu-1") == 0


async def test_the_queue_has_a_deadline() -> None:
    async with world(Engine(holds=True), pool="max_in_flight = 1\nqueue_seconds = 0.1\nwarm_up = false") as w:
        first = asyncio.ensure_future(w.ask(**SENSITIVE))  # noqa: TID251 - awaited below
        while not w.engines[0].asked:
            await asyncio.sleep(0.01)
        status, _, body = await w.ask(**SENSITIVE)
        assert status == 503
        assert b"no place in the local pool within 0.1 s" in body
        w.engines[0].release.set()
        assert (await first)[0] == 200


async def test_a_server_that_dies_under_a_request_is_not_noticed() -> None:
    async with world(Engine(dies=True), Engine()) as w:
        for _ in range(4):
            status, head, _ = await w.ask(**SENSITIVE)
            assert (status, head["x-farline-path"]) == (200, "local/direct/gpu-2")


async def test_each_server_has_its_own_name_for_a_model() -> None:
    extra = """
    [[model]]
    name = "gpt-4.1"
    provider = "openai"
    upstream = "gpt-4.1-2025-04-14"
    fallback = ["local/none-has-it", "local/qwen"]
    """
    pool = 'models = { qwen = "Qwen/Qwen3-32B-AWQ", none-has-it-here = "x" }'
    async with world(Engine(), extra=extra.replace("none-has-it", "none-has-it-here"), pool=pool) as w:
        await w.cut()
        assert (await w.ask())[0] == 200
        assert w.engines[0].chats[-1]["model"] in ("x", "Qwen/Qwen3-32B-AWQ")
        assert (await w.ask({**CHAT, "model": "gpt-5"}))[0] == 503  # nothing stands in for it


async def test_a_prompt_that_does_not_fit_is_told_so() -> None:
    async with world(Engine(context=200)) as w:
        long = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "长文本" * 400}]}
        status, _, body = await w.ask(long, **SENSITIVE)
        assert status == 400
        assert b"context of 200 tokens" in body
        assert not w.engines[0].chats
        await w.cut()
        assert (await w.ask(long))[0] == 503  # the lines' own failure: over there it would have fitted
        status, _, _ = await w.ask({**CHAT, "max_tokens": 4000}, **SENSITIVE)
        assert (status, w.engines[0].chats[-1]["max_tokens"] < 200) == (200, True)


async def test_a_spare_that_refuses_leaves_the_first_failure_standing() -> None:
    async with world(Engine(status=400)) as w:
        await w.cut()
        status, head, body = await w.ask()
        assert status == 503
        assert "connection_refused" in head["proxy-status"]
        assert b"engine says no" not in body
        status, _, body = await w.ask(**SENSITIVE)
        assert (status, b"engine says no" in body) == (400, True)  # but here it is the answer


async def test_long_bodies() -> None:
    """Gathered while they come; one too long to be kept goes overseas as if there were no pool."""
    async with world(Engine(context=10**6), extra=STAND_IN + "[limits]\nreplay_bytes = 300000\n") as w:

        async def ask(size: int, **headers: str) -> int:
            body = json.dumps({**CHAT, "messages": [{"role": "user", "content": "x" * size}]}).encode()

            async def pieces() -> AsyncIterator[bytes]:
                for at in range(0, len(body), 50_000):
                    yield body[at : at + 50_000]
                    await asyncio.sleep(0.002)

            url, kind = w.url + "/v1/chat/completions", {"content-type": "application/json", **headers}
            async with w.http.post(url, data=pieces(), headers=kind) as reply:
                await reply.read()
                return reply.status

        assert await ask(250_000, **SENSITIVE) == 200
        assert len(w.engines[0].chats[-1]["messages"][0]["content"]) == 250_000
        assert await ask(900_000, **SENSITIVE) == 413
        w.eject_lines(60.0)
        w.node.local.canary.may_go(monotonic())
        assert await ask(900_000) == 200
        assert w.provider.log[-1].body_length > 900_000
        await w.cut()
        w.node.local.canary.may_go(monotonic())
        assert await ask(250_000) == 200


async def test_a_client_that_leaves_frees_the_server() -> None:
    async with world(Engine(holds=True), pool="warm_up = false") as w:
        timeout = aiohttp.ClientTimeout(total=0.3)
        with pytest.raises(TimeoutError):
            await w.http.post(w.url + "/v1/chat/completions", json=CHAT, headers=SENSITIVE, timeout=timeout)
        async with asyncio.timeout(5):
            while not w.engines[0].gone or w.metric("farline_pool_in_flight"):
                await asyncio.sleep(0.01)


@pytest.mark.parametrize("path", ["/v1/chat/completions", "/v1/messages"])
async def test_a_cut_stream_never_looks_complete(path: str) -> None:
    async with world(Engine(cut_after=2)) as w:
        ask = {"max_tokens": 9, "stream": True, **CHAT}
        with pytest.raises(aiohttp.ClientPayloadError):
            await w.ask(ask, path, **SENSITIVE)


async def test_embeddings_have_no_stand_in() -> None:
    async with world(Engine(model="bge-m3"), extra='[routing]\nlocal_model = "bge-m3"\n') as w:
        await w.cut()
        assert (await w.ask({"model": "text-embedding-3-small", "input": "x"}, "/v1/embeddings"))[0] == 503
        assert (await w.ask({"model": "bge-m3", "input": "x"}, "/v1/embeddings"))[0] == 200


async def test_azure_and_responses() -> None:
    azure = '[[provider]]\nid = "azure"\ndialect = "azure"\n[[provider.endpoint]]\nurl = "http://127.0.0.1:9"\n'
    async with world(Engine("llama.cpp"), Engine("vllm"), extra=STAND_IN + azure) as w:
        lacks, has = w.engines
        for _ in range(6):  # only vLLM has it; for the other one it is translated
            assert (await w.ask({"model": "gpt-4.1", "input": "x"}, "/v1/responses", **SENSITIVE))[0] == 200
        assert all("input" in asked for asked in has.asked[1:])
        assert all("messages" in asked for asked in lacks.asked[1:])
        status, head, _ = await w.ask(CHAT, "/openai/deployments/d/chat/completions?api-version=1", **SENSITIVE)
        assert status == 200
        assert head["x-farline-path"].startswith("local/direct/gpu-")


async def test_a_caller_may_ask_for_it() -> None:
    async with world(Engine()) as w:
        assert (await w.ask(x_farline_line="local"))[1]["x-farline-path"] == "local/direct/gpu-1"
        await w.cut()
        assert (await w.ask(x_farline_line="cn2"))[0] == 503  # whoever chose a line wants to know how it does


async def test_a_steer_keeps_requests_here() -> None:
    async with world(Engine()) as w:
        w.node.local.steer = lambda principal, facts: facts.model == "gpt-4.1"
        assert (await w.ask())[1]["x-farline-path"] == "local/direct/gpu-1"
        other = await w.ask({**CHAT, "model": "gpt-5"})
        assert not other[1]["x-farline-path"].startswith("local/")
        w.engines[0].status = 500
        assert not (await w.ask())[1]["x-farline-path"].startswith("local/")  # the pool can't: overseas then
