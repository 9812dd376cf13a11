"""An engine's reply as Gemini's GenerateContentResponse, whole, as events, or as the elements of a JSON array.

https://ai.google.dev/api/generate-content#v1beta.GenerateContentResponse

A function call is given whole, so it waits until its arguments are. It bears the signature that Google documents for
calls that another model made (https://ai.google.dev/gemini-api/docs/thought-signatures): without one, Gemini 3 would
refuse the conversation when it goes on there.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.dialects.facts import Usage
from edge.dialects.translate.engine import Ending, Finish, Words, arguments_of, call_id, plain_id
from transport.message import Headers

_REASONS = {
    Finish.STOP: "STOP",
    Finish.LENGTH: "MAX_TOKENS",
    Finish.CALLS: "STOP",
    Finish.FILTERED: "SAFETY",
}
_FOREIGN = "skip_thought_signature_validator"

Json = dict[str, Any]


class GenerateWriter:
    """See `edge.dialects.translate.replies.Writer`."""

    def __init__(self, model: str, shows_thoughts: bool, is_array: bool, request_id: str) -> None:
        self._model = model
        self._shows_thoughts = shows_thoughts
        self._is_array = is_array
        self._request_id = request_id
        self._is_first = True
        self._calls: list[tuple[str, str, list[str]]] = []

    def headers(self, streaming: bool) -> Headers:
        is_events = streaming and not self._is_array
        kind = b"text/event-stream" if is_events else b"application/json; charset=UTF-8"
        return [(b"content-type", kind)]

    def begin(self, created: int) -> bytes:
        return b""

    def thought(self, text: str) -> bytes:
        return self._said([{"text": text, "thought": True}]) if self._shows_thoughts else b""

    def text(self, text: str) -> bytes:
        return self._said([{"text": text}])

    def call(self, call_id: str, name: str) -> bytes:
        self._calls.append((call_id, name, []))
        return b""

    def arguments(self, text: str) -> bytes:
        self._calls[-1][2].append(text)
        return b""

    def finish(self, ending: Ending) -> bytes:
        calls = [(known_id, name, "".join(pieces)) for known_id, name, pieces in self._calls]
        made = self._frame(self._last([], calls, ending))
        return made + b"\n]" if self._is_array else made

    def document(self, words: Words, ending: Ending, created: int) -> bytes:
        parts: list[Json] = []
        if words.thought and self._shows_thoughts:
            parts.append({"text": words.thought, "thought": True})
        if words.text:
            parts.append({"text": words.text})
        calls = [
            (call_id(call, self._request_id, at), call.name, call.arguments)
            for at, call in enumerate(words.tool_calls or ())
        ]
        return msgspec.json.encode(self._last(parts, calls, ending))

    def _said(self, parts: list[Json]) -> bytes:
        return self._frame(self._reply({"content": {"parts": parts, "role": "model"}, "index": 0}))

    def _last(self, parts: list[Json], calls: list[tuple[str, str, str]], ending: Ending) -> Json:
        """The reply that says why it ends. A call whose arguments make no sense is said to be malformed, as Gemini
        does it; one that the token limit cut is no call."""
        candidate: Json = {"content": {"parts": parts, "role": "model"}, "finishReason": _REASONS[ending.finish]}
        for known_id, name, text in calls:
            arguments = arguments_of(text)
            if arguments is not None:
                parts.append({"functionCall": {"id": known_id, "name": name, "args": arguments}})
                parts[-1]["thoughtSignature"] = _FOREIGN
            elif ending.finish is not Finish.LENGTH:
                candidate["finishReason"] = "MALFORMED_FUNCTION_CALL"
                candidate["finishMessage"] = f"Malformed function call: {name}"
        if not parts:
            parts.append({"text": ""})
        return self._reply({**candidate, "index": 0}, usage=_usage(ending.usage))

    def _reply(self, candidate: Json, usage: Json | None = None) -> Json:
        reply: Json = {"candidates": [candidate]}
        if usage:
            reply["usageMetadata"] = usage
        return reply | {"modelVersion": self._model, "responseId": plain_id(self._request_id)}

    def _frame(self, reply: Json) -> bytes:
        body = msgspec.json.encode(reply)
        if not self._is_array:
            return b"data: " + body + b"\r\n\r\n"
        before = b"[" if self._is_first else b",\r\n"
        self._is_first = False
        return before + body


def _usage(usage: Usage) -> Json:
    """Gemini counts thoughts apart from the candidate's tokens."""
    thoughts = usage.reasoning or 0
    told = {
        "promptTokenCount": usage.input or 0,
        "candidatesTokenCount": max(0, (usage.output or 0) - thoughts),
        "totalTokenCount": (usage.input or 0) + (usage.output or 0),
    }
    if thoughts:
        told["thoughtsTokenCount"] = thoughts
    if usage.cached:
        told["cachedContentTokenCount"] = usage.cached
    return told
