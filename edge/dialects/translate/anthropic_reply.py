"""An engine's reply as Anthropic's message and its events. https://docs.anthropic.com/en/docs/build-with-claude/streaming

The prompt's tokens are known only at the end, so message_start says 0 and message_delta the cumulative truth, which
is how the API's own counts are to be read.
"""

from __future__ import annotations

from typing import Any

import msgspec

from edge.dialects.errors import event
from edge.dialects.facts import Usage
from edge.dialects.translate.engine import Ending, Finish, Words, arguments_of, call_id, plain_id
from transport.message import Headers

_REASONS = {
    Finish.STOP: "end_turn",
    Finish.LENGTH: "max_tokens",
    Finish.CALLS: "tool_use",
    Finish.FILTERED: "refusal",
}


class MessageWriter:
    """See `edge.dialects.translate.replies.Writer`."""

    def __init__(self, model: str, shows_thinking: bool, request_id: str) -> None:
        self._model = model
        self._shows_thinking = shows_thinking
        self._request_id = request_id
        self._block = -1
        self._open = ""  # the type of the block that is open

    def headers(self, streaming: bool) -> Headers:
        kind = b"text/event-stream; charset=utf-8" if streaming else b"application/json"
        return [(b"content-type", kind), (b"request-id", self._request_id.encode("latin-1", "replace"))]

    def begin(self, created: int) -> bytes:
        message = self._message([], None, None, _usage(Usage(0, 0)))
        return _event({"type": "message_start", "message": message}) + _event({"type": "ping"})

    def thought(self, text: str) -> bytes:
        if not self._shows_thinking:
            return b""
        opened = self._within({"type": "thinking", "thinking": "", "signature": ""})
        return opened + self._delta({"type": "thinking_delta", "thinking": text})

    def text(self, text: str) -> bytes:
        opened = self._within({"type": "text", "text": ""})
        return opened + self._delta({"type": "text_delta", "text": text})

    def call(self, call_id: str, name: str) -> bytes:
        return self._close() + self._begin_block(_tool_use(call_id, name, {}))

    def arguments(self, text: str) -> bytes:
        return self._delta({"type": "input_json_delta", "partial_json": text})

    def finish(self, ending: Ending) -> bytes:
        reason, stop = _reason(ending)
        delta = {"stop_reason": reason, "stop_sequence": stop}
        told = _event({"type": "message_delta", "delta": delta, "usage": _usage(ending.usage)})
        return self._close() + told + _event({"type": "message_stop"})

    def document(self, words: Words, ending: Ending, created: int) -> bytes:
        content: list[dict[str, Any]] = []
        if words.thought and self._shows_thinking:
            content.append({"type": "thinking", "thinking": words.thought, "signature": ""})
        if words.text:
            content.append({"type": "text", "text": words.text})
        for at, call in enumerate(words.tool_calls or ()):
            arguments = arguments_of(call.arguments)
            if arguments is not None:
                content.append(_tool_use(call_id(call, self._request_id, at), call.name, arguments))
            elif ending.finish is not Finish.LENGTH:  # cut within its arguments it is no call; else it makes no sense
                return b""
        return msgspec.json.encode(self._message(content, *_reason(ending), _usage(ending.usage)))

    def _message(
        self, content: list[dict[str, Any]], reason: str | None, stop: str | None, usage: dict[str, Any]
    ) -> dict[str, Any]:
        return {
            "id": f"msg_{plain_id(self._request_id)}",
            "type": "message",
            "role": "assistant",
            "model": self._model,
            "content": content,
            "stop_reason": reason,
            "stop_sequence": stop,
            "usage": usage,
        }

    def _within(self, block: dict[str, Any]) -> bytes:
        """What is to be said before a delta of such a block."""
        return b"" if self._open == block["type"] else self._close() + self._begin_block(block)

    def _begin_block(self, block: dict[str, Any]) -> bytes:
        self._block += 1
        self._open = block["type"]
        return _event({"type": "content_block_start", "index": self._block, "content_block": block})

    def _close(self) -> bytes:
        if not self._open:
            return b""
        self._open = ""
        return _event({"type": "content_block_stop", "index": self._block})

    def _delta(self, delta: dict[str, Any]) -> bytes:
        return _event({"type": "content_block_delta", "index": self._block, "delta": delta})


def _event(body: dict[str, Any]) -> bytes:
    return event(body["type"], body)


def _tool_use(call_id: str, name: str, arguments: dict[str, Any]) -> dict[str, Any]:
    return {"type": "tool_use", "id": f"toolu_{call_id}", "name": name, "input": arguments}


def _reason(ending: Ending) -> tuple[str, str | None]:
    if ending.finish is Finish.STOP and ending.stop is not None:
        return "stop_sequence", ending.stop
    return _REASONS[ending.finish], None


def _usage(usage: Usage) -> dict[str, Any]:
    """Anthropic counts what came from the cache apart from the rest of the prompt."""
    cached = usage.cached or 0
    return {
        "input_tokens": max(0, (usage.input or 0) - cached),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": cached,
        "output_tokens": usage.output or 0,
    }
