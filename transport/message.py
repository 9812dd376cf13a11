"""Heads of HTTP messages, independent of the protocol version, and the hop-by-hop rules of RFC 9110 §7.6.1."""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct

Headers = list[tuple[bytes, bytes]]
"""Field lines in wire order; names are lower-case, values are raw bytes without surrounding white space."""

HOP_BY_HOP = frozenset(
    (
        b"connection",
        b"keep-alive",
        b"proxy-connection",
        b"proxy-authenticate",
        b"proxy-authorization",
        b"te",
        b"trailer",
        b"transfer-encoding",
        b"upgrade",
        b"http2-settings",
    )
)


class Call(Struct):
    """What a relay has to know of a request beside its head. One per client request, shared by its attempts.

    `id` names the request at the relay, which executes it at most once; `answered` counts the executions whose outcome
    has come, so that a deliberate further attempt gets another id. `priority` and `redundancy` are those of
    transport.session.values (redundancy None: the session's own). `provider` is its id in the configuration, `patience`
    the seconds after which nobody waits for the reply any more. `execution` is what the last relay asked knows it by.
    """

    id: bytes
    priority: int
    redundancy: int | None
    provider: str
    patience: float
    answered: int = 0
    execution: bytes = b""


class RequestHead(Struct):
    """A request's head. `target` is origin-form (`/v1/…?q`), `authority` what goes into Host or :authority.

    `call` is for relays; other connections don't look at it.
    """

    method: bytes
    target: bytes
    authority: bytes
    headers: Headers
    scheme: bytes = b"https"
    call: Call | None = None


class ResponseHead(Struct):
    """A final response's head, or a 101 that turns the exchange into a tunnel. Interim 1xx heads are not delivered."""

    status: int
    headers: Headers


def header(headers: Iterable[tuple[bytes, bytes]], name: bytes) -> bytes | None:
    """The first value of `name` (lower-case), or None."""
    for key, value in headers:
        if key == name:
            return value
    return None


_NAMES_NOTHING = frozenset((b"keep-alive", b"close", b"Keep-Alive", b"Close"))


def end_to_end(headers: Headers, without: frozenset[bytes] = HOP_BY_HOP) -> Headers:
    """The headers that a proxy forwards: without hop-by-hop fields (or all of `without`) and those that `Connection`
    names."""
    for key, value in headers:
        if key == b"connection" and value not in _NAMES_NOTHING:
            without = without.union(token.strip().lower() for token in value.split(b","))
    return [pair for pair in headers if pair[0] not in without]
