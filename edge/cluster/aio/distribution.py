"""Takes up what is published on this node's channel: looked at, believed, tried, kept on disk, in use in all workers.

What can't be taken changes nothing: the node goes on with what it has and says why. What was taken stands in
`[node] state_dir`, so that a start needs no Redis.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from edge.cluster.aio.channels import Channels, Unreachable
from edge.cluster.taking import ConfigNote, to_bring_back, to_try
from edge.config.fault import ConfigError
from edge.config.model import Snapshot
from edge.config.publication import shared_layer
from edge.config.published import Version, decoded, encoded, why_not
from edge.config.watch import ConfigWatcher

log = logging.getLogger("farline.cluster")

AGAIN = 2.0
"""Seconds until another try when Redis failed in the middle of a look."""
_MOST_REASONS = 5


@dataclass(frozen=True, slots=True)
class Taker:
    """What the distribution needs of its node. `name`: under which the cluster knows it. `refused` is told why a
    version wasn't taken."""

    snapshot: Callable[[], Snapshot]
    watcher: ConfigWatcher
    name: Callable[[], str]
    refused: Callable[[list[str]], None]


class Distribution:
    """For nodes whose snapshot has a `published`."""

    def __init__(self, channels: Channels, taker: Taker) -> None:
        self.channels = channels
        self._taker = taker
        self._asked = asyncio.Event()
        self._refused: dict[int, tuple[Version, str]] = {}

    @property
    def note(self) -> ConfigNote | None:
        """For the registry."""
        published = self._taker.snapshot().published
        if published is None:
            return None
        newer = max((number for number in self._refused if number > published.number), default=0)
        why = self._refused[newer][1] if newer else ""
        return ConfigNote(published.channel, published.number, published.digest, newer, why)

    def changed(self) -> None:
        """Something may have been published, or Redis is there again."""
        self._asked.set()

    async def run(self) -> None:
        """Until cancelled."""
        while True:
            await self._asked.wait()
            self._asked.clear()
            try:
                await self._look()
            except Unreachable as error:
                log.warning("published configurations can't be read: %s", error)
                await asyncio.sleep(AGAIN)
                self._asked.set()

    async def _look(self) -> None:
        published = self._taker.snapshot().published
        assert published is not None, "else there is no distribution"
        told = await self.channels.numbers(published.channel)
        for number in to_try(map(str, told), published.number):
            version = await self.channels.version(published.channel, number)
            if version is not None and version.is_for(self._taker.name()) and await self._take(version):
                return
        if to_bring_back(told, published.number):
            await self._bring_back(published.file)

    async def _take(self, version: Version) -> bool:
        if version.number in self._refused and version == self._refused[version.number][0]:
            return False  # what it lacked here is for an operator to bring
        reasons = await self.faults(version)
        if not reasons:
            reasons = await self._put_in_use(version)
        if reasons:
            self._refuse(version, reasons)
            return False
        log.info("%s, published by %s, is in use", version.label, version.who or "nobody known")
        return True

    async def faults(self, version: Version) -> list[str]:
        """Why this node couldn't take it; empty if it can."""
        snapshot = self._taker.snapshot()
        assert snapshot.published is not None, "else there is no distribution"
        problem = why_not(version, snapshot.cluster.id, snapshot.cluster.config_keys)
        if problem is not None:
            return [f"{version.label}: {problem}"]
        layer, faults = shared_layer(version)
        if layer is None or faults:
            return list(map(str, faults))
        try:
            await self._taker.watcher.check({snapshot.published.file: encoded(version)})
        except ConfigError as error:
            return list(map(str, error.faults))
        return []

    async def _put_in_use(self, version: Version) -> list[str]:
        """On disk first: the other workers take it from there. If it can't be used after all, the old one is back."""
        published = self._taker.snapshot().published
        assert published is not None, "else there is no distribution"
        file = Path(published.file)
        try:
            before = await asyncio.to_thread(_replace, file, encoded(version))
        except OSError as error:
            return [f"{file}: {error.strerror or error}"]
        if await self._taker.watcher.reload():
            return []
        await asyncio.to_thread(_put_back, file, before)
        return [f"{version.label}: could not be put in use; this node's log says why"]

    def _refuse(self, version: Version, reasons: list[str]) -> None:
        more = f" … and {len(reasons) - _MOST_REASONS} more" if len(reasons) > _MOST_REASONS else ""
        self._refused[version.number] = version, "; ".join(reasons[:_MOST_REASONS]) + more
        for reason in reasons:
            log.error("%s", reason)
        log.error("%s is not taken: this node goes on with what it has", version.label)
        self._taker.refused(reasons)

    async def _bring_back(self, file: str) -> None:
        """The store has lost it: the others may need it."""
        with contextlib.suppress(OSError, ValueError):
            await self.channels.put(decoded(await asyncio.to_thread(Path(file).read_bytes)))

    def forget_refusals(self) -> None:
        """The node's own file, or a secret, has changed: what didn't fit may fit now."""
        if self._refused:
            self._refused.clear()
            self.changed()


def _replace(file: Path, content: bytes) -> bytes | None:
    """Written whole: a crash leaves the old one or the new one. Returns the old."""
    before = file.read_bytes() if file.exists() else None
    file.parent.mkdir(mode=0o750, parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with draft.open("wb") as out:
        out.write(content)
        out.flush()
        os.fsync(out.fileno())
    draft.replace(file)
    return before


def _put_back(file: Path, before: bytes | None) -> None:
    if before is None:
        file.unlink(missing_ok=True)
    else:
        _replace(file, before)
