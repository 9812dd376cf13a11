"""Requests as SDKs send them, bodies of every dialect and heads: from `tests/data/corpus`, with a seeded generator."""

from __future__ import annotations

import json
from collections.abc import Callable
from random import Random
from typing import Any

from tests.support.event_streams import CORPUS, compact, ident, passages
from transport.message import Headers, RequestHead, ResponseHead

Texts = list[str]
UNSEEN = 2
"""So many of each kind of text are kept out of the dictionaries, to measure them by."""


class Writer:
    """What users, operators and programs put into requests; `unseen`: only what the dictionaries don't know."""

    def __init__(self, seed: object, *, unseen: bool = False) -> None:
        self.random = Random(str(seed))
        part = slice(-UNSEEN, None) if unseen else slice(None, -UNSEEN)
        self._texts = [*passages("english")[part], *passages("chinese")[part], *passages("code")[-1:]]
        self._instructions = passages("instructions")[part]
        self._tools: list[dict[str, Any]] = json.loads((CORPUS / "tools.json").read_text())[part]

    def text(self) -> str:
        return " ".join(self.random.sample(self._texts, self.random.choice((1, 1, 2))))

    def instructions(self) -> str:
        return self.random.choice(self._instructions)

    def turns(self) -> list[tuple[str, str]]:
        """Who said what; the user last."""
        roles = ["user", "assistant"] * self.random.choice((0, 0, 1, 3))
        return [(role, self.text()) for role in [*roles, "user"]]

    def tools(self) -> list[dict[str, Any]]:
        return self.random.sample(self._tools, self.random.randrange(len(self._tools) + 1))

    def may(self, chance: float, more: dict[str, Any]) -> dict[str, Any]:
        return more if self.random.random() < chance else {}

    def temperature(self) -> float:
        return self.random.choice((0, 0.2, 0.3, 0.5, 0.7, 0.95, 1))

    def body(self, value: dict[str, Any]) -> bytes:
        """As most SDKs write it; some put spaces, some escape."""
        style = self.random.random()
        if style < 0.7:
            return compact(value)
        return json.dumps(value, ensure_ascii=style > 0.85).encode()


def chat(w: Writer) -> bytes:
    system = [{"role": w.random.choice(("system", "system", "developer")), "content": w.instructions()}]
    said = [{"role": role, "content": text} for role, text in w.turns()]
    model = w.random.choice(("gpt-4.1", "gpt-4.1-mini", "gpt-4o", "gpt-5", "o4-mini", "deepseek-chat", "qwen3-max"))
    functions = [
        {
            "type": "function",
            "function": {"name": t["name"], "description": t["description"], "parameters": t["schema"]},
        }
        for t in w.tools()
    ]
    shape = {"type": "json_schema", "json_schema": {"name": "result", "strict": True, "schema": {"type": "object"}}}
    return w.body(
        {
            **w.may(0.5, {"model": model}),
            "messages": system + said,
            **w.may(0.6, {"model": model}),
            **w.may(0.3, {"max_completion_tokens": w.random.choice((256, 1024, 4096))}),
            **w.may(0.3, {"max_tokens": w.random.choice((256, 1024, 4096))}),
            **w.may(0.2, {"response_format": shape}),
            **w.may(0.8, {"stream": True, **w.may(0.6, {"stream_options": {"include_usage": True}})}),
            **w.may(0.5, {"temperature": w.temperature(), **w.may(0.3, {"top_p": 1, "frequency_penalty": 0, "n": 1})}),
            **w.may(0.5, {"tools": functions, "tool_choice": "auto", **w.may(0.3, {"parallel_tool_calls": False})}),
            **w.may(0.2, {"user": ident(w.random, "user_", 12), "seed": w.random.randrange(1000)}),
        }
    )


