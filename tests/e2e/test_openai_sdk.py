"""The openai SDK through the edge: its own methods on one side, the provider's log on the other."""

from __future__ import annotations

import base64
import hashlib
import io
from typing import Any

import openai
import pydantic
import pytest

from tests.support.sdks import Sdks, each, entered, of

TEXT = "t0001 t0002 t0003 t0004 "
USER = [{"role": "user", "content": "count for me"}]
TOOL = {"name": "speak", "description": "says it", "parameters": {"type": "object", "properties": {"text": {}}}}


async def test_chat(sdks: Sdks):
    client = await sdks.openai("reasoning_tokens=7,cached_tokens=2")
    raw = await of(client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=USER))
    reply = raw.parse()
    assert (reply.choices[0].message.content, reply.choices[0].finish_reason) == (TEXT, "stop")
    assert (reply.usage.completion_tokens, reply.usage.prompt_tokens_details.cached_tokens) == (11, 2)
    assert raw.headers["x-farline-path"].split("/")[1:] == ["direct", f"openai-{sdks.protocol}"]
    assert raw.headers["x-farline-attempts"] == "1"


async def test_chat_stream_with_usage(sdks: Sdks):
    client = await sdks.openai()
    asked = {"stream": True, "stream_options": {"include_usage": True}, "max_completion_tokens": 3}
    chunks = await each(client.chat.completions.create(model="gpt-4.1", messages=USER, **asked))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == "t0001 t0002 t0003 "
    assert chunks[-2].choices[0].finish_reason == "length"
    assert chunks[-1].usage.completion_tokens == 3


async def test_tools(sdks: Sdks):
    client, tools = await sdks.openai(), [{"type": "function", "function": TOOL}]
    reply = await of(client.chat.completions.create(model="gpt-4.1", messages=USER, tools=tools))
    call = reply.choices[0].message.tool_calls[0]
    assert (call.function.name, call.function.arguments) == ("speak", '{"text": "' + TEXT + '"}')
    async with entered(client.chat.completions.stream(model="gpt-4.1", messages=USER, tools=tools)) as stream:
        final = await of(stream.get_final_completion())
    assert final.choices[0].message.tool_calls[0].function.arguments == call.function.arguments
    done = [*USER, {"role": "assistant", "tool_calls": [call.model_dump()]}, {"role": "tool", "tool_call_id": call.id}]
    reply = await of(client.chat.completions.create(model="gpt-4.1", messages=done, tools=tools))
    assert reply.choices[0].message.content == TEXT


class City(pydantic.BaseModel):
    name: str
    people: int


async def test_structured_output(sdks: Sdks):
    client = await sdks.openai("answer=echo")
    said = [{"role": "user", "content": '{"name": "北京", "people": 21893095}'}]
    reply = await of(client.chat.completions.parse(model="gpt-4.1", messages=said, response_format=City))
    assert reply.choices[0].message.parsed == City(name="北京", people=21893095)
    async with entered(client.chat.completions.stream(model="gpt-4.1", messages=said, response_format=City)) as stream:
        final = await of(stream.get_final_completion())
    assert final.choices[0].message.parsed.people == 21893095


async def test_responses(sdks: Sdks):
    client = await sdks.openai()
    reply = await of(client.responses.create(model="gpt-4.1", input="count", background=False))
    assert reply.output_text == TEXT
    async with entered(client.responses.stream(model="gpt-4.1", input="count")) as stream:
        kinds = [event.type for event in await each(stream)]
        final = await of(stream.get_final_response())
    assert (final.output_text, kinds[0], kinds[-1]) == (TEXT, "response.created", "response.completed")
    assert (await of(client.responses.retrieve(reply.id))).id == reply.id
    tools = [{"type": "function", "strict": False, **TOOL}]
    events = await each(client.responses.create(model="gpt-4.1", input="count", tools=tools, stream=True))
    assert events[-1].response.output[0].name == "speak"


async def test_completions_embeddings_models_moderations(sdks: Sdks):
    client = await sdks.openai()
    assert (await of(client.completions.create(model="m", prompt="p"))).choices[0].text == TEXT
    assert "".join(c.choices[0].text for c in await each(client.completions.create(model="m", prompt="p", stream=True)))
    found = await of(client.embeddings.create(model="text-embedding-3-small", input=["a", "b"], dimensions=8))
    assert found.data[1].embedding == [ord("b") / 256] * 8
    assert "gpt-4.1" in [model.id for model in await each(client.models.list())]
    assert (await of(client.models.retrieve("o3"))).id == "o3"
    assert not (await of(client.moderations.create(input="x"))).results[0].flagged


