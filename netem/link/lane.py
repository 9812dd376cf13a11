"""One direction of a line: a packet in, its deliveries out.

The order of things: filters (MTU, UDP blocked, policing), loss, bottleneck, delay and jitter, reordering, corruption,
duplication. A packet lost at random takes no room in the bottleneck; a duplicate takes none either.
"""

from dataclasses import dataclass
from typing import NamedTuple

from netem.link.chance import stream_key, uniform, word
from netem.link.conditions import Conditions
from netem.link.jitter import Jitter, jitter
from netem.link.loss import LossRatio, Sources, loss_ratio, sources
from netem.link.queue import Droptail, Policer

UDP = 17
NO_FLIP = -1


class Delivery(NamedTuple):
    """When a packet comes out, and the index of the bit that is flipped in it (NO_FLIP: none)."""

    at: float
    flip: int = NO_FLIP


@dataclass(slots=True)
class Tally:
    """Packets by what became of them: offered = passed + the five kinds of loss. `passed` counts no duplicates."""

    offered: int = 0
    passed: int = 0
    lost: int = 0
    overflowed: int = 0
    policed: int = 0
    blocked: int = 0
    oversized: int = 0
    duplicated: int = 0
    reordered: int = 0
    corrupted: int = 0


class Lane:
    """`name` tells this lane's randomness from that of others under the same seed.

    The n-th packet offered takes the n-th draw of each stream; bursts and smooth jitter are functions of `now`. The
    same packets at the same times therefore meet the same fate under the same seed, in any process and on any machine.
    `now` is lab time in seconds from 0 and must not go back.
    """

    __slots__ = (
        "_conditions", "_count", "_delay", "_flip_key", "_is_filtered", "_is_plain", "_jitter", "_last", "_loss",
        "_loss_key", "_name", "_policer", "_queue", "_rare_key", "_seed", "_sources", "tally",
    )  # fmt: skip

    def __init__(self, conditions: Conditions, seed: int, name: str) -> None:
        self._seed = seed
        self._name = name
        self._loss_key = stream_key(seed, name, "loss")
        self._rare_key = stream_key(seed, name, "rare")
        self._flip_key = stream_key(seed, name, "flip")
        self._count = -1
        self._last = 0.0
        self._queue: Droptail | None = None
        self._policer: Policer | None = None
        self._loss: LossRatio | None = None
        self._sources = Sources()
        self._jitter: Jitter | None = None
        self._conditions = Conditions()
        self.tally = Tally()
        self._adopt(conditions)

    @property
    def conditions(self) -> Conditions:
        """What is in force."""
        return self._conditions

    @property
    def wants_flow(self) -> bool:
        """True while `offer` looks at the flow; else the caller may save itself the parsing and pass b""."""
        conditions = self._conditions
        return conditions.udp_blocked or conditions.udp_police is not None

    def change(self, conditions: Conditions) -> None:
        """Put other conditions in force. Queues and chains whose own settings stay the same go on undisturbed."""
        if conditions != self._conditions:
            self._adopt(conditions)

    def restart(self) -> None:
        """Lab time begins at 0 again, with the same luck as at first. The tally goes on."""
        conditions, self._conditions = self._conditions, Conditions()
        self._count, self._last = -1, 0.0
        self._queue, self._policer, self._jitter, self._sources = None, None, None, Sources()
        self._adopt(conditions)

    def offer(self, size: int, flow: bytes, now: float) -> tuple[Delivery, ...]:
        """The deliveries of a packet of `size` bytes: none if it is lost, two if it is duplicated.

        `flow` is any key that tells 5-tuples apart and begins with the IP protocol number (see `packets.flow_of`).
        """
        self._count = n = self._count + 1
        tally = self.tally
        tally.offered += 1
        if self._is_filtered and not self._passes(size, flow, now):
            return ()
        if self._loss is not None and (ratio := self._loss(n, now)) and uniform(self._loss_key, n) < ratio:
            tally.lost += 1
            return ()
        at = now
        if self._queue is not None:
            leaves_at = self._queue.leaves_at(size, now)
            if leaves_at is None:
                tally.overflowed += 1
                return ()
            at = leaves_at
        tally.passed += 1
        at += self._delay if self._jitter is None else max(0.0, self._delay + self._jitter(n, now))
        if self._is_plain:
            self._last = at = max(at, self._last)
            return (Delivery(at),)
        return self._with_rarities(n, size, at)

    def _passes(self, size: int, flow: bytes, now: float) -> bool:
        conditions = self._conditions
        if conditions.mtu and size > conditions.mtu:
            self.tally.oversized += 1
            return False
        if not flow or flow[0] != UDP:
            return True
        if conditions.udp_blocked:
            self.tally.blocked += 1
            return False
        if self._policer is not None and not self._policer.takes(flow, size, now):
            self.tally.policed += 1
            return False
        return True

    def _with_rarities(self, n: int, size: int, at: float) -> tuple[Delivery, ...]:
        conditions, tally = self._conditions, self.tally
        if conditions.reorder and self._is_rare(n, 0, conditions.reorder):
            tally.reordered += 1
            at += conditions.reorder_ms / 1000.0
        elif conditions.ordered:
            self._last = at = max(at, self._last)
        flip = NO_FLIP
        if conditions.corrupt and self._is_rare(n, 1, conditions.corrupt):
            tally.corrupted += 1
            flip = word(self._flip_key, n) % (size * 8)
        if conditions.duplicate and self._is_rare(n, 2, conditions.duplicate):
            tally.duplicated += 1
            return (Delivery(at, flip), Delivery(at, flip))
        return (Delivery(at, flip),)

    def _is_rare(self, n: int, kind: int, ratio: float) -> bool:
        return uniform(self._rare_key, 3 * n + kind) < ratio

    def _adopt(self, conditions: Conditions) -> None:
        before, self._conditions = self._conditions, conditions
        if (conditions.rate_mbit, conditions.queue_bytes) != (before.rate_mbit, before.queue_bytes):
            self._queue = Droptail(conditions.rate_mbit, conditions.queue_bytes) if conditions.rate_mbit else None
        if conditions.udp_police != before.udp_police:
            self._policer = Policer(conditions.udp_police) if conditions.udp_police else None
        if _memory_of(conditions) != _memory_of(before):
            self._sources = sources(conditions, self._seed, self._name)
        self._loss = loss_ratio(conditions.loss, self._sources)
        if _jitter_of(conditions) != _jitter_of(before):
            self._jitter = jitter(conditions, self._seed, self._name)
        self._delay = conditions.delay_ms / 1000.0
        self._is_filtered = bool(conditions.mtu) or self.wants_flow
        self._is_plain = conditions.ordered and not (conditions.reorder or conditions.corrupt or conditions.duplicate)


def _memory_of(conditions: Conditions) -> tuple[object, ...]:
    return conditions.bursts, conditions.packet_bursts


def _jitter_of(conditions: Conditions) -> tuple[object, ...]:
    return conditions.jitter_ms, conditions.jitter_corr_ms, conditions.jitter_shape
