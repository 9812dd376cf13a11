"""The vendors' own SDKs, straight at the fake provider."""

from __future__ import annotations

import asyncio
import base64
import io
from collections.abc import AsyncIterator

import anthropic
import openai
import pytest
from google import genai
from google.genai import types

from netem.provider import FakeProvider

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

TEXT = "t0001 t0002 t0003 t0004 "
USER = [{"role": "user", "content": "count for me"}]
TOOL = {"name": "speak", "description": "says it", "parameters": {"type": "object", "properties": {"text": {}}}}


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    quick = "think_ms=1,interval_ms=1,tokens=4,reasoning_tokens=7,cached_tokens=2"
    async with FakeProvider(sim=quick) as running:
        yield running


@pytest.fixture
async def oai(provider: FakeProvider) -> AsyncIterator[openai.AsyncOpenAI]:
    async with openai.AsyncOpenAI(base_url=provider.url + "/v1", api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def claude(provider: FakeProvider) -> AsyncIterator[anthropic.AsyncAnthropic]:
    async with anthropic.AsyncAnthropic(base_url=provider.url, api_key="k", max_retries=0) as client:
        yield client


@pytest.fixture
async def gem(provider: FakeProvider) -> AsyncIterator[genai.Client]:
    options = types.HttpOptions(base_url=provider.url)
    client = genai.Client(api_key="k", http_options=options)
    yield client
    await client.aio.aclose()
    client.close()


async def test_openai_chat(oai: openai.AsyncOpenAI):
    reply = await oai.chat.completions.create(model="gpt-4.1", messages=USER)
    assert reply.choices[0].message.content == TEXT
    assert reply.choices[0].finish_reason == "stop"
    assert reply.usage.completion_tokens_details.reasoning_tokens == 7
    assert reply.usage.prompt_tokens_details.cached_tokens == 2
    assert reply.usage.completion_tokens == 11


async def test_openai_chat_stream(oai: openai.AsyncOpenAI):
    stream = await oai.chat.completions.create(
        model="gpt-4.1", messages=USER, stream=True, stream_options={"include_usage": True}, max_completion_tokens=3
    )
    chunks = [chunk async for chunk in stream]
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "t0001 t0002 t0003 "
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == 10


async def test_openai_chat_tools(oai: openai.AsyncOpenAI):
    tools = [{"type": "function", "function": TOOL}]
    reply = await oai.chat.completions.create(model="gpt-4.1", messages=USER, tools=tools)
    call = reply.choices[0].message.tool_calls[0]
    assert (call.function.name, reply.choices[0].finish_reason) == ("speak", "tool_calls")
    assert call.function.arguments == '{"text": "' + TEXT + '"}'
    async with oai.chat.completions.stream(model="gpt-4.1", messages=USER, tools=tools) as stream:
        final = await stream.get_final_completion()
    assert final.choices[0].message.tool_calls[0].function.arguments == call.function.arguments
    done = [*USER, {"role": "assistant", "tool_calls": [call.model_dump()]}, {"role": "tool", "tool_call_id": call.id}]
    reply = await oai.chat.completions.create(model="gpt-4.1", messages=done, tools=tools)
    assert reply.choices[0].message.content == TEXT


async def test_openai_echo(oai: openai.AsyncOpenAI):
    headers = {"x-sim": "answer=echo"}
    messages = [{"role": "user", "content": 'say "你好" \\ back'}]
    stream = await oai.chat.completions.create(model="m", messages=messages, stream=True, extra_headers=headers)
    said = "".join([chunk.choices[0].delta.content or "" async for chunk in stream])
    assert said == 'say "你好" \\ back '


async def test_openai_responses(oai: openai.AsyncOpenAI):
    reply = await oai.responses.create(model="gpt-4.1", input="count")
    assert reply.output_text == TEXT
    assert reply.usage.output_tokens_details.reasoning_tokens == 7
    async with oai.responses.stream(model="gpt-4.1", input="count") as stream:
        kinds = [event.type async for event in stream]
        final = await stream.get_final_response()
    assert final.output_text == TEXT
    assert kinds[0] == "response.created"
    assert kinds[-1] == "response.completed"
    fetched = await oai.responses.retrieve(reply.id)
    assert fetched.id == reply.id


async def test_openai_responses_tools(oai: openai.AsyncOpenAI):
    tools = [{"type": "function", "strict": False, **TOOL}]
    stream = await oai.responses.create(model="gpt-4.1", input="count", tools=tools, stream=True)
    events = [event async for event in stream]
    whole = "".join(e.delta for e in events if e.type == "response.function_call_arguments.delta")
    assert whole == '{"text": "' + TEXT + '"}'
    assert events[-1].response.output[0].name == "speak"


async def test_openai_completions_embeddings_models_moderations(oai: openai.AsyncOpenAI):
    assert (await oai.completions.create(model="m", prompt="p")).choices[0].text == TEXT
    stream = await oai.completions.create(model="m", prompt="p", stream=True)
    assert "".join([chunk.choices[0].text async for chunk in stream]) == TEXT
    found = await oai.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8)
    assert found.data[1].embedding == [ord("b") / 256] * 8
    plain = await oai.embeddings.create(model="e", input="a", dimensions=8, encoding_format="float")
    assert plain.data[0].embedding == found.data[0].embedding
    assert "gpt-4.1" in [model.id async for model in oai.models.list()]
    assert (await oai.models.retrieve("o3")).id == "o3"
    assert not (await oai.moderations.create(input="x")).results[0].flagged


