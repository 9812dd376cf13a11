"""A request's head: bytes → `Head`, or `BadRequest` with the status that says why (RFC 9112, RFC 9110).

The connection finds the empty line and gives whole heads only, so the parser never sees body bytes and no request can
be cut at another place than the next hop would. What is refused, beyond what the parser's strict mode refuses (line
folding, bare CR or LF, control characters, a second Content-Length, Content-Length next to Transfer-Encoding):
any transfer coding but `chunked`, Transfer-Encoding in HTTP/1.0, no Host or two, a request line with extra space.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import lru_cache

import httptools

from transport.message import Headers, header

MAX_FIELDS = 256
"""Most header fields in one request: far above what SDKs, gateways and browsers send."""

_HOST = re.compile(rb"(?:\[[0-9A-Fa-f:.]+\]|[A-Za-z0-9._~!$&'()*+,;=%-]*)(?::[0-9]{0,5})?")
_ABSOLUTE = re.compile(rb"https?://([^/?@]+)((?:[/?].*)?)", re.IGNORECASE)


class BadRequest(Exception):
    """The head can't be served; `status` is the reply's."""

    def __init__(self, status: int, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.detail = detail


@dataclass(slots=True)
class Head:
    """A request's head. `length` is the body's length in bytes, or None if it is chunked."""

    method: bytes
    target: bytes
    headers: Headers
    is_http11: bool
    keep_alive: bool
    length: int | None
    expects_continue: bool
    upgrade: bytes | None


_FRAMING_FIELDS = frozenset((b"connection", b"host", b"content-length", b"transfer-encoding", b"expect", b"upgrade"))
_NONE: list[bytes] = []


class _Collector:
    """Takes the parser's callbacks, and puts aside the values of the fields that decide how the request is read."""

    __slots__ = ("complete", "framing", "headers", "url")

    def __init__(self) -> None:
        self.url = b""
        self.headers: Headers = []
        self.framing: dict[bytes, list[bytes]] = {}
        self.complete = False

    def on_url(self, url: bytes) -> None:
        self.url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        name = name.lower()
        value = value.strip(b" \t")
        self.headers.append((name, value))
        if name in _FRAMING_FIELDS:
            if name in self.framing:
                self.framing[name].append(value)
            else:
                self.framing[name] = [value]

    def on_headers_complete(self) -> None:
        self.complete = True


def parse_head(data: bytes) -> Head:
    """Parses one whole head, from the request line to the empty line.

    Raises:
        BadRequest: with status 400, 405, 417, 431, 501 or 505.
    """
    collector = _Collector()
    parser = httptools.HttpRequestParser(collector)
    try:
        parser.feed_data(data)
    except httptools.HttpParserUpgrade:
        pass
    except httptools.HttpParserInvalidMethodError:
        raise BadRequest(501 if _looks_like_http(data) else 400, "unknown method") from None
    except httptools.HttpParserError as error:
        raise BadRequest(400, str(error) or "malformed request") from None
    if not collector.complete:
        raise BadRequest(400, "malformed request")
    version = parser.get_http_version()
    if version not in ("1.0", "1.1"):
        raise BadRequest(505, "only HTTP/1.1 and HTTP/1.0 are served here")
    return _examine(data, parser.get_method(), version == "1.1", collector)


def _looks_like_http(data: bytes) -> bool:
    return re.match(rb"[!#$%&'*+.^_`|~0-9A-Za-z-]+ [^ ]+ HTTP/1\.[01]\r\n", data) is not None


def _examine(data: bytes, method: bytes, is_http11: bool, found: _Collector) -> Head:
    url, headers, framing = found.url, found.headers, found.framing
    if not data.startswith((b"%b %b HTTP/1.1\r\n" if is_http11 else b"%b %b HTTP/1.0\r\n") % (method, url)):
        raise BadRequest(400, "malformed request line")
    if len(headers) > MAX_FIELDS:
        raise BadRequest(431, "too many header fields")
    _check_host(framing.get(b"host", _NONE), is_http11)
    options = _connection_options(framing[b"connection"]) if b"connection" in framing else _NONE
    upgrade = framing.get(b"upgrade")
    return Head(
        method,
        url if url.startswith(b"/") and b"#" not in url else _origin_form(method, url, headers),
        headers,
        is_http11,
        b"close" not in options if is_http11 else b"keep-alive" in options,
        _body_length(framing, is_http11),
        is_http11 and b"expect" in framing and _expects_continue(framing[b"expect"]),
        upgrade[0].lower() if upgrade and is_http11 and b"upgrade" in options else None,
    )


def _connection_options(values: list[bytes]) -> list[bytes]:
    return [option.strip() for option in b",".join(values).lower().split(b",")]


def _check_host(host: list[bytes], is_http11: bool) -> None:
    """RFC 9112 §3.2: exactly one in HTTP/1.1, and a valid one."""
    if len(host) > 1 or (is_http11 and not host):
        raise BadRequest(400, "a request needs exactly one host header")
    if host and not _is_host(host[0]):
        raise BadRequest(400, "the host header is malformed")


@lru_cache(256)
def _is_host(value: bytes) -> bool:
    return _HOST.fullmatch(value) is not None


def _body_length(framing: dict[bytes, list[bytes]], is_http11: bool) -> int | None:
    """RFC 9112 §6.3. The parser has already refused every ill-formed or doubled Content-Length."""
    coding = framing.get(b"transfer-encoding")
    if coding is None:
        length = framing.get(b"content-length")
        return int(length[0]) if length is not None else 0
    if not is_http11:
        raise BadRequest(400, "transfer-encoding in HTTP/1.0")
    if len(coding) > 1 or coding[0].lower() != b"chunked":
        raise BadRequest(501, "the only known transfer coding is chunked")
    return None


def _expects_continue(expect: list[bytes]) -> bool:
    """RFC 9110 §10.1.1."""
    if len(expect) > 1 or expect[0].lower() != b"100-continue":
        raise BadRequest(417, "unknown expectation")
    return True


def _origin_form(method: bytes, url: bytes, headers: Headers) -> bytes:
    """RFC 9112 §3.2: absolute-form becomes origin-form and its authority replaces Host; the asterisk stays."""
    if method == b"CONNECT":
        raise BadRequest(405, "this is not a forward proxy")
    if b"#" in url:
        raise BadRequest(400, "a fragment in the request target")
    if url == b"*":
        if method != b"OPTIONS":
            raise BadRequest(400, "only OPTIONS has the asterisk-form")
        return url
    absolute = _ABSOLUTE.fullmatch(url)
    if absolute is None or not _is_host(absolute[1]):
        raise BadRequest(400, "malformed request target")
    headers[:] = [(b"host", absolute[1]) if name == b"host" else (name, value) for name, value in headers]
    if header(headers, b"host") is None:
        headers.insert(0, (b"host", absolute[1]))
    rest = absolute[2]
    return rest if rest.startswith(b"/") else b"/" + rest
