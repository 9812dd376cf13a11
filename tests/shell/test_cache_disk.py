"""The store on disk over deaths, damage and full disks."""

from __future__ import annotations

import asyncio
import os
import signal
import sqlite3
import sys
from pathlib import Path

import pytest

from cache.aio.disk import DiskStore
from cache.aio.store import StoreError
from cache.purge import Purge
from cache.seal import Sealer
from tests.support.cache_values import key

ROOT = Path(__file__).resolve().parents[2]

WRITER = """
import asyncio, sys
from pathlib import Path
from cache.aio.disk import DiskStore
from cache.seal import Sealer
from tests.support.cache_values import entry, key

async def main():
    store, sealer = DiskStore(Path(sys.argv[1]), 50_000_000), Sealer()
    for n in range(1_000_000):
        one = key(n)
        await store.put(one, sealer.seal(entry(b"%d " % n * 2000), one.digest), 3600.0)
        print(n, flush=True)

asyncio.run(main())
"""


async def test_survives_kill_9_in_the_middle_of_writing(tmp_path: Path) -> None:
    path, sealer = tmp_path / "cache.db", Sealer()
    written = -1
    for _ in range(3):
        before, last = written, -1
        process = await asyncio.create_subprocess_exec(
            sys.executable, "-c", WRITER, str(path), cwd=ROOT, stdout=asyncio.subprocess.PIPE
        )
        assert process.stdout is not None
        while last < before + 100:
            last = int(await asyncio.wait_for(process.stdout.readline(), 60))
        process.send_signal(signal.SIGKILL)
        rest = (await process.stdout.read()).split()
        await process.wait()
        written = max(last, int(rest[-1]) if rest and rest[-1].isdigit() else -1)
        store = DiskStore(path, 50_000_000)
        for n in range(written):  # all that was reported; of the last line only a part may have come
            blob = await store.get(key(n))
            assert blob is not None
            assert sealer.open(blob, key(n).digest).body == b"%d " % n * 2000
        await store.close()
    assert not list(tmp_path.glob("*.damaged"))


async def test_survives_a_restart_with_its_order_of_use(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    store = DiskStore(path, 100_000)
    for n in range(40):
        await store.put(key(n), bytes(2000), 60.0)
    assert await store.get(key(0)) is not None
    await store.close()
    store = DiskStore(path, 100_000)
    for n in range(40, 60):
        await store.put(key(n), bytes(2000), 60.0)
    assert await store.get(key(0)) is not None  # asked for lately
    assert await store.get(key(1)) is None
    await store.close()


async def test_a_smaller_bound_holds_from_the_start(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 1_000_000)
    for n in range(200):
        await store.put(key(n), bytes(2000), 60.0)
    await store.close()
    store = DiskStore(tmp_path / "cache.db", 100_000)
    (told,) = await store.stats()
    assert told.used_bytes is not None and told.used_bytes <= 100_000
    await store.close()


async def test_expired_entries_go_before_others(tmp_path: Path) -> None:
    now = 1000.0
    store = DiskStore(tmp_path / "cache.db", 100_000, clock_utc=lambda: now)
    for n in range(30):
        await store.put(key(n), bytes(2000), 10.0 if n >= 15 else 1000.0)
    now = 1020.0
    for n in range(30, 50):
        await store.put(key(n), bytes(2000), 1000.0)
    found = [n for n in range(50) if await store.get(key(n)) is not None]
    assert found == [*range(15), *range(30, 50)]
    await store.close()


async def test_a_huge_entry_pushes_nothing_out(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 100_000)
    await store.put(key(1), b"small", 60.0)
    await store.put(key(2), bytes(60_000), 60.0)
    assert await store.get(key(1)) == b"small"
    assert await store.get(key(2)) is None
    await store.close()


@pytest.mark.parametrize(
    "damage", [b"this is no database, whatever its name says" * 200, b"SQLite format 3\0" + b"x" * 9000]
)
async def test_a_damaged_file_is_put_aside(tmp_path: Path, damage: bytes) -> None:
    path = tmp_path / "cache.db"
    path.write_bytes(damage)
    store = DiskStore(path, 1_000_000)
    await store.put(key(1), b"one", 60.0)
    assert await store.get(key(1)) == b"one"
    assert path.with_name("cache.db.damaged").read_bytes() == damage
    await store.close()


async def test_damage_under_way_is_noticed(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    store = DiskStore(path, 10_000_000)
    for n in range(500):
        await store.put(key(n), bytes(2000), 60.0)
    await store.close()
    with path.open("r+b") as file:
        file.seek(4096 * 3)
        file.write(os.urandom(path.stat().st_size - 4096 * 3))
    store = DiskStore(path, 10_000_000)
    for n in range(500):
        await store.get(key(n))
    await store.put(key(1), b"one", 60.0)
    assert await store.get(key(1)) == b"one"
    assert path.with_name("cache.db.damaged").exists()
    await store.close()


async def test_nobody_else_can_read_the_files(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 1_000_000)
    await store.put(key(1), b"one", 60.0)
    assert {file.stat().st_mode & 0o777 for file in tmp_path.iterdir()} == {0o600}
    await store.close()


async def test_a_file_of_another_version_is_put_aside(tmp_path: Path) -> None:
    path = tmp_path / "cache.db"
    with sqlite3.connect(path) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    store = DiskStore(path, 1_000_000)
    assert await store.get(key(1)) is None
    assert path.with_name("cache.db.damaged").exists()
    await store.close()


async def test_what_cannot_be_opened_is_a_store_error(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "no" / "such" / "folder.db", 1_000_000)
    with pytest.raises(StoreError):
        await store.get(key(1))
    await store.close()
    with pytest.raises(StoreError):
        await store.get(key(1))


async def test_purged_text_is_nowhere_in_the_files(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 1_000_000)
    await store.put(key(1), b"a secret of tenant one" * 20, 60.0)
    await store.put(key(2, "two"), b"of another", 60.0)
    assert await store.purge(Purge(tenant="team")) == 1
    assert not any(b"a secret" in file.read_bytes() for file in tmp_path.iterdir())
    await store.close()


async def test_a_full_disk_loses_only_the_new_entry(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 1_000_000)
    await store.put(key(1), b"one", 60.0)
    database = store._database
    assert database is not None
    database.execute(f"PRAGMA max_page_count = {database.execute('PRAGMA page_count').fetchone()[0] + 1}")
    with pytest.raises(StoreError):
        await store.put(key(2), bytes(100_000), 60.0)
    assert await store.get(key(1)) == b"one"
    (told,) = await store.stats()
    assert told.entries == 1 and told.used_bytes is not None and told.used_bytes < 1000
    await store.close()


async def test_writes_that_pile_up_are_left_out(tmp_path: Path) -> None:
    store = DiskStore(tmp_path / "cache.db", 10_000_000)
    outcomes = await asyncio.gather(*(store.put(key(n), b"x", 60.0) for n in range(400)), return_exceptions=True)
    left_out = [outcome for outcome in outcomes if isinstance(outcome, StoreError)]
    assert 0 < len(left_out) <= 144
    (told,) = await store.stats()
    assert told.faults == len(left_out) and told.entries == 400 - len(left_out)
    await store.put(key(1000), b"x", 60.0)
    await store.close()
