from __future__ import annotations

import json

import pytest
from prometheus_client import CollectorRegistry, generate_latest
from prometheus_client.parser import text_string_to_metric_families

from edge.control.merging import merge
from edge.dialects.facts import Facts, Usage
from edge.observe.exposition import exposed, wants_open
from edge.observe.health import HealthMetrics, log_change
from edge.observe.hot import HotHistogram
from edge.observe.log import JsonFormatter
from edge.observe.metrics import Metrics
from edge.observe.observer import Observer
from edge.observe.record import AttemptTrace, RequestRecord
from health.board import HealthBoard
from health.change import Change
from health.probe import ProbeKind, ProbeResult
from health.rules import HealthRules
from health.standing import Standing
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Line, Path, Protocol
from transport.sample import TransportSample
from transport.session.traffic import Traffic

PATH = Path("cn2", "openai")
LINE_FAULT = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)


def samples(exposition: bytes) -> dict[tuple[str, tuple[tuple[str, str], ...]], float]:
    return {
        (sample.name, tuple(sorted(sample.labels.items()))): sample.value
        for family in text_string_to_metric_families(exposition.decode())
        for sample in family.samples
    }


def test_the_hot_histogram_counts_like_prometheus() -> None:
    registry = CollectorRegistry()
    histogram = HotHistogram("gap_seconds", "Gaps.", (0.1, 0.5))
    registry.register(histogram)
    for value in (0.05, 0.1, 0.2, 3.0):
        histogram.observe(value)
    seen = samples(generate_latest(registry))
    assert seen["gap_seconds_bucket", (("le", "0.1"),)] == 2
    assert seen["gap_seconds_bucket", (("le", "0.5"),)] == 3
    assert seen["gap_seconds_bucket", (("le", "+Inf"),)] == 4
    assert seen["gap_seconds_count", ()] == 4
    assert abs(seen["gap_seconds_sum", ()] - 3.35) < 1e-9


def record() -> RequestRecord:
    return RequestRecord(
        "r-1",
        10.0,
        "127.0.0.1",
        "POST",
        "/v1/chat/completions",
        provider="openai",
        facts=Facts("chat", model="gpt-4.1", streaming=True),
        path=PATH,
        attempts=[AttemptTrace(Path("cu2", "openai"), "failed", None, "connection_terminated")],
        failovers=["connection_terminated"],
        status=200,
        first_byte_at=10.25,
        ended_at=11.0,
        bytes_in=10,
        bytes_out=20,
        usage=Usage(input=5, output=7, cached=0, reasoning=None),
        client_left=True,
        undelivered_tokens=3,
        failure=LINE_FAULT,
    )


def test_a_request_is_accounted_once_in_every_metric() -> None:
    metrics = Metrics()
    metrics.count(record())
    seen = samples(generate_latest(metrics.registry))
    labels = (("operation", "chat"), ("provider", "openai"), ("status", "200"))
    assert seen["farline_requests_total", labels] == 1
    assert seen["farline_ttft_seconds_sum", (("provider", "openai"),)] == 0.25
    assert seen["farline_request_seconds_sum", (("provider", "openai"),)] == 1.0
    assert seen["farline_attempts_total", (("outcome", "failed"),)] == 1
    assert seen["farline_failovers_total", (("reason", "connection_terminated"),)] == 1
    assert seen["farline_line_bytes_total", (("direction", "down"), ("line", "cn2"), ("via", "direct"))] == 20
    assert seen["farline_tokens_total", (("kind", "output"),)] == 7
    assert ("farline_tokens_total", (("kind", "cached"),)) not in seen
    assert seen["farline_paid_undelivered_tokens_total", ()] == 3
    assert seen["farline_clients_gone_total", ()] == 1


def test_the_log_line_says_what_happened_and_nothing_else() -> None:
    line = record().summary()
    assert line["path"] == "cn2/direct/openai"
    assert line["ttfb_ms"] == 250.0
    assert line["duration_ms"] == 1000.0
    assert line["failure"] == "connection_timeout"
    assert line["attempts"] == [
        {"path": "cu2/direct/openai", "outcome": "failed", "status": None, "code": "connection_terminated"}
    ]
    early = RequestRecord("r-2", 0.0, "unix", "GET", "/").summary()
    assert early["path"] is None
    assert early["ttfb_ms"] is None


