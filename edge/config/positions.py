"""Line numbers for a TOML document (TOML 1.0.0, https://toml.io/en/v1.0.0), which tomllib doesn't give.

`positions(text)` maps every key path that tomllib yields, and every array element, to the 1-based line where it first
appears. It walks the text once and reads only what is needed to know where keys and values begin and end: the text
must already have been accepted by tomllib. Escapes in quoted keys are left to tomllib.
"""

from __future__ import annotations

import re
import tomllib
from bisect import bisect_left

from edge.config.fault import KeyPath

_BLANK = re.compile(r"(?:[ \t\r\n]|#[^\n]*)*")  # between statements, and inside arrays
_SPACE = re.compile(r"[ \t]*")
_BARE_KEY = re.compile(r"[A-Za-z0-9_-]+")
_STRINGS = (
    re.compile(r'"""(?:\\.|[^\\])*?"{3,5}', re.DOTALL),  # up to two quotes may stand before the closing three
    re.compile(r"'''.*?'{3,5}", re.DOTALL),
    re.compile(r'"(?:\\.|[^"\\])*"'),
    re.compile(r"'[^']*'"),
)
_SCALAR = re.compile(r"[^,\]}#\n]*")


def positions(text: str) -> dict[KeyPath, int]:
    """Key path → line. Tables and arrays have the line where they are first named.

    Raises:
        RecursionError: nested too deeply.
        ValueError: the text isn't TOML (not every error is noticed: that is tomllib's work).
    """
    scan = _Scan(text)
    scan.document()
    return scan.lines


class _Scan:
    def __init__(self, text: str) -> None:
        self.text = text
        self.at = 0
        self.lines: dict[KeyPath, int] = {}
        self._breaks = [match.start() for match in re.finditer("\n", text)]
        self._lengths: dict[KeyPath, int] = {}  # arrays of tables: how many elements so far

    def document(self) -> None:
        table: KeyPath = ()
        self._skip(_BLANK)
        while self.at < len(self.text):
            table = self._header() if self.text[self.at] == "[" else self._pair(table)
            self._skip(_BLANK)

    def _header(self) -> KeyPath:
        """`[a.b]` or `[[a.b]]`: the path of the table that it opens."""
        start = self.at
        repeated = self.text.startswith("[[", self.at)
        self.at += 2 if repeated else 1
        key = self._key()
        self.at += 2 if repeated else 1
        path: KeyPath = ()
        for part in key[:-1]:
            path = self._latest(self._note((*path, part), start))
        path = self._note((*path, key[-1]), start)
        if not repeated:
            return self._latest(path)
        self._lengths[path] = self._lengths.get(path, 0) + 1
        return self._note(self._latest(path), start)

    def _pair(self, table: KeyPath) -> KeyPath:
        """`a.b = value` in `table`, which is returned."""
        start = self.at
        path = table
        for part in self._key():
            path = self._note((*path, part), start)
        self._expect("=")
        self._skip(_SPACE)
        self._value(path)
        return table

    def _key(self) -> list[str]:
        parts = [self._key_part()]
        while self.text.startswith(".", self.at):
            self.at += 1
            parts.append(self._key_part())
        return parts

    def _key_part(self) -> str:
        self._skip(_SPACE)
        quoted = self.text[self.at : self.at + 1] in ('"', "'")
        raw = self._string() if quoted else self._skip(_BARE_KEY)
        self._skip(_SPACE)
        return raw if not quoted else raw[1:-1] if "\\" not in raw else str(tomllib.loads(f"k = {raw}")["k"])

    def _value(self, path: KeyPath) -> None:
        match self.text[self.at : self.at + 1]:
            case "[":
                self._array(path)
            case "{":
                self._inline_table(path)
            case '"' | "'":
                self._string()
            case _:
                self._skip(_SCALAR)

    def _array(self, path: KeyPath) -> None:
        self.at += 1
        index = 0
        self._skip(_BLANK)
        while self.text[self.at : self.at + 1] != "]":
            self._value(self._note((*path, index), self.at))
            index += 1
            self._skip(_BLANK)
            if self.text[self.at : self.at + 1] != "]":
                self._expect(",")
                self._skip(_BLANK)
        self.at += 1

    def _inline_table(self, path: KeyPath) -> None:
        self.at += 1
        self._skip(_SPACE)
        while self.text[self.at : self.at + 1] != "}":
            self._pair(path)
            self._skip(_SPACE)
            if self.text[self.at : self.at + 1] != "}":
                self._expect(",")
                self._skip(_SPACE)
        self.at += 1

    def _string(self) -> str:
        for pattern in _STRINGS:
            if pattern.match(self.text, self.at):
                return self._skip(pattern)
        raise ValueError("unterminated string")

    def _skip(self, pattern: re.Pattern[str]) -> str:
        match = pattern.match(self.text, self.at)
        if match is None:
            raise ValueError("a key was expected")
        self.at = match.end()
        return match.group()

    def _expect(self, mark: str) -> None:
        if not self.text.startswith(mark, self.at):
            raise ValueError(f"{mark} was expected")
        self.at += 1

    def _note(self, path: KeyPath, offset: int) -> KeyPath:
        self.lines.setdefault(path, bisect_left(self._breaks, offset) + 1)
        return path

    def _latest(self, path: KeyPath) -> KeyPath:
        """In an array of tables, its newest element."""
        length = self._lengths.get(path)
        return path if length is None else (*path, length - 1)
