"""The admin API: each method of `Api` answers the route of its name in `routes.ROUTES`. (Shell.)"""

from __future__ import annotations

import json
import logging
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import replace
from math import ceil
from typing import Any

from aiohttp import web

from edge.config.model import Snapshot
from edge.config.summary import document as config_document
from edge.control import problem
from edge.control.access import Asking, Caller, Door, Role, TurnedAway
from edge.control.answers import HEADERS, body, json_reply, queried
from edge.control.audit import Audit
from edge.control.cache import purge_of, request_of
from edge.control.changes import Change, DropPin, DropSilence, DropWindow, Refused, Reset
from edge.control.desk import Applied, ControlDesk
from edge.control.documents import as_document, pin_document, silence_document
from edge.control.events import Events
from edge.control.hindsight import Hindsight
from edge.control.inside import Inside
from edge.control.lines import line_documents, maintenance_documents
from edge.control.nodes import Nodes, ranking
from edge.control.people import People
from edge.control.present import Present
from edge.control.publishing import CALLER, Publishing
from edge.control.qlog import wanted as trace_wanted
from edge.control.rate import Rates
from edge.control.replaying import Replays
from edge.control.requested import (
    MOST_BYTES,
    line_changes,
    pin_change,
    silence_change,
    switch_change,
    what_if,
    window_change,
)
from edge.control.requests import number, wanted
from edge.control.routes import ROUTES, Route, openapi
from edge.control.times import rfc3339
from edge.control.worker import Workers
from edge.routing.controls import Silence, Switch
from health.alerts import Alert

log = logging.getLogger("farline.admin")

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

MOST_WATCHERS = 64  # of the event stream, at a time
KEEPALIVE_SECONDS = 15.0
_STATUS_OF = {"absent": 404, "invalid": 400, "conflict": 409}


