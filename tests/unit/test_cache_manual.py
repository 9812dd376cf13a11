"""docs/cache.md says what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from cache.directives import __doc__ as directives_text
from cache.fields import HEADERS, LEFT_OUT, QUERY_LEFT_OUT
from cache.nature import _EFFECT_MEMBERS, _OUTSIDE_MEMBERS, OPERATIONS

MANUAL = Path(__file__).resolve().parents[2].joinpath("docs", "cache.md").read_text()


def row(start: str) -> str:
    return next(line for line in MANUAL.splitlines() if line.startswith(start))


def named(text: str) -> set[str]:
    return set(re.findall(r"`([^`]+)`", text))


@pytest.mark.parametrize("dialect", LEFT_OUT)
def test_members_left_out(dialect: str) -> None:
    assert named(row(f"| {dialect} |")) == LEFT_OUT[dialect]


def test_headers_and_query() -> None:
    assert named(row("| header fields |")) == {name.decode() for name in HEADERS}
    assert named(row("| query |")) == QUERY_LEFT_OUT


def test_reasons() -> None:
    assert named(row("| `store: false`")) == {"store: false", *_EFFECT_MEMBERS}
    assert set(_OUTSIDE_MEMBERS) <= named(row("| `a file or URL`"))
    for operation in OPERATIONS:
        assert operation in row("| `operation`")


def test_what_callers_can_say() -> None:
    assert directives_text is not None
    for line in directives_text.splitlines():
        if line.startswith("| `"):
            assert row(line.split(" | ")[0] + " |")