async def test_audio_and_images(sdks: Sdks):
    client = await sdks.openai("size=100")
    sound = ("a.wav", io.BytesIO(b"RIFF" * 50_000))
    assert (await of(client.audio.transcriptions.create(model="whisper-1", file=sound))).text == TEXT
    events = await each(client.audio.transcriptions.create(model="whisper-1", file=("a.wav", b"RIFF"), stream=True))
    assert events[-1].type == "transcript.text.done"
    speech = await of(client.audio.speech.create(model="tts-1", voice="alloy", input="x"))
    assert speech.content == (b"".join(b"%08x" % n for n in range(13)))[:100]
    image = await of(client.images.generate(model="gpt-image-1", prompt="x"))
    assert len(base64.b64decode(image.data[0].b64_json)) == 100
    await of(client.images.edit(model="gpt-image-1", image=("a.png", b"\x89PNG" * 100), prompt="x"))


async def test_files_uploads_batches(sdks: Sdks):
    client, data = await sdks.openai(), bytes(range(256)) * 400
    stored = await of(client.files.create(file=("x.bin", data), purpose="batch"))
    assert (stored.bytes, stored.filename) == (len(data), "x.bin")
    assert (await of(client.files.content(stored.id))).content == data
    assert stored.id in [each.id for each in await each(client.files.list())]
    upload = await of(client.uploads.create(bytes=6, filename="u", mime_type="text/plain", purpose="batch"))
    parts = [await of(client.uploads.parts.create(upload.id, data=piece)) for piece in (b"abc", b"def")]
    done = await of(client.uploads.complete(upload.id, part_ids=[part.id for part in parts]))
    assert (await of(client.files.content(done.file.id))).content == b"abcdef"
    asked = {"input_file_id": stored.id, "endpoint": "/v1/chat/completions", "completion_window": "24h"}
    batch = await of(client.batches.create(**asked))
    assert (await of(client.batches.retrieve(batch.id))).status == "completed"
    assert (await of(client.files.delete(stored.id))).deleted


ERRORS: dict[int, type[openai.APIStatusError]] = {
    400: openai.BadRequestError,
    401: openai.AuthenticationError,
    404: openai.NotFoundError,
    429: openai.RateLimitError,
    500: openai.InternalServerError,
    529: openai.InternalServerError,
}


async def test_errors_are_the_providers(sdks: Sdks):
    for status, kind in ERRORS.items():
        client = await sdks.openai(f"status={status},retry_after=3")
        for stream in (False, True):
            with pytest.raises(kind) as caught:
                await each(client.chat.completions.create(model="m", messages=USER, stream=stream))
            assert caught.value.status_code == status
            assert caught.value.response.headers["retry-after"] == "3"
            assert caught.value.response.json() == {"error": caught.value.body}
            assert caught.value.response.headers["x-farline-path"]


async def test_the_sdk_retries_as_it_would_without_us(sdks: Sdks):
    client = await sdks.openai("status=400,times=1", max_retries=2)
    with pytest.raises(openai.BadRequestError):
        await of(client.chat.completions.create(model="m", messages=USER))
    assert len(sdks.seen()) == 1  # not retried by anyone
    sdks.id += "-again"
    client = await sdks.openai("fault=reset_after_head,times=1", max_retries=2)
    assert (await of(client.moderations.create(input="x"))).results


async def test_the_sdks_own_timeout(sdks: Sdks):
    client = await sdks.openai("think_ms=3000", timeout=0.3)
    with pytest.raises(openai.APITimeoutError):
        await of(client.chat.completions.create(model="m", messages=USER))


async def test_azure(sdks: Sdks):
    client = await sdks.azure()
    reply = await of(client.chat.completions.create(model="my-deployment", messages=USER))
    assert reply.choices[0].message.content == TEXT
    chunks = await each(client.chat.completions.create(model="my-deployment", messages=USER, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT
    targets = [record["target"] for record in sdks.seen()]
    assert all(target.startswith("/openai/deployments/my-deployment/chat/completions?api-v") for target in targets)


async def test_a_generic_provider(sdks: Sdks):
    client = await sdks.openai(base_url=sdks.url("generic") + "/v1")
    reply = await of(client.chat.completions.create(model="m", messages=USER))
    assert reply.choices[0].message.content == TEXT
    chunks = await each(client.chat.completions.create(model="m", messages=USER, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT


async def test_request_bodies_arrive_as_they_were_sent(sdks: Sdks):
    bodies: list[bytes] = []
    client = await sdks.openai()
    hook = _remember(bodies) if not sdks.is_async else _remember_async(bodies)
    client._client.event_hooks["request"] = [hook]
    await of(client.chat.completions.create(model="m", messages=[{"role": "user", "content": "héllo 你好 \u2028"}]))
    await of(client.files.create(file=("文.bin", bytes(range(256)) * 1000), purpose="batch"))
    assert [record["body_sha256"] for record in sdks.seen()] == [hashlib.sha256(body).hexdigest() for body in bodies]


def _remember(bodies: list[bytes]) -> Any:
    return lambda request: bodies.append(request.read())


def _remember_async(bodies: list[bytes]) -> Any:
    async def remember(request: Any) -> None:
        bodies.append(await request.aread())

    return remember
