"""The google-genai SDK through the edge."""

from __future__ import annotations

import io

import pydantic
import pytest
from google import genai
from google.genai import types

from tests.support.nodes import LINES
from tests.support.sdks import Sdks, each, of
from tests.support.worlds import PROTOCOLS

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

TEXT = "t0001 t0002 t0003 t0004 "
MODEL = "gemini-2.5-flash"


async def test_generate(sdks: Sdks):
    client = await sdks.gemini("reasoning_tokens=7,cached_tokens=2")
    reply = await of(client.models.generate_content(model=MODEL, contents="count"))
    assert reply.text == TEXT
    assert reply.usage_metadata.thoughts_token_count == 7
    assert reply.usage_metadata.cached_content_token_count == 2


async def test_stream_with_usage(sdks: Sdks):
    client = await sdks.gemini()
    chunks = await each(client.models.generate_content_stream(model=MODEL, contents="count"))
    assert "".join(chunk.text or "" for chunk in chunks) == TEXT
    assert chunks[-1].usage_metadata.candidates_token_count == 4


async def test_tools(sdks: Sdks):
    client = await sdks.gemini()
    declared = types.FunctionDeclaration(name="speak", parameters={"type": "OBJECT", "properties": {}})
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    reply = await of(client.models.generate_content(model=MODEL, contents="count", config=config))
    assert reply.function_calls[0].name == "speak"
    chunks = await each(client.models.generate_content_stream(model=MODEL, contents="count", config=config))
    assert [call.name for chunk in chunks for call in chunk.function_calls or []] == ["speak"]


class City(pydantic.BaseModel):
    name: str


async def test_structured_output(sdks: Sdks):
    client = await sdks.gemini("answer=echo")
    config = types.GenerateContentConfig(response_mime_type="application/json", response_schema=City)
    reply = await of(client.models.generate_content(model=MODEL, contents='{"name": "上海"}', config=config))
    assert reply.parsed == City(name="上海")


async def test_the_rest(sdks: Sdks):
    client = await sdks.gemini()
    assert (await of(client.models.count_tokens(model=MODEL, contents="count"))).total_tokens == 2
    found = await of(client.models.embed_content(model="gemini-embedding-001", contents="a"))
    assert found.embeddings[0].values[:2] == [ord("a") / 256] * 2
    assert f"models/{MODEL}" in [model.name for model in await each(client.models.list())]


async def test_resumable_upload(sdks: Sdks):
    client, data = await sdks.gemini(), b"0123456789" * 20_000
    stored = await of(client.files.upload(file=io.BytesIO(data), config={"mime_type": "text/plain"}))
    assert (stored.size_bytes, stored.state) == (len(data), types.FileState.ACTIVE)
    assert (await of(client.files.get(name=stored.name))).name == stored.name
    sent = [each for each in sdks.world.provider.log() if "upload_id=" in each["target"]]
    assert sent[-1]["source"] in LINES.values()  # through the edge, not past it
    assert sent[-1]["protocol"] == PROTOCOLS[sdks.protocol]


NAMES = {400: "INVALID_ARGUMENT", 401: "UNAUTHENTICATED", 404: "NOT_FOUND", 429: "RESOURCE_EXHAUSTED", 500: "INTERNAL"}


async def test_errors_are_the_providers(sdks: Sdks):
    for status, name in NAMES.items():
        client = await sdks.gemini(f"status={status},retry_after=3")
        kind = genai.errors.ClientError if status < 500 else genai.errors.ServerError
        with pytest.raises(kind) as caught:
            await of(client.models.generate_content(model=MODEL, contents="count"))
        assert (caught.value.code, caught.value.status) == (status, name)
        with pytest.raises(kind):
            await each(client.models.generate_content_stream(model=MODEL, contents="count"))
