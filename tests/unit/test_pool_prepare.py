"""The request as an engine is to see it: whose model, which path, how long."""

from __future__ import annotations

import json
from dataclasses import replace

import pytest

from edge.config.model import Model, Pool, Secret
from edge.pool.mapping import best_served, wanted
from edge.pool.prepare import (
    LEAST_REPLY,
    Prepared,
    Unfit,
    can_serve,
    fitted,
    prepare,
    request_headers,
    target_of,
    with_model,
)
from edge.pool.tokens import MEDIA_TOKENS, Estimate, estimate
from transport.path import Protocol

POOL = Pool("gpu", "http://gpu:8000/base", "gpu", 8000, False, base_path="/base", engine="vllm")
CHAT = b'{"model": "gpt-4.1", "messages": []}'


# --- models ---


def test_which_names_are_looked_for() -> None:
    assert wanted("gpt", None, "qwen") == ("gpt", "qwen")
    assert wanted("qwen", None, "qwen") == ("qwen",)
    assert wanted(None, None, None) == ()
    assert wanted("gpt", Model("gpt", "openai"), None) == ("gpt",)
    assert wanted("gpt", Model("gpt", "openai", fallback=("a", "b")), "qwen") == ("a", "b")
    assert wanted("gpt", Model("gpt", "openai", fallback=()), "qwen") == ()


def test_the_first_name_that_anybody_serves() -> None:
    pools = {"one": {"b": "B1"}, "two": {"b": "B2", "c": "C"}, "three": {"c": "C"}}
    assert best_served(("a", "b", "c"), pools) == {"one": "B1", "two": "B2"}
    assert best_served(("a",), pools) == {}


# --- what can be served ---


@pytest.mark.parametrize(
    ("dialect", "operation", "method", "rest", "expected"),
    [
        ("openai", "chat", b"POST", b"/v1/chat/completions", True),
        ("openai", "embeddings", b"POST", b"/v1/embeddings", True),
        ("openai", "responses", b"POST", b"/v1/responses", True),
        ("openai", "chat", b"GET", b"/v1/chat/completions", False),
        ("openai", "files", b"POST", b"/v1/files", False),
        ("openai", "responses", b"POST", b"/v1/responses/compact", False),
        ("azure", "chat", b"POST", b"/openai/deployments/d/chat/completions?api-version=1", True),
        ("azure", "chat", b"POST", b"/openai/v1/chat/completions", True),
        ("anthropic", "messages", b"POST", b"/v1/messages", True),
        ("anthropic", "count_tokens", b"POST", b"/v1/messages/count_tokens", False),
        ("gemini", "stream", b"POST", b"/v1beta/models/g:streamGenerateContent?alt=sse", True),
        ("gemini", "embed", b"POST", b"/v1beta/models/g:embedContent", False),
        ("generic", "other", b"POST", b"/x", False),
    ],
)
def test_what_has_a_counterpart(dialect: str, operation: str, method: bytes, rest: bytes, expected: bool) -> None:
    assert can_serve(dialect, operation, method, rest) is expected


@pytest.mark.parametrize(
    ("dialect", "rest", "target"),
    [
        ("openai", b"/v1/chat/completions?x=1", b"/base/v1/chat/completions"),
        ("openai", b"/chat/completions", b"/base/v1/chat/completions"),
        ("azure", b"/openai/deployments/d/chat/completions?api-version=1", b"/base/v1/chat/completions"),
        ("azure", b"/openai/v1/chat/completions", b"/base/v1/chat/completions"),
        ("azure", b"/openai/embeddings?api-version=1", b"/base/v1/embeddings"),
    ],
)
def test_openais_own_shapes_pass_with_the_model_renamed(dialect: str, rest: bytes, target: bytes) -> None:
    made = prepare(POOL, dialect, "chat", rest, [], CHAT, "qwen", True)
    assert (made.target, json.loads(made.body)["model"]) == (target, "qwen")
    assert (made.streaming, made.translation) == (True, None)


def test_responses_where_the_engine_has_them() -> None:
    ask = ("openai", "responses", b"/v1/responses", [], b'{"model": "m", "input": "x"}', "qwen", False)
    assert prepare(POOL, *ask).target == b"/base/v1/responses"


def test_nothing_like_it() -> None:
    with pytest.raises(Unfit, match="nothing like"):
        prepare(POOL, "generic", "other", b"/x", [], b"{}", "qwen", False)
    with pytest.raises(Unfit, match="compressed") as caught:
        prepare(POOL, "openai", "chat", b"/v1/chat/completions", [(b"content-encoding", b"gzip")], b"", "q", False)
    assert caught.value.status == 415


