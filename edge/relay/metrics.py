"""What a relay counts. Base units; labels from the configuration or closed sets, like the edge's metrics."""

from __future__ import annotations

from collections import Counter as Counts
from collections.abc import Iterable
from dataclasses import fields

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.core import CounterMetricFamily, Metric
from prometheus_client.process_collector import ProcessCollector
from prometheus_client.registry import Collector

from edge.observe.hot import HotCounter, HotHistograms
from edge.observe.metrics import LATENCY_BOUNDS
from edge.relay.record import ExecutionRecord
from edge.relay.service import Service
from transport.aio.path_pool import ConnectionStat
from transport.connector import NullObserver
from transport.failure import Failure
from transport.path import Path, Protocol
from transport.session.live import LiveSession
from transport.session.values import Tally

MOST_LINES = 32
"""Of one edge, in labels."""
_CAUSES = {name.name: name.name.removesuffix("_bytes") for name in fields(Tally) if name.name.endswith("_bytes")}


class RelayMetrics(NullObserver):
    """One registry per process; also the TransportObserver of the pools and the service's Watcher, in part."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.executions = HotCounter(
            "farline_executions", "Requests of edges by how they ended.", ["edge", "provider", "outcome", "status"]
        )
        self.seconds = HotHistograms(
            "farline_execution_seconds", "From a request's head to its end.", "provider", LATENCY_BOUNDS
        )
        self.entry_seconds = HotHistograms(
            "farline_execution_connect_seconds",
            "From a request's head to a connection to the provider that takes it.",
            "provider",
            LATENCY_BOUNDS,
        )
        self.first_byte_seconds = HotHistograms(
            "farline_execution_first_byte_seconds",
            "From a connection to the first body byte of the provider's reply.",
            "provider",
            LATENCY_BOUNDS,
        )
        self.repetitions = HotCounter(
            "farline_repetitions", "Request ids that came again: joined, replayed, refused.", ["edge", "kind"]
        )
        self.body_bytes = HotCounter("farline_edge_bytes", "Bytes of bodies.", ["edge", "direction"])
        self.redials = HotCounter("farline_redials", "Further tries of requests that can't have run.", ["provider"])
        self.suspicions = HotCounter(
            "farline_session_suspicions", "Lines of edges that fell silent beside others.", ["edge", "line"]
        )
        self.carriers_lost = HotCounter("farline_session_carriers_lost", "Carriers that ended.", ["edge", "line"])
        self.sessions_over = HotCounter("farline_sessions_over", "Sessions that ended, by code.", ["edge", "code"])
        for collector in (
            self.executions,
            self.seconds,
            self.entry_seconds,
            self.first_byte_seconds,
            self.repetitions,
            self.body_bytes,
            self.redials,
            self.suspicions,
            self.carriers_lost,
            self.sessions_over,
        ):
            registry.register(collector)
        self.dials = Counter(
            "farline_dials", "Connections dialed.", ["line", "endpoint", "protocol", "result"], registry=registry
        )
        self.dial_seconds = Histogram(
            "farline_dial_seconds",
            "From the first packet to a ready connection, TLS included.",
            ["line", "endpoint"],
            buckets=LATENCY_BOUNDS,
            registry=registry,
        )
        self.connections_lost = Counter(
            "farline_connections_lost", "Upstream connections that failed.", ["line", "code"], registry=registry
        )
        self.connections = Gauge(
            "farline_connections",
            "Upstream connections.",
            ["line", "endpoint", "protocol", "state"],
            registry=registry,
        )
        self.in_flight = Gauge("farline_executions_in_flight", "Requests at providers.", ["edge"], registry=registry)
        self.sessions = Gauge("farline_sessions", "Sessions of an edge.", ["edge"], registry=registry)
        self.streams = Gauge("farline_session_streams", "Streams of an edge.", ["edge"], registry=registry)
        self.carriers = Gauge(
            "farline_session_carriers", "Carriers of an edge's sessions.", ["edge", "line", "kind"], registry=registry
        )
        self.kept_bytes = Gauge(
            "farline_kept_reply_bytes", "Replies kept until their edges have them.", registry=registry
        )
        self.loop_lag = Gauge(
            "farline_event_loop_lag_seconds", "Longest stall of this process in the last 30 s.", registry=registry
        )
        self.config_generation = Gauge("farline_config_generation", "Generation of the snapshot.", registry=registry)
        self.tallies = Tallies()
        registry.register(self.tallies)
        self._lines: dict[str, set[str]] = {}

    def count(self, record: ExecutionRecord) -> None:
        """Accounts one execution that is over, or was refused."""
        provider = record.provider if record.endpoint else "none"
        status = str(record.status) if record.status else "none"
        self.executions.by[(record.edge, provider, record.outcome, status)] += 1
        self.seconds.by[provider].observe(record.ended_at - record.received_at)
        if record.sent_at is not None:
            self.entry_seconds.by[provider].observe(record.sent_at - record.received_at)
            if record.first_byte_at is not None:
                self.first_byte_seconds.by[provider].observe(record.first_byte_at - record.sent_at)
        if record.dials > 1:
            self.redials.by[(provider,)] += record.dials - 1
        self.body_bytes.by[(record.edge, "up")] += record.bytes_in
        self.body_bytes.by[(record.edge, "down")] += record.bytes_out

    def on_suspected(self, edge: str, line: str) -> None:
        """A line of the edge fell silent beside others."""
        self.suspicions.by[(edge, self._line(edge, line))] += 1

    def on_carrier_lost(self, edge: str, line: str) -> None:
        self.carriers_lost.by[(edge, self._line(edge, line))] += 1

    def _line(self, edge: str, line: str) -> str:
        """Lines are the edge's to name, and so is how many there are: labels end somewhere."""
        known = self._lines.setdefault(edge, set())
        if line not in known and len(known) == MOST_LINES:
            return "other"
        known.add(line)
        return line

    def show(self, service: Service, stats: Iterable[ConnectionStat]) -> None:
        """Sets the gauges; called when metrics are read."""
        for gauge in (self.in_flight, self.sessions, self.streams, self.carriers, self.connections):
            gauge.clear()
        self.tallies.live = list(service.sessions.values())
        for edge, number in service.quotas.in_flight.items():
            self.in_flight.labels(edge).set(number)
        for edge, number in service.streams.items():
            self.streams.labels(edge).set(number)
        for edge, number in Counts(session.peer for session in service.sessions.values()).items():
            self.sessions.labels(edge).set(number)
        carriers = Counts(
            (session.peer, self._line(session.peer, carrier.line), carrier.kind.name.lower())
            for session in service.sessions.values()
            for carrier in session.carriers.values()
        )
        for labels, number in carriers.items():
            self.carriers.labels(*labels).set(number)
        self.kept_bytes.set(service.kept.size)
        for stat in stats:
            for state, number in (("idle", stat.idle), ("active", stat.active), ("dialing", stat.dialing)):
                self.connections.labels(stat.line, stat.endpoint, stat.protocol.value, state).set(number)

    # --- TransportObserver ---

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        self.dials.labels(path.line, path.endpoint, protocol.value, "resumed" if resumed else "full").inc()
        self.dial_seconds.labels(path.line, path.endpoint).observe(seconds)

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self.dials.labels(path.line, path.endpoint, "none", failure.code).inc()

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        if failure is not None:
            self.connections_lost.labels(path.line, failure.code).inc()


