"""Signing in on the console in a real Chromium: with a key, and by way of a real OpenID provider."""

from __future__ import annotations

import hashlib
import json
import re
import urllib.request
from collections.abc import Iterator
from typing import Any

import pytest
from playwright.sync_api import Browser, BrowserContext, Page, expect

from tests.support.browsers import FEW_SECONDS, chromium, serious, shoot
from tests.support.nodes import Edge, Provider, config
from tests.support.openid_provider import OpenIdProvider
from tests.support.servers import free_port

KEY = f'[[admin_key]]\nid = "ann"\nrole = "operator"\nsha256 = "{hashlib.sha256(b"fla-ann").hexdigest()}"\n'


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as made:
        yield made


@pytest.fixture
def window(browser: Browser) -> Iterator[BrowserContext]:
    made = browser.new_context(locale="en-GB")
    yield made
    made.close()


def change(edge: Edge, token: str, weight: float) -> None:
    headers = {"content-type": "application/json", "authorization": f"Bearer {token}"}
    body = json.dumps({"weight": weight}).encode()
    asked = urllib.request.Request(f"{edge.admin_url}/api/v1/lines/cmi", body, headers, method="PATCH")
    with urllib.request.urlopen(asked, timeout=20) as reply:
        assert reply.status == 200


def test_with_a_key(window: BrowserContext) -> None:
    with Provider() as provider, Edge(config(provider.url, extra=KEY)) as edge:
        page = window.new_page()
        page.goto(edge.admin_url)
        field = page.get_by_label("Admin key")
        expect(field).to_be_focused(timeout=FEW_SECONDS)
        assert serious(page) == []
        expect(page.get_by_role("link", name="Sign in with")).to_have_count(0)
        field.fill("wrong")
        page.keyboard.press("Enter")
        expect(page.get_by_role("alert")).to_contain_text("not known", timeout=FEW_SECONDS)
        page.get_by_label("Admin key").fill("fla-ann")
        page.keyboard.press("Enter")
        expect(page.locator("#verdict")).to_contain_text("lines are fine", timeout=FEW_SECONDS)
        assert "fla-ann" not in page.url
        change(edge, "fla-ann", 33)
        page.get_by_role("link", name="Events").click()
        expect(page.locator("ol.events")).to_contain_text("ann: set cmi", timeout=FEW_SECONDS)
        page.get_by_role("button", name="Sign out").click()
        expect(page.get_by_label("Admin key")).to_be_visible(timeout=FEW_SECONDS)


@pytest.fixture(scope="module")
def people() -> Iterator[tuple[OpenIdProvider, str]]:
    """A provider, and the URL of a node's console whose people it knows."""
    console = f"http://localhost:{free_port()}/"  # another site than the provider's 127.0.0.1
    with OpenIdProvider(console) as issuer, Provider() as provider:
        oidc = (
            f'[admin_oidc]\nissuer = "{issuer.issuer}"\nclient_id = "console"\nconsole_url = "{console}"\n'
            'scopes = ["openid", "email", "groups"]\noperator = ["netops"]\nviewer = ["readers"]\n'
        )
        text = config(provider.url, extra=KEY + oidc)
        text = text.replace('admin = "127.0.0.1:0"', f'admin = "{console.removeprefix("http://").rstrip("/")}"')
        with Edge(text):
            yield issuer, console


def sign_in(page: Page, console: str, name: str) -> None:
    page.goto(console)
    page.get_by_role("link", name="Sign in with 127.0.0.1").click(timeout=FEW_SECONDS)
    page.locator("input[name=login]").fill(name, timeout=FEW_SECONDS)
    page.locator("input[name=password]").fill("any")
    page.locator("button[type=submit]").click()
    page.get_by_role("button", name="Continue").click(timeout=FEW_SECONDS)  # agrees
    page.wait_for_url(f"{console}**", timeout=FEW_SECONDS)


def session_cookie(window: BrowserContext) -> Any:
    return next(each for each in window.cookies() if "session" in each["name"] and "farline" in each["name"])


