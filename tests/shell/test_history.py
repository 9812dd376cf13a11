"""The history's file: what survives a restart, a kill and a damaged disk, and that it stays within bounds."""

from __future__ import annotations

import os
import signal
import sqlite3
import subprocess
import sys
import time
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import msgspec
import pytest

from edge.config.model import History as Wanted
from edge.history.aio.history import FILE, History, Sources
from edge.history.aio.store import Store
from edge.history.cell import Cell
from edge.history.rollup import Block
from edge.history.spans import HOURS, MINUTES, SPANS
from tests.support.pasts import fill

LINES, ENDS = ("cn2", "cu2"), ("openai",)


def history(folder: Path | None, **more: Any) -> History:
    return History(Wanted(), str(folder) if folder else None, Sources(lambda recorder: None, **more))


@asynccontextmanager
async def opened(folder: Path | None, **more: Any) -> AsyncIterator[History]:
    made = history(folder, **more)
    await made.open()
    try:
        yield made
    finally:
        await made.close()


async def probes(of: History, span: str = "3h") -> int:
    sums = await of.sums("lines", SPANS[span].sums, int(time.time()) - SPANS[span].seconds)
    return int(sums["sums"].get("cn2", {}).get("probes", 0))


async def test_what_was_is_there_after_a_restart_and_is_gone_on_with(tmp_path: Path) -> None:
    now = int(time.time())
    async with opened(tmp_path) as first:
        await fill(first, LINES, ENDS, now - 700, now - 100)
        before = await first.series("lines", "cn2", SPANS["1h"])
        assert await probes(first) == 600
    async with opened(tmp_path) as second:
        after = await second.series("lines", "cn2", SPANS["1h"])
        assert after["series"] == before["series"]
        await fill(second, LINES, ENDS, now - 100, now)
        assert await probes(second) == 700
        assert len((await second.series("lines", "cn2", SPANS["10m"]))["series"]["cn2"]["at"]) >= 80
        assert (await second.series("lines", None, SPANS["10m"], now - 20))["series"].keys() == set(LINES)
        assert await second.size() > 4096


_KILLED = """
import asyncio, os, signal, sys, time
from pathlib import Path
from tests.shell.test_history import ENDS, LINES, history
from tests.support.pasts import fill

async def main():
    made = history(Path(sys.argv[1]))
    await made.open()
    now = int(time.time()) // 10 * 10
    await fill(made, LINES, ENDS, now - 400, now + 1)
    os.kill(os.getpid(), signal.SIGKILL)

asyncio.run(main())
"""


async def test_a_kill_costs_at_most_the_last_seconds(tmp_path: Path) -> None:
    killed = subprocess.run([sys.executable, "-c", _KILLED, str(tmp_path)], cwd=Path(__file__).parents[2], timeout=60)
    assert killed.returncode == -signal.SIGKILL
    async with opened(tmp_path) as again:
        assert await probes(again) == 401
    async with opened(tmp_path) as once_more:  # the journal was taken up once, not twice
        assert await probes(once_more) == 401


async def test_without_a_state_directory_it_is_in_memory(tmp_path: Path) -> None:
    now = int(time.time())
    async with opened(None) as made:
        await fill(made, LINES, ENDS, now - 30, now)
        assert (made.path, await probes(made)) == (None, 30)
    async with opened(None) as other:
        assert await probes(other) == 0
    off = History(Wanted(days=0), str(tmp_path), Sources(lambda recorder: None))
    assert off.path is None


async def test_a_damaged_file_is_set_aside(tmp_path: Path) -> None:
    (tmp_path / FILE).write_bytes(b"no database" * 500)
    async with opened(tmp_path) as made:
        assert await probes(made) == 0
    assert (tmp_path / "history.unreadable").read_bytes().startswith(b"no database")


async def test_a_file_of_another_version_is_set_aside(tmp_path: Path) -> None:
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("PRAGMA user_version = 99")
    database.close()
    async with opened(tmp_path) as made:
        assert await probes(made) == 0
    assert (tmp_path / "history.unreadable").exists()


