"""Gives a model its upstream name: in the path (`models/{m}:method`, `deployments/{m}`), in a JSON body, in a form."""

from __future__ import annotations

import re
from urllib.parse import quote, unquote

import msgspec

from edge.dialects.json_scan import member_span, value
from transport.message import Headers, header

_FORM_MODEL = re.compile(rb'(name="?model"?[^\r\n]*(?:\r\n[^\r\n]+)*\r\n\r\n)([^\r\n]*)(\r\n--)', re.IGNORECASE)


def rename(target: bytes, headers: Headers, body: bytes, old: str, new: str) -> tuple[bytes, bytes]:
    """(target, body) with model `old` called `new`. `body` may be a prefix; its other bytes stay as they are."""
    return _in_path(target, old, new), _in_body(headers, body, old, new)


def _in_path(target: bytes, old: str, new: str) -> bytes:
    path, mark, query = target.decode("latin-1").partition("?")
    parts = [_segment(part, old, new) for part in path.split("/")]
    return ("/".join(parts) + mark + query).encode("latin-1")


def _segment(part: str, old: str, new: str) -> str:
    name, colon, method = unquote(part).partition(":")
    if name == old:
        return quote(new, safe="") + colon + method
    return quote(new, safe="") if unquote(part) == old else part


def _in_body(headers: Headers, body: bytes, old: str, new: str) -> bytes:
    if (header(headers, b"content-type") or b"").lower().startswith(b"multipart/form-data"):
        found = _FORM_MODEL.search(body)
        if found is None or found.group(2) != old.encode():
            return body
        return body[: found.start(2)] + new.encode() + body[found.end(2) :]
    span = member_span(body, b"model")
    if span is None or value(body[slice(*span)], str) != old:
        return body
    return body[: span[0]] + msgspec.json.encode(new) + body[span[1] :]
