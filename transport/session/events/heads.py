"""Heads of requests and replies: one zstd frame with a dictionary of usual fields, and the credentials outside of it.

Who can choose a part of what is compressed and see its length can guess the rest (CRIME). A caller chooses headers and
paths, and the edge adds the provider's key: so credentials and queries never meet what is compressed.

On the wire: the version, the frame's length and bytes (without magic number or sizes), then each secret with its length
before it. In the frame: strings with a NUL between each two – method, scheme, authority, target or the status, then
names and values – with the byte 1 in place of a secret.
"""

from __future__ import annotations

from functools import cache

import zstandard

from transport.message import Headers, RequestHead, ResponseHead
from transport.session.events.dictionaries import heads
from transport.session.events.frames import FrameReader, decompressor, parameters
from transport.session.events.records import CorruptEvents, integer, read_integer

VERSION = 1
LIMIT_BYTES = 256 * 1024
"""Of one head, restored."""

SECRETS = frozenset(
    (
        b"authorization",
        b"proxy-authorization",
        b"x-api-key",
        b"api-key",
        b"x-goog-api-key",
        b"x-auth-token",
        b"cookie",
        b"set-cookie",
        b"x-amz-security-token",
    )
)
"""Names of fields whose values are never compressed."""

_OPEN_QUERIES = frozenset((b"alt=sse", b"beta=true"))
_MARK = b"\x01"


Split = tuple[bytes, list[bytes]]
"""What is compressed, and what isn't."""


def encode_request(head: RequestHead, secrets: frozenset[bytes] = SECRETS) -> bytes:
    """Raises ValueError if a part contains the bytes 0 or 1, which no head may (RFC 9110 §5.5)."""
    return _packed(split_request(head, secrets))


def split_request(head: RequestHead, secrets: frozenset[bytes] = SECRETS) -> Split:
    """Raises ValueError as `encode_request` does."""
    path, mark, query = head.target.partition(b"?")
    target, hidden = head.target, []
    if query and query not in _OPEN_QUERIES:
        target, hidden = path + mark + _MARK, [query]
    return _split([head.method, head.scheme, head.authority, target], head.headers, hidden, secrets)


def decode_request(data: bytes) -> RequestHead:
    """Raises CorruptEvents."""
    (method, scheme, authority, target), headers, hidden = _decode(data, 4)
    if target.endswith(b"?" + _MARK):
        target = target[:-1] + _next(hidden)
    return RequestHead(method, target, authority, _filled(headers, hidden), scheme)


def encode_response(head: ResponseHead, secrets: frozenset[bytes] = SECRETS) -> bytes:
    """Raises ValueError as `encode_request` does."""
    return _packed(split_response(head, secrets))


def split_response(head: ResponseHead, secrets: frozenset[bytes] = SECRETS) -> Split:
    """Raises ValueError as `encode_request` does."""
    return _split([b"%d" % head.status], head.headers, [], secrets)


def decode_response(data: bytes) -> ResponseHead:
    """Raises CorruptEvents."""
    (status,), headers, hidden = _decode(data, 1)
    if len(status) != 3 or not status.isdigit():
        raise CorruptEvents("no status")
    return ResponseHead(int(status), _filled(headers, hidden))


def encode_trailers(trailers: Headers, secrets: frozenset[bytes] = SECRETS) -> bytes:
    """Raises ValueError as `encode_request` does."""
    return _packed(_split([], trailers, [], secrets))


def decode_trailers(data: bytes) -> Headers:
    """Raises CorruptEvents."""
    _, headers, hidden = _decode(data, 0)
    return _filled(headers, hidden)


def _split(first: list[bytes], headers: Headers, hidden: list[bytes], secrets: frozenset[bytes]) -> Split:
    strings = first
    for name, value in headers:
        if name in secrets:
            hidden.append(value)
            strings += (name, _MARK)
        else:
            strings += (name, value)
    plain = b"\0".join(strings)
    if plain.count(b"\0") != max(0, len(strings) - 1) or plain.count(_MARK) != len(hidden):
        raise ValueError("a head's parts may not contain the bytes 0 and 1")
    return plain, hidden


def _packed(split: Split) -> bytes:
    plain, hidden = split
    frame = _compressor().compress(plain)
    tail = b"".join([integer(len(secret)) + secret for secret in hidden])
    return bytes((VERSION,)) + integer(len(frame)) + frame + tail


def _decode(data: bytes, first: int) -> tuple[list[bytes], list[bytes], list[bytes]]:
    """The first strings, names and values in turn, the secrets."""
    try:
        if data[0] != VERSION:
            raise CorruptEvents(f"version {data[0]} of heads is unknown")
        size, at = read_integer(data, 1)
        frame, at = data[at : at + size], at + size
        hidden = []
        while at < len(data):
            size, at = read_integer(data, at)
            if at + size > len(data):
                raise IndexError
            hidden.append(data[at : at + size])
            at += size
    except IndexError:
        raise CorruptEvents("the head was cut") from None
    strings = _decompressed(frame).split(b"\0")
    if strings == [b""] and not first:
        strings = []
    if len(strings) < first or (len(strings) - first) & 1:
        raise CorruptEvents("a head of an impossible number of strings")
    hidden.reverse()
    return strings[:first], strings[first:], hidden


def _filled(strings: list[bytes], hidden: list[bytes]) -> Headers:
    headers = []
    for name, value in zip(strings[::2], strings[1::2], strict=True):
        headers.append((name, _next(hidden) if value == _MARK else value))
    if hidden:
        raise CorruptEvents("more secrets than places for them")
    return headers


def _next(hidden: list[bytes]) -> bytes:
    if not hidden:
        raise CorruptEvents("a secret is missing")
    return hidden.pop()


def _decompressed(frame: bytes) -> bytes:
    reader = FrameReader(_decompressor(), LIMIT_BYTES)
    plain = reader.feed(frame)
    if not reader.is_whole:
        raise CorruptEvents("the head was cut")
    return plain


@cache
def _compressor() -> zstandard.ZstdCompressor:
    """Frames made at one go begin afresh, whatever the compressor made before. Not for several threads."""
    words = heads()
    words.precompute_compress(compression_params=parameters(checksum=False))
    return zstandard.ZstdCompressor(compression_params=parameters(checksum=False), dict_data=words)


@cache
def _decompressor() -> zstandard.ZstdDecompressor:
    """Not for several threads either: each head is read to its end before the next is begun."""
    return decompressor(heads())
