"""Follows one reply of an engine and has a vendor's writer say the same."""

from __future__ import annotations

from typing import Protocol as Interface

from edge.dialects.facts import NO_USAGE, Dialect, Usage
from edge.dialects.json_scan import value
from edge.dialects.sse import EventScanner, data_of, events, field
from edge.dialects.translate.engine import (
    Call,
    Choice,
    Completion,
    Ending,
    Words,
    call_id,
    ending_of,
    failure_of,
    message_of,
    status_for_caller,
    status_in,
    usage_of,
)
from transport.message import Headers

_EVENT_BYTES = 16 << 20
"""A longer event can't be held whole, and so not translated: the stream counts as broken. (The arguments of a tool
call may come in one piece.)"""

_JSON = (b"content-type", b"application/json")
_COLON = 0x3A  # begins a comment


class Writer(Interface):
    """One vendor's words for what an engine says. Every method gives the bytes for the caller, maybe none."""

    def headers(self, streaming: bool) -> Headers: ...

    def begin(self, created: int) -> bytes:
        """The engine has begun to answer. `created` is its clock, in Unix seconds."""

    def thought(self, text: str) -> bytes: ...

    def text(self, text: str) -> bytes: ...

    def call(self, call_id: str, name: str) -> bytes:
        """A tool call begins; what was before it has ended."""

    def arguments(self, text: str) -> bytes:
        """A piece of the JSON text that is the last call's arguments."""

    def finish(self, ending: Ending) -> bytes: ...

    def document(self, words: Words, ending: Ending, created: int) -> bytes:
        """The whole reply, if it isn't a stream; empty if the engine makes no sense."""


class _Blocks(EventScanner):
    """The events of the engine's stream."""

    __slots__ = ("_whole",)
    hold_bytes = _EVENT_BYTES

    def __init__(self) -> None:
        super().__init__()
        self._whole: list[bytes] = []

    def on_region(self, region: bytes) -> None:
        self._whole += events(region)

    def of(self, data: bytes) -> list[bytes]:
        """The events that `data` completes."""
        self.feed(data)
        whole, self._whole = self._whole, []
        return whole


class _Echo:
    """Takes the caller's own words off the front of an answer that it had begun: llama.cpp repeats them, vLLM not."""

    def __init__(self, begun: str) -> None:
        self._begun = begun
        self._held = ""

    def text(self, text: str) -> str:
        """What of it is the model's, as far as one can tell yet."""
        begun = self._begun
        if not begun:
            return text
        self._held += text
        if len(self._held) < len(begun) and begun.startswith(self._held):
            return ""
        self._begun = ""
        return self._held.removeprefix(begun)

    def rest(self) -> str:
        """What is still held back, when no more words come."""
        held = self._held if self._begun else ""
        self._begun = ""
        return held