async def test_openai_audio_and_images(oai: openai.AsyncOpenAI):
    sound = ("a.wav", io.BytesIO(b"RIFF" * 500))
    assert (await oai.audio.transcriptions.create(model="whisper-1", file=sound)).text == TEXT
    stream = await oai.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"), stream=True)
    assert [event.type async for event in stream][-1] == "transcript.text.done"
    speech = await oai.audio.speech.create(model="tts-1", voice="alloy", input="x", extra_headers={"x-sim": "size=100"})
    assert speech.content == (b"".join(b"%08x" % n for n in range(13)))[:100]
    image = await oai.images.generate(model="gpt-image-1", prompt="x")
    assert len(base64.b64decode(image.data[0].b64_json)) == 48 * 1024


async def test_openai_files_uploads_batches(provider: FakeProvider, oai: openai.AsyncOpenAI):
    data = bytes(range(256)) * 400
    stored = await oai.files.create(file=("x.bin", data), purpose="batch")
    assert (stored.bytes, stored.filename, stored.purpose) == (len(data), "x.bin", "batch")
    assert (await oai.files.content(stored.id)).content == data
    assert [each.id async for each in oai.files.list()] == [stored.id]
    assert (await oai.files.retrieve(stored.id)).bytes == len(data)
    upload = await oai.uploads.create(bytes=6, filename="u", mime_type="text/plain", purpose="batch")
    parts = [await oai.uploads.parts.create(upload.id, data=piece) for piece in (b"abc", b"def")]
    done = await oai.uploads.complete(upload.id, part_ids=[part.id for part in parts])
    assert (await oai.files.content(done.file.id)).content == b"abcdef"
    batch = await oai.batches.create(input_file_id=stored.id, endpoint="/v1/chat/completions", completion_window="24h")
    assert (await oai.batches.retrieve(batch.id)).status == "completed"
    assert (await oai.batches.cancel(batch.id)).status == "cancelling"
    assert (await oai.files.delete(stored.id)).deleted


@pytest.mark.parametrize(
    ("status", "kind"),
    [
        (400, openai.BadRequestError),
        (401, openai.AuthenticationError),
        (404, openai.NotFoundError),
        (429, openai.RateLimitError),
        (503, openai.InternalServerError),
    ],
)
async def test_openai_errors(oai: openai.AsyncOpenAI, status: int, kind: type[openai.APIStatusError]):
    headers = {"x-sim": f"status={status},retry_after=3"}
    with pytest.raises(kind) as caught:
        await oai.chat.completions.create(model="m", messages=USER, extra_headers=headers)
    assert caught.value.response.headers["retry-after"] == "3"
    assert caught.value.body["message"]


async def test_openai_stream_error_event(oai: openai.AsyncOpenAI):
    stream = await oai.chat.completions.create(
        model="m", messages=USER, stream=True, extra_headers={"x-sim": "fault=error_event,after=1"}
    )
    with pytest.raises(openai.APIError, match="error"):
        _ = [chunk async for chunk in stream]


