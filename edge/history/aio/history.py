"""History as the node has it: a second's clock, the file, the other workers' cells, and answers."""

from __future__ import annotations

import asyncio
import logging
import sqlite3
import time
from collections.abc import Awaitable, Callable, Iterable, Mapping
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec

from edge.config.model import History as Wanted
from edge.history.aio.store import Store
from edge.history.blocks import Damaged, decode
from edge.history.cell import Cell
from edge.history.recorder import ATTEMPTS, NODE, RELAYS, Recorder
from edge.history.rollup import Block, Rollup
from edge.history.series import columns, points, summary
from edge.history.spans import Span, Tier

log = logging.getLogger("farline.history")

FETCH_SECONDS = 2
FLUSH_SECONDS = 10
KEEP_SECONDS = 300
PRUNE_SECONDS = 3600
FOREVER = 2**62
TELLING_SECONDS = 60  # for how long a worker's cells can be fetched by the first one
FILE = "history.sqlite"
MEMORY_DAYS = 0.25
MEMORY_BYTES = 64 * 1024**2

Seconds = dict[int, dict[str, Cell]]
_SECONDS = msgspec.json.Decoder(Seconds)


@dataclass(frozen=True, slots=True)
class Sources:
    """What history asks of the node. `look`: called every second, to tell the recorder of standings; `events`: what
    came after an id; `others`: the cells of other workers since a second, as they told them."""

    look: Callable[[Recorder], None]
    events: Callable[[int], Iterable[Mapping[str, Any]]] = lambda since: ()
    others: Callable[[int], Awaitable[Iterable[str]]] | None = None


