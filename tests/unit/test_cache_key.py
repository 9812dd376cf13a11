from __future__ import annotations

import base64
import json
from typing import Any

import pytest

from cache.canonical import Uncacheable, canonical, read
from cache.fields import LEFT_OUT, path_of, query_of
from cache.key import SHARED, Key, key_of
from cache.question import Question, tenant_of
from tests.support.cache_values import CHAT, question

PICTURE = bytes(range(256)) * 3
BASE64 = base64.b64encode(PICTURE).decode()


def digest(asked: Question, **options: Any) -> bytes:
    return key_of(asked, read(asked.body).document, **options).digest


def normal(body: bytes) -> bytes:
    return canonical(read(body).document)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1,"b":2}', b' { "b" : 2 ,\r\n"a":1 } '),
        (b'{"a":1}', b'{"a":1.0}'),
        (b'{"a":100}', b'{"a":1e2}'),
        (b'{"a":0}', b'{"a":-0.0}'),
        (b'{"a":0.5}', b'{"a":0.50}'),
        ('{"a":"é"}'.encode(), b'{"a":"\\u00e9"}'),
        ('{"é":"😀"}'.encode(), b'{"\\u00e9":"\\ud83d\\ude00"}'),
        (b'{"a":{"x":[1,{"p":1,"q":2}],"y":null}}', b'{"a":{"y":null,"x":[1,{"q":2,"p":1}]}}'),
        (b'{"a":"\\/"}', b'{"a":"/"}'),
    ],
)
def test_one_spelling(one: bytes, other: bytes) -> None:
    assert normal(one) == normal(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (b'{"a":1}', b'{"a":true}'),
        (b'{"a":1}', b'{"a":"1"}'),
        (b'{"a":null}', b"{}"),
        (b'{"a":[1,2]}', b'{"a":[2,1]}'),
        (b'{"a":9007199254740993}', b'{"a":9007199254740992}'),
        ('{"a":"é"}'.encode(), '{"a":"e\u0301"}'.encode()),  # no Unicode normalisation: other tokens
        (b'{"a":0.1}', b'{"a":0.10000000000000002}'),
    ],
)
def test_different_meanings_stay_apart(one: bytes, other: bytes) -> None:
    assert normal(one) != normal(other)


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (b"", "not JSON"),
        (b"prompt=hi", "not JSON"),
        (b"[1]", "not a JSON object"),
        (b'"text"', "not a JSON object"),
        (b'{"a":1e999}', "not JSON"),
        (b'{"a":NaN}', "not JSON"),
        (b'{"a":"\\ud83d"}', "not JSON"),
        (b'{"a":"\xff"}', "not JSON"),
        (b'{"a":' * 5000 + b"1" + b"}" * 5000, "not JSON"),
        (b'{"a":1,"a":1}', "duplicate members"),
        (b'{"x":[{"a":1,"b":{},"a":2}]}', "duplicate members"),
        (b'{"a":1,"\\u0061":2}', "duplicate members"),
        (b'{"a\\\\":1,"a":1,"a":2}', "duplicate members"),
        (b'{"s":": ","a":1,"a":2}', "duplicate members"),
    ],
)
def test_refused(body: bytes, why: str) -> None:
    with pytest.raises(Uncacheable, match=why):
        read(body)


@pytest.mark.parametrize(
    "body", [b'{"a\\\\":1,"b":"\\\\"}', b'{"arguments":"{\\"a\\":1,\\"a\\":2}"}', b'{"a":":","b":": x"}', b"{}"]
)
def test_what_only_looks_like_duplicates(body: bytes) -> None:
    assert read(body).document == json.loads(body)


def test_what_cannot_be_written_again_is_refused() -> None:
    with pytest.raises(Uncacheable):
        canonical({"a": "\ud83d"})


def part(kind: str, data: str) -> bytes:
    shapes = {
        "openai": {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}},
        "responses": {"type": "input_image", "image_url": f"data:image/png;base64,{data}"},
        "audio": {"type": "input_audio", "input_audio": {"data": data, "format": "wav"}},
        "file": {"type": "file", "file": {"file_data": f"data:application/pdf;base64,{data}"}},
        "anthropic": {"type": "image", "source": {"type": "base64", "media_type": "image/png", "data": data}},
        "gemini": {"inlineData": {"mimeType": "image/png", "data": data}},
    }
    return json.dumps({"messages": [shapes[kind]]}).encode()


KINDS = ["openai", "responses", "audio", "file", "anthropic", "gemini"]


@pytest.mark.parametrize("kind", KINDS)
def test_embedded_content_counts_by_its_bytes(kind: str) -> None:
    picture = bytes([250, 255, 191]) * 70 + b"x"
    plain = base64.b64encode(picture).decode()
    one = read(part(kind, plain))
    assert not one.is_remote
    assert canonical(one.document) == normal(part(kind, base64.urlsafe_b64encode(picture).decode()))
    assert canonical(one.document) == normal(part(kind, plain.rstrip("=")))
    assert canonical(one.document) != normal(part(kind, base64.b64encode(picture + b"y").decode()))


