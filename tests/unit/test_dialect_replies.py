"""Errors, keep-alives, credentials, routes and the truncated JSON scan."""

from __future__ import annotations

import json

import pytest

from edge.dialects import NAMES, by_name, errors, routes
from edge.dialects.json_scan import is_filled, is_truthy, last_objects, members, value, value_end
from transport.failure import Code, Failure, Origin, Verdict

BROKEN = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED, "the line broke")
REFUSED = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED)
LOST = Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_RESPONSE_TIMEOUT)
FULL = Failure(Origin.EDGE, Verdict.SAFE, Code.OVERLOADED, "too many requests in flight")
DENIED = Failure(Origin.CLIENT, Verdict.SAFE, Code.HTTP_REQUEST_DENIED)


@pytest.mark.parametrize(
    ("failure", "status", "retry"),
    [
        (BROKEN, 502, False),
        (REFUSED, 502, True),
        (LOST, 504, None),
        (FULL, 503, True),
        (DENIED, 403, False),
        (Failure(Origin.CLIENT, Verdict.SAFE, Code.CLIENT_GONE), 499, False),
        (Failure(Origin.CLIENT, Verdict.SAFE, "something_new"), 502, False),
        (Failure(Origin.EDGE, Verdict.SAFE, Code.DEADLINE), 504, False),
    ],
)
def test_status_and_retry(failure: Failure, status: int, retry: bool | None) -> None:
    assert errors.status_of(failure) == status
    assert errors.should_retry(failure) is retry
    found = dict(errors.retry_headers(failure))
    assert found.get(b"x-should-retry") == {True: b"true", False: b"false", None: None}[retry]
    assert (b"retry-after" in found) == (retry is True)


@pytest.mark.parametrize(
    ("dialect", "status", "kind"),
    [
        ("openai", 401, "authentication_error"),
        ("openai", 404, "invalid_request_error"),
        ("openai", 429, "rate_limit_error"),
        ("azure", 502, "server_error"),
        ("anthropic", 400, "invalid_request_error"),
        ("anthropic", 413, "request_too_large"),
        ("anthropic", 502, "api_error"),
        ("anthropic", 503, "overloaded_error"),
        ("anthropic", 529, "overloaded_error"),
        ("generic", 502, "proxy_error"),
    ],
)
def test_error_types(dialect: str, status: int, kind: str) -> None:
    headers, body = by_name(dialect).error(status, FULL, "req-1")
    assert (b"content-type", b"application/json") in headers
    error = json.loads(body)["error"]
    assert error["type"] == kind
    assert "too many requests in flight" in error["message"]
    assert b"req-1" in body


@pytest.mark.parametrize(
    ("failure", "status", "name", "details"),
    [(FULL, 503, "UNAVAILABLE", 2), (LOST, 504, "DEADLINE_EXCEEDED", 1), (DENIED, 400, "INVALID_ARGUMENT", 1)],
)
def test_google_errors(failure: Failure, status: int, name: str, details: int) -> None:
    _, body = by_name("gemini").error(status, failure, "req-1")
    error = json.loads(body)["error"]
    assert (error["code"], error["status"], len(error["details"])) == (status, name, details)


@pytest.mark.parametrize("dialect", sorted(NAMES))
def test_stream_errors_are_one_event_and_end_the_stream(dialect: str) -> None:
    event = by_name(dialect).stream_error(BROKEN, "req-1")
    assert event.replace(b"\r", b"").endswith(b"\n\n")
    data = json.loads(next(line for line in event.splitlines() if line.startswith(b"data: "))[6:])
    assert "the line broke" in data["error"]["message"]
    assert by_name(dialect).keepalive()


# ---- credentials

ASK = [(b"host", b"x"), (b"accept", b"*/*")]


