"""The store on this node's disk: one SQLite file, used by one thread.

Write-ahead logging with `synchronous=NORMAL`: what was committed survives the process's death at any moment; after a
power cut the file is intact, and the newest entries may be missing. A file that SQLite calls damaged is put aside and
a new one begun. Each entry's own checksum is the last word (cache/seal.py).

Bounded: entries that expired go first, then those not asked for longest. The bound is for the entries; free space in
the file is used again. Pages are seldom full, so the file may be up to twice as large (`max_page_count`).
"""

from __future__ import annotations

import asyncio
import logging
import sqlite3
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path
from threading import BoundedSemaphore
from time import time
from typing import Any, TypeVar

from cache.aio.store import StoreError, StoreStats
from cache.key import Key
from cache.purge import Purge

T = TypeVar("T")

_log = logging.getLogger(__name__)

_SCHEMA_VERSION = 1
_SCHEMA = """
CREATE TABLE entry (digest BLOB PRIMARY KEY, tenant TEXT NOT NULL, provider TEXT NOT NULL, model TEXT NOT NULL,
                    expires REAL NOT NULL, used INTEGER NOT NULL, size INTEGER NOT NULL, blob BLOB NOT NULL);
CREATE INDEX entry_used ON entry (used);
CREATE INDEX entry_expires ON entry (expires);
"""
_PAGE_BYTES = 4096
_SPARE_PAGES = 256
_ROW_BYTES = 200  # of a row beside its blob, and its share of the indices
_MOST_WAITING = 256  # writes; more than this and the disk is too slow for what comes: they are left out
_MOST_USES = 64  # hits written down together


class _OtherVersion(sqlite3.DatabaseError):
    pass


