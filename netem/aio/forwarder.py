"""The tun backend: packets are read from one end of a line, held as long as the link model says, written to the other.

What makes it true to some tens of microseconds in Python: `select`, whose time-out has microseconds where that of poll
has milliseconds; a timer slack of 1 ns; real-time scheduling where the machine allows it; no garbage collection.
"""

import ctypes
import gc
import os
import select
import time
from collections import deque
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from heapq import heappop, heappush
from math import inf

from netem.link.conditions import Profile
from netem.link.event import Direction
from netem.link.lane import Lane
from netem.link.link import Link
from netem.packets import Nat, flip_bit, flow_of, resets, too_big

BATCH = 16
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


class Outlet:
    """Packets on their way to one descriptor. Most come in the order of their times and need no heap."""

    __slots__ = ("_last", "_serial", "_strays", "fd", "queue")

    def __init__(self, fd: int) -> None:
        self.fd = fd
        self.queue: deque[tuple[float, bytes]] = deque()
        self._last = 0.0
        self._serial = 0
        self._strays: list[tuple[float, int, bytes]] = []

    def hold(self, at: float, packet: bytes) -> None:
        """Until `at`, in lab time."""
        if at >= self._last:
            self._last = at
            self.queue.append((at, packet))
        else:
            self._serial += 1
            heappush(self._strays, (at, self._serial, packet))

    def shift(self, seconds: float) -> None:
        """The origin of lab time moved on by so much."""
        self._last -= seconds
        self.queue = deque((at - seconds, packet) for at, packet in self.queue)
        self._strays = [(at - seconds, serial, packet) for at, serial, packet in self._strays]

    def due_at(self) -> float:
        """When the next packet is due; inf: there is none."""
        at = self.queue[0][0] if self.queue else inf
        return min(at, self._strays[0][0]) if self._strays else at

    def take(self, now: float) -> tuple[float, bytes] | None:
        """The next packet that is due, and when it was."""
        if self._strays and self._strays[0][0] <= min(now, self.queue[0][0] if self.queue else inf):
            at, _, packet = heappop(self._strays)
            return at, packet
        return self.queue.popleft() if self.queue and self.queue[0][0] <= now else None


@dataclass(frozen=True, slots=True)
class _Inlet:
    wire: Wire
    direction: Direction
    lane: Lane
    onward: Outlet
    back: Outlet


class Forwarder:
    """Carries the packets of several lines in one thread; `step` is one turn."""

    def __init__(self, wires: Mapping[str, Wire], clock: Callable[[], float] = time.monotonic) -> None:
        self.links = {id: wire.link for id, wire in wires.items()}
        self.refused_writes = 0
        self.late_writes = 0
        self._clock = clock
        self._origin = clock()
        self._inlets: dict[int, _Inlet] = {}
        self._outlets: list[Outlet] = []
        for wire in wires.values():
            edge, far = Outlet(wire.edge_fd), Outlet(wire.far_fd)
            self._outlets += [edge, far]
            self._inlets[wire.edge_fd] = _Inlet(wire, "up", wire.link.lane("up"), far, edge)
            self._inlets[wire.far_fd] = _Inlet(wire, "down", wire.link.lane("down"), edge, far)
        self._fds = list(self._inlets)

    def now(self) -> float:
        """Lab time."""
        return self._clock() - self._origin

    def start(self) -> None:
        """Lab time is 0 now. Links begin anew; packets on their way take as long as they would have."""
        now = self.now()
        self._origin = self._clock()
        for link in self.links.values():
            link.restart()
        for outlet in self._outlets:
            outlet.shift(now)

    def troubles(self) -> dict[str, int]:
        """What the lab itself did to packets, as counts."""
        return {"refused_writes": self.refused_writes, "late_writes": self.late_writes}

    def check(self, profile: Profile) -> None:
        """Every profile can be done."""

    def step(self, others: Sequence[int]) -> list[int]:
        """Wait for something to do and do it; returns which of the `others` are ready to be read."""
        wait = min([outlet.due_at() for outlet in self._outlets]) - self.now()
        ready = select.select([*self._fds, *others], (), (), min(max(wait, 0.0), _FOREVER))[0]
        for fd in ready:
            if fd in self._inlets:
                self._read(fd, self._inlets[fd])
        self._write_due()
        return [fd for fd in ready if fd not in self._inlets]

    def _read(self, fd: int, inlet: _Inlet) -> None:
        link, lane, onward = inlet.wire.link, inlet.lane, inlet.onward
        read, clock, origin = os.read, self._clock, self._origin
        for _ in range(BATCH):
            try:
                packet = read(fd, MAX_PACKET)
            except BlockingIOError:
                return
            now = clock() - origin
            link.advance(now)
            if link.meddles:
                answered = self._meddle(inlet, packet, now)
                if answered is None:
                    continue
                packet = answered
            flow = flow_of(packet) if lane.wants_flow else b""
            for at, flip in lane.offer(len(packet), flow, now):
                onward.hold(at, packet if flip < 0 else flip_bit(packet, flip))
            if onward.queue and onward.queue[0][0] <= now:
                self._write(onward, now)

    def _meddle(self, inlet: _Inlet, packet: bytes, now: float) -> bytes | None:
        """What goes on in the packet's place; None if it was answered."""
        conditions, nat = inlet.lane.conditions, inlet.wire.nat
        if conditions.tcp_reset and (forged := resets(packet)):
            inlet.onward.hold(now + conditions.delay_ms / 1000.0, forged[0])
            inlet.back.hold(now, forged[1])
            return None
        if conditions.mtu_icmp and 0 < conditions.mtu < len(packet) and (notice := too_big(packet, conditions.mtu)):
            inlet.back.hold(now, notice)  # the packet itself goes on, to be counted and lost in the lane
        if nat.generation != inlet.wire.link.rebinds:
            nat.rebind(inlet.wire.link.rebinds)
        return nat.outward(packet) if inlet.direction == "up" else nat.inward(packet)

    def _write_due(self) -> None:
        now = self.now()
        for outlet in self._outlets:
            self._write(outlet, now)

    def _write(self, outlet: Outlet, now: float) -> None:
        while (due := outlet.take(now)) is not None:
            at, packet = due
            if now - at > LATE:
                self.late_writes += 1
            try:
                os.write(outlet.fd, packet)
            except OSError:  # the interface is down or its queue full: a loss the model didn't order
                self.refused_writes += 1