class Api:
    """`version`: farline's. `door` is replaced when the configuration is."""

    def __init__(
        self,
        inside: Inside,
        desk: ControlDesk,
        workers: Workers,
        replays: Replays,
        audit: Audit,
        events: Events,
        version: str,
    ) -> None:
        snapshot = inside.snapshot()
        self.door = Door(snapshot.admin_keys, snapshot.admin_oidc)
        self.people = People(snapshot.admin_oidc, self._slow_down_visitor)
        self._inside = inside
        self._hindsight = Hindsight(inside, replays)
        self.publishing = Publishing(inside, desk)
        self._present = Present(inside, workers)
        self._desk = desk
        self._workers = workers
        self._audit = audit
        self._events = events
        self._version = version
        self._openapi = openapi(version)
        self._started = time.time()
        self._rates = Rates(per_second=20.0, burst=60.0)
        self._turned_away = Rates(per_second=0.5, burst=20.0)
        self._signing_in = Rates(
            per_second=0.5, burst=20.0
        )  # apart: a console that isn't signed in is turned away a lot
        self._watchers = 0
        self.others = Nodes()

    def renew(self, snapshot: Snapshot) -> None:
        """Other keys or people are configured: streams of events end, so that their readers show theirs again."""
        self.door = Door(snapshot.admin_keys, snapshot.admin_oidc)
        self._events.wake()
        self.people.renew(snapshot.admin_oidc)

    def application(self) -> web.Application:
        """The routes, each behind the door."""
        app = web.Application(middlewares=[problems], client_max_size=MOST_BYTES)
        app.add_routes([web.route(each.method, each.path, self._guarded(each)) for each in ROUTES])
        app.add_routes(self.people.routes())
        return app

    def _guarded(self, route: Route) -> Handler:
        answering = next(
            each for each in (self._present, self._hindsight, self.publishing, self) if hasattr(each, route.name)
        )
        answer: Handler = getattr(answering, route.name)

        async def handler(request: web.Request) -> web.StreamResponse:
            request[CALLER] = await self._admit(request, route.role)
            return await answer(request)

        return handler

    async def _admit(self, request: web.Request, role: Role) -> Caller:
        asking = replace(asking_of(request), session=self.people.cookie_of(request))
        try:
            known = None if self.door.has_key(asking) else await self.people.known(asking)
            caller = self.door.admit(asking, role, known)
        except TurnedAway as turned:
            self._slow_down_stranger(asking.peer)
            log.warning("%s %s from %s: %d, %s", request.method, request.path, asking.peer, turned.status, turned)
            raise
        self._slow_down(self._rates.wait(caller.bucket, time.monotonic()))
        return caller

    def _slow_down_stranger(self, peer: str) -> None:
        self._slow_down(self._turned_away.wait(peer, time.monotonic()))

    def _slow_down_visitor(self, peer: str) -> None:
        self._slow_down(self._signing_in.wait(peer, time.monotonic()))

    def _slow_down(self, seconds: float) -> None:
        if seconds:
            whole = ceil(seconds)  # RFC 9110 §10.2.3 knows no fractions, and 0 would be too early
            raise web.HTTPTooManyRequests(
                text=f"too many requests; try again in {whole} s", headers={"retry-after": f"{whole}"}
            )

    # --- lines ---

    async def lines(self, request: web.Request) -> web.Response:
        figures = await self._workers.figures()
        return json_reply(
            {
                "version": self._desk.controls.version,
                "lines": line_documents(self._inside.snapshot(), self._desk.controls, figures, time.time()),
                "is_panic": figures["is_panic"],
                "workers": figures["workers"],
                "workers_expected": self._inside.snapshot().listen.workers,
            }
        )

    async def line(self, request: web.Request) -> web.Response:
        return json_reply(await self._line(request.match_info["id"]))

    async def _line(self, id: str) -> dict[str, Any]:
        self._check_line(id)
        figures = await self._workers.figures()
        found = line_documents(self._inside.snapshot(), self._desk.controls, figures, time.time())
        return next(each for each in found if each["id"] == id)

    def _check_line(self, id: str) -> None:
        lines = [line.id for line in self._inside.snapshot().lines]
        if id not in lines:
            raise Refused("absent", f'no line "{id}"; there is {", ".join(lines)}')

    async def change_line(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        self._check_line(id)
        return await self._change(request, line_changes(id, await body(request)), "set line", id)

    async def drain(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        changes = switch_change(id, Switch.DRAINING, await body(request))
        return await self._change(request, changes, "drain line", id)

    async def undrain(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        return await self._change(request, switch_change(id, Switch.ON, await body(request)), "undrain line", id)

    async def preview(self, request: web.Request) -> web.Response:
        question = what_if(await body(request))
        providers = [provider.id for provider in self._inside.snapshot().providers]
        provider = question.provider or providers[0]
        if provider not in providers:
            raise Refused("invalid", f'no provider "{provider}"; there is {", ".join(providers)}', "/provider")
        now = self._desk.controls
        then = self._desk.what_if(question.changes)
        shares = [self._inside.shares(each, provider, question.priority) for each in (now, then)]
        relays = {"now": shares[0].relays, "then": shares[1].relays}
        return json_reply({"now": shares[0].lines, "then": shares[1].lines, "relays": relays})

    # --- pins, maintenance, all controls ---

    async def pins(self, request: web.Request) -> web.Response:
        controls = self._desk.controls
        return json_reply({"version": controls.version, "pins": [pin_document(pin) for pin in controls.pins]})

    async def pin(self, request: web.Request) -> web.Response:
        document = await body(request)
        return await self._change(request, pin_change(document), "pin", str(document["subject"]))

    async def unpin(self, request: web.Request) -> web.Response:
        subject = request.query.get("subject", "")
        return await self._change(request, (DropPin(subject),), "unpin", subject)

    async def maintenance(self, request: web.Request) -> web.Response:
        controls = self._desk.controls
        return json_reply({"version": controls.version, "maintenance": maintenance_documents(controls, time.time())})

    async def add_window(self, request: web.Request) -> web.Response:
        document = await body(request)
        changes = window_change(document, time.time())
        return await self._change(request, changes, "add maintenance", str(document["line"]), status=201)

    async def drop_window(self, request: web.Request) -> web.Response:
        id = request.match_info["id"]
        return await self._change(request, (DropWindow(id),), "remove maintenance", id)

    async def controls(self, request: web.Request) -> web.Response:
        return json_reply({**as_document(self._desk.controls), "persistence": self._desk.persistence})

    async def reset(self, request: web.Request) -> web.Response:
        return await self._change(request, (Reset(),), "reset controls")

    async def _change(
        self, request: web.Request, changes: Sequence[Change], action: str, target: str = "", *, status: int = 200
    ) -> web.Response:
        applied = await self._desk.change(changes, request[CALLER], action, target)
        told = _applied(applied, self._desk.persistence)
        if "/lines/" in request.path:
            told["line"] = await self._line(target)
        return json_reply(told, status)

    # --- what is done besides, alerts, requests, nodes ---

    async def qlog(self, request: web.Request) -> web.Response:
        id, asked = request.match_info["id"], trace_wanted(await body(request))
        known = [relay.id for relay in self._inside.snapshot().relays]
        if id not in known:
            raise Refused("absent", f'no relay "{id}"; there is {", ".join(known) or "none"}')
        told = await self._workers.trace(id, asked)
        if not told["sessions"] and told["failed"]:
            raise Refused("conflict", next(iter(told["failed"].values())))
        self._desk.note_done(request[CALLER], "qlog", f"relay={id}", {**asked.document(), "events": told["events"]})
        return json_reply(told)

    async def purge_cache(self, request: web.Request) -> web.Response:
        document = await body(request)
        told = await self._workers.purge(purge_of(document), document)
        target = " ".join(f"{name}={value}" for name, value in document.items() if name != "all") or "all"
        self._desk.note_done(request[CALLER], "purge cache", target, told)
        return json_reply(told)

    async def wrong_answer(self, request: web.Request) -> web.Response:
        id = request_of(await body(request))
        told = await self._workers.wrong(id)
        self._desk.note_done(request[CALLER], "wrong answer", f"request={id}", told)
        return json_reply(told)

    async def alerts(self, request: web.Request) -> web.Response:
        now, utc = time.monotonic(), time.time()
        silences = [silence for silence in self._desk.controls.silences if silence.ends > utc]
        told = [
            _alert(alert, any(_covers(silence, alert) for silence in silences), now) for alert in self._inside.alerts()
        ]
        return json_reply({"alerts": told, "silences": [silence_document(silence) for silence in silences]})

    async def silence(self, request: web.Request) -> web.Response:
        document = await body(request)
        changes = silence_change(document, time.time())
        return await self._change(request, changes, "silence", str(document["rule"]), status=201)

    async def unsilence(self, request: web.Request) -> web.Response:
        rule, subject = request.query.get("rule", ""), request.query.get("subject", "*")
        return await self._change(request, (DropSilence(rule, subject),), "unsilence", rule)

    async def requests(self, request: web.Request) -> web.Response:
        query = dict(request.query)
        return json_reply({"requests": await self._workers.requests(queried(wanted, query), query)})

    async def request(self, request: web.Request) -> web.Response:
        found = await self._workers.request(request.match_info["id"])
        if found is None:
            raise Refused("absent", "no request of that id is remembered: it is unknown, under way, or too long ago")
        return json_reply(found)

    async def nodes(self, request: web.Request) -> web.Response:
        snapshot, figures = self._inside.snapshot(), await self._workers.figures()
        node = snapshot.node
        near, rtts = request.query.get("near"), request.query.get("rtt", "")
        near_told = {} if near is None else {"near": ranking(self.others, near, rtts, snapshot.cluster.geo_file)}
        return json_reply(
            {
                "cluster": self.others.document(),
                **near_told,
                "nodes": [
                    {
                        "name": node.name,
                        "role": node.role,
                        "region": node.region,
                        "version": self._version,
                        "started": rfc3339(self._started),
                        "generation": figures["generation"],
                        "controls_version": self._desk.controls.version,
                        "persistence": self._desk.persistence,
                        "ready": self._inside.why_not_ready() is None,
                        "workers": {"expected": snapshot.listen.workers, "answering": figures["workers"]},
                        "requests_in_flight": figures["requests_in_flight"],
                        "client_connections": figures["client_connections"],
                        "is_panic": figures["is_panic"],
                    }
                ],
            }
        )

    async def config(self, request: web.Request) -> web.Response:
        return json_reply(config_document(self._inside.snapshot()))

    async def audit(self, request: web.Request) -> web.Response:
        limit = queried(lambda query: number(query, "limit", 50, 1, 500), dict(request.query))
        return json_reply({"entries": self._audit.latest(limit)})

    async def openapi(self, request: web.Request) -> web.Response:
        return json_reply(self._openapi)

    async def session(self, request: web.Request) -> web.Response:
        caller = request[CALLER]
        return json_reply(
            {
                "name": caller.name,
                "role": caller.role.value,
                "issuer": caller.issuer or None,
                "subject": caller.subject or None,
                "until": None if caller.until is None else rfc3339(caller.until),
                "signed_in": caller.by_session,
            }
        )

    # --- events ---

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
        door, caller, cookie = self.door, request[CALLER], self.people.cookie_of(request)
        until = caller.until or float("inf")

        def may_stay() -> bool:
            is_in = not caller.by_session or self.people.is_signed_in(cookie)
            return self.door is door and time.time() < until and is_in

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


@web.middleware
async def problems(request: web.Request, handler: Handler) -> web.StreamResponse:
    """Every error in one shape."""
    try:
        return await handler(request)
    except Refused as refused:
        return _problem(_STATUS_OF[refused.kind], refused.detail, refused.pointer)
    except TurnedAway as turned:
        headers = {"www-authenticate": 'Bearer realm="farline"'} if turned.status == 401 else {}
        return _problem(turned.status, turned.detail, headers=headers)
    except web.HTTPException as error:
        kept = {name: value for name, value in error.headers.items() if name.lower() in ("allow", "retry-after")}
        detail = error.text if error.text and not error.text.startswith(f"{error.status}:") else error.reason
        return _problem(error.status, detail, headers=kept)


def asking_of(request: web.Request) -> Asking:
    headers = request.headers
    return Asking(
        request.method,
        request.remote or "",
        headers.get("host"),
        headers.get("origin"),
        headers.get("authorization"),
        headers.get("content-type"),
        any(name in headers for name in ("forwarded", "x-forwarded-for", "via")),
        headers.get("x-farline-operator"),
    )


def _covers(silence: Silence, alert: Alert) -> bool:
    return silence.rule in ("*", alert.rule.id) and silence.subject in ("*", alert.subject)


def _alert(alert: Alert, is_silenced: bool, now: float) -> dict[str, Any]:
    return {
        "rule": alert.rule.id,
        "subject": alert.subject,
        "severity": alert.rule.severity.value,
        "value": alert.value,
        "threshold": alert.rule.threshold,
        "firing_seconds": round(now - (alert.fired_at or now), 1),
        "silenced": is_silenced,
    }


def _applied(applied: Applied, persistence: str) -> dict[str, Any]:
    return {
        "version": applied.controls.version,
        "workers": list(applied.workers),
        "failed": {str(worker): why for worker, why in applied.failed.items()},
        "not_saved": applied.not_saved,
        "persistence": persistence,
    }


def _sse(event: dict[str, Any]) -> str:
    return f"id: {event['id']}\nevent: {event['type']}\ndata: {json.dumps(event)}\n\n"


def _problem(status: int, detail: str, pointer: str = "", headers: dict[str, str] | None = None) -> web.Response:
    told = problem.problem(status, detail, pointer)
    headers = {**HEADERS, **(headers or {})}
    return web.json_response(told, status=status, content_type=problem.CONTENT_TYPE, headers=headers)
