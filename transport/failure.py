"""What went wrong, whose fault it was, and whether the request may be sent again.

Every failure in farline is one `Failure` value. It has an *origin* (who is to blame: this decides which health record
it counts against), a replay *verdict* (may another attempt be made?), and a stable *code*: an RFC 9209 §2.3 proxy
error type where one exists, so the same word appears in `Proxy-Status`, in the log and in the metrics.

    TransportError          raised by awaitables that dial; carries a Failure
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum


class Origin(Enum):
    """Who a failure counts against."""

    CLIENT = "client"
    EDGE = "edge"
    LINE = "line"
    RELAY = "relay"  # the relay, or the session to it: all its lines at once
    ENDPOINT = "endpoint"


class Verdict(Enum):
    """May the request be sent again on another connection?"""

    SAFE = "safe"  # nothing of it can have been executed
    UNKNOWN = "unknown"  # it may have been executed
    UNSAFE = "unsafe"  # it was executed, or part of its answer was already passed on


class Code:
    """Stable failure codes. The first group are RFC 9209 §2.3 proxy error types, the second are farline's own."""

    DNS_TIMEOUT = "dns_timeout"
    DNS_ERROR = "dns_error"
    DESTINATION_UNAVAILABLE = "destination_unavailable"
    DESTINATION_IP_UNROUTABLE = "destination_ip_unroutable"
    CONNECTION_REFUSED = "connection_refused"
    CONNECTION_TERMINATED = "connection_terminated"
    CONNECTION_TIMEOUT = "connection_timeout"
    CONNECTION_READ_TIMEOUT = "connection_read_timeout"
    CONNECTION_WRITE_TIMEOUT = "connection_write_timeout"
    CONNECTION_LIMIT_REACHED = "connection_limit_reached"
    TLS_PROTOCOL_ERROR = "tls_protocol_error"
    TLS_CERTIFICATE_ERROR = "tls_certificate_error"
    TLS_ALERT_RECEIVED = "tls_alert_received"
    HTTP_REQUEST_ERROR = "http_request_error"
    HTTP_REQUEST_DENIED = "http_request_denied"
    HTTP_RESPONSE_INCOMPLETE = "http_response_incomplete"
    HTTP_RESPONSE_TIMEOUT = "http_response_timeout"
    HTTP_UPGRADE_FAILED = "http_upgrade_failed"
    HTTP_PROTOCOL_ERROR = "http_protocol_error"
    PROXY_INTERNAL_ERROR = "proxy_internal_error"
    PROXY_CONFIGURATION_ERROR = "proxy_configuration_error"
    PROXY_LOOP_DETECTED = "proxy_loop_detected"

    CLIENT_GONE = "client_gone"
    LINE_PROXY_ERROR = "line_proxy_error"  # the line's own CONNECT/SOCKS5 proxy refused or failed
    STREAM_REFUSED = "stream_refused"  # REFUSED_STREAM, or a GOAWAY that excludes the stream: never executed
    STREAM_RESET = "stream_reset"  # the far end reset this stream
    IDLE_TIMEOUT = "idle_timeout"  # no byte of a begun reply for too long
    DEADLINE = "deadline"  # the request's own deadline passed
    OVERLOADED = "overloaded"  # this edge's limits
    LINE_DOWN = "line_down"  # the line was found dead while the request waited on it
    RATE_LIMITED = "rate_limited"  # every endpoint has asked for less traffic, for longer than the caller can wait


@dataclass(frozen=True, slots=True)
class Failure:
    """One failure: blame, replay verdict, stable code, and a sentence for people (never a secret, never a body)."""

    origin: Origin
    verdict: Verdict
    code: str
    detail: str = ""
    retry_after: float | None = None  # seconds after which another try may do, where that is known


class TransportError(Exception):
    """An awaitable of the transport layer failed; `failure` says how."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(f"{failure.code}: {failure.detail}" if failure.detail else failure.code)
        self.failure = failure
