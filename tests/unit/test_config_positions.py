"""Key path → line, for every way TOML can write a key."""

from __future__ import annotations

import pytest

from edge.config.positions import positions


def test_tables_pairs_and_comments() -> None:
    text = "# first\n\n[a]  # a table\nx = 1\n  [a.b]\n\ty.z = 'q' # = [\n"
    assert positions(text) == {("a",): 3, ("a", "x"): 4, ("a", "b"): 5, ("a", "b", "y"): 6, ("a", "b", "y", "z"): 6}


def test_arrays_of_tables_are_counted_and_nested() -> None:
    text = "[[p]]\n[[p.e]]\nu = 1\n[[p.e]]\nu = 2\n[[p]]\n[[p.e]]\nu = 3\n[p.t]\nv = 4\n"
    lines = positions(text)
    assert lines[("p",)] == 1
    assert lines[("p", 0, "e", 0, "u")] == 3
    assert lines[("p", 0, "e", 1, "u")] == 5
    assert lines[("p", 1)] == 6
    assert lines[("p", 1, "e", 0, "u")] == 8
    assert lines[("p", 1, "t", "v")] == 10


def test_arrays_and_inline_tables_over_several_lines() -> None:
    text = "a = [ # one ]\n  1,\n  { b = [2, 3], c.d = 'x' },\n  [\n  ],\n]\ne = {}\nf = 1979-05-27 07:32:00\n"
    lines = positions(text)
    assert lines[("a", 0)] == 2
    assert lines[("a", 1, "b", 1)] == 3
    assert lines[("a", 1, "c", "d")] == 3
    assert lines[("a", 2)] == 4
    assert lines[("e",)] == 7
    assert lines[("f",)] == 8


@pytest.mark.parametrize(
    "value",
    [
        '"""\nx = 1\n"""',
        '"""a\n\\""" \\\\"""',
        '"""\n""two quotes at the end"""""',
        "'''\n[x]\n'''",
        "'''\nquoted''''",
        '"x = # \\" ]\\\\"\n',
        "'C:\\'\n",
        "[\"\"\"\n]\"\"\", '''\n}''']",
    ],
)
def test_strings_hide_what_they_hold(value: str) -> None:
    text = f"a = {value}\nlast = 1\n"
    lines = positions(text)
    assert lines[("last",)] == text[: text.index("last")].count("\n") + 1
    assert {path[0] for path in lines} == {"a", "last"}


def test_quoted_keys() -> None:
    lines = positions('"a.b" . \'c"d\' = 1\n"\\u0065 x" = 2\n"" = 3\n[\'t\'."u"]\n')
    assert lines == {
        ("a.b",): 1,
        ("a.b", 'c"d'): 1,
        ("e x",): 2,
        ("",): 3,
        ("t",): 4,
        ("t", "u"): 4,
    }


def test_carriage_returns_and_a_missing_last_newline() -> None:
    assert positions("a = 1\r\n\r\n[b]\r\nc = 2") == {("a",): 1, ("b",): 3, ("b", "c"): 4}


@pytest.mark.parametrize("text", ["= 1", "a 1", "a = ['x' 2]", "a = {b = 'x' c = 2}", 'a = "x'])
def test_what_tomllib_would_refuse_ends_with_an_error(text: str) -> None:
    with pytest.raises(ValueError):
        positions(text + "\n")
