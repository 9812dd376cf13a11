"""The anthropic SDK through the edge."""

from __future__ import annotations

import anthropic
import pytest

from tests.support.sdks import Sdks, each, entered, of

TEXT = "t0001 t0002 t0003 t0004 "
ASK = {"model": "claude-sim", "max_tokens": 64, "messages": [{"role": "user", "content": "count for me"}]}


async def test_messages(sdks: Sdks):
    client = await sdks.anthropic("cached_tokens=2")
    reply = await of(client.messages.create(**ASK))
    assert (reply.content[0].text, reply.stop_reason) == (TEXT, "end_turn")
    assert reply.usage.cache_read_input_tokens == 2


async def test_stream_with_usage(sdks: Sdks):
    client = await sdks.anthropic()
    async with entered(client.messages.stream(**{**ASK, "max_tokens": 3})) as stream:
        text = "".join(await each(stream.text_stream))
        final = await of(stream.get_final_message())
    assert (text, final.stop_reason, final.usage.output_tokens) == ("t0001 t0002 t0003 ", "max_tokens", 3)
    kinds = [event.type for event in await each(client.messages.create(**ASK, stream=True))]
    assert (kinds[0], kinds[-1]) == ("message_start", "message_stop")


async def test_tools(sdks: Sdks):
    client, tools = await sdks.anthropic(), [{"name": "speak", "input_schema": {"type": "object"}}]
    reply = await of(client.messages.create(**ASK, tools=tools))
    assert (reply.content[0].input, reply.stop_reason) == ({"text": TEXT}, "tool_use")
    async with entered(client.messages.stream(**ASK, tools=tools)) as stream:
        final = await of(stream.get_final_message())
    assert final.content[0].input == {"text": TEXT}


async def test_count_tokens_models_batches(sdks: Sdks):
    client = await sdks.anthropic()
    counted = await of(client.messages.count_tokens(model="c", messages=ASK["messages"]))
    assert counted.input_tokens > 1
    assert "claude-opus-4-5" in [model.id for model in await each(client.models.list())]
    batch = await of(client.messages.batches.create(requests=[{"custom_id": "1", "params": ASK}]))
    assert (await of(client.messages.batches.retrieve(batch.id))).processing_status == "ended"


ERRORS: dict[int, tuple[type[anthropic.APIStatusError], str]] = {
    400: (anthropic.BadRequestError, "invalid_request_error"),
    401: (anthropic.AuthenticationError, "authentication_error"),
    404: (anthropic.NotFoundError, "not_found_error"),
    429: (anthropic.RateLimitError, "rate_limit_error"),
    500: (anthropic.InternalServerError, "api_error"),
    529: (anthropic.InternalServerError, "overloaded_error"),
}


async def test_errors_are_the_providers(sdks: Sdks):
    for status, (kind, name) in ERRORS.items():
        client = await sdks.anthropic(f"status={status},retry_after=3")
        for stream in (False, True):
            with pytest.raises(kind) as caught:
                await each(client.messages.create(**ASK, stream=stream))
            assert caught.value.response.headers["retry-after"] == "3"
            assert caught.value.body["error"]["type"] == name


async def test_an_error_event_in_mid_stream(sdks: Sdks):
    client = await sdks.anthropic("fault=error_event,after=1")
    with pytest.raises(anthropic.APIStatusError, match="Overloaded"):
        async with entered(client.messages.stream(**ASK)) as stream:
            await of(stream.get_final_message())
