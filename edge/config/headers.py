"""Parser for the headers that are added to every request to a provider."""

from __future__ import annotations

import re

from edge.config.fault import KeyPath, kind, shown
from edge.config.reading import Reading, Wrong
from transport.message import HOP_BY_HOP

_OURS = frozenset(("host", "content-length", "expect"))
_SECRET_HEADERS = frozenset(("authorization", "x-api-key", "api-key", "x-goog-api-key", "cookie"))
_KEY_SHAPE = re.compile(r"(?i)(sk-|gsk_|xai-|AIza|Bearer |Basic )")


def added_headers(reading: Reading, path: KeyPath, value: object) -> tuple[tuple[str, str], ...]:
    """Header fields (RFC 9110 §5) for every request to a provider, names lower-case."""
    if not isinstance(value, dict):
        raise Wrong(f"is {kind(value)}", '{ name = "value" }')
    found: dict[str, str] = {}
    for name, content in value.items():
        try:
            found[name.lower()] = _header(name, content, name.lower() in found)
        except Wrong as wrong:
            reading.fault((*path, name), wrong.problem, wrong.expected)
    return tuple(found.items())


def _header(name: str, value: object, repeated: bool) -> str:
    lowered = name.lower()
    if not re.fullmatch(r"[!#$%&'*+.^_`|~0-9a-z-]+", lowered):
        raise Wrong("is not a header's name", "a token (RFC 9110 §5.6.2)")
    if lowered.encode() in HOP_BY_HOP or lowered in _OURS or lowered.startswith("x-farline-"):
        raise Wrong("is a header that farline sets itself", "an end-to-end header")
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", "a string")
    if lowered in _SECRET_HEADERS or _KEY_SHAPE.match(value):
        raise Wrong("holds a secret (value not shown)", 'credential = "env:NAME" or "file:PATH" of the provider')
    if not re.fullmatch(r"[!-~]([ -~]*[!-~])?", value) or repeated:
        raise Wrong("is there twice" if repeated else f"{shown(value)} is not a header's value", "visible ASCII")
    return value
