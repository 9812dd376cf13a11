"""[admin_oidc]: the parsers of its URLs, and whether its keys fit each other."""

from __future__ import annotations

from edge.config.fault import KeyPath, shown
from edge.config.model import Address, AdminOidc, Snapshot
from edge.config.places import base_url, is_loopback
from edge.config.reading import Reading, Wrong

ALGORITHMS = ("RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "ES512", "EdDSA")
"""What a provider may sign with (RFC 7518 §3.1, RFC 8037). Never "none", nor HMAC, whose key would be a public one."""
_ROLES = ("viewer", "operator", "admin")
_AT = "admin_oidc"


def issuer(reading: Reading, path: KeyPath, value: object) -> str:
    """The issuer's URL, exactly as its tokens name it: a slash at the end belongs to it."""
    _safe_url(reading, path, value)
    return str(value)


def console_url(reading: Reading, path: KeyPath, value: object) -> str:
    """Where browsers open the console, with a slash at the end."""
    return f"{_safe_url(reading, path, value)}/"


def _safe_url(reading: Reading, path: KeyPath, value: object) -> str:
    """https://, or http:// on this machine: whoever can change what is said there is whoever he likes here."""
    url = base_url(reading, path, value)
    if url.scheme != "https" and not is_loopback(Address(url.host, url.port)):
        raise Wrong(f"{shown(url.text)} is plain http to another machine", '"https://host[:port][/path]"')
    return url.text


def check(reading: Reading, snapshot: Snapshot) -> None:
    """Notes what lacks, and people's roles that nobody could have."""
    oidc = snapshot.admin_oidc
    if oidc == AdminOidc():
        return
    if snapshot.node.role == "relay":
        reading.fault((_AT,), "a relay's admin listener knows no issuers", "[[admin_key]]")
    if not oidc.issuer:
        _need(reading, "issuer", "an issuer's URL")
    if not oidc.audience and not oidc.client_id:
        _need(reading, "audience", "audience, client_id, or both")
    if bool(oidc.client_id) != bool(oidc.console_url):
        _need(reading, "console_url" if oidc.client_id else "client_id", "both client_id and console_url, or neither")
    if oidc.client_secret is not None and not oidc.client_id:
        reading.fault((_AT, "client_secret"), "is the secret of no client", "client_id")
    if not any(getattr(oidc, role) for role in _ROLES):
        _need(reading, "viewer", "values of the role claim for viewer, operator or admin")


def _need(reading: Reading, key: str, expected: str) -> None:
    if not reading.has((_AT, key)):  # else it has a fault of its own
        reading.fault((_AT,), f"{key} is missing", expected)
