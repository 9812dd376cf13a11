"""What engines answer, in the callers' dialects: streams, documents, errors, and what is cut."""

from __future__ import annotations

import json
from typing import Any

import pytest

from edge.dialects import by_name
from edge.dialects.facts import Facts, Usage
from edge.dialects.sse import data_of, events
from edge.dialects.translate import ReplyTranslator, translation
from tests.support.dialect_streams import DONE, SSE, data
from tests.support.engine_streams import (
    BEGIN,
    CALLS,
    COUNTS,
    LOADING,
    OVERFLOW,
    SAYS,
    THINKS,
    VLLM_ERROR,
    call,
    chunk,
    document,
    usage,
    whole_call,
)

TOOLS = [{"name": "f", "input_schema": {}}]
THINK = {"thinking": {"type": "enabled", "budget_tokens": 1024}}
SHOW = {"generationConfig": {"thinkingConfig": {"includeThoughts": True}}}
GEMINI_SSE = b"/v1beta/models/gemini-x:streamGenerateContent?alt=sse"
GEMINI_ARRAY = b"/v1beta/models/gemini-x:streamGenerateContent"


def claude(streaming: bool = True, **fields: Any) -> ReplyTranslator:
    found = translation("anthropic", "messages")
    assert found is not None
    body = {"model": "claude-x", "max_tokens": 9, "messages": [{"role": "user", "content": "Hi"}]} | fields
    return found.reply(json.dumps(body).encode(), streaming, "0-f/1")


def gemini(streaming: bool = True, target: bytes = GEMINI_SSE, **fields: Any) -> ReplyTranslator:
    found = translation("gemini", "stream")
    assert found is not None
    body = {"contents": [{"parts": [{"text": "Hi"}]}]} | fields
    return found.reply(json.dumps(body).encode(), streaming, "0-f/1", target)


def said(reply: ReplyTranslator, engine: bytes, status: int = 200) -> bytes:
    reply.head(status, [])
    return reply.feed(engine) + reply.end()


def told(reply: ReplyTranslator, engine: bytes) -> list[dict[str, Any]]:
    """The data of the events of a complete stream."""
    made = said(reply, engine)
    assert reply.is_complete()
    return [json.loads(data_of(block)) for block in events(made)]


def deltas(made: list[dict[str, Any]]) -> list[Any]:
    return [
        (event["index"], *list(event["delta"].values())[1:]) for event in made if event["type"] == "content_block_delta"
    ]


