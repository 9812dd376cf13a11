"""Asks an OpenID provider: its metadata, its keys, and who a browser that came back is.

Keys are kept. They are asked for again now and then, and at once when a token names an unknown one, but never more
often than every few seconds: tokens come from anybody. While the provider doesn't answer, the known keys go on.
"""

from __future__ import annotations

import asyncio
import json
import logging
import ssl
from base64 import b64encode
from collections.abc import Callable, Mapping
from typing import Any
from urllib.parse import quote_plus

import aiohttp

from edge.config.model import AdminOidc
from edge.oidc.keys import SigningKey, signing_keys
from edge.oidc.people import Person, found, person
from edge.oidc.provider import Provider, discovery_url, provider
from edge.oidc.rejected import Rejected, UnknownKey, Unreachable
from edge.oidc.tokens import Claims, Rules, verified
from edge.oidc.visits import Begun, authorize_url, check_signed_in, code_of, token_form
from transport.aio.tasks import TaskOwner

log = logging.getLogger("farline.admin")

ANSWER_SECONDS = 5.0
RETRY_SECONDS = 10.0  # between two looks at the keys
_MOST_BYTES = 1024 * 1024


class Issuer:
    """One for each `[admin_oidc]`. `clock`: monotonic seconds; `utc`: seconds since the epoch; `tasks`: where keys are
    asked for while the known ones still serve."""

    def __init__(self, oidc: AdminOidc, clock: Callable[[], float], utc: Callable[[], float], tasks: TaskOwner) -> None:
        self.oidc = oidc
        self._clock = clock
        self._utc = utc
        audience = oidc.audience or (oidc.client_id,)
        self._rules = Rules(oidc.issuer, audience, oidc.algorithms, oidc.leeway)
        self._own = Rules(oidc.issuer, (oidc.client_id,), oidc.algorithms, oidc.leeway)
        self._tls = ssl.create_default_context(cafile=oidc.ca_file) if oidc.issuer.startswith("https:") else None
        self._provider: Provider | None = None
        self._keys: tuple[SigningKey, ...] = ()
        self._looked_at = self._asked_at = float("-inf")
        self._looking = asyncio.Lock()
        self._tasks = tasks

    async def whose(self, token: str) -> Person:
        """The person that a bearer token is of.

        Raises:
            Rejected: it isn't in order.
            Unreachable: it can't be told, because the provider never answered.
        """
        claims = await self._verified(token, self._rules)
        return person(claims, self.oidc, claims["exp"] + self.oidc.leeway)

    async def way_in(self, begun: Begun) -> str:
        """Where the browser goes. Raises Rejected, Unreachable."""
        return authorize_url(await self._ready(), self.oidc, begun)

    async def welcome(self, query: Mapping[str, str], begun: Begun, browser: str) -> Person:
        """Who it is that came back from the provider, for the length of a session. Raises Rejected, Unreachable."""
        known = await self._ready()
        told = await self._exchanged(known, begun, code_of(query, known, begun, browser))
        claims = await self._verified(str(told.get("id_token", "")), self._own)
        check_signed_in(claims, self.oidc, begun)
        if found(claims, self.oidc.role_claim) is None and known.people_url and told.get("access_token"):
            claims = await self._described(known, claims, str(told["access_token"]))
        return person(claims, self.oidc, self._utc() + self.oidc.session)

    async def _exchanged(self, known: Provider, begun: Begun, code: str) -> Mapping[str, Any]:
        form, login, secret = token_form(self.oidc, begun, code), None, self.oidc.client_secret
        if secret is not None and known.takes_basic:
            login = _basic(self.oidc.client_id, secret.value)
        elif secret is not None:
            form["client_secret"] = secret.value
        return await self._ask("POST", known.token_url, {"authorization": login} if login else {}, form)

    async def _described(self, known: Provider, claims: Claims, access_token: str) -> Claims:
        """With what the UserInfo endpoint adds: many providers put groups only there (OpenID Connect Core §5.3)."""
        told = await self._ask("GET", known.people_url, {"authorization": f"Bearer {access_token}"})
        if told.get("sub") != claims["sub"]:
            raise Rejected("the issuer describes another person")
        return {**told, **claims}

    async def _verified(self, token: str, rules: Rules) -> Claims:
        if self._clock() - self._looked_at > self.oidc.jwks and self._keys and self._may_ask():
            self._tasks.start(self._look_again(self._looked_at))
        if not self._keys:
            await self._ready()
        try:
            return verified(token, self._keys, rules, self._utc())
        except UnknownKey:
            await self._look_again(self._looked_at)
            return verified(token, self._keys, rules, self._utc())

    async def _ready(self) -> Provider:
        """The provider, asked if it is not known yet."""
        if self._provider is None:
            await self._look(self._looked_at)
        if self._provider is None:
            raise Unreachable(f"{self.oidc.issuer} didn't answer a moment ago")
        return self._provider

    async def _look_again(self, since: float) -> None:
        try:
            await self._look(since)
        except Unreachable as error:
            log.warning("OpenID keys of %s: %s; the known ones go on", self.oidc.issuer, error)

    async def _look(self, since: float) -> None:
        """Metadata and keys anew, unless somebody else did so after `since`, or has just tried."""
        async with self._looking:
            if self._looked_at > since or not self._may_ask():
                return
            self._asked_at = self._clock()
            told = await self._ask("GET", discovery_url(self.oidc.issuer))
            try:
                known = provider(self.oidc.issuer, told)
            except Rejected as rejected:
                raise Unreachable(str(rejected)) from None
            keys = signing_keys(await self._ask("GET", known.keys_url))
            if not keys:
                raise Unreachable("shows no key that tokens could be signed with")
            self._provider, self._keys, self._looked_at = known, keys, self._clock()

    def _may_ask(self) -> bool:
        return self._clock() - self._asked_at >= RETRY_SECONDS

    async def _ask(
        self, method: str, url: str, headers: Mapping[str, str] | None = None, form: Mapping[str, str] | None = None
    ) -> Mapping[str, Any]:
        """A JSON object. Raises Unreachable; or Rejected, if the answer to a form is no."""
        try:
            async with (
                aiohttp.ClientSession(
                    connector=aiohttp.TCPConnector(ssl=self._tls or True),
                    timeout=aiohttp.ClientTimeout(total=ANSWER_SECONDS),
                    headers={"accept": "application/json", **(headers or {})},
                ) as session,
                session.request(method, url, data=form, allow_redirects=False) as reply,
            ):
                body = await _body(reply)
                if form is not None and 400 <= reply.status < 500:
                    raise Rejected(f"the issuer refuses the code: {body[:200].decode('utf-8', 'replace')}")
                if reply.status != 200:
                    raise Unreachable(f"{url} answers {reply.status}")
                told = json.loads(body)
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError, RecursionError) as error:
            raise Unreachable(f"{url} doesn't answer: {str(error) or type(error).__name__}") from None
        if not isinstance(told, dict):
            raise Unreachable(f"{url} answers no JSON object")
        return told


async def _body(reply: aiohttp.ClientResponse) -> bytes:
    body = bytearray()
    async for chunk in reply.content.iter_any():
        body += chunk
        if len(body) > _MOST_BYTES:
            raise Unreachable(f"{reply.url} answers more than a megabyte")
    return bytes(body)


def _basic(id: str, secret: str) -> str:
    """RFC 6749 §2.3.1: both are encoded as in a form first."""
    return f"Basic {b64encode(f'{quote_plus(id)}:{quote_plus(secret)}'.encode()).decode()}"