def test_observations_reach_health_and_metrics() -> None:
    metrics, board, now = Metrics(), HealthBoard(), [0.0]
    observer = Observer(metrics, board, lambda: now[0])
    observer.on_dialed(PATH, Protocol.H2, 0.3, resumed=True)
    now[0] = 4.0
    for _ in range(2):
        observer.on_dial_failed(PATH, LINE_FAULT)
    observer.on_closed(PATH, Protocol.H2, None)
    observer.on_closed(PATH, Protocol.H2, LINE_FAULT)
    assert board.view(4.0).line("cn2").standing is Standing.EJECTED
    now[0] = 6.0
    observer.on_round_trip(PATH, 0.17)
    observer.on_reply(PATH, 200, [])
    observer.on_reply(PATH, 200, [])
    assert board.view(6.0).line("cn2").standing is Standing.ADMITTED
    observer.on_reply(PATH, 429, [(b"retry-after", b"7")])
    assert board.view(12.9).endpoint("openai").penalised_until is not None
    assert board.view(13.0).endpoint("openai").penalised_until is None
    seen = samples(generate_latest(metrics.registry))
    assert seen["farline_connections_lost_total", (("code", "connection_timeout"), ("line", "cn2"))] == 1


def test_requests_reach_health() -> None:
    board = HealthBoard()
    observer = Observer(Metrics(), board, lambda: 20.0)
    observer.on_dialed(PATH, Protocol.H2, 0.3, resumed=True)
    observer.on_sent(PATH)
    observer.on_sent(PATH)
    observer.on_done(PATH, None)
    assert board.view(20.0).line("cn2").in_flight == 1
    observer.on_done(PATH, Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TIMEOUT))
    finished = record()
    finished.sent_at = 10.05
    observer.on_finished(finished)
    view = board.view(21.0)
    assert (view.line("cn2").in_flight, view.line("cn2").success_ratio) == (0, 0.5)
    assert view.line("cn2").down_bps > view.line("cn2").up_bps > 0
    assert abs((view.path(PATH).first_byte_p50 or 0.0) - 0.2) < 0.01


def test_the_first_byte_of_an_upload_or_an_error_says_nothing() -> None:
    board = HealthBoard()
    observer = Observer(Metrics(), board, lambda: 20.0)
    observer.on_dialed(PATH, Protocol.H2, 0.3, resumed=True)
    for change in ({"path": None}, {"sent_at": None}, {"status": 500}, {"bytes_in": 10**6}, {"facts": None}):
        finished = record()
        finished.sent_at = 10.05
        for name, value in change.items():
            setattr(finished, name, value)
        observer.on_finished(finished)
    assert len(board.first_bytes) == 0


def test_the_view_as_metrics() -> None:
    board, registry = HealthBoard(), CollectorRegistry()
    lines = (Line("cn2", capacity_mbps=1.0), Line("cu2"))
    board.configure(HealthRules(), ("cn2", "cu2"), 0.0)
    registry.register(HealthMetrics(lambda: board.view(1.0), lambda: lines))
    board.round_trip(PATH, 0.17, 0.5)
    board.probed(ProbeResult(PATH, ProbeKind.ICMP, 1, 0.3, 0.2), 0.5)
    board.succeeded(PATH, 0.5)
    board.carried(PATH, 0, 125_000, 1.0)
    board.suspect("cn2", "silent", 1.0)
    seen = samples(generate_latest(registry))
    assert seen["farline_line_rtt_seconds", (("line", "cn2"),)] == 0.17
    assert seen["farline_line_jitter_seconds", (("line", "cn2"),)] == 0.0
    assert seen["farline_line_loss_ratio", (("line", "cn2"), ("window", "60s"))] == 0.0
    assert seen["farline_line_standing", (("line", "cn2"), ("standing", "admitted"))] == 1.0
    assert seen["farline_line_suspected", (("line", "cn2"),)] == 1.0
    assert seen["farline_line_success_ratio", (("line", "cn2"),)] == 1.0
    assert seen["farline_line_utilisation_ratio", (("direction", "down"), ("line", "cn2"))] == 0.1
    assert seen["farline_endpoint_standing", (("endpoint", "openai"), ("standing", "ejected"))] == 0.0
    assert seen["farline_line_in_flight", (("line", "cu2"),)] == 0.0
    assert seen["farline_panic", ()] == 0.0
    unknown = ("rtt_seconds", "jitter_seconds", "success_ratio")
    assert not any((f"farline_line_{name}", (("line", "cu2"),)) in seen for name in unknown)


