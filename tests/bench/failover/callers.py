"""An application that calls with two SDKs all the time: `python -m tests.bench.failover.callers EDGE_URL SECONDS`.

It says "ready" and begins when it gets a line on its standard input. Every `EVERY` seconds each SDK makes one streamed
call, without retries of its own. One JSON line per call that ended, with times in seconds of the monotonic clock.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import AsyncIterator
from typing import Any

import anthropic
import openai

EVERY = 1.0
_TOKENS = 16
_PATIENCE = 30.0


class _Told:
    """What one call came to."""

    def __init__(self, sdk: str) -> None:
        self.said: dict[str, Any] = {"sdk": sdk, "begun": time.monotonic(), "status": 0, "path": "", "parts": 0}

    def answered(self, status: int, path: str) -> None:
        self.said.update(status=status, path=path)

    def part(self) -> None:
        self.said["parts"] += 1
        self.said.setdefault("first", time.monotonic())


async def _openai(client: openai.AsyncOpenAI, told: _Told) -> None:
    reply = await client.chat.completions.with_raw_response.create(
        model="gpt-4.1", max_tokens=_TOKENS, stream=True, messages=[{"role": "user", "content": _prompt()}]
    )
    told.answered(reply.status_code, reply.headers.get("x-farline-path", ""))
    async for chunk in await _stream(reply.parse()):
        if chunk.choices and chunk.choices[0].delta.content:
            told.part()
        if chunk.choices and chunk.choices[0].finish_reason:
            told.said["end"] = chunk.choices[0].finish_reason


async def _anthropic(client: anthropic.AsyncAnthropic, told: _Told) -> None:
    reply = await client.messages.with_raw_response.create(
        model="claude-opus-4-5", max_tokens=_TOKENS, stream=True, messages=[{"role": "user", "content": _prompt()}]
    )
    told.answered(reply.status_code, reply.headers.get("x-farline-path", ""))
    async for event in await _stream(reply.parse()):
        if event.type == "content_block_delta":
            told.part()
        if event.type == "message_delta":
            told.said["end"] = event.delta.stop_reason


async def _stream(parsed: Any) -> AsyncIterator[Any]:
    """A raw reply's stream; some versions of the SDKs have to be awaited for it."""
    stream: AsyncIterator[Any] = await parsed if asyncio.iscoroutine(parsed) else parsed
    return stream


def _prompt() -> str:
    return f"Say something at {time.monotonic_ns()}."


async def _call(sdk: str, clients: dict[str, Any]) -> None:
    told = _Told(sdk)
    try:
        async with asyncio.timeout(_PATIENCE):
            await (_openai if sdk == "openai" else _anthropic)(clients[sdk], told)
    except (openai.APIError, anthropic.APIError, TimeoutError) as error:
        told.said["fault"] = f"{type(error).__name__}: {str(error)[:200]}"
        told.said["status"] = getattr(error, "status_code", None) or told.said["status"]
    told.said["ended"] = time.monotonic()
    print(json.dumps(told.said), flush=True)


async def _run(url: str, seconds: float) -> None:
    clients: dict[str, Any] = {
        "openai": openai.AsyncOpenAI(base_url=f"{url}/openai/v1", api_key="any", max_retries=0),
        "anthropic": anthropic.AsyncAnthropic(base_url=f"{url}/anthropic", api_key="any", max_retries=0),
    }
    print("ready", flush=True)
    await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    end = time.monotonic() + seconds
    async with asyncio.TaskGroup() as calls:
        while time.monotonic() < end:
            for sdk in clients:
                calls.create_task(_call(sdk, clients))
            await asyncio.sleep(EVERY)
    for client in clients.values():
        await client.close()


if __name__ == "__main__":
    asyncio.run(_run(sys.argv[1], float(sys.argv[2])))
