"""What engines say, as they were seen to say it: chunks of llama.cpp and vLLM, documents, errors."""

from __future__ import annotations

import json
from typing import Any

from tests.support.dialect_streams import DONE, data

COUNTS = {
    "prompt_tokens": 31,
    "completion_tokens": 9,
    "total_tokens": 40,
    "prompt_tokens_details": {"cached_tokens": 24},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
OVERFLOW = (
    b'{"error":{"code":400,"message":"request (18010 tokens) exceeds the available context size (2048 tokens), try '
    b'increasing it","type":"exceed_context_size_error","n_prompt_tokens":18010,"n_ctx":2048}}'
)
LOADING = b'{"error":{"message":"Loading model","type":"unavailable_error","code":503}}'
VLLM_ERROR = b'{"object":"error","message":"maximum context length is 10 tokens","type":"BadRequestError","code":400}'


def chunk(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    head = {"id": "chatcmpl-1", "object": "chat.completion.chunk", "created": 1795335305, "model": "qwen"}
    return data({**head, "choices": [choice | more.pop("choice", {})], **more})


def usage(counts: dict[str, Any] = COUNTS) -> bytes:
    return data({"id": "chatcmpl-1", "created": 1795335305, "choices": [], "usage": counts})


def call(index: int | None = 0, call_id: str | None = None, name: str | None = None, arguments: str = "") -> bytes:
    piece: dict[str, Any] = {"function": {"arguments": arguments}}
    if index is not None:
        piece["index"] = index
    if call_id is not None:
        piece |= {"id": call_id, "type": "function"}
    if name is not None:
        piece["function"]["name"] = name
    return chunk({"tool_calls": [piece]})


BEGIN = chunk({"role": "assistant", "content": None})
SAYS = BEGIN + chunk({"content": "Hel"}) + chunk({"content": "lo"}) + chunk({}, "stop") + usage() + DONE
THINKS = BEGIN + chunk({"reasoning_content": "hm"}) + chunk({"reasoning": "m"}) + SAYS.removeprefix(BEGIN)
CALLS = (
    BEGIN
    + chunk({"content": "Let me see."})
    + call(0, "a b", "f", "")
    + call(0, arguments='{"a":')
    + call(0, arguments="1}")
    + call(1, None, "g", "{}")
    + chunk({}, "tool_calls")
    + usage()
    + DONE
)


def document(message: dict[str, Any], finish: str | None = "stop", counts: dict[str, Any] | None = None) -> bytes:
    choice = {"index": 0, "message": {"role": "assistant", **message}, "finish_reason": finish}
    told = {"id": "chatcmpl-1", "object": "chat.completion", "created": 1795335305, "choices": [choice]}
    return json.dumps(told | {"usage": counts or COUNTS}).encode()


def whole_call(arguments: str, call_id: str = "x") -> dict[str, Any]:
    return {"id": call_id, "type": "function", "function": {"name": "f", "arguments": arguments}}