class Reply:
    """See `edge.dialects.translate.values.ReplyTranslator`."""

    __slots__ = (
        "_blocks",
        "_call_at",
        "_call_id",
        "_choice",
        "_dialect",
        "_document",
        "_echo",
        "_has_begun",
        "_is_complete",
        "_is_over",
        "_request_id",
        "_status",
        "_streaming",
        "_usage",
        "_writer",
    )

    def __init__(self, dialect: Dialect, writer: Writer, streaming: bool, request_id: str, begun: str) -> None:
        """`begun`: the words with which the caller had begun the answer itself."""
        self._dialect = dialect
        self._writer = writer
        self._streaming = streaming
        self._request_id = request_id
        self._status = 200
        self._blocks = _Blocks()
        self._document = bytearray()
        self._choice = Choice()  # the last that said why the model stopped
        self._echo = _Echo(begun)
        self._usage: Usage = NO_USAGE
        self._has_begun = False
        self._call_at = -1  # the index of the last tool call, and the engine's id of it
        self._call_id: str | None = None
        self._is_complete = False
        self._is_over = False  # nothing more is said, be it complete or broken

    def head(self, status: int, headers: Headers) -> tuple[int, Headers]:
        self._status = status
        if self._is_error():
            shown, failure = status_for_caller(status), failure_of(status, "")
            return shown, self._dialect.error(shown, failure, self._request_id)[0]
        return status, self._writer.headers(self._streaming)

    def feed(self, data: bytes) -> bytes:
        if not self._streaming or self._is_error():
            self._document += data
            return b""
        return b"".join([self._event(block) for block in self._blocks.of(data)])

    def end(self) -> bytes:
        if self._is_error():
            self._is_complete = True
            return self.error(self._status, bytes(self._document))
        return b"" if self._streaming else self._whole(bytes(self._document))

    def is_complete(self) -> bool:
        return self._is_complete

    def error(self, status: int, body: bytes) -> bytes:
        failure = failure_of(status, message_of(body))
        return self._dialect.error(status_for_caller(status), failure, self._request_id)[1]

    def _is_error(self) -> bool:
        return self._status >= 400

    def _whole(self, document: bytes) -> bytes:
        told = value(document, Completion)
        choice = told.choices[0] if told and told.choices else None
        if told is None or choice is None or choice.message is None:
            return b""
        ending = ending_of(choice, usage_of(told) or NO_USAGE, bool(choice.message.tool_calls))
        if ending is None:
            return b""
        words = choice.message
        words.content = self._echo.text(words.text) + self._echo.rest()
        made = self._writer.document(words, ending, int(told.created))
        self._is_complete = bool(made)
        return made

    def _event(self, block: bytes) -> bytes:
        if self._is_over or block[0] == _COLON:
            return b""
        data = data_of(block) or field(block, b"error")  # older llama.cpp: `error: {…}`
        if data == b"[DONE]":
            return self._done()
        told = value(data, Completion)
        if told is None:
            self._is_over = True
            return b""
        if bytes(told.error) not in (b"", b"null") or (told.choices is None and data_of(block) != data):
            return self._failed(bytes(told.error) or data)
        return self._chunk(told)

    def _done(self) -> bytes:
        self._is_over = True
        if self._choice.finish_reason is None:
            return b""
        ending = ending_of(self._choice, self._usage, self._call_at >= 0)
        if ending is None:
            return b""
        self._is_complete = True
        return self._text(self._echo.rest()) + self._writer.finish(ending)

    def _failed(self, error: bytes) -> bytes:
        """The engine itself says that it failed, and that is an end: the caller is told in its dialect."""
        self._is_over = self._is_complete = True
        return self._dialect.stream_error(failure_of(status_in(error), message_of(error)), self._request_id)

    def _chunk(self, told: Completion) -> bytes:
        made = b""
        if not self._has_begun:
            self._has_begun = True
            made = self._writer.begin(int(told.created))
        self._usage = usage_of(told) or self._usage
        for choice in (told.choices or ())[:1]:
            if choice.delta is not None:
                made += self._words(choice.delta)
            if choice.finish_reason is not None:
                self._choice = choice
        return made

    def _words(self, words: Words) -> bytes:
        made = self._writer.thought(words.thought) if words.thought else b""
        made += self._text(self._echo.text(words.text))
        for call in words.tool_calls or ():
            made += self._call(call)
        return made

    def _text(self, text: str) -> bytes:
        return self._writer.text(text) if text else b""

    def _call(self, call: Call) -> bytes:
        at = self._index_of(call)
        made = b""
        if at != self._call_at:
            if at < self._call_at or not call.name:  # a piece of a call that has ended, or that never began
                self._is_over = True
                return b""
            self._call_at, self._call_id = at, call.id
            made = self._text(self._echo.rest())
            made += self._writer.call(call_id(call, self._request_id, at), call.name)
        return made + (self._writer.arguments(call.arguments) if call.arguments else b"")

    def _index_of(self, call: Call) -> int:
        if call.index is not None:
            return call.index
        return self._call_at + (call.id is not None and call.id != self._call_id)
