"""The admin API with tokens of a real OpenID provider: who is let in, keys that change, a provider that is gone."""

from __future__ import annotations

import asyncio
import base64
import hmac
import http.cookies
import json
from collections.abc import AsyncIterator, Iterator
from time import time
from typing import Any
from urllib.parse import parse_qs, urlsplit

import aiohttp
import jwt
import pytest
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

from edge.config.model import AdminOidc, Secret
from edge.oidc.aio import issuer as module
from edge.oidc.aio.issuer import Issuer
from edge.oidc.rejected import Rejected, Unreachable
from edge.oidc.visits import Begun
from tests.shell.test_admin_api import TEXT, Client, client_of
from tests.support.openid_provider import OpenIdProvider
from tests.support.servers import free_port
from transport.aio.tasks import TaskOwner

BEGUN = Begun("state", "nonce", "v" * 43, "browser")


@pytest.fixture(scope="module")
def provider() -> Iterator[OpenIdProvider]:
    with OpenIdProvider() as started:
        yield started


def section(provider: OpenIdProvider, more: str = "") -> str:
    return (
        f'[admin_oidc]\nissuer = "{provider.issuer}"\naudience = ["urn:farline"]\nleeway_seconds = 0\n'
        f'viewer = ["readers"]\noperator = ["netops"]\nadmin = ["leads"]\n{more}'
    )


@pytest.fixture
async def client(provider: OpenIdProvider) -> AsyncIterator[Client]:
    async with client_of(TEXT + section(provider)) as made:
        yield made


def bearer(token: str) -> dict[str, str]:
    return {"authorization": f"Bearer {token}"}


async def test_roles_come_from_the_token(client: Client, provider: OpenIdProvider) -> None:
    for machine, read, change, audit in (
        ("readers", 200, 403, 403),
        ("netops", 200, 200, 403),
        ("leads", 200, 200, 200),
        ("strangers", 403, 403, 403),
    ):
        headers = bearer(await asyncio.to_thread(provider.token, machine))
        await client.ask("GET", "/api/v1/lines", status=read, headers=headers)
        await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 50}, status=change, headers=headers)
        await client.ask("GET", "/api/v1/audit", status=audit, headers=headers)
    told = await client.ask("GET", "/api/v1/lines", status=401)
    assert provider.issuer in told["detail"]


async def test_every_algorithm_and_who_it_was(client: Client, provider: OpenIdProvider) -> None:
    for resource in ("urn:farline", "urn:farline:es256", "urn:farline:eddsa"):
        headers = bearer(await asyncio.to_thread(provider.token, "leads", resource))
        told = await client.ask("GET", "/api/v1/session", headers=headers)
        assert told.pop("until").endswith("Z")
        assert told == {
            "name": "leads",
            "role": "admin",
            "issuer": provider.issuer,
            "subject": "leads",
            "signed_in": False,
        }
    await client.ask("PATCH", "/api/v1/lines/cn2", {"weight": 7}, headers=headers)
    (entry,) = (await client.ask("GET", "/api/v1/audit", headers=headers))["entries"]
    assert (entry["who"], entry["subject"], entry["issuer"]) == ("leads", "leads", provider.issuer)


def forged(token: str, provider: OpenIdProvider, algorithm: str) -> str:
    """The token with another algorithm: unsigned, or with the public key as the secret."""
    _, body, _ = token.split(".")
    told = {**jwt.get_unverified_header(token), "alg": algorithm}
    text = f"{base64.urlsafe_b64encode(json.dumps(told).encode()).rstrip(b'=').decode()}.{body}"
    key: Any = next(each for each in provider.shown() if each["kid"] == told["kid"])
    public = jwt.PyJWK(key).key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    signature = hmac.digest(public, text.encode(), "sha256") if algorithm == "HS256" else b""
    return f"{text}.{base64.urlsafe_b64encode(signature).rstrip(b'=').decode()}"


def tampered(token: str) -> str:
    header, body, signature = token.split(".")
    claims = json.loads(base64.urlsafe_b64decode(body + "=="))
    claims["groups"] = ["leads"]
    return f"{header}.{base64.urlsafe_b64encode(json.dumps(claims).encode()).rstrip(b'=').decode()}.{signature}"


async def test_tokens_that_are_not_in_order(client: Client, provider: OpenIdProvider) -> None:
    good = await asyncio.to_thread(provider.token, "netops")
    short = await asyncio.to_thread(provider.token, "netops", "urn:farline:short")
    elsewhere = await asyncio.to_thread(provider.token, "netops", "urn:elsewhere")
    await asyncio.sleep(1.2)
    for token, why in (
        (short, "expired"),
        (elsewhere, "udience"),
        (forged(good, provider, "none"), "none are not taken"),
        (forged(good, provider, "HS256"), "HS256 are not taken"),
        (tampered(good), "ignature"),
        (good + "A", "can be read|ignature|not in order"),
        ("a.b.c", "can be read"),
        ("fla-unknown", "not known here"),
    ):
        told = await client.ask("GET", "/api/v1/lines", status=401, headers=bearer(token))
        assert any(part in told["detail"] for part in why.split("|")), told
    await client.ask("GET", "/api/v1/lines", headers=bearer(good))


