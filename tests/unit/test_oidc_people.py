"""Who somebody is by their claims; what a provider says of itself; sign-ins and sessions."""

from __future__ import annotations

from typing import Any
from urllib.parse import parse_qs, urlsplit

import pytest

from edge.config.model import AdminOidc
from edge.oidc.people import person, role, values
from edge.oidc.provider import Provider, discovery_url, provider
from edge.oidc.rejected import Rejected
from edge.oidc.visits import (
    Begun,
    Shelf,
    authorize_url,
    check_signed_in,
    code_of,
    cookie_name,
    origin,
    token_form,
)

ISSUER = "https://login.example/realms/ops"
OIDC = AdminOidc(
    issuer=ISSUER,
    client_id="console",
    console_url="https://edge.example/",
    viewer=("*",),
    operator=("netops",),
    admin=("leads", "root"),
)
BEGUN = Begun("state", "nonce", "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk", "browser")
KNOWN = Provider(ISSUER, "k", "https://login.example/auth", "https://login.example/token")


@pytest.mark.parametrize(
    ("claims", "found"),
    [
        ({"groups": ["netops", 7]}, {"netops"}),
        ({"groups": "net ops"}, {"net ops"}),
        ({"groups": {"netops": {}, "*": {}}}, {"netops"}),
        ({"groups": ["*"]}, set()),
        ({"groups": 7}, set()),
        ({}, set()),
    ],
    ids=str,
)
def test_what_a_claim_says(claims: dict[str, Any], found: set[str]) -> None:
    assert values(claims, "groups") == found


def test_claims_have_dots_in_their_names_or_between_them() -> None:
    assert values({"realm": {"roles": ["a"]}}, "realm.roles") == {"a"}
    assert values({"https://e.example/roles": ["a"]}, "https://e.example/roles") == {"a"}
    assert values({"realm": "x"}, "realm.roles") == set()
    assert values({"scp": "a b"}, "scp") == {"a", "b"}


def test_the_highest_role_counts() -> None:
    assert role({"groups": ["leads", "netops"]}, OIDC) == "admin"
    assert role({"groups": ["netops"]}, OIDC) == "operator"
    assert role({}, OIDC) == "viewer"
    assert role({"groups": "*"}, AdminOidc(operator=("netops",))) == ""


@pytest.mark.parametrize(
    ("claims", "name"),
    [
        ({"email": "ann@example.com"}, "ann@example.com"),
        ({"email": "ann@example.com", "email_verified": False, "preferred_username": "ann"}, "ann"),
        ({"upn": "ann@corp"}, "ann@corp"),
        ({"email": "", "preferred_username": 7}, "u1"),
        ({"email": "a\nb"}, "a?b"),
    ],
    ids=str,
)
def test_a_name_for_the_audit_log(claims: dict[str, Any], name: str) -> None:
    found = person({"sub": "u1", **claims}, OIDC, 9.0)
    assert (found.name, found.subject, found.issuer, found.until) == (name, "u1", ISSUER, 9.0)


def test_nobody_has_no_name() -> None:
    assert person({"sub": ""}, OIDC, 0.0).name == "?"


def metadata(**more: object) -> dict[str, object]:
    return {"issuer": ISSUER, "jwks_uri": "https://keys.example/jwks", **more}


def test_what_a_provider_says_of_itself() -> None:
    assert discovery_url("https://a.example/") == "https://a.example/.well-known/openid-configuration"
    told = provider(
        ISSUER,
        metadata(
            authorization_endpoint="https://login.example/auth",
            token_endpoint_auth_methods_supported=["client_secret_post"],
            authorization_response_iss_parameter_supported=True,
        ),
    )
    assert (told.keys_url, told.authorize_url) == ("https://keys.example/jwks", "https://login.example/auth")
    assert (told.token_url, told.takes_basic, told.names_itself) == ("", False, True)
    assert provider(ISSUER, metadata()).takes_basic


