"""A relay's admin listener: is the process alive, does it take sessions, what does it measure, who is connected."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable
from time import monotonic
from typing import Any

from aiohttp import web

from edge.config.model import Address, AdminKey
from edge.control.access import Door, Role
from edge.control.answers import body
from edge.control.changes import Refused
from edge.control.gate import asking_of, problems
from edge.control.qlog import BUSY, told, wanted
from edge.observe.exposition import PLAIN
from edge.relay.execution import Execution
from edge.relay.record import ExecutionRecord
from edge.relay.service import Service
from transport.session.aio.endpoint import SessionDriver
from transport.session.aio.tracing import traced
from transport.session.live import LiveSession
from transport.session.qlog import AlreadyTapped, Vantage

_HEADERS = {"cache-control": "no-store", "x-content-type-options": "nosniff"}
LATEST = 500


class RelayAdmin:
    """`latest`: executions that are over, newest last. healthz, readyz and metrics are open, the rest needs a key."""

    def __init__(
        self,
        service: Callable[[], Service],
        keys: Iterable[AdminKey],
        why_not_ready: Callable[[], str | None],
        exposition: Callable[[], bytes],
        about: Callable[[], dict[str, Any]],
    ) -> None:
        self.latest: deque[ExecutionRecord] = deque(maxlen=LATEST)
        self.bound: tuple[str, int] | None = None
        self._service = service
        self._door = Door(list(keys))
        self._why_not_ready = why_not_ready
        self._exposition = exposition
        self._about = about
        self._runner: web.AppRunner | None = None

    def renew(self, keys: Iterable[AdminKey]) -> None:
        """Other keys are configured."""
        self._door = Door(list(keys))

    async def start(self, address: Address | None) -> None:
        """Raises OSError: the address can't be bound."""
        if address is None:
            return
        app = web.Application(middlewares=[problems])
        app.add_routes(
            [
                web.get("/healthz", self._healthz),
                web.get("/readyz", self._readyz),
                web.get("/metrics", self._metrics),
                web.get("/api/v1/sessions", self._sessions),
                web.post("/api/v1/edges/{id}/qlog", self._qlog),
                web.get("/api/v1/executions", self._executions),
                web.get("/api/v1/node", self._node),
            ]
        )
        runner = self._runner = web.AppRunner(app, access_log=None, handle_signals=False, shutdown_timeout=2.0)
        await runner.setup()
        if address.unix:
            await web.UnixSite(runner, address.host).start()
            return
        await web.TCPSite(runner, address.host, address.port).start()
        host, port = runner.addresses[-1][:2]
        self.bound = (host, port)

    async def close(self) -> None:
        runner, self._runner = self._runner, None
        if runner is not None:
            await runner.cleanup()

    async def _healthz(self, _request: web.Request) -> web.Response:
        return web.json_response({"status": "ok"})

    async def _readyz(self, _request: web.Request) -> web.Response:
        reason = self._why_not_ready()
        if reason is None:
            return web.json_response({"status": "ready"})
        return web.json_response({"status": "not ready", "reason": reason}, status=503)

    async def _metrics(self, _request: web.Request) -> web.Response:
        return web.Response(body=self._exposition(), headers={"content-type": PLAIN})

    async def _node(self, request: web.Request) -> web.Response:
        self._door.admit(asking_of(request), Role.VIEWER)
        return _json(self._about())

    async def _sessions(self, request: web.Request) -> web.Response:
        self._door.admit(asking_of(request), Role.VIEWER)
        service, now = self._service(), monotonic()
        return _json({"sessions": [session_document(each, now) for each in service.sessions.values()]})

    async def _qlog(self, request: web.Request) -> web.Response:
        self._door.admit(asking_of(request), Role.OPERATOR)
        edge, asked = request.match_info["id"], wanted(await body(request))
        sessions = [each for each in self._service().sessions.values() if each.peer == edge]
        cores = {str(number): each.core for number, each in enumerate(sessions) if isinstance(each, SessionDriver)}
        if not cores:
            raise Refused("absent", f'there is no session with an edge "{edge}"')
        try:
            trace = await traced(cores, Vantage(f"relay, edge {edge}", False), asked.seconds, asked.max_bytes)
        except AlreadyTapped:
            raise Refused("conflict", BUSY) from None
        return _json({**told(trace, len(cores)), "failed": {}})

    async def _executions(self, request: web.Request) -> web.Response:
        self._door.admit(asking_of(request), Role.VIEWER)
        service, now = self._service(), monotonic()
        return _json(
            {
                "executing": [execution_document(each, now) for each in service.executions],
                "latest": [record.summary() for record in reversed(self.latest)],
                "kept_replies": len(service.kept),
                "kept_reply_bytes": service.kept.size,
            }
        )


def session_document(session: LiveSession, now: float) -> dict[str, Any]:
    """A session and its carriers."""
    tally = session.tally
    return {
        "edge": session.peer,
        "is_open": session.is_open,
        "carriers": [
            {
                "number": carrier.number,
                "line": carrier.line,
                "kind": carrier.kind.name.lower(),
                "is_confirmed": carrier.is_confirmed,
                "is_suspected": carrier.suspected_at is not None,
                "silent_ms": round((now - carrier.heard_at) * 1000, 1),
                "rtt_ms": round(carrier.outgoing.trip.smoothed * 1000, 2),
            }
            for carrier in session.carriers.values()
        ],
        "packets": tally.packets,
        "sent_bytes": {
            "first": tally.first_bytes,
            "bundled": tally.bundled_bytes,
            "resent": tally.resent_bytes,
            "repeated": tally.repeated_bytes,
            "copied": tally.copied_bytes,
        },
        "suspicions": tally.suspicions,
        "late_messages": tally.late_messages,
    }


def execution_document(execution: Execution, now: float) -> dict[str, Any]:
    """A request that is under way."""
    record = execution.record
    return {
        "execution": record.execution,
        "edge": record.edge,
        "provider": record.provider,
        "endpoint": record.endpoint,
        "route": record.route,
        "status": record.status or None,
        "seconds": round(now - record.received_at, 3),
        "bytes_in": execution.body_bytes,
        "bytes_out": record.bytes_out,
        "is_waited_for": execution.is_waited_for,
    }


def _json(document: Any) -> web.Response:
    return web.json_response(document, headers=_HEADERS)
