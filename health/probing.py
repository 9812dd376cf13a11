"""Which probe is due when. Pure: `now` and chance are arguments.

    ProbePolicy   [probe] of the configuration
    Check         a path and a kind: what can be asked again and again
    Schedule      pulses per line, rounds per path, within a budget

A line's *pulse* asks one far end after the other, with the cheapest kinds that get an answer (ICMP, QUIC; else TCP):
once a second, ten times a second while the line is suspected, then with TCP among them. *Rounds* ask every far end over
every line: TCP connect every 5 s, a TLS handshake and an HTTP request every 30 s. Twelve lines and six far ends make 31
probes and 30 kB a second.
"""

from __future__ import annotations

import heapq
from collections import deque
from collections.abc import Callable, Iterable, Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import NamedTuple

from health.probe import ProbeKind
from transport.path import Line, Path, Protocol, Target

PULSES = (ProbeKind.ICMP, ProbeKind.QUIC)  # one packet each way: cheap enough for every second
ROUNDS = (ProbeKind.TCP, ProbeKind.TLS, ProbeKind.HTTP)

SPREAD = 0.25  # of an interval, each way: probes of many nodes and lines don't fall into step
SLOWEST_PULSE = 5.0  # seconds, however many workers share the work
SLOWEST_ROUND = 30.0
FAST_LIMIT = 10.0  # seconds of fast pulses per suspicion; a line that stays dead needs no more than the usual

BYTES = {  # on the wire both ways, roughly: what the budget counts
    ProbeKind.ICMP: 140,
    ProbeKind.QUIC: 1_400,
    ProbeKind.TCP: 250,
    ProbeKind.TLS: 6_000,
    ProbeKind.HTTP: 1_500,
    ProbeKind.SESSION: 200,
}


@dataclass(frozen=True, slots=True)
class ProbePolicy:
    """[probe]"""

    enabled: bool = True
    kinds: tuple[ProbeKind, ...] = (*PULSES, *ROUNDS)
    interval_ms: float = 1_000.0  # between two pulses of a line
    fast_interval_ms: float = 100.0  # the same while the line is suspected
    connect_interval_ms: float = 5_000.0  # between two TCP connects of a path
    request_interval_ms: float = 30_000.0  # between two TLS handshakes, and two HTTP requests, of a path
    timeout_ms: float = 5_000.0  # longest wait for an answer
    budget_per_second: float = 100.0  # probes of the node, all lines together…
    budget_bytes_per_second: int = 100_000  # …and what they weigh

    def pulse_interval(self, workers: int, *, fast: bool) -> float:
        """Seconds. Workers share the usual pulses; a suspicion is each one's own."""
        if fast:
            return self.fast_interval_ms / 1000
        return max(self.interval_ms / 1000, min(self.interval_ms / 1000 * workers, SLOWEST_PULSE))

    def round_interval(self, kind: ProbeKind, workers: int) -> float:
        """Seconds between two probes of this kind on a path."""
        own = (self.connect_interval_ms if kind is ProbeKind.TCP else self.request_interval_ms) / 1000
        return max(own, min(own * workers, SLOWEST_ROUND))


class Check(NamedTuple):
    """What can be asked again and again."""

    path: Path
    kind: ProbeKind


@dataclass(frozen=True, slots=True)
class FarEnd:
    """A target, and where an HTTP request that costs nothing goes."""

    target: Target
    base_path: str = ""


def checks_of(lines: Mapping[Line, Iterable[ProbeKind]], far_ends: Iterable[FarEnd]) -> Iterable[Check]:
    """Every check that makes sense; `lines` with the kinds that they can carry."""
    targets = [end.target for end in far_ends]
    for line, kinds in lines.items():
        for kind in kinds:
            for target in targets:
                if kind is ProbeKind.QUIC and Protocol.H3 not in target.protocols:
                    continue
                if kind is ProbeKind.TLS and not target.tls:
                    continue
                yield Check(Path(line.id, target.id), kind)


class Bucket:
    """A token bucket that holds one second's worth, and one token at least."""

    def __init__(self, rate: float, now: float) -> None:
        self.rate = rate
        self._size = self._level = max(rate, 1.0)
        self._at = now

    def level(self, now: float) -> float:
        return min(self._size, self._level + (now - self._at) * self.rate)

    def take(self, amount: float, now: float) -> None:
        """May go below zero: a probe that is larger than the bucket must be possible."""
        self._level, self._at = self.level(now) - amount, now


@dataclass(slots=True)
class _Slot:
    """A pulse (many checks, one after the other) or a round (one check)."""

    line: str
    checks: deque[Check]
    is_pulse: bool
    due_at: float = 0.0


