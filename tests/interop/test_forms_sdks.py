"""A stored reply in both forms, read by the vendors' own SDKs: the objects must be equal.

Each SDK reads the document, and puts the stream together with its own accumulator.
"""

from __future__ import annotations

import json
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack
from typing import Any

import anthropic
import openai
import pytest
from google import genai

from edge.dialects.forms import Asked, Form, as_asked, to_json, to_stream
from tests.interop.sse_server import Reply, Server, serving
from tests.support.stored_replies import (
    CHAT_AZURE,
    CHAT_CALLS,
    CHAT_STREAM,
    CHAT_TEXT,
    COMPLETION,
    GENERATED,
    GENERATED_ARRAY,
    GENERATED_EVENTS,
    MESSAGE,
    MESSAGE_STREAM,
    RESPONSE,
    Json,
    stored,
)

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages: not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

ASK: list[Any] = [{"role": "user", "content": "你好"}]
STREAM = [(b"content-type", b"text/event-stream; charset=utf-8")]
DOCUMENT = [(b"content-type", b"application/json")]


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with AsyncExitStack() as stack:
        yield await stack.enter_async_context(serving())


def raw(document: Json) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def streamed(kind: str, document: bytes) -> bytes:
    made = to_stream(Asked(kind, Form.EVENTS, with_usage=True), document)
    assert made is not None
    return b"".join(made)


def document_of(kind: str, stream: bytes) -> bytes:
    made = to_json(kind, stream)
    assert made is not None
    return made


def plain(value: Any) -> Any:
    """What an object says: without nulls, and without the members that only the accumulators add."""
    if isinstance(value, dict):
        return {
            name: plain(item)
            for name, item in value.items()
            if item is not None and name not in ("parsed", "parsed_arguments", "parsed_output")
        }
    return [plain(item) for item in value] if isinstance(value, list) else value


def without_call_indexes(value: Json) -> Json:
    """OpenAI's accumulator leaves the fragments' index in tool calls."""
    for choice in value["choices"]:
        for call in choice["message"].get("tool_calls", ()):
            call.pop("index", None)
    return value


async def read_chat(server: Server, document: bytes, stream: bytes) -> tuple[Any, Any]:
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        server.reply = Reply(document, headers=DOCUMENT)
        whole = await client.chat.completions.create(model="m", messages=ASK)
        server.reply = Reply(stream, headers=STREAM)
        async with client.chat.completions.stream(model="m", messages=ASK, stream_options={"include_usage": True}) as s:
            put_together = await s.get_final_completion()
    told = without_call_indexes(plain(put_together.model_dump()))
    return plain(whole.model_dump()), told | {"object": "chat.completion"}


async def read_completion(server: Server, document: bytes, stream: bytes) -> tuple[Any, Any]:
    """There is no accumulator for these: what each choice says, put together by hand."""
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        server.reply = Reply(document, headers=DOCUMENT)
        whole = await client.completions.create(model="m", prompt="x")
        server.reply = Reply(stream, headers=STREAM)
        chunks = [c async for c in await client.completions.create(model="m", prompt="x", stream=True)]
    told = plain(chunks[-1].model_dump())
    told["choices"] = [plain(choice.model_dump()) for chunk in chunks for choice in chunk.choices]
    return plain(whole.model_dump()), told


async def read_response(server: Server, document: bytes, stream: bytes) -> tuple[Any, Any]:
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        server.reply = Reply(document, headers=DOCUMENT)
        whole = await client.responses.create(model="m", input="x")
        server.reply = Reply(stream, headers=STREAM)
        async with client.responses.stream(model="m", input="x") as s:
            seen = {event.type for event in [event async for event in s]}
            put_together = await s.get_final_response()
    assert "response.output_text.delta" in seen and "response.refusal.done" in seen
    return plain(whole.model_dump()), plain(put_together.model_dump())


async def read_message(server: Server, document: bytes, stream: bytes) -> tuple[Any, Any]:
    async with anthropic.AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0) as client:
        server.reply = Reply(document, headers=DOCUMENT)
        whole = await client.messages.create(model="m", max_tokens=5, messages=ASK)
        server.reply = Reply(stream, headers=STREAM)
        async with client.messages.stream(model="m", max_tokens=5, messages=ASK) as s:
            put_together = await s.get_final_message()
    return plain(whole.model_dump()), plain(put_together.model_dump())


CASES = [
    pytest.param(read_chat, "chat", raw(CHAT_TEXT), id="chat"),
    pytest.param(read_chat, "chat", raw(CHAT_CALLS), id="tool calls"),
    pytest.param(read_chat, "chat", raw(CHAT_AZURE), id="azure"),
    pytest.param(read_completion, "completions", raw(COMPLETION), id="completions"),
    pytest.param(read_response, "responses", raw(RESPONSE), id="responses"),
    pytest.param(read_message, "messages", raw(MESSAGE), id="messages"),
]


