"""Requests as spans: names and attributes of the conventions, nothing secret."""

from __future__ import annotations

from typing import Any

from edge.dialects.facts import Facts, Usage
from edge.observe.record import AttemptTrace, RequestRecord
from edge.observe.spans import is_worth_keeping, spans
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

CN2, CU2 = Path("cn2", "openai"), Path("cu2", "openai")


def record(**more: Any) -> RequestRecord:
    made = RequestRecord("id-1", 10.0, "192.0.2.1", "POST", "/openai/v1/chat/completions", **more)
    made.ended_at = 12.0
    return made


def test_a_stream_that_took_two_attempts() -> None:
    made = record(
        principal="voice",
        provider="openai",
        facts=Facts("chat", "gpt-4.1", True, max_tokens=9),
        path=CU2,
        protocol="h2",
        status=200,
        attempts=[
            AttemptTrace(CN2, "failed", None, "connection_terminated", 10.1),
            AttemptTrace(CU2, "committed", 200, None, 10.4),
        ],
        routed_at=10.05,
        sent_at=10.4,
        first_byte_at=10.9,
        usage=Usage(5, 7, 2, 1),
    )
    server, client = spans(made)
    assert client is not None
    assert (server.name, server.begins, server.ends, server.is_error) == ("chat gpt-4.1", 10.0, 12.0, False)
    assert [event.name for event in server.events] == [
        "farline.routed", "farline.attempt", "farline.attempt", "farline.first_byte",
    ]  # fmt: skip
    assert server.events[1].attributes == {
        "number": 1, "path": "cn2/direct/openai", "outcome": "failed", "code": "connection_terminated",
    }  # fmt: skip
    assert server.attributes["gen_ai.usage.output_tokens"] == 7
    assert server.attributes["gen_ai.request.max_tokens"] == 9
    assert server.attributes["enduser.id"] == "voice"
    assert (client.begins, client.attributes["gen_ai.response.time_to_first_chunk"]) == (10.4, 0.5)
    assert client.attributes["farline.path"] == "cu2/direct/openai"
    assert is_worth_keeping(made)


def test_what_a_relay_calls_it() -> None:
    through = Path("cn2+cu2", "openai", "sjc")
    made = record(
        path=through,
        status=200,
        sent_at=10.4,
        attempts=[
            AttemptTrace(CN2, "failed", None, "connection_terminated", 10.1),
            AttemptTrace(through, "committed", 200, None, 10.4, "0a1b"),
        ],
    )
    server, client = spans(made)
    assert client is not None and client.attributes["farline.execution"] == "0a1b"
    assert [event.attributes.get("execution") for event in server.events] == [None, "0a1b"]
    assert [attempt.summary().get("execution") for attempt in made.attempts] == [None, "0a1b"]


def test_a_refused_stranger_has_no_client_span() -> None:
    failure = Failure(Origin.CLIENT, Verdict.SAFE, Code.HTTP_REQUEST_DENIED, "not known")
    server, client = spans(record(status=401, failure=failure))
    assert client is None
    assert (server.name, server.is_error, server.message) == ("POST", True, "http_request_denied: not known")
    assert server.attributes["error.type"] == "http_request_denied"


def test_usual_requests_need_not_be_kept() -> None:
    made = record(
        status=200, facts=Facts("files"), provider="gemini", attempts=[AttemptTrace(CN2, "committed", 200, None)]
    )
    assert not is_worth_keeping(made)
    server, _ = spans(made)
    assert (server.name, server.events) == ("files", [])
    assert server.attributes["gen_ai.provider.name"] == "gcp.gemini"


def test_a_client_that_left_is_no_error() -> None:
    gone = Failure(Origin.CLIENT, Verdict.UNKNOWN, Code.CLIENT_GONE)
    server, _ = spans(record(status=499, failure=gone, client_left=True, local="lines out"))
    assert not server.is_error
    assert server.attributes["farline.client_left"] is True
    assert server.attributes["farline.local"] == "lines out"
