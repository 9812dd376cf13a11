"""Which provider or dialect a request on the edge is meant for, from its target and headers."""

from __future__ import annotations

from collections.abc import Container

from edge.dialects.gemini import METHODS
from edge.dialects.request import query, segments
from transport.message import Headers, header

_GEMINI_COLLECTIONS = frozenset(
    ("tunedModels", "cachedContents", "interactions", "fileSearchStores", "corpora", "operations", "auth_tokens")
)


def split_prefix(target: bytes, provider_ids: Container[str]) -> tuple[str | None, bytes]:
    """(provider, the rest of the target) of `/{provider}/…`; (None, target) on the unified routes.

    Azure's own paths begin with `/openai/` too. They are told apart by `deployments` or an `api-version`, which
    OpenAI's API has not: `/openai/deployments/…` is a unified route even if a provider is called "openai".
    """
    path, mark, text = target.partition(b"?")
    first, slash, rest = path[1:].partition(b"/")
    name = first.decode("latin-1")
    if name not in provider_ids or _is_azure(target):
        return None, target
    return name, b"/" + (rest if slash else b"") + mark + text


def dialect_of(target: bytes, headers: Headers) -> str | None:
    """The dialect of a unified route (a target without a provider's prefix); None if it is none.

    Paths that several vendors have (`/v1/models`, `/v1/files`) are told apart by headers that their SDKs always send.
    """
    if _is_azure(target):
        return "azure"
    path = target.partition(b"?")[0]
    if path.startswith((b"/v1beta/", b"/v1alpha/", b"/upload/v1", b"/ws/google.")):
        return "gemini"
    if not path.startswith(b"/v1/"):
        return None
    parts = segments(target)
    if parts[:1] == ["messages"] or header(headers, b"anthropic-version") is not None:
        return "anthropic"
    return "gemini" if _is_gemini(parts, target, headers) else "openai"


def _is_azure(target: bytes) -> bool:
    if target.startswith(b"/openai/deployments/"):
        return True
    return target.startswith(b"/openai/") and query(target, "api-version") is not None


def _is_gemini(parts: list[str], target: bytes, headers: Headers) -> bool:
    if header(headers, b"x-goog-api-key") is not None or header(headers, b"x-goog-api-client") is not None:
        return True
    if parts and parts[0] in _GEMINI_COLLECTIONS:
        return True
    # `ft:…` ids of OpenAI have colons too, but none of Gemini's methods after the last one.
    is_method = parts[:1] == ["models"] and parts[-1].rpartition(":")[2] in METHODS
    return is_method or query(target, "key") is not None
