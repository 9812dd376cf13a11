"""Reads the members of a JSON object that may be cut anywhere, without decoding what nobody asked for.

A request body can be a gigabyte of base64 images of which only the first megabytes are held. `members` walks the
object's top level: names are read, wanted values cut out, all other values skipped with `bytes.find` (strings) and a
search for the next bracket or quote (containers). Nothing here raises for bad JSON: the walk ends where sense ends.
Grammar: RFC 8259.
"""

from __future__ import annotations

import re
from collections.abc import Collection, Iterator
from typing import Any, TypeVar

import msgspec

T = TypeVar("T")

_STRUCTURE = re.compile(rb'["{}\[\]]')
_SPACE = re.compile(rb"[ \t\r\n]*")
_SCALAR = re.compile(rb"[^,}\]\s]+")
_OPENING = b"{["
_DECODERS: dict[type, msgspec.json.Decoder[Any]] = {}  # by what they decode: a handful of types


def skip_space(data: bytes, at: int) -> int:
    """Index of the first byte from `at` that isn't JSON white space."""
    match = _SPACE.match(data, at)
    return match.end() if match else at


def string_end(data: bytes, at: int) -> int:
    """Index after the closing quote of the string whose opening quote is at `at`; -1 if it is cut."""
    start = at + 1
    while (quote := data.find(b'"', start)) >= 0:
        slash = quote - 1
        while slash > at and data[slash] == 0x5C:
            slash -= 1
        if (quote - slash) % 2:  # an even number of backslashes before it: it isn't escaped
            return quote + 1
        start = quote + 1
    return -1


def value_end(data: bytes, at: int) -> int:
    """Index after the value that begins at `at`; -1 if it is cut. A number at the very end counts as cut."""
    first = data[at : at + 1]
    if first == b'"':
        return string_end(data, at)
    if first and first in _OPENING:
        return _container_end(data, at)
    scalar = _SCALAR.match(data, at)
    return scalar.end() if scalar and scalar.end() < len(data) else -1


def _container_end(data: bytes, at: int) -> int:
    depth = 0
    while match := _STRUCTURE.search(data, at):
        at = match.end()
        byte = match.group()
        if byte == b'"':
            at = string_end(data, at - 1)
            if at < 0:
                return -1
        elif byte in _OPENING:
            depth += 1
        else:
            depth -= 1
            if depth == 0:
                return at
    return -1


def members(data: bytes, wanted: Collection[bytes]) -> dict[bytes, bytes]:
    """The raw values of the `wanted` top-level members, as far as `data` shows them.

    A wanted value that is cut is given as far as it goes, so that a cut `tools` array still shows that there is one;
    a name that occurs twice has its last value, as JSON parsers do. Stops when all wanted names have been seen.
    """
    found: dict[bytes, bytes] = {}
    for name, start, end in _top_level(data):
        if name in wanted and start < len(data):
            found[name] = data[start:] if end < 0 else data[start:end]
            if len(found) == len(wanted):
                break
    return found


def member_span(data: bytes, name: bytes) -> tuple[int, int] | None:
    """Where the whole value of the last top-level member `name` stands, as far as `data` shows; None if nowhere."""
    span = None
    for found, start, end in _top_level(data):
        if found == name and end > 0:
            span = (start, end)
    return span


def _top_level(data: bytes) -> Iterator[tuple[bytes, int, int]]:
    """(name, start of the value, its end or -1 if it is cut) of each member, as far as there is sense in them."""
    at = skip_space(data, 0)
    if data[at : at + 1] != b"{":
        return
    at = skip_space(data, at + 1)
    while data[at : at + 1] == b'"':
        end = string_end(data, at)
        colon = skip_space(data, end) if end > 0 else len(data)
        if data[colon : colon + 1] != b":":
            return
        name = data[at + 1 : end - 1]
        at = skip_space(data, colon + 1)
        end = value_end(data, at)
        yield name, at, end
        if end < 0:
            return
        at = skip_space(data, end)
        if data[at : at + 1] != b",":
            return
        at = skip_space(data, at + 1)


def value(raw: bytes | None, kind: type[T]) -> T | None:
    """`raw` decoded as `kind`, or None if it is something else, cut, or absent."""
    if raw is None:
        return None
    try:
        decoder = _DECODERS.get(kind) or _DECODERS.setdefault(kind, msgspec.json.Decoder(kind))
        found: T = decoder.decode(raw)
        return found
    except (msgspec.DecodeError, ValueError, RecursionError):
        return None


def is_filled(raw: bytes | None) -> bool:
    """Is `raw` an array or object with something in it (or cut before one could tell that there is not)?"""
    if not raw or raw[:1] not in (b"[", b"{"):
        return False
    at = skip_space(raw, 1)
    return raw[at : at + 1] not in (b"]", b"}", b"")


def last_objects(data: bytes, name: bytes, limit: int = 8) -> list[bytes]:
    """Objects that are the value of a member `name` at any depth, last first; at most `limit` places are looked at.

    A quoted name followed by a colon can't occur inside a JSON string, where its quotes would be escaped.
    """
    found: list[bytes] = []
    quoted = b'"' + name + b'"'
    at = len(data)
    for _ in range(limit):
        at = data.rfind(quoted, 0, at)
        if at < 0:
            break
        colon = skip_space(data, at + len(quoted))
        start = skip_space(data, colon + 1)
        if data[colon : colon + 1] == b":" and data[start : start + 1] == b"{":
            end = value_end(data, start)
            if end > 0:
                found.append(data[start:end])
    return found


def is_truthy(raw: bytes | None) -> bool:
    """Would JavaScript or Python take the value for true? (A cut one: if anything of it is there.)"""
    if raw is None or raw in (b"null", b"false", b"0", b'""'):
        return False
    return is_filled(raw) if raw[:1] in (b"[", b"{") else raw != b""
