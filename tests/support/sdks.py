"""The vendors' SDKs, sync and async, behind one way to write a test of both."""

from __future__ import annotations

import inspect
import uuid
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack, asynccontextmanager
from dataclasses import dataclass, field
from typing import Any

import anthropic
import openai
from google import genai
from google.genai import types

from tests.support.nodes import LINES
from tests.support.worlds import PROTOCOLS, World

HOP_BY_HOP = {"connection", "keep-alive", "proxy-connection", "te", "trailer", "upgrade", "proxy-authorization"}
CLIENT_KEY = "the-callers-own-key"


async def of(value: Any) -> Any:
    """The result of a call, of a sync client or an async one. (A sync one blocks the loop: its peers are processes.)"""
    return await value if inspect.isawaitable(value) else value


async def each(values: Any) -> list[Any]:
    """All items of an iterable of either kind, which may have to be awaited first."""
    values = await of(values)
    if hasattr(values, "__aiter__"):
        return [value async for value in values]
    return list(values)


@asynccontextmanager
async def entered(context: Any) -> AsyncIterator[Any]:
    """`with` or `async with`."""
    if hasattr(context, "__aenter__"):
        async with context as value:
            yield value
    else:
        with context as value:
            yield value


@dataclass
class Sdks:
    """SDK clients for one test: over one upstream protocol, in one mode, under one request id at the provider."""

    world: World
    protocol: str
    is_async: bool
    id: str = field(default_factory=lambda: uuid.uuid4().hex)
    stack: AsyncExitStack = field(default_factory=AsyncExitStack)

    def url(self, api: str) -> str:
        return self.world.url(api, self.protocol)

    def headers(self, sim: str = "") -> dict[str, str]:
        return {"x-sim-id": self.id, **({"x-sim": sim} if sim else {})}

    async def openai(self, sim: str = "", *, base_url: str = "", **options: Any) -> Any:
        kind = openai.AsyncOpenAI if self.is_async else openai.OpenAI
        return await self._open(kind, base_url or self.url("openai") + "/v1", sim, options, openai)

    async def anthropic(self, sim: str = "", *, base_url: str = "", **options: Any) -> Any:
        kind = anthropic.AsyncAnthropic if self.is_async else anthropic.Anthropic
        return await self._open(kind, base_url or self.url("anthropic"), sim, options, anthropic)

    async def azure(self, sim: str = "", *, base_url: str = "") -> Any:
        kind = openai.AsyncAzureOpenAI if self.is_async else openai.AzureOpenAI
        given = {"azure_endpoint": base_url or self.url("azure"), "api_version": "2025-04-01-preview"}
        return await self._open(kind, None, sim, given, openai)

    async def gemini(self, sim: str = "", *, base_url: str = "", api_key: str = CLIENT_KEY, **options: Any) -> Any:
        """`client.aio` or `client`."""
        given = types.HttpOptions(base_url=base_url or self.url("gemini"), headers=self.headers(sim), **options)
        client = genai.Client(api_key=api_key, http_options=given)
        self.stack.callback(client.close)
        self.stack.push_async_callback(client.aio.aclose)
        return client.aio if self.is_async else client

    async def _open(self, kind: Any, base_url: str | None, sim: str, options: dict[str, Any], vendor: Any) -> Any:
        http = vendor.DefaultAsyncHttpxClient if self.is_async else vendor.DefaultHttpxClient
        given: dict[str, Any] = {"api_key": CLIENT_KEY, "max_retries": 0, **options}
        if base_url is not None:
            given["base_url"] = base_url
        client = kind(default_headers=self.headers(sim), http_client=http(verify=False), **given)
        return await self.stack.enter_async_context(entered(client))

    def seen(self) -> list[dict[str, Any]]:
        """What the provider saw of this test's requests."""
        return self.world.provider.log(self.id)

    def check_seen(self) -> None:
        """Every request came over a line and the protocol, and bore nothing that is farline's or one hop's."""
        for record in self.seen():
            names = {name.lower() for name, _ in record["headers"]}
            is_upgrade = record["status"] == 101 or "sec-websocket-key" in names
            assert record["source"] in LINES.values()
            assert record["protocol"] == ("http/1.1" if is_upgrade else PROTOCOLS[self.protocol])
            assert not [name for name in names if name.startswith(("x-farline", "x-forwarded"))]
            assert is_upgrade or not names & HOP_BY_HOP
