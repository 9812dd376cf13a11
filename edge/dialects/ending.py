"""How a whole reply ended, as its bytes say: for the cache, which keeps good answers only.

A name with its quotes can't stand inside of a JSON string (they would be escaped there), so plain searches tell the
reply's own members from what the model wrote. What might be an error counts as one.
"""

from __future__ import annotations

import re

import msgspec
from msgspec import Struct

_ERROR = re.compile(
    rb'"error"\s*:\s*[{"]'  # a member of any document or event
    rb'|"type"\s*:\s*"(?:error|response\.failed)"'
    rb'|"(?:finish_reason|status)"\s*:\s*"(?:error|failed|cancelled)"'
    rb"|(?:^|[\r\n])event:\s*error"
)
_TRUNCATED = re.compile(
    rb'"finish_reason"\s*:\s*"length"'
    rb'|"stop_reason"\s*:\s*"(?:max_tokens|model_context_window_exceeded|pause_turn)"'
    rb'|"finishReason"\s*:\s*"MAX_TOKENS"'
    rb'|"status"\s*:\s*"incomplete"'
    rb'|"type"\s*:\s*"response\.incomplete"'
)
_TOOL_CALLS = re.compile(
    rb'"tool_calls"\s*:\s*\[\s*\{'
    rb'|"function_call"\s*:\s*\{'
    rb'|"functionCall"\s*:\s*\{'
    rb'|"type"\s*:\s*"(?:tool_use|function_call|custom_tool_call|computer_call|local_shell_call|shell_call)"'
)


_ERROR_WORDS = (b'"error"', b"failed", b'"cancelled"', b": error", b":error")
_TRUNCATED_WORDS = (b'"length"', b'_tokens"', b'"MAX_TOKENS"', b'incomplete"', b'_exceeded"', b'"pause_turn"')
_TOOL_WORDS = (b'"tool_calls"', b"function", b'"tool_use"', b'_call"')


class Ending(Struct, frozen=True, gc=False):
    """`is_error`: an error event or document, though the status was good. `is_truncated`: it ended at a limit."""

    is_error: bool
    is_truncated: bool
    has_tool_calls: bool


def ending_of(body: bytes) -> Ending:
    """Of a whole reply without content-encoding, a document or an event stream."""
    return Ending(
        _has(body, _ERROR_WORDS, _ERROR), _has(body, _TRUNCATED_WORDS, _TRUNCATED), _has(body, _TOOL_WORDS, _TOOL_CALLS)
    )


def _has(body: bytes, words: tuple[bytes, ...], pattern: re.Pattern[bytes]) -> bool:
    """`words`: one of them is in all that the pattern finds. Looking for them is a hundred times quicker."""
    return any(word in body for word in words) and pattern.search(body) is not None


def is_whole_json(body: bytes) -> bool:
    """Is it one JSON document to its end? A body that ends with its connection doesn't show that it was cut."""
    try:
        msgspec.json.decode(body, type=msgspec.Raw)
    except (msgspec.MsgspecError, RecursionError):
        return False
    return True
