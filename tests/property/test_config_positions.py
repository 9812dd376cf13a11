"""Every key path that tomllib yields has a line, and that line holds the key."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator
from typing import Any

from hypothesis import given, settings
from hypothesis import strategies as st

from edge.config.fault import KeyPath
from edge.config.positions import positions

BLANKS = st.sampled_from(["", " ", "\t", "  "])
ENDS = st.sampled_from(["\n", "\r\n", " # note [x] = 'y'\n", "\n\n", "\n# [[z]]\n"])
BARE = st.text("ab1-_", min_size=1, max_size=3)
QUOTED = st.text("ab .=[]#", max_size=4)


@st.composite
def keys(draw: st.DrawFn) -> tuple[str, str]:
    """A key and how it is written."""
    if draw(st.booleans()):
        key = draw(BARE)
        return key, key
    key = draw(QUOTED)
    return key, draw(st.sampled_from([f'"{key}"', f"'{key}'"]))


SCALARS = st.sampled_from(
    ["1", "-0.5", "true", "1979-05-27 07:32:00", '"a # ]"', "'}'", '"\\"x"', '"""\nk = 1\n"""', "'''\n[t]\n''''", '""']
)


def arrays(values: st.SearchStrategy[str]) -> st.SearchStrategy[str]:
    gap = st.sampled_from(["", " ", "\n", " # c, ]\n "])
    element = st.tuples(gap, values, gap).map("".join)
    return st.tuples(st.lists(element, max_size=3), gap).map(lambda parts: f"[{','.join(parts[0])}{parts[1]}]")


@st.composite
def inline_tables(draw: st.DrawFn, values: st.SearchStrategy[str]) -> str:
    pairs = draw(st.dictionaries(keys().map(lambda key: key[1]), values, max_size=3))
    blank = draw(BLANKS)
    return "{" + ",".join(f"{blank}{key}{blank}={blank}{value}{blank}" for key, value in pairs.items()) + "}"


VALUES = st.recursive(SCALARS, lambda inner: arrays(inner) | inline_tables(inner), max_leaves=5)


@st.composite
def statements(draw: st.DrawFn) -> str:
    written = draw(BLANKS).join([".".join(key for _, key in draw(st.lists(keys(), min_size=1, max_size=3)))])
    indent, end = draw(BLANKS), draw(ENDS)
    match draw(st.integers(0, 3)):
        case 0:
            return f"{indent}[{written}]{end}"
        case 1:
            return f"{indent}[[ {written} ]]{end}"
        case _:
            return f"{indent}{written} = {draw(VALUES)}{end}"


def accepted(parts: list[str]) -> str:
    """The statements that tomllib takes, one after the other: most random documents would be refused as a whole."""
    text = ""
    for part in parts:
        try:
            tomllib.loads(text + part)
        except tomllib.TOMLDecodeError:
            continue
        text += part
    return text


DOCUMENTS = st.lists(statements(), max_size=12).map(accepted)


def paths(value: Any, path: KeyPath = ()) -> Iterator[KeyPath]:
    if path:
        yield path
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, inner in items:
        yield from paths(inner, (*path, key))


@settings(max_examples=120, deadline=None)
@given(DOCUMENTS)
def test_every_path_has_a_line_that_holds_its_key(text: str) -> None:
    found = positions(text)
    assert set(found) == set(paths(tomllib.loads(text)))
    source = text.split("\n")
    for path, line in found.items():
        named = [part for part in path if isinstance(part, str)][-1]
        assert isinstance(path[-1], int) or named in source[line - 1], (path, line)
