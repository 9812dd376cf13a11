"""Anthropic's Messages API. Shapes: https://docs.anthropic.com/en/api/messages-streaming"""

from __future__ import annotations

from typing import Any

from netem.provider.reply import MARK, Reply, Stream, encode, json_reply, named_event, template
from netem.provider.request import Request
from netem.provider.sim import Sim
from netem.provider.words import Words, count, text_of, words_for

MODELS = ("claude-opus-4-5", "claude-sonnet-4-5", "claude-haiku-4-5")
_TYPES = {
    400: "invalid_request_error",
    401: "authentication_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    529: "overloaded_error",
}


def _error(status: int, message: str) -> dict[str, Any]:
    kind = _TYPES.get(status, "api_error")
    return {"type": "error", "error": {"type": kind, "message": message}, "request_id": "req_sim"}


def error(status: int, message: str) -> bytes:
    return encode(_error(status, message))


def models(request: Request, sim: Sim) -> Reply:
    name = request.path.rpartition("/models")[2].strip("/")
    if name:
        return json_reply(_model(name))
    data = [_model(each) for each in MODELS]
    return json_reply({"data": data, "has_more": False, "first_id": MODELS[0], "last_id": MODELS[-1]})


def _model(name: str) -> dict[str, Any]:
    return {"type": "model", "id": name, "display_name": name, "created_at": "2026-01-01T00:00:00Z"}


def count_tokens(request: Request, sim: Sim) -> Reply:
    return json_reply({"input_tokens": count(_prompt(request.asked))})


def _prompt(asked: dict[str, Any]) -> str:
    return f"{text_of(asked.get('system'))} {text_of(asked.get('messages'))}".strip()


def _wants_tool(asked: dict[str, Any], sim: Sim) -> str | None:
    tools = asked.get("tools")
    choice = asked.get("tool_choice")
    if not tools or sim.answer == "text" or (isinstance(choice, dict) and choice.get("type") == "none"):
        return None
    content = (asked.get("messages") or [{}])[-1].get("content")
    if isinstance(content, list) and any(isinstance(c, dict) and c.get("type") == "tool_result" for c in content):
        return None
    return str(tools[0].get("name", "tool"))


def _usage(words: Words) -> dict[str, Any]:
    """Cached tokens aren't part of `input_tokens` here; `output_tokens` includes thinking."""
    sim = words.sim
    return {
        "input_tokens": count(words.prompt),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": sim.cached_tokens,
        "output_tokens": words.tokens + sim.reasoning_tokens,
        "service_tier": "standard",
    }


def messages(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    words = words_for(sim, _prompt(asked), asked.get("max_tokens"))
    tool = _wants_tool(asked, sim)
    frame = {
        "id": f"msg_{request.id}",
        "type": "message",
        "role": "assistant",
        "model": asked.get("model", MODELS[0]),
        "stop_sequence": None,
    }
    stop = "tool_use" if tool else {"stop": "end_turn", "length": "max_tokens"}[words.finish]
    headers = (("request-id", f"req_{request.id}"),)
    if asked.get("stream"):
        return Reply(headers=headers, content_type="text/event-stream", stream=_stream(frame, words, tool, stop))
    block = _block(tool, words.text())
    whole = {**frame, "content": [block], "stop_reason": stop, "usage": _usage(words)}
    return json_reply(whole, words.tokens, headers)


def _block(tool: str | None, text: str) -> dict[str, Any]:
    if tool:
        return {"type": "tool_use", "id": "toolu_1", "name": tool, "input": {"text": text} if text else {}}
    return {"type": "text", "text": text}


def _delta(tool: str | None, text: str) -> bytes:
    delta = {"type": "input_json_delta", "partial_json": text} if tool else {"type": "text_delta", "text": text}
    return named_event({"type": "content_block_delta", "index": 0, "delta": delta})


def _stream(frame: dict[str, Any], words: Words, tool: str | None, stop: str) -> Stream:
    spent = _usage(words)
    start = {**frame, "content": [], "stop_reason": None, "usage": {**spent, "output_tokens": 1}}
    opening = named_event({"type": "message_start", "message": start})
    opening += named_event({"type": "content_block_start", "index": 0, "content_block": _block(tool, "")})
    opening += named_event({"type": "ping"})
    closing = b""
    if tool:
        opening += _delta(tool, '{"text": "')
        closing = _delta(tool, '"}')
    closing += named_event({"type": "content_block_stop", "index": 0})
    ending = {"stop_reason": stop, "stop_sequence": None}
    closing += named_event({"type": "message_delta", "delta": ending, "usage": spent})
    closing += named_event({"type": "message_stop"})
    render = words.render(*template(_delta(tool, MARK)))
    return Stream(opening, render, words.pieces, closing, named_event(_error(529, "Overloaded")))


def batches(request: Request, sim: Sim) -> Reply:
    """Message batches: created in progress, ended when asked again, results as JSON lines."""
    name = request.path.rpartition("/batches")[2].strip("/")
    if name.endswith("/results"):
        line = {"custom_id": "1", "result": {"type": "canceled"}}
        return Reply(content_type="application/x-jsonl", body=encode(line) + b"\n")
    if request.method == "DELETE":
        return json_reply({"id": name, "type": "message_batch_deleted"})
    if request.method == "GET" and not name:
        batch = _batch(request, "msgbatch_1", "ended")
        return json_reply({"data": [batch], "has_more": False, "first_id": batch["id"], "last_id": batch["id"]})
    if not name:
        return json_reply(_batch(request, f"msgbatch_{request.id}", "in_progress"))
    cancelled = name.endswith("/cancel")
    return json_reply(_batch(request, name.removesuffix("/cancel"), "canceling" if cancelled else "ended"))


def _batch(request: Request, name: str, status: str) -> dict[str, Any]:
    total = len(request.asked.get("requests") or [0])
    ended = status == "ended"
    return {
        "id": name,
        "type": "message_batch",
        "processing_status": status,
        "request_counts": {
            "processing": 0 if ended else total,
            "succeeded": total if ended else 0,
            "errored": 0,
            "canceled": 0,
            "expired": 0,
        },
        "created_at": "2026-01-01T00:00:00Z",
        "expires_at": "2026-01-02T00:00:00Z",
        "ended_at": "2026-01-01T01:00:00Z" if ended else None,
        "cancel_initiated_at": None,
        "archived_at": None,
        "results_url": f"{request.origin}/v1/messages/batches/{name}/results" if ended else None,
    }
