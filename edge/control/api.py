"""The admin API: each method of `Api` answers the route of its name in `routes.ROUTES`. (Shell.)"""

from __future__ import annotations

import time
from collections.abc import Sequence
from typing import Any

from aiohttp import web

from edge.config.model import Snapshot
from edge.config.summary import document as config_document
from edge.control.answers import body, json_reply, queried
from edge.control.audit import Audit
from edge.control.cache import purge_of, request_of
from edge.control.changes import Change, DropPin, DropSilence, DropWindow, Refused, Reset
from edge.control.desk import Applied, ControlDesk
from edge.control.documents import as_document, pin_document, silence_document
from edge.control.events import Events
from edge.control.gate import CALLER, Gate, Handler, problems
from edge.control.hindsight import Hindsight
from edge.control.inside import Inside
from edge.control.lines import line_documents, maintenance_documents
from edge.control.nodes import Nodes, ranking
from edge.control.present import Present
from edge.control.publishing import Publishing
from edge.control.qlog import wanted as trace_wanted
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
from edge.control.watching import Watching
from edge.control.worker import Workers
from edge.routing.controls import Silence, Switch
from health.alerts import Alert


class Api:
    """`version`: farline's."""

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
        self.gate = Gate(snapshot)
        self._inside = inside
        self._hindsight = Hindsight(inside, replays)
        self.publishing = Publishing(inside, desk)
        self._present = Present(inside, workers)
        self._desk = desk
        self._workers = workers
        self._audit = audit
        self._events = events
        self._watching = Watching(self.gate, events)
        self._version = version
        self._openapi = openapi(version)
        self._started = time.time()
        self.others = Nodes()

    def renew(self, snapshot: Snapshot) -> None:
        """Other keys or people are configured: streams of events end, so that their readers show theirs again."""
        self.gate.renew(snapshot)
        self._events.wake()

    def application(self) -> web.Application:
        """The routes, each behind the door."""
        app = web.Application(middlewares=[problems], client_max_size=MOST_BYTES)
        app.add_routes([web.route(each.method, each.path, self._guarded(each)) for each in ROUTES])
        app.add_routes(self.gate.people.routes())
        return app

    def _guarded(self, route: Route) -> Handler:
        places = (self._present, self._hindsight, self.publishing, self._watching, self)
        answering = next(each for each in places if hasattr(each, route.name))
        answer: Handler = getattr(answering, route.name)

        async def handler(request: web.Request) -> web.StreamResponse:
            request[CALLER] = await self.gate.admit(request, route.role)
            return await answer(request)

        return handler

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
