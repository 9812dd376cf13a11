"""Gemini's API. Shapes: https://ai.google.dev/api/generate-content"""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from netem.provider.openai import vector
from netem.provider.reply import MARK, Reply, Stream, data_event, encode, json_reply, template
from netem.provider.request import Request
from netem.provider.sim import Sim
from netem.provider.words import Words, count, text_of, words_for

MODELS = ("gemini-3-pro", "gemini-2.5-flash", "gemini-embedding-001", "gemini-live-2.5-flash")
_STATUS = {
    400: "INVALID_ARGUMENT",
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    429: "RESOURCE_EXHAUSTED",
    503: "UNAVAILABLE",
}


def _error(status: int, message: str) -> dict[str, Any]:
    return {"error": {"code": status, "message": message, "status": _STATUS.get(status, "INTERNAL")}}


def error(status: int, message: str) -> bytes:
    return encode(_error(status, message))


def models(request: Request, sim: Sim) -> Reply:
    name = request.path.rpartition("/models")[2].strip("/")
    if name:
        return json_reply(_model(name))
    return json_reply({"models": [_model(each) for each in MODELS]})


def _model(name: str) -> dict[str, Any]:
    return {
        "name": f"models/{name}",
        "displayName": name,
        "version": "001",
        "inputTokenLimit": 1_048_576,
        "outputTokenLimit": 65_536,
        "supportedGenerationMethods": ["generateContent", "countTokens"],
    }


def count_tokens(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    contents = asked.get("contents") or asked.get("generateContentRequest", {}).get("contents")
    return json_reply({"totalTokens": count(text_of(contents))})


def embed(request: Request, sim: Sim) -> Reply:
    """embedContent and batchEmbedContents."""
    asked = request.asked
    if request.path.endswith(":batchEmbedContents"):
        return json_reply({"embeddings": [_embedding(each) for each in asked.get("requests", [])]})
    return json_reply({"embedding": _embedding(asked)})


def _embedding(asked: dict[str, Any]) -> dict[str, Any]:
    return {"values": vector(text_of(asked.get("content")), int(asked.get("outputDimensionality") or 256))}


def _wants_tool(asked: dict[str, Any], sim: Sim) -> str | None:
    declared = [f for tool in asked.get("tools") or [] for f in tool.get("functionDeclarations") or []]
    if not declared or sim.answer == "text":
        return None
    last = (asked.get("contents") or [{}])[-1]
    parts = last.get("parts") or [] if isinstance(last, dict) else []
    if any("functionResponse" in part for part in parts if isinstance(part, dict)):
        return None
    return str(declared[0].get("name", "tool"))


def generate(request: Request, sim: Sim) -> Reply:
    """generateContent, streamGenerateContent with `alt=sse`, and without it (one JSON array, sent piece by piece)."""
    asked = request.asked
    limit = (asked.get("generationConfig") or {}).get("maxOutputTokens")
    words = words_for(sim, text_of(asked.get("contents")), limit)
    tool = _wants_tool(asked, sim)
    model = request.path.rpartition("/")[2].partition(":")[0]
    if not request.path.endswith(":streamGenerateContent"):
        return json_reply(_last(request, words, tool, model, words.text()), words.tokens)
    if tool:
        words = replace(words, tokens=0)
    sse = request.query.get("alt") == "sse"
    before, after = template(data_event(_chunk(request, model, [{"text": MARK}])))
    last = _last(request, words, tool, model, "")
    if sse:
        broken = data_event(_error(503, "The model is overloaded."))
        stream = Stream(b"", words.render(before, after), words.pieces, data_event(last), broken)
        return Reply(content_type="text/event-stream", stream=stream)
    render = words.render(before.removeprefix(b"data: "), after.removesuffix(b"\n\n") + b"\n,\r\n")
    broken = error(503, "The model is overloaded.") + b"]"
    return Reply(stream=Stream(b"[", render, words.pieces, encode(last) + b"\n]", broken))


def _chunk(request: Request, model: str, parts: list[dict[str, Any]]) -> dict[str, Any]:
    candidate = {"content": {"parts": parts, "role": "model"}, "index": 0}
    return {"candidates": [candidate], "modelVersion": model, "responseId": request.id}


def _last(request: Request, words: Words, tool: str | None, model: str, text: str) -> dict[str, Any]:
    """The chunk with the reason for the end and the usage; a function call comes whole, as Gemini sends it."""
    call = {"functionCall": {"name": tool, "args": {"text": text or "t0001 "}}}
    reply = _chunk(request, model, [call if tool else {"text": text}])
    reply["candidates"][0]["finishReason"] = {"stop": "STOP", "length": "MAX_TOKENS"}[words.finish]
    sim, spent = words.sim, count(words.prompt)
    reply["usageMetadata"] = {
        "promptTokenCount": spent,
        "candidatesTokenCount": words.tokens,
        "totalTokenCount": spent + words.tokens + sim.reasoning_tokens,
        "cachedContentTokenCount": sim.cached_tokens,
        "thoughtsTokenCount": sim.reasoning_tokens,
    }
    return reply
