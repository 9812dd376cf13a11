"""OpenAI's chat completions, completions, embeddings, audio, images and moderations (also Azure's, by deployment).

Shapes: https://platform.openai.com/docs/api-reference
"""

from __future__ import annotations

import base64
import struct
from typing import Any

from netem.provider.reply import MARK, Reply, Stream, data_event, json_reply, template
from netem.provider.request import Request
from netem.provider.sim import Sim
from netem.provider.words import Words, count, text_of, words_for

CREATED = 1_780_000_000  # seconds since 1970; constant, so that equal requests get equal replies
DONE = b"data: [DONE]\n\n"
MODELS = ("gpt-4.1", "gpt-4.1-mini", "gpt-5", "o4-mini", "text-embedding-3-small", "whisper-1", "gpt-realtime")
_TYPES = {
    400: "invalid_request_error",
    401: "invalid_request_error",
    404: "invalid_request_error",
    429: "rate_limit_exceeded",
}


def error(status: int, message: str) -> bytes:
    kind = _TYPES.get(status, "server_error")
    return data_event({"error": {"message": message, "type": kind, "param": None, "code": kind}})[6:-2]


def models(request: Request, sim: Sim) -> Reply:
    name = request.path.rpartition("/models")[2].strip("/")
    if name:
        return json_reply(_model(name))
    return json_reply({"object": "list", "data": [_model(each) for each in MODELS]})


def _model(name: str) -> dict[str, Any]:
    return {"id": name, "object": "model", "created": CREATED, "owned_by": "farline"}


def usage(prompt: str, tokens: int, sim: Sim) -> dict[str, Any]:
    spent = count(prompt)
    return {
        "prompt_tokens": spent,
        "completion_tokens": tokens + sim.reasoning_tokens,
        "total_tokens": spent + tokens + sim.reasoning_tokens,
        "prompt_tokens_details": {"cached_tokens": sim.cached_tokens, "audio_tokens": 0},
        "completion_tokens_details": {"reasoning_tokens": sim.reasoning_tokens, "audio_tokens": 0},
    }


def wants_tool(asked: dict[str, Any], sim: Sim) -> str | None:
    """The function to call: the first offered, unless tools are off or a tool's result is already there."""
    tools = asked.get("tools")
    if not tools or asked.get("tool_choice") == "none" or sim.answer == "text":
        return None
    last = (asked.get("messages") or [{}])[-1]
    if isinstance(last, dict) and last.get("role") == "tool":
        return None
    first = tools[0]
    return str(first.get("function", first).get("name", "tool"))


