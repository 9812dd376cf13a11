"""Any HTTPS API: forwarded as it is, with usage where it looks like somebody's known shape.

Repeat: reading is free; a POST to a path that ends in a word for generation or embedding is billed; what any other
request does nobody knows, so it has an effect.
"""

from __future__ import annotations

from typing import Any

from edge.dialects import credentials, errors
from edge.dialects.facts import Facts, Meter, Repeat
from edge.dialects.meters import DocumentMeter, OpaqueMeter, StreamMeter, is_event_stream, is_json, through_coding
from edge.dialects.request import SAFE_METHODS, body_fields, patience, retry_count, segments
from edge.dialects.usage import ANY
from transport.failure import Failure
from transport.message import Headers, header

OPERATIONS = frozenset(("read", "generate", "embed", "other"))

_GENERATE = frozenset(("chat", "completions", "generate", "messages", "responses", "converse", "invoke", "stream"))
_EMBED = frozenset(("embed", "embeddings", "embedding", "rerank"))


def operation_of(method: bytes, path: list[str]) -> str:
    """`read` for safe methods, else told from the last word of the path."""
    if method in SAFE_METHODS:
        return "read"
    last = path[-1].rpartition(":")[2].lower() if path and method == b"POST" else ""
    if last in _GENERATE:
        return "generate"
    return "embed" if last in _EMBED else "other"


_REPEAT = {"read": Repeat.FREE, "generate": Repeat.BILLED, "embed": Repeat.BILLED, "other": Repeat.EFFECT}


class Generic:
    """No vendor's shape. See `edge.dialects.facts.Dialect`."""

    name = "generic"

    def facts(self, method: bytes, target: bytes, headers: Headers, body: bytes, complete: bool) -> Facts:
        operation = operation_of(method, segments(target))
        fields = body_fields(headers, body, complete)
        accepts_stream = b"text/event-stream" in (header(headers, b"accept") or b"")
        return Facts(
            operation=operation,
            model=fields.model,
            streaming=bool(fields.stream) or accepts_stream,
            tools=fields.has_tools,
            max_tokens=fields.token_limit,
            repeat=_REPEAT[operation],
            patience=patience(headers),
            retry_count=retry_count(headers),
            reasons=fields.asks_to_reason,
        )

    def meter(self, facts: Facts, status: int, headers: Headers) -> Meter:
        if not 200 <= status < 300:
            return OpaqueMeter()
        readers = () if facts.operation == "read" else ANY
        if is_event_stream(headers):
            return through_coding(headers, lambda: StreamMeter(readers, b'"usage'))
        if readers and is_json(headers):
            return through_coding(headers, lambda: DocumentMeter(readers))
        return OpaqueMeter()

    def error(self, status: int, failure: Failure, request_id: str) -> tuple[Headers, bytes]:
        return errors.json_reply(_shape(failure, request_id), failure)

    def stream_error(self, failure: Failure, request_id: str) -> bytes:
        return errors.event("error", _shape(failure, request_id))

    def keepalive(self) -> bytes | None:
        """A comment without a blank line: any parser that keeps to the standard drops it."""
        return b": ping\n"

    def authorize(self, headers: Headers, target: bytes, credential: str) -> tuple[Headers, bytes]:
        return credentials.with_bearer(headers, credential), target

    def credential_of(self, headers: Headers, target: bytes) -> str | None:
        return credentials.bearer(headers)


def _shape(failure: Failure, request_id: str) -> dict[str, Any]:
    message = errors.sentence(failure, request_id)
    return {"error": {"message": message, "type": "proxy_error", "code": failure.code, "request_id": request_id}}
