"""A stored reply in another form: what is understood, what isn't, and what it costs nobody."""

from __future__ import annotations

import json
from typing import Any

import msgspec
import pytest

from cache.replay import parts
from edge.dialects.forms import Asked, Form, as_asked, asked, to_json, to_stream
from edge.dialects.forms.framing import elements_of, events_of
from edge.dialects.forms.values import Unclear, agree, decoded, in_order, index, listed, only, record, text
from tests.support.dialect_streams import DONE, data, named
from tests.support.stored_replies import (
    CHAT_CALLS,
    CHAT_FUNCTION,
    CHAT_STREAM,
    CHAT_TEXT,
    COMPLETION,
    DOCUMENTS,
    GENERATED,
    GENERATED_ARRAY,
    GENERATED_EVENTS,
    GENERATED_PIECES,
    LIKELY,
    MESSAGE,
    MESSAGE_BEGUN,
    MESSAGE_ENDING,
    MESSAGE_STREAM,
    RESPONSE,
    STREAMS,
    Json,
    block,
    delta,
    piece,
    stop,
    stored,
)

STREAMED = {"generate": Form.ARRAY}


def raw(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def streamed(kind: str, document: Json, form: Form = Form.EVENTS) -> bytes | None:
    made = to_stream(Asked(kind, form, with_usage=form is Form.EVENTS), raw(document))
    return None if made is None else b"".join(made)


def given(asked_: Asked, body: bytes, **more: Any) -> bytes | None:
    found = as_asked(asked_, stored(body), **more)
    return None if found is None else found.body


# --- there and back ---


@pytest.mark.parametrize("form", [Form.EVENTS, Form.ARRAY])
@pytest.mark.parametrize(("kind", "document"), DOCUMENTS)
def test_a_document_comes_back_from_its_stream(kind: str, document: Json, form: Form) -> None:
    if form is Form.ARRAY and kind != "generate":
        return
    stream = streamed(kind, document, form)
    assert stream is not None
    back = to_json(kind, stream)
    assert back is not None
    told = json.loads(back)
    if document.get("prompt_filter_results"):
        del document["choices"][0]["message"]["function_call"]  # null
    assert told == document
    assert streamed(kind, told, form) == stream


@pytest.mark.parametrize(("kind", "stream"), STREAMS)
def test_a_streams_document_is_stable(kind: str, stream: bytes) -> None:
    first = to_json(kind, stream)
    assert first is not None
    again = streamed(kind, json.loads(first))
    assert again is not None
    assert json.loads(to_json(kind, again) or b"") == json.loads(first)


def test_what_a_chat_stream_says() -> None:
    told = json.loads(to_json("chat", CHAT_STREAM) or b"")
    first, second = told["choices"]
    assert first["message"] == {"role": "assistant", "content": "你好", "refusal": None}
    assert first["logprobs"] == {"content": [LIKELY, LIKELY], "refusal": None}
    assert second["message"]["tool_calls"][0]["function"] == {"name": "find", "arguments": '{"q":1}'}
    assert (first["finish_reason"], second["finish_reason"]) == ("stop", "tool_calls")


def test_inputs_of_tools_keep_their_bytes() -> None:
    odd = b'{"a": 1.50, "big": 12345678901234567890123}'
    stream = b"".join(
        (
            MESSAGE_BEGUN,
            block(0, type="tool_use", id="t", name="n", input={}),
            delta(0, "input_json_delta", partial_json=odd.decode()),
            stop(0),
            MESSAGE_ENDING,
        )
    )
    assert odd in (to_json("messages", stream) or b"")


# --- what isn't understood ---


def chat_chunk(**more: Any) -> bytes:
    head: Json = {"id": "c", "object": "chat.completion.chunk", "created": 1, "model": "m", "choices": []}
    return data(head | more)


def choice(delta: Json, finish: str | None = None, **more: Any) -> Json:
    return {"index": 0, "delta": delta, "finish_reason": finish, **more}


BEGUN = choice({"role": "assistant", "content": ""})
USAGE = {"usage": {"prompt_tokens": 1, "completion_tokens": 1}}
ENDED = chat_chunk(choices=[choice({}, "stop")], **USAGE)
CALL = {"index": 0, "id": "c", "type": "function", "function": {"name": "f", "arguments": ""}}


def test_the_least_chat_stream_is_understood() -> None:
    assert to_json("chat", chat_chunk(choices=[BEGUN]) + ENDED + DONE) is not None


UNCLEAR_CHATS: dict[str, bytes] = {
    "empty": b"",
    "cut": chat_chunk(choices=[BEGUN]) + ENDED,
    "an event that isn't whole": chat_chunk(choices=[BEGUN]) + ENDED + DONE[:-1],
    "no usage": chat_chunk(choices=[BEGUN]) + chat_chunk(choices=[choice({}, "stop")]) + DONE,
    "no finish reason": chat_chunk(choices=[BEGUN], **USAGE) + DONE,
    "no role": chat_chunk(choices=[choice({"content": "a"})]) + ENDED + DONE,
    "no choices": chat_chunk(**USAGE) + DONE,
    "a choice is missing": chat_chunk(choices=[BEGUN | {"index": 1}]) + ENDED + DONE,
    "an unknown member": chat_chunk(choices=[BEGUN], timings={}) + ENDED + DONE,
    "an unknown word": chat_chunk(choices=[choice({"role": "assistant", "audio": {"id": "a"}})]) + ENDED + DONE,
    "another kind": chat_chunk(choices=[BEGUN], object="thread.message.delta") + ENDED + DONE,
    "another id": chat_chunk(choices=[BEGUN], id="d") + ENDED + DONE,
    "not JSON": b"data: {\n\n" + ENDED + DONE,
    "an error": data({"error": {"message": "x"}}) + DONE,
    "an array": b"data: []\n\n" + ENDED + DONE,
    "an event with a name": b"event: x\n" + chat_chunk(choices=[BEGUN]) + ENDED + DONE,
    "an id field": b"id: 1\n" + chat_chunk(choices=[BEGUN]) + ENDED + DONE,
    "content that isn't text": chat_chunk(choices=[choice({"role": "assistant", "content": [1]})]) + ENDED + DONE,
    "a call without an index": chat_chunk(choices=[choice({"tool_calls": [{"id": "c"}]})]) + ENDED + DONE,
    "a call of another kind": chat_chunk(choices=[choice({"role": "assistant", "tool_calls": [CALL | {"type": "x"}]})])
    + ENDED
    + DONE,
    "a call named twice": chat_chunk(choices=[choice({"role": "assistant", "tool_calls": [CALL, CALL]})])
    + ENDED
    + DONE,
    "a call without a name": chat_chunk(
        choices=[choice({"role": "assistant", "tool_calls": [CALL | {"function": {"arguments": ""}}]})]
    )
    + ENDED
    + DONE,
}


@pytest.mark.parametrize("why", UNCLEAR_CHATS)
def test_unclear_chats_have_no_document(why: str) -> None:
    assert to_json("chat", UNCLEAR_CHATS[why]) is None


def changed(document: Json, path: str, value: Any) -> Json:
    """A copy in which the member at `a.0.b` is another one."""
    copy: Json = json.loads(raw(document))
    *way, last = path.split(".")
    at: Any = copy
    for step in way:
        at = at[int(step) if step.isdigit() else step]
    at[int(last) if last.isdigit() else last] = value
    return copy


UNCLEAR_DOCUMENTS: list[tuple[str, Json, str, Any]] = [
    ("chat", CHAT_TEXT, "object", "list"),
    ("chat", CHAT_TEXT, "choices", []),
    ("chat", CHAT_TEXT, "usage", None),
    ("chat", CHAT_TEXT, "timings", {"a": 1}),
    ("chat", CHAT_TEXT, "metadata", {"a": "1"}),
    ("chat", CHAT_TEXT, "choices.0.message.audio", {"id": "a"}),
    ("chat", CHAT_TEXT, "choices.0.message.role", "user"),
    ("chat", CHAT_TEXT, "choices.0.message", None),
    ("chat", CHAT_TEXT, "choices.0.finish_reason", None),
    ("chat", CHAT_TEXT, "choices.0.index", -1),
    ("chat", CHAT_TEXT, "choices.0.logprobs", {"other": []}),
    ("chat", CHAT_CALLS, "choices.0.message.tool_calls.0.type", "custom"),
    ("completions", COMPLETION, "choices.0.finish_reason", None),
    ("completions", COMPLETION, "choices.0.text", None),
    ("responses", RESPONSE, "status", "in_progress"),
    ("responses", RESPONSE, "object", "list"),
    ("responses", RESPONSE, "output.0.type", "web_search_call"),
    ("responses", RESPONSE, "output.0.id", None),
    ("responses", RESPONSE, "output.0.summary.0.type", "x"),
    ("responses", RESPONSE, "output.0.content.0.type", "x"),
    ("responses", RESPONSE, "output.1.content.0.type", "x"),
    ("messages", MESSAGE, "type", "error"),
    ("messages", MESSAGE, "stop_reason", None),
    ("messages", MESSAGE, "usage", None),
    ("messages", MESSAGE, "content.0.type", "unheard_of"),
    ("messages", MESSAGE, "content.3.input", "x"),
    ("generate", GENERATED, "candidates", []),
]


@pytest.mark.parametrize(("kind", "document", "path", "value"), UNCLEAR_DOCUMENTS)
def test_unclear_documents_have_no_stream(kind: str, document: Json, path: str, value: Any) -> None:
    assert streamed(kind, document) is not None
    assert streamed(kind, changed(document, path, value)) is None


def without(stream: bytes, part: bytes) -> bytes:
    assert part in stream
    return stream.replace(part, b"", 1)


TEXT = block(0, type="text", text="")
UNCLEAR_MESSAGES = {
    "no beginning": without(MESSAGE_STREAM, MESSAGE_BEGUN),
    "no end": without(MESSAGE_STREAM, named({"type": "message_stop"})),
    "a block without an end": without(MESSAGE_STREAM, stop(4)),
    "a block is missing": MESSAGE_BEGUN + block(1, type="text", text="") + stop(1) + MESSAGE_ENDING,
    "a block begins twice": MESSAGE_BEGUN + TEXT + TEXT + stop(0) + MESSAGE_ENDING,
    "a block goes on after its end": MESSAGE_BEGUN + TEXT + stop(0) + delta(0, "text_delta", text="") + MESSAGE_ENDING,
    "an unknown delta": MESSAGE_BEGUN + TEXT + delta(0, "compaction_delta") + stop(0) + MESSAGE_ENDING,
    "an unknown block": MESSAGE_BEGUN + block(0, type="fallback") + stop(0) + MESSAGE_ENDING,
    "an unknown event": MESSAGE_BEGUN + named({"type": "news", "index": 0}) + MESSAGE_ENDING,
    "input that isn't an object": MESSAGE_BEGUN
    + block(0, type="tool_use", id="t", name="n", input={})
    + delta(0, "input_json_delta", partial_json='{"a":')
    + stop(0)
    + MESSAGE_ENDING,
    "no reason": MESSAGE_BEGUN
    + named({"type": "message_delta", "delta": {"stop_reason": None}, "usage": {}})
    + named({"type": "message_stop"}),
    "content at once": without(MESSAGE_STREAM, MESSAGE_BEGUN).join(
        (MESSAGE_BEGUN.replace(b'"content":[]', b'"content":[{}]'), b"")
    ),
}


@pytest.mark.parametrize("why", UNCLEAR_MESSAGES)
def test_unclear_messages_have_no_document(why: str) -> None:
    assert to_json("messages", UNCLEAR_MESSAGES[why]) is None


def test_a_message_without_content() -> None:
    assert json.loads(to_json("messages", MESSAGE_BEGUN + MESSAGE_ENDING) or b"")["content"] == []


def test_what_was_managed_in_the_context_is_told_at_the_end() -> None:
    document = MESSAGE | {"context_management": {"applied_edits": []}, "stop_details": None, "container": None}
    stream = streamed("messages", document)
    assert stream is not None
    assert json.loads(to_json("messages", stream) or b"") == document


def test_a_response_that_failed_has_no_document() -> None:
    failed = named({"type": "response.failed", "response": RESPONSE | {"status": "failed"}})
    assert to_json("responses", failed) is None
    assert to_json("responses", b"") is None
    bare = named({"type": "response.completed", "response": RESPONSE | {"output": None}})
    assert to_json("responses", bare) is None


def test_a_response_cut_at_its_limit() -> None:
    cut = RESPONSE | {"status": "incomplete", "incomplete_details": {"reason": "max_output_tokens"}, "output": []}
    del cut["completed_at"]
    stream = streamed("responses", cut)
    assert stream is not None and stream.count(b"event: response.incomplete") == 1
    assert json.loads(to_json("responses", stream) or b"") == cut


def generated(*pieces: Json) -> bytes:
    return b"".join(data(told, b"\r\n") for told in pieces)


UNCLEAR_GENERATED = {
    "a call in pieces": generated(piece([{"functionCall": {"name": "f", "willContinue": True}}], finish="STOP")),
    "an unknown part": generated(piece([{"hologram": 1}], finish="STOP")),
    "an unknown member": generated(piece([{"text": "a"}], finish="STOP", novelty=1)),
    "no finish reason": generated(piece([{"text": "a"}])),
    "an unspecified one": generated(piece([{"text": "a"}], finish="FINISH_REASON_UNSPECIFIED")),
    "ratings that change": generated(
        piece([{"text": "a"}], safetyRatings=[{"a": 1}]), piece([], finish="STOP", safetyRatings=[{"a": 2}])
    ),
    "no usage": generated({"candidates": [{"finishReason": "STOP"}]}),
    "nothing": generated({"usageMetadata": {}}),
}


@pytest.mark.parametrize("why", UNCLEAR_GENERATED)
def test_unclear_pieces_have_no_document(why: str) -> None:
    assert to_json("generate", UNCLEAR_GENERATED[why]) is None


def test_signatures_stay_with_their_parts() -> None:
    signed = {"text": "b", "thoughtSignature": "c2ln"}
    likely = {"chosenCandidates": [{"token": "a"}], "topCandidates": [{"candidates": []}]}
    stream = generated(
        piece([{"text": "a"}], logprobsResult=likely), piece([signed]), piece([{"text": "c"}]), piece([], finish="STOP")
    )
    told = json.loads(to_json("generate", stream) or b"")["candidates"][0]
    assert told["content"]["parts"] == [{"text": "a"}, signed, {"text": "c"}]
    assert told["logprobsResult"] == likely


def test_a_blocked_prompt_and_an_empty_answer() -> None:
    blocked = {"promptFeedback": {"blockReason": "SAFETY"}, "usageMetadata": {"promptTokenCount": 1}}
    assert json.loads(to_json("generate", generated(blocked)) or b"") == blocked
    assert streamed("generate", blocked) is not None
    empty = json.loads(to_json("generate", generated(piece([{"text": ""}], finish="STOP"))) or b"")
    assert empty["candidates"][0]["content"]["parts"] == [{"text": ""}]
    none = json.loads(to_json("generate", generated({**piece([]), "candidates": [{"finishReason": "STOP"}]})) or b"")
    assert none["candidates"][0]["content"] == {}


# --- framing ---


@pytest.mark.parametrize("line_end", [b"\n", b"\r\n", b"\r"])
def test_events_whatever_their_line_ends(line_end: bytes) -> None:
    body = b"\xef\xbb\xbf: hi\n\ndata: a\ndata:b\n\n\nevent: x\ndata: c\n\n: bye\n\n".replace(b"\n", line_end)
    found = events_of(body)
    assert [(event.kind, event.data) for event in found] == [("", b"a\nb"), ("x", b"c")]
    assert found[1].start == found[0].end


@pytest.mark.parametrize("body", [b"", b"[]", b"[1]", b'[{"a":1}', b'[{"a":1},]', b'[{"a":1}] x', b'{"a":1}'])
def test_what_is_no_array_of_objects(body: bytes) -> None:
    with pytest.raises(Unclear):
        elements_of(body)


def test_strict_values() -> None:
    for wrong in (
        lambda: decoded(b"[" * 100_000),
        lambda: record([]),
        lambda: listed({}),
        lambda: text(None),
        lambda: index(True),
        lambda: only({"a": 1}, ()),
        lambda: in_order({}),
        lambda: agree({"a": 1}, {"a": 2}, ("a",)),
    ):
        with pytest.raises(Unclear):
            wrong()


# --- what a request asks for ---


@pytest.mark.parametrize(
    ("dialect", "operation", "target", "body", "wanted"),
    [
        ("openai", "chat", b"/v1/chat/completions", {}, Asked("chat", Form.DOCUMENT, False, (("metadata", {}),))),
        (
            "azure",
            "chat",
            b"/openai/deployments/d/chat/completions?api-version=1",
            {"stream": True, "stream_options": {"include_usage": True}, "metadata": {"a": "b"}},
            Asked("chat", Form.EVENTS, True, (("metadata", {"a": "b"}),)),
        ),
        (
            "openai",
            "completions",
            b"/v1/completions",
            {"stream": False, "stream_options": {"include_usage": True}},
            Asked("completions", Form.DOCUMENT),
        ),
        ("openai", "embeddings", b"/v1/embeddings", {}, Asked("", Form.DOCUMENT)),
        ("anthropic", "messages", b"/v1/messages", {"stream": True}, Asked("messages", Form.EVENTS)),
        ("anthropic", "messages", b"/v1/messages", {"stream": "yes"}, Asked("messages", Form.DOCUMENT)),
        ("gemini", "generate", b"/v1beta/models/g:generateContent", {}, Asked("generate", Form.DOCUMENT)),
        ("gemini", "stream", b"/v1beta/models/g:streamGenerateContent", {}, Asked("generate", Form.ARRAY)),
        ("gemini", "stream", b"/v1beta/models/g:streamGenerateContent?alt=sse", {}, Asked("generate", Form.EVENTS)),
        ("gemini", "stream", b"/v1beta/models/g:streamGenerateContent?$alt=json", {}, Asked("generate", Form.ARRAY)),
        ("gemini", "generate", b"/v1beta/models/g:generateContent?alt=proto", {}, None),
        ("generic", "other", b"/x", {"stream": True}, Asked("", Form.EVENTS)),
    ],
)
def test_what_is_asked(dialect: str, operation: str, target: bytes, body: Json, wanted: Asked | None) -> None:
    assert asked(dialect, operation, target, raw(body)) == wanted


def test_what_is_asked_of_responses() -> None:
    found = asked("openai", "responses", b"/v1/responses", raw({"user": "u", "metadata": None}))
    assert found is not None
    assert dict(found.echoes) == {"metadata": {}, "user": "u", "safety_identifier": None, "prompt_cache_key": None}
    msgspec.msgpack.encode(found)  # it is part of what a flight is found by


# --- as asked ---


def test_what_needs_no_change_is_the_entry_itself() -> None:
    for kind, body, form in (
        ("chat", raw(CHAT_TEXT), Form.DOCUMENT),
        ("chat", CHAT_STREAM, Form.EVENTS),
        ("messages", MESSAGE_STREAM, Form.EVENTS),
        ("generate", GENERATED_ARRAY, Form.ARRAY),
        ("generate", GENERATED_EVENTS, Form.EVENTS),
        ("responses", raw(RESPONSE), Form.DOCUMENT),
        ("", b"{}", Form.DOCUMENT),
        ("", b"data: x", Form.EVENTS),
        ("chat", b"not JSON", Form.DOCUMENT),
    ):
        entry = stored(body, b"text/event-stream" if form is Form.EVENTS else b"application/json")
        wanted = Asked(kind, form, with_usage=form is Form.EVENTS and kind == "chat")
        assert as_asked(wanted, entry, is_marked=False) is entry


def test_what_has_one_form_is_not_given_in_another() -> None:
    assert given(Asked("", Form.EVENTS), b"{}") is None
    entry = stored(b"not JSON", b"application/json")
    assert as_asked(Asked("responses", Form.DOCUMENT, echoes=(("user", None),)), entry) is None
    assert as_asked(Asked("chat", Form.EVENTS), entry) is None


def test_heads_and_times_of_another_form() -> None:
    entry = stored(CHAT_STREAM)
    document = as_asked(Asked("chat", Form.DOCUMENT), entry)
    assert document is not None
    assert document.headers == ((b"content-type", b"application/json"), (b"openai-version", b"2020-10-01"))
    assert (document.is_stream, document.spent, document.created_at_utc) == (False, entry.spent, 1000.0)
    assert document.chunks == ((len(document.body), 0),)
    again = as_asked(Asked("chat", Form.EVENTS), document)
    assert again is not None and again.is_stream
    assert again.headers[0] == (b"content-type", b"text/event-stream; charset=utf-8")
    assert sum(length for length, _ in again.chunks) == len(again.body)


def test_events_keep_their_times() -> None:
    entry = stored(CHAT_STREAM)
    told = as_asked(Asked("chat", Form.EVENTS, with_usage=True), entry)
    assert told is not None
    times = [at for _, at in told.chunks]
    assert times == sorted(times) and times[0] > 0 and times[-1] == entry.chunks[-1][1]
    assert b"".join(part for _, part in parts(told)) == told.body


def test_usage_only_for_those_who_asked() -> None:
    told = given(Asked("chat", Form.EVENTS), CHAT_STREAM)
    assert told is not None and b'"usage"' not in told and told.endswith(DONE)
    assert given(Asked("chat", Form.EVENTS, with_usage=True), told) is None
    assert given(Asked("chat", Form.EVENTS), told) == told
    unasked = chat_chunk(choices=[BEGUN]) + ENDED + DONE  # told with a choice: some servers do, and clients rely on it
    assert given(Asked("chat", Form.EVENTS), unasked, is_marked=False) == unasked


def test_usage_as_cached() -> None:
    def usage(kind: str, body: bytes, form: Form = Form.DOCUMENT) -> Any:
        told = json.loads(given(Asked(kind, form, with_usage=True), body) or b"{}")
        return told.get("usage") or told.get("usageMetadata")

    assert usage("chat", raw(CHAT_TEXT))["prompt_tokens_details"] == {"cached_tokens": 20, "audio_tokens": 0}
    assert usage("chat", raw(CHAT_CALLS))["prompt_tokens_details"] == {"cached_tokens": 9}
    assert usage("responses", raw(RESPONSE))["input_tokens_details"] == {"cached_tokens": 30}
    deepseek = CHAT_CALLS | {"usage": {"prompt_tokens": 9, "prompt_cache_hit_tokens": 1, "prompt_cache_miss_tokens": 8}}
    found = usage("chat", raw(deepseek))
    assert (found["prompt_cache_hit_tokens"], found["prompt_cache_miss_tokens"]) == (9, 0)
    told = usage("messages", raw(MESSAGE))
    assert (told["input_tokens"], told["cache_read_input_tokens"], told["cache_creation_input_tokens"]) == (0, 1110, 0)
    assert told["cache_creation"] == {"ephemeral_5m_input_tokens": 0, "ephemeral_1h_input_tokens": 0}
    assert told["output_tokens"] == 42
    bare = usage("messages", raw(MESSAGE | {"usage": {"input_tokens": 3, "output_tokens": 1}}))
    assert bare == {"input_tokens": 0, "output_tokens": 1, "cache_read_input_tokens": 3}
    counts = usage("generate", raw(GENERATED))
    assert counts["cachedContentTokenCount"] == 8 and counts["cacheTokensDetails"][0]["tokenCount"] == 8
    bare = usage("generate", raw(GENERATED | {"usageMetadata": {"promptTokenCount": 2}}))
    assert bare == {"promptTokenCount": 2, "cachedContentTokenCount": 2}
    for kind, document in (("messages", MESSAGE), ("generate", GENERATED), ("chat", CHAT_TEXT)):
        name = "usageMetadata" if kind == "generate" else "usage"
        for strange in ({"x": 1}, None):
            assert usage(kind, raw(document | {name: strange})) == strange


def test_usage_as_cached_in_streams() -> None:
    told = given(Asked("messages", Form.EVENTS), MESSAGE_STREAM) or b""
    assert b'"input_tokens":0' in told and b'"cache_read_input_tokens":15' in told
    assert len(events_of(told)) == len(events_of(MESSAGE_STREAM))
    response = streamed("responses", RESPONSE) or b""
    assert b'"cached_tokens":30' in (given(Asked("responses", Form.EVENTS), response) or b"")
    nameless = response.replace(b"event: response.created\n", b"").replace(b"event: response.in_progress\n", b"")
    nameless = nameless.replace(b"event: response.output_item.added\n", b"")
    assert b'"cached_tokens":30' in (given(Asked("responses", Form.EVENTS), nameless) or b"")
    for form, body in ((Form.EVENTS, GENERATED_EVENTS), (Form.ARRAY, GENERATED_ARRAY)):
        counted = given(Asked("generate", form), body) or b""
        assert counted.count(b'"cachedContentTokenCount":8') == 6
    marked = given(Asked("chat", Form.EVENTS, with_usage=True), CHAT_STREAM) or b""
    assert b'"cached_tokens":20' in marked
    twice = given(Asked("chat", Form.EVENTS, with_usage=True), marked)
    assert twice == marked


def test_gemini_events_as_an_array_and_back() -> None:
    array = given(Asked("generate", Form.ARRAY), GENERATED_EVENTS, is_marked=False) or b""
    assert json.loads(array) == GENERATED_PIECES
    events = given(Asked("generate", Form.EVENTS), GENERATED_ARRAY, is_marked=False) or b""
    assert [json.loads(event.data) for event in events_of(events)] == GENERATED_PIECES
    assert all(b"\n" not in event.data for event in events_of(events))
    plain = [told | {"usageMetadata": None} for told in GENERATED_PIECES]
    assert given(Asked("generate", Form.ARRAY), generated(*plain)) is not None


def test_nobody_gets_anothers_words() -> None:
    theirs = RESPONSE | {"metadata": {"team": "red"}, "user": "u-1", "safety_identifier": "s"}
    ours = (("metadata", {}), ("user", "u-2"), ("safety_identifier", None), ("prompt_cache_key", None))
    for form, body in ((Form.DOCUMENT, raw(theirs)), (Form.EVENTS, streamed("responses", theirs) or b"")):
        for wanted in (Form.DOCUMENT, Form.EVENTS):
            told = given(Asked("responses", wanted, echoes=ours), body) or b""
            assert told and b"red" not in told and b"u-1" not in told and b'"u-2"' in told, (form, wanted)


def test_a_function_call_of_old_in_fragments() -> None:
    stream = b"".join(to_stream(Asked("chat", Form.EVENTS, with_usage=True), raw(CHAT_FUNCTION)) or [])
    assert stream.count(b'"function_call"') == 3


def test_a_named_function_must_have_a_name() -> None:
    begun = chat_chunk(choices=[choice({"role": "assistant", "function_call": {"arguments": "{}"}})])
    assert to_json("chat", begun + ENDED + DONE) is None


def test_a_call_may_be_begun_without_arguments() -> None:
    call = CALL | {"function": {"name": "f"}}
    stream = chat_chunk(choices=[choice({"role": "assistant", "tool_calls": [call]})]) + ENDED + DONE
    made = json.loads(to_json("chat", stream) or b"")["choices"][0]["message"]["tool_calls"]
    assert made[0]["function"] == {"name": "f", "arguments": ""}


def test_completions_as_asked() -> None:
    stream = streamed("completions", COMPLETION) or b""
    told = given(Asked("completions", Form.EVENTS, with_usage=True), stream) or b""
    assert b'"cached_tokens":3' in told
    assert b'"cached_tokens":3' in (given(Asked("completions", Form.DOCUMENT), raw(COMPLETION)) or b"")


def test_blocks_that_say_nothing() -> None:
    silent = [
        {"type": "text", "text": ""},
        {"type": "thinking", "thinking": "", "signature": ""},
        {"type": "web_search_tool_result", "tool_use_id": "t", "content": []},
    ]
    stream = streamed("messages", MESSAGE | {"content": silent})
    assert json.loads(to_json("messages", stream or b"") or b"")["content"] == silent


def test_completions_need_an_end() -> None:
    part = {"id": "x", "object": "text_completion", "model": "m", "choices": [{"text": "a", "index": 0}], **USAGE}
    assert to_json("completions", data(part) + DONE) is None