def chat(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    prompt = text_of(asked.get("messages"))
    words = words_for(sim, prompt, asked.get("max_completion_tokens", asked.get("max_tokens")))
    tool = wants_tool(asked, sim)
    base = {"id": f"chatcmpl-{request.id}", "created": CREATED, "model": str(asked.get("model", "gpt-4.1"))}
    if asked.get("stream"):
        return Reply(content_type="text/event-stream", stream=_chat_stream(base, asked, words, tool))
    message: dict[str, Any] = {"role": "assistant", "content": words.text(), "refusal": None}
    if tool:
        message["content"] = None
        message["tool_calls"] = [_call(tool, _arguments(words.text()))]
    choice = {"index": 0, "message": message, "logprobs": None, "finish_reason": "tool_calls" if tool else words.finish}
    whole = {**base, "object": "chat.completion", "choices": [choice], "usage": usage(prompt, words.tokens, sim)}
    return json_reply(whole, words.tokens)


def _call(name: str, arguments: str) -> dict[str, Any]:
    return {"id": "call_1", "type": "function", "function": {"name": name, "arguments": arguments}}


def _arguments(text: str) -> str:
    return '{"text": "' + text + '"}'


def _chat_stream(base: dict[str, Any], asked: dict[str, Any], words: Words, tool: str | None) -> Stream:
    options = asked.get("stream_options") or {}
    with_usage = bool(options.get("include_usage"))

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        extra = {"usage": None} if with_usage else {}
        return data_event({**base, "object": "chat.completion.chunk", "choices": [choice], **extra})

    def call(arguments: str) -> bytes:
        return chunk({"tool_calls": [{"index": 0, "function": {"arguments": arguments}}]})

    opening = chunk({"role": "assistant", "content": None if tool else "", "refusal": None})
    closing = b""
    if tool:
        opening = chunk({"role": "assistant", "content": None, "tool_calls": [{"index": 0, **_call(tool, "")}]})
        opening += call('{"text": "')
        closing = call('"}')
    before, after = template(call(MARK) if tool else chunk({"content": MARK}))
    closing += chunk({}, "tool_calls" if tool else words.finish)
    if with_usage:
        spent = usage(words.prompt, words.tokens, words.sim)
        closing += data_event({**base, "object": "chat.completion.chunk", "choices": [], "usage": spent})
    broken = b"data: " + error(500, "The server had an error while processing your request.") + b"\n\n"
    return Stream(opening, words.render(before, after), words.pieces, closing + DONE, broken)


def completions(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    prompt = text_of(asked.get("prompt"))
    words = words_for(sim, prompt, asked.get("max_tokens"))
    base = {"id": f"cmpl-{request.id}", "object": "text_completion", "created": CREATED, "model": asked.get("model")}

    def choice(text: str, finish: str | None) -> dict[str, Any]:
        return {"text": text, "index": 0, "logprobs": None, "finish_reason": finish}

    if not asked.get("stream"):
        spent = usage(prompt, words.tokens, sim)
        return json_reply({**base, "choices": [choice(words.text(), words.finish)], "usage": spent}, words.tokens)
    before, after = template(data_event({**base, "choices": [choice(MARK, None)]}))
    closing = data_event({**base, "choices": [choice("", words.finish)]}) + DONE
    broken = b"data: " + error(500, "The server had an error.") + b"\n\n"
    return Reply(
        content_type="text/event-stream",
        stream=Stream(b"", words.render(before, after), words.pieces, closing, broken),
    )


def embeddings(request: Request, sim: Sim) -> Reply:
    asked = request.asked
    given = asked.get("input", "")
    inputs = given if isinstance(given, list) else [given]
    size = int(asked.get("dimensions") or 256)
    packed = asked.get("encoding_format") == "base64"
    data = [
        {"object": "embedding", "index": index, "embedding": _vector(str(each), size, packed)}
        for index, each in enumerate(inputs)
    ]
    spent = sum(count(str(each)) for each in inputs)
    return json_reply(
        {
            "object": "list",
            "data": data,
            "model": asked.get("model"),
            "usage": {"prompt_tokens": spent, "total_tokens": spent},
        }
    )


def vector(text: str, size: int) -> list[float]:
    """A vector that depends on the text: its bytes, repeated, between 0 and 1."""
    raw = text.encode() or b"\x00"
    return [raw[index % len(raw)] / 256 for index in range(size)]


def _vector(text: str, size: int, packed: bool) -> list[float] | str:
    values = vector(text, size)
    return base64.b64encode(struct.pack(f"<{size}f", *values)).decode() if packed else values


def pattern(size: int) -> bytes:
    """Bytes whose every position can be told: a counter of 8 hexadecimal digits, over and over."""
    return b"".join(b"%08x" % index for index in range(-(-size // 8)))[:size]


def transcription(request: Request, sim: Sim) -> Reply:
    """Also translations. `response_format` text gives text; `stream` gives events."""
    form = request.body[:65536] + request.body[-4096:]
    words = words_for(sim, "", None)
    if b'name="stream"\r\n\r\ntrue' in form:
        before, after = template(data_event({"type": "transcript.text.delta", "delta": MARK}))
        done = data_event({"type": "transcript.text.done", "text": words.text()})
        return Reply(
            content_type="text/event-stream",
            stream=Stream(b"", words.render(before, after), words.pieces, done + DONE),
        )
    if b'name="response_format"\r\n\r\ntext' in form:
        return Reply(content_type="text/plain", body=words.text().encode(), worked=words.tokens)
    spent = {"type": "tokens", "input_tokens": 10, "output_tokens": words.tokens, "total_tokens": 10 + words.tokens}
    return json_reply({"text": words.text(), "usage": spent}, words.tokens)


def speech(request: Request, sim: Sim) -> Reply:
    return Reply(content_type="audio/mpeg", body=pattern(sim.size))


def images(request: Request, sim: Sim) -> Reply:
    picture = base64.b64encode(pattern(sim.size)).decode()
    spent = {
        "input_tokens": 10,
        "output_tokens": 100,
        "total_tokens": 110,
        "input_tokens_details": {"text_tokens": 10, "image_tokens": 0},
    }
    return json_reply({"created": CREATED, "data": [{"b64_json": picture}], "usage": spent})


def moderations(request: Request, sim: Sim) -> Reply:
    given = request.asked.get("input", "")
    verdict = {"flagged": False, "categories": {"violence": False}, "category_scores": {"violence": 0.0}}
    count_ = len(given) if isinstance(given, list) else 1
    return json_reply({"id": "modr-1", "model": "omni-moderation-latest", "results": [verdict] * count_})
