"""An engine's reply as OpenAI's response and its events. https://platform.openai.com/docs/api-reference/responses-streaming

Items come one after the other: reasoning, a message, function calls. Each is added, grows by deltas, and is done; the
last event has the whole response, with all items.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.dialects.errors import event
from edge.dialects.facts import Usage
from edge.dialects.translate.engine import Ending, Finish, Words, call_id, plain_id
from edge.dialects.translate.responses_request import Asked
from transport.message import Headers

Json = dict[str, Any]

_INCOMPLETE = {Finish.LENGTH: "max_output_tokens", Finish.FILTERED: "content_filter"}
_TEXTS = {"message": "output_text", "reasoning": "reasoning_text"}
"""What an item's text is called."""


class ResponseWriter:
    """See `edge.dialects.translate.replies.Writer`."""

    def __init__(self, asked: Asked, request_id: str) -> None:
        self._asked = asked
        self._request_id = request_id
        self._created = 0
        self._sequence = -1
        self._items: list[Json] = []
        self._open = ""  # the type of the item that grows, which is the last
        self._pieces: list[str] = []  # of its text or arguments

    def headers(self, streaming: bool) -> Headers:
        kind = b"text/event-stream; charset=utf-8" if streaming else b"application/json"
        return [(b"content-type", kind), (b"x-request-id", self._request_id.encode("latin-1", "replace"))]

    def begin(self, created: int) -> bytes:
        self._created = created
        response = self._response("in_progress", None)
        return self._event("response.created", response=response) + self._event(
            "response.in_progress", response=response
        )

    def thought(self, text: str) -> bytes:
        return self._grow("reasoning", text) if self._asked.reasoning else b""

    def text(self, text: str) -> bytes:
        return self._grow("message", text)

    def call(self, call_id: str, name: str) -> bytes:
        return self._close() + self._add(self._call(call_id, name, ""))

    def arguments(self, text: str) -> bytes:
        self._pieces.append(text)
        return self._event("response.function_call_arguments.delta", **self._place(), delta=text)

    def finish(self, ending: Ending) -> bytes:
        status = "incomplete" if ending.finish in _INCOMPLETE else "completed"
        return self._close(status) + self._event(f"response.{status}", response=self._response(status, ending))

    def document(self, words: Words, ending: Ending, created: int) -> bytes:
        self._created = created
        status = "incomplete" if ending.finish in _INCOMPLETE else "completed"
        for kind, text in (("reasoning", words.thought if self._asked.reasoning else ""), ("message", words.text)):
            if text:
                self._items.append(_with_text(self._item(kind), text, status))
        for at, call in enumerate(words.tool_calls or ()):
            item = self._call(call_id(call, self._request_id, at), call.name, call.arguments)
            self._items.append(item | {"status": status})
        return msgspec.json.encode(self._response(status, ending))

    def _grow(self, kind: str, text: str) -> bytes:
        made = b"" if self._open == kind else self._close() + self._begin_text(kind)
        self._pieces.append(text)
        logprobs: Json = {"logprobs": []} if kind == "message" else {}
        return made + self._event(
            f"response.{_TEXTS[kind]}.delta", **self._place(), content_index=0, delta=text, **logprobs
        )

    def _begin_text(self, kind: str) -> bytes:
        added = self._add(self._item(kind))
        return added + self._event(
            "response.content_part.added", **self._place(), content_index=0, part=_part(kind, "")
        )

    def _add(self, item: Json) -> bytes:
        self._items.append(item)
        self._open, self._pieces = item["type"], []
        return self._event("response.output_item.added", output_index=len(self._items) - 1, item=item)

    def _close(self, status: str = "completed") -> bytes:
        """The item that grew is done."""
        if not self._open:
            return b""
        kind, text, place = self._open, "".join(self._pieces), self._place()
        self._open = ""
        if kind == "function_call":
            item = self._items[-1] | {"arguments": text, "status": status}
            made = self._event("response.function_call_arguments.done", **place, name=item["name"], arguments=text)
        else:
            item = _with_text(self._items[-1], text, status)
            logprobs: Json = {"logprobs": []} if kind == "message" else {}
            made = self._event(f"response.{_TEXTS[kind]}.done", **place, content_index=0, text=text, **logprobs)
            made += self._event("response.content_part.done", **place, content_index=0, part=_part(kind, text))
        self._items[-1] = item
        return made + self._event("response.output_item.done", output_index=place["output_index"], item=item)

    def _place(self) -> Json:
        return {"item_id": self._items[-1]["id"], "output_index": len(self._items) - 1}

    def _item(self, kind: str) -> Json:
        if kind == "reasoning":
            return {"id": self._id("rs"), "type": kind, "summary": [], "content": [], "status": "in_progress"}
        return {"id": self._id("msg"), "type": kind, "role": "assistant", "content": [], "status": "in_progress"}

    def _call(self, call_id: str, name: str, arguments: str) -> Json:
        item = {"id": self._id("fc"), "type": "function_call", "call_id": call_id, "name": name}
        return item | {"arguments": arguments, "status": "in_progress"}

    def _id(self, prefix: str) -> str:
        return f"{prefix}_{plain_id(self._request_id)}_{len(self._items)}"

    def _response(self, status: str, ending: Ending | None) -> Json:
        asked = self._asked
        reason = _INCOMPLETE.get(ending.finish) if ending else None
        return {
            "id": f"resp_{plain_id(self._request_id)}",
            "object": "response",
            "created_at": self._created,
            "status": status,
            "error": None,
            "incomplete_details": {"reason": reason} if reason else None,
            "instructions": asked.instructions,
            "max_output_tokens": asked.max_output_tokens,
            "model": asked.model,
            "output": list(self._items) if ending else [],
            "parallel_tool_calls": asked.parallel_tool_calls is not False,
            "previous_response_id": None,
            "store": False,
            "temperature": asked.temperature,
            "text": asked.text or {"format": {"type": "text"}},
            "tool_choice": asked.tool_choice or "auto",
            "tools": asked.tools or [],
            "top_p": asked.top_p,
            "truncation": "disabled",
            "usage": _usage(ending.usage) if ending else None,
            "metadata": asked.metadata or {},
        }

    def _event(self, kind: str, **fields: Any) -> bytes:
        self._sequence += 1
        return event(kind, {"type": kind, "sequence_number": self._sequence, **fields})


def _part(kind: str, text: str) -> Json:
    part: Json = {"type": _TEXTS[kind], "text": text}
    return part | {"annotations": [], "logprobs": []} if kind == "message" else part


def _with_text(item: Json, text: str, status: str) -> Json:
    return item | {"content": [_part(item["type"], text)], "status": status}


def _usage(usage: Usage) -> Json:
    return {
        "input_tokens": usage.input or 0,
        "input_tokens_details": {"cached_tokens": usage.cached or 0},
        "output_tokens": usage.output or 0,
        "output_tokens_details": {"reasoning_tokens": usage.reasoning or 0},
        "total_tokens": (usage.input or 0) + (usage.output or 0),
    }