@pytest.mark.parametrize(
    ("document", "why"),
    [
        (metadata(issuer="https://evil.example"), "another issuer"),
        ({"issuer": ISSUER}, "no jwks_uri"),
        (metadata(jwks_uri=7), "no URL"),
        (metadata(token_endpoint="http://login.example/token"), "not https"),
    ],
    ids=str,
)
def test_a_provider_that_is_not_to_be_trusted(document: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        provider(ISSUER, document)


def test_on_this_machine_plain_http_will_do() -> None:
    here = "http://127.0.0.1:9"
    assert provider(here, {"issuer": here, "jwks_uri": f"{here}/jwks"}).keys_url == f"{here}/jwks"
    with pytest.raises(Rejected, match="not https"):
        provider(here, {"issuer": here, "jwks_uri": "http://other.example/jwks"})


def test_the_way_to_the_provider() -> None:
    url = urlsplit(authorize_url(KNOWN, OIDC, BEGUN))
    assert parse_qs(url.query) == {
        "response_type": ["code"],
        "client_id": ["console"],
        "redirect_uri": ["https://edge.example/console/signed-in"],
        "scope": ["openid profile email"],
        "state": ["state"],
        "nonce": ["nonce"],
        "code_challenge": ["E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM"],  # RFC 7636, appendix B
        "code_challenge_method": ["S256"],
    }
    assert "?tenant=1&response_type=" in authorize_url(Provider(ISSUER, "k", "https://l/a?tenant=1"), OIDC, BEGUN)
    assert token_form(OIDC, BEGUN, "c")["code_verifier"] == BEGUN.verifier


def test_the_answer_must_fit_the_question() -> None:
    assert code_of({"code": "c"}, KNOWN, BEGUN, "browser") == "c"
    assert code_of({}, KNOWN, BEGUN, "browser") == ""
    named = Provider(ISSUER, "k", names_itself=True)
    assert code_of({"code": "c", "iss": ISSUER}, named, BEGUN, "browser") == "c"
    for query, known, browser, why in (
        ({"code": "c"}, KNOWN, "another", "another browser"),
        ({"code": "c"}, named, "browser", "another issuer"),
        ({"code": "c", "iss": "https://evil.example"}, KNOWN, "browser", "another issuer"),
        ({"error": "access_denied", "error_description": "no"}, KNOWN, "browser", "access_denied: no"),
    ):
        with pytest.raises(Rejected, match=why):
            code_of(query, known, BEGUN, browser)


def test_the_token_must_fit_the_sign_in() -> None:
    check_signed_in({"nonce": "nonce"}, OIDC, BEGUN)
    check_signed_in({"nonce": "nonce", "azp": "console"}, OIDC, BEGUN)
    for claims, why in (({}, "another sign-in"), ({"nonce": "nonce", "azp": "x"}, "another client")):
        with pytest.raises(Rejected, match=why):
            check_signed_in(claims, OIDC, BEGUN)


def test_a_shelf_keeps_few_things_and_not_for_long() -> None:
    shelf: Shelf[str] = Shelf(most=2)
    for number in range(3):
        shelf.put(f"name-{number}", f"thing-{number}", 10.0)
    assert len(shelf) == 2
    assert shelf.get("name-0", 1.0) is None
    assert shelf.get("name-1", 1.0) == "thing-1"
    assert shelf.take("name-1", 1.0) == "thing-1"
    assert shelf.take("name-1", 1.0) is None
    assert shelf.get("name-2", 10.0) is None
    assert len(shelf) == 0
    shelf.put("x", "y", 10.0)
    shelf.clear()
    assert shelf.get("x", 1.0) is None
    assert "name" not in repr(shelf)


def test_cookies_are_each_console_s_own() -> None:
    assert cookie_name("session", "https://edge.example/").startswith("__Host-farline-session-")
    one, two = (cookie_name("session", f"http://127.0.0.1:{port}/") for port in (8081, 8082))
    assert one.startswith("farline-session-")
    assert one != two


@pytest.mark.parametrize(
    ("url", "found"),
    [
        ("https://Edge.example/x/", "https://edge.example"),
        ("https://edge.example:443/", "https://edge.example"),
        ("http://127.0.0.1:8081/", "http://127.0.0.1:8081"),
        ("http://[::1]:80/", "http://[::1]"),
    ],
)
def test_a_console_s_origin(url: str, found: str) -> None:
    assert origin(url) == found
