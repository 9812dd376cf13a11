"""Failures in the vendors' words: the status, and the type that the vendor's SDK makes an exception of.

What the SDKs obey: OpenAI's and Anthropic's read `x-should-retry` before anything else, then the status; both honour
`retry-after`. google-genai raises ClientError or ServerError by the status.

    x-should-retry: true    the request did not run and may well go through soon
    x-should-retry: false   a repeat can't help, or the answer was already paid for
    (absent)                it may have run: the SDK's own policy decides, as it would without farline
"""

from __future__ import annotations

import math
from typing import Any

import msgspec

from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers

STATUS = {
    Code.CLIENT_GONE: 499,
    Code.OVERLOADED: 503,
    Code.CONNECTION_LIMIT_REACHED: 503,
    Code.DESTINATION_UNAVAILABLE: 503,
    Code.RATE_LIMITED: 429,
    Code.LINE_DOWN: 504,
    Code.NOT_CACHED: 504,
    Code.DEADLINE: 504,
    Code.DNS_TIMEOUT: 504,
    Code.CONNECTION_TIMEOUT: 504,
    Code.CONNECTION_READ_TIMEOUT: 504,
    Code.CONNECTION_WRITE_TIMEOUT: 504,
    Code.HTTP_RESPONSE_TIMEOUT: 504,
    Code.IDLE_TIMEOUT: 504,
    Code.HTTP_REQUEST_ERROR: 400,
    Code.HTTP_REQUEST_DENIED: 403,
    Code.PROXY_INTERNAL_ERROR: 500,
    Code.PROXY_CONFIGURATION_ERROR: 500,
    Code.PROXY_LOOP_DETECTED: 508,
}
"""The status for a failure (RFC 9209 §2.3 recommends most of them); 502 for all others."""

_HOPELESS = frozenset(
    (
        Code.CLIENT_GONE,
        Code.DEADLINE,
        Code.HTTP_REQUEST_ERROR,
        Code.HTTP_REQUEST_DENIED,
        Code.NOT_CACHED,
        Code.PROXY_CONFIGURATION_ERROR,
        Code.PROXY_LOOP_DETECTED,
        Code.TLS_CERTIFICATE_ERROR,
    )
)

_OPENAI_TYPES = {
    401: "authentication_error",
    403: "permission_error",
    429: "rate_limit_error",
}
_ANTHROPIC_TYPES = {
    401: "authentication_error",
    402: "billing_error",
    403: "permission_error",
    404: "not_found_error",
    413: "request_too_large",
    429: "rate_limit_error",
    503: "overloaded_error",
    504: "timeout_error",
    529: "overloaded_error",
}
_GOOGLE_STATUSES = {
    401: "UNAUTHENTICATED",
    403: "PERMISSION_DENIED",
    404: "NOT_FOUND",
    409: "ABORTED",
    429: "RESOURCE_EXHAUSTED",
    499: "CANCELLED",
    500: "INTERNAL",
    501: "UNIMPLEMENTED",
    504: "DEADLINE_EXCEEDED",
}


def status_of(failure: Failure) -> int:
    """The status that a reply for `failure` should have."""
    return STATUS.get(failure.code, 502)


def should_retry(failure: Failure) -> bool | None:
    """May the client's SDK send the request again? None: it may have run, so that is for the client's own policy."""
    if failure.code in _HOPELESS or failure.verdict is Verdict.UNSAFE or failure.origin is Origin.CLIENT:
        return False
    return True if failure.verdict is Verdict.SAFE else None


def retry_headers(failure: Failure) -> Headers:
    """`x-should-retry`, and `retry-after` (RFC 9110 §10.2.3) where a retry is welcome."""
    verdict = should_retry(failure)
    if verdict is None:
        return []
    if not verdict:
        return [(b"x-should-retry", b"false")]
    return [(b"x-should-retry", b"true"), (b"retry-after", b"%d" % retry_seconds(failure))]


def retry_seconds(failure: Failure) -> int:
    """Whole seconds after which another try may do; 1 where nobody said."""
    return max(1, math.ceil(failure.retry_after or 1.0))


def json_reply(body: dict[str, Any], failure: Failure) -> tuple[Headers, bytes]:
    """Headers and body of a whole error reply."""
    return [(b"content-type", b"application/json"), *retry_headers(failure)], msgspec.json.encode(body)


def sentence(failure: Failure, request_id: str) -> str:
    """The message for people, with the id under which the node's log knows the request."""
    said = failure.detail or failure.code.replace("_", " ")
    return f"{said} (farline request {request_id})"


def openai_error(status: int, failure: Failure, request_id: str) -> dict[str, Any]:
    """https://platform.openai.com/docs/guides/error-codes"""
    kind = _OPENAI_TYPES.get(status, "invalid_request_error" if status < 500 else "server_error")
    error = {"message": sentence(failure, request_id), "type": kind, "param": None, "code": failure.code}
    return {"error": error}


def anthropic_error(status: int, failure: Failure, request_id: str) -> dict[str, Any]:
    """https://docs.anthropic.com/en/api/errors"""
    kind = _ANTHROPIC_TYPES.get(status, "invalid_request_error" if status < 500 else "api_error")
    error = {"type": kind, "message": sentence(failure, request_id)}
    return {"type": "error", "error": error, "request_id": request_id}


def google_error(status: int, failure: Failure, request_id: str) -> dict[str, Any]:
    """https://cloud.google.com/apis/design/errors: google.rpc.Status in JSON, with ErrorInfo and RetryInfo details."""
    info: dict[str, Any] = {
        "@type": "type.googleapis.com/google.rpc.ErrorInfo",
        "reason": failure.code.upper(),
        "domain": "farline",
        "metadata": {"requestId": request_id},
    }
    details: list[dict[str, Any]] = [info]
    if should_retry(failure):
        details.append(
            {"@type": "type.googleapis.com/google.rpc.RetryInfo", "retryDelay": f"{retry_seconds(failure)}s"}
        )
    name = _GOOGLE_STATUSES.get(status, "INVALID_ARGUMENT" if status < 500 else "UNAVAILABLE")
    message = sentence(failure, request_id)
    return {"error": {"code": status, "message": message, "status": name, "details": details}}


def event(name: str, body: dict[str, Any]) -> bytes:
    """One named server-sent event."""
    return b"event: %b\ndata: %b\n\n" % (name.encode(), msgspec.json.encode(body))
