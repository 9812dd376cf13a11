"""What of a request does not change its answer, per dialect. docs/cache.md has the same tables; a test compares.

The rule is: everything is part of the key, what nobody has heard of as well, unless it stands here.
"""

from __future__ import annotations

from urllib.parse import unquote_plus

_OPENAI = (
    "stream",
    "stream_options",
    "user",
    "metadata",
    "safety_identifier",
    "prompt_cache_key",
    "prompt_cache_retention",
)

LEFT_OUT: dict[str, frozenset[str]] = {
    "openai": frozenset(_OPENAI),
    "azure": frozenset(_OPENAI),
    "anthropic": frozenset(("stream", "metadata")),
    "gemini": frozenset(("labels",)),
    "generic": frozenset(("stream", "user", "metadata")),
}
"""Top-level members of the body: the form of the reply, labels for bills and abuse reports, hints to a prompt cache."""

HEADERS: frozenset[bytes] = frozenset(
    (
        b"anthropic-version",
        b"anthropic-beta",
        b"openai-version",
        b"openai-beta",
        b"openai-organization",
        b"openai-project",
        b"x-goog-user-project",
        b"api-version",
    )
)
"""Header fields that are part of the key. A rule can name more (`headers`); all others are left out."""

QUERY_LEFT_OUT: frozenset[str] = frozenset(
    ("alt", "key", "access_token", "api-key", "prettyPrint", "$prettyPrint", "$alt")
)
"""Query parameters: the form of the reply, and credentials, which the tenant stands for."""

_STREAMED, _PLAIN = b":streamGenerateContent", b":generateContent"


def path_of(target: bytes) -> bytes:
    """The path, without what only asks for a stream (Gemini does so in the path)."""
    path = target.partition(b"?")[0]
    return path[: -len(_STREAMED)] + _PLAIN if path.endswith(_STREAMED) else path


def query_of(target: bytes) -> list[bytes]:
    """The parameters that matter, sorted. Their spelling is kept: an odd one costs a hit, never a wrong answer."""
    query = target.partition(b"?")[2]
    if not query:
        return []
    return sorted(part for part in query.split(b"&") if part and _name(part) not in QUERY_LEFT_OUT)


def _name(parameter: bytes) -> str:
    return unquote_plus(parameter.partition(b"=")[0].decode("latin-1"))
