"""Anthropic's and Google's SDKs talk to a real llama.cpp server through the translation: protocol, never content.

The tiny edge between them does nothing but translate.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import anthropic
import pytest
from aiohttp import web
from google import genai
from google.genai import errors as google_errors
from google.genai import types

from edge.dialects import by_name
from edge.dialects.routes import dialect_of
from edge.dialects.translate import Untranslatable, translation
from tests.support.llama import MODEL, Llama, llama
from transport.failure import Code, Failure, Origin, Verdict

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages: not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

ASK: list[Any] = [{"role": "user", "content": "What is the weather in Paris?"}]
SCHEMA = {"type": "object", "properties": {"city": {"type": "string", "enum": ["Paris", "Rome"]}}, "required": ["city"]}
PIXEL = "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk+M9QDwADhgGAWjR9awAAAABJRU5ErkJggg=="
COLD = {"temperature": 0}
LONG = "all work and no play " * 1_000


@pytest.fixture(scope="module")
def engine() -> Iterator[Llama]:
    with llama() as server:
        yield server


class Edge:
    """Translates, and nothing else."""

    def __init__(self, engine: str, session: aiohttp.ClientSession) -> None:
        self.engine = engine
        self.session = session
        self.url = ""

    async def handle(self, request: web.Request) -> web.StreamResponse:
        target = request.raw_path.encode()
        headers = [(name.lower().encode(), text.encode()) for name, text in request.headers.items()]
        body = await request.read()
        dialect = by_name(dialect_of(target, headers) or "")
        facts = dialect.facts(b"POST", target, headers, body, True)
        found = translation(dialect.name, facts.operation)
        assert found is not None
        try:
            asked = found.request(target, headers, body, MODEL)
        except Untranslatable as refusal:
            failure = Failure(Origin.CLIENT, Verdict.UNSAFE, Code.HTTP_REQUEST_ERROR, refusal.reason)
            kept, made = dialect.error(400, failure, "id")
            return web.Response(status=400, headers=text_headers(kept), body=made)
        reply = found.reply(body, asked.streaming, "0f1e2d", target)
        sent = {"content-type": "application/json"}
        async with self.session.post(self.engine + asked.target.decode(), data=asked.body, headers=sent) as told:
            status, kept = reply.head(told.status, [(k.lower().encode(), v.encode()) for k, v in told.headers.items()])
            response = web.StreamResponse(status=status, headers=text_headers(kept))
            await response.prepare(request)
            async for piece in told.content.iter_any():
                await response.write(reply.feed(piece))
            await response.write(reply.end())
        assert reply.is_complete()
        return response


def text_headers(headers: list[tuple[bytes, bytes]]) -> dict[str, str]:
    return {name.decode(): text.decode() for name, text in headers}


@asynccontextmanager
async def edge_of(engine: str) -> AsyncIterator[Edge]:
    async with aiohttp.ClientSession() as session:
        edge = Edge(engine, session)
        app = web.Application(client_max_size=1 << 24)
        app.router.add_route("*", "/{path:.*}", edge.handle)
        runner = web.AppRunner(app)
        await runner.setup()
        try:
            site = web.TCPSite(runner, "127.0.0.1", 0)
            await site.start()
            edge.url = f"http://127.0.0.1:{runner.addresses[0][1]}"
            yield edge
        finally:
            await runner.cleanup()


@pytest.fixture
async def edge(engine: Llama) -> AsyncIterator[Edge]:
    async with edge_of(engine.url) as running:
        yield running


@pytest.fixture
async def claude(edge: Edge) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=edge.url, max_retries=0) as client:
        yield client


@pytest.fixture
async def gemini(edge: Edge) -> AsyncIterator[Any]:
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=edge.url))
    yield client.aio
    await client.aio.aclose()
    await asyncio.to_thread(client.close)


CLAUDE_TOOL: Any = {"name": "get_weather", "description": "Weather of a city", "input_schema": SCHEMA}


async def test_message(claude: anthropic.AsyncAnthropic) -> None:
    message = await claude.messages.create(model="claude-x", max_tokens=8, system="Be brief.", messages=ASK)

    assert message.model == "claude-x" and message.id == "msg_0f1e2d" and message.role == "assistant"
    assert [block.type for block in message.content] == ["text"]
    assert message.stop_reason in ("max_tokens", "end_turn")
    assert message.usage.input_tokens + (message.usage.cache_read_input_tokens or 0) > 8
    assert 0 < message.usage.output_tokens <= 8


async def test_message_stream(claude: anthropic.AsyncAnthropic) -> None:
    async with claude.messages.stream(model="claude-x", max_tokens=8, messages=ASK) as stream:
        kinds = [event.type async for event in stream]
        message = await stream.get_final_message()

    assert kinds[0] == "message_start" and kinds[-1] == "message_stop"
    assert kinds.count("content_block_start") == kinds.count("content_block_stop") == 1
    assert message.content[0].type == "text" and message.content[0].text
    assert 0 < message.usage.output_tokens <= 8


@pytest.mark.parametrize("choice", [{"type": "any"}, {"type": "tool", "name": "get_weather"}])
async def test_tool_use_and_its_result(claude: anthropic.AsyncAnthropic, choice: Any) -> None:
    first: Any = {"model": "claude-x", "max_tokens": 100, "tools": [CLAUDE_TOOL], "extra_body": COLD}
    called = await claude.messages.create(**first, messages=ASK, tool_choice=choice)
    async with claude.messages.stream(**first, messages=ASK, tool_choice=choice) as stream:
        streamed = await stream.get_final_message()

    for message in (called, streamed):
        use = message.content[-1]
        assert message.stop_reason == "tool_use"
        assert use.type == "tool_use" and use.name == "get_weather" and use.id.startswith("toolu_")
        assert set(use.input) == {"city"}  # type: ignore[arg-type]  # typed as object

    result = {"type": "tool_result", "tool_use_id": streamed.content[-1].id, "content": "sunny"}  # type: ignore[union-attr]  # a tool_use
    turns = [*ASK, {"role": "assistant", "content": streamed.content}, {"role": "user", "content": [result]}]
    answer = await claude.messages.create(**first | {"max_tokens": 8}, messages=turns)
    assert answer.usage.output_tokens > 0


async def test_an_answer_that_the_caller_began(claude: anthropic.AsyncAnthropic) -> None:
    turns: Any = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "one two three"}]
    whole = await claude.messages.create(model="claude-x", max_tokens=6, messages=turns, extra_body=COLD)
    async with claude.messages.stream(model="claude-x", max_tokens=6, messages=turns, extra_body=COLD) as stream:
        streamed = await stream.get_final_text()

    assert whole.content[0].type == "text" and not whole.content[0].text.startswith("one two three")
    assert not streamed.startswith("one two three")


async def test_message_in_a_json_schema(claude: anthropic.AsyncAnthropic) -> None:
    config: Any = {"format": {"type": "json_schema", "schema": SCHEMA}}
    asked: Any = {"model": "c", "max_tokens": 60, "messages": ASK, "extra_body": COLD}
    message = await claude.messages.create(**asked, output_config=config)
    assert message.content[0].type == "text" and message.content[0].text.lstrip().startswith("{")


async def test_what_claude_is_refused(claude: anthropic.AsyncAnthropic) -> None:
    image = {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": PIXEL}}
    file = {"type": "document", "source": {"type": "file", "file_id": "file_1"}}
    with pytest.raises(anthropic.APIStatusError, match="image input is not supported") as seen:
        await claude.messages.create(model="c", max_tokens=8, messages=[{"role": "user", "content": [image]}])  # type: ignore[list-item,typeddict-item]  # plain dicts
    assert seen.value.status_code == 500
    with pytest.raises(anthropic.BadRequestError, match="document"):
        await claude.messages.create(model="c", max_tokens=8, messages=[{"role": "user", "content": [file]}])  # type: ignore[list-item,typeddict-item]  # plain dicts
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        await claude.messages.create(model="c", max_tokens=8, messages=[{"role": "user", "content": LONG}])
    with pytest.raises(anthropic.BadRequestError, match="prompt is too long"):
        await claude.messages.create(model="c", max_tokens=8, stream=True, messages=[{"role": "user", "content": LONG}])
    with pytest.raises(anthropic.BadRequestError, match="only create messages"):
        await claude.messages.count_tokens(model="c", messages=ASK)


async def test_generate_content(gemini: Any) -> None:
    config = types.GenerateContentConfig(max_output_tokens=8, system_instruction="Be brief.", top_k=3, seed=1)
    reply = await gemini.models.generate_content(model="gemini-x", contents="Hello", config=config)

    assert reply.text and reply.model_version == "gemini-x" and reply.response_id == "0f1e2d"
    assert reply.candidates[0].finish_reason in (types.FinishReason.MAX_TOKENS, types.FinishReason.STOP)
    assert reply.usage_metadata.prompt_token_count > 8
    assert 0 < reply.usage_metadata.candidates_token_count <= 8


async def test_generate_content_stream(gemini: Any) -> None:
    config = types.GenerateContentConfig(max_output_tokens=8)
    stream = await gemini.models.generate_content_stream(model="gemini-x", contents="Hello", config=config)
    pieces = [piece async for piece in stream]

    assert len(pieces) > 2 and all(piece.candidates for piece in pieces)
    assert [piece.candidates[0].finish_reason is not None for piece in pieces] == [False] * (len(pieces) - 1) + [True]
    assert pieces[-1].usage_metadata.total_token_count > 8


async def test_stream_as_an_array(edge: Edge) -> None:
    url = f"{edge.url}/v1beta/models/gemini-x:streamGenerateContent"
    ask = {"contents": [{"parts": [{"text": "Hello"}]}], "generation_config": {"max_output_tokens": 4}}
    async with aiohttp.ClientSession() as session, session.post(url, json=ask) as reply:
        assert reply.status == 200 and reply.content_type == "application/json"
        pieces = await reply.json()
    assert pieces[-1]["candidates"][0]["finishReason"] in ("MAX_TOKENS", "STOP")


async def test_function_call_and_its_response(gemini: Any) -> None:
    function = types.FunctionDeclaration(name="get_weather", parameters_json_schema=SCHEMA)
    mode = types.FunctionCallingConfig(mode=types.FunctionCallingConfigMode.ANY)
    config = types.GenerateContentConfig(
        max_output_tokens=100,
        temperature=0,
        tools=[types.Tool(function_declarations=[function])],
        tool_config=types.ToolConfig(function_calling_config=mode),
    )
    ask = types.Content(role="user", parts=[types.Part(text="What is the weather in Paris?")])
    called = await gemini.models.generate_content(model="gemini-x", contents=[ask], config=config)
    stream = await gemini.models.generate_content_stream(model="gemini-x", contents=[ask], config=config)
    streamed = [piece async for piece in stream][-1]

    for reply in (called, streamed):
        assert reply.candidates[0].finish_reason is types.FinishReason.STOP
        assert reply.function_calls[0].name == "get_weather" and set(reply.function_calls[0].args) == {"city"}

    turns = [ask, streamed.candidates[0].content, types.Content(role="user", parts=[
        types.Part.from_function_response(name="get_weather", response={"weather": "sunny"})])]  # fmt: skip
    config = types.GenerateContentConfig(max_output_tokens=8, tools=config.tools)
    answer = await gemini.models.generate_content(model="gemini-x", contents=turns, config=config)
    assert answer.usage_metadata.candidates_token_count > 0


async def test_content_in_a_schema(gemini: Any) -> None:
    schema = types.Schema(
        type=types.Type.OBJECT, properties={"n": types.Schema(type=types.Type.INTEGER)}, required=["n"]
    )
    config = types.GenerateContentConfig(
        max_output_tokens=60, temperature=0, response_mime_type="application/json", response_schema=schema
    )
    reply = await gemini.models.generate_content(model="gemini-x", contents="A number?", config=config)
    assert reply.text.lstrip().startswith("{")


async def test_what_gemini_is_refused(gemini: Any) -> None:
    async def ask(contents: Any, **config: Any) -> Any:
        return await gemini.models.generate_content(model="g", contents=contents, config=config)

    with pytest.raises(google_errors.ServerError, match="image input is not supported"):
        await ask(types.Part.from_bytes(data=b"\xff\xfe\xfd", mime_type="image/png"))
    with pytest.raises(google_errors.ClientError, match="application/pdf"):
        await ask(types.Part.from_bytes(data=b"%PDF", mime_type="application/pdf"))
    with pytest.raises(google_errors.ClientError, match="googleSearch"):
        await ask("Hi", tools=[{"google_search": {}}])
    with pytest.raises(google_errors.ClientError, match="prompt is too long"):
        await ask(LONG)
    with pytest.raises(google_errors.ClientError, match="only generate"):
        await gemini.models.count_tokens(model="g", contents="Hi")
