"""What crosses the edge in heads, and what doesn't."""

from __future__ import annotations

import json

import pytest

from edge.config.model import ClientKey, Endpoint, Model, Provider, Secret, Snapshot
from edge.dialects import by_name
from edge.observe.record import RequestRecord
from edge.serve.reply import (
    added,
    error_reply,
    forwarded,
    proxy_status,
    request_head,
    returned,
    server_timing,
    status_of,
)
from edge.serve.tables import Tables
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, header
from transport.path import Line, Path, Protocol

RECORD = RequestRecord("r-1", 1.0, "127.0.0.1", "POST", "/v1/chat/completions")


def provider(name: str = "openai", **more: object) -> Provider:
    endpoint = Endpoint(f"{name}-us", name, "https://api.example.com/base", "api.example.com", 443, True, "/base")
    return Provider(name, name if name in ("openai", "anthropic") else "generic", (endpoint,), **more)  # type: ignore[arg-type]


def tables(*providers: Provider, **more: object) -> Tables:
    return Tables.of(Snapshot(providers=providers, **more))  # type: ignore[arg-type]  # test values


def test_tables_index_a_snapshot() -> None:
    model = Model("gpt-4.1", "backup")
    all_of = tables(provider(), provider("backup"), models=(model,), lines=(Line("cn2"),), keys=(ClientKey("k", "0"),))
    assert all_of.dialects["openai"] is by_name("openai")
    assert all_of.lines == {"cn2": Line("cn2")}
    assert [target.id for target in all_of.targets] == ["openai-us", "backup-us"]
    assert all_of.targets[0].protocols == (Protocol.H2, Protocol.H1)
    assert all_of.keys.identify("x") is None
    assert all_of.provider_for("openai", "gpt-4.1") == all_of.providers["backup"]
    assert all_of.provider_for("openai", "other") == all_of.providers["openai"]
    assert all_of.provider_for("openai", None) == all_of.providers["openai"]
    assert all_of.provider_for("gemini", "other") is None


def test_the_callers_credentials_pass_when_the_node_has_none() -> None:
    upstream = tables(provider()).upstreams["openai-us"]
    head = request_head(b"GET", b"/v1/models", [(b"authorization", b"Bearer theirs")], upstream, by_name("openai"))
    assert head.target == b"/base/v1/models"
    assert head.authority == b"api.example.com"
    assert head.scheme == b"https"
    assert head.headers == [(b"authorization", b"Bearer theirs")]


def test_the_nodes_own_take_their_place_and_do_not_print() -> None:
    own = provider(credential=Secret("env:K", "sk-ours"), headers=(("OpenAI-Organization", "org-1"),))
    upstream = tables(own).upstreams["openai-us"]
    theirs: Headers = [(b"authorization", b"Bearer fl-theirs"), (b"openai-organization", b"theirs"), (b"x", b"1")]
    head = request_head(b"GET", b"/v1/models", theirs, upstream, by_name("openai"))
    assert sorted(head.headers) == [
        (b"authorization", b"Bearer sk-ours"),
        (b"openai-organization", b"org-1"),
        (b"x", b"1"),
    ]
    assert "sk-ours" not in repr(upstream)


def test_farlines_own_headers_and_hop_by_hop_ones_do_not_reach_a_provider() -> None:
    sent: Headers = [
        (b"host", b"edge"),
        (b"expect", b"100-continue"),
        (b"x-farline-line", b"cn2"),
        (b"x-farline-key", b"fl-1"),
        (b"connection", b"keep-alive"),
        (b"user-agent", b"sdk"),
    ]
    assert forwarded(sent) == [(b"user-agent", b"sdk")]


def test_what_a_reply_gains_and_loses() -> None:
    headers: Headers = [
        (b"content-type", b"application/json"),
        (b"alt-svc", b'h3=":443"'),
        (b"connection", b"close"),
        (b"x-request-id", b"theirs"),
    ]
    own = added(RECORD, Path("cn2", "openai-us"), 2)
    seen = dict(returned(headers, own, tables(provider()).upstreams["openai-us"], lambda: b"http://edge"))
    assert seen[b"content-type"] == b"application/json"
    assert seen[b"x-request-id"] == b"theirs"
    assert seen[b"x-farline-path"] == b"cn2/direct/openai-us"
    assert seen[b"x-farline-attempts"] == b"2"
    assert seen[b"x-farline-request-id"] == b"r-1"
    assert b"alt-svc" not in seen
    assert b"connection" not in seen


def test_server_timing_says_where_the_time_went() -> None:
    record = RequestRecord("r", 1.0, "", "GET", "/", routed_at=1.001, sent_at=1.101, first_byte_at=1.4)
    assert server_timing(record) == b"edge;dur=1.0, connect;dur=100.0, provider;dur=299.0"
    assert server_timing(RECORD) == b"edge;dur=0.0, connect;dur=0.0, provider;dur=0.0"


@pytest.mark.parametrize(
    ("code", "status"),
    [
        (Code.CONNECTION_REFUSED, 503),
        (Code.CONNECTION_TIMEOUT, 503),
        (Code.OVERLOADED, 503),
        (Code.CONNECTION_TERMINATED, 502),
        (Code.HTTP_RESPONSE_TIMEOUT, 504),
        (Code.TLS_CERTIFICATE_ERROR, 502),
    ],
)
def test_nothing_reached_is_503_whatever_else_it_was(code: str, status: int) -> None:
    assert status_of(Failure(Origin.LINE, Verdict.SAFE, code)) == status


def test_proxy_status_uses_registered_words_where_there_are_any() -> None:
    refused = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED, 'no "way" \\ out é')
    assert proxy_status(refused) == b"farline; error=connection_refused; details=\"no 'way'   out ?\""
    ours = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.STREAM_REFUSED)
    assert proxy_status(ours) == b"farline; error=proxy_internal_error; farline-error=stream_refused"


@pytest.mark.parametrize("name", ["openai", "anthropic", "gemini", "azure", "generic"])
def test_errors_are_whole_replies_in_each_dialect(name: str) -> None:
    failure = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_REFUSED, "nobody there")
    headers, body = error_reply(503, failure, RECORD, by_name(name), 3)
    assert header(headers, b"content-length") == b"%d" % len(body)
    assert header(headers, b"retry-after") == b"1"
    assert header(headers, b"x-farline-attempts") == b"3"
    assert "nobody there" in json.dumps(json.loads(body))
    unsure = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.OVERLOADED)
    assert header(error_reply(503, unsure, RECORD, by_name(name), 0)[0], b"retry-after") == b"1"
    headers, _ = error_reply(404, failure, RECORD, by_name(name), 0)
    assert header(headers, b"x-farline-request-id") == b"r-1"
