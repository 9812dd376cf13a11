"""A node's own file and the configuration published for many nodes, as one document that is read like a single file.

What is a node's own (`OWN`) can't be published. Of all else each key has one place: sections are joined key by key,
arrays of tables by id, and what stands in both is a fault, so that nobody has to know which one wins. Lines are joined
by id, too: the node's file says which there are and where they leave, the published one what they are worth; it may
speak of lines that a node doesn't have.
"""

from __future__ import annotations

import re
import tomllib
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from edge.config.fault import Fault, KeyPath, is_secret, shown, spelled
from edge.config.positions import positions

OWN = ("node", "listen", "cluster", "dns", "trace", "history", "edge")
EXITS = ("source", "interface", "proxy")
"""Of a line: how it leaves this machine."""
_NAMED = {"provider": "id", "model": "name", "pool": "id", "key": "id", "admin_key": "id", "relay": "id", "line": "id"}
_SECRETS = '"env:NAME" or "file:PATH": whoever can read the Redis reads what is published'
_WORDS = re.compile(r"[^\s\"'=,\[\]{}]+")


@dataclass(frozen=True, slots=True)
class Layer:
    """One text. `file`: what messages call it."""

    file: str
    document: dict[str, Any]
    lines: Mapping[KeyPath, int]
    is_own: bool

    def fault(self, path: KeyPath, problem: str, expected: str = "") -> Fault:
        return Fault(self.file, self.lines.get(path, 1), spelled(path), problem, expected)


@dataclass(slots=True)
class Joined:
    """`lines` and `files` say where a path of the document stands; a path that isn't in `files` is the node's own."""

    document: dict[str, Any]
    lines: dict[KeyPath, int] = field(default_factory=dict)
    files: dict[KeyPath, str] = field(default_factory=dict)
    faults: list[Fault] = field(default_factory=list)


def layer(text: str, file: str, *, is_own: bool = True) -> Layer:
    """Raises ValueError or RecursionError: it isn't TOML."""
    return Layer(file, tomllib.loads(text), positions(text), is_own)


def unfit(published: Layer, text: str) -> list[Fault]:
    """What may not be published, whatever the nodes' own files say."""
    found = [
        published.fault((name,), "is each node's own, and can't be published", "it in the nodes' own files")
        for name in OWN
        if name in published.document
    ]
    for index, line in enumerate(_tables(published.document.get("line"))):
        found += [
            published.fault(
                ("line", index, name), "is each node's own, and can't be published", "it in the nodes' files"
            )
            for name in EXITS
            if name in line
        ]
    return found + [
        Fault(published.file, number, "", "something that looks like a secret stands there (not shown)", _SECRETS)
        for number, row in enumerate(text.splitlines(), 1)
        if any(map(is_secret, _WORDS.findall(row)))
    ]


def joined(own: Layer, published: Layer) -> Joined:
    """Both as one document, and what stands in both. `published` is fit."""
    found = Joined({})
    for name in dict.fromkeys((*published.document, *own.document)):
        if name not in published.document:
            found.document[name] = own.document[name]
            _copy(found, own, (name,), (name,))
        elif name not in own.document:
            if name == "line":
                continue  # of lines that this node doesn't have
            found.document[name] = published.document[name]
            _copy(found, published, (name,), (name,))
        else:
            _join(found, own, published, name)
    return found


def _join(found: Joined, own: Layer, published: Layer, name: str) -> None:
    mine, theirs = own.document[name], published.document[name]
    if name == "line" and isinstance(mine, list) and isinstance(theirs, list):
        found.document[name] = [_line(found, own, published, index, table) for index, table in enumerate(mine)]
        found.lines[(name,)] = own.lines[(name,)]
    elif name in _NAMED and isinstance(mine, list) and isinstance(theirs, list):
        _arrays(found, own, published, name)
    elif isinstance(mine, dict) and isinstance(theirs, dict):
        found.document[name] = _tables_joined(found, own, published, (name,), (name,), mine, theirs)
    else:
        _twice(found, own, published, (name,), (name,))
        found.document[name] = mine
        _copy(found, own, (name,), (name,))


def _arrays(found: Joined, own: Layer, published: Layer, name: str) -> None:
    """The published ones first: which provider is the first one is for all nodes to know."""
    mine, theirs, key = own.document[name], published.document[name], _NAMED[name]
    merged = list(theirs)
    _copy(found, published, (name,), (name,))
    known = {each[key]: index for index, each in enumerate(theirs) if isinstance(each, dict) and key in each}
    for index, each in enumerate(mine):
        other = known.get(each.get(key)) if isinstance(each, dict) and isinstance(each.get(key), str) else None
        if other is not None:
            _twice(found, own, published, (name, index, key), (name, other, key))
            continue
        _copy(found, own, (name, index), (name, len(merged)))
        merged.append(each)
    found.document[name] = merged


def _line(found: Joined, own: Layer, published: Layer, index: int, table: Any) -> Any:
    where: KeyPath = ("line", index)
    id = table.get("id") if isinstance(table, dict) else None
    others = published.document["line"]
    at = next((number for number, each in enumerate(others) if isinstance(each, dict) and each.get("id") == id), None)
    if id is None or at is None:
        _copy(found, own, where, where)
        return table
    theirs = {name: value for name, value in others[at].items() if name != "id" and name not in EXITS}
    return _tables_joined(found, own, published, where, ("line", at), table, theirs)


def _tables_joined(
    found: Joined,
    own: Layer,
    published: Layer,
    mine_at: KeyPath,
    theirs_at: KeyPath,
    mine: Mapping[str, Any],
    theirs: Mapping[str, Any],
) -> dict[str, Any]:
    """Key by key, under `mine_at`."""
    found.lines[mine_at] = own.lines[mine_at]
    for name in mine:
        _copy(found, own, (*mine_at, name), (*mine_at, name))
    for name in theirs:
        if name in mine:
            _twice(found, own, published, (*mine_at, name), (*theirs_at, name))
        else:
            _copy(found, published, (*theirs_at, name), (*mine_at, name))
    return {**theirs, **mine}


def _twice(found: Joined, own: Layer, published: Layer, mine: KeyPath, theirs: KeyPath) -> None:
    other = published.fault(theirs, "")
    problem = f"stands in {other.file} too (its line {other.line})"
    found.faults.append(own.fault(mine, problem, f"{shown(_last_word(mine))} in one of them"))


def _last_word(path: KeyPath) -> str:
    return next(part for part in reversed(path) if isinstance(part, str))


def _copy(found: Joined, source: Layer, old: KeyPath, new: KeyPath) -> None:
    """The places of `old` and all within it, now at `new`."""
    for path, line in source.lines.items():
        if path[: len(old)] == old:
            moved = (*new, *path[len(old) :])
            found.lines[moved] = line
            if not source.is_own:
                found.files[moved] = source.file


def _tables(value: object) -> list[Mapping[str, Any]]:
    return [each for each in value if isinstance(each, dict)] if isinstance(value, list) else []
