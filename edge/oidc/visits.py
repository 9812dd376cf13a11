"""Sign-ins on the console: those under way, and sessions of those that are done. All in memory, all bounded.

The way is Authorization Code with PKCE (RFC 7636) and a nonce. A sign-in can only be ended in the browser that began it
(its `browser`, kept in a cookie), so nobody can be signed in as somebody else by a link (RFC 6749 §10.12).
"""

from __future__ import annotations

import hashlib
from base64 import urlsafe_b64encode
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field
from hmac import compare_digest
from typing import Generic, TypeVar
from urllib.parse import urlencode, urlsplit

from edge.config.model import AdminOidc
from edge.oidc.people import Person
from edge.oidc.provider import Provider
from edge.oidc.rejected import Rejected

BEGUN_SECONDS = 600.0  # in which a sign-in must be done
CALLBACK = "console/signed-in"  # where the provider sends browsers back to, below the console's URL
MOST = 1000
T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Begun:
    """A sign-in under way. All but `at` are random texts that nobody else knows."""

    state: str
    nonce: str
    verifier: str  # RFC 7636 §4.1: 43 to 128 characters
    browser: str


@dataclass(slots=True)
class Shelf(Generic[T]):
    """Things under a secret name until a time; beyond `most` the oldest goes. Only names' digests are kept."""

    most: int = MOST
    _kept: OrderedDict[bytes, tuple[float, T]] = field(default_factory=OrderedDict)

    def __len__(self) -> int:
        return len(self._kept)

    def put(self, name: str, thing: T, until: float) -> None:
        self._kept[_digest(name)] = (until, thing)
        if len(self._kept) > self.most:
            self._kept.popitem(last=False)

    def get(self, name: str, now: float) -> T | None:
        until, thing = self._kept.get(_digest(name), (0.0, None))
        if until <= now:
            self._kept.pop(_digest(name), None)
            return None
        return thing

    def take(self, name: str, now: float) -> T | None:
        """The same, once."""
        thing = self.get(name, now)
        self._kept.pop(_digest(name), None)
        return thing

    def clear(self) -> None:
        self._kept.clear()


Sessions = Shelf[Person]


def authorize_url(provider: Provider, oidc: AdminOidc, begun: Begun) -> str:
    """Where the browser goes to sign in (OpenID Connect Core §3.1.2.1)."""
    asked = {
        "response_type": "code",
        "client_id": oidc.client_id,
        "redirect_uri": oidc.console_url + CALLBACK,
        "scope": " ".join(oidc.scopes),
        "state": begun.state,
        "nonce": begun.nonce,
        "code_challenge": _base64(hashlib.sha256(begun.verifier.encode()).digest()),
        "code_challenge_method": "S256",
    }
    return f"{provider.authorize_url}{'&' if '?' in provider.authorize_url else '?'}{urlencode(asked)}"


def code_of(query: Mapping[str, str], provider: Provider, begun: Begun, browser: str) -> str:
    """The code that came back with the browser.

    Raises:
        Rejected: the provider, or the person, said no; or it isn't the answer to what this browser began.
    """
    if not compare_digest(begun.browser.encode(), browser.encode()):
        raise Rejected("the sign-in was begun in another browser")
    if query.get("iss", None if provider.names_itself else provider.issuer) != provider.issuer:
        raise Rejected("the answer is from another issuer")
    if "error" in query:
        raise Rejected(f"the issuer says {query['error'][:80]}: {query.get('error_description', '')[:200]}")
    return query.get("code", "")


def token_form(oidc: AdminOidc, begun: Begun, code: str) -> dict[str, str]:
    """What the code is exchanged with (§3.1.3.1), without the client's secret."""
    return {
        "grant_type": "authorization_code",
        "code": code,
        "redirect_uri": oidc.console_url + CALLBACK,
        "client_id": oidc.client_id,
        "code_verifier": begun.verifier,
    }


def check_signed_in(claims: Mapping[str, object], oidc: AdminOidc, begun: Begun) -> None:
    """Is the ID token for this client and this sign-in (§3.1.3.7)? Raises Rejected."""
    if not compare_digest(str(claims.get("nonce")).encode(), begun.nonce.encode()):
        raise Rejected("the token is of another sign-in")
    if claims.get("azp", oidc.client_id) != oidc.client_id:
        raise Rejected("the token is for another client")


def cookie_name(kind: str, console_url: str) -> str:
    """Cookies know no ports: nodes on one host each have names of their own. `__Host-`: this host alone, by https."""
    name = f"farline-{kind}-{hashlib.sha256(console_url.encode()).hexdigest()[:8]}"
    return f"__Host-{name}" if console_url.startswith("https:") else name


def origin(console_url: str) -> str:
    """As browsers send it: RFC 6454 §6.2."""
    parts = urlsplit(console_url)
    standard = {"https": 443, "http": 80}[parts.scheme]
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname
    return f"{parts.scheme}://{host}" + ("" if parts.port in (None, standard) else f":{parts.port}")


def _digest(name: str) -> bytes:
    return hashlib.sha256(name.encode()).digest()


def _base64(data: bytes) -> str:
    return urlsafe_b64encode(data).rstrip(b"=").decode()
