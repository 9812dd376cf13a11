"""What each dialect reads of a request: operation, model, streaming, tools, limits, what a repeat does, patience."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.dialects import NAMES, anthropic, by_name, gemini, generic, openai
from edge.dialects.facts import Facts, Repeat

JSON = [(b"content-type", b"application/json")]
FREE, BILLED, EFFECT = Repeat.FREE, Repeat.BILLED, Repeat.EFFECT


def facts(dialect: str, method: str, target: str, body: Any = None, *, complete: bool = True, **headers: str) -> Facts:
    raw = b"" if body is None else body if isinstance(body, bytes) else json.dumps(body).encode()
    lines = [*JSON, *((name.replace("_", "-").encode(), text.encode()) for name, text in headers.items())]
    return by_name(dialect).facts(method.encode(), target.encode(), lines, raw, complete)


def test_names() -> None:
    assert {"openai", "anthropic", "gemini", "azure", "generic"} == NAMES
    with pytest.raises(KeyError):
        by_name("cobol")


@pytest.mark.parametrize(
    ("dialect", "method", "target", "operation", "repeat"),
    [
        ("openai", "POST", "/v1/chat/completions", "chat", BILLED),
        ("openai", "POST", "/v1/chat/completions/c1", "chat", EFFECT),
        ("openai", "POST", "/compatible-mode/v1/chat/completions?x=1", "chat", BILLED),
        ("openai", "POST", "/v1/completions", "completions", BILLED),
        ("openai", "POST", "/v1/responses", "responses", BILLED),
        ("openai", "GET", "/v1/responses/r1?stream=true", "responses", FREE),
        ("openai", "POST", "/v1/responses/r1/cancel", "responses", EFFECT),
        ("openai", "POST", "/v1/responses/input_tokens", "responses", FREE),
        ("openai", "POST", "/v1/embeddings", "embeddings", BILLED),
        ("openai", "POST", "/v1/audio/speech", "audio", BILLED),
        ("openai", "POST", "/v1/audio/voices", "audio", EFFECT),
        ("openai", "POST", "/v1/images/edits", "images", BILLED),
        ("openai", "POST", "/v1/moderations", "moderations", FREE),
        ("openai", "POST", "/v1/files", "files", EFFECT),
        ("openai", "DELETE", "/v1/files/f1", "files", EFFECT),
        ("openai", "DELETE", "/v1/moderations", "moderations", EFFECT),
        ("openai", "HEAD", "/v1/files/f1", "files", FREE),
        ("openai", "POST", "/v1/uploads/u/parts", "uploads", EFFECT),
        ("openai", "POST", "/v1/batches", "batches", EFFECT),
        ("openai", "GET", "/v1/models", "models", FREE),
        ("openai", "POST", "/v1/fine_tuning/jobs", "fine_tuning", EFFECT),
        ("openai", "POST", "/v1/vector_stores", "vector_stores", EFFECT),
        ("openai", "GET", "/v1/realtime", "realtime", FREE),
        ("openai", "POST", "/v1/live/sessions", "realtime", EFFECT),
        ("openai", "POST", "/v1/videos", "videos", EFFECT),
        ("openai", "POST", "/v1/containers", "containers", EFFECT),
        ("openai", "POST", "/v1/threads", "other", EFFECT),
        ("openai", "GET", "/", "other", FREE),
        ("azure", "POST", "/openai/deployments/d/chat/completions?api-version=2025", "chat", BILLED),
        ("azure", "POST", "/openai/v1/responses", "responses", BILLED),
        ("azure", "GET", "/openai/models?api-version=2025", "models", FREE),
        ("azure", "POST", "/elsewhere", "other", EFFECT),
        ("anthropic", "POST", "/v1/messages", "messages", BILLED),
        ("anthropic", "POST", "/v1/messages?beta=true", "messages", BILLED),
        ("anthropic", "POST", "/v1/complete", "other", BILLED),
        ("anthropic", "POST", "/v1/messages/count_tokens", "count_tokens", FREE),
        ("anthropic", "POST", "/v1/messages/batches", "batches", EFFECT),
        ("anthropic", "GET", "/v1/messages/batches/b/results", "batches", FREE),
        ("anthropic", "POST", "/v1/messages/strange", "other", EFFECT),
        ("anthropic", "DELETE", "/v1/files/f", "files", EFFECT),
        ("anthropic", "GET", "/v1/models/claude", "models", FREE),
        ("anthropic", "POST", "/v1/skills", "other", EFFECT),
        ("anthropic", "GET", "/v1", "other", FREE),
        ("gemini", "POST", "/v1beta/models/g:generateContent", "generate", BILLED),
        ("gemini", "POST", "/v1/models/g:streamGenerateContent?alt=sse", "stream", BILLED),
        ("gemini", "POST", "/v1beta/models/g:embedContent", "embed", BILLED),
        ("gemini", "POST", "/v1beta/models/g:countTokens", "count_tokens", FREE),
        ("gemini", "POST", "/v1beta/models/g:batchGenerateContent", "batches", EFFECT),
        ("gemini", "POST", "/v1beta/models/g:predictLongRunning", "other", EFFECT),
        ("gemini", "GET", "/v1beta/models", "models", FREE),
        ("gemini", "POST", "/v1beta/models/g:newMethod", "other", EFFECT),
        ("gemini", "POST", "/upload/v1beta/files?uploadType=resumable", "files", EFFECT),
        ("gemini", "POST", "/v1beta/files:register", "files", EFFECT),
        ("gemini", "POST", "/v1beta/cachedContents", "caches", EFFECT),
        ("gemini", "PATCH", "/v1beta/cachedContents/c", "caches", EFFECT),
        ("gemini", "POST", "/v1beta/batches/b:cancel", "batches", EFFECT),
        ("gemini", "POST", "/v1beta/interactions", "interactions", BILLED),
        ("gemini", "GET", "/v1beta/operations/o", "other", FREE),
        (
            "gemini",
            "GET",
            "/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent",
            "live",
            FREE,
        ),
        ("gemini", "GET", "/", "other", FREE),
        ("generic", "GET", "/anything", "read", FREE),
        ("generic", "POST", "/v2/chat", "generate", BILLED),
        ("generic", "POST", "/v1/rerank", "embed", BILLED),
        ("generic", "POST", "/v1/things", "other", EFFECT),
        ("generic", "PUT", "/v2/chat", "other", EFFECT),
        ("generic", "POST", "/", "other", EFFECT),
    ],
)
def test_operations_and_repeats(dialect: str, method: str, target: str, operation: str, repeat: Repeat) -> None:
    found = facts(dialect, method, target)
    assert (found.operation, found.repeat) == (operation, repeat)
    closed = {
        "openai": openai.OPERATIONS,
        "azure": openai.OPERATIONS,
        "anthropic": anthropic.OPERATIONS,
        "gemini": gemini.OPERATIONS,
        "generic": generic.OPERATIONS,
    }
    assert operation in closed[dialect]


CHAT = {"messages": [{"role": "user", "content": 'say "model": "no" \\'}], "model": "gpt-4.1", "stream": True}


@pytest.mark.parametrize("complete", [True, False])
def test_openai_body(complete: bool) -> None:
    body = {**CHAT, "tools": [{"type": "function"}], "max_completion_tokens": 9, "max_tokens": 7}
    found = facts("openai", "POST", "/v1/chat/completions", body, complete=complete)
    assert found == Facts("chat", "gpt-4.1", True, True, 9, BILLED)


def test_a_cut_body_tells_what_it_can() -> None:
    raw = json.dumps({"model": "m", "stream": True, "tools": [1, 2], "input": "x" * 100}).encode()
    assert facts("openai", "POST", "/v1/responses", raw[:-50], complete=False) == Facts("responses", "m", True, True)
    assert facts("openai", "POST", "/v1/responses", raw[:6], complete=False) == Facts("responses")


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b"\xff", b'{"model": 3, "stream": "yes"}', b"[" * 100_000])
def test_bad_bodies_are_for_the_provider(body: bytes) -> None:
    assert facts("openai", "POST", "/v1/chat/completions", body) == Facts("chat")


def test_one_bad_member_does_not_hide_the_others() -> None:
    found = facts("openai", "POST", "/v1/chat/completions", {"max_tokens": "many", "model": "m", "tools": []})
    assert found == Facts("chat", "m")


def test_compressed_bodies_are_not_read() -> None:
    assert facts("openai", "POST", "/v1/chat/completions", CHAT, content_encoding="zstd").model is None
    assert facts("openai", "POST", "/v1/chat/completions", CHAT, content_encoding="identity").model == "gpt-4.1"


@pytest.mark.parametrize(
    ("more", "repeat"),
    [
        ({"background": True}, EFFECT),
        ({"background": False}, BILLED),
        ({"conversation": "conv_1"}, EFFECT),
        ({"conversation": {"id": "c"}}, EFFECT),
        ({"conversation": None}, BILLED),
        ({"store": True}, BILLED),
    ],
)
def test_responses_with_effects(more: dict[str, Any], repeat: Repeat) -> None:
    assert facts("openai", "POST", "/v1/responses", {"model": "m", **more}).repeat is repeat


def test_an_idempotency_key_makes_nothing_free() -> None:
    assert facts("openai", "POST", "/v1/chat/completions", CHAT, idempotency_key="k").repeat is BILLED


def test_openai_elsewhere() -> None:
    assert facts("openai", "POST", "/v1/audio/speech", {"model": "tts", "stream_format": "sse"}).streaming
    assert not facts("openai", "POST", "/v1/audio/speech", {"model": "tts"}).streaming
    assert facts("openai", "GET", "/v1/responses/r?stream=true").streaming
    assert facts("openai", "GET", "/v1/realtime?model=gpt-realtime").model == "gpt-realtime"
    assert facts("openai", "DELETE", "/v1/models/ft:gpt-4.1:org::1").model == "ft:gpt-4.1:org::1"
    assert facts("openai", "DELETE", "/v1/models/ft%3Agpt-4.1%3Aorg").model == "ft:gpt-4.1:org"
    assert facts("openai", "POST", "/v1/chat/completions", {"functions": [{}]}).tools


def form(*parts: tuple[str, str]) -> bytes:
    lines = [f"--X\r\nContent-Disposition: form-data; {name}\r\n\r\n{text}\r\n" for name, text in parts]
    return "".join(lines).encode() + b"--X--\r\n"


def test_multipart() -> None:
    headers = [(b"content-type", b'multipart/form-data; boundary="X"')]
    read = by_name("openai").facts
    target = b"/v1/audio/transcriptions"
    body = form(('name="model"', "whisper-1"), ('name="stream"', "true"), ('name="file"; filename="model"', "RIFF"))
    assert read(b"POST", target, headers, body, True) == Facts("audio", "whisper-1", True)
    assert read(b"POST", target, headers, body[:100], False) == Facts("audio", "whisper-1")
    assert read(b"POST", target, headers, body[:60], False) == Facts("audio")
    assert read(b"POST", target, [(b"content-type", b"multipart/form-data")], body, True) == Facts("audio")


def test_multipart_content_is_no_field() -> None:
    inner = 'Content-Disposition: form-data; name="model"\r\n\r\ncheap\r\n'
    body = form(('name="prompt"', "a\r\n\r\n" + inner), ('name="stream_format"', "sse"), ('name="model"', "dear"))
    headers = [(b"content-type", b"multipart/form-data; boundary=X")]
    found = by_name("openai").facts(b"POST", b"/v1/audio/speech", headers, body, True)
    assert found == Facts("audio", "dear", True)


def test_azure_models_are_deployments() -> None:
    path = "/openai/deployments/my-gpt/chat/completions?api-version=2025-01-01"
    assert facts("azure", "POST", path, CHAT) == Facts("chat", "my-gpt", True)
    assert facts("azure", "POST", "/openai/v1/chat/completions", CHAT).model == "gpt-4.1"
    assert facts("azure", "GET", "/openai/realtime?deployment=rt&api-version=1").model == "rt"
    assert facts("azure", "GET", "/openai/deployments/").model is None


def test_anthropic_body() -> None:
    body = {"model": "claude", "max_tokens": 64, "stream": True, "tools": [{"name": "t"}], "messages": []}
    assert facts("anthropic", "POST", "/v1/messages", body) == Facts("messages", "claude", True, True, 64)
    assert facts("anthropic", "GET", "/v1/models/claude").model == "claude"


def test_gemini_body() -> None:
    body = {"contents": [], "tools": [{"googleSearch": {}}], "generationConfig": {"topK": 1, "maxOutputTokens": 55}}
    path = "/v1beta/models/gemini-2.5-flash:streamGenerateContent?alt=sse"
    assert facts("gemini", "POST", path, body) == Facts("stream", "gemini-2.5-flash", True, True, 55)
    body = {"model": "g", "generation_config": {"max_output_tokens": 5}, "stream": True}
    assert facts("gemini", "POST", "/v1beta/interactions", body) == Facts("interactions", "g", True, max_tokens=5)
    body = {"background": True, "agent": "deep-research"}
    assert facts("gemini", "POST", "/v1beta/interactions", body).repeat is EFFECT
    assert facts("gemini", "POST", "/v1beta/tunedModels/t1:generateContent", {}).model == "t1"
    assert facts("gemini", "POST", "/v1beta/models/:generateContent", {}).model is None
    vertex = "/v1/projects/p/locations/l/publishers/google/models/g:generateContent"
    assert facts("gemini", "POST", vertex, {}) == Facts("generate", "g")


def test_generic_body() -> None:
    assert facts("generic", "POST", "/v2/chat", {"model": "command", "stream": True, "max_tokens": 3}) == Facts(
        "generate", "command", True, False, 3
    )
    assert facts("generic", "POST", "/v2/chat", {}, accept="text/event-stream").streaming


@pytest.mark.parametrize("dialect", sorted(NAMES))
@pytest.mark.parametrize(
    ("headers", "patience", "count"),
    [
        ({"x_stainless_read_timeout": "600", "x_stainless_retry_count": "2"}, 600.0, 2),
        ({"x_stainless_timeout": "59.5"}, 59.5, 0),
        ({"x_stainless_timeout": "NOT_GIVEN", "x_stainless_retry_count": "x"}, None, 0),
        ({"x_server_timeout": "30", "x_stainless_retry_count": "999999999999"}, 30.0, 1000),
        ({"x_stainless_read_timeout": "inf", "x_stainless_retry_count": "-1"}, None, 0),
        ({"x_stainless_read_timeout": "0"}, None, 0),
    ],
)
def test_patience(dialect: str, headers: dict[str, str], patience: float | None, count: int) -> None:
    found = facts(dialect, "GET", "/v1/models", **headers)
    assert (found.patience, found.retry_count) == (patience, count)


@pytest.mark.parametrize(
    ("dialect", "target", "body", "reasons"),
    [
        ("openai", "/v1/chat/completions", {"reasoning_effort": "high"}, True),
        ("openai", "/v1/chat/completions", {"reasoning_effort": "none"}, False),
        ("openai", "/v1/chat/completions", {"reasoning_effort": None}, False),
        ("openai", "/v1/responses", {"reasoning": {"effort": "low"}}, True),
        ("openai", "/v1/responses", {"reasoning": {"effort": "minimal"}}, False),
        ("anthropic", "/v1/messages", {"thinking": {"type": "enabled", "budget_tokens": 1024}}, True),
        ("anthropic", "/v1/messages", {"thinking": {"type": "disabled"}}, False),
        ("gemini", "/v1beta/models/g:generateContent", {"generationConfig": {"thinkingConfig": {}}}, True),
        ("gemini", "/v1beta/models/g:generateContent", {"generation_config": {"thinking_config": {}}}, True),
        ("gemini", "/v1beta/models/g:generateContent", {"generationConfig": {"topK": 1}}, False),
        ("generic", "/anything", {}, False),
    ],
)
def test_who_asks_for_thinking(dialect: str, target: str, body: dict[str, Any], reasons: bool) -> None:
    for complete in (True, False):
        assert facts(dialect, "POST", target, {"model": "m", **body}, complete=complete).reasons is reasons
