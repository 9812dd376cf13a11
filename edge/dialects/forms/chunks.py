"""What OpenAI's two kinds of completions have in common: chunks whose choices grow, `[DONE]`, and usage if asked for.

https://platform.openai.com/docs/api-reference/chat/streaming
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.dialects.forms.cached import mark_openai
from edge.dialects.forms.framing import DONE, frame
from edge.dialects.forms.values import Asked, Event, Json, Unclear, agree, echo, encode, listed, only, record, records

_SAME = ("id", "model", "system_fingerprint", "service_tier", "provider", "prompt_filter_results")
_KNOWN = frozenset((*_SAME, "object", "created", "choices", "usage"))
_PADDING = "obfuscation"  # random characters that hide the length of a token


def chunks_of(events: Sequence[Event]) -> list[Json]:
    """Raises Unclear unless the stream ends with `[DONE]`."""
    if not events or events[-1].data != DONE or any(event.kind for event in events):
        raise Unclear("no [DONE] at the end")
    return [event.json() for event in events[:-1]]


def head_of(chunks: Sequence[Json], kinds: tuple[str, str]) -> Json:
    """A document without its choices. `kinds`: the `object` of a chunk, and of a document."""
    head: Json = {}
    for chunk in chunks:
        only(chunk, _KNOWN | {_PADDING})
        if chunk.get("object") not in (kinds[0], "", None):
            raise Unclear("a chunk of another kind")
        agree(head, chunk, _SAME)
    created = next((chunk["created"] for chunk in chunks if chunk.get("created")), None)
    usage = _usage_in(chunks)
    if usage is None or "id" not in head or "model" not in head:
        raise Unclear("no usage, id or model")
    return {"id": head.pop("id"), "object": kinds[1], "created": created, "model": head.pop("model"), **head} | {
        "choices": [],
        "usage": usage,
    }


def _usage_in(chunks: Sequence[Json]) -> Json | None:
    told = [chunk["usage"] for chunk in chunks if chunk.get("usage") is not None]
    return record(told[-1]) if told else None


def choices_in(chunks: Sequence[Json]) -> list[Json]:
    """What the chunks say of any choice, in order."""
    return [choice for chunk in chunks for choice in records(chunk.get("choices"))]


class ChunkWriter:
    """Says a document in chunks."""

    def __init__(self, document: Json, kinds: tuple[str, str], asked: Asked) -> None:
        """Raises Unclear."""
        if document.get("object") != kinds[1] or not listed(document.get("choices")):
            raise Unclear("a document of another kind")
        only(document, _KNOWN | ({"metadata"} if document.get("metadata") in ({}, None) else set()))
        self._usage = document.get("usage")
        self._with_usage = asked.with_usage
        if self._with_usage and not isinstance(self._usage, dict):
            raise Unclear("no usage")
        common = {name: document[name] for name in _SAME if document.get(name) is not None}
        self._filtered = common.pop("prompt_filter_results", None)
        self._common = {"id": common.pop("id", ""), "object": kinds[0], "created": document.get("created"), **common}
        self.frames: list[bytes] = []
        if self._filtered is not None:  # Azure's first chunk
            self._add({"choices": [], "prompt_filter_results": self._filtered})

    def choice(self, choice: Json) -> None:
        """One chunk that says something of one choice."""
        self._add({"choices": [choice]})

    def end(self) -> list[bytes]:
        """All events, `[DONE]` and before it, if it was asked for, usage."""
        if self._with_usage:
            self.frames.append(frame(encode({**self._common, "choices": [], "usage": self._usage})))
        return [*self.frames, frame(DONE)]

    def _add(self, more: Json) -> None:
        chunk = {**self._common, **more}
        if self._with_usage:
            chunk["usage"] = None
        self.frames.append(frame(encode(chunk)))


def chunk_again(event: Event, asked: Asked, is_marked: bool) -> bytes | None:
    """See `Shape.again`. Who didn't ask for usage gets no chunk without choices for it: many clients don't expect one.
    Where a server tells usage unasked, with a choice, it stays."""
    if event.data == DONE or b'"usage"' not in event.data:
        return None
    chunk = event.json()
    usage = chunk.get("usage")
    if usage is None:
        if asked.with_usage or "usage" not in chunk:
            return None
        del chunk["usage"]
        return encode(chunk)
    if not asked.with_usage and not chunk.get("choices"):
        return b""
    return encode(chunk) if is_marked and mark_openai(record(usage)) else None


def document_again(document: Json, asked: Asked, is_marked: bool) -> bool:
    """See `Shape.complete`."""
    changed = echo(document, asked)
    usage = document.get("usage")
    return (is_marked and isinstance(usage, dict) and mark_openai(usage)) or changed
