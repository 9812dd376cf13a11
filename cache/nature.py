"""What kind of answer a request asks for: the same each time, or a drawn one; from itself, or from the world."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from cache.canonical import Document
from cache.question import Question

WITHOUT_CHANCE = frozenset(("embeddings", "embed", "count_tokens", "moderations"))
"""Operations that draw nothing."""

GENERATION = frozenset(("chat", "completions", "responses", "messages", "generate", "stream"))
"""Operations that draw tokens."""

OPERATIONS = WITHOUT_CHANCE | GENERATION

_LOCAL_TOOLS = ("function", "custom", "bash_", "text_editor_", "computer_", "memory_")  # run by the client
_LOCAL_GEMINI = frozenset(("functionDeclarations", "function_declarations"))
_OUTSIDE_MEMBERS = (
    "previous_response_id",
    "web_search_options",
    "search_parameters",
    "mcp_servers",
    "cachedContent",
    "cached_content",
    "plugins",
)
_EFFECT_MEMBERS = ("background", "conversation", "container")
_OUTSIDE_MODELS = ("search", "research", "sonar", ":online", "compound")  # models that look things up by themselves


_GREEDY_WORDS = (b"temperature", b"seed", b"top_k", b"topK")


class Nature(Struct, frozen=True, gc=False):
    """`effect` and `outside` name the first member that is the reason, or are None."""

    is_deterministic: bool
    effect: str | None  # something is made or kept at the provider, or must not be kept
    outside: str | None  # the answer depends on what is not in the request


def nature_of(question: Question, document: Document, is_remote: bool) -> Nature:
    """Deterministic means that the caller asked for it: temperature 0, top_k 1 or a seed – or that nothing is drawn.

    A model's default temperature isn't 0, so a request that doesn't say is not deterministic.
    """
    if question.operation in WITHOUT_CHANCE:
        return Nature(True, None, "a file or URL" if is_remote else None)
    tools = document.get("tools") or document.get("functions")
    outside = "a file or URL" if is_remote else _outside(question, document, tools)
    return Nature(_is_greedy(question, document), _effect(document), outside)


def may_be_deterministic(question: Question) -> bool:
    """A quick look at the bytes, before anything is parsed: False means that `nature_of` would say no, too (or that
    somebody wrote a member's name with escapes, who gets no hits for it)."""
    return may_be_deterministic_body(question.operation, question.body)


def may_be_deterministic_body(operation: str, body: bytes) -> bool:
    """The same, without a question being made first."""
    return operation in WITHOUT_CHANCE or any(word in body for word in _GREEDY_WORDS)


def _is_greedy(question: Question, document: Document) -> bool:
    settings: Any = document
    if question.dialect == "gemini":
        settings = document.get("generationConfig", document.get("generation_config"))
        if not isinstance(settings, dict):
            return False
    if _is_number(settings.get("temperature"), 0) or _is_number(settings.get("top_k", settings.get("topK")), 1):
        return True
    return type(settings.get("seed")) is int


def _is_number(value: Any, wanted: int) -> bool:
    return type(value) in (int, float) and bool(value == wanted)


def _effect(document: Document) -> str | None:
    if document.get("store") is False:
        return "store: false"
    return next((name for name in _EFFECT_MEMBERS if document.get(name)), None)


def _outside(question: Question, document: Document, tools: Any) -> str | None:
    found = next((name for name in _OUTSIDE_MEMBERS if isinstance(document.get(name), dict | list | str)), None)
    if found is None and question.operation == "responses" and document.get("prompt"):
        found = "prompt"  # a template that is kept, and changed, at the provider; elsewhere it is the text itself
    if found is None and tools and not (isinstance(tools, list) and all(map(_is_local, tools))):
        found = "a tool of the provider"
    if found is None and any(part in question.model for part in _OUTSIDE_MODELS):
        found = "a searching model"
    return found


def _is_local(tool: Any) -> bool:
    """Is this tool run by the client? Gemini's have no type, but one member per kind; Anthropic's own have none."""
    if not isinstance(tool, dict):
        return False
    kind = tool.get("type")
    if isinstance(kind, str):
        return kind.startswith(_LOCAL_TOOLS)
    return tool.keys() <= _LOCAL_GEMINI or "name" in tool