class DiskStore:
    """`path` is the database's file; its directory must exist. Opened by the first call."""

    def __init__(self, path: Path, max_bytes: int, clock_utc: Callable[[], float] = time) -> None:
        self._path = path
        self._max_bytes = max_bytes
        self._clock = clock_utc
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="cache-disk")
        self._room = BoundedSemaphore(_MOST_WAITING)
        self._left_out = 0
        self._evictions = 0
        self._database: sqlite3.Connection | None = None
        self._used_bytes = 0
        self._tick = 0  # counts uses; an order, not a time
        self._uses: dict[bytes, int] = {}

    async def get(self, key: Key) -> bytes | None:
        return await self._run(lambda: self._get(key.digest))

    async def put(self, key: Key, blob: bytes, ttl: float) -> None:
        if not self._room.acquire(blocking=False):
            self._left_out += 1
            raise StoreError("the disk is behind")
        await self._run(lambda: self._put(key, blob, ttl), lambda _: self._room.release())

    async def delete(self, key: Key) -> None:
        await self._run(lambda: self._delete([key.digest]))

    async def purge(self, purge: Purge) -> int:
        return await self._run(lambda: self._purge(purge))

    async def stats(self) -> tuple[StoreStats, ...]:
        return (await self._run(self._stats),)

    async def close(self) -> None:
        """Writes down what is known of uses, and lets go of the file."""
        await self._run(self._close)
        self._thread.shutdown(wait=False)

    async def _run(self, work: Callable[[], T], ended: Callable[[Future[T]], None] = lambda _: None) -> T:
        """In the store's thread. If the caller stops waiting, work that has begun goes on; `ended` is called after."""
        try:
            job = self._thread.submit(self._work, work)
            job.add_done_callback(ended)
            return await asyncio.wrap_future(job)
        except (sqlite3.Error, OSError, ValueError, RuntimeError) as error:  # RuntimeError: the thread was shut down
            raise StoreError(str(error)) from error

    # --- in the thread ---

    def _work(self, work: Callable[[], T]) -> T:
        """Once more on a new file, if it turns out that the file is damaged."""
        try:
            return work()
        except sqlite3.DatabaseError as error:
            if not _is_damage(error):
                raise
            self._put_aside(error)
            return work()

    def _open(self) -> sqlite3.Connection:
        if self._database is None:
            self._database = self._opened()
        return self._database

    def _opened(self) -> sqlite3.Connection:
        self._path.touch(mode=0o600)  # answers are nobody else's business; SQLite's other files get the same mode
        database = sqlite3.connect(self._path, isolation_level=None, check_same_thread=False, timeout=1.0)
        try:
            self._prepare(database)
        except sqlite3.Error:
            database.close()
            raise
        return database

    def _prepare(self, database: sqlite3.Connection) -> None:
        database.execute(f"PRAGMA page_size = {_PAGE_BYTES}")
        database.execute("PRAGMA journal_mode = WAL")
        database.execute("PRAGMA synchronous = NORMAL")
        database.execute("PRAGMA journal_size_limit = 4194304")
        database.execute("PRAGMA secure_delete = ON")  # purged means gone, not only unlinked
        version = database.execute("PRAGMA user_version").fetchone()[0]
        if version not in (0, _SCHEMA_VERSION):
            raise _OtherVersion(f"it is of version {version}")
        if version == 0:
            database.executescript(f"BEGIN; {_SCHEMA} PRAGMA user_version = {_SCHEMA_VERSION}; COMMIT;")
        pages = self._max_bytes * 2 // _PAGE_BYTES + _SPARE_PAGES
        database.execute(f"PRAGMA max_page_count = {pages}")
        row = database.execute(f"SELECT total(size + {_ROW_BYTES}), coalesce(max(used), 0) FROM entry").fetchone()
        self._used_bytes, self._tick = int(row[0]), row[1]
        if self._used_bytes > self._max_bytes:  # the bound has become smaller
            self._make_room(database, 0)

    def _put_aside(self, error: sqlite3.DatabaseError) -> None:
        if self._database is not None:
            self._database.close()
            self._database = None
        aside = self._path.with_name(self._path.name + ".damaged")
        _log.warning("cache file %s is unusable (%s): put aside as %s", self._path, error, aside.name)
        self._path.replace(aside)
        for suffix in ("-wal", "-shm"):
            self._path.with_name(self._path.name + suffix).unlink(missing_ok=True)

    def _get(self, digest: bytes) -> bytes | None:
        row = self._open().execute("SELECT blob, expires FROM entry WHERE digest = ?", (digest,)).fetchone()
        if row is None or row[1] <= self._clock():
            return None
        self._tick += 1
        self._uses[digest] = self._tick
        if len(self._uses) >= _MOST_USES:
            self._note_uses(self._open())
        return bytes(row[0])

    def _put(self, key: Key, blob: bytes, ttl: float) -> None:
        database = self._open()
        size = len(blob)
        if size + _ROW_BYTES > self._max_bytes // 4:
            return  # it would push out too much
        self._delete([key.digest])
        self._tick += 1
        row = (key.digest, key.tenant, key.provider, key.model, self._clock() + ttl, self._tick, size, blob)
        database.execute("BEGIN IMMEDIATE")
        try:
            if self._used_bytes + size + _ROW_BYTES > self._max_bytes:
                self._make_room(database, size + _ROW_BYTES)
            database.execute("INSERT INTO entry VALUES (?, ?, ?, ?, ?, ?, ?, ?)", row)
        except sqlite3.Error:
            self._roll_back(database)
            raise
        database.execute("COMMIT")
        self._used_bytes += size + _ROW_BYTES

    def _roll_back(self, database: sqlite3.Connection) -> None:
        """What was evicted is there again, so what is held is counted anew."""
        if database.in_transaction:
            database.execute("ROLLBACK")
        self._used_bytes = int(database.execute(f"SELECT total(size + {_ROW_BYTES}) FROM entry").fetchone()[0])

    def _make_room(self, database: sqlite3.Connection, needed: int) -> None:
        """At least `needed` bytes, and a sixteenth of the bound more, so that it isn't done for each entry."""
        self._note_uses(database)
        goal = self._max_bytes - needed - self._max_bytes // 16
        self._delete_rows(database, "SELECT digest, size FROM entry WHERE expires <= ?", (self._clock(),))
        while self._used_bytes > goal:
            if not self._delete_rows(database, "SELECT digest, size FROM entry ORDER BY used LIMIT 32", ()):
                break

    def _delete_rows(self, database: sqlite3.Connection, query: str, values: tuple[Any, ...]) -> int:
        rows = database.execute(query, values).fetchall()
        database.executemany("DELETE FROM entry WHERE digest = ?", [(digest,) for digest, _ in rows])
        self._used_bytes -= sum(size + _ROW_BYTES for _, size in rows)
        self._evictions += len(rows)
        return len(rows)

    def _note_uses(self, database: sqlite3.Connection) -> None:
        uses, self._uses = self._uses, {}
        database.executemany("UPDATE entry SET used = ? WHERE digest = ?", [(tick, d) for d, tick in uses.items()])

    def _delete(self, digests: list[bytes]) -> int:
        database, found = self._open(), 0
        for digest in digests:
            rows = database.execute("DELETE FROM entry WHERE digest = ? RETURNING size", (digest,)).fetchall()
            self._used_bytes -= sum(size + _ROW_BYTES for (size,) in rows)
            found += len(rows)
        return found

    def _purge(self, purge: Purge) -> int:
        """The write-ahead log is emptied, too, so that purged text is nowhere in the files."""
        database = self._open()
        rows = database.execute("SELECT digest, tenant, provider, model FROM entry").fetchall()
        database.execute("BEGIN IMMEDIATE")
        try:
            found = self._delete([key.digest for row in rows if purge.fits(key := Key(*row))])
        except sqlite3.Error:
            self._roll_back(database)
            raise
        database.execute("COMMIT")
        database.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        return found

    def _stats(self) -> StoreStats:
        count = self._open().execute("SELECT count(*) FROM entry").fetchone()[0]
        return StoreStats("disk", count, self._used_bytes, self._max_bytes, self._evictions, self._left_out)

    def _close(self) -> None:
        if self._database is not None:
            self._note_uses(self._database)
            self._database.close()
            self._database = None


def _is_damage(error: sqlite3.DatabaseError) -> bool:
    """And not a lock, a lack of space or of permission. SQLite's codes have details in their higher bits."""
    code = getattr(error, "sqlite_errorcode", 0) & 0xFF
    return isinstance(error, _OtherVersion) or code in (sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB)
