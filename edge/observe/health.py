"""The health view as metrics, made when somebody collects, and its changes as log lines. Unknown is absent, not 0."""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterable, Sequence

from prometheus_client.core import GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from health.change import Change
from health.standing import Standing
from health.view import HealthView, LineHealth
from transport.path import Line

log = logging.getLogger("farline.health")


class HealthMetrics(Collector):
    """`view` and `lines` are asked anew each time."""

    def __init__(self, view: Callable[[], HealthView], lines: Callable[[], Sequence[Line]]) -> None:
        self._view = view
        self._lines = lines

    def collect(self) -> Iterable[Metric]:
        view = self._view()
        lines = [(line, view.line(line.id)) for line in self._lines()]
        text = "1 for the line's current standing."
        yield _standings("farline_line_standing", "line", text, ((line.id, health.standing) for line, health in lines))
        yield from _figures(lines)
        loss = GaugeMetricFamily("farline_line_loss_ratio", "Loss of probes.", labels=["line", "window"])
        for line, health in lines:
            if health.loss is not None:
                ratios = (health.loss.ratio_10s, health.loss.ratio_60s, health.loss.ratio_300s)
                for window, ratio in zip(("10s", "60s", "300s"), ratios, strict=True):
                    _add(loss, [line.id, window], ratio)
        yield loss
        yield _utilisation(lines)
        endpoints = view.endpoints.items()
        text = "1 for the far end's current standing."
        yield _standings("farline_endpoint_standing", "endpoint", text, ((name, e.standing) for name, e in endpoints))
        panic = GaugeMetricFamily("farline_panic", "1: no line is known to work.")
        panic.add_metric([], float(view.is_panic))
        yield panic


def _figures(lines: list[tuple[Line, LineHealth]]) -> Iterable[Metric]:
    """One value per line each."""
    wanted: tuple[tuple[str, str, Callable[[LineHealth], float | None]], ...] = (
        (
            "rtt_seconds",
            "Round trip to the nearest far end: median of the last ten.",
            lambda h: h.rtt.median if h.rtt else None,
        ),
        ("jitter_seconds", "Interarrival jitter of round trips (RFC 3550).", lambda h: h.rtt.jitter if h.rtt else None),
        ("suspected", "1 while the line is silent though it should answer.", lambda h: float(h.is_suspected)),
        ("in_flight", "Requests under way.", lambda h: float(h.in_flight)),
        ("success_ratio", "Of dials and requests in five minutes.", lambda h: h.success_ratio),
        ("flaps", "Ejections in ten minutes.", lambda h: float(h.flaps)),
    )
    for name, text, value in wanted:
        family = GaugeMetricFamily(f"farline_line_{name}", text, labels=["line"])
        for line, health in lines:
            _add(family, [line.id], value(health))
        yield family


def _utilisation(lines: list[tuple[Line, LineHealth]]) -> Metric:
    text = "Bandwidth in use over the line's capacity."
    family = GaugeMetricFamily("farline_line_utilisation_ratio", text, labels=["line", "direction"])
    for line, health in lines:
        if line.capacity_mbps > 0:
            for direction, bps in (("up", health.up_bps), ("down", health.down_bps)):
                family.add_metric([line.id, direction], bps / (line.capacity_mbps * 1e6))
    return family


def _standings(name: str, label: str, text: str, subjects: Iterable[tuple[str, Standing]]) -> Metric:
    family = GaugeMetricFamily(name, text, labels=[label, "standing"])
    for subject, current in subjects:
        for standing in Standing:
            family.add_metric([subject, standing.value], float(standing is current))
    return family


def _add(family: GaugeMetricFamily, labels: Sequence[str], value: float | None) -> None:
    if value is not None:
        family.add_metric(labels, value)


def log_change(change: Change) -> None:
    """One line per change of a standing or a suspicion."""
    text = f"{change.kind} {change.id}: {change.before} → {change.after} ({change.reason})"
    members = {name: getattr(change, name) for name in ("kind", "id", "before", "after", "reason")}
    log.info(text, extra={"members": members})
