"""A node's membership: every 0.4 s it tells its note, hears the others', and brings both sides' changes together.

All that is shared stands in two hashes of one Redis (one slot of a Redis Cluster):

    farline:cluster:{ID}:nodes       name → NodeNote
    farline:cluster:{ID}:entries     name → entry of the shared map
    farline:cluster:{ID}:version     rises when entries are written

and the published configurations (see `channels`).

Redis holds nothing that the nodes don't know: an empty one is filled again by the next beat of each. Every call has a
time bound, a failing Redis is left alone for a growing while, and meanwhile the node goes on with what it knows.
"""

from __future__ import annotations

import asyncio
import logging
import secrets
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from time import monotonic
from typing import Any

import msgspec
from redis.exceptions import RedisError

from cache.aio.redis_client import RedisClient
from edge.cluster import penalties
from edge.cluster.registry import BEAT, Known, NodeNote, Registry
from edge.cluster.shared import Shared, decoded_all, encoded

log = logging.getLogger("farline.cluster")

LONGEST_PAUSE = 5.0
CALL = 1.0
"""Seconds: the longest that a beat may take."""
_UNKNOWN = "?"


@dataclass(frozen=True, slots=True)
class Ties:
    """What a member asks of its node and tells it. `note` is asked for a note with the beat, the penalties (endpoint
    id → seconds left, this node's own) to be told by mark. `marks`: endpoint id → mark. `published` is called when the
    counter at `publications` has changed, and when Redis is there (again)."""

    note: Callable[[], NodeNote]
    penalties: Callable[[], Mapping[str, float]]
    marks: Callable[[], Mapping[str, str]]
    penalise: Callable[[str, float], None]
    take_over: Callable[[Mapping[str, Any], str], Awaitable[None]]
    publications: str = ""
    published: Callable[[], None] = lambda: None


