"""Parsers for single values. Each returns the model's value or raises `Wrong`; none looks at other keys."""

from __future__ import annotations

import math
import re
from typing import Any

from edge.config.fault import KeyPath, kind, shown
from edge.config.reading import Parse, Reading, Wrong

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")


def text(expected: str = "a string", pattern: str = r"[^\x00-\x1f\x7f]{1,256}") -> Parse:
    """A string that matches `pattern` as a whole."""
    matcher = re.compile(pattern)

    def parse(reading: Reading, path: KeyPath, value: object) -> str:
        if not isinstance(value, str):
            raise _mistyped(value, expected)
        if not matcher.fullmatch(value):
            raise Wrong(f"{shown(value)} is not valid" if value else "is empty", expected)
        return value

    return parse


def identifier() -> Parse:
    """An id: it may stand in a URL path, a header and a metrics label."""
    return text("an id of letters, digits, dot, dash or underscore", IDENTIFIER.pattern)


def choice(*words: str) -> Parse:
    """One of a closed set of strings."""

    def parse(reading: Reading, path: KeyPath, value: object) -> str:
        if value not in words or not isinstance(value, str):
            raise Wrong(f"{shown(value)} is not one of them", " | ".join(f'"{word}"' for word in words))
        return value

    return parse


def number(low: float, high: float = math.inf) -> Parse:
    """A finite float or integer in [low, high]."""
    wanted = _range("a number", low, high)

    def parse(reading: Reading, path: KeyPath, value: object) -> float:
        if isinstance(value, bool) or not isinstance(value, int | float):
            raise _mistyped(value, wanted)
        if isinstance(value, float) and not math.isfinite(value):
            raise Wrong(f"{value} is not finite", wanted)
        if not low <= value <= high:
            raise Wrong(_out_of_range(value, low, high), wanted)
        try:
            return float(value)
        except OverflowError:
            raise Wrong(f"{shown(value)} is too large", wanted) from None

    return parse


def integer(low: int, high: int = 2**53) -> Parse:
    """An integer in [low, high]."""
    wanted = _range("an integer", low, high if high < 2**53 else math.inf)

    def parse(reading: Reading, path: KeyPath, value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int):
            raise _mistyped(value, wanted)
        if not low <= value <= high:
            raise Wrong(_out_of_range(value, low, high), wanted)
        return value

    return parse


def flag(reading: Reading, path: KeyPath, value: object) -> bool:
    """true or false."""
    if not isinstance(value, bool):
        raise _mistyped(value, "true or false")
    return value


def listing(item: Parse, least: int = 0) -> Parse:
    """An array of `item`, without repetitions, as a tuple. Every wrong element is a fault of its own."""

    def parse(reading: Reading, path: KeyPath, value: object) -> tuple[Any, ...]:
        if not isinstance(value, list):
            raise Wrong(f"is {kind(value)}", "an array")
        if len(value) < least:
            raise Wrong("is empty", f"at least {least}")
        found: list[Any] = []
        for index, element in enumerate(value):
            try:
                parsed = item(reading, (*path, index), element)
            except Wrong as wrong:
                reading.fault((*path, index), wrong.problem, wrong.expected)
                continue
            if parsed in found:
                reading.fault((*path, index), f"{shown(element)} is there twice")
            found.append(parsed)
        return tuple(found)

    return parse


def coordinates(reading: Reading, path: KeyPath, value: object) -> tuple[float, float]:
    """[latitude, longitude] in degrees."""
    wanted = "[latitude, longitude] in degrees"
    if not isinstance(value, list) or len(value) != 2:
        raise Wrong(f"is {kind(value)}" if not isinstance(value, list) else f"has {len(value)} elements", wanted)
    latitude: float = number(-90, 90)(reading, path, value[0])
    longitude: float = number(-180, 180)(reading, path, value[1])
    return latitude, longitude


def _mistyped(value: object, expected: str) -> Wrong:
    named = f"{shown(value)} " if isinstance(value, str | int | float) else ""
    return Wrong(f"{named}is {kind(value)}", expected)


def _out_of_range(value: float, low: float, high: float) -> str:
    if value < 0 <= low:
        return f"{shown(value)} is negative"
    return f"{shown(value)} is too {'large' if value > high else 'small'}"


def _range(noun: str, low: float, high: float) -> str:
    return f"{noun} ≥ {low:g}" if math.isinf(high) else f"{noun} ≥ {low:g} and ≤ {high:.10g}"