def parts(made: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [part for reply in made for part in reply["candidates"][0]["content"]["parts"]]


def test_a_message_stream() -> None:
    made = told(claude(), SAYS)
    assert [event["type"] for event in made] == [
        "message_start",
        "ping",
        "content_block_start",
        "content_block_delta",
        "content_block_delta",
        "content_block_stop",
        "message_delta",
        "message_stop",
    ]
    message = made[0]["message"]
    assert (message["id"], message["model"], message["content"]) == ("msg_0-f1", "claude-x", [])
    assert deltas(made) == [(0, "Hel"), (0, "lo")]
    assert made[-2]["delta"] == {"stop_reason": "end_turn", "stop_sequence": None}
    assert made[-2]["usage"] == {
        "input_tokens": 7,
        "cache_creation_input_tokens": 0,
        "cache_read_input_tokens": 24,
        "output_tokens": 9,
    }


def test_the_dialects_own_meters_understand_it() -> None:
    for dialect, operation, reply in (("anthropic", "messages", claude()), ("gemini", "stream", gemini())):
        meter = by_name(dialect).meter(Facts(operation=operation, streaming=True), 200, SSE)
        meter.feed(said(reply, SAYS))
        assert meter.is_complete() and meter.at_boundary()
        counted = meter.usage()
        assert (counted.input, counted.output, counted.cached) == (31, 9, 24)
        assert isinstance(counted, Usage)


def test_tool_calls_are_blocks() -> None:
    made = told(claude(tools=TOOLS), CALLS)
    starts = [event["content_block"] for event in made if event["type"] == "content_block_start"]
    assert starts == [
        {"type": "text", "text": ""},
        {"type": "tool_use", "id": "toolu_ab", "name": "f", "input": {}},
        {"type": "tool_use", "id": "toolu_call_0-f1_1", "name": "g", "input": {}},
    ]
    assert deltas(made) == [(0, "Let me see."), (1, '{"a":'), (1, "1}"), (2, "{}")]
    assert sum(event["type"] == "content_block_stop" for event in made) == 3
    assert made[-2]["delta"]["stop_reason"] == "tool_use"


def test_thinking_is_shown_to_those_who_asked_and_can_keep_it() -> None:
    shown = told(claude(**THINK), THINKS)
    assert deltas(shown) == [(0, "hm"), (0, "m"), (1, "Hel"), (1, "lo")]
    assert shown[2]["content_block"] == {"type": "thinking", "thinking": "", "signature": ""}
    omitted = {"thinking": {"type": "adaptive", "display": "omitted"}}
    for fields in ({}, {"thinking": {"type": "disabled"}}, omitted, THINK | {"tools": TOOLS}):
        assert deltas(told(claude(**fields), THINKS)) == [(0, "Hel"), (0, "lo")]


@pytest.mark.parametrize(
    ("finish", "extra", "reason", "stop"),
    [
        ("stop", {}, "end_turn", None),
        ("stop", {"stop_reason": "END"}, "stop_sequence", "END"),
        ("stop", {"stop_reason": 151645}, "end_turn", None),
        ("eos_token", {}, "end_turn", None),
        ("length", {}, "max_tokens", None),
        ("content_filter", {}, "refusal", None),
        ("function_call", {}, "tool_use", None),
    ],
)
def test_why_it_stopped(finish: str, extra: dict[str, Any], reason: str, stop: str | None) -> None:
    made = told(claude(), BEGIN + chunk({"content": "x"}) + chunk({}, finish, choice=extra) + DONE)
    assert made[-2]["delta"] == {"stop_reason": reason, "stop_sequence": stop}
    assert made[-2]["usage"]["output_tokens"] == 0  # the engine told none


def test_a_stop_after_a_call_is_because_of_the_call() -> None:
    made = told(claude(), BEGIN + call(0, "x", "f", "{}") + chunk({}, "stop") + DONE)
    assert made[-2]["delta"]["stop_reason"] == "tool_use"


def test_calls_without_an_index_are_told_apart_by_their_ids() -> None:
    stream = (
        BEGIN
        + call(None, "x", "f", "{")
        + call(None, "x", None, "}")
        + call(None, "y", "g")
        + call(None, None, None, "{}")
    )
    made = told(claude(), stream + chunk({}, "tool_calls") + DONE)
    assert deltas(made) == [(0, "{"), (0, "}"), (1, "{}")]


@pytest.mark.parametrize("bad", [call(0, arguments="{}"), call(1, "x", "f") + call(0, arguments="{}"), data([1])])
def test_a_stream_that_makes_no_sense_never_looks_complete(bad: bytes) -> None:
    reply = claude()
    made = said(reply, BEGIN + bad + chunk({}, "stop") + DONE)
    assert not reply.is_complete()
    assert b"message_stop" not in made


@pytest.mark.parametrize("finish", ["abort", "error", None])
def test_an_engine_that_gave_up(finish: str | None) -> None:
    reply = claude()
    assert b"message_stop" not in said(reply, BEGIN + chunk({"content": "x"}) + chunk({}, finish) + DONE)
    assert not reply.is_complete()


def test_comments_and_what_comes_after_the_end_are_nothing() -> None:
    assert told(claude(), b": ping\n\n" + SAYS + chunk({"content": "more"})) == told(claude(), SAYS)


@pytest.mark.parametrize("make", [claude, gemini])
@pytest.mark.parametrize("end", range(0, len(SAYS) - 1, 7))
def test_a_cut_stream_is_never_complete(make: Any, end: int) -> None:
    reply = make()
    said(reply, SAYS[:end])
    assert not reply.is_complete()


def test_a_huge_event_is_held_whole() -> None:
    text = "x" * 1_000_000
    stream = BEGIN + chunk({"content": text}) + chunk({}, "stop") + DONE
    reply = claude()
    reply.head(200, [])
    made = b"".join(reply.feed(stream[at : at + 65536]) for at in range(0, len(stream), 65536))
    assert text.encode() in made and reply.is_complete()


@pytest.mark.parametrize(
    "error", [b'data: {"error":{"message":"CUDA","code":500}}', b'error: {"message":"CUDA","code":400}']
)
def test_an_error_within_the_stream_is_told(error: bytes) -> None:
    reply = claude()
    made = said(reply, BEGIN + error + b"\n\n" + DONE)
    assert reply.is_complete() and made.count(b"event: error") == 1 and b"CUDA" in made
    assert made.count(b"event:") == 3


def test_an_error_within_the_stream_for_gemini() -> None:
    reply = gemini()
    assert said(reply, data({"error": "odd"})).startswith(b'data: {"error":')
    assert reply.is_complete()


def test_a_message() -> None:
    calls = [whole_call('{"a": 1}'), whole_call("", "y")]
    engine = document({"content": "Hi", "reasoning_content": "hm", "tool_calls": calls}, "tool_calls")
    reply = claude(streaming=False)
    assert reply.head(200, [(b"content-length", b"9")])[1][0] == (b"content-type", b"application/json")
    assert reply.feed(engine) == b"" and not reply.is_complete()
    made = json.loads(reply.end())
    assert reply.is_complete()
    assert made["content"] == [
        {"type": "text", "text": "Hi"},
        {"type": "tool_use", "id": "toolu_x", "name": "f", "input": {"a": 1}},
        {"type": "tool_use", "id": "toolu_y", "name": "f", "input": {}},
    ]
    assert made["stop_reason"] == "tool_use" and made["usage"]["input_tokens"] == 7


def test_a_message_that_is_only_a_call() -> None:
    engine = document({"content": None, "tool_calls": [whole_call("{}")]}, "stop")
    made = json.loads(said(claude(streaming=False), engine))
    assert [block["type"] for block in made["content"]] == ["tool_use"] and made["stop_reason"] == "tool_use"


def test_a_chunk_without_a_delta() -> None:
    made = told(claude(), BEGIN + chunk({}, "stop", choice={"delta": None}) + DONE)
    assert made[-1]["type"] == "message_stop"


def test_a_message_with_thinking() -> None:
    engine = document({"content": None, "refusal": "No.", "reasoning": "hm"})
    made = json.loads(said(claude(streaming=False, **THINK), engine))
    assert [block["type"] for block in made["content"]] == ["thinking", "text"]
    assert made["content"][1]["text"] == "No."


def test_a_call_that_the_limit_cut_is_none_and_one_without_sense_is_an_error() -> None:
    cut = {"content": "Hi", "tool_calls": [whole_call('{"a":')]}
    made = json.loads(said(claude(streaming=False), document(cut, "length")))
    assert [block["type"] for block in made["content"]] == ["text"] and made["stop_reason"] == "max_tokens"
    reply = claude(streaming=False)
    assert said(reply, document(cut, "tool_calls")) == b"" and not reply.is_complete()


@pytest.mark.parametrize(
    "engine",
    [
        b"",
        b"<html>",
        b'{"choices":[]}',
        b'{"choices":[{"index":0}]}',
        document({"content": "x"}, "abort"),
        document({}, None),
    ],
)
def test_a_document_that_makes_no_sense(engine: bytes) -> None:
    for make in (claude, gemini):
        reply = make(streaming=False)
        assert said(reply, engine) == b"" and not reply.is_complete()


BEGUN = [{"role": "user", "content": "Count."}, {"role": "assistant", "content": "one two"}]


@pytest.mark.parametrize(
    ("pieces", "left"),
    [
        (["one two", " three"], " three"),
        (["one two three"], " three"),
        (["on", "e two", " three"], " three"),
        ([" three"], " three"),
        (["one", " more"], "one more"),
        (["one"], "one"),
    ],
)
def test_words_that_the_caller_began_with_are_not_repeated(pieces: list[str], left: str) -> None:
    stream = BEGIN + b"".join(chunk({"content": piece}) for piece in pieces) + chunk({}, "stop") + DONE
    assert "".join(text for _, text in deltas(told(claude(messages=BEGUN), stream))) == left
    made = json.loads(said(claude(streaming=False, messages=BEGUN), document({"content": "".join(pieces)})))
    assert made["content"][0]["text"] == left


def test_nothing_but_the_callers_own_words() -> None:
    assert deltas(told(claude(messages=BEGUN), BEGIN + chunk({"content": "one two"}) + chunk({}, "stop") + DONE)) == []


def test_held_words_come_before_a_call() -> None:
    stream = BEGIN + chunk({"content": "one"}) + call(0, "x", "f", "{}") + chunk({}, "tool_calls") + DONE
    assert deltas(told(claude(messages=BEGUN), stream)) == [(0, "one"), (1, "{}")]


def test_a_gemini_stream() -> None:
    made = told(gemini(), THINKS)
    assert parts(made) == [{"text": "Hel"}, {"text": "lo"}, {"text": ""}]
    assert [reply["candidates"][0].get("finishReason") for reply in made] == [None, None, "STOP"]
    assert all(reply["modelVersion"] == "gemini-x" and reply["responseId"] == "0-f1" for reply in made)
    assert made[-1]["usageMetadata"] == {
        "promptTokenCount": 31,
        "candidatesTokenCount": 6,
        "totalTokenCount": 40,
        "thoughtsTokenCount": 3,
        "cachedContentTokenCount": 24,
    }
    assert parts(told(gemini(**SHOW), THINKS))[0] == {"text": "hm", "thought": True}


def test_gemini_calls_come_whole() -> None:
    made = told(gemini(), CALLS)
    signature = {"thoughtSignature": "skip_thought_signature_validator"}
    assert parts(made) == [
        {"text": "Let me see."},
        {"functionCall": {"id": "ab", "name": "f", "args": {"a": 1}}, **signature},
        {"functionCall": {"id": "call_0-f1_1", "name": "g", "args": {}}, **signature},
    ]
    assert made[-1]["candidates"][0]["finishReason"] == "STOP"


@pytest.mark.parametrize(("finish", "reason"), [("tool_calls", "MALFORMED_FUNCTION_CALL"), ("length", "MAX_TOKENS")])
def test_gemini_calls_that_make_no_sense(finish: str, reason: str) -> None:
    made = told(gemini(), BEGIN + call(0, "x", "f", '{"a":') + chunk({}, finish) + usage() + DONE)
    assert parts(made) == [{"text": ""}] and made[-1]["candidates"][0]["finishReason"] == reason
    engine = document(
        {"content": "", "tool_calls": [whole_call("[]")]}, finish, {"prompt_tokens": 1, "completion_tokens": 2}
    )
    whole = json.loads(said(gemini(streaming=False), engine))
    assert whole["candidates"][0]["finishReason"] == reason
    assert whole["usageMetadata"] == {"promptTokenCount": 1, "candidatesTokenCount": 2, "totalTokenCount": 3}


def test_gemini_content() -> None:
    engine = document({"content": "Hi", "reasoning_content": "hm", "tool_calls": [whole_call("{}")]})
    reply = gemini(streaming=False, **SHOW)
    made = json.loads(said(reply, engine))
    assert reply.is_complete()
    assert made["candidates"][0]["content"]["parts"][:2] == [{"text": "hm", "thought": True}, {"text": "Hi"}]
    assert made["candidates"][0]["finishReason"] == "STOP"
    assert len(json.loads(said(gemini(streaming=False), engine))["candidates"][0]["content"]["parts"]) == 2


def test_a_stream_as_an_array_is_valid_only_when_whole() -> None:
    reply = gemini(target=GEMINI_ARRAY)
    assert reply.head(200, []) == (200, [(b"content-type", b"application/json; charset=UTF-8")])
    made = json.loads(reply.feed(SAYS) + reply.end())
    assert parts(made) == [{"text": "Hel"}, {"text": "lo"}, {"text": ""}]
    cut = gemini(target=GEMINI_ARRAY)
    with pytest.raises(ValueError):
        json.loads(said(cut, SAYS[:-5]))


@pytest.mark.parametrize(
    ("status", "body", "shown", "kind", "words"),
    [
        (400, OVERFLOW, 400, "invalid_request_error", "prompt is too long: request (18010 tokens)"),
        (400, VLLM_ERROR, 400, "invalid_request_error", "prompt is too long: maximum context length is 10"),
        (422, b'{"detail":[{"msg":"bad"}]}', 422, "invalid_request_error", '[{"msg":"bad"}]'),
        (404, b'{"error":{"message":"no model x"}}', 404, "not_found_error", "no model x"),
        (503, LOADING, 503, "overloaded_error", "the local pool is busy: Loading model"),
        (500, b'{"error":"odd"}', 500, "api_error", "the local pool failed: odd"),
        (502, b"<html>", 502, "api_error", "<html>"),
        (500, b"", 500, "api_error", "status 500"),
        (401, b'{"error":{"message":"bad key"}}', 502, "api_error", "the local pool refused farline"),
        (403, b"", 502, "api_error", "the local pool refused farline"),
        (429, b"", 429, "rate_limit_error", "the local pool is busy"),
    ],
)
def test_errors(status: int, body: bytes, shown: int, kind: str, words: str) -> None:
    for streaming in (True, False):
        reply = claude(streaming)
        got, headers = reply.head(status, [(b"content-type", b"text/html")])
        assert got == shown and (b"content-type", b"application/json") in headers
        assert (b"x-should-retry", b"true" if status in (429, 503) else b"false") in headers
        assert reply.feed(body) == b""
        made = json.loads(reply.end())
        assert reply.is_complete()
        assert made["error"]["type"] == kind and words in made["error"]["message"]
        assert json.loads(reply.error(status, body)) == made


def test_heads_of_streams() -> None:
    status, headers = claude().head(200, [(b"server", b"llama.cpp"), (b"transfer-encoding", b"chunked")])
    assert status == 200
    assert headers == [(b"content-type", b"text/event-stream; charset=utf-8"), (b"request-id", b"0-f/1")]
    assert gemini().head(200, [])[1] == [(b"content-type", b"text/event-stream")]


def test_counts_of_the_first_chunk_stand_until_there_are_better() -> None:
    made = told(claude(), chunk({"content": "x"}, usage=COUNTS) + chunk({}, "stop", usage=None) + DONE)
    assert made[-2]["usage"]["output_tokens"] == 9


def responses(streaming: bool = True, **fields: Any) -> ReplyTranslator:
    found = translation("openai", "responses")
    assert found is not None
    return found.reply(json.dumps({"model": "gpt-x", "input": "Hi"} | fields).encode(), streaming, "0-f/1")


def test_a_response_stream() -> None:
    made = told(responses(metadata={"a": "b"}), THINKS)
    assert [event["type"] for event in made] == [
        "response.created",
        "response.in_progress",
        "response.output_item.added",
        "response.content_part.added",
        "response.output_text.delta",
        "response.output_text.delta",
        "response.output_text.done",
        "response.content_part.done",
        "response.output_item.done",
        "response.completed",
    ]
    assert [event["sequence_number"] for event in made] == list(range(10))
    response = made[-1]["response"]
    assert (response["id"], response["model"], response["created_at"]) == ("resp_0-f1", "gpt-x", 1795335305)
    assert response["output"] == [made[-2]["item"]] and response["status"] == "completed"
    assert response["output"][0]["content"][0]["text"] == "Hello" and response["metadata"] == {"a": "b"}
    assert response["usage"]["output_tokens_details"] == {"reasoning_tokens": 3}
    meter = by_name("openai").meter(Facts(operation="responses", streaming=True), 200, SSE)
    meter.feed(said(responses(), SAYS))
    assert meter.is_complete() and meter.usage().input == 31


def test_reasoning_is_an_item_for_those_who_asked() -> None:
    output = told(responses(reasoning={"effort": "low"}), THINKS)[-1]["response"]["output"]
    assert [item["type"] for item in output] == ["reasoning", "message"]
    assert output[0]["content"] == [{"type": "reasoning_text", "text": "hmm"}]
    engine = document({"content": "Hi", "reasoning": "hm"})
    assert [item["type"] for item in json.loads(said(responses(False), engine))["output"]] == ["message"]
    made = json.loads(said(responses(False, reasoning={}), engine))
    assert [item["type"] for item in made["output"]] == ["reasoning", "message"]


def test_function_calls_are_items() -> None:
    made = told(responses(), CALLS)
    output = made[-1]["response"]["output"]
    assert [(item["type"], item.get("arguments")) for item in output] == [
        ("message", None),
        ("function_call", '{"a":1}'),
        ("function_call", "{}"),
    ]
    assert output[1]["call_id"] == "ab" and output[1]["status"] == "completed"
    assert sum(event["type"] == "response.function_call_arguments.delta" for event in made) == 3


def test_a_response_that_the_limit_cut() -> None:
    made = told(responses(), BEGIN + call(0, "x", "f", '{"a":') + chunk({}, "length") + DONE)
    assert made[-1]["type"] == "response.incomplete"
    assert made[-1]["response"]["incomplete_details"] == {"reason": "max_output_tokens"}
    assert made[-1]["response"]["output"][0]["status"] == "incomplete"


def test_a_response() -> None:
    engine = document({"content": None, "tool_calls": [whole_call('{"a":1}')]}, "tool_calls")
    reply = responses(False)
    assert reply.head(200, [])[1] == [(b"content-type", b"application/json"), (b"x-request-id", b"0-f/1")]
    made = json.loads(reply.feed(engine) + reply.end())
    assert reply.is_complete() and made["status"] == "completed" and made["created_at"] == 1795335305
    assert made["output"][0]["arguments"] == '{"a":1}' and made["usage"]["total_tokens"] == 40
    assert json.loads(said(responses(False), document({"content": "x"}, "content_filter")))["status"] == "incomplete"
    assert responses().head(200, [])[1][0] == (b"content-type", b"text/event-stream; charset=utf-8")
