"""The rules that are there without configuration, and what a configured rule inherits from them.

deploy/prometheus/farline-alerts.yml holds the same rules for Prometheus; a test keeps the two alike.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from health.alerts import Measure, Rule, Severity

DEFAULTS = (
    Rule("lines-out", Measure.LINES_USABLE, 1.0, 1.5, Severity.CRITICAL, for_seconds=5.0, clear_seconds=30.0),
    Rule("line-down", Measure.LINE_DOWN, 0.5, 0.4, Severity.WARNING, for_seconds=30.0, clear_seconds=30.0),
    Rule("line-rtt", Measure.LINE_RTT, 2.0, 1.5, Severity.WARNING, for_seconds=30.0),
    Rule("line-loss", Measure.LINE_LOSS, 0.01, 0.005, Severity.WARNING, for_seconds=120.0, clear_seconds=300.0),
    Rule("line-bandwidth", Measure.LINE_UTILISATION, 0.8, 0.7, Severity.WARNING, for_seconds=60.0),
    Rule("line-flapping", Measure.LINE_FLAPS, 2.0, 0.0, Severity.WARNING, for_seconds=0.0, clear_seconds=0.0),
    Rule("success", Measure.SUCCESS, 0.95, 0.97, Severity.CRITICAL, for_seconds=0.0),
    Rule("availability", Measure.AVAILABILITY, 0.999, 0.9995, Severity.WARNING, for_seconds=60.0),
    Rule("ttft", Measure.TTFT_P95, 3.0, 2.5, Severity.WARNING, for_seconds=60.0),
    Rule("sessions", Measure.SESSIONS, 8000.0, 7200.0, Severity.WARNING, for_seconds=10.0),
    Rule("pool-in-use", Measure.POOL_REQUESTS, 0.0, 0.0, Severity.WARNING, for_seconds=0.0, clear_seconds=120.0),
)


def default(name: str) -> Rule | None:
    """The built-in rule of that id."""
    return next((rule for rule in DEFAULTS if rule.id == name), None)


def changed(rule: Rule, fields: Mapping[str, Any]) -> Rule:
    """A rule with some fields changed. If only the threshold is, `clear` keeps its distance in proportion to it."""
    if "threshold" in fields and "clear" not in fields and rule.threshold:
        return replace(rule, **fields, clear=rule.clear * (fields["threshold"] / rule.threshold))
    return replace(rule, **fields)
