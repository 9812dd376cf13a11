"""Seconds → blocks of each resolution. What is here is not yet, or not only, in the file.

A cell may come late by as long as its block is open: other workers' cells do. Blocks are open until their time and
`GRACE` are over.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from edge.history.blocks import encode
from edge.history.cell import Cell
from edge.history.spans import TIERS, Tier

GRACE = 15  # seconds


@dataclass(frozen=True, slots=True)
class Block:
    """`begins`: seconds since the epoch."""

    tier: int
    subject: str
    begins: int
    data: bytes


class Rollup:
    """The open blocks of all subjects."""

    def __init__(self) -> None:
        self._open: dict[tuple[int, int], dict[str, dict[int, Cell]]] = {}
        self._changed: set[tuple[int, int, str]] = set()
        self._now = 0

    def add(self, at: int, cells: Mapping[str, Cell]) -> None:
        """What happened in the second `at` (seconds since the epoch). What is closed takes no more."""
        for tier in TIERS:
            begins = at - at % tier.block
            if _is_over(tier.number, begins, self._now):
                continue
            block = self._open.setdefault((tier.number, begins), {})
            number = (at - begins) // tier.step
            for subject, cell in cells.items():
                self._changed.add((tier.number, begins, subject))
                known = block.setdefault(subject, {})
                if number not in known:
                    known[number] = Cell()
                known[number].join(cell)

    def restore(self, tier: int, subject: str, begins: int, cells: dict[int, Cell]) -> None:
        """A block of the file that is still open."""
        self._open.setdefault((tier, begins), {})[subject] = cells

    def changed(self) -> Iterator[Block]:
        """Blocks that are not in the file as they are now. Each is given once."""
        changed, self._changed = self._changed, set()
        for tier, begins, subject in sorted(changed):
            block = self._open.get((tier, begins), {}).get(subject)
            if block is not None:
                yield Block(tier, subject, begins, encode(block))

    def close(self, now: int) -> None:
        """Forgets blocks whose time is over; call it when what `changed` gave is in the file."""
        self._now = max(self._now, now)
        for tier, begins in list(self._open):
            if _is_over(tier, begins, now):
                del self._open[tier, begins]

    def blocks(self, tier: Tier, begins: int, prefix: str) -> list[Block]:
        """Open blocks with cells from `begins` on, of all subjects that begin with `prefix`."""
        return [
            Block(number, subject, block_begins, encode(cells))
            for (number, block_begins), subjects in self._open.items()
            if number == tier.number and block_begins + tier.block > begins
            for subject, cells in subjects.items()
            if subject.startswith(prefix)
        ]


def _is_over(tier: int, begins: int, now: int) -> bool:
    return now >= begins + TIERS[tier].block + GRACE
