"""Is the emulation true? What was sent and what came, compared with what the link model says of the same packets."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from math import sqrt

from netem.link.conditions import Conditions
from netem.link.event import Direction
from netem.link.link import Link


@dataclass(slots=True)
class Probe:
    """A stream of numbered packets over one direction of a line. Times are lab time in seconds.

    `arrivals` are (number, time) in the order of coming.
    """

    sent: list[float] = field(default_factory=list)
    arrivals: list[tuple[int, float]] = field(default_factory=list)

    def delays(self) -> list[float]:
        """Seconds on the way of each packet that came, its first copy only."""
        first = dict(reversed(self.arrivals))
        return [at - self.sent[number] for number, at in first.items()]

    def lost(self) -> list[bool]:
        """For each packet sent: did none of its copies come?"""
        came = {number for number, _ in self.arrivals}
        return [number not in came for number in range(len(self.sent))]

    def loss_ratio(self) -> float:
        """Part of the packets that never came."""
        return sum(self.lost()) / max(1, len(self.sent))

    def duplicate_ratio(self) -> float:
        """Copies beyond the first, per packet sent."""
        came = {number for number, _ in self.arrivals}
        return (len(self.arrivals) - len(came)) / max(1, len(self.sent))

    def late_ratio(self) -> float:
        """Packets that came after one sent later, per packet sent."""
        newest, late = -1, 0
        for number, _ in self.arrivals:
            late += number < newest
            newest = max(newest, number)
        return late / max(1, len(self.sent))

    def burst_seconds(self) -> float:
        """Mean length of an unbroken run of lost packets, from its first packet to the first that came."""
        runs: list[float] = []
        began: float | None = None
        for at, is_lost in zip(self.sent, self.lost(), strict=True):
            if is_lost and began is None:
                began = at
            elif not is_lost and began is not None:
                runs.append(at - began)
                began = None
        return sum(runs) / len(runs) if runs else 0.0


def replay(sent: Sequence[float], link: Link, direction: Direction, size: int) -> Probe:
    """What the model says of packets sent at these times, none before them on its lane. The times are put in order."""
    times = sorted(sent)
    arrivals: list[tuple[int, float]] = []
    for number, at in enumerate(times):
        arrivals += [(number, delivery.at) for delivery in link.offer(direction, size, b"", at)]
    return Probe(times, sorted(arrivals, key=lambda arrival: arrival[1]))


def mean(values: Sequence[float]) -> float:
    """0 of nothing."""
    return sum(values) / len(values) if values else 0.0


def sigma(values: Sequence[float]) -> float:
    """Standard deviation; 0 of nothing."""
    middle = mean(values)
    return sqrt(mean([(value - middle) ** 2 for value in values]))


def quantile(values: Sequence[float], part: float) -> float:
    """The smallest value that is not below `part` of them; 0 of nothing."""
    ordered = sorted(values)
    return ordered[min(len(ordered) - 1, int(part * len(ordered)))] if ordered else 0.0


def median(values: Sequence[float]) -> float:
    """Unmoved by the few packets that met a busy moment of the machine."""
    return quantile(values, 0.5)


@dataclass(frozen=True, slots=True)
class Check:
    """One row of the doctor's table. `expected`: what this seed makes of `configured` with the packets of the probe."""

    what: str
    unit: str
    configured: float
    expected: float
    measured: float
    tolerance: float

    @property
    def is_good(self) -> bool:
        """True if the measured value is within the tolerance of the expected one."""
        return abs(self.measured - self.expected) <= self.tolerance


def compare(line: str, wanted: Conditions, measured: Probe, expected: Probe) -> tuple[Check, ...]:
    """The rows for one line: delay always, the rest where the line has it."""
    delays, model = measured.delays(), expected.delays()
    checks = [_check(f"{line}: delay", "ms", wanted.delay_ms, median(model) * 1e3, median(delays) * 1e3, 1.0)]
    if wanted.jitter_ms:
        row = (wanted.jitter_ms, sigma(model) * 1e3, sigma(delays) * 1e3, max(0.5, wanted.jitter_ms / 10))
        checks.append(_check(f"{line}: jitter σ", "ms", *row))
    if wanted.mean_loss:
        # A packet at the very edge of a burst may fall on either side of it.
        allowed = 1.0 if wanted.bursts else 0.5
        row = (100 * wanted.mean_loss, 100 * expected.loss_ratio(), 100 * measured.loss_ratio(), allowed)
        checks.append(_check(f"{line}: loss", "%", *row))
    if wanted.bursts:
        burst_ms, spacing = wanted.bursts[0].mean_ms, _spacing(measured.sent) * 1e3
        row = (burst_ms, expected.burst_seconds() * 1e3, measured.burst_seconds() * 1e3, max(3.0, 2 * spacing))
        checks.append(_check(f"{line}: burst", "ms", *row))
    if wanted.reorder:
        row = (100 * wanted.reorder, 100 * expected.late_ratio(), 100 * measured.late_ratio(), 0.5)
        checks.append(_check(f"{line}: reordered", "%", *row))
    if wanted.duplicate:
        row = (100 * wanted.duplicate, 100 * expected.duplicate_ratio(), 100 * measured.duplicate_ratio(), 0.5)
        checks.append(_check(f"{line}: duplicated", "%", *row))
    return tuple(checks)


def _check(what: str, unit: str, configured: float, expected: float, measured: float, tolerance: float) -> Check:
    return Check(what, unit, *(round(value, 3) for value in (configured, expected, measured, tolerance)))


def _spacing(sent: Sequence[float]) -> float:
    return (sent[-1] - sent[0]) / (len(sent) - 1) if len(sent) > 1 else 0.0