class History:
    """One per worker; only the first worker's has a file and answers. `state_dir` None: in memory, for hours."""

    def __init__(self, wanted: Wanted, state_dir: str | None, sources: Sources, *, keeps: bool = True) -> None:
        self.recorder = Recorder()
        self.days = wanted.days if state_dir is not None and wanted.days else MEMORY_DAYS
        path = Path(state_dir) / FILE if state_dir is not None and wanted.days else None
        self._store = Store(path, self.days, round(wanted.max_mb * 1e6) if path is not None else MEMORY_BYTES)
        self._sources = sources
        self._keeps = keeps
        self._rollup = Rollup()
        self._pending: Seconds = {}
        self._told: Seconds = {}  # by this worker alone, for the first one to fetch
        self._last_event = 0
        self._last_fetched = 0
        self._last_turn = 0
        self._is_failing = False
        self._is_open = asyncio.Event()  # questions that come before wait

    @property
    def path(self) -> Path | None:
        return self._store.path

    async def run(self) -> None:
        """Until cancelled; then what is there is saved."""
        await self.open()
        try:
            while True:
                await asyncio.sleep(1.0 - time.time() % 1.0)
                await self.turn(int(time.time()) - 1)
        finally:
            await self.close()

    def since(self, second: int) -> bytes:
        """This worker's cells after the second, for the first worker."""
        return msgspec.json.encode({at: cells for at, cells in self._told.items() if at > second})

    async def open(self) -> None:
        """Takes up what the file has; where there can be none, history is in memory."""
        if not self._keeps:
            return
        try:
            await self._store.open()
        except (OSError, sqlite3.Error) as error:
            log.error("%s: no history on disk, only in memory: %s", self._store.path, error)
            self._store = Store(None, MEMORY_DAYS, MEMORY_BYTES)
            await self._store.open()
        journaled = await self._store.journaled()
        begins = min((at for at, _ in journaled), default=int(time.time()))
        for block, known in await self._store.open_cells(begins):
            self._rollup.restore(block.tier, block.subject, block.begins, known)
        for at, cells in journaled:
            self._rollup.add(at, cells)
        self._is_open.set()

    async def close(self) -> None:
        """Saves what isn't saved."""
        if self._keeps:
            await self._save()
            await self._store.close()

    async def turn(self, at: int) -> None:
        """The second `at` (since the epoch) is over."""
        self._sources.look(self.recorder)
        cells = self.recorder.take()
        if not self._keeps:
            self._told[at] = cells
            for old in [second for second in self._told if second < at - TELLING_SECONDS]:
                del self._told[old]
            return
        self._take(at, cells)
        before, self._last_turn = self._last_turn or at - 1, at
        if self._sources.others is not None and _is_due(FETCH_SECONDS, before, at):
            await self._fetch()
        if _is_due(PRUNE_SECONDS, before, at):
            await self._tried(self._store.prune(at))
        if _is_due(KEEP_SECONDS, before, at):
            await self._save()
            self._rollup.close(at)
        elif _is_due(FLUSH_SECONDS, before, at):
            await self._flush()

    def _take(self, at: int, cells: Mapping[str, Cell]) -> None:
        self._rollup.add(at, cells)
        known = self._pending.setdefault(at, {})
        for subject, cell in cells.items():
            known.setdefault(subject, Cell()).join(cell)

    async def _fetch(self) -> None:
        assert self._sources.others is not None
        newest = self._last_fetched
        for told in await self._sources.others(self._last_fetched):
            for at, cells in _SECONDS.decode(told).items():
                self._take(at, cells)
                newest = max(newest, at)
        self._last_fetched = newest

    async def _flush(self) -> None:
        pending, self._pending = self._pending, {}
        events = list(self._sources.events(self._last_event))
        self._last_event = max([self._last_event, *(event["id"] for event in events)])
        timed = [{**event, "at_utc": datetime.fromisoformat(event["at"]).timestamp()} for event in events]
        await self._tried(self._store.journal(pending, timed))

    async def _save(self) -> None:
        await self._flush()
        await self._tried(self._store.keep(list(self._rollup.changed())))

    async def _tried(self, work: Awaitable[None]) -> None:
        """A full disk costs history, not the node. Said once, and once when it works again."""
        try:
            await work
        except sqlite3.Error as error:
            if not self._is_failing:
                log.error("%s: history isn't written: %s", self._store.path, error)
            self._is_failing = True
        else:
            if self._is_failing:
                log.info("%s: history is written again", self._store.path)
            self._is_failing = False

    # --- answers ---

    async def series(
        self, kind: str, id: str | None, span: Span, since: int = 0, until: int | None = None
    ) -> dict[str, Any]:
        """Columns of one subject of a kind, or of all (`id` None), by id. `since`: only points from this second on;
        `until` (None: now): only those that begin before."""
        end = int(time.time()) if until is None else until
        begins = max(end - span.seconds, since)
        begins -= begins % span.step
        prefix = f"{kind}:" if id is None else f"{kind}:{id}"
        found = await self._blocks(span.tier, prefix, begins, is_prefix=id is None)
        totals = await self._blocks(span.tier, ATTEMPTS, begins, is_prefix=False)

        def make() -> dict[str, Any]:
            known = _cells(found, span.tier, begins, end)
            by_subject = {subject: points(cells, span.step) for subject, cells in known.items()}
            attempts = points(_cells(totals, span.tier, begins, end).get(ATTEMPTS, {}), span.step)
            requests = {at: cell.requests for at, cell in attempts.items()}
            return {
                subject.partition(":")[2]: columns(each, span.step, requests, of_relay=kind == RELAYS)
                for subject, each in by_subject.items()
            }

        told = await self._store.run(make)
        return {"span": span.name, "begins": begins, "ends": end, "step_seconds": span.step, "series": told}

    async def sums(self, kind: str, tier: Tier, begins: int, ends: int = FOREVER) -> dict[str, Any]:
        """Figures of all subjects of a kind from `begins` to `ends`, by id; of kind `node` there is one, "node"."""
        begins -= begins % tier.step
        prefix = f"{kind}:" if kind != NODE else NODE
        found = await self._blocks(tier, prefix, begins, is_prefix=True)

        def make() -> dict[str, Any]:
            return {
                subject.partition(":")[2] or subject: summary(cells.values(), of_relay=kind == RELAYS)
                for subject, cells in _cells(found, tier, begins, ends).items()
            }

        return {"begins": begins, "sums": await self._store.run(make)}

    async def events(self, begins: float, most: int) -> list[dict[str, Any]]:
        """What happened since, oldest first: what was saved, and what is newer."""
        await self._is_open.wait()
        saved = await self._store.events(begins, most)
        last = max((event["id"] for event in saved), default=0)
        newer = [dict(event) for event in self._sources.events(max(last, self._last_event))]
        return [*saved, *newer][-most:]

    async def size(self) -> int:
        """Bytes on disk or in memory."""
        await self._is_open.wait()
        return await self._store.size()

    async def _blocks(self, tier: Tier, name: str, begins: int, *, is_prefix: bool) -> list[Block]:
        """Those of the file, then those that are open, which know more."""
        await self._is_open.wait()
        if is_prefix:
            saved = await self._store.blocks(tier.number, name, begins)
        else:
            saved = await self._store.subject_blocks(tier.number, name, begins)
        opened = self._rollup.blocks(tier, begins, name)
        return [*saved, *(block for block in opened if is_prefix or block.subject == name)]


def _is_due(every: int, before: int, at: int) -> bool:
    """Has a multiple of `every` come? A busy loop may leave out the very second."""
    return at // every != before // every


def _cells(blocks: Iterable[Block], tier: Tier, begins: int, ends: int) -> dict[str, dict[int, Cell]]:
    """Cells by subject and by the second, from `begins` to `ends`, at which each begins; a later block replaces one of
    the same time."""
    latest = {(block.subject, block.begins): block.data for block in blocks}
    found: dict[str, dict[int, Cell]] = {}
    for (subject, block_begins), data in sorted(latest.items()):
        try:
            cells = decode(data)
        except Damaged as error:
            log.warning("%s: a block of history can't be read: %s", subject, error)
            continue
        known = found.setdefault(subject, {})
        for number, cell in cells.items():
            at = block_begins + number * tier.step
            if begins <= at < ends:
                known[at] = cell
    return found
