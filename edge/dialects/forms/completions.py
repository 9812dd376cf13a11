"""OpenAI's legacy completions, whose stream and document have one shape.
https://platform.openai.com/docs/api-reference/completions"""

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

KINDS = ("text_completion", "text_completion")

_CHOICE = frozenset(("index", "text", "logprobs", "finish_reason", "content_filter_results"))
_LOGPROBS = ("tokens", "token_logprobs", "top_logprobs", "text_offset")


class _Growing:
    """One choice of a stream."""

    def __init__(self) -> None:
        self._pieces: list[str] = []
        self._logprobs: dict[str, list[Json]] = {}
        self._rest: Json = {}
        self._finish: str | None = None

    def feed(self, choice: Json) -> None:
        only(choice, _CHOICE)
        self._pieces.append(text(choice.get("text")))
        if choice.get("logprobs") is not None:
            for name, value in only(record(choice["logprobs"]), _LOGPROBS).items():
                if value is not None:
                    self._logprobs.setdefault(name, []).extend(listed(value))
        agree(self._rest, choice, ("content_filter_results",))
        if choice.get("finish_reason") is not None:
            self._finish = text(choice["finish_reason"])

    def choice(self, at: int) -> Json:
        if self._finish is None:
            raise Unclear("a choice without an end")
        logprobs = {name: self._logprobs.get(name) for name in _LOGPROBS} if self._logprobs else None
        said = {"text": "".join(self._pieces), "index": at, "logprobs": logprobs, "finish_reason": self._finish}
        return said | self._rest


class Completions:
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
            only(choice, _CHOICE)
            index(choice.get("index"))
            text(choice.get("text"))
            text(choice.get("finish_reason"))
            writer.choice(choice)
        return writer.end()

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        return chunk_again(event, asked, is_marked)

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        return document_again(document, asked, is_marked)
