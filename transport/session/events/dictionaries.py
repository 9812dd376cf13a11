"""Dictionaries that are part of the format: made-up text in the shapes of the vendors' APIs, the same at every node.

A file never changes once it was released: other text is another number (another version, for events), and nodes keep
the old ones for their peers. They are made by `python -m tests.support.train_dictionaries`.
"""

from __future__ import annotations

import enum
from functools import cache
from pathlib import Path

import zstandard

_FOLDER = Path(__file__).with_name("dictionaries")


class Dictionary(enum.IntEnum):
    """What a request's body is expected to look like: the number that stands before it on the wire."""

    NONE = 1
    CHAT = 2
    RESPONSES = 3
    MESSAGES = 4
    GENERATE = 5


def _load(name: str) -> bytes:
    return (_FOLDER / f"{name}.dict").read_bytes()


@cache
def events() -> bytes:
    """What deflate begins with in streams of version 1."""
    return _load("events-1")


@cache
def bodies(which: Dictionary) -> zstandard.ZstdCompressionDict | None:
    """The trained dictionary, digested once; contexts only read it."""
    if which is Dictionary.NONE:
        return None
    return zstandard.ZstdCompressionDict(_load(f"{which.name.lower()}-1"))


@cache
def heads() -> zstandard.ZstdCompressionDict:
    return zstandard.ZstdCompressionDict(_load("heads-1"))
