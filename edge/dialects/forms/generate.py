"""Gemini's generateContent and its stream, as events or as a JSON array.
https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse

Every piece of a stream is a whole reply in shape, so a document is a stream of one piece. The other way, neighbouring
texts are joined, but none that has a thought signature: Google asks for such parts to be kept as they came
(https://ai.google.dev/gemini-api/docs/thought-signatures).
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.dialects.forms.cached import mark_gemini
from edge.dialects.forms.framing import elements
from edge.dialects.forms.values import (
    Asked,
    Event,
    Form,
    Json,
    Unclear,
    agree,
    encode,
    in_order,
    index,
    listed,
    only,
    record,
    records,
    text,
)

_SAME = ("modelVersion", "responseId", "createTime", "promptFeedback", "modelStatus")
_REPLY = frozenset((*_SAME, "candidates", "usageMetadata"))
_ONCE = ("finishMessage", "safetyRatings", "citationMetadata", "groundingMetadata", "avgLogprobs", "urlContextMetadata")
_CANDIDATE = frozenset((*_ONCE, "content", "finishReason", "index", "logprobsResult", "tokenCount"))
_LOGPROBS = ("topCandidates", "chosenCandidates")
_PART = frozenset(
    (
        "text",
        "thought",
        "thoughtSignature",
        "functionCall",
        "functionResponse",
        "inlineData",
        "fileData",
        "executableCode",
        "codeExecutionResult",
        "mediaResolution",
        "videoMetadata",
        "partMetadata",
    )
)
_CALL = ("id", "name", "args")


class _Growing:
    """One candidate of a stream."""

    def __init__(self) -> None:
        self._parts: list[Json] = []
        self._role: Json = {}
        self._once: Json = {}
        self._latest: Json = {}
        self._logprobs: dict[str, list[Json]] = {}

    def feed(self, told: Json) -> None:
        only(told, _CANDIDATE)
        content = only(record(told.get("content") or {}), ("parts", "role"))
        agree(self._role, content, ("role",))
        for part in records(content.get("parts")):
            self._add(part)
        agree(self._once, told, _ONCE)
        for name in ("finishReason", "tokenCount"):
            if told.get(name) is not None:
                self._latest[name] = told[name]
        if told.get("logprobsResult") is not None:
            for name, value in only(record(told["logprobsResult"]), _LOGPROBS).items():
                self._logprobs.setdefault(name, []).extend(listed(value))

    def _add(self, part: Json) -> None:
        only(part, _PART)
        if "functionCall" in part:
            only(record(part["functionCall"]), _CALL)  # not one whose arguments come in pieces
        before = self._parts[-1] if self._parts else None
        if before is not None and _is_plain(part) and _is_plain(before) and _is_thought(part) == _is_thought(before):
            before["text"] += part["text"]
        else:
            self._parts.append(part)

    def candidate(self, at: int) -> Json:
        if text(self._latest.get("finishReason")) == "FINISH_REASON_UNSPECIFIED":
            raise Unclear("a candidate without an end")
        parts = [part for part in self._parts if part != {"text": ""}] or self._parts[:1]
        made: Json = {"content": ({"parts": parts} if parts else {}) | self._role, **self._latest, "index": at}
        if self._logprobs:
            made["logprobsResult"] = self._logprobs
        return made | self._once


def _is_plain(part: Json) -> bool:
    return isinstance(part.get("text"), str) and part.keys() <= {"text", "thought"}


def _is_thought(part: Json) -> bool:
    return part.get("thought") is True


class Generate:
    """See `edge.dialects.forms.values.Shape`."""

    def document(self, events: Sequence[Event]) -> Json:
        head: Json = {}
        usage: Json | None = None
        growing: dict[int, _Growing] = {}
        for event in events:
            told = only(event.json(), _REPLY)
            agree(head, told, _SAME)
            if told.get("usageMetadata") is not None:
                usage = record(told["usageMetadata"])
            for candidate in records(told.get("candidates")):
                growing.setdefault(index(candidate.get("index", 0)), _Growing()).feed(candidate)
        if usage is None or not (growing or "promptFeedback" in head):
            raise Unclear("no usage, or no answer")
        found = [choice.candidate(at) for at, choice in enumerate(in_order(growing))] if growing else []
        return ({"candidates": found} if found else {}) | {"usageMetadata": usage} | head

    def stream(self, document: Json, asked: Asked) -> list[bytes]:
        if not document.get("candidates") and not document.get("promptFeedback"):
            raise Unclear("no answer")
        told = encode(document)
        return elements([told]) if asked.form is Form.ARRAY else [b"data: " + told + b"\r\n\r\n"]

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        if not is_marked or b'"usageMetadata"' not in event.data:
            return None
        told = event.json()
        return encode(told) if self.complete(told, asked, is_marked) else None

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        usage = document.get("usageMetadata")
        return is_marked and isinstance(usage, dict) and mark_gemini(usage)
