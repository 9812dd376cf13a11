"""Loading from disk; the watcher on change, on a bad change, on SIGHUP."""

from __future__ import annotations

import asyncio
import logging
import os
import signal
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from pathlib import Path

import pytest

from edge.config.fault import ConfigError
from edge.config.model import Snapshot
from edge.config.watch import ConfigWatcher, load
from tests.support.waiting import until

FIRST = "[[line]]\nid = 'a'\n"
SECOND = "[[line]]\nid = 'b'\n"


class Seen(list[tuple[Snapshot, Snapshot]]):
    """Collects the calls of on_snapshot."""

    def __call__(self, new: Snapshot, old: Snapshot) -> None:
        self.append((new, old))


@asynccontextmanager
async def watching(path: Path, on_snapshot: Callable[[Snapshot, Snapshot], None]) -> AsyncIterator[ConfigWatcher]:
    watcher = ConfigWatcher(str(path), load(str(path)), on_snapshot, interval=0.02)
    task = asyncio.get_running_loop().create_task(watcher.run())
    await asyncio.sleep(0)
    try:
        yield watcher
    finally:
        task.cancel()
        with suppress(asyncio.CancelledError):
            await task


def put(path: Path, text: str | None) -> None:
    """Gives a file new content; None removes it."""
    if text is None:
        path.unlink()
    else:
        path.write_text(text)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "farline.toml"
    path.write_text(FIRST)
    return path


def test_load_takes_a_byte_order_mark_and_relative_files(tmp_path: Path) -> None:
    (tmp_path / "key").write_text("hidden\n")
    path = tmp_path / "f.toml"
    path.write_bytes(b"\xef\xbb\xbf[[provider]]\nid = 'openai'\ncredential = 'file:key'\n")
    snapshot = load(str(path))
    credential = snapshot.providers[0].credential
    assert credential is not None
    assert credential.value == "hidden"
    assert snapshot.files == (str(tmp_path / "key"),)


def test_load_says_why_a_file_cannot_be_read(tmp_path: Path) -> None:
    with pytest.raises(ConfigError, match=r"none: can't be read: No such file or directory"):
        load(str(tmp_path / "none"))
    with pytest.raises(ConfigError, match=r"can't be read: Is a directory"):
        load(str(tmp_path))
    latin = tmp_path / "latin"
    latin.write_bytes(b"a = 1\nb = '\xe9'\n")
    with pytest.raises(ConfigError, match=r"latin:2: not UTF-8"):
        load(str(latin))
    big = tmp_path / "big"
    with big.open("wb") as sparse:
        sparse.truncate(17 * 1024**2)
    with pytest.raises(ConfigError, match=r"over 16 MiB"):
        load(str(big))


async def test_a_change_is_applied(file: Path) -> None:
    seen = Seen()
    async with watching(file, seen) as watcher:
        put(file, SECOND)
        await until(lambda: bool(seen))
        new, old = seen[0]
        assert (new.lines[0].id, old.lines[0].id) == ("b", "a")
        assert (new.generation, old.generation) == (2, 1)
        assert watcher.snapshot is new
        assert watcher.reloads == 1


