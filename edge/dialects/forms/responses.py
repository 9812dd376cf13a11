"""OpenAI's responses. The last event of a stream has the whole document; only the other way needs words.

https://platform.openai.com/docs/api-reference/responses-streaming

Items that are understood: messages (text, refusals, annotations), reasoning (summaries, texts, encrypted content),
calls of functions and of custom tools. Those of tools that run at the provider aren't.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from edge.dialects.forms.cached import mark_openai
from edge.dialects.forms.framing import frame
from edge.dialects.forms.values import (
    Asked,
    Event,
    Json,
    Unclear,
    echo,
    encode,
    listed,
    only,
    record,
    records,
    text,
)

_ENDS = {"completed": "response.completed", "incomplete": "response.incomplete"}
_LIVES = frozenset((*_ENDS.values(), "response.created", "response.in_progress", "response.queued"))
_TEXT = frozenset(("type", "text", "annotations", "logprobs"))

_Said = Iterator[tuple[str, Json]]


def _end(response: Json) -> str:
    """The event that ends a response of its status."""
    status = response.get("status")
    if not isinstance(status, str) or status not in _ENDS:
        raise Unclear("not ended in order")
    return _ENDS[status]


class Responses:
    """See `edge.dialects.forms.values.Shape`."""

    def document(self, events: Sequence[Event]) -> Json:
        last = events[-1].json() if events else {}
        response = record(last.get("response"))
        if last.get("type") != _end(response) or not isinstance(response.get("output"), list):
            raise Unclear("not ended in order")
        return response

    def stream(self, document: Json, asked: Asked) -> list[bytes]:
        end = _end(document)
        if document.get("object") != "response":
            raise Unclear("not ended in order")
        begun = document | {"status": "in_progress", "output": [], "usage": None, "incomplete_details": None}
        if "completed_at" in begun:
            begun["completed_at"] = None
        begun.pop("output_text", None)
        said: list[tuple[str, Json]] = [("response.created", {"response": begun})]
        said.append(("response.in_progress", {"response": begun}))
        for at, item in enumerate(records(document.get("output"))):
            said += _item(at, item)
        said.append((end, {"response": document}))
        return [
            frame(encode({"type": kind, "sequence_number": number, **more}), kind)
            for number, (kind, more) in enumerate(said)
        ]

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        if event.kind not in _LIVES and event.kind:
            return None
        told = event.json()
        if told.get("type") not in _LIVES:
            return None
        return encode(told) if self.complete(record(told.get("response")), asked, is_marked) else None

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        changed = echo(document, asked)
        usage = document.get("usage")
        return (is_marked and isinstance(usage, dict) and mark_openai(usage)) or changed


def _item(at: int, item: Json) -> _Said:
    """All that is said of one item of the output."""
    place: Json = {"item_id": text(item.get("id")), "output_index": at}
    kind = item.get("type")
    begun = item | ({"status": "in_progress"} if item.get("status") is not None else {})
    if kind == "message":
        yield "response.output_item.added", {"output_index": at, "item": begun | {"content": []}}
        for nth, part in enumerate(records(item.get("content"))):
            yield from _part(place | {"content_index": nth}, part)
    elif kind == "reasoning":
        emptied: Json = {name: [] for name in ("summary", "content") if isinstance(item.get(name), list)}
        yield "response.output_item.added", {"output_index": at, "item": begun | emptied}
        for nth, part in enumerate(records(item.get("summary"))):
            yield from _summary(place | {"summary_index": nth}, part)
        for nth, part in enumerate(records(item.get("content"))):
            yield from _thought(place | {"content_index": nth}, part)
    elif kind == "function_call":
        yield "response.output_item.added", {"output_index": at, "item": begun | {"arguments": ""}}
        said = text(item.get("arguments"))
        yield "response.function_call_arguments.delta", place | {"delta": said}
        yield "response.function_call_arguments.done", place | {"name": item.get("name"), "arguments": said}
    elif kind == "custom_tool_call":
        yield "response.output_item.added", {"output_index": at, "item": begun | {"input": ""}}
        said = text(item.get("input"))
        yield "response.custom_tool_call_input.delta", place | {"delta": said}
        yield "response.custom_tool_call_input.done", place | {"input": said}
    else:
        raise Unclear(f"an item that isn't understood: {kind}")
    yield "response.output_item.done", {"output_index": at, "item": item}


def _part(place: Json, part: Json) -> _Said:
    """A part of a message."""
    if part.get("type") == "refusal":
        said = text(only(part, ("type", "refusal")).get("refusal"))
        yield "response.content_part.added", place | {"part": part | {"refusal": ""}}
        yield "response.refusal.delta", place | {"delta": said}
        yield "response.refusal.done", place | {"refusal": said}
    elif part.get("type") == "output_text":
        said = text(only(part, _TEXT).get("text"))
        likely: dict[str, Any] = {"logprobs": listed(part.get("logprobs"))}
        emptied: Json = {name: [] for name in ("annotations", "logprobs") if isinstance(part.get(name), list)}
        yield "response.content_part.added", place | {"part": part | {"text": ""} | emptied}
        yield "response.output_text.delta", place | {"delta": said} | likely
        for nth, note in enumerate(records(part.get("annotations"))):
            yield "response.output_text.annotation.added", place | {"annotation_index": nth, "annotation": note}
        yield "response.output_text.done", place | {"text": said} | likely
    else:
        raise Unclear("a part that isn't understood")
    yield "response.content_part.done", place | {"part": part}


def _summary(place: Json, part: Json) -> _Said:
    if part.get("type") != "summary_text":
        raise Unclear("a summary that isn't understood")
    said = text(only(part, ("type", "text")).get("text"))
    yield "response.reasoning_summary_part.added", place | {"part": part | {"text": ""}}
    yield "response.reasoning_summary_text.delta", place | {"delta": said}
    yield "response.reasoning_summary_text.done", place | {"text": said}
    yield "response.reasoning_summary_part.done", place | {"part": part}


def _thought(place: Json, part: Json) -> _Said:
    if part.get("type") != "reasoning_text":
        raise Unclear("a thought that isn't understood")
    said = text(only(part, ("type", "text")).get("text"))
    yield "response.content_part.added", place | {"part": part | {"text": ""}}
    yield "response.reasoning_text.delta", place | {"delta": said}
    yield "response.reasoning_text.done", place | {"text": said}
    yield "response.content_part.done", place | {"part": part}