@dataclass(slots=True)
class Schedule:
    """Hands out the checks that are due. `draw` gives numbers in [0, 1); `workers` processes share the node's work."""

    draw: Callable[[], float]
    workers: int = 1
    policy: ProbePolicy = field(default_factory=ProbePolicy)
    _slots: dict[tuple[str, str, ProbeKind | None], _Slot] = field(default_factory=dict)
    _queue: list[tuple[float, int, _Slot]] = field(default_factory=list)
    _entries: int = 0
    _hurried: dict[str, float] = field(default_factory=dict)  # line → since when it is wanted fast
    _buckets: tuple[Bucket, Bucket] | None = None

    def update(self, checks: Iterable[Check], policy: ProbePolicy, now: float) -> None:
        """The checks that exist from now on. Those that were there keep their place; new ones begin at random within
        their interval, so that a start is no burst."""
        self.policy = policy
        rates = (policy.budget_per_second / self.workers, policy.budget_bytes_per_second / self.workers)
        self._buckets = Bucket(rates[0], now), Bucket(rates[1], now)
        kept, self._slots, self._queue = self._slots, {}, []
        for key, slot in _slots_of(checks).items():
            old = kept.get(key)
            interval = self._interval(slot, now)
            slot.due_at = now + self.draw() * interval if old is None else min(old.due_at, now + interval)
            self._slots[key] = slot
            self._push(slot)

    def hurry(self, lines: AbstractSet[str], now: float) -> list[str]:
        """These lines, and no others, are wanted fast. Returns those that weren't before."""
        for line in [line for line in self._hurried if line not in lines]:
            del self._hurried[line]
        new = [line for line in lines if line not in self._hurried]
        for line in new:
            self._hurried[line] = now
            self._bring_forward(line, now)
        return new

    def is_fast(self, line: str, now: float) -> bool:
        """Is the line probed fast now?"""
        since = self._hurried.get(line)
        return since is not None and now - since < FAST_LIMIT

    def due(self, now: float, is_resting: Callable[[Check], bool], is_off: Callable[[str], bool]) -> list[Check]:
        """What to ask now: as much as is due and the budget allows, the longest due first; what the budget holds back
        stays due. `is_resting`: checks that nobody answers, to be left out of pulses; `is_off`: lines to leave alone.
        """
        assert self._buckets is not None, "update comes first"
        probes, weight = self._buckets
        asked: list[Check] = []
        while self._queue and self._queue[0][0] <= now and probes.level(now) >= 1 and weight.level(now) > 0:
            due_at, _, slot = heapq.heappop(self._queue)
            if due_at != slot.due_at:
                continue  # it was brought forward, and has been asked
            check = None if is_off(slot.line) else self._next(slot, now, is_resting)
            slot.due_at = now + self._jittered(self._interval(slot, now))
            self._push(slot)
            if check is not None:
                probes.take(1, now)
                weight.take(BYTES[check.kind], now)
                asked.append(check)
        return asked

    def _next(self, slot: _Slot, now: float, is_resting: Callable[[Check], bool]) -> Check | None:
        """A round's check; a pulse's next one that isn't resting, of the cheap kinds if it can be."""
        wanted = [check for check in slot.checks if not is_resting(check)] if slot.is_pulse else list(slot.checks)
        cheap = [check for check in wanted if check.kind in PULSES]
        if cheap and not self.is_fast(slot.line, now):
            wanted = cheap
        if not wanted:
            return None
        slot.checks.remove(wanted[0])
        slot.checks.append(wanted[0])
        return wanted[0]

    def _interval(self, slot: _Slot, now: float) -> float:
        if slot.is_pulse:
            return self.policy.pulse_interval(self.workers, fast=self.is_fast(slot.line, now))
        return self.policy.round_interval(slot.checks[0].kind, self.workers)

    def _jittered(self, interval: float) -> float:
        return interval * (1 - SPREAD + 2 * SPREAD * self.draw())

    def _bring_forward(self, line: str, now: float) -> None:
        slot = self._slots.get((line, "", None))
        if slot is not None and slot.due_at > now:
            slot.due_at = now
            self._push(slot)

    def _push(self, slot: _Slot) -> None:
        self._entries += 1
        heapq.heappush(self._queue, (slot.due_at, self._entries, slot))


def _slots_of(checks: Iterable[Check]) -> dict[tuple[str, str, ProbeKind | None], _Slot]:
    """By (line, far end, kind); a pulse has only the line."""
    slots: dict[tuple[str, str, ProbeKind | None], _Slot] = {}
    for check in checks:
        line = check.path.line
        if check.kind in PULSES or check.kind is ProbeKind.TCP:
            slots.setdefault((line, "", None), _Slot(line, deque(), is_pulse=True)).checks.append(check)
        if check.kind not in PULSES:
            slots[line, str(check.path), check.kind] = _Slot(line, deque((check,)), is_pulse=False)
    return slots