async def test_a_bad_change_leaves_everything_and_logs_every_fault(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    async with watching(file, seen) as watcher:
        put(file, "[[line]]\nweight = -1\n[node]\nx = 1\n")
        await until(lambda: watcher.refusals == 1)
        assert not seen
        assert watcher.snapshot.lines[0].id == "a"
        faults = [record.message for record in caplog.records if ".toml:" in record.message]
        assert len([text for text in faults if "line[0]" in text or "node.x" in text]) == 3
        put(file, SECOND)
        await until(lambda: bool(seen))
        assert watcher.snapshot.lines[0].id == "b"


async def test_a_file_that_is_gone_and_comes_back(file: Path) -> None:
    seen = Seen()
    async with watching(file, seen) as watcher:
        put(file, None)
        await until(lambda: watcher.refusals == 1)
        put(file, SECOND)
        await until(lambda: bool(seen))


async def test_a_secret_that_changes_or_appears_calls_for_a_reload(file: Path) -> None:
    key = file.with_name("key")
    put(key, "one")
    put(file, "[[provider]]\nid = 'openai'\ncredential = 'file:key'\n")
    seen = Seen()
    async with watching(file, seen) as watcher:
        put(key, "second")
        await until(lambda: len(seen) == 1)
        credential = watcher.snapshot.providers[0].credential
        assert credential is not None
        assert credential.value == "second"
        put(file, "[[provider]]\nid = 'openai'\ncredential = 'file:other'\n")
        await until(lambda: watcher.refusals == 1)
        put(file.with_name("other"), "third")
        await until(lambda: len(seen) == 2)


async def test_sighup_reloads_what_has_not_changed(file: Path) -> None:
    seen = Seen()
    async with watching(file, seen):
        os.kill(os.getpid(), signal.SIGHUP)
        await until(lambda: bool(seen))
        assert seen[0][0].lines == seen[0][1].lines
    assert signal.getsignal(signal.SIGHUP) == signal.SIG_DFL


async def test_what_needs_a_restart_is_reported_and_the_rest_applies(
    file: Path, caplog: pytest.LogCaptureFixture
) -> None:
    seen = Seen()
    async with watching(file, seen) as watcher:
        put(file, "[listen]\ndata = '127.0.0.1:9'\n" + SECOND)
        await until(lambda: bool(seen))
        await until(lambda: "listen.data changed: needs a restart" in caplog.text)
        assert watcher.snapshot.listen.data[0].port == 8080
        assert watcher.snapshot.lines[0].id == "b"


async def test_a_door_does_not_open_before_the_restart_that_would_close_it(
    file: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("FARLINE_TEST_KEY", "k")
    provider = "[[provider]]\nid = 'openai'\ncredential = 'env:FARLINE_TEST_KEY'\n"
    keyed = f"[listen]\ndata = '0.0.0.0:8080'\n{provider}[[key]]\nid = 'k'\nsha256 = '{'0' * 64}'\n"
    put(file, keyed)
    async with watching(file, Seen()) as watcher:
        put(file, provider)  # loopback and no keys: right in itself
        await until(lambda: watcher.refusals == 1)
        assert watcher.snapshot.keys


async def test_a_snapshot_that_cannot_be_applied_is_not_current(file: Path, caplog: pytest.LogCaptureFixture) -> None:
    def refuse(new: Snapshot, old: Snapshot) -> None:
        raise LookupError("no such line")

    async with watching(file, refuse) as watcher:
        put(file, SECOND)
        await until(lambda: watcher.refusals == 1)
        assert watcher.snapshot.lines[0].id == "a"
        assert "configuration not applied" in caplog.text


async def test_without_signals_changes_are_still_seen(
    file: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def unavailable(*args: object) -> None:
        raise NotImplementedError("no signals here")

    monkeypatch.setattr(asyncio.get_running_loop(), "add_signal_handler", unavailable)
    caplog.set_level(logging.WARNING)
    seen = Seen()
    async with watching(file, seen):
        put(file, SECOND)
        await until(lambda: bool(seen))
    assert "SIGHUP is not available" in caplog.text


async def test_a_file_that_is_being_written_is_left_alone(file: Path) -> None:
    """An editor that truncates and writes: the empty file between would be a valid configuration."""
    seen = Seen()
    watcher = ConfigWatcher(str(file), load(str(file)), seen, interval=1.0)
    async with asyncio.TaskGroup() as tasks:
        run = tasks.create_task(watcher.run())
        for step in range(14):  # longer than the interval, each step shorter than the quiet time
            put(file, "# growing\n" * step)
            await asyncio.sleep(0.1)
        put(file, SECOND)
        await until(lambda: bool(seen))
        run.cancel()
    assert [new.lines[0].id for new, _ in seen] == ["b"]