def responses(w: Writer) -> bytes:
    kinds = {"user": "input_text", "assistant": "output_text"}
    said = [{"role": r, "content": [{"type": kinds[r], "text": t}], "type": "message"} for r, t in w.turns()]
    functions = [
        {
            "type": "function",
            "name": t["name"],
            "description": t["description"],
            "parameters": t["schema"],
            "strict": True,
        }
        for t in w.tools()
    ]
    return w.body(
        {
            "input": said if w.random.random() < 0.7 else said[-1]["content"][0]["text"],
            **w.may(0.7, {"instructions": w.instructions()}),
            "model": w.random.choice(("gpt-4.1", "gpt-5", "gpt-5-mini", "o4-mini")),
            **w.may(0.3, {"max_output_tokens": w.random.choice((1024, 4096))}),
            **w.may(0.3, {"previous_response_id": ident(w.random, "resp_", 48)}),
            **w.may(0.4, {"reasoning": {"effort": w.random.choice(("low", "medium", "high")), "summary": "auto"}}),
            **w.may(0.3, {"store": False, "include": ["reasoning.encrypted_content"]}),
            "stream": True,
            **w.may(0.3, {"temperature": w.temperature()}),
            **w.may(0.2, {"text": {"format": {"type": "text"}, "verbosity": "low"}}),
            **w.may(0.5, {"tool_choice": "auto", "tools": functions, "parallel_tool_calls": True}),
        }
    )


def messages(w: Writer) -> bytes:
    cached = {"cache_control": {"type": "ephemeral"}}
    said = [
        {
            "role": role,
            "content": [{"type": "text", "text": text, **w.may(0.3, cached)}] if w.may(0.5, cached) else text,
        }
        for role, text in w.turns()
    ]
    offered = [{"name": t["name"], "description": t["description"], "input_schema": t["schema"]} for t in w.tools()]
    system = w.instructions()
    return w.body(
        {
            "max_tokens": w.random.choice((1024, 4096, 8192, 32000)),
            "messages": said,
            "model": w.random.choice(("claude-sonnet-4-5", "claude-opus-4-5", "claude-haiku-4-5-20251001")),
            **w.may(0.7, {"system": [{"type": "text", "text": system, **cached}] if w.may(0.5, cached) else system}),
            **w.may(0.3, {"temperature": w.temperature()}),
            **w.may(0.2, {"thinking": {"type": "enabled", "budget_tokens": 4096}}),
            **w.may(0.5, {"tools": offered, "tool_choice": {"type": "auto"}}),
            **w.may(0.2, {"metadata": {"user_id": ident(w.random, "user_", 32)}}),
            "stream": True,
        }
    )


def generate(w: Writer) -> bytes:
    said = [{"parts": [{"text": t}], "role": {"assistant": "model"}.get(r, r)} for r, t in w.turns()]
    offered = [{"name": t["name"], "description": t["description"], "parameters": t["schema"]} for t in w.tools()]
    settings = {
        "temperature": w.temperature(),
        **w.may(0.5, {"maxOutputTokens": 8192, "topP": 0.95, "topK": 40}),
        **w.may(0.3, {"thinkingConfig": {"thinkingBudget": 1024, "includeThoughts": True}}),
        **w.may(0.3, {"responseMimeType": "application/json", "responseSchema": {"type": "OBJECT", "properties": {}}}),
    }
    kinds = ("HARASSMENT", "HATE_SPEECH", "SEXUALLY_EXPLICIT", "DANGEROUS_CONTENT")
    safety = [{"category": f"HARM_CATEGORY_{kind}", "threshold": "BLOCK_NONE"} for kind in kinds]
    return w.body(
        {
            "contents": said,
            **w.may(0.6, {"systemInstruction": {"parts": [{"text": w.instructions()}], "role": "user"}}),
            **w.may(0.3, {"safetySettings": safety}),
            **w.may(0.5, {"tools": [{"functionDeclarations": offered}]}),
            **w.may(0.3, {"toolConfig": {"functionCallingConfig": {"mode": "AUTO"}}}),
            "generationConfig": settings,
        }
    )