@pytest.mark.parametrize("kind", KINDS)
def test_what_is_no_base64_stays_as_it_is(kind: str) -> None:
    for text in ("not base64! " * 10, "not-base64! " * 10):
        assert text.encode() in normal(part(kind, text))
    assert b"=====" in normal(part(kind, "=" * 80))


def test_data_without_a_format_beside_it_is_text() -> None:
    body = json.dumps({"input": {"data": BASE64.replace("+", "-")}}).encode()
    assert BASE64.replace("+", "-").encode() in normal(body)


@pytest.mark.parametrize(
    "inner",
    [
        {"image_url": {"url": "https://example.com/cat.png"}},
        {"type": "input_image", "image_url": "https://example.com/" + "cat" * 50},
        {"fileData": {"fileUri": "gs://bucket/x"}},
        {"file": {"file_id": "file-123"}},
    ],
)
def test_content_elsewhere_is_noticed(inner: Any) -> None:
    assert read(json.dumps({"messages": [[inner]]}).encode()).is_remote


def test_a_schema_may_speak_of_urls() -> None:
    body = json.dumps({"tools": [{"parameters": {"properties": {"url": {"type": "string"}}}}]}).encode()
    assert not read(body).is_remote


BASE = question()


@pytest.mark.parametrize(
    "changes",
    [
        {"tenant": "other"},
        {"provider": "azure"},
        {"dialect": "azure"},
        {"model": "gpt-5"},
        {"method": b"PUT"},
        {"target": b"/v1/responses"},
        {"target": b"/v1/chat/completions?api-version=2"},
        {"headers": [(b"openai-beta", b"x")]},
        {"headers": [(b"anthropic-version", b"2023-06-01")]},
    ],
)
def test_what_stands_outside_the_body_counts(changes: dict[str, Any]) -> None:
    assert digest(question(**changes)) != digest(BASE)


def test_what_does_not_count() -> None:
    irrelevant = question(
        operation="stream",
        target=b"/v1/chat/completions?key=secret&alt=sse&&%24alt=x",
        headers=[(b"user-agent", b"x"), (b"authorization", b"Bearer x")],
    )
    assert digest(irrelevant) == digest(BASE)


def test_headers_of_a_rule_count_in_any_order() -> None:
    one = question(headers=[(b"x-style", b"a"), (b"openai-beta", b"b")])
    other = question(headers=[(b"openai-beta", b"b"), (b"x-style", b"a")])
    assert digest(one, headers=(b"x-style",)) == digest(other, headers=(b"x-style",))
    assert digest(one, headers=(b"x-style",)) != digest(one)


LEFT_OUT_MEMBERS = [(dialect, name) for dialect in LEFT_OUT for name in sorted(LEFT_OUT[dialect])]


@pytest.mark.parametrize(("dialect", "name"), LEFT_OUT_MEMBERS)
def test_members_that_do_not_count(dialect: str, name: str) -> None:
    assert digest(question(CHAT | {name: "x"}, dialect=dialect)) == digest(question(dialect=dialect))


def test_they_count_inside_of_others() -> None:
    inner = CHAT | {"messages": [{"role": "user", "content": "x", "user": "y"}]}
    assert digest(question(inner)) != digest(question(CHAT | {"messages": [{"role": "user", "content": "x"}]}))


def test_an_unknown_dialect_is_treated_as_generic() -> None:
    assert digest(question(CHAT | {"user": "x"}, dialect="new")) == digest(question(dialect="new"))


def test_shared_answers_are_apart_from_every_tenants() -> None:
    assert digest(BASE, shared=True) == digest(question(tenant="other"), shared=True)
    assert digest(question(tenant=SHARED)) != digest(BASE, shared=True)
    assert key_of(BASE, {}, shared=True).tenant == SHARED


def test_the_key_does_not_change_between_versions() -> None:
    """If this fails, what nodes have stored is lost to them: raise key.VERSION, and say so in the changelog."""
    key = key_of(BASE, read(BASE.body).document)
    assert key.digest.hex() == "b5bfa5f846d2d2a7ac5cdeff938125f2d3b6ffac181982808e476a1ed5de9b88"
    assert key.name == f"openai/gpt-4.1/{key.digest.hex()}"


def test_parts_do_not_run_into_each_other() -> None:
    one, other = question(tenant="ab", provider="c"), question(tenant="a", provider="bc")
    assert digest(one) != digest(other)


def test_gemini_asks_for_a_stream_in_the_path() -> None:
    assert path_of(b"/v1beta/models/g:streamGenerateContent?alt=sse") == b"/v1beta/models/g:generateContent"
    assert path_of(b"/v1beta/models/g:embedContent") == b"/v1beta/models/g:embedContent"
    assert query_of(b"/x?b=2&a=1&alt=sse") == [b"a=1", b"b=2"]
    assert query_of(b"/x") == []


def test_tenants() -> None:
    assert tenant_of("team", None) == "team"
    assert tenant_of("team", "sk-1") == tenant_of("team", "sk-1") != tenant_of("team", "sk-2")
    assert tenant_of("team", "sk-1").startswith("team+") and len(tenant_of("team", "sk-1")) == 5 + 64


def test_keys_are_values() -> None:
    assert Key(b"d", "t", "p", "m") == Key(b"d", "t", "p", "m")