class Clock:
    def __init__(self) -> None:
        self.now = 1000.0

    def __call__(self) -> float:
        return self.now


def issuer_of(provider: OpenIdProvider, clock: Clock, **more: Any) -> Issuer:
    oidc = AdminOidc(issuer=provider.issuer, audience=("urn:farline",), operator=("netops",), **more)
    return Issuer(oidc, clock, time, TaskOwner("openid"))


async def test_keys_change_and_the_new_one_is_asked_for_once(monkeypatch: pytest.MonkeyPatch) -> None:
    with OpenIdProvider() as provider:
        clock = Clock()
        issuer = issuer_of(provider, clock)
        old = provider.token()
        assert (await issuer.whose(old)).role == "operator"
        provider.rotate()
        new = provider.token()
        with pytest.raises(Rejected, match="doesn't show"):  # asked a moment ago
            await issuer.whose(new)
        clock.now += module.RETRY_SECONDS
        asked: list[str] = []
        ask = issuer._ask

        async def counted(method: str, url: str, *more: Any) -> Any:
            asked.append(url)
            return await ask(method, url, *more)

        monkeypatch.setattr(issuer, "_ask", counted)
        people = await asyncio.gather(*(issuer.whose(new) for _ in range(20)))
        assert {each.subject for each in people} == {"netops"}
        assert len(asked) == 2  # metadata and keys, for all of them
        with pytest.raises(Rejected, match="doesn't show"):
            await issuer.whose(old)


async def test_a_provider_that_is_gone_keeps_nobody_out_whose_key_is_known() -> None:
    clock = Clock()
    with OpenIdProvider() as provider:
        issuer = issuer_of(provider, clock, jwks=100.0)
        token = provider.token()
        await issuer.whose(token)
        provider.stop()
        clock.now += 1000.0
        assert (await issuer.whose(token)).role == "operator"  # and asks for its keys behind the scenes, in vain
        await asyncio.sleep(0.2)
        assert (await issuer.whose(token)).role == "operator"
        fresh = issuer_of(provider, clock)
        for _ in range(2):
            with pytest.raises(Unreachable):
                await fresh.whose(token)
        provider.start()
        clock.now += 1000.0
        assert (await fresh.whose(provider.token())).role == "operator"
        await issuer._tasks.close()


async def test_without_its_provider_a_node_says_so_and_keys_go_on(provider: OpenIdProvider) -> None:
    token = await asyncio.to_thread(provider.token)
    gone = section(provider).replace(str(provider.port), str(free_port()))
    async with client_of(TEXT + gone) as client:
        told = await client.ask("GET", "/api/v1/lines", status=503, headers=bearer(token))
        assert "can't be asked" in told["detail"]


async def visit(session: aiohttp.ClientSession, provider: OpenIdProvider, name: str, start: str) -> str:
    """What a browser does at the provider: types a name, agrees; where it is sent back to."""
    url = start
    for _ in range(12):
        async with session.get(url, allow_redirects=False) as reply:
            page, url = await reply.text(), reply.headers.get("location", url)
            if reply.status == 200:
                form = {"prompt": "login", "login": name, "password": "x"} if 'name="login"' in page else {}
                action = page.split('action="')[1].split('"')[0]
                form = form or {"prompt": "consent"}
                async with session.post(action, data=form, allow_redirects=False) as sent:
                    url = sent.headers["location"]
        if url.startswith("/"):
            url = provider.issuer + url
        if not url.startswith(provider.issuer):
            return url
    raise AssertionError("never sent back")


SCOPES = ("openid", "email", "groups")


async def test_a_client_with_a_secret_exchanges_its_code() -> None:
    console = f"http://127.0.0.1:{free_port()}/"
    with OpenIdProvider(console) as provider:
        client = {"client_id": "console with a secret", "client_secret": Secret("env:X", "it's a secret: + and %")}
        issuer = issuer_of(provider, Clock(), console_url=console, scopes=SCOPES, **client)
        async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as session:
            back = await visit(session, provider, "netops-ann", await issuer.way_in(BEGUN))
        query = {name: values[0] for name, values in parse_qs(urlsplit(back).query).items()}
        with pytest.raises(Rejected, match="another browser"):
            await issuer.welcome(query, BEGUN, "other")
        person = await issuer.welcome(query, BEGUN, "browser")
        assert (person.name, person.role) == ("netops-ann@example.com", "operator")
        with pytest.raises(Rejected, match="refuses the code"):  # it was used
            await issuer.welcome(query, BEGUN, "browser")


