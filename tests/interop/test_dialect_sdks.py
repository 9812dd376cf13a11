"""The vendors' own SDKs, synchronous and asynchronous, against what the dialects say on the wire.

Documented here because everything hangs on it: all SDKs take a stream that ends early but in order for a success.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import AsyncExitStack
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from edge.dialects import by_name
from edge.dialects.routes import dialect_of
from tests.interop.sse_server import Reply, Server, serving
from tests.support.dialect_streams import BLOCK, GENERATE, INTERACTION, chat, named
from transport.failure import Code, Failure, Origin, Verdict

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages: not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

BROKEN = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED, "the line broke")
REFUSED = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED, "nobody there")
ASK: list[Any] = [{"role": "user", "content": "你好"}]

START = named(
    {
        "type": "message_start",
        "message": {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "content": [],
            "model": "claude",
            "stop_reason": None,
            "stop_sequence": None,
            "usage": {"input_tokens": 1, "output_tokens": 1},
        },
    }
)
OPEN = named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}})
SPEECH = named(
    {
        "type": "response.output_text.delta",
        "sequence_number": 1,
        "item_id": "i",
        "output_index": 0,
        "content_index": 0,
        "delta": "好",
        "logprobs": [],
    }
)

Run = Callable[[Server], Awaitable[list[Any]]]


def openai_async(server: Server) -> openai.AsyncOpenAI:
    return openai.AsyncOpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0)


async def chat_async(server: Server) -> list[Any]:
    async with openai_async(server) as client:
        return [c async for c in await client.chat.completions.create(model="m", messages=ASK, stream=True)]


async def responses_async(server: Server) -> list[Any]:
    async with openai_async(server) as client:
        return [c async for c in await client.responses.create(model="m", input="x", stream=True)]


async def messages_async(server: Server) -> list[Any]:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        ask = client.messages.create(model="m", max_tokens=5, messages=ASK, stream=True)
        return [c async for c in await ask]


async def generate_async(server: Server) -> list[Any]:
    async with genai.Client(api_key="k", http_options={"base_url": server.url}).aio as client:
        return [c async for c in await client.models.generate_content_stream(model="m", contents="x")]


def in_thread(run: Callable[[Server], list[Any]]) -> Run:
    async def threaded(server: Server) -> list[Any]:
        return await asyncio.to_thread(run, server)

    return threaded


def chat_sync(server: Server) -> list[Any]:
    with openai.OpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        return list(client.chat.completions.create(model="m", messages=ASK, stream=True))


def responses_sync(server: Server) -> list[Any]:
    with openai.OpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        return list(client.responses.create(model="m", input="x", stream=True))


def messages_sync(server: Server) -> list[Any]:
    with anthropic.Anthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        return list(client.messages.create(model="m", max_tokens=5, messages=ASK, stream=True))


def generate_sync(server: Server) -> list[Any]:
    with genai.Client(api_key="k", http_options={"base_url": server.url}) as client:
        return list(client.models.generate_content_stream(model="m", contents="x"))


def azure_sync(server: Server) -> list[Any]:
    with openai.AzureOpenAI(api_key="k", azure_endpoint=server.url, api_version="2025-01-01", max_retries=0) as client:
        return list(client.chat.completions.create(model="m", messages=ASK, stream=True))


CASES = [
    pytest.param("openai", chat_async, (chat({"content": "你"}),) * 2, openai.APIError, id="chat-async"),
    pytest.param("openai", in_thread(chat_sync), (chat({"content": "你"}),) * 2, openai.APIError, id="chat"),
    pytest.param("azure", in_thread(azure_sync), (chat({"content": "你"}),) * 2, openai.APIError, id="azure"),
    pytest.param("openai", responses_async, (SPEECH,) * 2, openai.APIError, id="responses-async"),
    pytest.param("openai", in_thread(responses_sync), (SPEECH,) * 2, openai.APIError, id="responses"),
    pytest.param("anthropic", messages_async, (START, OPEN, BLOCK), anthropic.APIStatusError, id="messages-async"),
    pytest.param("anthropic", in_thread(messages_sync), (START, OPEN, BLOCK), anthropic.APIStatusError, id="messages"),
    pytest.param("gemini", generate_async, GENERATE.events[:2], genai.errors.ServerError, id="generate-async"),
    pytest.param("gemini", in_thread(generate_sync), GENERATE.events[:2], genai.errors.ServerError, id="generate"),
]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(serving())


@pytest.mark.parametrize(("dialect", "run", "events", "error"), CASES)
async def test_an_early_end_in_order_looks_like_success(
    server: Server, dialect: str, run: Run, events: tuple[bytes, ...], error: type[Exception]
) -> None:
    server.reply = Reply(b"".join(events))
    assert len(await run(server)) == len(events)


@pytest.mark.parametrize("cut", [True, False], ids=["aborted", "ended"])
@pytest.mark.parametrize(("dialect", "run", "events", "error"), CASES)
async def test_our_error_event_raises(
    server: Server, dialect: str, run: Run, events: tuple[bytes, ...], error: type[Exception], cut: bool
) -> None:
    server.reply = Reply(b"".join(events) + by_name(dialect).stream_error(BROKEN, "req-1"), cut=cut)
    with pytest.raises(error, match="the line broke"):
        await run(server)


@pytest.mark.parametrize(("dialect", "run", "events", "error"), CASES)
async def test_an_aborted_connection_alone_raises(
    server: Server, dialect: str, run: Run, events: tuple[bytes, ...], error: type[Exception]
) -> None:
    server.reply = Reply(b"".join(events), cut=True)
    with pytest.raises(Exception):  # noqa: B017 - each SDK and HTTP library has its own
        await run(server)


@pytest.mark.parametrize(("dialect", "run", "events", "error"), CASES)
async def test_keepalives_are_not_noticed(
    server: Server, dialect: str, run: Run, events: tuple[bytes, ...], error: type[Exception]
) -> None:
    silence = by_name(dialect).keepalive()
    assert silence is not None
    server.reply = Reply(silence + silence.join(events) + silence * 2)
    assert len(await run(server)) == len(events)


@pytest.mark.parametrize(("dialect", "run", "events", "error"), CASES)
async def test_whole_errors_raise_with_our_words(
    server: Server, dialect: str, run: Run, events: tuple[bytes, ...], error: type[Exception]
) -> None:
    headers, body = by_name(dialect).error(502, BROKEN, "req-1")
    server.reply = Reply(body, 502, headers)
    with pytest.raises(error, match="the line broke"):
        await run(server)


@pytest.mark.parametrize(("failure", "requests"), [(REFUSED, 2), (BROKEN, 1)])
async def test_sdks_obey_should_retry(server: Server, failure: Failure, requests: int) -> None:
    async with (
        openai_async(server).with_options(max_retries=1) as first,
        anthropic.AsyncAnthropic(api_key="k", base_url=server.url, max_retries=1) as second,
    ):
        headers, body = by_name("openai").error(502, failure, "req-1")
        server.reply = Reply(body, 502, [*headers, (b"retry-after-ms", b"5")])
        with pytest.raises(openai.InternalServerError) as caught:
            await first.models.list()
        assert caught.value.request_id == "req-1"
        headers, body = by_name("anthropic").error(502, failure, "req-1")
        server.reply = Reply(body, 502, [*headers, (b"retry-after-ms", b"5")])
        with pytest.raises(anthropic.InternalServerError) as refused:
            await second.models.list()
        assert refused.value.request_id == "req-1"
    assert len(server.asked) == 2 * requests


async def test_an_overloaded_node_is_overloaded_to_anthropic(server: Server) -> None:
    headers, body = by_name("anthropic").error(529, BROKEN, "req-1")
    server.reply = Reply(body, 529, headers)
    with pytest.raises(anthropic.APIStatusError) as caught:
        await messages_async(server)
    assert caught.value.status_code == 529
    assert caught.value.body["error"]["type"] == "overloaded_error"


@pytest.mark.parametrize(
    ("dialect", "run", "operation", "model"),
    [
        ("openai", chat_async, "chat", "m"),
        ("openai", responses_async, "responses", "m"),
        ("azure", in_thread(azure_sync), "chat", "m"),
        ("anthropic", messages_async, "messages", "m"),
        ("gemini", generate_async, "stream", "m"),
    ],
)
async def test_what_the_sdks_really_ask(server: Server, dialect: str, run: Run, operation: str, model: str) -> None:
    await run(server)
    asked = server.asked[-1]
    target = asked.target
    facts = by_name(dialect).facts(asked.method, target, asked.headers, asked.body, True)
    assert (facts.operation, facts.model, facts.streaming) == (operation, model, True)
    assert by_name(dialect).credential_of(asked.headers, target) == "k"
    if dialect != "gemini":
        assert facts.patience == 600
    assert dialect_of(target, asked.headers) == dialect


async def test_interactions(server: Server) -> None:
    """The error event is not raised by this API's client, but the abort is; keep-alives pass."""
    gemini = by_name("gemini")

    async def run() -> list[Any]:
        async with genai.Client(api_key="k", http_options={"base_url": server.url}).aio as client:
            return [c async for c in await client.interactions.create(model="m", input="x", stream=True)]

    event, pause = INTERACTION.events[0], gemini.keepalive() or b""
    server.reply = Reply(pause + event + pause + event + pause)
    assert len(await run()) == 2
    server.reply = Reply(event + gemini.stream_error(BROKEN, "req-1"), cut=True)
    with pytest.raises(Exception):  # noqa: B017
        await run()


async def test_a_comment_after_an_id_breaks_the_openai_client(server: Server) -> None:
    """Why streams with `id:` fields are never at a boundary. If this fails, the SDK has been repaired."""
    server.reply = Reply(b"id: 1\n" + chat({"content": "a"}) + b": ping\n\n" + chat({"content": "b"}))
    with pytest.raises(ValueError):
        await chat_async(server)


async def test_a_comment_breaks_the_gemini_client(server: Server) -> None:
    """Why Gemini's keep-alive is blank lines."""
    server.reply = Reply(GENERATE.events[0] + b": ping\n\n" + GENERATE.events[1])
    with pytest.raises(genai.errors.UnknownApiResponseError):
        await generate_async(server)
