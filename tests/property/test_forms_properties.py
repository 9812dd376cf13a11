"""Whatever a reply says: what goes there and back says the same, and nothing that a provider sends raises."""

from __future__ import annotations

import json
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.codings.accept import choose
from edge.codings.eligible import DOCUMENT_ORDER, STREAM_ORDER
from edge.codings.encoders import encoder
from edge.dialects.forms import Asked, Form, as_asked, asked, to_json, to_stream
from edge.dialects.inflate import inflater
from tests.support.stored_replies import CHAT_TEXT, DOCUMENTS, MESSAGE, RESPONSE, STREAMS, Json, stored

TEXT = st.text(st.characters(exclude_categories=["Cs"]), max_size=30)
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**70), 2**70) | st.floats(allow_nan=False, allow_infinity=False) | TEXT,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(TEXT, inner, max_size=3),
    max_leaves=8,
)
CALLS = st.lists(st.fixed_dictionaries({"name": TEXT.filter(bool), "arguments": TEXT}), max_size=3)
KINDS = [kind for kind, _ in DOCUMENTS]


def raw(document: Any) -> bytes:
    return json.dumps(document, ensure_ascii=False).encode()


def there_and_back(kind: str, document: Json, form: Form = Form.EVENTS) -> Any:
    stream = to_stream(Asked(kind, form, with_usage=form is Form.EVENTS), raw(document))
    assert stream is not None
    back = to_json(kind, b"".join(stream))
    assert back is not None
    return json.loads(back)


@st.composite
def chats(draw: st.DrawFn) -> Json:
    choices = []
    for index in range(draw(st.integers(1, 3))):
        message: Json = {"role": "assistant", "content": draw(st.none() | TEXT), "refusal": draw(st.none() | TEXT)}
        if message["refusal"] == "":
            message["refusal"] = None
        if calls := draw(CALLS):
            message["tool_calls"] = [
                {"id": f"c{at}", "type": "function", "function": call} for at, call in enumerate(calls)
            ]
        end = draw(st.sampled_from(["stop", "length", "tool_calls"]))
        choices.append({"index": index, "message": message, "logprobs": None, "finish_reason": end})
    return CHAT_TEXT | {"choices": choices}


@given(chats())
def test_chats(document: Json) -> None:
    assert there_and_back("chat", document) == document


@st.composite
def messages(draw: st.DrawFn) -> Json:
    texts = st.builds(lambda text: {"type": "text", "text": text}, TEXT)
    thoughts = st.builds(lambda text, sign: {"type": "thinking", "thinking": text, "signature": sign}, TEXT, TEXT)
    calls = st.builds(
        lambda told: {"type": "tool_use", "id": "t", "name": "n", "input": told},
        st.dictionaries(TEXT, VALUES, max_size=3),
    )
    return MESSAGE | {"content": draw(st.lists(texts | thoughts | calls, max_size=5))}


@given(messages())
def test_messages(document: Json) -> None:
    assert there_and_back("messages", document) == document


@given(st.lists(TEXT, max_size=4), st.lists(TEXT, max_size=3), TEXT)
def test_responses(parts: list[str], summary: list[str], arguments: str) -> None:
    output: list[Json] = [
        {"id": "r", "type": "reasoning", "summary": [{"type": "summary_text", "text": text} for text in summary]},
        {
            "id": "m",
            "type": "message",
            "role": "assistant",
            "status": "completed",
            "content": [{"type": "output_text", "text": text, "annotations": []} for text in parts],
        },
        {
            "id": "f",
            "type": "function_call",
            "call_id": "c",
            "name": "f",
            "arguments": arguments,
            "status": "completed",
        },
    ]
    assert there_and_back("responses", RESPONSE | {"output": output}) == RESPONSE | {"output": output}


@given(st.data())
@settings(max_examples=300)
def test_nothing_raises_and_what_is_understood_is_stable(data: st.DataObject) -> None:
    """A member of a real reply is another value, or gone: it is understood or it is not."""
    kind, document = data.draw(st.sampled_from(DOCUMENTS))
    copy = json.loads(raw(document))
    at: Any = copy
    while True:
        step: Any = data.draw(st.sampled_from(sorted(at) if isinstance(at, dict) else range(len(at))))
        if not at[step] or not isinstance(at[step], dict | list) or data.draw(st.booleans()):
            break
        at = at[step]
    if isinstance(at, dict) and data.draw(st.booleans()):
        del at[step]
    else:
        at[step] = data.draw(VALUES)
    stream = to_stream(Asked(kind, Form.EVENTS, with_usage=True), raw(copy))
    for form in (Form.EVENTS, Form.DOCUMENT):
        as_asked(Asked(kind, form, with_usage=form is Form.EVENTS), stored(raw(copy)))
    if stream is not None and (back := to_json(kind, b"".join(stream))) is not None:
        again = to_stream(Asked(kind, Form.EVENTS, with_usage=True), back)
        assert again is not None
        assert to_json(kind, b"".join(again)) == back


@given(st.data())
@settings(max_examples=200)
def test_damaged_streams_never_raise(data: st.DataObject) -> None:
    kind, stream = data.draw(st.sampled_from(STREAMS))
    start = data.draw(st.integers(0, len(stream)))
    end = data.draw(st.integers(start, min(len(stream), start + 200)))
    damaged = stream[:start] + data.draw(st.binary(max_size=10)) + stream[end:]
    to_json(kind, damaged)
    for form in Form:
        if form is not Form.ARRAY or kind == "generate":
            as_asked(Asked(kind, form, with_usage=form is Form.EVENTS), stored(damaged))


@given(st.sampled_from(KINDS), st.binary(max_size=100))
def test_any_bytes(kind: str, body: bytes) -> None:
    to_json(kind, body)
    to_stream(Asked(kind, Form.EVENTS), body)
    for dialect, operation in (("openai", "chat"), ("openai", "responses"), ("gemini", "stream"), ("x", "y")):
        asked(dialect, operation, b"/v1/x?" + body.replace(b"#", b""), body)


@given(st.sampled_from([b"gzip", b"zstd", b"br"]), st.booleans(), st.lists(st.binary(max_size=300), max_size=20))
def test_what_is_encoded_comes_out(coding: bytes, is_stream: bool, pieces: list[bytes]) -> None:
    whole = b"".join(pieces)
    made, found = encoder(coding, None if is_stream else len(whole)), inflater(coding)
    assert found is not None
    out = b""
    for at, piece in enumerate(pieces):
        out += b"".join(found.inflate(made.feed(piece)))
        assert not is_stream or out == b"".join(pieces[: at + 1])
    assert out + b"".join(found.inflate(made.finish())) == whole
    assert found.has_ended()


@given(st.binary(max_size=60) | st.text("gzipbrstd;q=,.01 *", max_size=40).map(str.encode))
def test_accept_encoding_is_anything(told: bytes) -> None:
    assert choose(told, STREAM_ORDER) in (None, *STREAM_ORDER)
    assert choose(told, DOCUMENT_ORDER) in (None, *DOCUMENT_ORDER)
