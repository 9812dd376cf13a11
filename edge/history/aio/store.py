"""The history's file: blocks, a journal of what is in no block yet, events. SQLite in a thread of its own.

A killed process loses what came after its last flush, a machine without power perhaps a minute more: the file is never
damaged by it (write-ahead log, https://sqlite.org/wal.html). A file that is damaged all the same is set aside.
"""

from __future__ import annotations

import asyncio
import contextlib
import json
import logging
import sqlite3
from collections.abc import Callable, Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from edge.history.blocks import Damaged, decode, decode_second, encode_second
from edge.history.cell import Cell
from edge.history.rollup import Block
from edge.history.spans import HOURS, HOURS_KEPT, TIERS

log = logging.getLogger("farline.history")

T = TypeVar("T")

FORMAT = 1
MOST_EVENTS = 50_000
_SELECT = "SELECT tier, subject, begins, data FROM block"
_SCHEMA = """
CREATE TABLE IF NOT EXISTS block (
    tier INTEGER, subject TEXT, begins INTEGER, data BLOB, PRIMARY KEY (tier, subject, begins)
) WITHOUT ROWID;
CREATE TABLE IF NOT EXISTS journal (at INTEGER, data BLOB);
CREATE TABLE IF NOT EXISTS event (id INTEGER PRIMARY KEY, at REAL, data TEXT);
CREATE INDEX IF NOT EXISTS event_at ON event (at);
"""


