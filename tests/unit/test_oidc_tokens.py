"""Which tokens are taken: every way in which one can be wrong, with real keys."""

from __future__ import annotations

import base64
import hmac
import json
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from hypothesis import given
from hypothesis import strategies as st
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm

from edge.oidc.keys import SigningKey, choose, signing_keys
from edge.oidc.rejected import Rejected, UnknownKey
from edge.oidc.tokens import Rules, resembles, verified

NOW = 1_800_000_000.0
RSA = rsa.generate_private_key(65537, 2048)
SMALL = rsa.generate_private_key(65537, 1024)
P256, P384 = ec.generate_private_key(ec.SECP256R1()), ec.generate_private_key(ec.SECP384R1())
ED = ed25519.Ed25519PrivateKey.generate()
RULES = Rules("https://login.example", ("farline",), ("RS256", "ES256", "EdDSA"), 30.0)
CLAIMS = {"iss": RULES.issuer, "aud": "farline", "sub": "u1", "iat": NOW - 10, "exp": NOW + 60}


def shown(key: Any, algorithm: Any, **more: object) -> dict[str, Any]:
    return {**algorithm.to_jwk(key.public_key(), as_dict=True), **more}


KEYS = signing_keys(
    {
        "keys": [
            shown(RSA, RSAAlgorithm, kid="r", alg="RS256", use="sig"),
            shown(P256, ECAlgorithm, kid="e"),
            shown(ED, OKPAlgorithm, kid="d"),
        ]
    }
)


def token(key: Any = RSA, algorithm: str = "RS256", headers: dict[str, Any] | None = None, **claims: object) -> str:
    told = {name: value for name, value in {**CLAIMS, **claims}.items() if value is not None}
    return jwt.encode(told, key, algorithm, headers={"kid": "r"} if headers is None else headers)


def check(text: str, rules: Rules = RULES, now: float = NOW) -> Any:
    return verified(text, KEYS, rules, now)


def test_what_is_in_order_is_taken() -> None:
    assert check(token())["sub"] == "u1"
    assert check(token(P256, "ES256", {"kid": "e"}))["sub"] == "u1"
    assert check(token(ED, "EdDSA", {"kid": "d", "typ": "at+JWT"}))["sub"] == "u1"
    assert check(token(aud=["other", "farline"]))["aud"] == ["other", "farline"]
    assert check(token(headers={}))["sub"] == "u1"  # the only key for RS256


@pytest.mark.parametrize(
    ("claims", "why"),
    [
        ({"exp": NOW - 30}, "expired"),
        ({"exp": None}, "exp"),
        ({"exp": "never"}, "exp is no time"),
        ({"exp": True}, "exp is no time"),
        ({"exp": 1e300}, "exp is no time"),
        ({"iat": NOW + 31}, "not valid yet"),
        ({"iat": None}, "iat"),
        ({"nbf": NOW + 31}, "not valid yet"),
        ({"iss": "https://login.example/"}, "ssuer"),
        ({"iss": None}, "iss"),
        ({"aud": "elsewhere"}, "udience"),
        ({"aud": None}, "aud"),
        ({"sub": None}, "sub"),
        ({"sub": 7}, "ubject"),
    ],
    ids=str,
)
def test_claims_that_are_wrong(claims: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        check(token(**claims))


def test_clocks_may_differ_a_little() -> None:
    assert check(token(exp=NOW - 29))
    assert check(token(iat=NOW + 29, nbf=NOW + 29))


@pytest.mark.parametrize(
    ("headers", "why"),
    [
        ({"kid": "r", "crit": ["urn:x"], "urn:x": 1}, "can be read"),
        ({"kid": "r", "typ": "logout+jwt"}, "another purpose"),
        ({"kid": "gone"}, "doesn't show"),
        ({"kid": "e"}, "doesn't show"),  # a key of another algorithm
    ],
    ids=str,
)
def test_headers_that_are_wrong(headers: dict[str, object], why: str) -> None:
    with pytest.raises(Rejected, match=why):
        check(token(headers=headers))


def forged(algorithm: str, sign: Any) -> str:
    """A token made by hand, as an attacker does: libraries refuse to."""
    parts = [{"alg": algorithm, "typ": "JWT", "kid": "r"}, CLAIMS]
    text = ".".join(base64.urlsafe_b64encode(json.dumps(each).encode()).rstrip(b"=").decode() for each in parts)
    return f"{text}.{base64.urlsafe_b64encode(sign(text.encode())).rstrip(b'=').decode()}"


def test_nobody_signs_with_nothing_or_with_the_public_key() -> None:
    public = RSA.public_key().public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo)
    for algorithm in ("none", "None", ""):
        with pytest.raises(Rejected, match="are not taken"):
            check(forged(algorithm, lambda _: b""))
    hs256 = forged("HS256", lambda text: hmac.digest(public, text, "sha256"))
    with pytest.raises(Rejected, match="are not taken"):
        check(hs256)
    with pytest.raises(UnknownKey):  # not even if somebody allowed it
        check(hs256, Rules(RULES.issuer, RULES.audience, ("HS256",)))