async def test_openai_retries_meet_a_fault_once(provider: FakeProvider):
    headers = {"x-sim": "fault=reset_before_head,times=1", "x-sim-id": "again"}
    async with openai.AsyncOpenAI(base_url=provider.url + "/v1", api_key="k", max_retries=1) as client:
        reply = await client.chat.completions.create(model="m", messages=USER, extra_headers=headers)
    assert reply.choices[0].message.content == TEXT
    assert provider.executions("again") == 2


async def test_azure(provider: FakeProvider):
    async with openai.AsyncAzureOpenAI(
        azure_endpoint=provider.url, api_key="k", api_version="2025-04-01-preview"
    ) as client:
        reply = await client.chat.completions.create(model="my-deployment", messages=USER)
    assert reply.choices[0].message.content == TEXT
    assert provider.log[-1].target.startswith("/openai/deployments/my-deployment/chat/completions?api-version=")


async def test_openai_realtime(provider: FakeProvider, oai: openai.AsyncOpenAI):
    async with oai.realtime.connect(model="gpt-realtime") as live:
        assert (await live.recv()).type == "session.created"
        await live.session.update(session={"type": "realtime", "instructions": "be brief"})
        assert (await live.recv()).type == "session.updated"
        sound = base64.b64encode(bytes(960)).decode()
        await live.input_audio_buffer.append(audio=sound)
        echoed = await live.recv()
        assert (echoed.type, echoed.delta) == ("response.output_audio.delta", sound)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        await live.conversation.item.create(item=item)
        assert (await live.recv()).type == "conversation.item.added"
        await live.response.create()
        said = ""
        async for event in live:
            said += event.delta if event.type == "response.output_text.delta" else ""
            if event.type == "response.done":
                break
        assert said == TEXT
    assert provider.log[-1].status == 101


async def test_anthropic_messages(claude: anthropic.AsyncAnthropic):
    reply = await claude.messages.create(model="claude-sim", max_tokens=64, messages=USER)
    assert (reply.content[0].text, reply.stop_reason) == (TEXT, "end_turn")
    assert reply.usage.cache_read_input_tokens == 2
    async with claude.messages.stream(model="claude-sim", max_tokens=3, messages=USER) as stream:
        text = "".join([piece async for piece in stream.text_stream])
        final = await stream.get_final_message()
    assert (text, final.stop_reason) == ("t0001 t0002 t0003 ", "max_tokens")
    assert final.usage.output_tokens == 10


async def test_anthropic_tools(claude: anthropic.AsyncAnthropic):
    tools = [{"name": "speak", "input_schema": {"type": "object"}}]
    reply = await claude.messages.create(model="c", max_tokens=64, messages=USER, tools=tools)
    assert (reply.content[0].input, reply.stop_reason) == ({"text": TEXT}, "tool_use")
    async with claude.messages.stream(model="c", max_tokens=64, messages=USER, tools=tools) as stream:
        final = await stream.get_final_message()
    assert final.content[0].input == {"text": TEXT}


async def test_anthropic_the_rest(claude: anthropic.AsyncAnthropic):
    assert (await claude.messages.count_tokens(model="c", messages=USER)).input_tokens > 1
    assert "claude-opus-4-5" in [model.id async for model in claude.models.list()]
    request = {"custom_id": "1", "params": {"model": "c", "max_tokens": 4, "messages": USER}}
    batch = await claude.messages.batches.create(requests=[request])
    assert batch.processing_status == "in_progress"
    assert (await claude.messages.batches.retrieve(batch.id)).processing_status == "ended"
    results = await claude.messages.batches.results(batch.id)
    assert [each.custom_id async for each in results] == ["1"]


async def test_anthropic_errors(claude: anthropic.AsyncAnthropic):
    headers = {"x-sim": "status=529"}
    with pytest.raises(anthropic.InternalServerError) as caught:
        await claude.messages.create(model="c", max_tokens=4, messages=USER, extra_headers=headers)
    assert caught.value.body["error"]["type"] == "overloaded_error"
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with claude.messages.stream(
            model="c", max_tokens=9, messages=USER, extra_headers={"x-sim": "fault=error_event,after=1"}
        ) as stream:
            await stream.get_final_message()


