"""From the claims of a token to a person: a name for the audit log, and a role."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from edge.config.model import AdminOidc

ANYBODY = "*"
_ROLES = ("admin", "operator", "viewer")  # the highest first
_NAMES = ("email", "preferred_username", "upn", "sub")
_LISTED_BY_BLANKS = ("scope", "scp")  # RFC 8693 §4.2; in no other claim is a blank known to separate


@dataclass(frozen=True, slots=True)
class Person:
    """`subject` and `issuer` together mean one person for ever (OpenID Connect Core §2); `name` may change. `role` ""
    means none. `until`: seconds since the epoch."""

    name: str
    subject: str
    issuer: str
    role: str
    until: float


def person(claims: Mapping[str, Any], oidc: AdminOidc, until: float) -> Person:
    """`claims`: of a token that was checked."""
    return Person(_name(claims), _clean(claims["sub"]), oidc.issuer, role(claims, oidc), until)


def role(claims: Mapping[str, Any], oidc: AdminOidc) -> str:
    """The highest that the role claim gives; "": none."""
    has = values(claims, oidc.role_claim) | {ANYBODY}
    return next((each for each in _ROLES if not has.isdisjoint(getattr(oidc, each))), "")


def values(claims: Mapping[str, Any], name: str) -> set[str]:
    """What a claim says: one text, an array of them, or an object with them as its members' names."""
    match found(claims, name):
        case str() as text:
            return set(text.split()) if name in _LISTED_BY_BLANKS else {text}
        case list() as several:
            return {each for each in several if isinstance(each, str)} - {ANYBODY}
        case dict() as named:
            return set(named) - {ANYBODY}
    return set()


def found(claims: Mapping[str, Any], name: str) -> Any:
    """A claim by its name. What has dots in it may be a name (`https://a.example/roles`) or a way (`realm.roles`)."""
    if name in claims or "." not in name:
        return claims.get(name)
    here: Any = claims
    for part in name.split("."):
        here = here.get(part) if isinstance(here, dict) else None
    return here


def _name(claims: Mapping[str, Any]) -> str:
    """What colleagues call them. An address that the provider hasn't verified could be anybody's."""
    for each in _NAMES:
        unsure = each == "email" and claims.get("email_verified") is False
        value = claims.get(each)
        if isinstance(value, str) and value and not unsure and (name := _clean(value)):
            return name
    return "?"


def _clean(value: Any) -> str:
    text = str(value)[:128]
    return "".join(each if each.isprintable() else "?" for each in text)