@pytest.mark.parametrize(("read", "kind", "document"), CASES)
async def test_a_document_as_a_stream(server: Server, read: Any, kind: str, document: bytes) -> None:
    whole, put_together = await read(server, document, streamed(kind, document))
    assert put_together == whole


@pytest.mark.parametrize(
    ("read", "kind", "stream"),
    [
        pytest.param(read_chat, "chat", CHAT_STREAM, id="chat"),
        pytest.param(read_message, "messages", MESSAGE_STREAM, id="messages"),
        pytest.param(read_response, "responses", streamed("responses", raw(RESPONSE)), id="responses"),
        pytest.param(read_completion, "completions", streamed("completions", raw(COMPLETION)), id="completions"),
    ],
)
async def test_a_stream_as_a_document(server: Server, read: Any, kind: str, stream: bytes) -> None:
    whole, put_together = await read(server, document_of(kind, stream), stream)
    assert put_together == whole


async def read_generated(server: Server, document: bytes, stream: bytes) -> tuple[Any, list[Any]]:
    async with genai.Client(api_key="k", http_options={"base_url": server.url}).aio as client:
        server.reply = Reply(document, headers=DOCUMENT)
        whole = await client.models.generate_content(model="m", contents="x")
        server.reply = Reply(stream, headers=[(b"content-type", b"text/event-stream")])
        pieces = [c async for c in await client.models.generate_content_stream(model="m", contents="x")]
    return whole, pieces


def spoken(reply: Any) -> Any:
    """All that a reply of Gemini says, without what the SDK notes beside it."""
    return reply.model_dump(exclude={"sdk_http_response", "automatic_function_calling_history"}, exclude_none=True)


async def test_a_generated_document_is_a_stream_of_one_piece(server: Server) -> None:
    whole, pieces = await read_generated(server, raw(GENERATED), streamed("generate", raw(GENERATED)))
    assert [spoken(piece) for piece in pieces] == [spoken(whole)]


@pytest.mark.parametrize("stream", [GENERATED_EVENTS, GENERATED_ARRAY], ids=["events", "array"])
async def test_generated_pieces_as_a_document(server: Server, stream: bytes) -> None:
    """google-genai has no accumulator: texts, calls and usage are compared by its own accessors."""
    events = as_asked(Asked("generate", Form.EVENTS), stored(stream), is_marked=False)
    assert events is not None
    whole, pieces = await read_generated(server, document_of("generate", stream), events.body)
    assert len(pieces) == 6
    parts = [part for piece in pieces for part in piece.candidates[0].content.parts]
    found = whole.candidates[0].content.parts
    for is_thought in (True, False):
        assert [p.text for p in found if p.text and bool(p.thought) is is_thought] == [
            "".join(p.text for p in parts if p.text and bool(p.thought) is is_thought)
        ]
    signed = [(p.function_call, p.thought_signature) for p in parts if p.function_call]
    assert [(p.function_call, p.thought_signature) for p in found if p.function_call] == signed
    assert whole.usage_metadata == pieces[-1].usage_metadata
    assert whole.candidates[0].finish_reason == pieces[-1].candidates[0].finish_reason


@pytest.mark.parametrize("asked", [Form.EVENTS, Form.DOCUMENT], ids=["stream", "document"])
async def test_the_sdks_read_usage_as_cached(server: Server, asked: Form) -> None:
    """See edge/dialects/forms/cached.py."""
    for form in (raw(MESSAGE), MESSAGE_STREAM):
        told = as_asked(Asked("messages", asked), stored(form))
        assert told is not None
        async with anthropic.AsyncAnthropic(api_key="k", base_url=server.url, max_retries=0) as client:
            server.reply = Reply(told.body, headers=list(told.headers))
            if asked is Form.EVENTS:
                async with client.messages.stream(model="m", max_tokens=5, messages=ASK) as s:
                    usage = (await s.get_final_message()).usage
            else:
                usage = (await client.messages.create(model="m", max_tokens=5, messages=ASK)).usage
        read = 1110 if form != MESSAGE_STREAM else 15
        assert (usage.input_tokens, usage.cache_creation_input_tokens, usage.cache_read_input_tokens) == (0, 0, read)
    told = as_asked(Asked("chat", asked, with_usage=asked is Form.EVENTS), stored(CHAT_STREAM))
    assert told is not None
    async with openai.AsyncOpenAI(api_key="k", base_url=server.url + "/v1", max_retries=0) as client:
        server.reply = Reply(told.body, headers=list(told.headers))
        if asked is Form.EVENTS:
            chunks = [c async for c in await client.chat.completions.create(model="m", messages=ASK, stream=True)]
            counts = chunks[-1].usage
        else:
            counts = (await client.chat.completions.create(model="m", messages=ASK)).usage
    assert counts is not None and counts.prompt_tokens_details is not None
    assert (counts.prompt_tokens, counts.prompt_tokens_details.cached_tokens, counts.total_tokens) == (20, 20, 27)