class Store:
    """`path` None: in memory, for as long as the process lives. `days`: how long minutes are kept."""

    def __init__(self, path: Path | None, days: float, max_bytes: int) -> None:
        self.path = path
        self._days = days
        self._max_bytes = max_bytes
        self._thread = ThreadPoolExecutor(1, "history")
        self._database: sqlite3.Connection | None = None

    async def open(self) -> None:
        """Raises OSError or sqlite3.Error: there can be no history at this place."""
        await self._do(self._open)

    async def close(self) -> None:
        with contextlib.suppress(sqlite3.Error):
            await self._do(self._close)
        self._thread.shutdown(wait=False)

    async def journal(self, seconds: Mapping[int, Mapping[str, Cell]], events: Iterable[Mapping[str, Any]]) -> None:
        """What has come since the last call. `events` with `id` and `at_utc`."""
        rows = [(at, encode_second(cells)) for at, cells in seconds.items()]
        told = [(event["id"], event["at_utc"], json.dumps(_without(event, "at_utc"))) for event in events]

        def write(database: sqlite3.Connection) -> None:
            database.executemany("INSERT INTO journal VALUES (?, ?)", rows)
            database.executemany("INSERT OR REPLACE INTO event VALUES (?, ?, ?)", told)

        await self._write(write)

    async def keep(self, blocks: Iterable[Block]) -> None:
        """Blocks as they are now; all that the journal had is in them."""
        rows = [(block.tier, block.subject, block.begins, block.data) for block in blocks]

        def write(database: sqlite3.Connection) -> None:
            database.executemany("INSERT OR REPLACE INTO block VALUES (?, ?, ?, ?)", rows)
            database.execute("DELETE FROM journal")

        await self._write(write)

    async def prune(self, utc: float) -> None:
        """Forgets what is too old, and of minutes the oldest days while the file is larger than it may be."""
        await self._write(lambda database: self._prune(database, utc))

    async def blocks(self, tier: int, prefix: str, begins: int) -> list[Block]:
        """Blocks of subjects that begin with `prefix` and of which some part is not before `begins`."""
        least = begins - TIERS[tier].block
        query = f"{_SELECT} WHERE tier = ? AND subject >= ? AND subject < ? AND begins > ?"

        def read(database: sqlite3.Connection) -> list[Block]:
            return [Block(*row) for row in database.execute(query, (tier, prefix, prefix + "\U0010ffff", least))]

        return await self._do(lambda: read(self._opened()))

    async def subject_blocks(self, tier: int, subject: str, begins: int) -> list[Block]:
        """One subject's."""
        least = begins - TIERS[tier].block
        query = f"{_SELECT} WHERE tier = ? AND subject = ? AND begins > ?"

        def read(database: sqlite3.Connection) -> list[Block]:
            return [Block(*row) for row in database.execute(query, (tier, subject, least))]

        return await self._do(lambda: read(self._opened()))

    async def open_cells(self, utc: float) -> list[tuple[Block, dict[int, Cell]]]:
        """The blocks that were open at `utc` or later, to go on with."""
        found = []
        for tier in TIERS:
            for block in await self.blocks(tier.number, "", int(utc)):
                with contextlib.suppress(Damaged):
                    found.append((block, decode(block.data)))
        return found

    async def journaled(self) -> list[tuple[int, dict[str, Cell]]]:
        """Seconds that are in no block yet."""
        rows = await self._do(lambda: self._opened().execute("SELECT at, data FROM journal").fetchall())
        found = []
        for at, data in rows:
            with contextlib.suppress(Damaged):
                found.append((at, decode_second(data)))
        return found

    async def events(self, begins: float, most: int) -> list[dict[str, Any]]:
        """The newest since `begins` (seconds since the epoch), oldest first."""
        query = "SELECT data FROM event WHERE at >= ? ORDER BY id DESC LIMIT ?"
        rows = await self._do(lambda: self._opened().execute(query, (begins, most)).fetchall())
        return [json.loads(row[0]) for row in reversed(rows)]

    async def run(self, work: Callable[[], T]) -> T:
        """Work with blocks that takes long, in the thread."""
        return await self._do(work)

    async def size(self) -> int:
        """Bytes that the blocks, the journal and the events take."""
        return await self._do(lambda: _size(self._opened()))

    # --- in the thread ---

    def _open(self) -> None:
        try:
            self._database = self._connect()
        except sqlite3.DatabaseError as error:
            if self.path is None or isinstance(error, sqlite3.OperationalError):
                raise
            log.error("%s can't be read, history begins anew: %s", self.path, error)
            self.path.replace(self.path.with_suffix(".unreadable"))
            self._database = self._connect()

    def _connect(self) -> sqlite3.Connection:
        if self.path is not None:
            self.path.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
        database = sqlite3.connect(self.path or ":memory:", timeout=1.0)
        try:
            database.execute("PRAGMA auto_vacuum = INCREMENTAL")
            database.execute("PRAGMA journal_mode = WAL")
            database.execute("PRAGMA synchronous = NORMAL")
            database.execute(f"PRAGMA journal_size_limit = {16 * 1024**2}")
            if database.execute("PRAGMA user_version").fetchone()[0] not in (0, FORMAT):
                raise sqlite3.DatabaseError("written by another version")
            database.executescript(_SCHEMA)
            database.execute(f"PRAGMA user_version = {FORMAT}")
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _close(self) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None

    def _opened(self) -> sqlite3.Connection:
        if self._database is None:
            raise sqlite3.OperationalError("the history isn't open")
        return self._database

    def _prune(self, database: sqlite3.Connection, utc: float) -> None:
        for tier in TIERS:
            kept = min(tier.kept or self._days * 86_400, self._days * 86_400)
            if tier is HOURS and self.path is not None:
                kept = max(kept, HOURS_KEPT)
            database.execute("DELETE FROM block WHERE tier = ? AND begins < ?", (tier.number, utc - kept - tier.block))
        database.execute("DELETE FROM event WHERE at < ?", (utc - self._days * 86_400,))
        database.execute(
            "DELETE FROM event WHERE id <= (SELECT max(id) FROM event) AND id NOT IN "
            "(SELECT id FROM event ORDER BY id DESC LIMIT ?)",
            (MOST_EVENTS,),
        )
        while _size(database) > self._max_bytes:
            oldest = database.execute("SELECT min(begins) FROM block WHERE tier = 2").fetchone()[0]
            if oldest is None or oldest > utc - 86_400:
                break
            database.execute("DELETE FROM block WHERE tier = 2 AND begins < ?", (oldest + 86_400,))
        database.execute("PRAGMA incremental_vacuum")

    async def _write(self, work: Callable[[sqlite3.Connection], None]) -> None:
        """Raises sqlite3.Error: nothing of it is in the file."""

        def write() -> None:
            database = self._opened()
            with database:  # one transaction
                work(database)

        await self._do(write)

    async def _do(self, work: Callable[[], T]) -> T:
        return await asyncio.get_running_loop().run_in_executor(self._thread, work)


def _size(database: sqlite3.Connection) -> int:
    pages, free, size = (
        int(database.execute(f"PRAGMA {name}").fetchone()[0]) for name in ("page_count", "freelist_count", "page_size")
    )
    return (pages - free) * size


def _without(document: Mapping[str, Any], name: str) -> dict[str, Any]:
    return {key: value for key, value in document.items() if key != name}
