"""Reading tables by a list of the keys they may have, collecting every fault on the way.

A parser gets `(reading, path, value)` and returns the model's value or raises `Wrong`. `Reading.fields` runs the
parsers of one table; what was wrong becomes a fault and is left out, so that reading can go on with the default.
"""

from __future__ import annotations

import difflib
import posixpath
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from edge.config.fault import Fault, KeyPath, kind, looks_secret, spelled
from edge.config.unavailable import absent

STAND_IN = "\0"
"""Begins names that stand in for missing ones while reading goes on; no name in a file can begin so."""


class Wrong(Exception):
    """A value is not what it should be: the problem, and what was expected. Neither repeats a secret."""

    def __init__(self, problem: str, expected: str = "") -> None:
        super().__init__(problem)
        self.problem = problem
        self.expected = expected


Parse = Callable[["Reading", KeyPath, object], Any]


@dataclass(frozen=True, slots=True)
class Key:
    """One key of a section: its name in the file, its parser, the model's field if that has another name."""

    name: str
    parse: Parse
    into: str = ""
    required: bool = False

    @property
    def field(self) -> str:
        return self.into or self.name


class Reading:
    """One pass over one file: where things stand in it, what it may look at, and the faults found so far."""

    def __init__(
        self,
        file: str,
        lines: Mapping[KeyPath, int],
        environment: Mapping[str, str],
        read_file: Callable[[str], bytes],
        published: Mapping[KeyPath, str] | None = None,
    ) -> None:
        self.file = file
        self.environment = environment
        self.faults: list[Fault] = []
        self.files: dict[str, None] = {}  # those referred to, in order
        self._lines = lines
        self._read_file = read_file
        self._published = published or {}  # paths that don't stand in the file, and what they stand in

    def fault(self, path: KeyPath, problem: str, expected: str = "") -> None:
        """Notes a fault at the line of `path`, or of the nearest thing around it."""
        at = self._nearest(path)
        file = self._published.get(at, self.file)
        self.faults.append(Fault(file, self._lines.get(at, 1), spelled(path), problem, expected))

    def has(self, path: KeyPath) -> bool:
        """Does the file say anything there?"""
        return path in self._lines

    def _nearest(self, path: KeyPath) -> KeyPath:
        while path and path not in self._lines:
            path = path[:-1]
        return path

    def fields(self, path: KeyPath, table: Mapping[str, object], keys: tuple[Key, ...]) -> dict[str, Any]:
        """The model's fields that `table` sets rightly."""
        known = {key.name: key for key in keys}
        found: dict[str, Any] = {}
        for name, value in table.items():
            where = (*path, name)
            row = absent(where, value)
            if row is not None:
                self.fault(where, "is not available in this version", row.expected)
            elif name in known:
                self._parse_into(found, known[name], where, value)
            else:
                self.unknown(where, known)
        for key in keys:
            if key.required and key.name not in table:
                self.fault(path, f"{key.name} is missing")
        return found

    def _parse_into(self, found: dict[str, Any], key: Key, where: KeyPath, value: object) -> None:
        try:
            found[key.field] = key.parse(self, where, value)
        except Wrong as wrong:
            self.fault(where, wrong.problem, wrong.expected)

    def unknown(self, path: KeyPath, known: Iterable[str]) -> None:
        """An unknown key or section, with the nearest known one."""
        near = difflib.get_close_matches(str(path[-1]), list(known), 1)
        self.fault(path, "is unknown" + (f"; did you mean {near[0]}?" if near else ""))

    def table(self, value: object) -> Mapping[str, object]:
        """A section that stands once.

        Raises:
            Wrong: it isn't a table.
        """
        if not isinstance(value, dict):
            raise Wrong(f"is {kind(value)}", "a table")
        return value

    def tables(self, path: KeyPath, value: object) -> list[tuple[KeyPath, Mapping[str, object]]]:
        """The elements of an array of tables with their paths; anything else in their place is a fault."""
        if not isinstance(value, list):
            raise Wrong(f"is {kind(value)}", f"an array of tables, [[{'.'.join(section_of(path))}]]")
        found: list[tuple[KeyPath, Mapping[str, object]]] = []
        for index, element in enumerate(value):
            if isinstance(element, dict):
                found.append(((*path, index), element))
            else:
                self.fault((*path, index), f"is {kind(element)}", "a table")
        return found

    def resolve(self, path: str) -> str:
        """A file named in the configuration; relative names are relative to the configuration file."""
        return posixpath.join(posixpath.dirname(self.file), path)

    def content(self, path: str) -> tuple[str, bytes]:
        """A file referred to: its resolved name and its content.

        Raises:
            Wrong: it can't be read.
        """
        name = self.resolve(path)
        self.files[name] = None
        try:
            return name, self._read_file(name)
        except (OSError, ValueError) as error:  # ValueError: a NUL in the name
            reason = error.strerror if isinstance(error, OSError) and error.strerror else "not a file name"
            told = "the file" if looks_secret(path) or looks_secret(posixpath.basename(name)) else name
            raise Wrong(f"{told} can't be read: {reason}", "a readable file") from None


def section_of(path: KeyPath) -> list[str]:
    """The path without indices: how its section is written in the file."""
    return [part for part in path if isinstance(part, str)]
