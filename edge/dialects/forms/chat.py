"""OpenAI's chat completions: chunks and document. https://platform.openai.com/docs/api-reference/chat

Beside OpenAI's own members these are understood: `reasoning_content` and `reasoning` (DeepSeek, vLLM, OpenRouter), and
Azure's `content_filter_results`. Sound isn't.
"""

from __future__ import annotations

from collections.abc import Sequence

from edge.dialects.forms.chunks import (
    ChunkWriter,
    choices_in,
    chunk_again,
    chunks_of,
    document_again,
    head_of,
)
from edge.dialects.forms.values import (
    Asked,
    Event,
    Json,
    Unclear,
    agree,
    in_order,
    index,
    listed,
    only,
    record,
    records,
    text,
)

KINDS = ("chat.completion.chunk", "chat.completion")

_TEXTS = ("content", "refusal", "reasoning_content", "reasoning")
_WORDS = frozenset((*_TEXTS, "role", "tool_calls", "function_call", "annotations"))
_CHOICE = frozenset(("index", "logprobs", "finish_reason", "content_filter_results"))
_LOGPROBS = ("content", "refusal")


class _Growing:
    """One choice of a stream."""

    def __init__(self) -> None:
        self._words: Json = {}
        self._pieces: dict[str, list[str]] = {}
        self._calls: dict[int, _GrowingCall] = {}
        self._function: _GrowingCall | None = None
        self._annotations: list[Json] = []
        self._logprobs: dict[str, list[Json]] = {}
        self._rest: Json = {}
        self._finish: str | None = None

    def feed(self, choice: Json) -> None:
        only(choice, _CHOICE | {"delta"})
        delta = only(record(choice.get("delta", {})), _WORDS)
        agree(self._words, delta, ("role",))
        for name in _TEXTS:
            if delta.get(name) is not None:
                self._pieces.setdefault(name, []).append(text(delta[name]))
        for call in records(delta.get("tool_calls")):
            self._calls.setdefault(index(call.get("index")), _GrowingCall()).feed(call)
        if delta.get("function_call") is not None:
            self._function = self._function or _GrowingCall()
            self._function.function(record(delta["function_call"]))
        self._annotations += records(delta.get("annotations"))
        if choice.get("logprobs") is not None:
            for name, value in only(record(choice["logprobs"]), _LOGPROBS).items():
                if value is not None:
                    self._logprobs.setdefault(name, []).extend(listed(value))
        agree(self._rest, choice, ("content_filter_results",))
        if choice.get("finish_reason") is not None:
            self._finish = text(choice["finish_reason"])

    def choice(self, at: int) -> Json:
        if self._finish is None or self._words.get("role") != "assistant":
            raise Unclear("a choice without an end, or without its beginning")
        message: Json = {"role": "assistant", "content": None, "refusal": None}
        message |= {name: "".join(pieces) for name, pieces in self._pieces.items()}
        if self._calls:
            message["tool_calls"] = [call.tool_call() for call in in_order(self._calls)]
        if self._function is not None:
            message["function_call"] = self._function.named()
        if self._annotations:
            message["annotations"] = self._annotations
        logprobs = {name: self._logprobs.get(name) for name in _LOGPROBS} if self._logprobs else None
        return {"index": at, "message": message, "logprobs": logprobs, "finish_reason": self._finish, **self._rest}


class _GrowingCall:
    """A tool call whose arguments come in fragments."""

    def __init__(self) -> None:
        self._told: Json = {}
        self._name = ""
        self._arguments: list[str] = []

    def feed(self, call: Json) -> None:
        only(call, ("index", "id", "type", "function"))
        agree(self._told, call, ("id", "type"))
        self.function(record(call.get("function") or {}))

    def function(self, told: Json) -> None:
        only(told, ("name", "arguments"))
        if told.get("name"):
            if self._name:
                raise Unclear("a call is named twice")
            self._name = text(told["name"])
        if told.get("arguments") is not None:
            self._arguments.append(text(told["arguments"]))

    def tool_call(self) -> Json:
        if self._told.get("type") != "function" or "id" not in self._told:
            raise Unclear("a call of another kind")
        return {"id": self._told["id"], "type": "function", "function": self.named()}

    def named(self) -> Json:
        if not self._name:
            raise Unclear("a call without a name")
        return {"name": self._name, "arguments": "".join(self._arguments)}


class Chat:
    """See `edge.dialects.forms.values.Shape`."""

    def document(self, events: Sequence[Event]) -> Json:
        chunks = chunks_of(events)
        head = head_of(chunks, KINDS)
        growing: dict[int, _Growing] = {}
        for choice in choices_in(chunks):
            growing.setdefault(index(choice.get("index")), _Growing()).feed(choice)
        head["choices"] = [choice.choice(at) for at, choice in enumerate(in_order(growing))]
        return head

    def stream(self, document: Json, asked: Asked) -> list[bytes]:
        writer = ChunkWriter(document, KINDS, asked)
        for choice in records(document["choices"]):
            only(choice, _CHOICE | {"message"})
            end = text(choice.get("finish_reason"))
            said: Json = {"index": index(choice.get("index"))}
            filtered = choice.get("content_filter_results")
            for delta, logprobs in _deltas(choice):
                first = {} if filtered is None else {"content_filter_results": filtered}
                filtered = None
                writer.choice(said | {"delta": delta, "logprobs": logprobs, "finish_reason": None} | first)
            writer.choice(said | {"delta": {}, "logprobs": None, "finish_reason": end})
        return writer.end()

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        return chunk_again(event, asked, is_marked)

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        return document_again(document, asked, is_marked)


def _deltas(choice: Json) -> list[tuple[Json, Json | None]]:
    """What a choice's message says piece by piece, and the log probabilities that go with each."""
    message = only(record(choice.get("message")), _WORDS)
    if message.get("role") != "assistant":
        raise Unclear("a message of somebody else")
    logprobs = only(record(choice.get("logprobs") or {}), _LOGPROBS)
    said = "" if isinstance(message.get("content"), str) else None
    made: list[tuple[Json, Json | None]] = [({"role": "assistant", "content": said, "refusal": None}, None)]
    for name in ("reasoning_content", "reasoning", "content", "refusal"):
        likely = logprobs.get(name) if name in _LOGPROBS else None
        if message.get(name) or likely is not None:
            delta = {name: text(message[name])} if message.get(name) else {}
            both = {which: likely if which == name else None for which in _LOGPROBS}
            made.append((delta, both if likely is not None else None))
    for at, call in enumerate(records(message.get("tool_calls"))):
        made += [(delta, None) for delta in _call(at, call)]
    if message.get("function_call") is not None:
        told = only(record(message["function_call"]), ("name", "arguments"))
        made.append(({"function_call": {"name": text(told.get("name")), "arguments": ""}}, None))
        made.append(({"function_call": {"arguments": text(told.get("arguments"))}}, None))
    if records(message.get("annotations")):
        made.append(({"annotations": message["annotations"]}, None))
    return made


def _call(at: int, call: Json) -> list[Json]:
    only(call, ("id", "type", "function"))
    function = only(record(call.get("function")), ("name", "arguments"))
    if call.get("type") != "function":
        raise Unclear("a call of another kind")
    begun = {"name": text(function.get("name")), "arguments": ""}
    return [
        {"tool_calls": [{"index": at, "id": text(call.get("id")), "type": "function", "function": begun}]},
        {"tool_calls": [{"index": at, "function": {"arguments": text(function.get("arguments"))}}]},
    ]
