"""Streams as the providers send them today: every field, identifiers of true length, text in pieces of true size.

Made from `tests/data/corpus` with a seeded generator, so that equal seeds give equal bytes.
"""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from random import Random
from typing import Any

CORPUS = Path(__file__).resolve().parents[1] / "data" / "corpus"
_LETTERS = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789"
_TOKEN = re.compile(r" ?[A-Za-z]{1,7}|[一-鿿]{1,2}|\d{1,3}|\s+|[^\sA-Za-z]")

Events = list[bytes]


def passages(name: str) -> list[str]:
    return [
        line.replace("\\n", "\n").replace("\\t", "\t") for line in (CORPUS / f"{name}.txt").read_text().splitlines()
    ]


def tokens(random: Random, name: str, count: int) -> list[str]:
    """`count` pieces of text, about as a tokenizer cuts them."""
    kept: list[str] = []
    while len(kept) < count:
        kept += _TOKEN.findall(random.choice(passages(name)))
    return kept[:count]


def ident(random: Random, prefix: str, length: int) -> str:
    return prefix + "".join(random.choices(_LETTERS, k=length))


def data(value: Any, end: str = "\n\n") -> bytes:
    return b"data: " + compact(value) + end.encode()


def compact(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":")).encode()


def named(value: dict[str, Any], *, spaces: bool = False) -> bytes:
    text = json.dumps(value, ensure_ascii=False) if spaces else compact(value).decode()
    return f"event: {value['type']}\ndata: {text}\n\n".encode()


