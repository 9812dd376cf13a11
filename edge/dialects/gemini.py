"""Gemini: generateContent and its stream, embeddings, token counting, files, caches, batches, Live, Interactions.

The version may be v1, v1beta or v1alpha; the model stands in the path, the method after a colon.

Repeat: reading and token counting are free; generation and embedding are billed; an interaction is billed too (it is
stored, but nobody sees the second one) unless it runs in the background; all else has an effect.
"""

from __future__ import annotations

import re

import msgspec

from edge.dialects import credentials, errors
from edge.dialects.facts import Facts, Meter, Repeat
from edge.dialects.json_scan import is_truthy, members, value
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
from edge.dialects.sse import data_of, events
from edge.dialects.usage import GEMINI
from transport.failure import Failure
from transport.message import Headers

OPERATIONS = frozenset(
    (
        "generate",
        "stream",
        "embed",
        "count_tokens",
        "models",
        "files",
        "caches",
        "live",
        "batches",
        "interactions",
        "other",
    )
)

METHODS = {
    "generateContent": "generate",
    "predict": "generate",
    "streamGenerateContent": "stream",
    "embedContent": "embed",
    "batchEmbedContents": "embed",
    "countTokens": "count_tokens",
    "computeTokens": "count_tokens",
    "batchGenerateContent": "batches",
    "asyncBatchEmbedContent": "batches",
    "predictLongRunning": "other",
}
_COLLECTIONS = {
    "models": "models",
    "tunedModels": "models",
    "files": "files",
    "cachedContents": "caches",
    "batches": "batches",
    "interactions": "interactions",
    "ws": "live",
}
_GENERATING = frozenset(("generate", "stream", "embed"))

_SAYS_HOW_IT_STANDS = (b'"candidates"', b'"blockReason"', b'"error"')
_USAGE = b'"usageMetadata"'
_FINISHED = re.compile(rb'"(?:finishReason|blockReason)"\s*:\s*"(?!FINISH_REASON_UNSPECIFIED|BLOCK_REASON_UNSPECIFIED)')


class _GenerateMeter(StreamMeter):
    """streamGenerateContent as events. Every event repeats usageMetadata, so nothing is parsed until asked.

    Complete if the last event with candidates, a block reason or an error says that it ended: some models set a
    finishReason in every event, and some send one more event with nothing but usage.
    """

    __slots__ = ("_last",)

    def __init__(self, readers: Readers) -> None:
        super().__init__(readers, _USAGE, (b'data: {"candidates"',))
        self._mark = b'"candidates"'  # every plain event has it
        self._last = b""

    def on_marked(self, event: bytes) -> None:
        self._last = event
        if event.rfind(_USAGE) >= 0:
            self._usage_region = event

    def on_region(self, region: bytes) -> None:
        super().on_region(region)
        for mark in _SAYS_HOW_IT_STANDS:
            if mark in region:
                self._last = region
                return

    def is_complete(self) -> bool:
        told = [block for block in events(self._last) if any(mark in block for mark in _SAYS_HOW_IT_STANDS)]
        return bool(told) and _is_finished(data_of(told[-1]))


def _is_finished(data: bytes) -> bool:
    return bool(_FINISHED.search(data)) or is_truthy(members(data, (b"error",)).get(b"error"))


def operation_of(path: list[str]) -> str:
    """The operation of a path without its version."""
    if not path:
        return "other"
    _, colon, verb = path[-1].rpartition(":")
    if colon and verb in METHODS:
        return METHODS[verb]
    operation = _COLLECTIONS.get(path[0].partition(":")[0], "other")
    return "other" if colon and operation == "models" else operation


def repeat_of(method: bytes, path: list[str], fields: Fields) -> Repeat:
    """See the module's docstring."""
    operation = operation_of(path)
    if method in SAFE_METHODS or operation == "count_tokens":
        return Repeat.FREE
    if method != b"POST":
        return Repeat.EFFECT
    if operation in _GENERATING or (path == ["interactions"] and not fields.background):
        return Repeat.BILLED
    return Repeat.EFFECT


def model_of(path: list[str]) -> str | None:
    """The model in a path `…/models/{model}:method`."""
    for collection in ("models", "tunedModels"):
        if collection in path[:-1]:
            name = path[path.index(collection) + 1]
            return name.partition(":")[0] or None
    return None


def _token_limit(fields: Fields) -> int | None:
    for config, name in (
        (fields.generationConfig, b"maxOutputTokens"),
        (fields.generation_config, b"max_output_tokens"),
    ):
        limit = value(members(bytes(config), (name,)).get(name), int)
        if limit is not None:
            return limit
    return None


class Gemini:
    """Google's generativelanguage API shape. See `edge.dialects.facts.Dialect`."""

    name = "gemini"

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        path = segments(target)
        fields = body_fields(headers, body, complete)
        operation = operation_of(path)
        return Facts(
            operation=operation,
            model=model_of(path) or fields.model,
            streaming=operation == "stream" or bool(fields.stream) or query(target, "alt") == "sse",
            tools=fields.has_tools,
            max_tokens=_token_limit(fields),
            repeat=repeat_of(method, path, fields),
            patience=patience(headers),
            retry_count=retry_count(headers),
            reasons=fields.asks_to_reason,
        )

    def meter(self, facts: Facts, status: int, headers: Headers) -> Meter:
        if not 200 <= status < 300:
            return OpaqueMeter()
        metered = facts.operation in _GENERATING or facts.operation == "interactions"
        readers = GEMINI if metered and facts.repeat is not Repeat.FREE else ()
        if is_event_stream(headers):
            return through_coding(headers, lambda: _stream_meter(facts.operation, readers))
        if readers and is_json(headers):
            return through_coding(headers, lambda: DocumentMeter(readers, is_array=facts.operation == "stream"))
        return OpaqueMeter()

    def error(self, status: int, failure: Failure, request_id: str) -> tuple[Headers, bytes]:
        return errors.json_reply(errors.google_error(status, failure, request_id), failure)

    def stream_error(self, failure: Failure, request_id: str) -> bytes:
        """`error` must be the first member: google-genai looks for just that. `event_type` is for Interactions."""
        shape = errors.google_error(errors.status_of(failure), failure, request_id)
        return b"data: " + msgspec.json.encode({**shape, "event_type": "error"}) + b"\r\n\r\n"

    def keepalive(self) -> bytes | None:
        """Blank lines: google-genai takes comments for JSON. With CR, as in Google's own streams, because the Go SDK
        splits at the first LF LF it finds."""
        return b"\r\n\r\n"

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        target = credentials.without_key_query(target)
        if credential.startswith("ya29."):  # a Google OAuth access token
            return credentials.with_bearer(headers, credential), target
        return credentials.with_header(headers, b"x-goog-api-key", credential), target

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        return (
            credentials.text_header(headers, b"x-goog-api-key")
            or credentials.query_key(target)
            or credentials.bearer(headers)
        )


def _stream_meter(operation: str, readers: Readers) -> Meter:
    if operation == "stream":
        return _GenerateMeter(readers)
    if operation == "interactions":
        ends = frozenset(("interaction.completed", "error"))
        return EndingMeter(readers, b'_tokens"', ends=ends, type_member=b"event_type")
    return StreamMeter(readers, b'"usageMetadata"')
