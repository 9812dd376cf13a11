"""Metrics as text: Prometheus' own format, or OpenMetrics, which has exemplars."""

from __future__ import annotations

from prometheus_client import generate_latest
from prometheus_client.openmetrics import exposition
from prometheus_client.registry import Collector

PLAIN = "text/plain; version=0.0.4; charset=utf-8"
OPEN = "application/openmetrics-text; version=1.0.0; charset=utf-8"


def wants_open(accept: str) -> bool:
    """Does a scraper's Accept header name OpenMetrics? Who does prefers it."""
    return "application/openmetrics-text" in accept


def exposed(registry: Collector, is_open: bool) -> bytes:
    """All of it."""
    if not is_open:
        return generate_latest(registry)
    return bytes(exposition.generate_latest(registry))  # type: ignore[no-untyped-call]  # the library's has no types
