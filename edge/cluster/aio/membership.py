"""This node in its cluster: what it tells of itself, and what it does with what it hears."""

from __future__ import annotations

from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass, replace
from time import monotonic
from typing import Any

from cache.aio.redis_client import RedisAccess, connect
from edge.cluster.aio.channels import Channels
from edge.cluster.aio.distribution import Distribution, Taker
from edge.cluster.aio.member import CALL, Member, Ties
from edge.cluster.controls import changes, split
from edge.cluster.penalties import mark
from edge.cluster.registry import BEAT, LineNote, NodeNote
from edge.config.model import Snapshot
from edge.config.watch import ConfigWatcher
from edge.routing.controls import Controls
from health.view import HealthView
from transport.aio.tasks import TaskOwner


@dataclass(frozen=True, slots=True)
class Here:
    """What a membership asks of its node. `good`: good and bad replies of the last five minutes, in this process.

    `hear` takes over what other nodes' operators changed (see `edge.cluster.controls`), and their names. `watcher` is
    of the node's file, if it has one; `refused` is told why a published configuration isn't taken.
    """

    snapshot: Callable[[], Snapshot]
    view: Callable[[], HealthView]
    controls: Callable[[], Controls]
    in_flight: Callable[[], int]
    good: Callable[[], tuple[int, int]]
    is_draining: Callable[[], bool]
    penalise: Callable[[str, float], None]
    hear: Callable[[Mapping[str, Any], str], Awaitable[None]]
    watcher: ConfigWatcher | None
    refused: Callable[[list[str]], None]


class Membership:
    """In the first worker of a node whose configuration names a Redis; `member` and `channels` are None elsewhere.
    `distribution`: of a node that takes a published configuration."""

    def __init__(self, here: Here, version: str, *, is_first: bool = True) -> None:
        self._here = here
        self._version = version
        self._since = monotonic()
        self._tasks = TaskOwner("cluster")
        cluster = here.snapshot().cluster
        self._is_first = is_first
        self.id = cluster.id
        self.member: Member | None = None
        self.channels: Channels | None = None
        self.distribution: Distribution | None = None

    def start(self) -> None:
        """Joins. Call it when the controls of before the start are in effect."""
        snapshot = self._here.snapshot()
        cluster = snapshot.cluster
        if cluster.redis is None or not self._is_first:
            return
        access = RedisAccess(
            password=cluster.password.value if cluster.password is not None else None,
            authority=cluster.ca_file,
            connect_timeout=CALL / 2,
            timeout=CALL / 2,
            connections=8,
        )
        own = split(self._here.controls()) if "controls" in cluster.share else {}
        client = connect(cluster.redis, access)
        self.channels = Channels(cluster.id, client)
        ties = Ties(self._note, self._penalties, self._marks, self._here.penalise, self._hear)
        if snapshot.published is not None and self._here.watcher is not None:
            taker = Taker(self._here.snapshot, self._here.watcher, self._name, self._here.refused)
            self.distribution = Distribution(self.channels, taker)
            key = self.channels.changes(snapshot.published.channel)
            ties = replace(ties, publications=key, published=self.distribution.changed)
            self._tasks.start(self.distribution.run())
        self.member = Member(cluster.id, snapshot.node.name, client, ties, own)
        self._tasks.start(self.member.run())

    async def close(self) -> None:
        """Leaves: the others know at once."""
        await self._tasks.close()

    def notes(self) -> list[NodeNote]:
        """Of all that are alive."""
        return [known.note for known in self.member.nodes()] if self.member is not None else []

    def changed(self, before: Controls, after: Controls) -> None:
        """This node's operators changed something."""
        if self.member is not None and "controls" in self._here.snapshot().cluster.share:
            self.member.changed(changes(before, after))

    def reloaded(self, new: Snapshot, old: Snapshot) -> None:
        """Another configuration is in use."""
        if self.distribution is not None and new.published == old.published:
            self.distribution.forget_refusals()

    def _name(self) -> str:
        return self.member.name if self.member is not None else self._here.snapshot().node.name

    async def _hear(self, told: Mapping[str, Any], who: str) -> None:
        if "controls" in self._here.snapshot().cluster.share:
            await self._here.hear(told, who)

    def _note(self) -> NodeNote:
        here, snapshot, view = self._here, self._here.snapshot(), self._here.view()
        node, workers = snapshot.node, snapshot.listen.workers
        good, bad = here.good()
        return NodeNote(
            name=node.name,
            beat=0,
            role=node.role,
            region=node.region,
            location=node.location,
            address=snapshot.cluster.address,
            version=self._version,
            generation=snapshot.generation,
            workers=workers,
            is_draining=here.is_draining(),
            in_flight=here.in_flight() * workers,  # the kernel spreads connections evenly over the workers
            max_in_flight=snapshot.limits.max_in_flight * workers,
            success_ratio=round(good / (good + bad), 4) if good + bad else None,
            lines=tuple(_line(id, carrier, here.controls(), view) for id, carrier in _lines(snapshot)),
            uptime=round(monotonic() - self._since, 1),
            addresses=snapshot.cluster.addresses,
            config=self.distribution.note if self.distribution is not None else None,
        )

    def _penalties(self) -> Mapping[str, float]:
        if "penalties" not in self._here.snapshot().cluster.share:
            return {}
        now = monotonic()
        return {
            id: round(health.penalised_until - now, 2)
            for id, health in self._here.view().endpoints.items()
            if health.penalised_until is not None and health.penalised_until - now > BEAT
        }

    def _marks(self) -> Mapping[str, str]:
        """Of endpoints with credentials of the node's own: those of callers are their business."""
        snapshot = self._here.snapshot()
        if "penalties" not in snapshot.cluster.share:
            return {}
        found = {}
        for provider in snapshot.providers:
            for endpoint in provider.endpoints:
                secret = endpoint.credential or provider.credential
                if secret is not None:
                    found[endpoint.id] = mark(self.id, f"{endpoint.host}:{endpoint.port}", secret.value)
        return found


def _lines(snapshot: Snapshot) -> list[tuple[str, str]]:
    return [(line.id, line.carrier) for line in snapshot.lines]


def _line(id: str, carrier: str, controls: Controls, view: HealthView) -> LineNote:
    health = view.line(id)
    return LineNote(
        id,
        carrier,
        health.standing.value,
        controls.line(id).switch.value,
        round(health.rtt.median, 4) if health.rtt is not None and health.rtt.median is not None else None,
        round(health.loss.ratio_60s, 4) if health.loss is not None and health.loss.ratio_60s is not None else None,
    )
