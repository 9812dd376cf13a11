"""However the engine's stream is split, the caller gets the same bytes; nothing anybody sends makes a translation fail
in another way than it says."""

from __future__ import annotations

import json
from contextlib import suppress
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from edge.dialects.translate import Untranslatable, translation
from tests.property.test_dialect_properties import cuts, pieces
from tests.support.engine_streams import BEGIN, CALLS, SAYS, THINKS

ASKS = {
    "anthropic": (b"/v1/messages", {"messages": [], "thinking": {"type": "adaptive"}}),
    "openai": (b"/v1/responses", {"input": "Hi", "reasoning": {}}),
    "gemini": (b"/v1/models/m:streamGenerateContent", {"contents": []}),
}
STREAMS = [
    SAYS,
    THINKS,
    CALLS,
    SAYS.replace(b"\n", b"\r\n"),
    BEGIN + b'data: {"error":{"message":"x"}}\n\n',
    b"junk" + SAYS,
]
WORDS = ["", "text", "user", "OBJECT"]
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers(-5, 5) | st.floats(allow_nan=False) | st.sampled_from(WORDS),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.sampled_from(
        ["messages", "role", "content", "type", "text", "source", "tools", "name", "input", "contents", "parts",
         "functionCall", "functionResponse", "args", "system", "properties", "anyOf", "generation_config",
         "responseSchema", "nullable", "choices", "message", "delta", "tool_calls", "function", "arguments", "error"]),
        inner, max_size=4),
    max_leaves=12,
)  # fmt: skip


@settings(max_examples=150, deadline=None)
@given(st.sampled_from(sorted(ASKS)), st.sampled_from(STREAMS), cuts, st.integers(0, 5000))
def test_any_split_gives_the_same(dialect: str, stream: bytes, at: list[int], stop: int) -> None:
    found, (target, ask) = translation(dialect, "responses"), ASKS[dialect]
    assert found is not None
    whole, split = (found.reply(json.dumps(ask).encode(), True, "id", target) for _ in range(2))
    stream = stream[:stop]
    expected = whole.feed(stream) + whole.end()
    assert b"".join(map(split.feed, pieces(stream, at))) + split.end() == expected
    assert split.is_complete() == whole.is_complete()


@pytest.mark.parametrize("dialect", sorted(ASKS))
@settings(max_examples=300, deadline=None)
@given(
    fields=st.dictionaries(
        st.sampled_from(["messages", "contents", "input", "system", "tools", "generationConfig"]), VALUES
    )
)
def test_any_request_is_translated_or_refused(dialect: str, fields: dict[str, Any]) -> None:
    found, (target, ask) = translation(dialect, "responses"), ASKS[dialect]
    assert found is not None
    with suppress(Untranslatable):
        asked = found.request(target, [], json.dumps(ask | fields).encode(), "m")
        assert json.loads(asked.body)["model"] == "m"


@pytest.mark.parametrize("dialect", sorted(ASKS))
@settings(max_examples=200, deadline=None)
@given(engine=VALUES, streaming=st.booleans(), status=st.sampled_from([200, 400, 503]))
def test_any_reply_is_taken(dialect: str, engine: Any, streaming: bool, status: int) -> None:
    found, (target, ask) = translation(dialect, "responses"), ASKS[dialect]
    assert found is not None
    reply = found.reply(json.dumps(ask).encode(), streaming, "id", target)
    reply.head(status, [])
    reply.feed(b"data: " * streaming + json.dumps(engine).encode() + b"\n\n" * streaming)
    reply.end()
    assert status == 200 or reply.is_complete()
