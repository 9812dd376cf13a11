"""Parsers for secrets, which are named in the file and never written there, and for digests of client keys."""

from __future__ import annotations

import hashlib
import re

from edge.config.fault import KeyPath, kind, shown
from edge.config.model import Secret
from edge.config.reading import Reading, Wrong
from transport.session.keys import is_fingerprint

_SECRET = '"env:NAME" or "file:PATH"'


def secret(reading: Reading, path: KeyPath, value: object) -> Secret:
    """`env:NAME` or `file:PATH`, resolved. What stands in the clear is refused and never repeated."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _SECRET)
    source, _, name = value.partition(":")
    if source == "env" and re.fullmatch(r"[A-Za-z_][A-Za-z0-9_]*", name):
        variable = f"environment variable {name}" if name.isupper() or len(name) < 20 else "the environment variable"
        return Secret(value, _usable(reading.environment.get(name), variable))
    if source == "file" and name and not name.startswith("//"):
        resolved, content = reading.content(name)
        return Secret(value, _usable(content.decode("utf-8", "replace"), resolved))
    raise Wrong("a secret may not stand in the file (value not shown)", _SECRET)


def _usable(value: str | None, where: str) -> str:
    if value is None:
        raise Wrong(f"{where} is not set", "a variable with the secret")
    value = value.strip()
    if not value:
        raise Wrong(f"{where} is empty", "one line with the secret")
    if not re.fullmatch(r"[!-~]+", value):
        raise Wrong(f"{where} holds blanks, line breaks or characters beyond ASCII", "one line with the secret")
    return value


def credential(reading: Reading, path: KeyPath, value: object) -> Secret | None:
    """A secret, or "client" (None): the caller's own credentials are passed through."""
    try:
        return None if value == "client" else secret(reading, path, value)
    except Wrong as wrong:
        raise Wrong(wrong.problem, f'"client", {_SECRET}' if wrong.expected == _SECRET else wrong.expected) from None


def key_digest(reading: Reading, path: KeyPath, value: object) -> str:
    """SHA-256 of a client key that stands elsewhere, lower-case hex."""
    return hashlib.sha256(secret(reading, path, value).value.encode()).hexdigest()


def fingerprint(reading: Reading, path: KeyPath, value: object) -> str:
    """Of another node's key, as `farline keys node` prints it."""
    if not isinstance(value, str) or not is_fingerprint(value):
        raise Wrong(f"{shown(value)} is not a fingerprint", '"SHA256:…" as `farline keys node` prints it')
    return value


def sha256(reading: Reading, path: KeyPath, value: object) -> str:
    """A SHA-256 in hex. What else may stand here by mistake could be the key itself: it is not repeated."""
    if not isinstance(value, str) or not re.fullmatch(r"[0-9A-Fa-f]{64}", value):
        raise Wrong("is not a SHA-256 (value not shown)", "64 hex digits, as `farline keys hash` prints them")
    return value.lower()
