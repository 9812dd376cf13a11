"""OpenAI: chat completions, responses, embeddings, audio, images, realtime and the rest of `/v1/…`.

Also spoken by many compatible servers, so nothing here is stricter than OpenAI's own SDK.

What a second execution does (`Repeat`): reading is free, and so are moderations and token counting. Generation,
embeddings, audio and images are billed again and leave nothing behind that anybody sees, also `/v1/responses`, which
stores its result by default: a stored response that nobody knows of is harmless. With `background` it would go on
running, and with `conversation` its items would stand there twice: these have an effect, like files, batches, videos
and every other POST, PUT, PATCH or DELETE, and like paths that nobody here knows. An Idempotency-Key makes nothing
free: the API documents no such promise.
"""

from __future__ import annotations

import re

from edge.dialects import credentials, errors
from edge.dialects.facts import Facts, Meter, Repeat
from edge.dialects.meters import (
    DocumentMeter,
    EndingMeter,
    OpaqueMeter,
    Readers,
    StreamMeter,
    is_event_stream,
    is_json,
    through_coding,
)
from edge.dialects.request import SAFE_METHODS, Fields, body_fields, patience, query, retry_count, segments
from edge.dialects.usage import OPENAI
from transport.failure import Failure
from transport.message import Headers

OPERATIONS = frozenset(
    (
        "chat",
        "completions",
        "responses",
        "embeddings",
        "audio",
        "images",
        "files",
        "uploads",
        "batches",
        "models",
        "moderations",
        "fine_tuning",
        "vector_stores",
        "realtime",
        "videos",
        "containers",
        "other",
    )
)

_BILLED = frozenset(
    (
        ("chat", "completions"),
        ("completions",),
        ("responses",),
        ("responses", "compact"),
        ("embeddings",),
        ("audio", "speech"),
        ("audio", "transcriptions"),
        ("audio", "translations"),
        ("images", "generations"),
        ("images", "edits"),
        ("images", "variations"),
    )
)
_FREE = frozenset((("moderations",), ("responses", "input_tokens")))

_RESPONSE_ENDS = frozenset(("response.completed", "response.failed", "response.incomplete", "error"))
_MEDIA_ENDS = frozenset(
    ("transcript.text.done", "speech.audio.done", "image_generation.completed", "image_edit.completed", "error")
)
_PLAIN_CHAT = tuple(
    start + member for start in (b"data: {", b"data:{") for member in (b'"id"', b'"choices"', b'"object"', b'"model"')
)
_PLAIN_RESPONSES = tuple(
    b"event: response.%b.delta\ndata: {" % kind
    for kind in (
        b"output_text",
        b"reasoning_text",
        b"reasoning_summary_text",
        b"refusal",
        b"function_call_arguments",
        b"custom_tool_call_input",
        b"code_interpreter_call_code",
    )
)
_ID_LINE = re.compile(rb"(?:^|[\r\n])id:")


class _OpenAIMeter(EndingMeter):
    """Any of OpenAI's streams.

    Where a stream has `id:` fields, it is never at a boundary: the SDK remembers the id and takes the blank line after
    a comment for one more event, whose empty data it can't decode.
    """

    __slots__ = ("_has_ids",)

    def __init__(
        self, readers: Readers, plain: tuple[bytes, ...], lines: int, ends: frozenset[str] = frozenset()
    ) -> None:
        super().__init__(readers, b'_tokens"', plain, lines, ends)
        self._has_ids = False

    def on_region(self, region: bytes) -> None:
        super().on_region(region)
        if b"id:" in region and _ID_LINE.search(region):
            self._has_ids = True

    def at_boundary(self) -> bool:
        return not self._has_ids and super().at_boundary()


def operation_of(path: list[str]) -> str:
    """The operation of a path without its version."""
    first = path[0] if path else "other"
    if first == "live":
        return "realtime"
    return first if first in OPERATIONS else "other"


def repeat_of(method: bytes, path: list[str], fields: Fields) -> Repeat:
    """See the module's docstring."""
    if method in SAFE_METHODS:
        return Repeat.FREE
    key = tuple(path)
    if method != b"POST" or (key not in _BILLED and key not in _FREE):
        return Repeat.EFFECT
    if key in _FREE:
        return Repeat.FREE
    if path[0] == "responses" and (fields.background or bytes(fields.conversation) not in (b"", b"null")):
        return Repeat.EFFECT
    return Repeat.BILLED


def stream_meter(operation: str, readers: Readers) -> Meter:
    """The meter of an event stream."""
    if operation in ("chat", "completions"):
        return _OpenAIMeter(readers, _PLAIN_CHAT, 1)
    if operation == "responses":
        return _OpenAIMeter(readers, _PLAIN_RESPONSES, 2, _RESPONSE_ENDS)
    if operation in ("audio", "images"):
        return _OpenAIMeter(readers, (), 1, _MEDIA_ENDS)
    return StreamMeter(readers, b'_tokens"')


_METERED = frozenset(("chat", "completions", "responses", "embeddings", "audio", "images"))


class OpenAI:
    """OpenAI's API shape. See `edge.dialects.facts.Dialect`."""

    name = "openai"

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        path = segments(target)
        fields = body_fields(headers, body, complete)
        model = fields.model or query(target, "model")
        if model is None and path[:1] == ["models"] and len(path) > 1:
            model = "/".join(path[1:])
        return Facts(
            operation=operation_of(path),
            model=model,
            streaming=bool(fields.stream) or fields.stream_format is not None or query(target, "stream") == "true",
            tools=fields.has_tools,
            max_tokens=fields.token_limit,
            repeat=repeat_of(method, path, fields),
            patience=patience(headers),
            retry_count=retry_count(headers),
            reasons=fields.asks_to_reason,
        )

    def meter(self, facts: Facts, status: int, headers: Headers) -> Meter:
        if not 200 <= status < 300:
            return OpaqueMeter()
        # What is read again (a stored response, a resumed stream) was counted when it was made.
        readers = () if facts.repeat is Repeat.FREE or facts.operation not in _METERED else OPENAI
        if is_event_stream(headers):
            return through_coding(headers, lambda: stream_meter(facts.operation, readers))
        if readers and is_json(headers):
            return through_coding(headers, lambda: DocumentMeter(readers))
        return OpaqueMeter()

    def error(self, status: int, failure: Failure, request_id: str) -> tuple[Headers, bytes]:
        headers, body = errors.json_reply(errors.openai_error(status, failure, request_id), failure)
        return [*headers, (b"x-request-id", request_id.encode("latin-1", "replace"))], body

    def stream_error(self, failure: Failure, request_id: str) -> bytes:
        """Raises in the SDK for its `error` member; it is also the Responses API's own `error` event."""
        shape = errors.openai_error(errors.status_of(failure), failure, request_id)
        return errors.event("error", {"type": "error", "code": failure.code, "param": None, **shape})

    def keepalive(self) -> bytes | None:
        return b": ping\n\n"

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        return credentials.with_bearer(headers, credential), target

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        return credentials.bearer(headers) or credentials.subprotocol_key(headers)