def test_other_dialects_are_translated() -> None:
    body = b'{"model": "claude", "max_tokens": 9, "messages": [{"role": "user", "content": "hi"}]}'
    made = prepare(POOL, "anthropic", "messages", b"/v1/messages", [], body, "qwen", False)
    assert made.target == b"/base/v1/chat/completions"
    assert json.loads(made.body)["model"] == "qwen"
    assert made.translation is not None
    with pytest.raises(Unfit, match="for the local pool: The request's body can't be read"):
        prepare(POOL, "anthropic", "messages", b"/v1/messages", [], b"{", "qwen", False)


@pytest.mark.parametrize(
    ("body", "expected"),
    [
        (b'{"model": "a", "x": {"model": "y"}}', b'{"model": "q", "x": {"model": "y"}}'),
        (b' {"x": 1}', b'{"model":"q","x": 1}'),
        (b"{ }", b'{"model":"q"}'),
    ],
)
def test_the_model_in_a_body(body: bytes, expected: bytes) -> None:
    assert with_model(body, "q") == expected
    assert json.loads(expected)["model"] == "q"


def test_a_body_that_names_nothing() -> None:
    with pytest.raises(Unfit, match="JSON object"):
        with_model(b"[]", "q")


# --- heads ---


def test_headers_are_made_anew() -> None:
    made = Prepared(b"/", b"12345", True)
    assert request_headers(made, POOL, "id-1") == [
        (b"content-type", b"application/json"),
        (b"accept", b"text/event-stream"),
        (b"content-length", b"5"),
        (b"x-request-id", b"id-1"),
    ]
    keyed = replace(POOL, credential=Secret("env:K", "secret"))
    headers = request_headers(Prepared(b"/", b"", False), keyed, "id-1")
    assert (b"authorization", b"Bearer secret") in headers
    assert (b"accept", b"application/json") in headers


def test_the_server_as_a_target() -> None:
    assert (target_of(POOL).authority, target_of(POOL).protocols) == ("gpu:8000", (Protocol.H1,))
    assert target_of(replace(POOL, tls=True)).protocols == (Protocol.H2, Protocol.H1)


# --- length ---


def tokens(text: str, ensure_ascii: bool = True) -> Estimate:
    return estimate(json.dumps({"messages": [{"content": text}]}, ensure_ascii=ensure_ascii).encode())


@pytest.mark.parametrize("ensure_ascii", [True, False])
def test_chinese_counts_by_characters_however_it_is_written(ensure_ascii: bool) -> None:
    made = tokens("请" * 1000, ensure_ascii)
    assert (made.least, made.most // 100) == (500, 15)


def test_english_counts_by_length_not_by_messages() -> None:
    made = tokens("word " * 1400)
    assert made.least == 1000
    assert 2800 <= made.most < 2900
    assert tokens("a请").least == 0


def test_media_have_a_price_of_their_own() -> None:
    long = "A" * 100_000
    for image in (
        {"image_url": {"url": "data:image/png;base64," + long}},
        {"source": {"type": "base64", "media_type": "image/png", "data": long}},
        {"inlineData": {"mimeType": "image/png", "data": long}},
        {"input_audio": {"format": "wav", "data": long}},
    ):
        made = estimate(json.dumps(image).encode())
        assert made.least < 20
        assert MEDIA_TOKENS <= made.most < MEDIA_TOKENS + 50
    assert estimate(json.dumps({"data": long}).encode()).least > 1000  # just a member of that name


@pytest.mark.parametrize("body", [b"", b"{", b"[" * 100_000])
def test_what_is_no_json_has_no_prompt(body: bytes) -> None:
    assert estimate(body) == Estimate(0, 0)


def test_numbers_and_switches_are_no_text() -> None:
    assert estimate(b"[1, true, null]") == Estimate(0, 0)


def test_a_deep_document() -> None:
    assert estimate(b"[" * 500 + b'"abcdefg"' + b"]" * 500).least == 1


def test_what_fits() -> None:
    made = Prepared(b"/", b'{"max_tokens": 4000, "max_completion_tokens": 10, "x": 1}', False)
    assert fitted(made, None, Estimate(10**9, 10**9)) is made
    assert fitted(made, 1000, Estimate(1000 - LEAST_REPLY + 1, 5000)) is None
    within = fitted(made, 1000, Estimate(100, 400))
    assert within is not None
    assert json.loads(within.body) == {"max_tokens": 600, "max_completion_tokens": 10, "x": 1}
    tight = fitted(made, 1000, Estimate(900, 4000))
    assert tight is not None
    assert json.loads(tight.body)["max_tokens"] == LEAST_REPLY
    odd = fitted(Prepared(b"/", b'{"max_tokens": "4000"}', False), 1000, Estimate(1, 1))
    assert odd is not None
    assert odd.body == b'{"max_tokens": "4000"}'  # for the engine to refuse
