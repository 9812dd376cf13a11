"""Where keys stand in requests, and how they are taken out and put in."""

from __future__ import annotations

from urllib.parse import unquote_plus

from edge.dialects.request import query
from transport.message import Headers, header

KEY_HEADERS = frozenset((b"authorization", b"x-api-key", b"api-key", b"x-goog-api-key"))
"""Every header that carries a key in some dialect. All are taken out: nor may a key in the wrong place leave."""

KEY_QUERIES = frozenset(("key", "access_token", "api-key"))

SUBPROTOCOL = b"openai-insecure-api-key."
"""OpenAI's realtime API takes the key from browsers as a WebSocket subprotocol of this form."""


def without_keys(headers: Headers) -> Headers:
    """The headers without any key."""
    kept = [pair for pair in headers if pair[0] not in KEY_HEADERS]
    return [
        (name, _without_key_protocol(text) if name == b"sec-websocket-protocol" else text)
        for name, text in kept
        if name != b"sec-websocket-protocol" or _without_key_protocol(text)
    ]


def _without_key_protocol(text: bytes) -> bytes:
    tokens = [token.strip() for token in text.split(b",")]
    return b", ".join(token for token in tokens if token and not token.startswith(SUBPROTOCOL))


def without_key_query(target: bytes) -> bytes:
    """The target without `key=`, `access_token=` and `api-key=`; every other byte of it stays as it is."""
    path, mark, text = target.partition(b"?")
    if not mark:
        return target
    kept = [pair for pair in text.split(b"&") if _query_name(pair) not in KEY_QUERIES]
    return path + b"?" + b"&".join(kept) if kept else path


def _query_name(pair: bytes) -> str:
    return unquote_plus(pair.partition(b"=")[0].decode("latin-1"))


def text_header(headers: Headers, name: bytes) -> str | None:
    """A header's value as text; None if there is none or it is empty."""
    found = header(headers, name)
    return found.decode("latin-1").strip() or None if found else None


def bearer(headers: Headers) -> str | None:
    """The token of `Authorization: Bearer` (RFC 6750 §2.1), or of google-genai's `Token` for ephemeral keys."""
    scheme, _, token = (text_header(headers, b"authorization") or "").partition(" ")
    return token.strip() or None if scheme.lower() in ("bearer", "token") else None


def subprotocol_key(headers: Headers) -> str | None:
    """The key that OpenAI's browser clients put into Sec-WebSocket-Protocol."""
    for name, text in headers:
        if name == b"sec-websocket-protocol":
            for token in text.split(b","):
                if token.strip().startswith(SUBPROTOCOL):
                    return token.strip()[len(SUBPROTOCOL) :].decode("latin-1") or None
    return None


def query_key(target: bytes) -> str | None:
    """The key in the query."""
    return next((found for name in sorted(KEY_QUERIES) if (found := query(target, name))), None)


def with_header(headers: Headers, name: bytes, text: str) -> Headers:
    """The keyless headers with one key put in."""
    return [*without_keys(headers), (name, text.encode("latin-1", "replace"))]


def with_bearer(headers: Headers, token: str) -> Headers:
    return with_header(headers, b"authorization", f"Bearer {token}")
