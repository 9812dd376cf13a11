"""An upstream that breaks in the middle of a reply never looks complete, to no SDK."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import anthropic
import httpx2
import openai
import pytest
from aiohttp import ClientError
from google.genai import errors

from tests.support.sdks import Sdks, each, entered, of
from tests.support.worlds import World

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

Ask = Callable[[Sdks, str], Awaitable[Any]]
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


async def ask_in_a_thread(world: World, protocol: str, ask: Ask, sim: str) -> Any:
    """A sync SDK in a thread with a loop of its own, so that all can be asked at once."""

    async def run() -> Any:
        sdks = Sdks(world, protocol, is_async=False)
        async with sdks.stack:
            return await ask(sdks, sim)

    return await asyncio.to_thread(asyncio.run, run())


async def ask_here(world: World, protocol: str, ask: Ask, sim: str) -> Any:
    sdks = Sdks(world, protocol, is_async=True)
    async with sdks.stack:
        return await ask(sdks, sim)


async def outcomes(world: World, protocol: str, sim: str) -> dict[str, Any]:
    """What each SDK made of it, all at once."""
    names = [f"{mode} {ask.__name__}" for ask in ASKS for mode in ("async", "sync")]
    made = [go(world, protocol, ask, sim) for ask in ASKS for go in (ask_here, ask_in_a_thread)]
    return dict(zip(names, await asyncio.gather(*made, return_exceptions=True), strict=True))


@pytest.mark.parametrize("fault", FAULTS)
async def test_no_sdk_takes_a_cut_reply_for_a_whole_one(world: World, protocol: str, fault: str):
    got = await outcomes(world, protocol, f"tokens=6,interval_ms=2,fault={fault}")
    wrong = {name: outcome for name, outcome in got.items() if not isinstance(outcome, FAILURES)}
    assert wrong == {}


async def test_whole_replies_look_whole(world: World, protocol: str):
    got = await outcomes(world, protocol, "tokens=6,interval_ms=2")
    assert {name: outcome for name, outcome in got.items() if isinstance(outcome, BaseException)} == {}
