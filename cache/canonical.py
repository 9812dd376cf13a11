"""One spelling for all spellings of the same JSON document.

Members are sorted, white space is gone, escapes are resolved, 1.0 is 1. What two readers could understand differently
is refused: duplicate members (RFC 8259 §4), numbers outside a double, lone surrogates, invalid UTF-8. Text is *not*
Unicode-normalised: a model sees the difference.

Pictures, sound and files that are part of the document count by their bytes, however their base64 is written (both
alphabets, with or without padding): they are part of what is hashed, in one of these forms.
"""

from __future__ import annotations

import binascii
import json
from math import isinf
from typing import Any

import msgspec

Document = dict[str, Any]

_EXACT = 2.0**53  # beyond it a double no longer tells neighbours apart
_SHORTEST = 64  # characters of base64; shorter ones are no files
_URL_ALPHABET = str.maketrans("-_", "+/", "=")
_DATA_URLS = frozenset(("url", "image_url", "file_data"))  # OpenAI's places for `data:` URLs
_FORMATS = ("media_type", "mimeType", "mime_type", "format")  # beside `data`: Anthropic, Gemini (twice), OpenAI
_REMOTE = frozenset(("url", "image_url", "file_url", "fileUri", "file_uri", "file_id"))
_CONTENT = _DATA_URLS | _REMOTE | {"data"}


class Uncacheable(Exception):
    """This request can't have a key; `args[0]` says why, in a few words from a closed set."""


def _number(text: str) -> int | float:
    value = float(text)
    if isinf(value):
        raise ValueError("a number that no double holds")
    return int(value) if value.is_integer() and abs(value) < _EXACT else value


_decoder = msgspec.json.Decoder(float_hook=_number)
_encoder = msgspec.json.Encoder(order="deterministic")


class Reading(msgspec.Struct):
    """A document, and whether it names content that lies elsewhere (a URL, a file's id) and may change there."""

    document: Document
    is_remote: bool


def read(body: bytes) -> Reading:
    """Parses a request's whole body. Raises Uncacheable for what isn't a JSON object with one meaning."""
    try:
        document = _decoder.decode(body)
    except (ValueError, RecursionError):  # msgspec's errors are ValueErrors
        raise Uncacheable("not JSON") from None
    if type(document) is not dict:
        raise Uncacheable("not a JSON object")
    members, is_remote = _walk(document)
    if members != _members_written(body) and _has_duplicates(body):
        raise Uncacheable("duplicate members")
    return Reading(document, is_remote)


def canonical(document: Document) -> bytes:
    """The one spelling. Raises Uncacheable for what can't be written as JSON again."""
    try:
        return _encoder.encode(document)
    except (ValueError, RecursionError, OverflowError):
        raise Uncacheable("not JSON") from None


def _walk(document: Document) -> tuple[int, bool]:
    """Counts members, and brings embedded content into its usual form. Iterative: depth is the parser's business."""
    members, is_remote = 0, False
    stack: list[Any] = [document]
    while stack:
        value = stack.pop()
        if type(value) is dict:
            members += len(value)
            for name, child in value.items():
                kind = type(child)
                if kind is dict or kind is list:
                    stack.append(child)
                elif kind is str and name in _CONTENT:
                    if len(child) >= _SHORTEST:
                        value[name] = _embedded(name, child, value)
                    is_remote = is_remote or (name in _REMOTE and not child.startswith("data:"))
        else:
            stack.extend(child for child in value if type(child) is dict or type(child) is list)
    return members, is_remote


def _embedded(name: str, text: str, beside: Document) -> str:
    """`text` with its base64 in the usual form; `text` itself if it is in that already, or is none."""
    if name == "data":
        head, data = "", text if any(member in beside for member in _FORMATS) else ""
    else:
        head, found, data = text.partition(";base64,")
        head += found
        if not found or not head.startswith("data:"):
            return text
    if len(data) % 4 == 0 and "-" not in data and "_" not in data:
        return text
    usual = data.translate(_URL_ALPHABET)
    usual += "=" * (-len(usual) % 4)
    try:
        binascii.a2b_base64(usual, strict_mode=True)
    except ValueError:
        return text
    return head + usual


def _members_written(body: bytes) -> int:
    """At least how many members the text has, and mostly exactly; -1 if that can't be said in a few quick passes.

    Without white space a member's name ends in `":`. A text can begin with a colon, which makes it one too many. `\\":`
    is inside of a text, unless the backslash is itself escaped.
    """
    dense = body.translate(None, b" \t\r\n")
    ends = dense.count(b'":')
    if b"\\" not in dense:
        return ends
    return -1 if b'\\\\"' in dense else ends - dense.count(b'\\":')


def _has_duplicates(body: bytes) -> bool:
    """The slow and certain way; only for documents whose quick count doesn't settle it."""

    def members(pairs: list[tuple[str, Any]]) -> None:
        if len({name for name, _ in pairs}) != len(pairs):
            raise _Duplicate

    try:
        json.loads(body, object_pairs_hook=members)
    except _Duplicate:
        return True
    return False


class _Duplicate(Exception):
    pass