async def test_gemini_generate(gem: genai.Client):
    reply = await gem.aio.models.generate_content(model="gemini-2.5-flash", contents="count")
    assert reply.text == TEXT
    assert reply.usage_metadata.thoughts_token_count == 7
    assert reply.usage_metadata.cached_content_token_count == 2
    stream = await gem.aio.models.generate_content_stream(model="gemini-2.5-flash", contents="count")
    assert "".join([chunk.text or "" async for chunk in stream]) == TEXT


async def test_gemini_tools(gem: genai.Client):
    declared = types.FunctionDeclaration(name="speak", parameters={"type": "OBJECT", "properties": {}})
    config = types.GenerateContentConfig(tools=[types.Tool(function_declarations=[declared])])
    reply = await gem.aio.models.generate_content(model="g", contents="count", config=config)
    assert reply.function_calls[0].name == "speak"
    stream = await gem.aio.models.generate_content_stream(model="g", contents="count", config=config)
    calls = [call async for chunk in stream for call in chunk.function_calls or []]
    assert [call.name for call in calls] == ["speak"]


async def test_gemini_the_rest(gem: genai.Client):
    assert (await gem.aio.models.count_tokens(model="g", contents="count")).total_tokens == 2
    found = await gem.aio.models.embed_content(model="gemini-embedding-001", contents="a")
    assert found.embeddings[0].values[:2] == [ord("a") / 256] * 2
    assert "models/gemini-2.5-flash" in [model.name async for model in await gem.aio.models.list()]
    data = b"0123456789" * 1000
    stored = await gem.aio.files.upload(file=io.BytesIO(data), config={"mime_type": "text/plain"})
    assert (stored.size_bytes, stored.mime_type, stored.state) == (len(data), "text/plain", types.FileState.ACTIVE)
    assert (await gem.aio.files.get(name=stored.name)).name == stored.name


async def test_gemini_errors(gem: genai.Client):
    config = types.GenerateContentConfig(http_options=types.HttpOptions(headers={"x-sim": "status=429"}))
    with pytest.raises(genai.errors.ClientError) as caught:
        await gem.aio.models.generate_content(model="g", contents="count", config=config)
    assert (caught.value.code, caught.value.status) == (429, "RESOURCE_EXHAUSTED")


@pytest.fixture
async def secure_gem(monkeypatch: pytest.MonkeyPatch) -> AsyncIterator[genai.Client]:
    async with FakeProvider(tls=True, sim="think_ms=1,interval_ms=1,tokens=4") as running:
        monkeypatch.setenv("SSL_CERT_FILE", str(running.ca_file))
        client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=running.url))
        yield client
        await client.aio.aclose()
        client.close()


async def test_gemini_live(secure_gem: genai.Client):
    config = {"response_modalities": ["TEXT"]}
    async with secure_gem.aio.live.connect(model="gemini-live-2.5-flash", config=config) as live:
        await live.send_realtime_input(audio=types.Blob(data=b"\x01\x02" * 80, mime_type="audio/pcm;rate=16000"))
        message = await live._receive()
        assert message.server_content.model_turn.parts[0].inline_data.data == b"\x01\x02" * 80
        turn = types.Content(role="user", parts=[types.Part(text="hello")])
        await live.send_client_content(turns=turn, turn_complete=True)
        said = "".join([message.text or "" async for message in live.receive()])
    assert said == TEXT


async def test_sync_clients(provider: FakeProvider):
    def ask() -> tuple[str, str, str]:
        with openai.OpenAI(base_url=provider.url + "/v1", api_key="k") as first:
            stream = first.chat.completions.create(model="m", messages=USER, stream=True)
            one = "".join(chunk.choices[0].delta.content or "" for chunk in stream)
        with anthropic.Anthropic(base_url=provider.url, api_key="k") as second:
            two = second.messages.create(model="c", max_tokens=9, messages=USER).content[0].text
        third = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=provider.url))
        three = "".join(chunk.text or "" for chunk in third.models.generate_content_stream(model="g", contents="x"))
        third.close()
        return one, two, three

    assert await asyncio.to_thread(ask) == (TEXT, TEXT, TEXT)