def test_by_an_openid_provider(window: BrowserContext, people: tuple[OpenIdProvider, str]) -> None:
    _, console = people
    page = window.new_page()
    said: list[str] = []
    page.on("pageerror", lambda error: said.append(str(error)))
    page.goto(console)
    expect(page.get_by_role("link", name="Sign in with 127.0.0.1")).to_be_focused(timeout=FEW_SECONDS)
    expect(page.get_by_label("Admin key")).to_be_visible()  # beside it
    assert serious(page) == []
    shoot(page, "sign-in")
    sign_in(page, console, "netops-ann")
    expect(page.locator("#verdict")).to_contain_text("lines are fine", timeout=FEW_SECONDS)
    expect(page.locator("header")).to_contain_text("netops-ann@example.com, operator")
    shoot(page, "signed-in")
    cookie = session_cookie(window)
    assert (cookie["httpOnly"], cookie["sameSite"]) == (True, "Strict")
    stores = page.evaluate("JSON.stringify([document.cookie, {...sessionStorage}, {...localStorage}])")
    assert cookie["value"] not in stores
    assert "eyJ" not in stores  # no token, either
    page.get_by_role("region", name="Line cmi").get_by_role("button", name="Drain").click()
    page.get_by_role("dialog").get_by_role("button", name="Drain").click()
    expect(page.locator("#verdict")).to_contain_text("cmi is draining by hand", timeout=FEW_SECONDS)
    page.get_by_role("link", name="Events").click()
    expect(page.locator("ol.events")).to_contain_text("netops-ann@example.com: drained cmi", timeout=FEW_SECONDS)
    page.reload()
    expect(page.locator("#verdict")).to_contain_text("cmi is draining", timeout=FEW_SECONDS)
    page.get_by_role("button", name="Sign out").click()
    expect(page.get_by_role("link", name="Sign in with 127.0.0.1")).to_be_visible(timeout=FEW_SECONDS)
    window.add_cookies([cookie])  # somebody kept it
    page.reload()
    expect(page.get_by_role("link", name="Sign in with 127.0.0.1")).to_be_visible(timeout=FEW_SECONDS)
    assert said == []


FETCH = """async ([url, mode, method, type]) => {
  try {
    const headers = type ? {"content-type": type} : {};
    const body = method === "POST" ? "{}" : undefined;
    return await (await fetch(url, {method, mode, headers, body, credentials: "include"})).text();
  } catch { return "kept out"; }
}"""


@pytest.fixture
def foreign_page() -> Iterator[str]:
    with Provider() as other:
        yield other.control_url.replace("127.0.0.1", "localhost")


def test_another_page_can_do_nothing_with_a_session(
    window: BrowserContext, people: tuple[OpenIdProvider, str], foreign_page: str
) -> None:
    """A page on another port of the same host is of the same site: it gets the cookie along, and no further."""
    _, console = people
    page = window.new_page()
    sign_in(page, console, "netops-bob")
    expect(page.locator("#verdict p").first).to_be_visible(timeout=FEW_SECONDS)
    other = window.new_page()
    other.goto(f"{foreign_page}/_sim/counters")
    for method, type, path in (
        ("POST", "application/json", "api/v1/lines/cn2/drain"),
        ("POST", "text/plain", "api/v1/lines/cn2/drain"),
        ("DELETE", None, "api/v1/controls"),
        ("GET", None, "api/v1/config"),
    ):
        assert other.evaluate(FETCH, [console + path, "cors", method, type]) == "kept out", (method, type)
    with other.expect_response(lambda reply: reply.url.startswith(console)) as blind:
        other.evaluate(FETCH, [f"{console}api/v1/lines/cn2/drain", "no-cors", "POST", "text/plain"])
    assert blind.value.status == 415  # not 401: the cookie went along


def test_who_has_no_role_is_told_so(window: BrowserContext, people: tuple[OpenIdProvider, str]) -> None:
    _, console = people
    page = window.new_page()
    sign_in(page, console, "guests-eve")
    expect(page.get_by_role("alert")).to_contain_text("have no role on this node", timeout=FEW_SECONDS)
    assert page.url == console
    page.get_by_label("Admin key").fill("fla-ann")
    page.keyboard.press("Enter")
    expect(page.locator("#verdict")).to_contain_text(re.compile("cmi|lines"), timeout=FEW_SECONDS)