def chat(random: Random, texts: list[str], *, tool: bool = False, padded: bool = False) -> Events:
    """OpenAI's chat completions; `padded`: with the random padding that hides lengths."""
    base = {
        "id": ident(random, "chatcmpl-", 29),
        "object": "chat.completion.chunk",
        "created": 1_780_000_000 + random.randrange(10**6),
        "model": "gpt-4.1-2025-04-14",
        "service_tier": "default",
        "system_fingerprint": f"fp_{random.getrandbits(40):010x}",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        choice = {"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}
        padding = {"obfuscation": ident(random, "", random.randrange(1, 16))} if padded else {}
        return data({**base, "choices": [choice], "usage": None, **padding})

    def piece(text: str) -> dict[str, Any]:
        return {"tool_calls": [{"index": 0, "function": {"arguments": text}}]} if tool else {"content": text}

    first: dict[str, Any] = {"role": "assistant", "content": "", "refusal": None}
    if tool:
        call = {"name": "write_file", "arguments": ""}
        call = {"index": 0, "id": ident(random, "call_", 24), "type": "function", "function": call}
        first = {"role": "assistant", "content": None, "tool_calls": [call], "refusal": None}
    usage = {
        "prompt_tokens": random.randrange(9, 9000),
        "completion_tokens": len(texts),
        "total_tokens": 9000,
        "prompt_tokens_details": {"cached_tokens": 0, "audio_tokens": 0},
        "completion_tokens_details": {
            "reasoning_tokens": 0,
            "audio_tokens": 0,
            "accepted_prediction_tokens": 0,
            "rejected_prediction_tokens": 0,
        },
    }
    events = [chunk(first), *[chunk(piece(text)) for text in texts], chunk({}, "tool_calls" if tool else "stop")]
    return [*events, data({**base, "choices": [], "usage": usage}), b"data: [DONE]\n\n"]


def reasoning(random: Random, texts: list[str]) -> Events:
    """The open models' chat completions: first what the model thinks, then what it says."""
    base = {
        "id": f"{random.getrandbits(128):032x}",
        "object": "chat.completion.chunk",
        "created": 1_780_000_000 + random.randrange(10**6),
        "model": "deepseek-reasoner",
        "system_fingerprint": f"fp_{random.getrandbits(40):010x}_prod",
    }

    def chunk(delta: dict[str, Any], finish: str | None = None) -> bytes:
        return data({**base, "choices": [{"index": 0, "delta": delta, "logprobs": None, "finish_reason": finish}]})

    middle = len(texts) // 2
    events = [chunk({"role": "assistant", "content": None, "reasoning_content": ""})]
    events += [chunk({"content": None, "reasoning_content": text}) for text in texts[:middle]]
    events += [chunk({"content": text, "reasoning_content": None}) for text in texts[middle:]]
    return [*events, chunk({"content": "", "reasoning_content": None}, "stop"), b"data: [DONE]\n\n"]


def responses(random: Random, texts: list[str], *, padded: bool = False) -> Events:
    """OpenAI's Responses API, reply of one message."""
    number = iter(range(10**6))
    item = ident(random, "msg_", 50)
    frame: dict[str, Any] = {
        "id": ident(random, "resp_", 50),
        "object": "response",
        "created_at": 1_780_000_000 + random.randrange(10**6),
        "status": "in_progress",
        "background": False,
        "error": None,
        "incomplete_details": None,
        "instructions": "You are a helpful assistant.",
        "max_output_tokens": None,
        "model": "gpt-4.1-2025-04-14",
        "output": [],
        "parallel_tool_calls": True,
        "previous_response_id": None,
        "reasoning": {"effort": None, "summary": None},
        "service_tier": "auto",
        "store": True,
        "temperature": 1.0,
        "text": {"format": {"type": "text"}},
        "tool_choice": "auto",
        "tools": [],
        "top_p": 1.0,
        "truncation": "disabled",
        "usage": None,
        "user": None,
        "metadata": {},
    }

    def event(kind: str, **more: Any) -> bytes:
        return named({"type": kind, "sequence_number": next(number), **more})

    where = {"item_id": item, "output_index": 0, "content_index": 0}
    part = {"type": "output_text", "annotations": [], "logprobs": [], "text": ""}
    message = {"id": item, "type": "message", "status": "in_progress", "content": [], "role": "assistant"}
    out = [event("response.created", response=frame), event("response.in_progress", response=frame)]
    out += [event("response.output_item.added", output_index=0, item=message)]
    out += [event("response.content_part.added", **where, part=part)]
    for text in texts:
        padding = {"obfuscation": ident(random, "", random.randrange(1, 16))} if padded else {}
        out.append(event("response.output_text.delta", **where, delta=text, logprobs=[], **padding))
    whole = "".join(texts)
    part = {**part, "text": whole}
    message = {**message, "status": "completed", "content": [part]}
    usage = {
        "input_tokens": random.randrange(9, 9000),
        "input_tokens_details": {"cached_tokens": 0},
        "output_tokens": len(texts),
        "output_tokens_details": {"reasoning_tokens": 0},
        "total_tokens": 9000,
    }
    frame = {**frame, "status": "completed", "output": [message], "usage": usage}
    out += [event("response.output_text.done", **where, text=whole, logprobs=[])]
    out += [event("response.content_part.done", **where, part=part)]
    out += [event("response.output_item.done", output_index=0, item=message)]
    return [*out, event("response.completed", response=frame)]


def messages(random: Random, texts: list[str], *, tool: bool = False, thinking: bool = False) -> Events:
    """Anthropic's Messages API."""
    usage = {
        "input_tokens": random.randrange(9, 9000),
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 0,
        "cache_creation": {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0},
        "output_tokens": 3,
        "service_tier": "standard",
    }
    message = {
        "model": "claude-sonnet-4-5-20250929",
        "id": ident(random, "msg_01", 22),
        "type": "message",
        "role": "assistant",
        "content": [],
        "stop_reason": None,
        "stop_sequence": None,
        "usage": usage,
    }
    out = [named({"type": "message_start", "message": message})]
    parts = [("text_delta", "text", {"type": "text", "text": ""}, texts)]
    if tool:
        use = {"type": "tool_use", "id": ident(random, "toolu_01", 22), "name": "write_file", "input": {}}
        parts = [("input_json_delta", "partial_json", use, texts)]
    if thinking:
        middle = len(texts) // 2
        thought = {"type": "thinking", "thinking": "", "signature": ""}
        parts = [("thinking_delta", "thinking", thought, texts[:middle]), (*parts[0][:3], texts[middle:])]
    for index, (kind, member, block, pieces) in enumerate(parts):
        out.append(named({"type": "content_block_start", "index": index, "content_block": block}))
        out += [named({"type": "ping"}, spaces=True)] if not index else []
        for text in pieces:
            delta = {"type": kind, member: text}
            out.append(named({"type": "content_block_delta", "index": index, "delta": delta}))
        out.append(named({"type": "content_block_stop", "index": index}))
    end = {"stop_reason": "tool_use" if tool else "end_turn", "stop_sequence": None}
    out.append(named({"type": "message_delta", "delta": end, "usage": {"output_tokens": len(texts)}}))
    return [*out, named({"type": "message_stop"})]


def gemini(random: Random, texts: list[str]) -> Events:
    """Gemini's streamGenerateContent: two dozen tokens an event, and the counts so far in each."""
    prompt = random.randrange(9, 9000)
    ident_ = ident(random, "", 22)
    out = []
    for at in range(0, len(texts), 24):
        last = at + 24 >= len(texts)
        content = {"parts": [{"text": "".join(texts[at : at + 24])}], "role": "model"}
        candidate = {"content": content, **({"finishReason": "STOP"} if last else {}), "index": 0}
        done = min(at + 24, len(texts))
        counts = {
            "promptTokenCount": prompt,
            "candidatesTokenCount": done,
            "totalTokenCount": prompt + done,
            "promptTokensDetails": [{"modality": "TEXT", "tokenCount": prompt}],
        }
        event = {"candidates": [candidate], "usageMetadata": counts, "modelVersion": "gemini-2.5-flash"}
        out.append(data({**event, "responseId": ident_}, "\r\n\r\n"))
    return out


def ollama(random: Random, texts: list[str]) -> Events:
    """JSON lines with a time in each."""
    now = random.randrange(10**8)
    out = []
    for text in texts:
        now += 20_000_000 + random.randrange(10**7)
        stamp = f"2026-11-22T08:{now // 60_000_000_000:02d}:{now // 10**9 % 60:02d}.{now % 10**9:09d}Z"
        message = {"role": "assistant", "content": text}
        out.append(compact({"model": "qwen3:8b", "created_at": stamp, "message": message, "done": False}) + b"\n")
    return out


def arguments(texts: list[str]) -> list[str]:
    """What a model writes as the arguments of a call: JSON, in pieces."""
    whole = json.dumps({"path": "src/app.py", "content": "".join(texts)})
    return _TOKEN.findall(whole)


KINDS: dict[str, Callable[[Random, list[str]], Events]] = {
    "chat": chat,
    "chat, padded": lambda random, texts: chat(random, texts, padded=True),
    "chat, tool call": lambda random, texts: chat(random, arguments(texts), tool=True),
    "chat, reasoning": reasoning,
    "responses": responses,
    "responses, padded": lambda random, texts: responses(random, texts, padded=True),
    "messages": messages,
    "messages, tool call": lambda random, texts: messages(random, arguments(texts), tool=True),
    "messages, thinking": lambda random, texts: messages(random, texts, thinking=True),
    "gemini": gemini,
    "json lines": ollama,
}


def all_streams(seed: int, count: int = 300) -> Iterator[tuple[str, str, Events]]:
    """Kind, language and events of one stream of each."""
    for kind, make in KINDS.items():
        for language in ("code",) if "tool" in kind else ("english", "chinese"):
            random = Random(f"{seed} {kind} {language}")
            yield kind, language, make(random, tokens(random, language, count))
