"""Heads of replies and requests as they cross the edge: what is added, what is taken away; our own error replies."""

from __future__ import annotations

from collections.abc import Callable

from edge.dialects import errors
from edge.dialects.facts import Dialect
from edge.observe.record import RequestRecord
from edge.serve.tables import Upstream
from transport.failure import Code, Failure
from transport.message import HOP_BY_HOP, Call, Headers, RequestHead, end_to_end, header
from transport.path import Path

_NOT_FORWARDED = HOP_BY_HOP | {b"host", b"expect"}
NOT_RETURNED = HOP_BY_HOP | {b"alt-svc", b"strict-transport-security"}  # they speak of the provider's origin, not ours
_LINKS = frozenset((b"location", b"content-location", b"x-goog-upload-url", b"x-goog-upload-control-url"))
_OURS = b"x-farline-"

_NOTHING_REACHED = frozenset(
    (
        Code.DESTINATION_UNAVAILABLE,
        Code.DESTINATION_IP_UNROUTABLE,
        Code.CONNECTION_REFUSED,
        Code.CONNECTION_TIMEOUT,
        Code.CONNECTION_LIMIT_REACHED,
        Code.DNS_ERROR,
        Code.DNS_TIMEOUT,
        Code.LINE_PROXY_ERROR,
        Code.OVERLOADED,
        Code.LINE_DOWN,
    )
)


def status_of(failure: Failure) -> int:
    """The HTTP status of a failure that ends a request: 503 if no path led anywhere (come back later), else its own."""
    return 503 if failure.code in _NOTHING_REACHED else errors.status_of(failure)


def proxy_status(failure: Failure) -> bytes:
    """The `Proxy-Status` value for a failure (RFC 9209 §2)."""
    details = failure.detail.replace("\\", " ").replace('"', "'").encode("ascii", "replace")
    standard = failure.code.encode() if failure.code in _STANDARD else b"proxy_internal_error"
    extra = b"" if failure.code in _STANDARD else b"; farline-error=" + failure.code.encode()
    return b"farline; error=" + standard + extra + (b'; details="' + details + b'"' if details else b"")


_OWN = {
    Code.CLIENT_GONE,
    Code.LINE_PROXY_ERROR,
    Code.STREAM_REFUSED,
    Code.STREAM_RESET,
    Code.IDLE_TIMEOUT,
    Code.DEADLINE,
    Code.OVERLOADED,
    Code.LINE_DOWN,
    Code.NOT_CACHED,
    Code.RATE_LIMITED,
}
_STANDARD = {value for name, value in vars(Code).items() if name.isupper()} - _OWN


def request_head(
    method: bytes, rest: bytes, headers: Headers, upstream: Upstream, dialect: Dialect, call: Call | None = None
) -> RequestHead:
    """The request as this endpoint is to see it. `rest` is the target without the provider's prefix, `call` what a
    relay has to know."""
    if upstream.credential is not None:
        headers, rest = dialect.authorize(headers, rest, upstream.credential)
    if upstream.headers:
        replaced = {name for name, _ in upstream.headers}
        headers = [pair for pair in headers if pair[0] not in replaced] + upstream.headers
    return RequestHead(method, upstream.base_path + rest, upstream.authority, headers, upstream.scheme, call)


def forwarded(headers: Headers) -> Headers:
    """The client's end-to-end headers without Host, Expect and farline's own."""
    return [pair for pair in end_to_end(headers, _NOT_FORWARDED) if not pair[0].startswith(_OURS)]


def returned(headers: Headers, own: Headers, upstream: Upstream, here: Callable[[], bytes]) -> Headers:
    """The provider's end-to-end headers and the edge's `own`. Links to the provider lead through the edge."""
    kept = end_to_end(headers, NOT_RETURNED)
    for at, (name, value) in enumerate(kept):
        if name in _LINKS:
            kept[at] = (name, _through(value, upstream, here()))
    return kept + own


def base_url(headers: Headers, is_tls: bool, prefix: bytes) -> bytes:
    """What the client calls this node: to it, links must lead. `x-forwarded-proto` is believed, since it can only
    mislead the client that sent it; a balancer in front that ends TLS sets it."""
    scheme = header(headers, b"x-forwarded-proto") or (b"https" if is_tls else b"http")
    return scheme + b"://" + (header(headers, b"host") or b"localhost") + prefix


def _through(link: bytes, upstream: Upstream, here: bytes) -> bytes:
    """A link under the endpoint's base URL, as one under `here`; any other as it is.

    Gemini's resumable uploads go to a URL from a reply: a client that took it as it is would go past the node.
    """
    base = upstream.scheme + b"://" + upstream.authority + upstream.base_path
    rest = link[len(base) :]
    return here + rest if link.startswith(base) and rest[:1] in (b"", b"/", b"?") else link


def added(record: RequestRecord, path: Path, attempts: int) -> Headers:
    """What the edge adds to every reply of a provider."""
    return [
        (b"x-farline-request-id", record.id.encode()),
        (b"x-farline-path", str(path).encode()),
        (b"x-farline-attempts", b"%d" % attempts),
        (b"x-farline-cache", record.cache.encode()),
        (b"server-timing", server_timing(record)),
    ]


def added_without_asking(record: RequestRecord, now: float) -> Headers:
    """What the edge adds to a reply for which nothing was sent: a stored one, or another request's."""
    return [
        (b"x-farline-request-id", record.id.encode()),
        (b"x-farline-attempts", b"0"),
        (b"x-farline-cache", record.cache.encode()),
        (b"server-timing", b"edge;dur=%.1f" % ((now - record.received_at) * 1000)),
    ]


def server_timing(record: RequestRecord) -> bytes:
    """Where the time went, in milliseconds (W3C Server Timing): in the edge, getting a connection, at the far end."""
    routed = record.routed_at or record.received_at
    sent = record.sent_at or routed
    first = record.first_byte_at or sent
    return b"edge;dur=%.1f, connect;dur=%.1f, provider;dur=%.1f" % (
        (routed - record.received_at) * 1000,
        (sent - routed) * 1000,
        (first - sent) * 1000,
    )


def error_reply(
    status: int, failure: Failure, record: RequestRecord, dialect: Dialect, attempts: int
) -> tuple[Headers, bytes]:
    """A whole error reply in the caller's dialect."""
    headers, body = dialect.error(status, failure, record.id)
    named = {name for name, _ in headers}
    headers = [*headers, (b"content-length", b"%d" % len(body))]
    if status in (429, 503) and b"retry-after" not in named:
        headers.append((b"retry-after", b"1"))
    headers.append((b"proxy-status", proxy_status(failure)))
    headers.append((b"x-farline-request-id", record.id.encode()))
    headers.append((b"x-farline-attempts", b"%d" % attempts))
    headers.append((b"x-farline-cache", record.cache.encode()))
    return headers, body