async def test_where_no_file_can_be_it_is_in_memory(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    (tmp_path / "file").touch()
    now = int(time.time())
    async with opened(tmp_path / "file" / "below") as made:
        await fill(made, LINES, ENDS, now - 5, now)
        assert await probes(made) == 5
    assert "no history on disk" in caplog.text


async def test_damaged_blocks_are_passed_over(tmp_path: Path) -> None:
    now = int(time.time())
    async with opened(tmp_path) as made:
        await fill(made, LINES, ENDS, now - 400, now - 200)
    with sqlite3.connect(tmp_path / FILE) as database:
        database.execute("UPDATE block SET data = x'00' WHERE tier = ? AND subject = 'lines:cn2'", (MINUTES.number,))
        database.execute("INSERT INTO journal VALUES (?, x'00')", (now,))
    database.close()
    async with opened(tmp_path) as again:
        assert await probes(again) == 0
        assert await probes(again, "7d") == 200  # of the hours, which are whole


async def test_a_file_that_cannot_be_written_costs_history_and_is_said_once(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    now = int(time.time())
    async with opened(tmp_path) as made:
        other = sqlite3.connect(tmp_path / FILE)
        other.execute("BEGIN IMMEDIATE")
        await fill(made, LINES, ENDS, now - 25, now)
        assert caplog.text.count("history isn't written") == 1
        other.rollback()
        other.close()
        await fill(made, LINES, ENDS, now, now + 11)


async def test_what_is_too_old_or_too_much_goes(tmp_path: Path) -> None:
    now = 2_000_000_000
    store = Store(tmp_path / FILE, 30, 300_000)
    await store.open()
    filler = os.urandom(4000)
    blocks = [Block(2, f"lines:{number}", now - day * 86_400, filler) for day in range(40) for number in range(5)]
    await store.keep([*blocks, Block(0, "lines:1", now - 7200, b"x"), Block(3, "lines:1", now - 86_400, b"x")])
    events = [{"id": number, "at": "x", "at_utc": float(now - number * 86_400)} for number in range(40)]
    await store.journal({}, events)
    await store.prune(now)
    days = {(now - block.begins) // 86_400 for block in await store.blocks(2, "lines:", 0)}
    assert max(days) < 20  # the size decides
    assert min(days) == 0
    assert await store.size() <= 300_000
    assert await store.blocks(0, "lines:", 0) == []
    assert len(await store.blocks(3, "lines:", 0)) == 1
    assert len(await store.events(0, 100)) == 31
    await store.close()


async def test_events_before_and_after_a_restart(tmp_path: Path) -> None:
    told = [{"id": 5, "at": "2033-05-18T03:33:20Z", "type": "health"}, {"id": 6, "at": "2033-05-18T03:33:21Z"}]

    def source(events: list[dict[str, Any]]) -> Callable[[int], list[dict[str, Any]]]:
        return lambda since: [event for event in events if event["id"] > since]

    async with opened(tmp_path, events=source(told)) as made:
        assert await made.events(0, 10) == told  # not saved yet
        await made.turn(2_000_000_010)
        assert await made.events(0, 10) == told
    newer = [{"id": 9, "at": "2033-05-18T03:34:00Z"}]
    async with opened(tmp_path, events=source(newer)) as again:
        assert await again.events(0, 10) == [*told, *newer]
        assert await again.events(0, 1) == newer


async def test_the_first_worker_adds_up_what_all_recorded() -> None:
    second = int(time.time()) // 2 * 2
    other = History(Wanted(), None, Sources(lambda recorder: None), keeps=False)
    await other.open()
    other.recorder._cell("lines:cn2").sent = 5
    await other.turn(second)

    async def others(since: int) -> list[str]:
        return [other.since(since).decode()]

    async with opened(None, others=others) as first:
        first.recorder._cell("lines:cn2").sent = 2
        await first.turn(second)
        await first.turn(second + 2)  # what was taken isn't taken again
        assert await probes(first) == 7
    for later in range(second + 1, second + 80):
        await other.turn(later)
    assert len(msgspec.json.decode(other.since(0), type=dict[int, dict[str, Cell]])) <= 61
    await other.close()
    assert HOURS.block == 86_400
