"""Which of a channel's versions a node tries, in which order, and what it says of those that it can't take."""

from __future__ import annotations

from collections.abc import Collection, Iterable

import msgspec

KEPT = 50
"""Versions of a channel that the shared store remembers."""


class ConfigNote(msgspec.Struct, frozen=True, omit_defaults=True):
    """What a node tells of the published configuration: the version it runs (0: none yet), the newest that it couldn't
    take (0: none) and why."""

    channel: str
    number: int = 0
    digest: str = ""
    refused: int = 0
    why: str = ""


def to_try(told: Iterable[bytes | str], current: int) -> list[int]:
    """Versions that are newer than the current one, newest first: a node that was away, or is new, and can't take the
    newest is better off with the one before than with an older one."""
    return sorted((number for number in numbers(told) if number > current), reverse=True)[:KEPT]


def numbers(told: Iterable[bytes | str]) -> list[int]:
    """Those that are version numbers; what else somebody wrote there is passed over."""
    found = []
    for name in told:
        text = name if isinstance(name, str) else name.decode("latin-1")
        if text.isascii() and text.isdecimal() and len(text) < 16 and int(text) > 0:
            found.append(int(text))
    return found


def to_bring_back(told: Collection[int], current: int) -> bool:
    """Has the store forgotten what this node runs, and has nothing newer?"""
    return current > 0 and current > max(told, default=0)


def surplus(told: Iterable[int]) -> list[int]:
    """Versions beyond those that are kept, the oldest."""
    return sorted(told)[:-KEPT]


def following(told: Iterable[int], running: Iterable[int]) -> int:
    """The number of the next version: higher than any that is stored, or that a node runs."""
    return max([0, *told, *running]) + 1
