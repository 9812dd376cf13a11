"""What a relay's log line and metrics say of executions and sessions."""

from __future__ import annotations

from collections import Counter
from types import SimpleNamespace
from typing import Any, cast

import pytest
from prometheus_client import generate_latest

from edge.relay.metrics import RelayMetrics
from edge.relay.record import ExecutionRecord
from edge.relay.service import Service
from transport.aio.path_pool import ConnectionStat
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path, Protocol
from transport.session.live import LiveSession
from transport.session.values import CarrierKind, Tally


def record(**fields: Any) -> ExecutionRecord:
    whole = {
        "provider": "openai",
        "endpoint": "openai-0",
        "method": "POST",
        "route": "/v1/x",
        "protocol": "h2",
        "status": 200,
        "sent_at": 10.5,
        "first_byte_at": 11.0,
        "ended_at": 14.0,
        "bytes_in": 100,
        "bytes_out": 2000,
        "dials": 1,
        "outcome": "done",
    }
    return ExecutionRecord("bj", "0a", 10.0, **{**whole, **fields})


def test_a_log_line() -> None:
    assert record().summary() == {
        "execution": "0a",
        "edge": "bj",
        "provider": "openai",
        "endpoint": "openai-0",
        "method": "POST",
        "route": "/v1/x",
        "protocol": "h2",
        "status": 200,
        "outcome": "done",
        "dials": 1,
        "joined": 0,
        "connect_ms": 500.0,
        "ttfb_ms": 500.0,
        "duration_ms": 4000.0,
        "bytes_in": 100,
        "bytes_out": 2000,
        "messages": None,
        "failure": None,
        "detail": None,
    }


def test_a_log_line_of_what_never_began() -> None:
    failure = Failure(Origin.EDGE, Verdict.SAFE, Code.HTTP_REQUEST_DENIED, "no such place")
    told = ExecutionRecord("bj", "0a", 1.0, outcome="refused", ended_at=1.0, failure=failure, messages_in=2).summary()
    assert (told["ttfb_ms"], told["connect_ms"], told["status"], told["protocol"]) == (None, None, None, None)
    assert (told["failure"], told["detail"], told["messages"]) == (Code.HTTP_REQUEST_DENIED, "no such place", [2, 0])


def exposed(metrics: RelayMetrics) -> dict[str, float]:
    lines = generate_latest(metrics.registry).decode().splitlines()
    return {line.rpartition(" ")[0]: float(line.rpartition(" ")[2]) for line in lines if not line.startswith("#")}


def test_executions_are_counted() -> None:
    metrics = RelayMetrics()
    metrics.count(record(dials=3))
    metrics.count(record(first_byte_at=None, outcome="failed", status=0))
    metrics.count(ExecutionRecord("bj", "0b", 1.0, provider="what the edge said", outcome="refused", ended_at=1.0))
    told = exposed(metrics)
    assert told['farline_executions_total{edge="bj",outcome="done",provider="openai",status="200"}'] == 1
    assert told['farline_executions_total{edge="bj",outcome="failed",provider="openai",status="none"}'] == 1
    assert told['farline_executions_total{edge="bj",outcome="refused",provider="none",status="none"}'] == 1
    assert told['farline_execution_first_byte_seconds_count{provider="openai"}'] == 1
    assert told['farline_execution_connect_seconds_sum{provider="openai"}'] == pytest.approx(1.0)
    assert told['farline_redials_total{provider="openai"}'] == 2
    assert told['farline_edge_bytes_total{direction="down",edge="bj"}'] == 4000


def session(peer: str, first: int) -> LiveSession:
    carrier = SimpleNamespace(line="cn2", kind=CarrierKind.QUIC)
    return cast(
        "LiveSession", SimpleNamespace(peer=peer, tally=Tally(packets=2, first_bytes=first), carriers={1: carrier})
    )


def test_sessions_are_shown() -> None:
    metrics = RelayMetrics()
    service = SimpleNamespace(
        sessions={1: session("bj", 100), 2: session("bj", 10)},
        quotas=SimpleNamespace(in_flight=Counter(bj=3)),
        streams=Counter(bj=4),
        kept=SimpleNamespace(size=77),
    )
    metrics.tallies.over(session("bj", 1000))
    metrics.show(cast("Service", service), [ConnectionStat("direct", "openai-0", Protocol.H2, 1, 2, 0)])
    told = exposed(metrics)
    assert told['farline_sessions{edge="bj"}'] == 2
    assert told['farline_session_carriers{edge="bj",kind="quic",line="cn2"}'] == 2
    assert told['farline_session_streams{edge="bj"}'] == 4
    assert told['farline_executions_in_flight{edge="bj"}'] == 3
    assert told['farline_session_sent_bytes_total{cause="first",edge="bj"}'] == 1110
    assert told['farline_session_packets_total{edge="bj"}'] == 6
    assert told["farline_kept_reply_bytes"] == 77
    assert told['farline_connections{endpoint="openai-0",line="direct",protocol="h2",state="idle"}'] == 1


def test_connections_are_counted() -> None:
    metrics = RelayMetrics()
    path = Path("direct", "openai-0")
    failure = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)
    metrics.on_dialed(path, Protocol.H2, 0.1, True)
    metrics.on_dialed(path, Protocol.H2, 0.1, False)
    metrics.on_dial_failed(path, failure)
    metrics.on_closed(path, Protocol.H2, failure)
    metrics.on_closed(path, Protocol.H2, None)
    told = exposed(metrics)
    dials = 'farline_dials_total{endpoint="openai-0",line="direct",protocol="%s",result="%s"}'
    assert told[dials % ("h2", "resumed")] == told[dials % ("h2", "full")] == 1
    assert told[dials % ("none", "connection_refused")] == 1
    assert told['farline_connections_lost_total{code="connection_refused",line="direct"}'] == 1


def test_an_edge_cannot_make_labels_without_end() -> None:
    metrics = RelayMetrics()
    metrics.on_suspected("bj", "cn2")
    for number in range(100):
        metrics.on_carrier_lost("bj", f"line{number}")
    metrics.on_carrier_lost("bj", "cn2")
    told = exposed(metrics)
    assert told['farline_session_suspicions_total{edge="bj",line="cn2"}'] == 1
    assert told['farline_session_carriers_lost_total{edge="bj",line="cn2"}'] == 1
    assert told['farline_session_carriers_lost_total{edge="bj",line="other"}'] == 69
