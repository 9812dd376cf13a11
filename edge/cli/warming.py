"""Warming a cache up: requests from a file, sent through a node at the lowest priority."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import aiohttp

from edge.dialects.routes import dialect_of
from transport.message import Headers

_SECONDS = 900.0  # for one reply
_ANTHROPIC_VERSION = "2023-06-01"  # what all of Anthropic's SDKs send
_SHOWN = 5  # failures


class BadLine(Exception):
    """A line of the file is no request; `args[0]` says which and why."""


@dataclass(frozen=True, slots=True)
class Ask:
    """One request of the file. `path` begins with the provider's prefix, or is a route without one."""

    line: int
    path: str
    body: bytes
    headers: Mapping[str, str]


@dataclass(slots=True)
class Warmth:
    """What came of it, by what `x-farline-cache` said."""

    results: Counter[str] = field(default_factory=Counter)
    failures: list[tuple[int, str]] = field(default_factory=list)

    def document(self) -> dict[str, Any]:
        return {
            "results": dict(self.results),
            "failures": [{"line": line, "detail": detail} for line, detail in self.failures],
        }

    def lines(self) -> Iterator[str]:
        yield f"asked for: {self.results['miss']}, known already: {self.results['hit'] + self.results['coalesced']}"
        if self.results["bypass"]:
            yield f"no part in the cache: {self.results['bypass']} (the node's log says why: cache_reason)"
        for line, detail in self.failures[:_SHOWN]:
            yield f"line {line} failed: {detail}"
        if len(self.failures) > _SHOWN:
            yield f"… and {len(self.failures) - _SHOWN} more"


def requests_in(text: str) -> list[Ask]:
    """A JSON object each line: `path`, `body` (an object), and `headers` if the request needs some. Raises BadLine."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        if not line.strip():
            continue
        try:
            told = json.loads(line)
        except ValueError as error:
            raise BadLine(f"line {number} is not JSON: {error}") from None
        headers = told.get("headers", {}) if isinstance(told, dict) else None
        if not isinstance(headers, dict) or not all(isinstance(value, str) for value in headers.values()):
            raise BadLine(f'line {number}: expected {{"path": "/openai/v1/…", "body": {{…}}}}')
        path, body = told.get("path"), told.get("body")
        if not isinstance(path, str) or not path.startswith("/") or not isinstance(body, dict):
            raise BadLine(f'line {number}: expected {{"path": "/openai/v1/…", "body": {{…}}}}')
        found.append(Ask(number, path, json.dumps(body, ensure_ascii=False).encode(), headers))
    return found


async def warm(
    url: str, asked: Sequence[Ask], secrets: Mapping[str, str | None], at_once: int, *, refresh: bool = False
) -> Warmth:
    """Sends all of them, `at_once` at a time. `secrets`: "key" is the caller's at this node, "credential" the
    provider's, put where the route's SDK puts it."""
    warmth, waiting = Warmth(), iter(asked)
    timeout = aiohttp.ClientTimeout(total=_SECONDS)
    async with aiohttp.ClientSession(timeout=timeout) as session:

        async def send() -> None:
            for ask in waiting:
                await _send(session, url.rstrip("/"), ask, _headers(ask, secrets, refresh), warmth)

        async with asyncio.TaskGroup() as group:
            for _ in range(at_once):
                group.create_task(send())
    return warmth


async def _send(session: aiohttp.ClientSession, url: str, ask: Ask, headers: Mapping[str, str], warmth: Warmth) -> None:
    try:
        async with session.post(url + ask.path, data=ask.body, headers=headers) as reply:
            body = await reply.read()
            if reply.status == 200:
                warmth.results[reply.headers.get("x-farline-cache", "bypass")] += 1
            else:
                warmth.failures.append((ask.line, f"status {reply.status}: {body[:200].decode('utf-8', 'replace')}"))
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        warmth.failures.append((ask.line, str(error) or type(error).__name__))


def _headers(ask: Ask, secrets: Mapping[str, str | None], refresh: bool) -> dict[str, str]:
    headers = {"content-type": "application/json", "x-farline-priority": "batch"}
    if ask.path.endswith("/v1/messages"):
        headers["anthropic-version"] = _ANTHROPIC_VERSION  # it is part of the key
    headers |= ask.headers
    if secrets["key"] is not None:
        headers["x-farline-key"] = secrets["key"]
    if refresh:
        headers["x-farline-cache"] = "refresh"
    credential = secrets["credential"]
    if credential is not None:
        headers |= _credential(ask.path, credential)
    return headers


def _credential(path: str, credential: str) -> dict[str, str]:
    first, _, rest = path.lstrip("/").partition("/")
    given: Headers = []
    dialect = first if first in ("anthropic", "gemini", "azure") else dialect_of(path.encode(), given)
    if dialect is None:
        dialect = dialect_of(f"/{rest}".encode(), given)
    match dialect:
        case "anthropic":
            return {"x-api-key": credential}
        case "gemini":
            return {"x-goog-api-key": credential}
        case "azure":
            return {"api-key": credential}
        case _:
            return {"authorization": f"Bearer {credential}"}
