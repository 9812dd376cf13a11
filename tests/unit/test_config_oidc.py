"""[admin_oidc]: what it takes, and each way in which it can be wrong."""

from __future__ import annotations

import pytest

from edge.config.model import AdminOidc
from edge.config.read import Outcome, read
from edge.config.summary import summary, warnings

MINE = '[admin_oidc]\nissuer = "https://login.example/realms/ops/"\nviewer = ["*"]\n'


def outcome(text: str) -> Outcome:
    return read(text, {"SECRET": "s3cret"}, lambda name: b"", "farline.toml")


def test_everything_it_can_say() -> None:
    text = (
        MINE
        + 'audience = ["farline"]\nclient_id = "console"\nclient_secret = "env:SECRET"\nrole_claim = "realm.roles"\n'
        'console_url = "https://edge.example/farline"\nadmin = ["leads"]\nleeway_seconds = 5\njwks_seconds = 60\n'
        'session_seconds = 3600\nalgorithms = ["ES384"]\nscopes = ["openid", "groups"]\n'
    )
    snapshot = outcome(text).snapshot
    assert snapshot is not None
    oidc = snapshot.admin_oidc
    assert oidc.issuer == "https://login.example/realms/ops/"  # the slash is part of its name
    assert oidc.console_url == "https://edge.example/farline/"
    assert (oidc.leeway, oidc.jwks, oidc.session, oidc.algorithms) == (5, 60, 3600, ("ES384",))
    assert summary(snapshot)["admin_oidc"] == oidc.issuer


def test_people_open_an_admin_listener_as_keys_do() -> None:
    beyond = '[listen]\nadmin = "10.1.2.3:8081"\n'
    for text, is_told in ((beyond, True), (beyond + MINE + 'audience = ["x"]\n', False)):
        snapshot = outcome(text).snapshot
        assert snapshot is not None
        assert any("admin_key" in each for each in warnings(snapshot)) == is_told
    none = outcome("").snapshot
    assert none is not None
    assert none.admin_oidc == AdminOidc()


X = 'audience = ["x"]\n'
BOTH = "expected both client_id and console_url, or neither"
FAULTS = {
    MINE: "1: admin_oidc: audience is missing; expected audience, client_id, or both",
    '[admin_oidc]\nviewer = ["*"]\n' + X: "1: admin_oidc: issuer is missing; expected an issuer's URL",
    MINE.replace("https:", "http:") + X: 'ops/" is plain http to a public host',
    MINE.replace("https://login.example", "http://10.0.0.1") + X: 'ops" is plain http to another machine',
    MINE + 'client_id = "c"\n': f"1: admin_oidc: console_url is missing; {BOTH}",
    MINE + X + 'console_url = "https://edge.example"\n': f"1: admin_oidc: client_id is missing; {BOTH}",
    MINE + X + 'client_secret = "env:SECRET"\n': "5: admin_oidc.client_secret: is the secret of no client",
    '[admin_oidc]\nissuer = "http://localhost:9"\n'
    + X: "1: admin_oidc: viewer is missing; expected values of the role",
    MINE
    + X
    + 'algorithms = ["HS256"]\n': '5: admin_oidc.algorithms[0]: "HS256" is not one of them; expected "RS256" |',
    MINE + X + '[node]\nrole = "relay"\n': "1: admin_oidc: a relay's admin listener knows no issuers",
}


@pytest.mark.parametrize("text", FAULTS, ids=range(len(FAULTS)))
def test_what_is_wrong(text: str) -> None:
    told = [str(fault) for fault in outcome(text).faults]
    assert any(FAULTS[text] in each for each in told), told
