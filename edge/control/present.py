"""What is measured now: the routes of the admin API that only show it. (Shell.)"""

from __future__ import annotations

import time

from aiohttp import web

from edge.control.answers import json_reply
from edge.control.credentials import shown
from edge.control.inside import Inside
from edge.control.worker import Workers


class Present:
    """Each method answers the route of its name."""

    def __init__(self, inside: Inside, workers: Workers) -> None:
        self._inside = inside
        self._workers = workers

    async def paths(self, request: web.Request) -> web.Response:
        figures = await self._workers.figures()
        return json_reply({"paths": [{"path": path, **each} for path, each in figures["paths"].items()]})

    async def endpoints(self, request: web.Request) -> web.Response:
        measured = (await self._workers.figures())["endpoints"]
        return json_reply(
            {
                "endpoints": [
                    {
                        "id": each.id,
                        "provider": each.provider,
                        "url": each.url,
                        "region": each.region,
                        **measured[each.id],
                    }
                    for provider in self._inside.snapshot().providers
                    for each in provider.endpoints
                    if each.id in measured
                ]
            }
        )

    async def credentials(self, request: web.Request) -> web.Response:
        known = (await self._workers.figures())["credentials"]
        return json_reply({"credentials": [shown(each, time.time()) for each in known]})

    async def pools(self, request: web.Request) -> web.Response:
        return json_reply({"pools": (await self._workers.figures())["pools"]})

    async def relays(self, request: web.Request) -> web.Response:
        return json_reply({"relays": (await self._workers.figures())["relays"]})

    async def cache(self, request: web.Request) -> web.Response:
        return json_reply(await self._workers.cache())