def test_another_signature_or_another_content() -> None:
    head, body, signature = token().split(".")
    changed = base64.urlsafe_b64encode(json.dumps({**CLAIMS, "sub": "root"}).encode()).rstrip(b"=").decode()
    with pytest.raises(Rejected, match="ignature"):
        check(f"{head}.{changed}.{signature}")
    with pytest.raises(Rejected, match="ignature"):
        check(token(rsa.generate_private_key(65537, 2048)))
    with pytest.raises(Rejected, match="ignature"):
        check(f"{head}.{body}.")


@given(st.text(max_size=60) | st.from_regex(r"[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}\.[A-Za-z0-9_-]{0,20}"))
def test_garbage_is_rejected_and_nothing_worse(text: str) -> None:
    with pytest.raises(Rejected):
        check(text)


def test_tokens_are_told_from_keys() -> None:
    assert resembles(token())
    assert not resembles("fla-3f2a9c")


def test_keys_that_are_not_for_signatures_are_passed_over() -> None:
    others: list[Any] = [
        shown(RSA, RSAAlgorithm, kid="enc", use="enc"),
        shown(RSA, RSAAlgorithm, kid="oaep", alg="RSA-OAEP"),
        shown(RSA, RSAAlgorithm, kid=7),
        shown(SMALL, RSAAlgorithm, kid="small"),
        {"kty": "oct", "kid": "hmac", "k": "c2VjcmV0", "alg": "HS256"},
        {"kty": "EC", "kid": "odd", "crv": "P-256", "x": "AA", "y": "AA"},
        {"kty": "EC", "kid": "unknown", "crv": "secp256k1"},
        {"kty": "RSA", "kid": "empty"},
        "no object",
    ]
    assert signing_keys({"keys": others}) == ()
    assert signing_keys({"keys": {}}) == signing_keys({}) == ()


def test_a_private_key_shown_by_mistake_is_taken_as_public() -> None:
    (key,) = signing_keys({"keys": [RSAAlgorithm.to_jwk(RSA, as_dict=True)]})
    assert isinstance(key.public, rsa.RSAPublicKey)


def test_a_curve_is_for_its_algorithm_alone() -> None:
    (key,) = signing_keys({"keys": [shown(P384, ECAlgorithm, kid="x")]})
    assert key.algorithms == {"ES384"}
    assert choose([key], "x", "ES256") is None


def test_without_an_id_the_key_must_be_the_only_one() -> None:
    one, two = (SigningKey(id, frozenset(("RS256",)), None) for id in ("a", "b"))
    assert choose([one], None, "RS256") is one
    assert choose([one, two], None, "RS256") is None
    assert choose([one, two], "b", "RS256") is two
    assert choose([], "b", "RS256") is None
