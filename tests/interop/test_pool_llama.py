"""All lines are cut and a real llama.cpp server answers, in the dialect of every SDK; then the lines heal."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from typing import Any

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from netem.provider.aio.server import FakeProvider
from tests.support.llama import CONTEXT_TOKENS, MODEL, Llama, llama
from tests.support.nodes import config, node

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")
HI: Any = [{"role": "user", "content": "Hi"}]


@pytest.fixture(scope="module")
def engine() -> Iterator[Llama]:
    with llama() as server:
        yield server


class World:
    """A node, whose provider can be cut off and brought back."""

    def __init__(self, url: str, provider: FakeProvider) -> None:
        self.url = url
        self.provider = provider


@pytest.fixture
async def world(engine: Llama) -> AsyncIterator[World]:
    text = (
        f'[routing]\nlocal_model = "{MODEL}"\n[[pool]]\nid = "llama"\nurl = "{engine.url}"\nengine = "llama.cpp"\n'
        "max_in_flight = 2\npoll_seconds = 0.05\n"
    )
    async with FakeProvider(sim="think_ms=1,interval_ms=1,tokens=4") as provider:
        async with node(config(provider.url, extra=text)) as running:
            backend = running.pool_board.backends["llama"]
            async with asyncio.timeout(30):
                while not backend.models or backend.is_warming or backend.load.running is None:
                    await asyncio.sleep(0.02)
            assert backend.context_tokens == CONTEXT_TOKENS
            host, port = running.ingress.addresses[0]
            await provider.refuse(True)
            yield World(f"http://{host}:{port}", provider)


async def test_openai(world: World) -> None:
    async with openai.AsyncOpenAI(base_url=world.url + "/v1", api_key="k", max_retries=0) as client:
        ask = {"model": "gpt-4.1", "messages": HI, "max_tokens": 8}
        raw = await client.chat.completions.with_raw_response.create(**ask)
        assert raw.headers["x-farline-path"] == "local/direct/llama"
        assert raw.parse().usage.completion_tokens > 0
        stream = await client.chat.completions.create(**ask, stream=True)
        ends = [chunk.choices[0].finish_reason async for chunk in stream if chunk.choices]
        assert ends[-1] in ("stop", "length")
        await world.provider.refuse(False)
        async with asyncio.timeout(10):
            while raw.headers["x-farline-path"].startswith("local/"):
                raw = await client.chat.completions.with_raw_response.create(**ask)


async def test_anthropic(world: World) -> None:
    async with anthropic.AsyncAnthropic(base_url=world.url, api_key="k", max_retries=0) as client:
        raw = await client.messages.with_raw_response.create(model="claude-x", max_tokens=8, messages=HI)
        assert raw.headers["x-farline-path"] == "local/direct/llama"
        assert (await raw.parse()).usage.output_tokens > 0
        async with client.messages.stream(model="claude-x", max_tokens=8, messages=HI) as stream:
            message = await stream.get_final_message()
        assert message.stop_reason in ("end_turn", "max_tokens")
        sensitive = {"x-farline-data-class": "sensitive"}
        long: Any = [{"role": "user", "content": "太长" * 10_000}]
        with pytest.raises(anthropic.BadRequestError, match="context of 2048 tokens"):
            await client.messages.create(model="claude-x", max_tokens=8, messages=long, extra_headers=sensitive)


async def test_gemini(world: World) -> None:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=world.url))
    try:
        limit = types.GenerateContentConfig(max_output_tokens=8)
        models = client.aio.models
        whole = await models.generate_content(model="gemini-x", contents="Hi", config=limit)
        assert whole.usage_metadata is not None
        assert whole.usage_metadata.candidates_token_count
        parts = [p async for p in await models.generate_content_stream(model="gemini-x", contents="Hi", config=limit)]
        assert parts[-1].candidates is not None
        assert parts[-1].candidates[0].finish_reason in (types.FinishReason.STOP, types.FinishReason.MAX_TOKENS)
    finally:
        await client.aio.aclose()
        client.close()
    assert not world.provider.log