async def test_signing_in_by_the_console() -> None:
    port = free_port()
    console = f"http://127.0.0.1:{port}/"
    with OpenIdProvider(console) as provider:
        more = f'client_id = "console"\nconsole_url = "{console}"\nscopes = {json.dumps(SCOPES)}\n'
        text = TEXT.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{port}"')
        async with client_of(text + section(provider, more)) as client:
            await _sign_in_and_out(client, provider, console)


async def _sign_in_and_out(client: Client, provider: OpenIdProvider, console: str) -> None:
    jar = aiohttp.CookieJar(unsafe=True)
    own = {"origin": console.rstrip("/"), "content-type": "application/json"}
    async with aiohttp.ClientSession(cookie_jar=jar) as browser:
        async with browser.get(f"{console}console/sign-in-ways") as reply:
            assert await reply.json() == {"issuer": provider.issuer}
        async with browser.get(f"{console}console/sign-in", allow_redirects=False) as reply:
            assert reply.status == 303
            way = reply.headers["location"]
            given = next(iter(http.cookies.SimpleCookie(reply.headers["set-cookie"]).values()))
            assert given["httponly"]
            assert given["samesite"] == "Lax"
        back = await visit(browser, provider, "netops-ann", way)
        async with aiohttp.ClientSession() as other, other.get(back, allow_redirects=False) as reply:
            assert reply.headers["location"] == f"{console}#sign-in-refused"  # it is another browser
        async with browser.get(back, allow_redirects=False) as reply:
            assert reply.headers["location"] == f"{console}#sign-in-expired"  # that was its only use
        async with browser.get(f"{console}console/sign-in", allow_redirects=False) as reply:
            way = reply.headers["location"]
        back = await visit(browser, provider, "netops-ann", way)
        async with browser.get(back, allow_redirects=False) as reply:
            assert reply.headers["location"] == console
            (cookie,) = [each for each in reply.headers.getall("set-cookie") if "session" in each]
            assert "HttpOnly" in cookie
            assert "SameSite=Strict" in cookie
        async with browser.get(f"{console}api/v1/session") as reply:
            told = await reply.json()
            assert (told["name"], told["role"], told["signed_in"]) == ("netops-ann@example.com", "operator", True)
        change = json.dumps({"weight": 9})
        for headers, status in (
            ({**own, "origin": "http://127.0.0.1:1"}, 403),
            ({"content-type": "application/json"}, 403),
            ({**own, "content-type": "text/plain"}, 415),
            (own, 200),
        ):
            async with browser.patch(f"{console}api/v1/lines/cn2", data=change, headers=headers) as reply:
                assert reply.status == status, await reply.text()
        async with browser.delete(f"{console}api/v1/pins?subject=*") as reply:
            assert reply.status == 403
        async with browser.post(f"{console}console/sign-out", headers={"origin": "http://127.0.0.1:1"}) as reply:
            assert reply.status == 403
        stream = await browser.get(f"{console}api/v1/events", headers={"accept": "text/event-stream"})
        assert await stream.content.readline() == b": farline events\n"
        kept = {each.key: each.value for each in jar}
        async with browser.get(f"{console}api/v1/session", cookies=kept) as reply:
            assert reply.status == 200
        async with browser.post(f"{console}console/sign-out", headers=own) as reply:
            assert reply.status == 200
        client.node.admin.events.wake()
        await asyncio.wait_for(stream.read(), 20)  # who has signed out hears no more
        async with browser.get(f"{console}api/v1/session", cookies=kept) as reply:
            assert reply.status == 401
    await _strangers(client, provider, console)


async def _strangers(client: Client, provider: OpenIdProvider, console: str) -> None:
    """Known to the provider, but not to us."""
    async with aiohttp.ClientSession(cookie_jar=aiohttp.CookieJar(unsafe=True)) as browser:
        async with browser.get(f"{console}console/sign-in", allow_redirects=False) as reply:
            way = reply.headers["location"]
        back = await visit(browser, provider, "guests-eve", way)
        async with browser.get(back, allow_redirects=False) as reply:
            assert reply.headers["location"] == f"{console}#sign-in-role"
        async with browser.get(f"{console}console/signed-in?state=x", allow_redirects=False) as reply:
            assert reply.headers["location"] == f"{console}#sign-in-expired"


async def test_nobody_signs_in_where_that_is_not_configured(client: Client) -> None:
    async with client.session.get(client.url + "/console/sign-in-ways") as reply:
        assert await reply.json() == {"issuer": None}
    for path in ("/console/sign-in", "/console/signed-in"):
        async with client.session.get(client.url + path) as reply:
            assert reply.status == 404
