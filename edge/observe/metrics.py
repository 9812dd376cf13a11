"""The contract's metrics. Base units, closed label sets: ids come from the configuration, words from enums.

Counters of requests and tokens are updated once per request, from its record; only the token gap is observed per chunk.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram
from prometheus_client.process_collector import ProcessCollector

from cache.entry import Spent
from edge.dialects.facts import NO_USAGE, Usage
from edge.observe.hot import HotCounter, HotHistogram, HotHistograms
from edge.observe.record import RequestRecord
from edge.pool.board import PoolBoard
from health.probe import Outcome, ProbeResult
from health.standing import Standing
from transport.failure import Failure
from transport.path import LOCAL, Path, Protocol
from transport.session.traffic import Traffic

LATENCY_BOUNDS = (0.005, 0.01, 0.025, 0.05, 0.1, 0.2, 0.3, 0.5, 0.75, 1, 1.5, 2, 3, 5, 10, 30, 60, 120, 300, 600)
PROBE_BOUNDS = (0.005, 0.01, 0.02, 0.03, 0.05, 0.08, 0.1, 0.15, 0.2, 0.25, 0.3, 0.4, 0.5, 0.75, 1, 1.5, 2, 3, 5)
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
        self.queue_seconds = HotHistogram(
            "farline_queue_seconds", "Time that requests waited for endpoints that wanted no more.", LATENCY_BOUNDS
        )
        self.queued = HotCounter("farline_queue", "Waits for throttled endpoints, by how they ended.", ["outcome"])
        self.queue_waiting = Gauge("farline_queue_waiting", "Requests that wait right now.", registry=registry)
        self.line_bytes = HotCounter(
            "farline_line_bytes",
            "By line: body bytes of direct requests; bytes of packets of sessions with relays.",
            ["line", "direction", "via"],
        )
        self.line_session_bytes = HotCounter(
            "farline_line_session_bytes",
            "Bytes of sessions with relays, by line and cause; they add up to those of all packets.",
            ["line", "direction", "cause"],
        )
        self.relay_bytes = HotCounter(
            "farline_relay_bytes", "Body bytes of requests through a relay.", ["relay", "direction"]
        )
        self.cache_events = HotCounter(
            "farline_cache_events",
            "Requests by what the cache did: hit, normalised, semantic, coalesced, miss, bypass.",
            ["result"],
        )
        self.cache_reasons = HotCounter(
            "farline_cache_reasons",
            "Why requests passed the cache by, and what became of the replies to misses.",
            ["result", "reason"],
        )
        self.cache_saved_tokens = HotCounter(
            "farline_cache_saved_tokens", "Tokens of replies that nobody had to pay for again.", ["kind"]
        )
        self.cache_saved_seconds = HotCounter(
            "farline_cache_saved_seconds", "What stored replies took when they were made, for each hit.", []
        )
        for collector in (
            self.cache_events,
            self.cache_reasons,
            self.cache_saved_tokens,
            self.cache_saved_seconds,
            self.requests,
            self.request_seconds,
            self.ttft_seconds,
            self.token_gap_seconds,
            self.attempts,
            self.failovers,
            self.tokens,
            self.line_bytes,
            self.line_session_bytes,
            self.relay_bytes,
            self.queue_seconds,
            self.queued,
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
        self.probes = HotCounter("farline_probes", "Active checks by what came of them.", ["line", "kind", "result"])
        registry.register(self.probes)
        self.probe_seconds = Histogram(
            "farline_probe_seconds",
            "What answered probes took: a round trip; TLS its handshake, HTTP its reply.",
            ["line", "kind"],
            buckets=PROBE_BOUNDS,
            registry=registry,
        )
        self.loop_lag = Gauge(
            "farline_event_loop_lag_seconds", "Longest stall of this process in the last 30 s.", registry=registry
        )
        limits = ["credential", "endpoint", "model", "kind"]
        self.limit_remaining = Gauge(
            "farline_credential_ratelimit_remaining",
            "What providers said last is left of a rate limit of the node's own credentials.",
            limits,
            registry=registry,
        )
        self.limit_total = Gauge(
            "farline_credential_ratelimit_limit", "The whole of that limit.", limits, registry=registry
        )
        self.line_score = Gauge(
            "farline_line_score",
            "The best line's predicted cost / this line's, 0 to 1: higher is better, 0 isn't used.",
            ["line"],
            registry=registry,
        )
        self.connections = Gauge(
            "farline_upstream_connections",
            "Connections in the pools.",
            ["line", "endpoint", "protocol", "state"],
            registry=registry,
        )
        self.pool_requests = HotCounter(
            "farline_pool_requests",
            'Requests put to the local pool, by server and reason; pool "none": it could not answer.',
            ["pool", "reason"],
        )
        registry.register(self.pool_requests)
        self.pool_in_flight = Gauge(
            "farline_pool_in_flight",
            "This process's requests at a server of the local pool.",
            ["pool"],
            registry=registry,
        )
        self.pool_standing = Gauge(
            "farline_pool_standing", "1 for the server's current standing.", ["pool", "standing"], registry=registry
        )
        self.pool_engine_requests = Gauge(
            "farline_pool_engine_requests",
            "Requests at the server, as its own metrics count them.",
            ["pool", "state"],
            registry=registry,
        )
        self.pool_cache_ratio = Gauge(
            "farline_pool_cache_ratio", "Used share of the server's KV cache.", ["pool"], registry=registry
        )
        self.pool_waiting = Gauge(
            "farline_pool_waiting", "Requests that wait for a place in the local pool.", registry=registry
        )
        self.alerts = Gauge("farline_alert", "1 while it fires.", ["rule", "subject", "severity"], registry=registry)
        self.config_generation = Gauge("farline_config_generation", "Generation of the snapshot.", registry=registry)
        self.config_version = Gauge(
            "farline_config_version", "Of the published configuration in use; 0: none.", registry=registry
        )

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
        if record.local:
            self.pool_requests.by[(_pool_of(record), record.local)] += 1
        path = record.path
        if path is not None and path.line != LOCAL:
            for direction, size in (("up", record.bytes_in), ("down", record.bytes_out)):
                if path.relay is None:
                    self.line_bytes.by[(path.line, direction, "direct")] += size
                else:
                    self.relay_bytes.by[(path.relay, direction)] += size
        if record.usage is not NO_USAGE:
            self._count_tokens(self.tokens, record.usage)
        self.cache_events.by[(record.cache,)] += 1
        if record.cache_reason:
            self.cache_reasons.by[(record.cache, record.cache_reason)] += 1
        if record.saved is not None:
            self._count_tokens(self.cache_saved_tokens, record.saved)
            self.cache_saved_seconds.by[()] += record.saved.seconds
        if record.undelivered_tokens:
            self.undelivered.inc(record.undelivered_tokens)
        if record.client_left:
            self.clients_gone.inc()

    def exemplify(self, record: RequestRecord, trace_id: str, utc: float) -> None:
        """A request that was counted has a trace: its durations lead there. `utc`: seconds since the epoch."""
        provider, labels = record.provider or "none", {"trace_id": trace_id, "request": record.id}
        self.request_seconds.by[provider].exemplify(record.ended_at - record.received_at, labels, utc)
        if record.first_byte_at is not None and record.facts is not None and record.facts.streaming:
            self.ttft_seconds.by[provider].exemplify(record.first_byte_at - record.received_at, labels, utc)

    def on_waited(self, seconds: float, outcome: str) -> None:
        """A request left the queue (see `edge.serve.waiting`)."""
        self.queue_seconds.observe(seconds)
        self.queued.by[(outcome,)] += 1

    def _count_tokens(self, counter: HotCounter, usage: Usage | Spent) -> None:
        for kind, number in (
            ("input", usage.input),
            ("output", usage.output),
            ("cached", usage.cached),
            ("reasoning", usage.reasoning),
        ):
            if number:
                counter.by[(kind,)] += number

    def on_probe(self, result: ProbeResult) -> None:
        """Counts one probe; none of it is in the users' figures."""
        line, kind = result.path.line, result.kind.value
        self.probes.by[(line, kind, result.outcome.value)] += 1
        if result.outcome in (Outcome.ANSWERED, Outcome.LATE) and result.seconds is not None:
            self.probe_seconds.labels(line, kind).observe(result.seconds)

    def show_limits(self, credentials: Iterable[Mapping[str, Any]]) -> None:
        """`credentials`: their documents, as workers tell them."""
        self.limit_remaining.clear()
        self.limit_total.clear()
        for each in credentials:
            for limit in each["limits"]:
                labels = (each["credential"], each["endpoint"], each["model"] or "", limit["kind"])
                self.limit_remaining.labels(*labels).set(limit["remaining"])
                if limit["limit"] is not None:
                    self.limit_total.labels(*labels).set(limit["limit"])

    def show_sessions(self, lines: Mapping[str, Traffic]) -> None:
        """What sessions carried, by line, since the start; called when metrics are read."""
        for line, traffic in lines.items():
            self.line_bytes.by[(line, "up", "session")] = traffic.sent
            self.line_bytes.by[(line, "down", "session")] = traffic.received
            for direction, causes in traffic.causes().items():
                for cause, size in causes.items():
                    self.line_session_bytes.by[(line, direction, cause)] = size

    def show_pools(self, board: PoolBoard, waiting: int, now: float) -> None:
        """Sets the local pool's gauges; called when metrics are read. What a server doesn't tell has no sample."""
        for gauge in (self.pool_in_flight, self.pool_standing, self.pool_engine_requests, self.pool_cache_ratio):
            gauge.clear()
        self.pool_waiting.set(waiting)
        for id, backend in board.backends.items():
            self.pool_in_flight.labels(id).set(backend.in_flight)
            for standing in Standing:
                self.pool_standing.labels(id, standing.value).set(backend.standing(now) is standing)
            load = backend.load
            for state, number in (("running", load.running), ("waiting", load.waiting)):
                if number is not None:
                    self.pool_engine_requests.labels(id, state).set(number)
            if load.cache_ratio is not None:
                self.pool_cache_ratio.labels(id).set(load.cache_ratio)

    # --- TransportObserver ---

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        self.dials.labels(path.line, path.endpoint, protocol.value, "resumed" if resumed else "full").inc()
        self.dial_seconds.labels(path.line, path.endpoint).observe(seconds)

    def on_dial_failed(self, path: Path, failure: Failure) -> None:
        self.dials.labels(path.line, path.endpoint, "none", failure.code).inc()

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        if failure is not None:
            self.connections_lost.labels(path.line, failure.code).inc()


def _pool_of(record: RequestRecord) -> str:
    """The server that answered; "none" if the reply came from elsewhere."""
    return record.path.endpoint if record.path is not None and record.path.line == LOCAL else "none"
