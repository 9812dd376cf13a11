"""Where an edge's requests may go: to the endpoints of this relay's own [[provider]] entries, nowhere else. Pure.

A relay is no open proxy. What an edge names is only looked up: the provider by its id, the endpoint by scheme,
authority and base path. Redirects go back to the client as they are.
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass

from edge.config.model import Provider, Snapshot
from edge.dialects import by_name
from edge.dialects.facts import Dialect
from edge.serve.reply import forwarded, request_head
from edge.serve.tables import Upstream
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, RequestHead
from transport.path import Target
from transport.session.records import Request

_CLIMBS = re.compile(rb"(?:^|[/\\]|%2f|%5c)(?:\.|%2e){1,2}(?:[/\\?#]|%2f|%5c|$)", re.IGNORECASE)
"""A path that a server may resolve to one outside of its base path (RFC 3986 §5.2.4)."""
_TOKEN = re.compile(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+")
_TARGET = re.compile(rb"/[\x21-\x7e\x80-\xff]*")
_VALUE = re.compile(rb"[\t\x20-\x7e\x80-\xff]*")
_HANDSHAKE: Headers = [(b"connection", b"Upgrade"), (b"upgrade", b"websocket")]
_LEFT_OUT = frozenset((b"sec-websocket-extensions",))
_INSISTS = re.compile(rb"(?:identity|\*)\s*;\s*q\s*=\s*0(?:\.0*)?\s*(?:,|$)")
"""A client that won't have a reply without a content coding (RFC 9110 §12.5.3)."""


@dataclass(frozen=True, slots=True)
class Destination:
    """An endpoint that a request may go to. `rest` is its target below the base path."""

    provider: Provider
    upstream: Upstream
    dialect: Dialect
    rest: bytes

    def head(self, request: Request) -> RequestHead:
        """What the provider gets: the edge's end-to-end fields, with this relay's credential if it has one.

        Compression isn't asked for, neither of bodies nor of WebSocket messages: the way to the provider is short, and
        on the long one events by their template and text as zstd are smaller than gzip that is flushed each token.
        """
        asked = request.head
        headers = [_uncoded(pair) for pair in forwarded(asked.headers)]
        if request.websocket:
            headers = [pair for pair in headers if pair[0] not in _LEFT_OUT] + _HANDSHAKE
        return request_head(asked.method, self.rest, headers, self.upstream, self.dialect)


class Egress:
    """Made once per snapshot."""

    def __init__(self, providers: Iterable[Provider]) -> None:
        self._ways: dict[tuple[str, bytes, bytes], list[tuple[Provider, Upstream, Dialect]]] = {}
        for provider in providers:
            for endpoint in provider.endpoints:
                upstream = Upstream.of(provider, endpoint)
                ways = self._ways.setdefault((provider.id, upstream.scheme, upstream.authority), [])
                ways.append((provider, upstream, by_name(provider.dialect)))
        for ways in self._ways.values():
            ways.sort(key=lambda way: -len(way[1].base_path))

    @classmethod
    def of(cls, snapshot: Snapshot) -> Egress:
        return cls(snapshot.providers)

    @property
    def targets(self) -> list[Target]:
        """The endpoints as the transport sees them."""
        return [upstream.target for ways in self._ways.values() for _, upstream, _ in ways]

    def find(self, request: Request) -> Destination | Failure:
        """Where the request goes; a failure if it may not go there."""
        head = request.head
        if not _is_clean(head):
            return Failure(Origin.EDGE, Verdict.SAFE, Code.HTTP_REQUEST_ERROR, "the request's head is no HTTP")
        path = head.target.partition(b"?")[0]
        for provider, upstream, dialect in self._ways.get((request.provider, head.scheme, head.authority), ()):
            base = upstream.base_path
            rest = head.target[len(base) :]
            if head.target.startswith(base) and rest[:1] in (b"/", b"?", b"") and not (base and _CLIMBS.search(path)):
                return Destination(provider, upstream, dialect, rest)
        return Failure(
            Origin.EDGE,
            Verdict.SAFE,
            Code.HTTP_REQUEST_DENIED,
            f"this relay has no endpoint of provider {request.provider[:64]!r} there",
        )


def _uncoded(field: tuple[bytes, bytes]) -> tuple[bytes, bytes]:
    """The field; accept-encoding asks for a reply without a coding, unless the client rules that out."""
    name, value = field
    return field if name != b"accept-encoding" or _INSISTS.search(value) else (name, b"identity")


def _is_clean(head: RequestHead) -> bool:
    """Nothing in it can be taken for another field or request (RFC 9112 §11.2): edges may be faulty, or stolen."""
    return (
        _TOKEN.fullmatch(head.method) is not None
        and _TARGET.fullmatch(head.target) is not None
        and all(_TOKEN.fullmatch(name) and _VALUE.fullmatch(value) for name, value in head.headers)
        and all(value.isdigit() for name, value in head.headers if name == b"content-length")
    )
