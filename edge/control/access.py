"""Who may ask the admin API for what. Pure: a request's facts in, a caller or a refusal out.

With `[[admin_key]]` entries or an `[admin_oidc]` everybody needs a bearer token (RFC 6750) or a session of the console,
whose role says what it may. Without any, only callers on this machine are served, and may do everything: their
authority is that they are here. A browser on this machine is here too, whatever page it shows; so such a request must
name this machine as its host (against DNS rebinding), must not come from a foreign page (Origin), and what changes
something must be JSON, which no form can send.
"""

from __future__ import annotations

import hashlib
import ipaddress
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum

from edge.config.model import AdminKey, AdminOidc
from edge.oidc.visits import origin


class Role(Enum):
    """What a caller may do; each includes those before it."""

    VIEWER = "viewer"  # reads figures
    OPERATOR = "operator"  # changes lines, pins, maintenance
    ADMIN = "admin"  # reads configuration and audit log, resets everything

    def includes(self, other: Role) -> bool:
        return _ORDER[self] >= _ORDER[other]


_ORDER = {role: number for number, role in enumerate(Role)}


@dataclass(frozen=True, slots=True)
class Asking:
    """A request's facts. `peer`: the address it came from, "" for a unix socket. Header values, None if not sent."""

    method: str
    peer: str
    host: str | None = None
    origin: str | None = None
    authorization: str | None = None
    content_type: str | None = None
    is_forwarded: bool = False  # a proxy in front of us says that the caller is elsewhere
    person: str | None = None  # who the caller says is typing
    session: str | None = None  # the console's cookie


@dataclass(frozen=True, slots=True)
class Caller:
    """Who it is, for the audit log; `bucket` is whose rate it counts against. `person` is what the caller says of
    itself, and proves nothing. `subject` and `issuer`: who it is to an OpenID provider. `until`: seconds since the
    epoch at which it has to show itself anew; None: never."""

    name: str
    role: Role
    peer: str
    person: str = ""
    subject: str = ""
    issuer: str = ""
    until: float | None = None
    by_session: bool = False

    @property
    def bucket(self) -> str:
        if self.issuer:
            return f"{self.subject} {self.issuer}"
        return f"{self.name}@{self.peer}" if self.name == LOCAL_CALLER else self.name


LOCAL_CALLER = "local"


class TurnedAway(Exception):
    """The request isn't served. `status`: 401, 403, 415, 421 or 503."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


class Door:
    """Made once per snapshot from its `[[admin_key]]` entries and `[admin_oidc]`."""

    def __init__(self, keys: Sequence[AdminKey], oidc: AdminOidc | None = None) -> None:
        oidc = oidc or AdminOidc()
        self._by_digest = {key.sha256: key for key in keys}
        self._issuer = oidc.issuer
        self._origin = origin(oidc.console_url) if oidc.console_url else ""

    def admit(self, asking: Asking, needs: Role, known: Caller | None = None) -> Caller:
        """Who is calling, if they may do what needs the role. `known`: who it is to an OpenID provider.

        Raises:
            TurnedAway: they may not.
        """
        caller = known or self._identify(asking)
        if _changes_something(asking.method) and not _is_json(asking.content_type):
            raise TurnedAway(415, "what changes something is sent as content-type: application/json")
        if caller.by_session and asking.method != "GET" and asking.origin != self._origin:
            raise TurnedAway(403, "a page of another origin may not ask")
        if not caller.role.includes(needs):
            raise TurnedAway(403, f'{caller.name} is a {caller.role.value}; this takes the role "{needs.value}"')
        return caller

    def has_key(self, asking: Asking) -> bool:
        """Does it come with an `[[admin_key]]`? Then no issuer has to be asked, whatever the key looks like."""
        return self._digest(bearer(asking.authorization) or "") in self._by_digest

    def _identify(self, asking: Asking) -> Caller:
        if not self._by_digest and not self._issuer:
            return _local(asking)
        token = bearer(asking.authorization)
        if token is None:
            raise TurnedAway(401, f"send {self._wanted()} as authorization: Bearer …")
        key = self._by_digest.get(self._digest(token))
        if key is None:
            raise TurnedAway(401, "this token is not known here")
        return Caller(key.id, Role(key.role), asking.peer, person_of(asking))

    @staticmethod
    def _digest(token: str) -> str:
        return hashlib.sha256(token.encode()).hexdigest()

    def _wanted(self) -> str:
        keys = ["one of the node's [[admin_key]]"] if self._by_digest else []
        tokens = [f"a token of {self._issuer}"] if self._issuer else []
        return " or ".join(keys + tokens)


def bearer(authorization: str | None) -> str | None:
    """The token of `Bearer TOKEN`."""
    scheme, _, token = (authorization or "").partition(" ")
    return token.strip() or None if scheme.lower() == "bearer" else None


def _local(asking: Asking) -> Caller:
    if asking.is_forwarded or not is_here(asking.peer):
        raise TurnedAway(403, "no [[admin_key]] is configured, so only callers on the node's own machine are served")
    if asking.peer and not _names_this_machine(asking.host):
        raise TurnedAway(421, "without a token the host must be localhost or a loopback address")
    if asking.origin is not None and asking.origin not in (f"http://{asking.host}", f"https://{asking.host}"):
        raise TurnedAway(403, "a page of another origin may not ask")
    return Caller(LOCAL_CALLER, Role.ADMIN, asking.peer or "unix", person_of(asking))


def person_of(asking: Asking) -> str:
    """Who the caller says is typing, if that can be printed."""
    person = asking.person or ""
    return person[:64] if person.isprintable() else ""


def is_here(peer: str) -> bool:
    """A unix socket ("") or a loopback address; an IPv4 one may come mapped into IPv6."""
    if not peer:
        return True
    try:
        address = ipaddress.ip_address(peer)
    except ValueError:
        return False
    mapped = address.ipv4_mapped if isinstance(address, ipaddress.IPv6Address) else None
    return (mapped or address).is_loopback


def _names_this_machine(host: str | None) -> bool:
    name = (host or "").lower()
    name = name[1 : name.find("]")] if name.startswith("[") else name.partition(":")[0]
    return name == "localhost" or (name != "" and is_here(name))


def _changes_something(method: str) -> bool:
    return method not in ("GET", "HEAD", "OPTIONS", "DELETE")  # a page can't send DELETE unless we allow it (CORS)


def _is_json(content_type: str | None) -> bool:
    return (content_type or "").partition(";")[0].strip().lower() == "application/json"
