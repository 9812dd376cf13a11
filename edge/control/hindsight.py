"""The admin API's answers about what was and what would be: history, scores, what-if. (Shell.)"""

from __future__ import annotations

import time
from dataclasses import replace
from datetime import datetime
from typing import Any

from aiohttp import web

from edge.config.schedule import zone
from edge.control.answers import body, json_reply, queried
from edge.control.changes import Refused
from edge.control.inside import Inside
from edge.control.reasons import with_parts
from edge.control.replaying import Replays
from edge.control.requests import flag, number
from edge.history.periods import Period, period
from edge.history.recorder import ENDPOINTS, KEYS, LINES, NODE, PATHS, RELAYS
from edge.history.spans import HOURS, SPANS, Span, sums_tier

TODAY = "today"
MOST_EVENTS = 5000
_CHARTS = {"day": "1d", "week": "7d", "month": "30d"}  # whose points a period's chart has
_PRIORITIES = ("realtime", "interactive", "batch")


class Hindsight:
    """Each method answers the route of its name in `routes.ROUTES`."""

    def __init__(self, inside: Inside, replays: Replays) -> None:
        self._inside = inside
        self._replays = replays

    async def history_node(self, request: web.Request) -> web.Response:
        return await self._all(request, NODE)

    async def history_lines(self, request: web.Request) -> web.Response:
        return await self._all(request, LINES)

    async def history_paths(self, request: web.Request) -> web.Response:
        return await self._all(request, PATHS)

    async def history_endpoints(self, request: web.Request) -> web.Response:
        return await self._all(request, ENDPOINTS)

    async def history_relays(self, request: web.Request) -> web.Response:
        return await self._all(request, RELAYS)

    async def history_relay(self, request: web.Request) -> web.Response:
        return await self._one(request, RELAYS)

    async def history_keys(self, request: web.Request) -> web.Response:
        return await self._all(request, KEYS)

    async def history_line(self, request: web.Request) -> web.Response:
        return await self._one(request, LINES)

    async def history_path(self, request: web.Request) -> web.Response:
        return await self._one(request, PATHS)

    async def history_endpoint(self, request: web.Request) -> web.Response:
        return await self._one(request, ENDPOINTS)

    async def history_events(self, request: web.Request) -> web.Response:
        span, most = queried(_events_question, dict(request.query))
        types = frozenset(request.query.getall("type", ()))
        asked = self._period(request)
        begins = time.time() - span.seconds if asked is None else asked.begins
        found = await self._inside.history.events(begins, most)
        if asked is not None:
            found = [event for event in found if datetime.fromisoformat(event["at"]).timestamp() < asked.ends]
        told = [event for event in found if not types or event["type"] in types]
        return json_reply({"last": max((event["id"] for event in found), default=0), "events": told})

    async def ranking(self, request: web.Request) -> web.Response:
        providers = [provider.id for provider in self._inside.snapshot().providers]
        provider = request.query.get("provider", providers[0])
        if provider not in providers:
            raise Refused("invalid", f'no provider "{provider}"; there is {", ".join(providers)}')
        priority = request.query.get("priority", "interactive")
        if priority not in _PRIORITIES:
            raise Refused("invalid", f"priority: expected one of {', '.join(_PRIORITIES)}")
        told = self._inside.ranking(provider, priority)
        return json_reply({**told, "ranking": with_parts(told["ranking"]), "provider": provider})

    async def what_if(self, request: web.Request) -> web.Response:
        return json_reply(await self._replays.together(await body(request)))

    async def _all(self, request: web.Request, kind: str) -> web.Response:
        name, wants_series, since = queried(_question, dict(request.query))
        history = self._inside.history
        asked = self._period(request)
        if asked is not None:
            return json_reply(await self._of_period(kind, asked, wants_series))
        if wants_series:
            return json_reply(await history.series(kind, None, SPANS[name], since))
        end = int(time.time())
        tier, begins = (HOURS, self._midnight(end)) if name == TODAY else _sums_of(SPANS[name], end)
        return json_reply({"span": name, "ends": end, **await history.sums(kind, tier, begins)})

    async def _of_period(self, kind: str, asked: Period, wants_series: bool) -> dict[str, Any]:
        """Of a period that goes on, what there is of it."""
        history, ends = self._inside.history, min(asked.ends, int(time.time()) + 1)
        if wants_series:
            chart = replace(SPANS[_CHARTS[asked.kind]], seconds=ends - asked.begins)
            told = await history.series(kind, None, chart, until=ends)
        else:
            told = await history.sums(kind, sums_tier(asked.begins, asked.ends), asked.begins, ends)
        names = {"span": asked.name, "before": asked.before, "months": list(asked.months)}
        return {**told, **names, "begins": asked.begins, "ends": asked.ends}

    def _period(self, request: web.Request) -> Period | None:
        """Raises Refused."""
        if "period" not in request.query:
            return None
        clock = zone(self._inside.snapshot().node.timezone)
        found: Period = queried(lambda query: period(query["period"], time.time(), clock), dict(request.query))
        return found

    async def _one(self, request: web.Request, kind: str) -> web.Response:
        name, _, since = queried(_question, dict(request.query))
        if name == TODAY:
            raise Refused("invalid", f"span: expected one of {', '.join(SPANS)}")
        id = request.match_info["id"]
        told = await self._inside.history.series(kind, id, SPANS[name], since)
        if not told["series"] and not since:
            raise Refused("absent", f'nothing is known of "{id}" in that time')
        return json_reply(told)

    def _midnight(self, utc: int) -> int:
        """The node's own."""
        return utc - utc % 60 - self._inside.moment().minute * 60


def _sums_of(span: Span, end: int) -> tuple[Any, int]:
    return span.sums, end - span.seconds


def _question(query: dict[str, str]) -> tuple[str, bool, int]:
    """Raises ValueError."""
    name = query.get("span", "3h")
    wants_series = flag(query, "series")
    known = [*SPANS] if wants_series else [*SPANS, TODAY]
    if name not in known:
        raise ValueError(f"span: expected one of {', '.join(known)}")
    return name, wants_series, number(query, "since", 0, 0, 2**40)


def _events_question(query: dict[str, str]) -> tuple[Span, int]:
    """Raises ValueError."""
    name = query.get("span", "3h")
    if name not in SPANS:
        raise ValueError(f"span: expected one of {', '.join(SPANS)}")
    return SPANS[name], number(query, "limit", 1000, 1, MOST_EVENTS)
