"""Replies in the shapes that the vendors document, and what a meter should make of them."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from edge.dialects.facts import Facts, Usage

SSE = [(b"content-type", b"text/event-stream; charset=utf-8")]
JSON = [(b"content-type", b"application/json")]


@dataclass(frozen=True)
class Recorded:
    """A whole reply of a dialect; `events` are its parts, of which the last one or more end it."""

    dialect: str
    operation: str
    events: tuple[bytes, ...]
    usage: Usage
    ends: bool = True

    @property
    def body(self) -> bytes:
        return b"".join(self.events)

    @property
    def facts(self) -> Facts:
        return Facts(operation=self.operation, streaming=True)


def data(value: Any, line_end: bytes = b"\n", *, spaces: bool = False) -> bytes:
    separators = None if spaces else (",", ":")
    return b"data: " + json.dumps(value, ensure_ascii=False, separators=separators).encode() + line_end * 2


def named(value: dict[str, Any], name: str | None = None) -> bytes:
    return b"event: " + (name or value["type"]).encode() + b"\n" + data(value)


def chat(delta: dict[str, Any], finish: str | None = None, **more: Any) -> bytes:
    choice = {"index": 0, "delta": delta, "finish_reason": finish}
    return data({"id": "c1", "object": "chat.completion.chunk", "model": "gpt-4.1", "choices": [choice], **more})


DONE = b"data: [DONE]\n\n"
OPENAI_USAGE = {
    "prompt_tokens": 20,
    "completion_tokens": 7,
    "total_tokens": 27,
    "prompt_tokens_details": {"cached_tokens": 16, "audio_tokens": 0},
    "completion_tokens_details": {"reasoning_tokens": 3},
}
RESPONSES_USAGE = {
    "input_tokens": 30,
    "input_tokens_details": {"cached_tokens": 8},
    "output_tokens": 12,
    "output_tokens_details": {"reasoning_tokens": 5},
    "total_tokens": 42,
}

CHAT = Recorded(
    "openai",
    "chat",
    (
        chat({"role": "assistant", "content": ""}, usage=None),
        chat({"content": "你好，"}, usage=None),
        chat({"content": '她说 "usage":{"prompt_tokens":1} 和 [DONE]'}, usage=None),
        chat({"tool_calls": [{"index": 0, "function": {"arguments": '{"a":'}}]}, usage=None),
        chat({}, "stop", usage=None),
        data({"id": "c1", "object": "chat.completion.chunk", "choices": [], "usage": OPENAI_USAGE}),
        DONE,
    ),
    Usage(20, 7, 16, 3),
)
CHAT_CRLF = Recorded("openai", "chat", tuple(e.replace(b"\n", b"\r\n") for e in CHAT.events), CHAT.usage)
CHAT_CR = Recorded("azure", "chat", tuple(e.replace(b"\n", b"\r") for e in CHAT.events), CHAT.usage)
CHAT_SPACED = Recorded(
    "openai",
    "chat",
    (
        b"\xef\xbb\xbf: hello\n\n\n",
        data({"choices": [{"delta": {"content": "a"}}], "usage": {"prompt_tokens": 5}}, spaces=True),
        b": ping\n\n\n\n\n",
        data({"choices": [], "usage": {"prompt_tokens": 5, "completion_tokens": 2}}, spaces=True),
        b"data:[DONE]\n\n",
    ),
    Usage(5, 2),
)
CHAT_ERROR = Recorded(
    "openai",
    "chat",
    (chat({"content": "a"}), data({"error": {"message": "overloaded", "type": "server_error"}})),
    Usage(),
)
COMPLETIONS = Recorded(
    "openai",
    "completions",
    (data({"id": "x", "object": "text_completion", "choices": [{"text": "a"}]}), DONE),
    Usage(),
)
RESPONSES = Recorded(
    "openai",
    "responses",
    (
        named({"type": "response.created", "response": {"id": "r", "error": None, "usage": None}}),
        named({"type": "response.output_text.delta", "sequence_number": 2, "delta": "好", "logprobs": []}),
        named({"type": "response.refusal.delta", "sequence_number": 3, "delta": "不"}),
        named({"type": "response.output_text.done", "text": "好"}),
        named(
            {
                "type": "response.completed",
                "response": {"id": "r", "tools": [{"usage": {"x": 1}}], "usage": RESPONSES_USAGE, "metadata": {}},
            }
        ),
    ),
    Usage(30, 12, 8, 5),
)
RESPONSES_ERROR = Recorded(
    "openai",
    "responses",
    (RESPONSES.events[0], named({"type": "error", "code": "server_error", "message": "m", "param": None})),
    Usage(),
)
RESPONSES_INCOMPLETE = Recorded(
    "azure",
    "responses",
    (RESPONSES.events[1], named({"type": "response.incomplete", "response": {"usage": RESPONSES_USAGE}})),
    Usage(30, 12, 8, 5),
)
TRANSCRIPT = Recorded(
    "openai",
    "audio",
    (
        data({"type": "transcript.text.delta", "delta": "喂"}),
        data({"type": "transcript.text.done", "text": "喂", "usage": {"input_tokens": 14, "output_tokens": 2}}),
    ),
    Usage(14, 2),
)
IMAGE = Recorded(
    "openai",
    "images",
    (
        named({"type": "image_generation.partial_image", "b64_json": "AAAA"}),
        named({"type": "image_generation.completed", "usage": {"input_tokens": 4, "output_tokens": 90}}),
    ),
    Usage(4, 90),
)
ASSISTANT = Recorded(
    "openai", "other", (b'event: thread.message.delta\ndata: {"delta":{}}\n\n', DONE), Usage(), ends=False
)
MESSAGE_START = named(
    {
        "type": "message_start",
        "message": {
            "id": "msg_1",
            "content": [],
            "usage": {
                "input_tokens": 10,
                "cache_creation_input_tokens": 100,
                "cache_read_input_tokens": 1000,
                "output_tokens": 1,
            },
        },
    }
)
BLOCK = named(
    {"type": "content_block_delta", "index": 0, "delta": {"type": "text_delta", "text": "「好」message_stop"}}
)
THINKING = named({"type": "content_block_delta", "index": 0, "delta": {"type": "thinking_delta", "thinking": "error"}})
MESSAGES = Recorded(
    "anthropic",
    "messages",
    (
        MESSAGE_START,
        named({"type": "content_block_start", "index": 0, "content_block": {"type": "text", "text": ""}}),
        named({"type": "ping"}),
        THINKING,
        BLOCK,
        named({"type": "content_block_stop", "index": 0}),
        named(
            {
                "type": "message_delta",
                "delta": {"stop_reason": "end_turn"},
                "usage": {"output_tokens": 42, "output_tokens_details": {"thinking_tokens": 11}},
            }
        ),
        named({"type": "message_stop"}),
    ),
    Usage(1110, 42, 1000, 11),
)
MESSAGES_ERROR = Recorded(
    "anthropic",
    "messages",
    (MESSAGE_START, BLOCK, named({"type": "error", "error": {"type": "overloaded_error", "message": "Overloaded"}})),
    Usage(1110, 1, 1000),
)
ANTHROPIC_OTHER = Recorded("anthropic", "other", (named({"type": "x", "output_tokens": 1}),), Usage(), ends=False)


def candidate(text: str, finish: str | None = None, **counts: int) -> bytes:
    one: dict[str, Any] = {"content": {"parts": [{"text": text}], "role": "model"}, "index": 0}
    if finish:
        one["finishReason"] = finish
    told = {"usageMetadata": counts} if counts else {}
    return data({"candidates": [one], **told, "modelVersion": "gemini-2.5"}, b"\r\n")


GENERATE = Recorded(
    "gemini",
    "stream",
    (
        candidate("你", promptTokenCount=8),
        candidate('"finishReason": "STOP"', promptTokenCount=8, candidatesTokenCount=2),
        candidate(
            "",
            "STOP",
            promptTokenCount=8,
            candidatesTokenCount=4,
            thoughtsTokenCount=6,
            cachedContentTokenCount=5,
            toolUsePromptTokenCount=3,
        ),
    ),
    Usage(11, 10, 5, 6),
)
GENERATE_TAIL = Recorded(
    "gemini",
    "stream",
    (*GENERATE.events[:2], candidate("", "STOP"), data({"usageMetadata": {"promptTokenCount": 9}}, b"\r\n")),
    Usage(9, None),
)
GENERATE_BLOCKED = Recorded(
    "gemini",
    "stream",
    (data({"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 9}}, b"\r\n"),),
    Usage(9, None),
)
GENERATE_ERROR = Recorded(
    "gemini",
    "stream",
    (GENERATE.events[0], data({"error": {"code": 503, "status": "UNAVAILABLE"}}, b"\r\n")),
    Usage(8, None),
)
INTERACTION = Recorded(
    "gemini",
    "interactions",
    (
        data({"event_type": "step.delta", "delta": {"type": "text", "text": "a"}}),
        data(
            {
                "event_type": "interaction.completed",
                "interaction": {
                    "usage": {
                        "total_input_tokens": 7,
                        "total_output_tokens": 3,
                        "total_thought_tokens": 2,
                        "total_cached_tokens": 1,
                    }
                },
            }
        ),
    ),
    Usage(7, 5, 1, 2),
)
GEMINI_OTHER = Recorded("gemini", "other", (data({"x": 1}),), Usage(), ends=False)
GENERIC = Recorded("generic", "generate", (*CHAT.events[:1], CHAT.events[5]), Usage(20, 7, 16, 3), ends=False)

ALL = [found for found in list(globals().values()) if isinstance(found, Recorded)]