class Member:
    """One node of the cluster `id`. `own` are the entries this node has from before it joined."""

    def __init__(self, id: str, name: str, client: RedisClient, ties: Ties, own: Mapping[str, Any]) -> None:
        self.registry = Registry()
        self.is_connected = False
        self._shared = Shared(name)
        self._name = name
        self._process = secrets.token_hex(4)
        self._rival: NodeNote | None = None
        self._client = client
        self._ties = ties
        self._own = dict(own)
        self._beat = time.time_ns() // 1_000_000_000
        self._version: int | None = None
        self._publications: bytes | str | None = _UNKNOWN
        self._ours_to_tell = True
        self._wanted = asyncio.Event()
        self._heard: dict[str, float] = {}  # endpoint → monotonic end of the penalty that others told
        self._nodes, self._entries, self._changes = (
            f"farline:cluster:{{{id}}}:{part}" for part in ("nodes", "entries", "version")
        )

    @property
    def name(self) -> str:
        """Under which the others know this node."""
        return self._name

    def nodes(self) -> list[Known]:
        """The nodes that are alive, itself included as soon as it has been heard."""
        return self.registry.alive(monotonic())

    def changed(self, changes: Mapping[str, Any]) -> None:
        """Operators changed something here (None: removed): everybody is to know."""
        for name, value in changes.items():
            self._shared.put(name, value, time.time())
        self._ours_to_tell = True
        self._wanted.set()

    async def run(self) -> None:
        """Beats until cancelled; then takes itself out."""
        pause = BEAT
        try:
            while True:
                try:
                    async with asyncio.timeout(CALL):
                        await self._sync()
                    self._note(True)
                    pause = BEAT
                except (RedisError, OSError, TimeoutError) as error:
                    self._note(False, str(error) or type(error).__name__)
                    pause = min(pause * 2, LONGEST_PAUSE)
                await self._wait(pause)
        finally:
            await self._leave()

    async def _wait(self, seconds: float) -> None:
        try:
            async with asyncio.timeout(seconds):
                await self._wanted.wait()
        except TimeoutError:
            pass
        self._wanted.clear()

    def _note(self, is_connected: bool, why: str = "") -> None:
        if is_connected and not self.is_connected:
            self._version = None  # it may be another one, or have forgotten
            self._ties.published()
            log.info("the cluster's Redis answers")
        elif self.is_connected and not is_connected:
            log.warning("the cluster's Redis doesn't answer, the node goes on with what it knows: %s", why)
        self.is_connected = is_connected

    async def _sync(self) -> None:
        """One beat: our note out, all notes in; then the entries, if somebody wrote some or we have."""
        async with self._client.client.pipeline(transaction=False) as pipe:
            pipe.hget(self._nodes, self._name)
            pipe.hset(self._nodes, self._name, msgspec.json.encode(self._own_note()))
            pipe.hgetall(self._nodes)
            pipe.get(self._changes)
            pipe.get(self._ties.publications or self._changes)
            before, _, notes, version, publications = await pipe.execute()
        self._look_for_rival(before)
        now = monotonic()
        stale = self.registry.heard({name.decode(): note for name, note in notes.items()}, now)
        if stale:
            await self._client.client.hdel(self._nodes, *stale)
        self._hear_penalties(now)
        if publications != self._publications:
            self._publications = publications
            self._ties.published()
        told = int(version or 0)
        if self._ours_to_tell or told != self._version:
            await self._bring_together(told)

    def _look_for_rival(self, before: bytes | None) -> None:
        """Does another living process have our name (a copied file, pods of a deployment)? We take a longer one."""
        try:
            found = msgspec.json.decode(before, type=NodeNote) if before is not None else None
        except msgspec.MsgspecError:
            return
        if found is None or found.process == self._process:
            return
        if self._rival is not None and self._rival.process == found.process and self._rival.beat != found.beat:
            log.warning("another node calls itself %s: this one is %s-%s", self._name, self._name, self._process)
            self._name = f"{self._name}-{self._process}"
        self._rival = found

    def _own_note(self) -> NodeNote:
        self._beat += 1
        now = monotonic()
        marks = self._ties.marks()
        own = {
            marks[id]: seconds
            for id, seconds in self._ties.penalties().items()
            if id in marks and now + seconds > self._heard.get(id, 0.0) + 0.5  # not what we only heard of
        }
        return msgspec.structs.replace(
            self._ties.note(), name=self._name, process=self._process, beat=self._beat, penalties=own
        )

    def _hear_penalties(self, now: float) -> None:
        others = [known.note.penalties for known in self.registry.alive(now) if known.note.name != self._name]
        for id, seconds in penalties.told(others, self._ties.marks()).items():
            if now + seconds > self._heard.get(id, 0.0) + 0.5:
                self._heard[id] = now + seconds
                self._ties.penalise(id, seconds)

    async def _bring_together(self, version: int) -> None:
        fields = await self._client.client.hgetall(self._entries)
        told = decoded_all((_text(name), _json(data)) for name, data in fields.items())
        utc = time.time()
        changed = self._shared.merge(told, utc)
        for name, value in self._own.items():
            if name not in self._shared.entries:
                self._shared.put(name, value, 0.0)  # from before: told to all, but whatever they know is newer
        self._own = {}
        missing = self._shared.newer_than(told)
        self._ours_to_tell = False
        if missing:
            await self._tell({name: msgspec.json.encode(encoded(entry)).decode() for name, entry in missing.items()})
        forgotten = [name for name in self._shared.forget(utc) if name in told]
        if forgotten:
            await self._client.client.hdel(self._entries, *forgotten)
        self._version = version
        if changed:
            writers = sorted({self._shared.entries[name].stamp.node for name in changed})
            await self._ties.take_over({name: self._shared.entries[name].value for name in changed}, ", ".join(writers))

    async def _tell(self, fields: dict[Any, Any]) -> None:
        try:
            async with self._client.client.pipeline(transaction=False) as pipe:
                pipe.hset(self._entries, mapping=fields)
                pipe.incr(self._changes)
                await pipe.execute()
        except BaseException:
            self._ours_to_tell = True
            raise

    async def _leave(self) -> None:
        """Others needn't wait for our silence."""
        try:
            async with asyncio.timeout(CALL):
                await self._client.client.hdel(self._nodes, self._name)
        except (RedisError, OSError, TimeoutError):
            pass
        await self._client.close()


def _text(data: bytes | str) -> str:
    return data if isinstance(data, str) else data.decode()


def _json(data: bytes | str) -> object:
    try:
        return msgspec.json.decode(data)
    except msgspec.MsgspecError:
        return None
