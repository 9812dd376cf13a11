"""Anthropic's messages. https://docs.anthropic.com/en/docs/build-with-claude/streaming

The input of a tool's call is passed on byte by byte, in both directions. Blocks that a stream gives whole when they
begin (what the provider's own tools found, redacted thinking) stay so.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec

from edge.dialects.forms.cached import mark_anthropic
from edge.dialects.forms.framing import frame
from edge.dialects.forms.values import (
    Asked,
    Event,
    Json,
    Unclear,
    decoded,
    encode,
    in_order,
    index,
    only,
    record,
    records,
    text,
)

_CALLS = frozenset(("tool_use", "server_tool_use", "mcp_tool_use"))
_WHOLE = frozenset(("redacted_thinking", "container_upload"))
_ENDING = frozenset(("stop_reason", "stop_sequence", "stop_details", "container"))
_TOLD_AT_END = ("input_tokens", "cache_creation_input_tokens", "cache_read_input_tokens", "output_tokens")
_DETAILS_AT_END = ("server_tool_use", "output_tokens_details")
_STREAM = frozenset(("message_start", "content_block_start", "content_block_delta", "content_block_stop"))
_COUNTED = frozenset(("message_start", "message_delta"))


class _Block:
    """One block of the content, as it grows."""

    def __init__(self, begun: Json) -> None:
        self._block = begun
        self._kind = _kind_of(begun)
        self._pieces: list[str] = []
        self._is_open = True

    def feed(self, delta: Json) -> None:
        kind, block = delta.get("type"), self._block
        if not self._is_open:
            raise Unclear("a block goes on after its end")
        if kind == "text_delta" and self._kind == "text":
            self._pieces.append(text(only(delta, ("type", "text")).get("text")))
        elif kind == "citations_delta" and self._kind == "text":
            block["citations"] = [*(block.get("citations") or []), record(delta.get("citation"))]
        elif kind == "thinking_delta" and self._kind == "thinking":
            # An estimate of tokens while thinking isn't shown is progress, not content.
            self._pieces.append(text(only(delta, ("type", "thinking", "estimated_tokens")).get("thinking")))
        elif kind == "signature_delta" and self._kind == "thinking":
            block["signature"] = text(delta.get("signature"))
        elif kind == "input_json_delta" and self._kind in _CALLS:
            self._pieces.append(text(delta.get("partial_json")))
        else:
            raise Unclear(f"a delta that isn't understood: {kind}")

    def stop(self) -> None:
        self._is_open = False

    def block(self) -> Json:
        if self._is_open:
            raise Unclear("a block without an end")
        said = "".join(self._pieces)
        if self._kind in ("text", "thinking"):
            self._block[self._kind] = text(self._block.get(self._kind)) + said
        elif said:
            decoded(said.encode())
            self._block["input"] = msgspec.Raw(said.encode())
        return self._block


class Messages:
    """See `edge.dialects.forms.values.Shape`."""

    def document(self, events: Sequence[Event]) -> Json:
        told = [said for said in (event.json() for event in events) if said.get("type") != "ping"]
        if len(told) < 3 or told[0].get("type") != "message_start" or told[-1].get("type") != "message_stop":
            raise Unclear("no beginning or no end")
        message = record(told[0].get("message"))
        if message.get("content") != []:
            raise Unclear("content before the first block")
        record(message.get("usage"))
        blocks: dict[int, _Block] = {}
        for said in told[1:-1]:
            _take(said, message, blocks)
        if message.get("stop_reason") is None:
            raise Unclear("nobody knows why it ended")
        message["content"] = [block.block() for block in in_order(blocks)] if blocks else []
        return message

    def stream(self, document: Json, asked: Asked) -> list[bytes]:
        if document.get("type") != "message" or document.get("stop_reason") is None:
            raise Unclear("not a message that ended")
        usage = record(document.get("usage"))
        ending = {name: document[name] for name in _ENDING if name in document}
        begun = document | {"content": []} | dict.fromkeys(ending)
        begun["usage"] = usage | {"output_tokens": 0}
        last: Json = {"type": "message_delta", "delta": ending}
        if document.get("context_management") is not None:
            last["context_management"] = document["context_management"]
            begun["context_management"] = None
        last["usage"] = {name: usage[name] for name in _TOLD_AT_END + _DETAILS_AT_END if usage.get(name) is not None}
        said: list[Json] = [{"type": "message_start", "message": begun}]
        for at, block in enumerate(records(document.get("content"))):
            said += _block(at, block)
        said += [last, {"type": "message_stop"}]
        return [frame(encode(event), event["type"]) for event in said]

    def again(self, event: Event, asked: Asked, is_marked: bool) -> bytes | None:
        if not is_marked or (event.kind and event.kind not in _COUNTED):
            return None
        told = event.json()
        within = told.get("message") if told.get("type") == "message_start" else told
        usage = within.get("usage") if isinstance(within, dict) else None
        return encode(told) if isinstance(usage, dict) and mark_anthropic(usage) else None

    def complete(self, document: Json, asked: Asked, is_marked: bool) -> bool:
        usage = document.get("usage")
        return is_marked and isinstance(usage, dict) and mark_anthropic(usage)


def _kind_of(block: Json) -> str:
    kind = text(block.get("type"))
    if kind in _CALLS or kind in _WHOLE or kind in ("text", "thinking") or kind.endswith("_tool_result"):
        return kind
    raise Unclear(f"a block that isn't understood: {kind}")


def _take(said: Json, message: Json, blocks: dict[int, _Block]) -> None:
    """One event between the first and the last."""
    kind = said.get("type")
    if kind == "message_delta":
        only(said, ("type", "delta", "usage", "context_management"))
        message |= only(record(said.get("delta")), _ENDING)
        if said.get("context_management") is not None:
            message["context_management"] = said["context_management"]
        counts = record(said.get("usage") or {})
        message["usage"] |= {name: count for name, count in counts.items() if count is not None}
        return
    at = index(said.get("index"))
    if kind == "content_block_start" and at not in blocks:
        blocks[at] = _Block(record(said.get("content_block")))
    elif kind == "content_block_delta" and at in blocks:
        blocks[at].feed(record(said.get("delta")))
    elif kind == "content_block_stop" and at in blocks:
        blocks[at].stop()
    else:
        raise Unclear(f"an event that isn't understood: {kind}")


def _block(at: int, block: Json) -> list[Json]:
    """The events of one block."""
    kind = _kind_of(block)
    begun: Json = dict(block)
    deltas: list[dict[str, Any]] = []
    if kind == "text":
        begun["text"] = ""
        if block.get("citations"):
            begun["citations"] = []
            deltas = [{"type": "citations_delta", "citation": citation} for citation in records(block["citations"])]
        if said := text(block.get("text")):
            deltas.append({"type": "text_delta", "text": said})
    elif kind == "thinking":
        begun |= {"thinking": "", "signature": ""}
        deltas = [{"type": "thinking_delta", "thinking": text(block.get("thinking"))}]
        if block.get("signature"):
            deltas.append({"type": "signature_delta", "signature": text(block["signature"])})
    elif kind in _CALLS:
        begun["input"] = {}
        if block.get("input") != {}:
            told = encode(record(block.get("input"))).decode()
            deltas = [{"type": "input_json_delta", "partial_json": told}]
    start = {"type": "content_block_start", "index": at, "content_block": begun}
    said_all = [{"type": "content_block_delta", "index": at, "delta": delta} for delta in deltas]
    return [start, *said_all, {"type": "content_block_stop", "index": at}]
