"""A JSON Web Token (RFC 7519) checked: signature, algorithm, issuer, audience, time, purpose (RFC 8725).

The signature is the library's business; the time is checked here, because `utc` is an argument.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import jwt

from edge.oidc.keys import SigningKey, choose
from edge.oidc.rejected import Rejected, UnknownKey

Claims = Mapping[str, Any]
_TYPES = ("jwt", "at+jwt", "application/at+jwt")  # RFC 9068 §2.1; others are for other purposes
_NEEDED = ["exp", "iat", "iss", "sub", "aud"]


@dataclass(frozen=True, slots=True)
class Rules:
    """What a token must satisfy. `leeway`: seconds that clocks may differ."""

    issuer: str
    audience: tuple[str, ...]
    algorithms: tuple[str, ...]
    leeway: float = 0.0


def resembles(token: str) -> bool:
    """Has it the three parts of a signed JWT? Keys that `farline keys new` makes have not."""
    return token.count(".") == 2


def verified(token: str, keys: Iterable[SigningKey], rules: Rules, utc: float) -> Claims:
    """The claims of a token that is in order. `utc`: now, seconds since the epoch.

    Raises:
        UnknownKey: none of the keys signed it.
        Rejected: something else is wrong.
    """
    algorithm, id = _header(token, rules)
    key = choose(keys, id, algorithm)
    if key is None:
        raise UnknownKey("the token is signed with a key that its issuer doesn't show")
    try:
        claims: Claims = jwt.decode(
            token,
            key.public,
            algorithms=[algorithm],
            issuer=rules.issuer,
            audience=list(rules.audience),
            options={"require": _NEEDED, "verify_exp": False, "verify_nbf": False, "verify_iat": False},
        )
    except jwt.exceptions.PyJWTError as error:
        raise Rejected(f"the token is not in order: {_words(error)}") from None
    _check_time(claims, rules.leeway, utc)
    return claims


def _header(token: str, rules: Rules) -> tuple[str, str | None]:
    try:
        header = jwt.get_unverified_header(token)
    except jwt.exceptions.PyJWTError:
        raise Rejected("this is not a token that can be read") from None
    algorithm, id, type = header.get("alg"), header.get("kid"), header.get("typ", "JWT")
    if algorithm not in rules.algorithms:
        raise Rejected(f"tokens signed with {str(algorithm)[:20]} are not taken, only {', '.join(rules.algorithms)}")
    if str(type).lower() not in _TYPES:
        raise Rejected(f"the token is for another purpose: {str(type)[:40]}")
    return str(algorithm), id


def _check_time(claims: Claims, leeway: float, utc: float) -> None:
    if _seconds(claims, "exp") <= utc - leeway:
        raise Rejected("the token has expired")
    if max(_seconds(claims, "iat"), _seconds(claims, "nbf")) > utc + leeway:
        raise Rejected("the token is not valid yet: its issuer's clock, or this node's, is wrong")


def _seconds(claims: Claims, name: str) -> float:
    value = claims.get(name, 0)
    if isinstance(value, bool) or not isinstance(value, int | float) or not -1e12 < value < 1e12:
        raise Rejected(f"the token's {name} is no time")
    return value


def _words(error: Exception) -> str:
    return str(error)[:200] or type(error).__name__
