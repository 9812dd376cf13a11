"""What lines are worth, in figures: credits for a month's availability, vendors' scores, the return on a line.

The formulas stand in docs/report.md with an example that a test reckons anew.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

MONTH_SECONDS = 30 * 86_400
LEAST_LATENCY_GAIN, LEAST_AVAILABILITY_GAIN, LEAST_CAPACITY_GAIN = 0.6, 0.02, 5.0
"""A line pays for itself by one of these gains over the baseline: E.g. 0.6 is 60 % less to wait."""
WEIGHTS = {"availability": 30, "latency": 25, "loss": 20, "price": 15, "steadiness": 10}
BEST_AVAILABILITY, WORST_AVAILABILITY, WORST_LOSS = 0.9999, 0.99, 0.02


@dataclass(frozen=True, slots=True)
class Credit:
    """Below this availability the vendor owes this share of the month's price."""

    below: float
    share: float


CREDITS = (Credit(0.999, 0.10), Credit(0.99, 0.30))


@dataclass(frozen=True, slots=True)
class Owed:
    """Of one line and month. `availability` None: nothing is known. `amount` None: the line has no price."""

    availability: float | None
    out_seconds: float
    observed: float  # share of the month so far in which the node looked
    share: float
    amount: float | None


def owed(sums: Mapping[str, Any], seconds: float, workers: int, price: float | None, credits: Sequence[Credit]) -> Owed:
    """`sums`: of the line in a calendar month, of which `seconds` are over; every worker looked once a second."""
    looked, out = sums["observed_seconds"], sums["out_seconds"]
    availability = 1 - out / looked if looked else None
    share = 0.0 if availability is None else credit_share(availability, credits)
    observed = min(1.0, looked / (workers * seconds)) if seconds > 0 else 0.0
    return Owed(availability, out / workers, observed, share, None if price is None else price * share)


def credit_share(availability: float, credits: Sequence[Credit]) -> float:
    """The largest of those whose threshold was missed."""
    return max((credit.share for credit in credits if availability < credit.below), default=0.0)


@dataclass(frozen=True, slots=True)
class Standing:
    """What a line is scored by. None: unknown."""

    availability: float | None
    latency_ms: float | None
    p95_ms: float | None
    loss: float | None
    price: float | None  # per month and Mbit/s


@dataclass(frozen=True, slots=True)
class Scored:
    """Each from 0 to 100, or None where nothing is known; `total` by the weights of what is known."""

    parts: Mapping[str, float | None]
    total: float | None


def scored(lines: Mapping[str, Standing]) -> dict[str, Scored]:
    """Latency and price are compared with the best of these lines."""
    fastest = min((each.latency_ms for each in lines.values() if each.latency_ms), default=0.0)
    cheapest = min((each.price for each in lines.values() if each.price), default=0.0)
    return {id: _score(each, fastest, cheapest) for id, each in lines.items()}


def _score(line: Standing, fastest: float, cheapest: float) -> Scored:
    parts = {
        "availability": None
        if line.availability is None
        else _clamped((line.availability - WORST_AVAILABILITY) / (BEST_AVAILABILITY - WORST_AVAILABILITY)),
        "latency": _clamped(fastest / line.latency_ms) if line.latency_ms else None,
        "loss": None if line.loss is None else _clamped(1 - line.loss / WORST_LOSS),
        "price": _clamped(cheapest / line.price) if line.price else None,
        "steadiness": _clamped(line.latency_ms / line.p95_ms) if line.latency_ms and line.p95_ms else None,
    }
    return Scored(parts, total(parts))


def total(parts: Mapping[str, float | None]) -> float | None:
    """The weighted mean of what is known."""
    known = {name: value for name, value in parts.items() if value is not None}
    weights = sum(WEIGHTS[name] for name in known)
    return sum(WEIGHTS[name] * value for name, value in known.items()) / weights if weights else None


def vendor(scores: Sequence[Scored]) -> Scored:
    """Of a vendor's lines together: each part is the mean of those lines of which it is known."""
    parts: dict[str, float | None] = {}
    for name in WEIGHTS:
        known = [value for each in scores if (value := each.parts[name]) is not None]
        parts[name] = sum(known) / len(known) if known else None
    return Scored(parts, total(parts))


def _clamped(ratio: float) -> float:
    return 100 * min(1.0, max(0.0, ratio))


@dataclass(frozen=True, slots=True)
class Return:
    """Gains over the baseline. None: not enough is known. `benefit` a month, in the currency of the cost."""

    latency_gain: float | None
    availability_gain: float | None
    capacity_gain: float | None
    benefit: float | None
    roi: float | None

    @property
    def passes(self) -> bool:
        """Does it pass one of the gates?"""
        return any(
            gain is not None and gain > least
            for gain, least in (
                (self.latency_gain, LEAST_LATENCY_GAIN),
                (self.availability_gain, LEAST_AVAILABILITY_GAIN),
                (self.capacity_gain, LEAST_CAPACITY_GAIN),
            )
        )


@dataclass(frozen=True, slots=True)
class Served:
    """What a line did in the report's time. `requests`: its attempts."""

    first_byte_ms: float | None
    unavailable: float | None
    capacity_mbps: float | None
    requests: int


def returned(mine: Served, base: Served, cost: float, second_value: float | None, seconds: float) -> Return:
    """ROI = (benefit − cost) / cost, a month; the benefit is the seconds that its requests waited less for a first byte
    than on the baseline, at what a second is worth. `seconds`: the report's time."""
    latency = availability = benefit = None
    if mine.first_byte_ms and base.first_byte_ms:
        latency = 1 - mine.first_byte_ms / base.first_byte_ms
        if second_value is not None:
            saved = (base.first_byte_ms - mine.first_byte_ms) / 1000 * mine.requests
            benefit = saved * second_value * MONTH_SECONDS / seconds
    if mine.unavailable is not None and base.unavailable is not None:
        availability = base.unavailable - mine.unavailable
    capacity = mine.capacity_mbps / base.capacity_mbps - 1 if mine.capacity_mbps and base.capacity_mbps else None
    roi = (benefit - cost) / cost if benefit is not None and cost else None
    return Return(latency, availability, capacity, benefit, roi)
