"""Loading the configuration, and reloading it on SIGHUP and on change: all or nothing. (Shell.)"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import signal
from collections.abc import Callable, Iterable, Iterator, Mapping
from pathlib import Path

from edge.alerts.aio.sender import problem_of
from edge.config.agree import OPEN_DOOR, is_open_door
from edge.config.change import settle, unsafe
from edge.config.fault import ConfigError, Fault
from edge.config.model import Snapshot
from edge.config.read import read

_log = logging.getLogger(__name__)
_MAX_BYTES = 16 * 1024**2
_QUIET_RATIO = 0.2  # of the interval: how long a changed file must be left alone before it is read

Stamp = tuple[int, int, int] | None
OnSnapshot = Callable[[Snapshot, Snapshot], None]


def load(path: str, instead: Mapping[str, bytes] | None = None) -> Snapshot:
    """Reads a configuration file, with this process's environment. `instead`: what files that it refers to hold, in
    place of what is on disk.

    Raises:
        ConfigError: it can't be read, or has faults; all of them are in it.
    """
    try:
        text = _content(path).decode("utf-8-sig")
    except OSError as error:
        raise ConfigError([Fault(path, 0, "", f"can't be read: {error.strerror}", "a TOML file")]) from None
    except UnicodeDecodeError as error:
        line = error.object.count(b"\n", 0, error.start) + 1
        raise ConfigError([Fault(path, line, "", "not UTF-8", "TOML text in UTF-8")]) from None
    held = instead or {}
    outcome = read(text, os.environ, lambda name: held[name] if name in held else _content(name), path)
    if outcome.snapshot is None:
        raise ConfigError(outcome.faults, outcome.files)
    faults = [
        Fault(path, 0, f"alert.sinks[{index}]", problem, "a notification URL; docs/alerts.md")
        for index, sink in enumerate(outcome.snapshot.alert.sinks)
        if (problem := problem_of(sink)) is not None
    ]
    if faults:
        raise ConfigError(faults, outcome.files)
    return outcome.snapshot


def _content(path: str) -> bytes:
    """A file's content. One over 16 MiB is no configuration, secret or certificate, and not read to its end."""
    with Path(path).open("rb") as file:
        content = file.read(_MAX_BYTES + 1)
    if len(content) > _MAX_BYTES:
        raise OSError(0, "over 16 MiB")
    return content


class ConfigWatcher:
    """Keeps the snapshot of a running node up to date with its file and the files that it refers to.

    A change calls `on_snapshot(new, old)` on the event loop; also when only a certificate's content changed, so the
    two may be equal but for the generation. If it raises, the old snapshot stays current. A bad file leaves everything
    as it was, logs every fault and hands them to `on_refused`. `reloads` and `refusals` count what happened. Make the
    watcher right after `load`: it notices what changes from then on.
    """

    def __init__(
        self,
        path: str,
        snapshot: Snapshot,
        on_snapshot: OnSnapshot,
        *,
        on_refused: Callable[[list[str]], None] = lambda reasons: None,
        interval: float = 1.0,
    ) -> None:
        self.snapshot = snapshot
        self.reloads = 0
        self.refusals = 0
        self._path = path
        self._on_snapshot = on_snapshot
        self._on_refused = on_refused
        self._interval = interval
        self._asked = asyncio.Event()
        self._reloading = asyncio.Lock()
        self._stamps = _stamps((path, *snapshot.files))

    async def run(self) -> None:
        """Watches until cancelled; SIGHUP is handled while it runs."""
        with self._hangups():
            while True:
                await self._pause(self._interval)
                if self._asked.is_set() or await self._has_settled_change():
                    self._asked.clear()
                    await self.reload()

    async def _pause(self, seconds: float) -> None:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(self._asked.wait(), seconds)

    async def _has_settled_change(self) -> bool:
        """Has a file changed, and been left alone since? One that is just being written may look whole, even empty."""
        now = await asyncio.to_thread(_stamps, self._stamps)
        while now != self._stamps and not self._asked.is_set():
            await self._pause(self._interval * _QUIET_RATIO)
            before, now = now, await asyncio.to_thread(_stamps, self._stamps)
            if before == now:
                return True
        return False

    async def check(self, instead: Mapping[str, bytes]) -> None:
        """Would the file be taken, with `instead` in the files it refers to?

        Raises:
            ConfigError: it wouldn't.
        """
        self._settled(await asyncio.to_thread(load, self._path, instead))

    async def reload(self) -> bool:
        """Reads the file now. True if it became the current snapshot."""
        async with self._reloading:
            return await self._reload()

    async def _reload(self) -> bool:
        # Before reading: what changes meanwhile is seen next time.
        self._stamps = await asyncio.to_thread(_stamps, tuple(self._stamps))
        try:
            loaded = await asyncio.to_thread(load, self._path)
            self._adopt(loaded)
        except ConfigError as error:
            self._watch_also(error.files)
            self._refuse(error)
        except Exception as error:  # the root of all that a reload calls: the node goes on with what it has
            self.refusals += 1
            _log.exception("configuration not applied")
            self._on_refused([f"{type(error).__name__}: {error}"])
        else:
            return True
        return False

    def _settled(self, loaded: Snapshot) -> tuple[Snapshot, tuple[str, ...]]:
        new, waiting = settle(loaded, self.snapshot)
        problem = unsafe(loaded, self.snapshot)
        if is_open_door(new) and not new.listen.open:  # safe only with the listeners that a restart would bring
            problem = f"until a restart this {OPEN_DOOR}", "a restart to apply it"
        if problem is not None:
            raise ConfigError([Fault(self._path, 0, "", *problem)], loaded.files)
        return new, waiting

    def _adopt(self, loaded: Snapshot) -> None:
        new, waiting = self._settled(loaded)
        self._on_snapshot(new, self.snapshot)
        self.snapshot = new
        self.reloads += 1
        files = (self._path, *new.files)
        self._watch_also(files)
        self._stamps = {name: stamp for name, stamp in self._stamps.items() if name in files}
        for key in waiting:
            _log.warning("%s: %s changed: needs a restart; the rest is applied", self._path, key)
        _log.info("configuration generation %d is in use", new.generation)

    def _refuse(self, error: ConfigError) -> None:
        self.refusals += 1
        for fault in error.faults:
            _log.error("%s", fault)
        _log.error("%s: not applied, generation %d stays in use", self._path, self.snapshot.generation)
        self._on_refused([str(fault) for fault in error.faults])

    def _watch_also(self, files: Iterable[str]) -> None:
        self._stamps = {**_stamps(name for name in files if name not in self._stamps), **self._stamps}

    @contextlib.contextmanager
    def _hangups(self) -> Iterator[None]:
        loop = asyncio.get_running_loop()
        try:
            loop.add_signal_handler(signal.SIGHUP, self._asked.set)
        # Systems without it, loops without signals, other threads than the main one: the reload works without.
        except (AttributeError, NotImplementedError, RuntimeError, ValueError) as error:
            _log.warning("SIGHUP is not available (%s); changes of the file still are noticed", error)
            yield
            return
        try:
            yield
        finally:
            loop.remove_signal_handler(signal.SIGHUP)


def _stamp(path: str) -> Stamp:
    """What changes when a file does; None if it isn't there. Follows symlinks, so swapped mounts are seen."""
    try:
        status = Path(path).stat()
    except (OSError, ValueError):
        return None
    return status.st_mtime_ns, status.st_size, status.st_ino


def _stamps(paths: Iterable[str]) -> dict[str, Stamp]:
    return {path: _stamp(path) for path in paths}