BODIES: dict[str, Callable[[Writer], bytes]] = {
    "chat": chat,
    "responses": responses,
    "messages": messages,
    "generate": generate,
}
_PATHS = {
    "chat": b"/v1/chat/completions",
    "responses": b"/v1/responses",
    "messages": b"/v1/messages",
    "generate": b"/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse",
}
_HOSTS = {
    "chat": b"api.openai.com",
    "responses": b"api.openai.com",
    "messages": b"api.anthropic.com",
    "generate": b"generativelanguage.googleapis.com",
}


def request_head(w: Writer, kind: str) -> RequestHead:
    """Of the vendor's SDK for Python or JavaScript, or of curl."""
    size = (b"content-length", b"%d" % w.random.randrange(200, 90_000))
    headers: Headers = [(b"accept", b"application/json"), (b"content-type", b"application/json")]
    client = w.random.choice(("python", "js", "curl"))
    if client != "curl" and kind != "generate":
        vendor = b"Anthropic" if kind == "messages" else b"OpenAI"
        retries = b"%d" % w.random.choice((0, 0, 0, 1))
        if client == "python":
            headers += [
                (b"accept-encoding", b"gzip, deflate, br, zstd" if w.random.random() < 0.5 else b"gzip, deflate"),
                (b"user-agent", vendor + b"/Python %d.%d.0" % (w.random.randrange(1, 4), w.random.randrange(90))),
                (b"x-stainless-arch", w.random.choice((b"x64", b"arm64"))),
                (b"x-stainless-async", w.random.choice((b"false", b"async:asyncio"))),
                (b"x-stainless-lang", b"python"),
                (b"x-stainless-os", w.random.choice((b"Linux", b"MacOS", b"Windows"))),
                (b"x-stainless-package-version", b"2.%d.0" % w.random.randrange(90)),
                (b"x-stainless-raw-response", b"true"),
                (b"x-stainless-read-timeout", b"600"),
                (b"x-stainless-retry-count", retries),
                (b"x-stainless-runtime", b"CPython"),
                (b"x-stainless-runtime-version", b"3.%d.%d" % (w.random.randrange(9, 15), w.random.randrange(12))),
            ]
        else:
            headers += [
                (b"accept-language", b"*"),
                (b"sec-fetch-mode", b"cors"),
                (b"user-agent", vendor + b"/JS %d.%d.0" % (w.random.randrange(4, 7), w.random.randrange(90))),
                (b"x-stainless-arch", w.random.choice((b"x64", b"arm64"))),
                (b"x-stainless-lang", b"js"),
                (b"x-stainless-os", w.random.choice((b"Linux", b"MacOS", b"Windows"))),
                (b"x-stainless-package-version", b"6.%d.0" % w.random.randrange(90)),
                (b"x-stainless-retry-count", retries),
                (b"x-stainless-runtime", b"node"),
                (b"x-stainless-runtime-version", b"v2%d.%d.0" % (w.random.randrange(5), w.random.randrange(20))),
                (b"x-stainless-timeout", b"600"),
            ]
    elif kind == "generate" and client != "curl":
        agent = b"google-genai-sdk/%d.%d.0 gl-python/3.1%d.%d"
        told = agent % tuple(w.random.randrange(n) for n in (4, 60, 5, 12))
        headers += [(b"user-agent", told), (b"x-goog-api-client", told), (b"accept-encoding", b"gzip, deflate")]
    else:
        headers += [(b"user-agent", b"curl/8.%d.0" % w.random.randrange(20)), (b"accept", b"*/*")]
    if kind == "messages":
        headers += [(b"anthropic-version", b"2023-06-01"), (b"x-api-key", ident(w.random, "sk-ant-", 98).encode())]
        headers += [(b"anthropic-beta", b"prompt-caching-2024-07-31")] if w.random.random() < 0.3 else []
    elif kind == "generate":
        headers += [(b"x-goog-api-key", ident(w.random, "AIza", 35).encode())]
    else:
        headers += [(b"authorization", b"Bearer " + ident(w.random, "sk-proj-", 148).encode())]
    return RequestHead(b"POST", _PATHS[kind], _HOSTS[kind], [*headers, size])


