"""Replies as vendors document them, whole: documents, and streams with everything that can be in one."""

from __future__ import annotations

import json
from typing import Any

from cache.entry import Entry, Spent
from tests.support.dialect_streams import DONE, OPENAI_USAGE, RESPONSES_USAGE, data, named

Json = dict[str, Any]

LIKELY = {"token": "你", "logprob": -0.25, "bytes": [228, 189, 160], "top_logprobs": []}
CHAT_TEXT: Json = {
    "id": "chatcmpl-1",
    "object": "chat.completion",
    "created": 1763800000,
    "model": "gpt-4.1-2025-04-14",
    "service_tier": "default",
    "system_fingerprint": "fp_1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": '你好，"世界"\n',
                "refusal": None,
                "reasoning_content": "想一想",
                "annotations": [
                    {
                        "type": "url_citation",
                        "url_citation": {"start_index": 0, "end_index": 2, "title": "t", "url": "https://a.example"},
                    }
                ],
            },
            "logprobs": {"content": [LIKELY, LIKELY | {"token": "好"}], "refusal": None},
            "finish_reason": "stop",
        },
        {
            "index": 1,
            "message": {"role": "assistant", "content": None, "refusal": "I can't."},
            "logprobs": None,
            "finish_reason": "stop",
        },
    ],
    "usage": OPENAI_USAGE,
}
CHAT_CALLS: Json = {
    "id": "chatcmpl-2",
    "object": "chat.completion",
    "created": 1763800001,
    "model": "gpt-4.1",
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "tool_calls": [
                    {"id": "c1", "type": "function", "function": {"name": "find", "arguments": '{"q": "天气"}'}},
                    {"id": "c2", "type": "function", "function": {"name": "now", "arguments": "{}"}},
                ],
            },
            "logprobs": None,
            "finish_reason": "tool_calls",
        }
    ],
    "usage": {"prompt_tokens": 9, "completion_tokens": 20, "total_tokens": 29},
}
CHAT_AZURE: Json = CHAT_CALLS | {
    "prompt_filter_results": [{"prompt_index": 0, "content_filter_results": {"hate": {"filtered": False}}}],
    "choices": [
        {
            "index": 0,
            "message": {"role": "assistant", "content": "a", "refusal": None, "function_call": None},
            "logprobs": None,
            "finish_reason": "stop",
            "content_filter_results": {"hate": {"filtered": False, "severity": "safe"}},
        }
    ],
}
CHAT_FUNCTION: Json = CHAT_CALLS | {
    "choices": [
        {
            "index": 0,
            "message": {
                "role": "assistant",
                "content": None,
                "refusal": None,
                "function_call": {"name": "find", "arguments": '{"q":1}'},
            },
            "logprobs": None,
            "finish_reason": "function_call",
        }
    ],
}
COMPLETION: Json = {
    "id": "cmpl-1",
    "object": "text_completion",
    "created": 1763800002,
    "model": "gpt-3.5-turbo-instruct",
    "choices": [
        {
            "text": " a b",
            "index": 0,
            "logprobs": {
                "tokens": [" a", " b"],
                "token_logprobs": [-0.5, -1.5],
                "top_logprobs": None,
                "text_offset": [0, 2],
            },
            "finish_reason": "length",
        },
        {"text": "二", "index": 1, "logprobs": None, "finish_reason": "stop"},
    ],
    "usage": {"prompt_tokens": 3, "completion_tokens": 4, "total_tokens": 7},
}
RESPONSE: Json = {
    "id": "resp_1",
    "object": "response",
    "created_at": 1763800003,
    "completed_at": 1763800005,
    "status": "completed",
    "error": None,
    "incomplete_details": None,
    "instructions": None,
    "max_output_tokens": None,
    "model": "gpt-5",
    "output": [
        {
            "id": "rs_1",
            "type": "reasoning",
            "summary": [{"type": "summary_text", "text": "**Greeting**"}],
            "content": [{"type": "reasoning_text", "text": "想"}],
            "encrypted_content": "gAAAA==",
        },
        {
            "id": "msg_1",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [
                {
                    "type": "output_text",
                    "text": "你好 [1]",
                    "annotations": [
                        {
                            "type": "url_citation",
                            "start_index": 3,
                            "end_index": 6,
                            "title": "t",
                            "url": "https://a.example",
                        }
                    ],
                    "logprobs": [],
                },
                {"type": "refusal", "refusal": "no more"},
            ],
        },
        {
            "id": "fc_1",
            "type": "function_call",
            "call_id": "call_1",
            "name": "find",
            "arguments": '{"q":"x"}',
            "status": "completed",
        },
        {"id": "ct_1", "type": "custom_tool_call", "call_id": "call_2", "name": "sh", "input": "ls -l"},
    ],
    "parallel_tool_calls": True,
    "previous_response_id": None,
    "prompt_cache_key": None,
    "safety_identifier": None,
    "store": True,
    "temperature": 0.0,
    "text": {"format": {"type": "text"}},
    "tool_choice": "auto",
    "tools": [],
    "top_p": 1.0,
    "truncation": "disabled",
    "usage": RESPONSES_USAGE,
    "user": None,
    "metadata": {},
}
MESSAGE: Json = {
    "id": "msg_1",
    "type": "message",
    "role": "assistant",
    "model": "claude-sonnet-4-5",
    "content": [
        {"type": "thinking", "thinking": "让我想想", "signature": "EqQB=="},
        {"type": "redacted_thinking", "data": "EmwK"},
        {
            "type": "text",
            "text": "晴。",
            "citations": [
                {
                    "type": "char_location",
                    "cited_text": "sunny",
                    "document_index": 0,
                    "document_title": None,
                    "file_id": None,
                    "start_char_index": 0,
                    "end_char_index": 5,
                }
            ],
        },
        {"type": "tool_use", "id": "toolu_1", "name": "find", "input": {"q": "天气", "n": 12345678901234567890123}},
        {"type": "tool_use", "id": "toolu_2", "name": "now", "input": {}},
    ],
    "stop_reason": "tool_use",
    "stop_sequence": None,
    "usage": {
        "input_tokens": 10,
        "cache_creation_input_tokens": 100,
        "cache_read_input_tokens": 1000,
        "cache_creation": {"ephemeral_5m_input_tokens": 100, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 42,
        "service_tier": "standard",
    },
}
GENERATED: Json = {
    "candidates": [
        {
            "content": {
                "parts": [
                    {"text": "想", "thought": True},
                    {"text": "你好"},
                    {"functionCall": {"name": "find", "args": {"q": "x"}}, "thoughtSignature": "c2ln"},
                ],
                "role": "model",
            },
            "finishReason": "STOP",
            "index": 0,
            "avgLogprobs": -0.5,
        }
    ],
    "usageMetadata": {
        "promptTokenCount": 8,
        "candidatesTokenCount": 4,
        "totalTokenCount": 12,
        "promptTokensDetails": [{"modality": "TEXT", "tokenCount": 8}],
    },
    "modelVersion": "gemini-2.5-flash",
    "responseId": "r1",
}
DOCUMENTS: list[tuple[str, Json]] = [
    ("chat", CHAT_TEXT),
    ("chat", CHAT_CALLS),
    ("chat", CHAT_AZURE),
    ("chat", CHAT_FUNCTION),
    ("completions", COMPLETION),
    ("responses", RESPONSE),
    ("messages", MESSAGE),
    ("generate", GENERATED),
]


def _chunk(*choices: Json, **more: Any) -> bytes:
    head = {"id": "chatcmpl-3", "object": "chat.completion.chunk", "created": 1763800004, "model": "gpt-4.1"}
    return data({**head, "choices": list(choices), **more})


def _said(delta: Json, at: int = 0, finish: str | None = None, logprobs: Json | None = None) -> Json:
    return {"index": at, "delta": delta, "logprobs": logprobs, "finish_reason": finish}


def _call(**call: Any) -> Json:
    return _said({"tool_calls": [{"index": 0, **call}]}, 1)


CHAT_STREAM = b"".join(
    (
        _chunk(_said({"role": "assistant", "content": "", "refusal": None}), usage=None, obfuscation="xyz"),
        _chunk(_said({"role": "assistant", "content": None}, 1), usage=None),
        _chunk(_said({"content": "你"}, logprobs={"content": [LIKELY], "refusal": None}), usage=None),
        _chunk(_call(id="c1", type="function", function={"name": "find", "arguments": ""}), usage=None),
        b": ping\n\n",
        _chunk(_said({"content": "好"}, logprobs={"content": [LIKELY], "refusal": None}), usage=None),
        _chunk(_call(function={"arguments": '{"q"'}), usage=None),
        _chunk(_call(function={"arguments": ":1}"}), usage=None),
        _chunk(_said({}, 0, "stop"), usage=None),
        _chunk(_said({}, 1, "tool_calls"), usage=None),
        _chunk(usage=OPENAI_USAGE),
        DONE,
    )
)


def delta(at: int, kind: str, **more: Any) -> bytes:
    return named({"type": "content_block_delta", "index": at, "delta": {"type": kind, **more}})


def block(at: int, **begun: Any) -> bytes:
    return named({"type": "content_block_start", "index": at, "content_block": begun})


def stop(at: int) -> bytes:
    return named({"type": "content_block_stop", "index": at})


MESSAGE_USAGE = {"input_tokens": 10, "cache_creation_input_tokens": 0, "cache_read_input_tokens": 5, "output_tokens": 1}
MESSAGE_BEGUN = named(
    {
        "type": "message_start",
        "message": {
            "id": "msg_2",
            "type": "message",
            "role": "assistant",
            "model": "claude-sonnet-4-5",
            "content": [],
            "stop_reason": None,
            "stop_sequence": None,
            "usage": MESSAGE_USAGE,
        },
    }
)
MESSAGE_ENDING = named(
    {
        "type": "message_delta",
        "delta": {"stop_reason": "tool_use", "stop_sequence": None},
        "usage": {"output_tokens": 30, "output_tokens_details": {"thinking_tokens": 5}},
    }
) + named({"type": "message_stop"})
MESSAGE_STREAM = b"".join(
    (
        MESSAGE_BEGUN,
        block(0, type="thinking", thinking="", signature=""),
        named({"type": "ping"}),
        delta(0, "thinking_delta", thinking="让我"),
        delta(0, "thinking_delta", thinking="想想"),
        delta(0, "signature_delta", signature="EqQB=="),
        stop(0),
        block(1, type="text", text="", citations=[]),
        delta(1, "citations_delta", citation=MESSAGE["content"][2]["citations"][0]),
        delta(1, "text_delta", text="晴"),
        delta(1, "text_delta", text="。"),
        stop(1),
        block(2, type="server_tool_use", id="srvtoolu_1", name="web_search", input={}),
        delta(2, "input_json_delta", partial_json=""),
        delta(2, "input_json_delta", partial_json='{"query": '),
        delta(2, "input_json_delta", partial_json='"x"}'),
        stop(2),
        block(3, type="web_search_tool_result", tool_use_id="srvtoolu_1", content=[]),
        stop(3),
        block(4, type="tool_use", id="toolu_1", name="now", input={}),
        delta(4, "input_json_delta", partial_json=""),
        stop(4),
        MESSAGE_ENDING,
    )
)


def piece(parts: list[Json], *, finish: str | None = None, output: int = 0, **more: Any) -> Json:
    candidate: Json = {"content": {"parts": parts, "role": "model"}, "index": 0, **more}
    if finish:
        candidate["finishReason"] = finish
    counts = {"promptTokenCount": 8, "candidatesTokenCount": output, "totalTokenCount": 8 + output}
    return {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-3", "responseId": "r2"}


GENERATED_PIECES: list[Json] = [
    piece([{"text": "想", "thought": True}]),
    piece([{"text": "想", "thought": True}], output=1),
    piece([{"text": "你"}], output=2),
    piece([{"text": "好"}], output=3),
    piece([{"functionCall": {"name": "find", "args": {}}, "thoughtSignature": "c2ln"}], output=4),
    piece([{"text": ""}], finish="STOP", output=5),
]
GENERATED_EVENTS = b"".join(data(told, b"\r\n") for told in GENERATED_PIECES)
GENERATED_ARRAY = b"[" + b",\r\n".join(json.dumps(told, indent=1).encode() for told in GENERATED_PIECES) + b"\n]"

STREAMS: list[tuple[str, bytes]] = [
    ("chat", CHAT_STREAM),
    ("messages", MESSAGE_STREAM),
    ("generate", GENERATED_EVENTS),
    ("generate", GENERATED_ARRAY),
]


def stored(body: bytes, content_type: bytes | None = None) -> Entry:
    """An entry that came in pieces of 100 bytes, 10 ms apart."""
    if content_type is None:
        content_type = b"application/json" if body.lstrip()[:1] in (b"{", b"[") else b"text/event-stream"
    chunks = tuple((len(body[at : at + 100]), at // 10) for at in range(0, len(body), 100))
    headers = ((b"content-type", content_type), (b"openai-version", b"2020-10-01"))
    return Entry(200, headers, body, chunks, content_type != b"application/json", Spent(5, 2), 1000.0, 2000.0)
