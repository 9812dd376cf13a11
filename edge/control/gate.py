"""Who may ask the admin API, how often, and in which shape everybody is refused. (Shell.)"""

from __future__ import annotations

import logging
import time
from collections.abc import Awaitable, Callable
from dataclasses import replace
from math import ceil

from aiohttp import web

from edge.config.model import Snapshot
from edge.control import problem
from edge.control.access import Asking, Caller, Door, Role, TurnedAway
from edge.control.answers import HEADERS
from edge.control.changes import Refused
from edge.control.people import People
from edge.control.rate import Rates

log = logging.getLogger("farline.admin")

CALLER = web.RequestKey("caller", Caller)

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]

_STATUS_OF = {"absent": 404, "invalid": 400, "conflict": 409}


class Gate:
    """`door` is replaced when other keys or people are configured."""

    def __init__(self, snapshot: Snapshot) -> None:
        self.door = Door(snapshot.admin_keys, snapshot.admin_oidc)
        self.people = People(snapshot.admin_oidc, self._slow_down_visitor)
        self._rates = Rates(per_second=20.0, burst=60.0)
        self._turned_away = Rates(per_second=0.5, burst=20.0)
        # Apart: a console that isn't signed in yet is turned away a lot.
        self._signing_in = Rates(per_second=0.5, burst=20.0)

    def renew(self, snapshot: Snapshot) -> None:
        self.door = Door(snapshot.admin_keys, snapshot.admin_oidc)
        self.people.renew(snapshot.admin_oidc)

    async def admit(self, request: web.Request, role: Role) -> Caller:
        """Raises TurnedAway; HTTPTooManyRequests."""
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


def _problem(status: int, detail: str, pointer: str = "", headers: dict[str, str] | None = None) -> web.Response:
    told = problem.problem(status, detail, pointer)
    headers = {**HEADERS, **(headers or {})}
    return web.json_response(told, status=status, content_type=problem.CONTENT_TYPE, headers=headers)
