"""Anthropic: messages, token counting, message batches, models, files.

Repeat: reading and token counting are free; a message is billed again and leaves nothing behind; everything else has
an effect. The API documents no idempotency keys.
"""

from __future__ import annotations

import msgspec

from edge.dialects import credentials, errors
from edge.dialects.facts import Facts, Meter, Repeat, Usage
from edge.dialects.json_scan import last_objects, value
from edge.dialects.meters import DocumentMeter, OpaqueMeter, StreamMeter, is_event_stream, is_json, through_coding
from edge.dialects.request import SAFE_METHODS, body_fields, patience, retry_count, segments
from edge.dialects.sse import EventScanner, data_of, events, type_of
from edge.dialects.usage import ANTHROPIC, AnthropicUsage, anthropic_total
from transport.failure import Failure
from transport.message import Headers

OPERATIONS = frozenset(("messages", "count_tokens", "batches", "models", "files", "other"))

_BILLED = frozenset((("messages",), ("complete",)))
_FREE = frozenset((("messages", "count_tokens"),))


_MARKS = (b"message_", b"error")


class MessageMeter(EventScanner):
    """A message's event stream: usage from message_start, overridden by the cumulative counts of message_delta.

    https://docs.anthropic.com/en/docs/build-with-claude/streaming
    """

    __slots__ = ("_complete", "_counts")

    def __init__(self) -> None:
        super().__init__((b"event: content_block_delta\ndata: {",), 2)
        self._complete = False
        self._counts = AnthropicUsage()

    def on_region(self, region: bytes) -> None:
        if not any(mark in region for mark in _MARKS):
            return
        for block in events(region):
            data = data_of(block)
            kind = type_of(block, data)
            if kind in ("message_start", "message_delta"):
                self._count(data)
            elif kind in ("message_stop", "error"):
                self._complete = True

    def _count(self, data: bytes) -> None:
        for raw in last_objects(data, b"usage", 1):
            told = value(raw, AnthropicUsage)
            for name in AnthropicUsage.__struct_fields__:
                count = getattr(told, name, None)
                if count is not None:
                    setattr(self._counts, name, count)

    def is_complete(self) -> bool:
        return self._complete

    def usage(self) -> Usage:
        return anthropic_total(self._counts)

    def tokens_seen(self) -> int:
        return self.events_seen


def operation_of(path: list[str]) -> str:
    """The operation of a path without its version."""
    if path[:1] == ["messages"] and len(path) > 1:
        return path[1] if path[1] in ("count_tokens", "batches") else "other"
    return path[0] if path and path[0] in ("messages", "models", "files") else "other"


def repeat_of(method: bytes, path: list[str]) -> Repeat:
    """See the module's docstring."""
    if method in SAFE_METHODS or (method == b"POST" and tuple(path) in _FREE):
        return Repeat.FREE
    return Repeat.BILLED if method == b"POST" and tuple(path) in _BILLED else Repeat.EFFECT


class Anthropic:
    """Anthropic's API shape. See `edge.dialects.facts.Dialect`."""

    name = "anthropic"

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        path = segments(target)
        fields = body_fields(headers, body, complete)
        model = fields.model or (path[1] if path[:1] == ["models"] and len(path) > 1 else None)
        return Facts(
            operation=operation_of(path),
            model=model,
            streaming=bool(fields.stream),
            tools=fields.has_tools,
            max_tokens=fields.token_limit,
            repeat=repeat_of(method, path),
            patience=patience(headers),
            retry_count=retry_count(headers),
            reasons=fields.asks_to_reason,
        )

    def meter(self, facts: Facts, status: int, headers: Headers) -> Meter:
        if not 200 <= status < 300:
            return OpaqueMeter()
        if is_event_stream(headers):
            is_message = facts.operation == "messages"
            return through_coding(headers, MessageMeter if is_message else _unknown_stream)
        if facts.operation == "messages" and is_json(headers):
            return through_coding(headers, lambda: DocumentMeter(ANTHROPIC))
        return OpaqueMeter()

    def error(self, status: int, failure: Failure, request_id: str) -> tuple[Headers, bytes]:
        headers, body = errors.json_reply(errors.anthropic_error(status, failure, request_id), failure)
        return [*headers, (b"request-id", request_id.encode("latin-1", "replace"))], body

    def stream_error(self, failure: Failure, request_id: str) -> bytes:
        return errors.event("error", errors.anthropic_error(errors.status_of(failure), failure, request_id))

    def keepalive(self) -> bytes | None:
        """The event that Anthropic itself sends, and tells its clients to expect anywhere."""
        return b"event: ping\ndata: " + msgspec.json.encode({"type": "ping"}) + b"\n\n"

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        if credential.startswith("sk-ant-oat"):  # an OAuth access token
            return credentials.with_bearer(headers, credential), target
        return credentials.with_header(headers, b"x-api-key", credential), target

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        return credentials.text_header(headers, b"x-api-key") or credentials.bearer(headers)


def _unknown_stream() -> Meter:
    return StreamMeter((), b'_tokens"')
