"""The contract's metrics. Base units, closed label sets: ids come from the configuration, words from enums.

Counters of requests and tokens are updated once per request, from its record; only the token gap is observed per chunk.
"""

from __future__ import annotations

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from edge.dialects.facts import NO_USAGE, Usage
from edge.observe.hot import HotCounter, HotHistogram, HotHistograms
from edge.observe.record import RequestRecord
from transport.failure import Failure
from transport.path import Path, Protocol

LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300, 600)
GAP_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.12, 0.2, 0.3, 0.5, 1, 2, 5, 10, 30)


class Metrics:
    """One registry per process."""

    def __init__(self) -> None:
        registry = self.registry = CollectorRegistry()
        ProcessCollector(registry=registry)
        self.requests = HotCounter(
            "farline_requests", "Client requests by outcome.", ["provider", "operation", "status"]
        )
        self.request_seconds = HotHistograms(
            "farline_request_seconds", "From a request's head to the end of its reply.", "provider", LATENCY_BOUNDS
        )
        self.ttft_seconds = HotHistograms(
            "farline_ttft_seconds",
            "From a request's head to the first body byte of its streamed reply.",
            "provider",
            LATENCY_BOUNDS,
        )
        self.token_gap_seconds = HotHistogram(
            "farline_token_gap_seconds", "Time between two chunks of a reply.", GAP_BOUNDS
        )
        self.attempts = HotCounter("farline_attempts", "Attempts by how they ended.", ["outcome"])
        self.failovers = HotCounter("farline_failovers", "Further tries, by reason.", ["reason"])
        self.tokens = HotCounter("farline_tokens", "Tokens as providers counted them.", ["kind"])
        self.line_bytes = HotCounter("farline_line_bytes", "Body bytes carried by a line.", ["line", "direction"])
        for collector in (
            self.requests,
            self.request_seconds,
            self.ttft_seconds,
            self.token_gap_seconds,
            self.attempts,
            self.failovers,
            self.tokens,
            self.line_bytes,
        ):
            registry.register(collector)
        self.undelivered = Counter(
            "farline_paid_undelivered_tokens",
            "Output tokens generated for replies that the client did not wait for.",
            registry=registry,
        )
        self.clients_gone = Counter("farline_clients_gone", "Requests whose client left early.", registry=registry)
        self.in_flight = Gauge("farline_requests_in_flight", "Requests being served.", registry=registry)
        self.client_connections = Gauge("farline_client_connections", "Open client connections.", registry=registry)
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
        self.line_rtt = Gauge("farline_line_rtt_seconds", "Last measured round trip.", ["line"], registry=registry)
        self.line_score = Gauge(
            "farline_line_score",
            "The best line's predicted cost / this line's, 0 to 1: higher is better, 0 isn't used.",
            ["line"],
            registry=registry,
        )
        self.line_standing = Gauge(
            "farline_line_standing", "1 for the line's current standing.", ["line", "standing"], registry=registry
        )
        self.connections = Gauge(
            "farline_upstream_connections",
            "Connections in the pools.",
            ["line", "endpoint", "protocol", "state"],
            registry=registry,
        )
        self.alerts = Gauge("farline_alert", "1 while it fires.", ["rule", "subject", "severity"], registry=registry)
        self.config_generation = Gauge("farline_config_generation", "Generation of the snapshot.", registry=registry)

    def count(self, record: RequestRecord) -> None:
        """Accounts one finished request."""
        provider, facts = record.provider or "none", record.facts
        self.requests.by[(provider, facts.operation if facts else "none", str(record.status))] += 1
        self.request_seconds.by[provider].observe(record.ended_at - record.received_at)
        if record.first_byte_at is not None and facts is not None and facts.streaming:
            self.ttft_seconds.by[provider].observe(record.first_byte_at - record.received_at)
        for attempt in record.attempts:
            self.attempts.by[(attempt.outcome,)] += 1
        for reason in record.failovers:
            self.failovers.by[(reason,)] += 1
        if record.path is not None:
            self.line_bytes.by[(record.path.line, "up")] += record.bytes_in
            self.line_bytes.by[(record.path.line, "down")] += record.bytes_out
        if record.usage is not NO_USAGE:
            self._count_tokens(record.usage)
        if record.undelivered_tokens:
            self.undelivered.inc(record.undelivered_tokens)
        if record.client_left:
            self.clients_gone.inc()

    def _count_tokens(self, usage: Usage) -> None:
        for kind, number in (
            ("input", usage.input),
            ("output", usage.output),
            ("cached", usage.cached),
            ("reasoning", usage.reasoning),
        ):
            if number:
                self.tokens.by[(kind,)] += number

    # --- TransportObserver ---

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        self.dials.labels(path.line, path.endpoint, protocol.value, "resumed" if resumed else "full").inc()
        self.dial_seconds.labels(path.line, path.endpoint).observe(seconds)

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self.dials.labels(path.line, path.endpoint, "none", failure.code).inc()

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        if failure is not None:
            self.connections_lost.labels(path.line, failure.code).inc()

    def on_round_trip(self, path: Path, seconds: float) -> None:
        self.line_rtt.labels(path.line).set(seconds)
