"""The tun backend: packets are read from one end of a line, held as long as the link model says, written to the other.

What makes it true to some tens of microseconds in Python: `select`, whose time-out has microseconds where that of poll
has milliseconds; a timer slack of 1 ns; real-time scheduling where the machine allows it; no garbage collection.
"""

import ctypes
import gc
import os
import select
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush

from netem.link.conditions import Profile
from netem.link.event import Direction
from netem.link.lane import Lane
from netem.link.link import Link
from netem.packets import Nat, flip_bit, flow_of, resets, too_big

BATCH = 32
"""Packets read from one descriptor before others get their turn."""
MAX_PACKET = 65_535
LATE = 0.001
"""A packet written later than this after its time is counted: the machine was too busy to be believed."""
_PR_SET_TIMERSLACK = 29
_FOREVER = 3600.0


def be_punctual() -> bool:
    """Ask the kernel for exact timers and a real-time slot; True if the latter was granted."""
    ctypes.CDLL(None).prctl(_PR_SET_TIMERSLACK, 1, 0, 0, 0)
    gc.freeze()
    gc.disable()
    try:
        os.sched_setscheduler(0, os.SCHED_FIFO, os.sched_param(1))
    except PermissionError:
        return False
    return True


@dataclass(slots=True)
class Wire:
    """One line: its model and the descriptors of its two ends."""

    link: Link
    edge_fd: int
    far_fd: int
    nat: Nat = field(default_factory=Nat)


class Forwarder:
    """Carries the packets of several lines. One thread, one heap; `step` is one turn."""

    def __init__(self, wires: Mapping[str, Wire], clock: Callable[[], float] = time.monotonic) -> None:
        self.links = {id: wire.link for id, wire in wires.items()}
        self.refused_writes = 0
        self.late_writes = 0
        self._clock = clock
        self._origin = clock()
        self._serial = 0
        self._due: list[tuple[float, int, int, bytes]] = []
        self._ends: dict[int, tuple[Wire, Direction, Lane, int]] = {}
        for wire in wires.values():
            self._ends[wire.edge_fd] = (wire, "up", wire.link.lane("up"), wire.far_fd)
            self._ends[wire.far_fd] = (wire, "down", wire.link.lane("down"), wire.edge_fd)
        self._fds = list(self._ends)

    def now(self) -> float:
        """Lab time."""
        return self._clock() - self._origin

    def start(self) -> None:
        """Lab time is 0 now. Only before traffic: link models don't go back."""
        self._origin = self._clock()

    def troubles(self) -> dict[str, int]:
        """What the lab itself did to packets, as counts."""
        return {"refused_writes": self.refused_writes, "late_writes": self.late_writes}

    def check(self, profile: Profile) -> None:
        """Every profile can be done."""

    def step(self, others: Sequence[int]) -> list[int]:
        """Wait for something to do and do it; returns which of the `others` are ready to be read."""
        wait = self._due[0][0] - self.now() if self._due else _FOREVER
        ready = select.select([*self._fds, *others], (), (), max(wait, 0.0))[0]
        for fd in ready:
            if fd in self._ends:
                self._read(fd)
        self._write_due()
        return [fd for fd in ready if fd not in self._ends]

    def _read(self, fd: int) -> None:
        wire, direction, lane, target = self._ends[fd]
        link = wire.link
        due = self._due
        read, clock, origin = os.read, self._clock, self._origin
        for _ in range(BATCH):
            try:
                packet = read(fd, MAX_PACKET)
            except BlockingIOError:
                return
            now = clock() - origin
            link.advance(now)
            if link.meddles:
                answered = self._meddle(wire, direction, packet, now)
                if answered is None:
                    continue
                packet = answered
            flow = flow_of(packet) if lane.wants_flow else b""
            for at, flip in lane.offer(len(packet), flow, now):
                self._serial = serial = self._serial + 1
                heappush(due, (at, serial, target, packet if flip < 0 else flip_bit(packet, flip)))
            if due and due[0][0] <= now:
                self._write_due()

    def _meddle(self, wire: Wire, direction: Direction, packet: bytes, now: float) -> bytes | None:
        """What goes on in the packet's place; None if it was answered."""
        conditions = wire.link.lane(direction).conditions
        here, there = (wire.edge_fd, wire.far_fd) if direction == "up" else (wire.far_fd, wire.edge_fd)
        if conditions.tcp_reset and (forged := resets(packet)):
            self._push(now + conditions.delay_ms / 1000.0, there, forged[0])
            self._push(now, here, forged[1])
            return None
        if conditions.mtu_icmp and 0 < conditions.mtu < len(packet) and (notice := too_big(packet, conditions.mtu)):
            self._push(now, here, notice)  # the packet itself goes on, to be counted and lost in the lane
        if wire.nat.generation != wire.link.rebinds:
            wire.nat.rebind(wire.link.rebinds)
        return wire.nat.outward(packet) if direction == "up" else wire.nat.inward(packet)

    def _push(self, at: float, fd: int, packet: bytes) -> None:
        self._serial += 1
        heappush(self._due, (at, self._serial, fd, packet))

    def _write_due(self) -> None:
        due = self._due
        now = self.now()
        while due and due[0][0] <= now:
            at, _, fd, packet = heappop(due)
            if now - at > LATE:
                self.late_writes += 1
            try:
                os.write(fd, packet)
            except OSError:  # the interface is down or its queue full: a loss the model didn't order
                self.refused_writes += 1
