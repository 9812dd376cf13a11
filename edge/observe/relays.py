"""Relays, sessions and carriers as metrics, made when somebody collects. Unknown is absent, not 0."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from itertools import accumulate
from typing import Protocol as Interface

from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, HistogramMetricFamily, Metric
from prometheus_client.registry import Collector

from edge.links.facts import CAUSES, LATENESS_BOUNDS, RelayFacts, redundancy_factor
from health.correlation import LossCorrelation
from health.standing import Standing
from health.view import HealthView


class Sessions(Interface):
    """What is asked of the node's links."""

    correlation: LossCorrelation

    def facts(self) -> Mapping[str, RelayFacts]:
        """By relay."""

    def carriers(self) -> Iterable[tuple[str, str, str, bool]]:
        """(relay, line, kind, is suspected) of every carrier that stands."""


class RelayMetrics(Collector):
    """`view` is asked anew each time."""

    def __init__(self, view: Callable[[], HealthView], sessions: Sessions) -> None:
        self._view = view
        self._sessions = sessions

    def collect(self) -> Iterable[Metric]:
        facts = self._sessions.facts()
        if facts:
            yield from self._healths()
            yield from _counts(facts)
            yield from self._carriers()

    def _healths(self) -> Iterable[Metric]:
        relays = self._view().relays
        ready = GaugeMetricFamily("farline_relay_ready", "1 while it takes new requests.", labels=["relay"])
        standing = GaugeMetricFamily(
            "farline_relay_standing", "1 for the relay's current standing.", labels=["relay", "standing"]
        )
        rtt = GaugeMetricFamily(
            "farline_relay_rtt_seconds", "Round trip over the line that its session goes by.", labels=["relay"]
        )
        busy = GaugeMetricFamily("farline_relay_in_flight", "Requests under way through it.", labels=["relay"])
        for relay, health in relays.items():
            ready.add_metric([relay], float(not health.why_not))
            for each in Standing:
                standing.add_metric([relay, each.value], float(health.way.standing is each))
            if health.way.rtt is not None:
                rtt.add_metric([relay], health.way.rtt.median)
            busy.add_metric([relay], health.way.in_flight)
        return ready, standing, rtt, busy

    def _carriers(self) -> Iterable[Metric]:
        number = GaugeMetricFamily(
            "farline_session_carriers", "Carriers that stand.", labels=["relay", "line", "kind", "state"]
        )
        states = ("trusted", "suspected")
        counts = Counter((relay, line, kind, states[doubt]) for relay, line, kind, doubt in self._sessions.carriers())
        for labels, count in counts.items():
            number.add_metric(labels, count)
        shared = GaugeMetricFamily(
            "farline_line_loss_correlation",
            "Phi of two lines' seconds with loss: 1, one fate.",
            labels=["line", "other"],
        )
        for pair, phi in self._sessions.correlation.phi().items():
            shared.add_metric(pair, phi)
        return number, shared


def _counts(facts: Mapping[str, RelayFacts]) -> Iterable[Metric]:
    sessions = CounterMetricFamily("farline_sessions", "Sessions begun.", labels=["relay"])
    resumes = CounterMetricFamily(
        "farline_session_resumes", "Sessions that went on after all their carriers were lost.", labels=["relay"]
    )
    suspicions = CounterMetricFamily(
        "farline_session_suspicions",
        "Lines that a session suspected; false: over within 1 s.",
        labels=["relay", "line", "kind"],
    )
    sent = CounterMetricFamily("farline_session_bytes", "Stream bytes sent, by cause.", labels=["relay", "cause"])
    packets = CounterMetricFamily("farline_session_packets", "Packets sent.", labels=["relay"])
    factor = GaugeMetricFamily(
        "farline_session_redundancy_ratio", "Stream bytes sent per byte there was to send.", labels=["relay"]
    )
    late = HistogramMetricFamily(
        "farline_token_lateness_seconds",
        "How much later than the quickest of a minute a reply's parts came.",
        labels=["relay"],
    )
    for relay, each in facts.items():
        total = each.total()
        sessions.add_metric([relay], each.sessions)
        resumes.add_metric([relay], each.resumes)
        for line, count in each.suspicions.items():
            false = each.false_suspicions[line]
            suspicions.add_metric([relay, line, "true"], count - false)
            suspicions.add_metric([relay, line, "false"], false)
        for cause, name in CAUSES.items():
            sent.add_metric([relay, cause], getattr(total, name))
        packets.add_metric([relay], total.packets)
        ratio = redundancy_factor(total)
        if ratio is not None:
            factor.add_metric([relay], ratio)
        bounds = [*map(str, LATENESS_BOUNDS), "+Inf"]
        running = [
            (bound, float(count)) for bound, count in zip(bounds, accumulate(each.lateness.buckets), strict=True)
        ]
        late.add_metric([relay], running, each.lateness.seconds)
    return sessions, resumes, suspicions, sent, packets, factor, late
