"""Where in a request the question stands: the one text of its last message, if that is the user's."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from msgspec import Struct

from cache.canonical import Document

_TEXT_TYPES = (None, "text", "input_text")


class NoQuestion(Exception):
    """The request does not end in one text of the user's; `args[0]` says why, from a closed set."""


class Place(Struct, frozen=True):
    """`text`, and how to get the same document with something else in its place."""

    text: str
    replaced: Callable[[Any], Document]


def place_of(dialect: str, operation: str, document: Document) -> Place:
    """Finds it. `document` is not changed, nor by `replaced`. Raises NoQuestion."""
    if operation in ("generate", "stream") and dialect == "gemini":
        return _in_last(document, "contents", "parts")
    if operation in ("chat", "messages"):
        return _in_last(document, "messages", "content")
    if operation == "responses":
        if isinstance(text := document.get("input"), str):
            return Place(text, lambda other: {**document, "input": other})
        return _in_last(document, "input", "content")
    raise NoQuestion("no conversation")


def _in_last(document: Document, turns_name: str, content_name: str) -> Place:
    turns = document.get(turns_name)
    last = turns[-1] if isinstance(turns, list) and turns else None
    if not isinstance(turns, list) or not isinstance(last, dict):
        raise NoQuestion("no conversation")
    if last.get("role", "user" if content_name == "parts" else None) != "user":
        raise NoQuestion("not the user's turn")
    content = _in_content(last.get(content_name))

    def replaced(other: Any) -> Document:
        return {**document, turns_name: [*turns[:-1], {**last, content_name: content.replaced(other)["content"]}]}

    return Place(content.text, replaced)


def _in_content(content: Any) -> Place:
    """A text, or a list with exactly one text in it; pictures and the like may stand beside it."""
    if isinstance(content, str):
        return Place(content, lambda other: {"content": other})
    parts = content if isinstance(content, list) else []
    texts = [at for at, part in enumerate(parts) if _is_text(part)]
    if len(texts) != 1:
        raise NoQuestion("not one text")
    at = texts[0]
    return Place(
        parts[at]["text"], lambda other: {"content": [*parts[:at], {**parts[at], "text": other}, *parts[at + 1 :]]}
    )


def _is_text(part: Any) -> bool:
    return isinstance(part, dict) and isinstance(part.get("text"), str) and part.get("type") in _TEXT_TYPES