def test_a_change_is_one_json_line(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("INFO", "farline.health"):
        log_change(Change(1.0, "line", "cn2", "admitted", "ejected", "connection_timeout"))
    line = json.loads(JsonFormatter().format(caplog.records[0]))
    assert line["message"] == "line cn2: admitted → ejected (connection_timeout)"
    assert (line["log"], line["kind"], line["id"], line["after"]) == ("farline.health", "line", "cn2", "ejected")


def test_samples_and_probes_reach_the_board() -> None:
    board = HealthBoard()
    observer = Observer(Metrics(), board, lambda: 5.0)
    observer.on_sample(PATH, TransportSample(0.17, 0.01, 0, 1, 0.0, 0, 0.0))
    observer.on_asked(PATH, ProbeKind.TCP, 4.0)
    observer.on_probe_result(ProbeResult(PATH, ProbeKind.TCP, 0, 4.0, 0.17, seconds=0.17))
    rtt = board.view(5.2).path(PATH).rtt
    assert rtt is not None
    assert abs(rtt.median - 0.17) < 0.01


def test_probes_are_counted_apart_from_requests() -> None:
    metrics = Metrics()
    for result in (
        ProbeResult(PATH, ProbeKind.TLS, 0, 0.0, 0.1, seconds=0.3),
        ProbeResult(PATH, ProbeKind.ICMP, 0, 0.0),
        ProbeResult(PATH, ProbeKind.ICMP, 0, 0.0, 1.2, is_late=True, seconds=1.2),
        ProbeResult(PATH, ProbeKind.ICMP, 0, 0.0, 1.3, is_duplicate=True, seconds=1.3),
        ProbeResult(PATH, ProbeKind.TCP, 0, 0.0, failure=LINE_FAULT),
    ):
        metrics.on_probe(result)
    seen = samples(generate_latest(metrics.registry))
    counted = {
        (dict(labels)["kind"], dict(labels)["result"])
        for (name, labels), value in seen.items()
        if name == "farline_probes_total" and value == 1
    }
    assert counted == {
        ("tls", "answered"),
        ("icmp", "lost"),
        ("icmp", "late"),
        ("icmp", "duplicate"),
        ("tcp", "failed"),
    }
    assert seen["farline_probe_seconds_sum", (("kind", "tls"), ("line", "cn2"))] == 0.3
    assert seen["farline_probe_seconds_count", (("kind", "icmp"), ("line", "cn2"))] == 1


def test_workers_metrics_are_merged_under_a_label() -> None:
    text = '# HELP a_total A.\n# TYPE a_total counter\na_total{x="1"} %d\na_created{x="1"} 1.7e9\n'
    merged = samples(merge({"0": text % 3, "1": text % 4}))
    assert merged == {
        ("a_total", (("worker", "0"), ("x", "1"))): 3.0,
        ("a_total", (("worker", "1"), ("x", "1"))): 4.0,
    }


def test_waits_are_counted() -> None:
    metrics = Metrics()
    metrics.on_waited(0.5, "served")
    seen = samples(generate_latest(metrics.registry))
    assert [value for (name, _), value in seen.items() if name.startswith("farline_queue") and value == 0.5]


def test_limits_of_credentials_and_bytes_of_sessions() -> None:
    metrics = Metrics()
    limits = [{"kind": "requests", "remaining": 7, "limit": 10}, {"kind": "tokens", "remaining": 5, "limit": None}]
    told = {"credential": "env:KEY", "endpoint": "openai-0", "model": None, "limits": limits}
    metrics.show_limits([told])
    metrics.show_sessions({"cn2": Traffic(sent=30, received=20)})
    seen = samples(exposed(metrics.registry, is_open=False))
    labels = (("credential", "env:KEY"), ("endpoint", "openai-0"), ("kind", "requests"), ("model", ""))
    assert seen["farline_credential_ratelimit_remaining", labels] == 7
    assert seen["farline_credential_ratelimit_limit", labels] == 10
    assert seen["farline_line_bytes_total", (("direction", "up"), ("line", "cn2"), ("via", "session"))] == 30
    metrics.show_limits([])
    assert ("farline_credential_ratelimit_limit", labels) not in samples(exposed(metrics.registry, is_open=False))
    assert exposed(metrics.registry, is_open=True).endswith(b"# EOF\n")


def test_who_gets_openmetrics() -> None:
    assert wants_open("application/openmetrics-text;version=1.0.0,text/plain;q=0.5")
    assert not wants_open("text/plain")
