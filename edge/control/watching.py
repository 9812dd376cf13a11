"""The admin API's events: what has happened, and what happens, for those who watch. (Shell.)"""

from __future__ import annotations

import json
import time
from collections.abc import Callable
from contextlib import suppress
from typing import Any

from aiohttp import web

from edge.control.answers import HEADERS, json_reply, queried
from edge.control.events import Events
from edge.control.gate import CALLER, Gate
from edge.control.requests import number

MOST_WATCHERS = 64  # of the event stream, at a time
KEEPALIVE_SECONDS = 15.0


class Watching:
    """Answers the route of its method's name in `routes.ROUTES`."""

    def __init__(self, gate: Gate, events: Events) -> None:
        self._gate = gate
        self._events = events
        self._watchers = 0

    async def events(self, request: web.Request) -> web.StreamResponse:
        query = dict(request.query)
        known = {"since": request.headers.get("last-event-id", str(self._events.last)), **query}
        since = queried(lambda query: number(query, "since", 0, 0, 2**63), known)
        types = tuple(request.query.getall("type", ()))
        if "application/json" in request.headers.get("accept", ""):
            since = since if "since" in query else 0
            return json_reply({"last": self._events.last, "events": self._events.since(since, types)})
        if self._watchers >= MOST_WATCHERS:
            raise web.HTTPServiceUnavailable(text=f"{MOST_WATCHERS} callers watch already")
        self._watchers += 1
        try:
            return await self._stream(request, since, types)
        finally:
            self._watchers -= 1

    async def _stream(self, request: web.Request, since: int, types: tuple[str, ...]) -> web.StreamResponse:
        """Until the caller leaves or signs out, its token expires, the node stops, or other keys are configured."""
        door, caller, cookie = self._gate.door, request[CALLER], self._gate.people.cookie_of(request)
        until = caller.until or float("inf")

        def may_stay() -> bool:
            is_in = not caller.by_session or self._gate.people.is_signed_in(cookie)
            return self._gate.door is door and time.time() < until and is_in

        reply = web.StreamResponse(headers={**HEADERS, "content-type": "text/event-stream"})
        with suppress(ConnectionResetError):  # the reader has left
            await reply.prepare(request)
            await self._tell(reply, may_stay, since, types)
        return reply

    async def _tell(
        self, reply: web.StreamResponse, may_stay: Callable[[], bool], since: int, types: tuple[str, ...]
    ) -> None:
        await reply.write(b": farline events\n\n")
        while not self._events.is_closed and may_stay():
            found, since = self._events.since(since, types), self._events.last
            if found:
                await reply.write("".join(map(_sse, found)).encode())
            if not await self._events.wait(since, KEEPALIVE_SECONDS):
                await reply.write(b": still here\n\n")


def _sse(event: dict[str, Any]) -> str:
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"
