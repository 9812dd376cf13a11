"""An OpenID provider's metadata (OpenID Connect Discovery 1.0 §3), as far as it is needed here."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

from edge.oidc.rejected import Rejected


@dataclass(frozen=True, slots=True)
class Provider:
    """Where it does what. Empty: it has no such thing."""

    issuer: str
    keys_url: str
    authorize_url: str = ""
    token_url: str = ""
    people_url: str = ""  # the UserInfo endpoint
    takes_basic: bool = True  # does a client show its secret in a header (client_secret_basic), or in the form?
    names_itself: bool = False  # does it say in its answers who it is (RFC 9207)?


def discovery_url(issuer: str) -> str:
    """§4: a slash at the issuer's end is left out."""
    return f"{issuer.rstrip('/')}/.well-known/openid-configuration"


def provider(issuer: str, document: Mapping[str, Any]) -> Provider:
    """What the provider says of itself.

    Raises:
        Rejected: it is somebody else, says too little, or names places that anybody could stand in for.
    """
    if document.get("issuer") != issuer:
        raise Rejected(f"{discovery_url(issuer)} is about another issuer: {str(document.get('issuer'))[:200]}")
    ways = document.get("token_endpoint_auth_methods_supported")
    return Provider(
        issuer,
        _url(issuer, document, "jwks_uri") or _lacks("jwks_uri"),
        _url(issuer, document, "authorization_endpoint"),
        _url(issuer, document, "token_endpoint"),
        _url(issuer, document, "userinfo_endpoint"),
        not isinstance(ways, list) or "client_secret_basic" in ways,
        document.get("authorization_response_iss_parameter_supported") is True,
    )


def _lacks(name: str) -> str:
    raise Rejected(f"the issuer's metadata has no {name}")


def _url(issuer: str, document: Mapping[str, Any], name: str) -> str:
    """https, unless the issuer itself is plain http: then it is this very machine."""
    value = document.get(name)
    if value is None:
        return ""
    if not isinstance(value, str) or not value.isprintable():
        raise Rejected(f"the issuer's {name} is no URL")
    here, there = urlsplit(issuer), urlsplit(value)
    if there.scheme != "https" and (here.scheme, here.hostname) != (there.scheme, there.hostname):
        raise Rejected(f"the issuer's {name} is not https: {value[:200]}")
    return value
