"""Which replies are worth compressing, and how their head changes."""

from __future__ import annotations

import ipaddress
import re
from functools import lru_cache

from msgspec import Struct

from edge.codings.accept import choose
from transport.message import Headers

SMALLEST_BYTES = 1400
"""A shorter document goes in one packet either way."""

STREAM_ORDER = (b"gzip", b"zstd", b"br")
"""By memory per stream: 20, 37 and 310 KiB; docs/compression.md has the figures."""

DOCUMENT_ORDER = (b"zstd", b"gzip", b"br")
"""By time per byte saved."""

_TEXTUAL = re.compile(rb"text/.+|application/(?:.+\+)?(?:json|xml|x-ndjson|jsonl|javascript|yaml)")
_NO_BODY = frozenset((204, 206, 304))
_AS_IT_IS = frozenset(
    (b"content-encoding", b"content-range", b"content-digest", b"repr-digest", b"digest", b"content-md5")
)
_NO_TRANSFORM = re.compile(rb"(?:^|[,\s])no-transform(?:[,\s]|$)", re.IGNORECASE)


class Chosen(Struct, frozen=True, gc=False):
    """`length`: of the whole document; None: a stream, where nothing may wait in the encoder."""

    coding: bytes
    length: int | None


def chosen(accept_encoding: bytes, status: int, headers: Headers) -> Chosen | None:
    """How to compress a reply with this head; None: not at all."""
    if status in _NO_BODY:
        return None
    kind, length = b"", None
    for name, value in headers:
        if name == b"content-type":
            kind = value
        elif name == b"content-length":
            length = int(value) if value.isdigit() else 0
        elif name in _AS_IT_IS or (name == b"cache-control" and _NO_TRANSFORM.search(value)):
            return None
    if (length is not None and length < SMALLEST_BYTES) or not _is_textual(kind):
        return None
    coding = choose(accept_encoding, STREAM_ORDER if length is None else DOCUMENT_ORDER)
    return None if coding is None else Chosen(coding, length)


@lru_cache(256)
def _is_textual(kind: bytes) -> bool:
    return _TEXTUAL.fullmatch(kind.partition(b";")[0].strip().lower()) is not None


def encoded_head(headers: Headers, coding: bytes) -> Headers:
    """The head of a reply that is compressed (RFC 9110 §8.8.1: another coding is another representation)."""
    made: Headers = []
    varies = b""
    for name, value in headers:
        if name == b"vary":
            varies += value + b", "
        elif name == b"etag" and not value.startswith(b"W/"):
            made.append((name, b"W/" + value))
        elif name not in (b"content-length", b"accept-ranges"):
            made.append((name, value))
    if b"*" not in varies and b"accept-encoding" not in varies.lower():
        varies += b"accept-encoding"
    return [*made, (b"content-encoding", coding), (b"vary", varies.removesuffix(b", "))]


@lru_cache(4096)
def is_near(peer: str) -> bool:
    """Is the client on this machine or in a private network, where bytes cost nothing?"""
    try:
        address = ipaddress.ip_address(peer.partition("%")[0])
    except ValueError:
        return True  # a unix socket
    if isinstance(address, ipaddress.IPv6Address) and address.ipv4_mapped is not None:
        address = address.ipv4_mapped
    return address.is_private or address.is_loopback or address.is_link_local
