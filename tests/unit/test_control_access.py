from __future__ import annotations

import hashlib
from dataclasses import replace

import pytest

from edge.config.model import AdminKey, AdminOidc
from edge.control.access import Asking, Caller, Door, Role, TurnedAway, bearer, is_here
from edge.control.problem import problem
from edge.control.rate import Rates

HERE = Asking("GET", "127.0.0.1", host="127.0.0.1:8081")
CHANGE = replace(HERE, method="PATCH", content_type="application/json")
OPEN = Door(())


def door(**tokens: str) -> Door:
    """By role: the token."""
    return Door([AdminKey(role, hashlib.sha256(token.encode()).hexdigest(), role) for role, token in tokens.items()])


def status(door: Door, asking: Asking, needs: Role = Role.VIEWER) -> int:
    try:
        door.admit(asking, needs)
    except TurnedAway as turned:
        return turned.status
    return 200


def test_roles_include_those_before() -> None:
    assert [Role.OPERATOR.includes(other) for other in Role] == [True, True, False]


def test_without_keys_callers_on_this_machine_may_everything() -> None:
    assert OPEN.admit(HERE, Role.ADMIN) == Caller("local", Role.ADMIN, "127.0.0.1")
    assert OPEN.admit(replace(CHANGE, person="ann"), Role.OPERATOR).person == "ann"
    assert OPEN.admit(Asking("GET", ""), Role.ADMIN) == Caller("local", Role.ADMIN, "unix")


@pytest.mark.parametrize("peer", ["10.0.0.9", "2001:db8::1", "::ffff:10.0.0.9", "nonsense"])
def test_without_keys_nobody_else_may_anything(peer: str) -> None:
    assert status(OPEN, replace(HERE, peer=peer)) == 403


def test_a_proxy_in_front_speaks_for_somebody_elsewhere() -> None:
    assert status(OPEN, replace(HERE, is_forwarded=True)) == 403


@pytest.mark.parametrize("host", ["localhost:8081", "LOCALHOST", "[::1]:8081", "127.9.9.9"])
def test_names_of_this_machine(host: str) -> None:
    assert status(OPEN, replace(HERE, host=host)) == 200


@pytest.mark.parametrize("host", [None, "", "evil.example:8081", "localhost.evil.example", "10.0.0.1:8081", "[::2]"])
def test_a_name_that_was_rebound_to_us(host: str | None) -> None:
    assert status(OPEN, replace(HERE, host=host)) == 421


@pytest.mark.parametrize(
    ("origin", "expected"),
    [
        (None, 200),
        ("http://127.0.0.1:8081", 200),
        ("https://127.0.0.1:8081", 200),
        ("http://127.0.0.1:3000", 403),
        ("https://evil.example", 403),
        ("null", 403),
    ],
)
def test_pages_of_other_origins(origin: str | None, expected: int) -> None:
    assert status(OPEN, replace(CHANGE, origin=origin), Role.OPERATOR) == expected


@pytest.mark.parametrize("kind", [None, "", "text/plain", "application/x-www-form-urlencoded", "multipart/form-data"])
def test_forms_change_nothing(kind: str | None) -> None:
    assert status(OPEN, replace(CHANGE, content_type=kind)) == 415
    assert status(door(admin="t"), replace(CHANGE, content_type=kind, authorization="Bearer t")) == 415
    assert status(OPEN, replace(CHANGE, content_type=kind, method="DELETE")) == 200


def test_json_may_name_its_charset() -> None:
    assert status(OPEN, replace(CHANGE, content_type="Application/JSON; charset=utf-8")) == 200


def test_with_keys_everybody_needs_one() -> None:
    keyed = door(viewer="v", operator="o", admin="a")
    assert status(keyed, HERE) == 401
    assert status(keyed, replace(HERE, authorization="Bearer x")) == 401
    assert status(keyed, replace(HERE, authorization="Basic v")) == 401
    far = Asking("GET", "10.0.0.9", host="edge.example", origin="https://console.example", authorization="Bearer v")
    assert keyed.admit(far, Role.VIEWER) == Caller("viewer", Role.VIEWER, "10.0.0.9")


@pytest.mark.parametrize(
    ("token", "allowed"), [("v", [Role.VIEWER]), ("o", [Role.VIEWER, Role.OPERATOR]), ("a", list(Role))]
)
def test_a_token_may_what_its_role_says(token: str, allowed: list[Role]) -> None:
    asking = replace(HERE, authorization=f"Bearer {token}")
    keyed = door(viewer="v", operator="o", admin="a")
    assert [role for role in Role if status(keyed, asking, role) == 200] == allowed
    assert {status(keyed, asking, role) for role in Role if role not in allowed} <= {403}


