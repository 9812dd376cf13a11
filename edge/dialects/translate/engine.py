"""What an engine answers: chat completions as vLLM, SGLang and llama.cpp write them, whole and in chunks.

They differ in little: reasoning is `reasoning_content` or `reasoning`; vLLM names the stop string that matched in
`stop_reason`; errors stand under `error` or at the top. https://platform.openai.com/docs/api-reference/chat/object
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from enum import Enum
from typing import Any

from msgspec import Raw, Struct

from edge.dialects.facts import NO_USAGE, Usage
from edge.dialects.json_scan import value
from edge.dialects.usage import openai_usage
from transport.failure import Code, Failure, Origin, Verdict

CONTEXT_LENGTH = "context_length_exceeded"
"""OpenAI's code for a prompt that is too long, which applications look for."""

_OVERFLOW = ("context length", "context size", "context window", "longer than the model")
_MESSAGE_CHARACTERS = 500


class Function(Struct):
    name: str | None = None
    arguments: str | None = None


class Call(Struct):
    """A tool call, or a piece of one: pieces of one call have one `index`, and the first of them id and name."""

    index: int | None = None
    id: str | None = None
    function: Function | None = None

    @property
    def name(self) -> str:
        return (self.function and self.function.name) or ""

    @property
    def arguments(self) -> str:
        return (self.function and self.function.arguments) or ""


class Words(Struct):
    """A message or a piece of one."""

    content: str | None = None
    reasoning_content: str | None = None
    reasoning: str | None = None
    refusal: str | None = None
    tool_calls: list[Call] | None = None

    @property
    def text(self) -> str:
        return self.content or self.refusal or ""

    @property
    def thought(self) -> str:
        return self.reasoning_content or self.reasoning or ""


class Choice(Struct):
    delta: Words | None = None
    message: Words | None = None
    finish_reason: str | None = None
    stop_reason: str | int | None = None


class Completion(Struct):
    """A chat completion or a chunk of one. Engines also end streams with a document that is an error."""

    created: float = 0
    choices: list[Choice] | None = None
    usage: Raw = Raw()
    error: Raw = Raw()


_NOT_IN_IDS = re.compile(r"[^A-Za-z0-9_-]")


def plain_id(text: str) -> str:
    """What may stand in the vendors' ids of it."""
    return _NOT_IN_IDS.sub("", text)


def call_id(call: Call, request_id: str, at: int) -> str:
    """The engine's id of its call number `at`, or one of ours if it gave none."""
    return plain_id(call.id or "") or f"call_{plain_id(request_id)}_{at}"


def arguments_of(text: str) -> dict[str, Any] | None:
    """A call's arguments; None if they aren't a JSON object."""
    return value(text.encode() or b"{}", dict[str, Any])


class Finish(Enum):
    """Why the model stopped."""

    STOP = "stop"
    LENGTH = "length"
    CALLS = "tool_calls"
    FILTERED = "content_filter"


_FINISHES = {finish.value: finish for finish in Finish} | {"function_call": Finish.CALLS}
_ABORTED = frozenset(("abort", "error"))


@dataclass(frozen=True, slots=True)
class Ending:
    """How a reply ended: why, at which of the caller's stop strings if the engine tells, and what it cost."""

    finish: Finish
    stop: str | None = None
    usage: Usage = NO_USAGE


def ending_of(choice: Choice, usage: Usage, has_calls: bool) -> Ending | None:
    """None: the engine gave up on it. (Some engines say "stop" after a call that the caller had forced.)"""
    if choice.finish_reason is None or choice.finish_reason in _ABORTED:
        return None
    finish = _FINISHES.get(choice.finish_reason, Finish.STOP)
    if has_calls and finish is Finish.STOP:
        finish = Finish.CALLS
    return Ending(finish, choice.stop_reason if isinstance(choice.stop_reason, str) else None, usage)


def usage_of(completion: Completion) -> Usage | None:
    """The completion's token counts; None if it has none."""
    return openai_usage(bytes(completion.usage))


class _Error(Struct):
    error: Raw = Raw()
    message: str = ""
    type: str = ""
    detail: Raw = Raw()
    code: int | str | None = None


def message_of(body: bytes) -> str:
    """What the engine says is wrong: `{"error": {"message"}}`, `{"message"}`, `{"detail"}`, or the text itself."""
    told = value(body, _Error)
    if told is None:
        return (value(body, str) or body.decode("utf-8", "replace")).strip()[:_MESSAGE_CHARACTERS]
    if bytes(told.error):
        return message_of(bytes(told.error))
    return (told.message or bytes(told.detail).decode("utf-8", "replace"))[:_MESSAGE_CHARACTERS]


def status_in(error: bytes) -> int:
    """The HTTP status that an error within a stream means by its `code`; 500 if it doesn't say."""
    told = value(error, _Error)
    code = told.code if told else None
    return code if isinstance(code, int) and 400 <= code < 600 else 500


def status_for_caller(status: int) -> int:
    """The engine's refusal of our own credential isn't the caller's fault, and must not look like that."""
    return 502 if status in (401, 403) else status


def failure_of(status: int, message: str) -> Failure:
    """The engine's error as a failure. No second try is invited but where the engine is only busy or loading."""
    said = message or f"status {status}"
    if status in (401, 403):
        return Failure(
            Origin.ENDPOINT, Verdict.UNSAFE, Code.PROXY_CONFIGURATION_ERROR, "the local pool refused farline"
        )
    if status in (429, 503):
        return Failure(Origin.ENDPOINT, Verdict.SAFE, Code.DESTINATION_UNAVAILABLE, f"the local pool is busy: {said}")
    if status >= 500:
        return Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.HTTP_PROTOCOL_ERROR, f"the local pool failed: {said}")
    if any(mark in said.lower() for mark in _OVERFLOW):
        return Failure(Origin.CLIENT, Verdict.UNSAFE, CONTEXT_LENGTH, f"prompt is too long: {said}")
    return Failure(Origin.CLIENT, Verdict.UNSAFE, Code.HTTP_REQUEST_ERROR, said)
