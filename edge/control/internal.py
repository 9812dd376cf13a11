"""What workers tell each other: routes on each worker's unix socket in the run directory, nowhere else. (Shell.)"""

from __future__ import annotations

import asyncio
import logging

import msgspec
from aiohttp import web

from edge.control.cache import purge_of, request_of
from edge.control.desk import CONTROLS_PATH, ControlDesk
from edge.control.documents import as_document, from_document
from edge.control.events import Events
from edge.control.inside import Inside
from edge.control.peers import Peers
from edge.control.qlog import wanted as trace_wanted
from edge.control.replaying import REPLAY_PATH, Replays
from edge.control.requests import wanted
from edge.control.worker import CACHE_PATH, TRACE_PATH, WRONG_PATH, Worker

log = logging.getLogger("farline.admin")

ALERT_FIGURES_PATH = "/internal/alert-figures"
HISTORY_PATH = "/internal/history"
FOLLOW_SECONDS = 1.0


class Internal:
    """The run directory is readable for its owner only: who can connect is one of us."""

    def __init__(self, inside: Inside, worker: Worker, desk: ControlDesk, replays: Replays) -> None:
        self._replays = replays
        self._worker = worker
        self._desk = desk
        self._inside = inside

    def application(self) -> web.Application:
        app = web.Application()
        app.add_routes(
            [
                web.get("/internal/metrics", self._metrics),
                web.get("/internal/figures", self._figures),
                web.get(ALERT_FIGURES_PATH, self._alert_figures),
                web.get("/internal/requests", self._requests),
                web.get("/internal/requests/{id}", self._request),
                web.get("/internal/events", self._events),
                web.get(CACHE_PATH, self._cache),
                web.put(CACHE_PATH, self._purge),
                web.get(HISTORY_PATH, self._history),
                web.put(WRONG_PATH, self._wrong),
                web.put(REPLAY_PATH, self._replay),
                web.put(TRACE_PATH, self._trace),
                web.get(CONTROLS_PATH, self._controls),
                web.put(CONTROLS_PATH, self._adopt),
            ]
        )
        return app

    async def _metrics(self, request: web.Request) -> web.Response:
        return web.Response(body=self._inside.exposition("open" in request.query))

    async def _figures(self, request: web.Request) -> web.Response:
        return web.json_response(self._worker.figures())

    async def _alert_figures(self, request: web.Request) -> web.Response:
        return web.Response(body=msgspec.json.encode(self._inside.alert_figures()), content_type="application/json")

    async def _requests(self, request: web.Request) -> web.Response:
        return web.json_response(self._worker.requests(wanted(dict(request.query))))

    async def _request(self, request: web.Request) -> web.Response:
        found = self._worker.request(request.match_info["id"])
        if found is None:
            raise web.HTTPNotFound
        return web.json_response(found)

    async def _events(self, request: web.Request) -> web.Response:
        return web.json_response(self._worker.events(int(request.query.get("since", "0"))))

    async def _cache(self, request: web.Request) -> web.Response:
        return web.json_response(await self._worker.cache())

    async def _purge(self, request: web.Request) -> web.Response:
        return web.json_response(await self._worker.purge(purge_of(await request.json())))

    async def _history(self, request: web.Request) -> web.Response:
        told = self._inside.history.since(int(request.query.get("since", "0")))
        return web.Response(body=told, content_type="application/json")

    async def _wrong(self, request: web.Request) -> web.Response:
        return web.json_response(await self._worker.wrong(request_of(await request.json())))

    async def _replay(self, request: web.Request) -> web.Response:
        answer = await self._replays.answer(await request.json())
        return web.Response(body=answer, content_type="application/json")

    async def _trace(self, request: web.Request) -> web.Response:
        document = await request.json()
        relay = document.pop("relay")
        return web.json_response(await self._worker.trace(relay, trace_wanted(document)))

    async def _controls(self, request: web.Request) -> web.Response:
        return web.json_response(as_document(self._desk.controls))

    async def _adopt(self, request: web.Request) -> web.Response:
        self._desk.adopt(from_document(await request.json()))
        return web.json_response({"version": self._desk.controls.version})


async def follow(peers: Peers, events: Events, desk: ControlDesk) -> None:
    """Takes the health events of the other workers over into ours, and sees to it that they have our controls."""
    known = dict.fromkeys(peers.numbers, 0)
    while True:
        await asyncio.sleep(FOLLOW_SECONDS)
        await desk.catch_up()
        told = await peers.ask(f"/internal/events?since={min(known.values())}")
        for worker, found in told.items():
            for event in found:
                if event["id"] > known[worker] and event["type"] == "health":
                    events.publish("health", {**event, "worker": worker})
            known[worker] = max([known[worker], *(event["id"] for event in found)])
