"""Notices as text: one title, one line per notice, each with the value, its limit, and where to read on."""

from __future__ import annotations

from collections.abc import Sequence

from health.alerts import Measure, Notice, Severity, Told

_WHAT = {
    Measure.LINE_RTT: "round trip",
    Measure.LINE_LOSS: "packet loss",
    Measure.LINE_UTILISATION: "bandwidth in use",
    Measure.LINE_DOWN: "line ejected",
    Measure.LINE_FLAPS: "ejections in 10 min",
    Measure.LINES_USABLE: "usable lines",
    Measure.SUCCESS: "good replies in 5 min",
    Measure.AVAILABILITY: "good replies in 24 h",
    Measure.TTFT_P95: "time to first byte, p95",
    Measure.SESSIONS: "requests in flight",
    Measure.POOL_REQUESTS: "requests to the local pool in 1 min",
}
_SECONDS = (Measure.LINE_RTT, Measure.TTFT_P95)
_RATIOS = (Measure.LINE_LOSS, Measure.LINE_UTILISATION, Measure.SUCCESS, Measure.AVAILABILITY)


def title(node: str, notices: Sequence[Notice]) -> str:
    """`farline bj-1: 2 firing (1 critical), 1 resolved`."""
    firing = [notice for notice in notices if notice.told is not Told.RESOLVED]
    critical = sum(notice.rule.severity is Severity.CRITICAL for notice in firing)
    parts = []
    if firing:
        parts.append(f"{len(firing)} firing" + (f" ({critical} critical)" if critical else ""))
    if len(firing) < len(notices):
        parts.append(f"{len(notices) - len(firing)} resolved")
    return f"farline {node}: {', '.join(parts)}"


def body(notices: Sequence[Notice]) -> str:
    """The worst first, what is over last."""
    return "\n".join(map(line, sorted(notices, key=_rank)))


def line(notice: Notice) -> str:
    """`CRITICAL success: good replies in 5 min 91.2 %, limit 95 %, for 40 s (runbook: success)`."""
    rule = notice.rule
    subject = f" {notice.subject}" if notice.subject else ""
    if notice.told is Told.RESOLVED:
        now = "no longer there" if notice.value is None else f"{value(rule.measure, notice.value)} now"
        return f"RESOLVED {rule.id}{subject}: {_WHAT[rule.measure]}, {now}, after {_span(notice.at - notice.since)}"
    word = rule.severity.value.upper() + (" still" if notice.told is Told.STILL else "")
    shown = "unknown" if notice.value is None else value(rule.measure, notice.value)
    limit = "" if rule.measure is Measure.LINE_DOWN else f" {shown}, limit {value(rule.measure, rule.threshold)}"
    return (
        f"{word} {rule.id}{subject}: {_WHAT[rule.measure]}{limit}, for {_span(notice.at - notice.since)} "
        f"(runbook: {rule.id})"
    )


def value(measure: Measure, number: float) -> str:
    """A value in its unit, as people write it."""
    if measure in _SECONDS:
        return f"{number * 1000:.0f} ms"
    if measure in _RATIOS:
        return f"{number * 100:.4g} %"
    return f"{number:g}"


def _span(seconds: float) -> str:
    if seconds < 120.0:
        return f"{seconds:.0f} s"
    return f"{seconds / 60:.0f} min" if seconds < 7200.0 else f"{seconds / 3600:.1f} h"


def _rank(notice: Notice) -> tuple[bool, int, str, str]:
    order = (Severity.CRITICAL, Severity.WARNING, Severity.INFO)
    return notice.told is Told.RESOLVED, order.index(notice.rule.severity), notice.rule.id, notice.subject
