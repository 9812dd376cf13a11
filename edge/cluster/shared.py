"""Entries that every node may write and that end up the same everywhere: for each name the latest counts.

A last-writer-wins map (Shapiro et al., "A comprehensive study of convergent and commutative replicated data types",
2011, §3.2.1). Merging is commutative, associative and idempotent: order, repetition and the time a node was cut
off don't matter. A stamp is a wall-clock time that never falls behind what its writer has seen (Kulkarni et al.,
"Logical physical clocks", 2014): a node whose clock is slow can still overwrite what it read.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any, NamedTuple

KEPT = 7 * 86_400.0
"""Seconds for which it is remembered that an entry was removed: a node that was away for longer brings it back."""
AHEAD = 3600.0
"""A stamp further in the future than this is a broken clock's, and not believed."""
TICK = 1e-6


class Stamp(NamedTuple):
    """`at`: UTC seconds. Two writers of the same moment are ordered by their names."""

    at: float
    node: str


class Entry(NamedTuple):
    """`value` None: removed."""

    stamp: Stamp
    value: Any


class Shared:
    """One node's copy."""

    def __init__(self, node: str) -> None:
        self.entries: dict[str, Entry] = {}
        self._node = node
        self._latest = 0.0

    def put(self, name: str, value: Any, utc: float) -> Entry:
        """This node writes (`None`: removes). The entry is newer than any that was seen."""
        self._latest = max(utc, self._latest + TICK)
        entry = self.entries[name] = Entry(Stamp(self._latest, self._node), value)
        return entry

    def merge(self, told: Mapping[str, Entry], utc: float) -> list[str]:
        """Others' entries. Returns the names whose value is another now."""
        changed = []
        for name, entry in told.items():
            if entry.stamp.at > utc + AHEAD:
                continue
            self._latest = max(self._latest, entry.stamp.at)
            own = self.entries.get(name)
            if own is None or entry.stamp > own.stamp:
                self.entries[name] = entry
                if (own.value if own is not None else None) != entry.value:
                    changed.append(name)
        return changed

    def newer_than(self, told: Mapping[str, Entry]) -> dict[str, Entry]:
        """What `told` lacks, or has an older version of."""
        return {
            name: entry
            for name, entry in self.entries.items()
            if name not in told or entry.stamp > told[name].stamp
        }  # fmt: skip

    def forget(self, utc: float) -> list[str]:
        """Drops what was removed long ago; returns the names."""
        gone = [name for name, each in self.entries.items() if each.value is None and each.stamp.at < utc - KEPT]
        for name in gone:
            del self.entries[name]
        return gone


def encoded(entry: Entry) -> list[Any]:
    """JSON-ready."""
    return [entry.stamp.at, entry.stamp.node, entry.value]


def decoded(document: object) -> Entry:
    """What `encoded` made. Raises ValueError if it is something else."""
    match document:
        case [float() | int() as at, str() as node, value]:
            return Entry(Stamp(float(at), node), value)
    raise ValueError("not an entry")


def decoded_all(documents: Iterable[tuple[str, object]]) -> dict[str, Entry]:
    """Those that are entries; others are left out: one broken field must not hide the rest."""
    found = {}
    for name, document in documents:
        try:
            found[name] = decoded(document)
        except ValueError:
            continue
    return found
