"""People for whom an OpenID provider vouches: by a token in a header, or signed in on the console. (Shell.)

The console signs in by way of this node, not by itself: the page never holds a token, and needs no other origin. The
browser gets a cookie that its scripts can't read and that no other site's page can use (HttpOnly, SameSite=Strict).
"""

from __future__ import annotations

import logging
import secrets
import time
from collections.abc import Callable

from aiohttp import web

from edge.config.model import AdminOidc
from edge.control.access import Asking, Caller, Role, TurnedAway, bearer, person_of
from edge.control.answers import HEADERS, json_reply
from edge.oidc.aio.issuer import Issuer
from edge.oidc.people import Person
from edge.oidc.rejected import Rejected, Unreachable
from edge.oidc.tokens import resembles
from edge.oidc.visits import BEGUN_SECONDS, CALLBACK, Begun, Sessions, Shelf, cookie_name, origin
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.admin")


class People:
    """`slow_down` takes a request's address and raises if it comes too often."""

    def __init__(self, oidc: AdminOidc, slow_down: Callable[[str], None]) -> None:
        self._slow_down = slow_down
        self._begun: Shelf[Begun] = Shelf()
        self._sessions: Sessions = Shelf()
        self._tasks = TaskOwner("openid")
        self._use(oidc)

    def renew(self, oidc: AdminOidc) -> None:
        """If it is another `[admin_oidc]`, whoever is signed in signs in again, by its rules."""
        if oidc != self._oidc:
            self._use(oidc)

    async def close(self) -> None:
        await self._tasks.close()

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/console/sign-in-ways", self._ways),
            web.get("/console/sign-in", self._sign_in),
            web.get(f"/{CALLBACK}", self._signed_in),
            web.post("/console/sign-out", self._sign_out),
        ]

    async def known(self, asking: Asking) -> Caller | None:
        """Who it is to the provider; None: nobody, so far as that can be seen.

        Raises:
            TurnedAway: what the request shows isn't in order, or gives no role.
        """
        issuer, token = self._issuer, bearer(asking.authorization)
        if issuer is None:
            return None
        if token is not None:
            return await self._of_token(issuer, token, asking) if resembles(token) else None
        person = None if asking.session is None else self._sessions.get(asking.session, time.time())
        return None if person is None else _caller(person, asking, by_session=True)

    async def _of_token(self, issuer: Issuer, token: str, asking: Asking) -> Caller:
        try:
            return _caller(await issuer.whose(token), asking)
        except Rejected as rejected:
            raise TurnedAway(401, str(rejected)) from None
        except Unreachable as error:
            log.warning("a token can't be judged: %s", error)
            raise TurnedAway(503, "the token's issuer can't be asked for its keys now") from None

    def cookie_of(self, request: web.Request) -> str | None:
        """The session that the browser shows."""
        return request.cookies.get(self._cookie("session")) if self._can_sign_in else None

    def is_signed_in(self, cookie: str | None) -> bool:
        return cookie is not None and self._sessions.get(cookie, time.time()) is not None

    def _use(self, oidc: AdminOidc) -> None:
        self._begun.clear()
        self._sessions.clear()
        self._issuer = Issuer(oidc, time.monotonic, time.time, self._tasks) if oidc.issuer else None
        self._oidc = oidc

    @property
    def _can_sign_in(self) -> bool:
        return bool(self._issuer and self._oidc.client_id)

    def _cookie(self, kind: str) -> str:
        return cookie_name(kind, self._oidc.console_url)

    async def _ways(self, request: web.Request) -> web.Response:
        """For the page that nobody is signed in on."""
        return json_reply({"issuer": self._oidc.issuer if self._can_sign_in else None})

    async def _sign_in(self, request: web.Request) -> web.Response:
        issuer = self._ready(request)
        begun = Begun(*(secrets.token_urlsafe(48) for _ in range(4)))
        try:
            way = await issuer.way_in(begun)
        except Unreachable as error:
            return self._back("silent", error)
        self._begun.put(begun.state, begun, time.time() + BEGUN_SECONDS)
        reply = _redirect(way)
        self._give(reply, "sign-in", begun.browser, BEGUN_SECONDS, "Lax")  # the provider's page sends the browser back
        return reply

    async def _signed_in(self, request: web.Request) -> web.Response:
        issuer, query = self._ready(request), dict(request.query)
        begun = self._begun.take(query.get("state", ""), time.time())
        if begun is None:
            return self._back("expired", "an answer to no sign-in that is known")
        try:
            person = await issuer.welcome(query, begun, request.cookies.get(self._cookie("sign-in"), ""))
        except Rejected as rejected:
            return self._back("refused", rejected)
        except Unreachable as error:
            return self._back("silent", error)
        if not person.role:
            return self._back("role", f"{person.name} ({person.subject}) has no role here")
        return self._let_in(person)

    def _let_in(self, person: Person) -> web.Response:
        session = secrets.token_urlsafe(32)
        self._sessions.put(session, person, person.until)
        log.info("%s (%s) signed in as %s", person.name, person.subject, person.role)
        reply = _redirect(self._oidc.console_url)
        self._give(reply, "session", session, self._oidc.session, "Strict")
        self._take(reply, "sign-in")
        return reply

    async def _sign_out(self, request: web.Request) -> web.Response:
        reply = json_reply({})
        if self._can_sign_in:
            if request.headers.get("origin") != origin(self._oidc.console_url):
                raise TurnedAway(403, "a page of another origin may not ask")
            self._sessions.take(self.cookie_of(request) or "", time.time())
            self._take(reply, "session")
        return reply

    def _ready(self, request: web.Request) -> Issuer:
        if not self._can_sign_in or self._issuer is None:
            raise web.HTTPNotFound(text="[admin_oidc] has no client_id: nobody signs in here")
        self._slow_down(request.remote or "")
        return self._issuer

    def _back(self, why: str, said: object) -> web.Response:
        """To the console, which tells why in its own words; the log has the details."""
        log.warning("nobody was signed in: %s", said)
        return _redirect(f"{self._oidc.console_url}#sign-in-{why}")

    def _give(self, reply: web.Response, kind: str, value: str, seconds: float, same_site: str) -> None:
        is_secure = self._oidc.console_url.startswith("https:")
        reply.set_cookie(
            self._cookie(kind), value, max_age=int(seconds), httponly=True, secure=is_secure, samesite=same_site
        )

    def _take(self, reply: web.Response, kind: str) -> None:
        is_secure = self._oidc.console_url.startswith("https:")
        reply.del_cookie(self._cookie(kind), secure=is_secure, httponly=True)


def _caller(person: Person, asking: Asking, *, by_session: bool = False) -> Caller:
    if not person.role:
        raise TurnedAway(403, f"{person.name} has no role here: none of [admin_oidc] viewer, operator, admin fits")
    return Caller(
        person.name,
        Role(person.role),
        asking.peer,
        person_of(asking),
        person.subject,
        person.issuer,
        person.until,
        by_session,
    )


def _redirect(url: str) -> web.Response:
    return web.Response(status=303, headers={**HEADERS, "location": url, "referrer-policy": "no-referrer"})