class Tallies(Collector):
    """What sessions sent, by edge and cause: those that are over, and those that live."""

    def __init__(self) -> None:
        self.live: list[LiveSession] = []
        self._over: Counts[tuple[str, str]] = Counts()
        self._packets_over: Counts[str] = Counts()

    def over(self, session: LiveSession) -> None:
        """The session has ended."""
        self._add(session, self._over, self._packets_over)

    def collect(self) -> Iterable[Metric]:
        sent, packets = self._over.copy(), self._packets_over.copy()
        for session in self.live:
            self._add(session, sent, packets)
        by_cause = CounterMetricFamily(
            "farline_session_sent_bytes", "Bytes of streams that sessions sent, by why.", labels=["edge", "cause"]
        )
        for labels, number in sent.items():
            by_cause.add_metric(labels, number)
        in_packets = CounterMetricFamily("farline_session_packets", "Packets that sessions sent.", labels=["edge"])
        for edge, number in packets.items():
            in_packets.add_metric((edge,), number)
        yield by_cause
        yield in_packets

    @staticmethod
    def _add(session: LiveSession, sent: Counts[tuple[str, str]], packets: Counts[str]) -> None:
        for name, cause in _CAUSES.items():
            sent[(session.peer, cause)] += getattr(session.tally, name)
        packets[session.peer] += session.tally.packets
