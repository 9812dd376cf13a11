from __future__ import annotations

import json

import pytest

from edge.dialects.ending import Ending, ending_of, is_whole_json
from tests.support import dialect_streams as streams

GOOD = Ending(False, False, False)


def of(**changes: bool) -> Ending:
    return Ending(**{"is_error": False, "is_truncated": False, "has_tool_calls": False, **changes})


@pytest.mark.parametrize(
    ("body", "ending"),
    [
        (streams.COMPLETIONS.body, GOOD),
        (streams.RESPONSES.body, GOOD),
        (streams.GENERATE.body, GOOD),
        (streams.MESSAGES.body, GOOD),
        (streams.CHAT.body, of(has_tool_calls=True)),
        (streams.CHAT_ERROR.body, of(is_error=True)),
        (streams.RESPONSES_ERROR.body, of(is_error=True)),
        (streams.MESSAGES_ERROR.body, of(is_error=True)),
        (streams.GENERATE_ERROR.body, of(is_error=True)),
        (streams.RESPONSES_INCOMPLETE.body, of(is_truncated=True)),
        (b'{"choices":[{"finish_reason": "length"}]}', of(is_truncated=True)),
        (b'{"stop_reason":"max_tokens"}', of(is_truncated=True)),
        (b'{"candidates":[{"finishReason":"MAX_TOKENS"}]}', of(is_truncated=True)),
        (b'{"content":[{"type":"tool_use","id":"x"}]}', of(has_tool_calls=True)),
        (b'{"parts":[{"functionCall": {"name":"f"}}]}', of(has_tool_calls=True)),
        (b'{"choices":[{"message":{"tool_calls":[], "content":"x"}}],"error":null}', GOOD),
        (b'{"error":"overloaded"}', of(is_error=True)),
        (b'data: {"id":"x"}\n\nevent: error\ndata: x\n\n', of(is_error=True)),
        (b'{"choices":[{"finish_reason":"error"}]}', of(is_error=True)),
    ],
)
def test_endings(body: bytes, ending: Ending) -> None:
    assert ending_of(body) == ending


def test_what_the_model_writes_is_not_taken_for_the_reply() -> None:
    said = '"error": {"x": 1}, "finish_reason":"length", "type":"tool_use"\nevent: error'
    assert ending_of(json.dumps({"choices": [{"message": {"content": said}}]}).encode()) == GOOD


@pytest.mark.parametrize(
    ("body", "is_whole"),
    [(b'{"a": [1]}', True), (b'{"a": [1', False), (b'{"a"}', False), (b"", False), (b'{"a":1} x', False)],
)
def test_whole_documents(body: bytes, is_whole: bool) -> None:
    assert is_whole_json(body) is is_whole
