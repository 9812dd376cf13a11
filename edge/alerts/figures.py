"""What one process measures for the alert rules, the joining of several processes' figures, and the samples they give.

Processes that share the listeners see the same lines with different connections: rates and counts add up, of times
the worst counts, and a line is down only where all say so.
"""

from __future__ import annotations

from collections.abc import Iterable

from msgspec import Struct, field

from health.alerts import Measure, Sample
from health.standing import Standing
from health.view import HealthView
from transport.path import Line


class LineFigures(Struct):
    """One line. Seconds, ratios, bits per second."""

    rtt: float | None = None
    loss: float | None = None
    busiest_bps: float = 0.0
    capacity_bps: float = 0.0
    is_down: bool = False
    flaps: int = 0


class Figures(Struct):
    """One process at one moment."""

    lines: dict[str, LineFigures] = field(default_factory=dict)
    good_5min: int = 0
    bad_5min: int = 0
    good_24h: int = 0
    bad_24h: int = 0
    ttft_p95: float | None = None
    in_flight: int = 0
    pool_requests: int = 0


def line_figures(line: Line, view: HealthView) -> LineFigures:
    """What the view says of a line."""
    health = view.line(line.id)
    return LineFigures(
        health.rtt.estimate if health.rtt else None,
        health.loss.ratio_60s if health.loss else None,
        max(health.up_bps, health.down_bps),
        line.capacity_mbps * 1e6,
        health.standing is Standing.EJECTED,
        health.flaps,
    )


def joined(several: Iterable[Figures]) -> Figures:
    """The figures of several processes as one."""
    whole = Figures()
    for each in several:
        for name, figures in each.lines.items():
            known = whole.lines.get(name)
            whole.lines[name] = figures if known is None else _joined_line(known, figures)
        whole.good_5min += each.good_5min
        whole.bad_5min += each.bad_5min
        whole.good_24h += each.good_24h
        whole.bad_24h += each.bad_24h
        whole.ttft_p95 = _worst(whole.ttft_p95, each.ttft_p95)
        whole.in_flight += each.in_flight
        whole.pool_requests += each.pool_requests
    return whole


def _joined_line(one: LineFigures, other: LineFigures) -> LineFigures:
    return LineFigures(
        _worst(one.rtt, other.rtt),
        _worst(one.loss, other.loss),
        one.busiest_bps + other.busiest_bps,
        one.capacity_bps,
        one.is_down and other.is_down,
        max(one.flaps, other.flaps),
    )


def _worst(one: float | None, other: float | None) -> float | None:
    known = [value for value in (one, other) if value is not None]
    return max(known, default=None)


def samples(figures: Figures, least_requests: int) -> list[Sample]:
    """What the rules judge. Ratios over fewer than `least_requests` requests are unknown: one failure of three says
    nothing."""
    found = [
        Sample(Measure.LINES_USABLE, "", float(sum(not line.is_down for line in figures.lines.values()))),
        Sample(Measure.SUCCESS, "", _ratio(figures.good_5min, figures.bad_5min, least_requests)),
        Sample(Measure.AVAILABILITY, "", _ratio(figures.good_24h, figures.bad_24h, least_requests)),
        Sample(Measure.TTFT_P95, "", figures.ttft_p95),
        Sample(Measure.SESSIONS, "", float(figures.in_flight)),
        Sample(Measure.POOL_REQUESTS, "", float(figures.pool_requests)),
    ]
    for name, line in figures.lines.items():
        used = line.busiest_bps / line.capacity_bps if line.capacity_bps else None
        found += [
            Sample(Measure.LINE_RTT, name, line.rtt),
            Sample(Measure.LINE_LOSS, name, line.loss),
            Sample(Measure.LINE_UTILISATION, name, used),
            Sample(Measure.LINE_DOWN, name, float(line.is_down)),
            Sample(Measure.LINE_FLAPS, name, float(line.flaps)),
        ]
    return found


def _ratio(good: int, bad: int, least: int) -> float | None:
    return good / (good + bad) if good + bad >= max(1, least) else None
