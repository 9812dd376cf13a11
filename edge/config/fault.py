"""Faults of a configuration: values that name a place in the file, and the one exception that carries them.

ConfigError             raised by `edge.config.watch.load`; carries every fault that was found
"""

from __future__ import annotations

import json
import re
from collections.abc import Sequence
from dataclasses import dataclass

KeyPath = tuple[str | int, ...]
"""Where a value stands: `("line", 2, "weight")`. Indices count from 0."""

_BARE = re.compile(r"[A-Za-z0-9_-]+")
_SECRET_START = re.compile(r"(?i)\s*((sk|fla?|gsk|xai|ghp)[-_]\S{8,}|(bearer|basic)\s+\S{6,}|(AIza|AKIA)\S{8,})")
_LONG_TOKEN = re.compile(r"(?=.*\d)[A-Za-z0-9+/=_-]{24,}")
_USER_INFO = re.compile(r"//[^/?#]*@")


@dataclass(frozen=True, slots=True)
class Fault:
    """One thing that is wrong. `line` counts from 1; 0 where the file as a whole is meant. Never holds a secret."""

    file: str
    line: int
    key_path: str
    problem: str
    expected: str = ""

    def __str__(self) -> str:
        place = f"{self.file}:{self.line}" if self.line else self.file
        subject = f"{place}: {self.key_path}: " if self.key_path else f"{place}: "
        return f"{subject}{self.problem}; expected {self.expected}" if self.expected else f"{subject}{self.problem}"


class ConfigError(Exception):
    """A configuration was refused. `files` are those it refers to: when one of them changes, try again."""

    def __init__(self, faults: Sequence[Fault], files: Sequence[str] = ()) -> None:
        super().__init__("\n".join(map(str, faults)))
        self.faults = tuple(faults)
        self.files = tuple(files)


def spelled(path: KeyPath) -> str:
    """`line[2].weight`. Keys that aren't bare are quoted; one that looks like a secret is not repeated."""
    parts = ""
    for part in path:
        if isinstance(part, int):
            parts += f"[{part}]"
        else:
            parts += ("." if parts else "") + (
                part if _BARE.fullmatch(part) and not looks_secret(part) else shown(part)
            )
    return parts


def looks_secret(value: str) -> bool:
    """Might this be a key, a token or a URL with a password? Wrong in doubt: it only decides what isn't printed."""
    return is_secret(value) or bool(_LONG_TOKEN.fullmatch(value))


def is_secret(value: str) -> bool:
    """A key of a known shape, a bearer token, or a URL with a user or password."""
    return bool(_SECRET_START.match(value) or _USER_INFO.search(value))


def shown(value: object) -> str:
    """A value as it may stand in a message: short, on one line, and never something that looks like a secret."""
    if isinstance(value, str):
        if looks_secret(value):
            return f"a value of {len(value)} characters (not shown)"
        return json.dumps(value if len(value) <= 60 else value[:57] + "…", ensure_ascii=False)
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, int) and abs(value) >= 10**30:
        return "a huge integer"
    return str(value) if isinstance(value, int | float) else kind(value)


def kind(value: object) -> str:
    """The TOML type of a value, with its article."""
    match value:
        case bool():
            return "a boolean"
        case str():
            return "a string"
        case int():
            return "an integer"
        case float():
            return "a float"
        case list():
            return "an array"
        case dict():
            return "a table"
        case _:
            return "a date or time"
