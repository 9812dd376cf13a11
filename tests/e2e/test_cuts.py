"""An upstream that breaks in the middle of a reply never looks complete, to no SDK."""

from __future__ import annotations

from typing import Any

import anthropic
import httpx2
import openai
import pytest
from aiohttp import ClientError
from google.genai import errors

from tests.support.sdks import Sdks, each, entered, of, outcomes
from tests.support.worlds import World

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

USER = [{"role": "user", "content": "count"}]


async def openai_stream(sdks: Sdks, sim: str) -> Any:
    client = await sdks.openai(sim)
    return await each(client.chat.completions.create(model="m", messages=USER, stream=True))


async def openai_responses_stream(sdks: Sdks, sim: str) -> Any:
    client = await sdks.openai(sim)
    return await each(client.responses.create(model="m", input="x", stream=True))


async def openai_whole(sdks: Sdks, sim: str) -> Any:
    client = await sdks.openai(sim)
    return await of(client.chat.completions.create(model="m", messages=USER))


async def anthropic_stream(sdks: Sdks, sim: str) -> Any:
    client = await sdks.anthropic(sim)
    async with entered(client.messages.stream(model="c", max_tokens=64, messages=USER)) as stream:
        return await of(stream.get_final_message())


async def anthropic_whole(sdks: Sdks, sim: str) -> Any:
    client = await sdks.anthropic(sim)
    return await of(client.messages.create(model="c", max_tokens=64, messages=USER))


async def gemini_stream(sdks: Sdks, sim: str) -> Any:
    client = await sdks.gemini(sim)
    return await each(client.models.generate_content_stream(model="g", contents="count"))


async def gemini_whole(sdks: Sdks, sim: str) -> Any:
    client = await sdks.gemini(sim)
    return await of(client.models.generate_content(model="g", contents="count"))


ASKS = (
    openai_stream,
    openai_responses_stream,
    openai_whole,
    anthropic_stream,
    anthropic_whole,
    gemini_stream,
    gemini_whole,
)
FAILURES = (
    openai.APIError,
    anthropic.APIError,
    errors.APIError,
    errors.UnknownApiResponseError,
    httpx2.TransportError,
    ClientError,
)
FAULTS = (
    "reset,after=2",
    "rst_stream,after=2",
    "truncate,after=2",
    "short_length,after=2",
    "cut,after=2",
    "stall,after=2",
)


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_sdk_takes_a_cut_reply_for_a_whole_one(world: World, protocol: str, fault: str):
    got = await outcomes(world, protocol, ASKS, f"tokens=6,interval_ms=2,fault={fault}")
    wrong = {name: outcome for name, outcome in got.items() if not isinstance(outcome, FAILURES)}
    assert wrong == {}


async def test_whole_replies_look_whole(world: World, protocol: str):
    got = await outcomes(world, protocol, ASKS, "tokens=6,interval_ms=2")
    assert {name: outcome for name, outcome in got.items() if isinstance(outcome, BaseException)} == {}