@pytest.mark.parametrize(
    ("dialect", "headers", "target", "key"),
    [
        ("openai", [(b"authorization", b"Bearer sk-1")], b"/v1/models", "sk-1"),
        ("openai", [(b"authorization", b"bearer  sk-1")], b"/v1/models", "sk-1"),
        ("openai", [(b"authorization", b"Basic eDp5")], b"/v1/models", None),
        (
            "openai",
            [(b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-2, openai-beta.realtime-v1")],
            b"/v1/realtime",
            "sk-2",
        ),
        ("openai", [(b"sec-websocket-protocol", b"openai-insecure-api-key.")], b"/v1/realtime", None),
        ("openai", [(b"sec-websocket-protocol", b"realtime")], b"/v1/realtime", None),
        ("openai", [], b"/v1/models?key=x", None),
        ("anthropic", [(b"x-api-key", b"sk-ant-1")], b"/v1/messages", "sk-ant-1"),
        ("anthropic", [(b"authorization", b"Bearer sk-ant-oat01")], b"/v1/messages", "sk-ant-oat01"),
        ("gemini", [(b"x-goog-api-key", b"AIza")], b"/v1beta/models", "AIza"),
        ("gemini", [], b"/v1beta/models?alt=sse&key=AI%2Fza", "AI/za"),
        ("gemini", [(b"authorization", b"Bearer ya29.a")], b"/v1beta/models", "ya29.a"),
        ("gemini", [(b"authorization", b"Token auth_tokens/1")], b"/ws/google", "auth_tokens/1"),
        ("gemini", [], b"/ws/google?access_token=t", "t"),
        ("azure", [(b"api-key", b"az")], b"/openai/models", "az"),
        ("azure", [(b"authorization", b"Bearer eyJ0")], b"/openai/models", "eyJ0"),
        ("azure", [], b"/openai/realtime?api-key=az", "az"),
        ("generic", [(b"authorization", b"Bearer g")], b"/", "g"),
        ("generic", [(b"authorization", b"")], b"/", None),
    ],
)
def test_credentials_in_requests(dialect: str, headers: list, target: bytes, key: str | None) -> None:
    assert by_name(dialect).credential_of([*ASK, *headers], target) == key


KEYS = [
    (b"authorization", b"Bearer theirs"),
    (b"x-api-key", b"theirs"),
    (b"api-key", b"theirs"),
    (b"x-goog-api-key", b"theirs"),
]


@pytest.mark.parametrize(
    ("dialect", "credential", "header"),
    [
        ("openai", "sk-1", (b"authorization", b"Bearer sk-1")),
        ("anthropic", "sk-ant-1", (b"x-api-key", b"sk-ant-1")),
        ("anthropic", "sk-ant-oat01-1", (b"authorization", b"Bearer sk-ant-oat01-1")),
        ("gemini", "AIza", (b"x-goog-api-key", b"AIza")),
        ("gemini", "ya29.x", (b"authorization", b"Bearer ya29.x")),
        ("azure", "az", (b"api-key", b"az")),
        ("azure", "eyJ0.e.s", (b"authorization", b"Bearer eyJ0.e.s")),
        ("generic", "g", (b"authorization", b"Bearer g")),
    ],
)
def test_our_credential_replaces_theirs(dialect: str, credential: str, header: tuple[bytes, bytes]) -> None:
    headers, target = by_name(dialect).authorize([*ASK, *KEYS], b"/p?alt=sse&a=%20b", credential)
    assert headers == [*ASK, header]
    assert target == b"/p?alt=sse&a=%20b"


def test_keys_elsewhere_are_taken_out() -> None:
    protocols = (b"sec-websocket-protocol", b"realtime, openai-insecure-api-key.sk-2, x")
    headers, _ = by_name("openai").authorize([protocols], b"/v1/realtime", "k")
    assert headers == [(b"sec-websocket-protocol", b"realtime, x"), (b"authorization", b"Bearer k")]
    only = (b"sec-websocket-protocol", b"openai-insecure-api-key.sk-2")
    assert by_name("openai").authorize([only], b"/", "k")[0] == [(b"authorization", b"Bearer k")]
    assert by_name("gemini").authorize([], b"/p?key=a&alt=sse&access%5Ftoken=b", "k")[1] == b"/p?alt=sse"
    assert by_name("gemini").authorize([], b"/p?key=a", "k")[1] == b"/p"
    assert by_name("azure").authorize([], b"/p", "k")[1] == b"/p"


# ---- routes


@pytest.mark.parametrize(
    ("target", "provider", "rest"),
    [
        (b"/openai/v1/chat/completions?a=b", "openai", b"/v1/chat/completions?a=b"),
        (b"/openai", "openai", b"/"),
        (b"/openai?x", "openai", b"/?x"),
        (b"/openai/", "openai", b"/"),
        (b"/v1/models", None, b"/v1/models"),
        (b"/openai/deployments/d/embeddings?api-version=1", None, b"/openai/deployments/d/embeddings?api-version=1"),
        (b"/openai/models?api-version=1", None, b"/openai/models?api-version=1"),
        (b"/azure/openai/deployments/d/embeddings", "azure", b"/openai/deployments/d/embeddings"),
        (b"/", None, b"/"),
        (b"*", None, b"*"),
    ],
)
def test_prefixes(target: bytes, provider: str | None, rest: bytes) -> None:
    assert routes.split_prefix(target, {"openai", "azure", "anthropic"}) == (provider, rest)


@pytest.mark.parametrize(
    ("target", "headers", "dialect"),
    [
        (b"/v1/chat/completions", [], "openai"),
        (b"/v1/models", [], "openai"),
        (b"/v1/models", [(b"anthropic-version", b"2023-06-01")], "anthropic"),
        (b"/v1/models", [(b"x-goog-api-key", b"k")], "gemini"),
        (b"/v1/models", [(b"x-goog-api-client", b"k")], "gemini"),
        (b"/v1/models?key=k", [], "gemini"),
        (b"/v1/files", [(b"anthropic-version", b"2023-06-01")], "anthropic"),
        (b"/v1/messages/count_tokens", [], "anthropic"),
        (b"/v1beta/models/g:generateContent", [], "gemini"),
        (b"/v1alpha/auth_tokens", [], "gemini"),
        (b"/v1/models/g:streamGenerateContent?alt=sse", [], "gemini"),
        (b"/v1/models/ft:gpt-4.1:org::id", [], "openai"),
        (b"/v1/cachedContents", [], "gemini"),
        (b"/v1/", [], "openai"),
        (b"/upload/v1beta/files", [], "gemini"),
        (b"/ws/google.ai.generativelanguage.v1beta.GenerativeService.BidiGenerateContent?key=k", [], "gemini"),
        (b"/openai/deployments/d/chat/completions?api-version=1", [], "azure"),
        (b"/openai/v1/responses?api-version=preview", [], "azure"),
        (b"/openai/v1/responses", [], None),
        (b"/favicon.ico", [], None),
    ],
)
def test_unified_routes(target: bytes, headers: list, dialect: str | None) -> None:
    assert routes.dialect_of(target, headers) == dialect


# ---- JSON that may be cut


@pytest.mark.parametrize(
    ("text", "found"),
    [
        (b'{"a": 1, "b": "x", "c": 2}', {b"a": b"1", b"b": b'"x"'}),
        (b' {"x": {"a": [1, "}"]}, "a": [1, "]", {"b": 2}], "b": tru', {b"a": b'[1, "]", {"b": 2}]', b"b": b"tru"}),
        (b'{"x": "\\"\\\\", "a": "\\\\\\""', {b"a": b'"\\\\\\""'}),
        (b'{"a": [1, 2', {b"a": b"[1, 2"}),
        (b'{"a": ["x', {b"a": b'["x'}),
        (b'{"x": "cut', {}),
        (b'{"x": {"y": "cut', {}),
        (b'{"a', {}),
        (b'{"a"', {}),
        (b'{"a" 1}', {}),
        (b'{"a":', {}),
        (b'{"a": }', {b"a": b"}"}),
        (b'{"x": 1; "a": 2}', {}),
        (b'{"a": 1, "a": 2}', {b"a": b"2"}),
        (b"[1]", {}),
        (b"", {}),
        (b"{}", {}),
    ],
)
def test_members(text: bytes, found: dict[bytes, bytes]) -> None:
    assert members(text, (b"a", b"b")) == found


def test_values() -> None:
    assert value(b'"x"', str) == "x"
    assert value(b"1", str) is None
    assert value(b'"x', str) is None
    assert value(None, str) is None
    assert value_end(b"12", 0) == -1
    assert value_end(b"", 0) == -1
    assert last_objects(b'{"u": {"u": {"a": 1}}, "x": "u"}', b"u") == [b'{"a": 1}', b'{"u": {"a": 1}}']
    assert last_objects(b'{"u": {"a": 1', b"u") == []


@pytest.mark.parametrize(
    ("raw", "filled", "truthy"),
    [
        (None, False, False),
        (b"", False, False),
        (b"[]", False, False),
        (b"[ ]", False, False),
        (b"[", False, False),
        (b"{ 1", True, True),
        (b'"x"', False, True),
        (b'""', False, False),
        (b"null", False, False),
        (b"1", False, True),
    ],
)
def test_fullness(raw: bytes | None, filled: bool, truthy: bool) -> None:
    assert is_filled(raw) is filled
    assert is_truthy(raw) is truthy


@pytest.mark.parametrize(("known", "said"), [(None, b"1"), (0.2, b"1"), (7.1, b"8")])
def test_when_to_come_back_is_told_where_it_is_known(known: float | None, said: bytes) -> None:
    failure = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.RATE_LIMITED, "", known)
    for dialect in ("openai", "anthropic", "gemini"):
        headers, body = by_name(dialect).error(429, failure, "r-1")
        assert dict(headers)[b"retry-after"] == said
        if dialect == "gemini":
            assert b'"retryDelay":"' + said + b's"' in body