def response_head(w: Writer, kind: str) -> ResponseHead:
    streams = w.random.random() < 0.7
    content = b"text/event-stream" if streams else b"application/json"
    day = b"%s, %02d Nov 2026 %02d:%02d:%02d GMT" % (
        w.random.choice((b"Sun", b"Mon", b"Tue", b"Wed", b"Thu", b"Fri", b"Sat")),
        *(w.random.randrange(n) for n in (28, 24, 60, 60)),
    )
    ray = b"%016x-%s" % (w.random.getrandbits(64), w.random.choice((b"HKG", b"NRT", b"SJC", b"LAX", b"SIN")))
    front: Headers = [(b"date", day), (b"content-type", content + (b"; charset=utf-8" if streams else b""))]
    status = w.random.choice((200, 200, 200, 200, 400, 401, 429, 500, 503))
    cloudflare: Headers = [
        (b"cf-cache-status", b"DYNAMIC"),
        (b"server", b"cloudflare"),
        (b"cf-ray", ray),
        (b"alt-svc", b'h3=":443"; ma=86400'),
        (b"strict-transport-security", b"max-age=31536000; includeSubDomains; preload"),
        (b"x-content-type-options", b"nosniff"),
    ]
    limits = tuple(b"%d" % w.random.randrange(10**n) for n in (4, 6))
    if kind == "generate":
        return ResponseHead(
            status,
            [
                *front,
                (b"vary", b"Origin"),
                (b"vary", b"X-Origin"),
                (b"vary", b"Referer"),
                (b"content-disposition", b"attachment"),
                (b"server", b"scaffolding on HTTPServer2"),
                (b"x-xss-protection", b"0"),
                (b"x-frame-options", b"SAMEORIGIN"),
                (b"x-content-type-options", b"nosniff"),
                (b"server-timing", b"gfet4t7; dur=%d" % w.random.randrange(9000)),
                (b"alt-svc", b'h3=":443"; ma=2592000,h3-29=":443"; ma=2592000'),
            ],
        )
    if kind == "messages":
        number = ident(w.random, "req_01", 22).encode()
        return ResponseHead(
            status,
            [
                *front,
                (b"cache-control", b"no-cache"),
                (b"anthropic-ratelimit-requests-limit", b"4000"),
                (b"anthropic-ratelimit-requests-remaining", limits[0]),
                (b"anthropic-ratelimit-requests-reset", b"2026-11-22T08:%02d:00Z" % w.random.randrange(60)),
                (b"anthropic-ratelimit-tokens-limit", b"4800000"),
                (b"anthropic-ratelimit-tokens-remaining", limits[1]),
                (b"request-id", number),
                (b"anthropic-organization-id", b"%08x-f3a1-4c5d-9e7b-%012x" % (w.random.getrandbits(32), 77)),
                (b"x-envoy-upstream-service-time", b"%d" % w.random.randrange(3000)),
                *cloudflare,
            ],
        )
    return ResponseHead(
        status,
        [
            *front,
            (b"access-control-expose-headers", b"X-Request-ID"),
            (b"openai-organization", ident(w.random, "org-", 24).encode()),
            (b"openai-processing-ms", b"%d" % w.random.randrange(3000)),
            (b"openai-project", ident(w.random, "proj_", 24).encode()),
            (b"openai-version", b"2020-10-01"),
            (b"x-envoy-upstream-service-time", b"%d" % w.random.randrange(3000)),
            (b"x-ratelimit-limit-requests", b"10000"),
            (b"x-ratelimit-limit-tokens", b"30000000"),
            (b"x-ratelimit-remaining-requests", limits[0]),
            (b"x-ratelimit-remaining-tokens", limits[1]),
            (b"x-ratelimit-reset-requests", b"6ms"),
            (b"x-ratelimit-reset-tokens", b"%dms" % w.random.randrange(900)),
            (b"x-request-id", b"req_%032x" % w.random.getrandbits(128)),
            *cloudflare,
            (b"set-cookie", b"__cf_bm=" + ident(w.random, "", 43).encode() + b"; path=/; HttpOnly; Secure"),
        ],
    )