def test_bearer() -> None:
    assert bearer("bearer  abc ") == "abc"
    assert bearer("Bearer ") is None
    assert bearer(None) is None


def test_what_a_caller_says_of_itself_fits_a_log() -> None:
    assert OPEN.admit(replace(HERE, person="x" * 100), Role.VIEWER).person == "x" * 64
    assert OPEN.admit(replace(HERE, person="a\nb"), Role.VIEWER).person == ""


def test_here() -> None:
    assert [is_here(peer) for peer in ("", "127.0.0.1", "::1", "::ffff:127.0.0.1", "::2", "x")] == [
        *(True, True, True, True),
        *(False, False),
    ]


def test_local_callers_are_counted_by_address_and_others_by_key() -> None:
    assert Caller("local", Role.ADMIN, "unix").bucket == "local@unix"
    assert Caller("ann", Role.ADMIN, "10.0.0.1").bucket == "ann"


def test_rates() -> None:
    rates = Rates(per_second=2.0, burst=3.0)
    assert [rates.wait("a", 10.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]
    assert rates.wait("b", 10.0) == 0.0
    assert rates.wait("a", 10.25) == 0.25
    assert rates.wait("a", 10.5) == 0.0
    assert [rates.wait("a", 100.0) for _ in range(4)] == [0.0, 0.0, 0.0, 0.5]


def test_rates_of_many_callers_are_bounded() -> None:
    rates = Rates(per_second=1.0, burst=1.0, most=2)
    for caller in "abc":
        rates.wait(caller, 0.0)
    assert [rates.wait(caller, 0.0) for caller in "ba"] == [1.0, 0.0]


def test_problems() -> None:
    assert problem(404, "no line") == {
        "type": "about:blank",
        "title": "Not Found",
        "status": 404,
        "detail": "no line",
    }
    assert problem(400, "too much", "/weight")["errors"] == [{"pointer": "/weight", "detail": "too much"}]


OIDC = AdminOidc(issuer="https://login.example", client_id="console", console_url="https://edge.example/")
ANN = Caller("ann@example.com", Role.OPERATOR, "10.0.0.1", "", "u1", OIDC.issuer, 9.0)
SIGNED_IN = replace(ANN, by_session=True)


def test_people_of_a_provider_come_in_by_their_role() -> None:
    door = Door((), OIDC)
    asking = Asking("PATCH", "10.0.0.1", content_type="application/json")
    assert door.admit(asking, Role.OPERATOR, ANN) is ANN
    assert ANN.bucket == "u1 https://login.example"
    with pytest.raises(TurnedAway, match='takes the role "admin"'):
        door.admit(asking, Role.ADMIN, ANN)
    with pytest.raises(TurnedAway, match=r"send a token of https://login.example as"):
        door.admit(Asking("GET", "127.0.0.1", host="localhost"), Role.VIEWER)  # not even from here
    with pytest.raises(TurnedAway, match=r"\[\[admin_key\]\] or a token of"):
        Door((AdminKey("bob", "0" * 64),), OIDC).admit(Asking("GET", "127.0.0.1"), Role.VIEWER)


def test_a_key_is_a_key_even_if_it_looks_like_a_token() -> None:
    door = Door((AdminKey("bob", hashlib.sha256(b"a.b.c").hexdigest(), "admin"),), OIDC)
    asking = Asking("GET", "10.0.0.1", authorization="Bearer a.b.c")
    assert door.has_key(asking)
    assert door.admit(asking, Role.ADMIN).name == "bob"
    assert not door.has_key(replace(asking, authorization="Bearer x.y.z"))
    assert not door.has_key(replace(asking, authorization=None))


@pytest.mark.parametrize("method", ["POST", "PUT", "PATCH", "DELETE"])
@pytest.mark.parametrize("origin", [None, "null", "https://evil.example", "http://edge.example"])
def test_a_session_changes_nothing_from_another_page(method: str, origin: str | None) -> None:
    asking = Asking(method, "10.0.0.1", origin=origin, content_type="application/json")
    with pytest.raises(TurnedAway, match="another origin"):
        Door((), OIDC).admit(asking, Role.VIEWER, SIGNED_IN)
    own = replace(asking, origin="https://edge.example")
    assert Door((), OIDC).admit(own, Role.VIEWER, SIGNED_IN) is SIGNED_IN


def test_a_session_may_look_and_a_plain_form_may_not_change() -> None:
    door = Door((), OIDC)
    assert door.admit(Asking("GET", "10.0.0.1"), Role.VIEWER, SIGNED_IN) is SIGNED_IN
    with pytest.raises(TurnedAway, match="application/json"):
        door.admit(Asking("POST", "10.0.0.1", origin="https://edge.example"), Role.VIEWER, SIGNED_IN)
