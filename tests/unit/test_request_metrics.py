"""Metrics of requests, as they are exposed; the request log's line."""

from __future__ import annotations

import asyncio
import io
import json
import re

from prometheus_client import generate_latest
from prometheus_client.openmetrics.exposition import generate_latest as open_metrics

from edge.config.model import Pool
from edge.control.merging import merge
from edge.dialects.facts import Facts, Usage
from edge.observe.log import RequestLog
from edge.observe.metrics import Metrics
from edge.observe.record import AttemptTrace, RequestRecord
from edge.pool.board import PoolBoard
from edge.pool.load import Load
from transport.path import LOCAL, Path
from transport.session.traffic import Traffic

PATH = Path("cn2", "openai-1")


def record() -> RequestRecord:
    made = RequestRecord("abc-1", 10.0, "127.0.0.1", "POST", "/openai/v1/chat/completions")
    made.provider, made.facts, made.path, made.status = "openai", Facts("chat", "gpt-4.1", streaming=True), PATH, 200
    lost = AttemptTrace(PATH, "failed", None, "connection_refused")
    made.attempts = [lost, AttemptTrace(PATH, "committed", 200, None)]
    made.failovers = ["connection_refused"]
    made.first_byte_at, made.ended_at = 10.2, 11.5
    made.bytes_in, made.bytes_out = 100, 2000
    made.usage = Usage(19, 12)
    return made


def sample(text: str, name: str) -> float:
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found is not None, f"{name} not in {text}"
    return float(found[1])


def test_a_request_in_the_exposition() -> None:
    metrics = Metrics()
    metrics.count(record())
    metrics.count(record())
    metrics.token_gap_seconds.observe(0.04)
    text = generate_latest(metrics.registry).decode()
    assert sample(text, 'farline_requests_total{operation="chat",provider="openai",status="200"}') == 2
    assert sample(text, 'farline_request_seconds_count{provider="openai"}') == 2
    assert sample(text, 'farline_request_seconds_sum{provider="openai"}') == 3.0
    assert sample(text, 'farline_request_seconds_bucket{le="1.0",provider="openai"}') == 0
    assert sample(text, 'farline_request_seconds_bucket{le="1.5",provider="openai"}') == 2
    assert sample(text, 'farline_ttft_seconds_count{provider="openai"}') == 2
    assert sample(text, "farline_token_gap_seconds_count") == 1
    assert sample(text, 'farline_attempts_total{outcome="failed"}') == 2
    assert sample(text, 'farline_failovers_total{reason="connection_refused"}') == 2
    assert sample(text, 'farline_line_bytes_total{direction="down",line="cn2",via="direct"}') == 4000
    assert sample(text, 'farline_tokens_total{kind="input"}') == 38


def test_lines_have_what_sessions_carried() -> None:
    metrics, through = Metrics(), record()
    through.path = Path("cn2+cu2", "openai-1", "sjc")
    metrics.count(through)
    metrics.show_sessions({"cn2": Traffic(sent=900, first=500, received=700, fresh=400, again=100)})
    metrics.show_sessions({"cn2": Traffic(sent=1000, first=600, received=700, fresh=400, again=100)})
    text = generate_latest(metrics.registry).decode()
    assert sample(text, 'farline_relay_bytes_total{direction="down",relay="sjc"}') == 2000
    assert sample(text, 'farline_line_bytes_total{direction="up",line="cn2",via="session"}') == 1000
    assert sample(text, 'farline_line_bytes_total{direction="down",line="cn2",via="session"}') == 700
    assert sample(text, 'farline_line_session_bytes_total{cause="first",direction="up",line="cn2"}') == 600
    assert sample(text, 'farline_line_session_bytes_total{cause="framing",direction="down",line="cn2"}') == 200
    assert 'via="direct"' not in text


def test_a_request_that_reached_nobody() -> None:
    metrics = Metrics()
    refused = RequestRecord("abc-2", 10.0, "127.0.0.1", "GET", "/nowhere")
    refused.status, refused.ended_at, refused.client_left, refused.undelivered_tokens = 404, 10.1, True, 5
    metrics.count(refused)
    text = generate_latest(metrics.registry).decode()
    assert sample(text, 'farline_requests_total{operation="none",provider="none",status="404"}') == 1
    assert sample(text, "farline_clients_gone_total") == 1
    assert sample(text, "farline_paid_undelivered_tokens_total") == 5


async def test_the_log_line() -> None:
    out = io.StringIO()
    log = RequestLog(out, asyncio.get_running_loop())
    log.write(record())
    log.flush()
    line = json.loads(out.getvalue())
    assert re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", line["at"])
    assert line["tokens"] == {"input": 19, "output": 12, "cached": None}
    assert [attempt["outcome"] for attempt in line["attempts"]] == ["failed", "committed"]


def test_a_traced_requests_durations_lead_to_its_trace() -> None:
    metrics, silent = Metrics(), record()
    silent.facts, silent.provider = None, ""
    for each, trace in ((record(), "ab" * 16), (record(), "cd" * 16), (silent, "ef" * 16)):
        metrics.count(each)
        metrics.exemplify(each, trace, 1_795_348_800.1234)
    text = open_metrics(metrics.registry).decode()
    found = re.findall(r"^(\w+)_bucket\{le=\"([\d.]+)\".*\} \d\.0 # \{(.*)\} (.*)$", text, re.MULTILINE)
    latest = 'request="abc-1",trace_id="' + "cd" * 16 + '"'
    assert sorted(found) == [
        ("farline_request_seconds", "1.5", latest, "1.5 1795348800.123"),
        ("farline_request_seconds", "1.5", 'request="abc-1",trace_id="' + "ef" * 16 + '"', "1.5 1795348800.123"),
        ("farline_ttft_seconds", "0.2", latest, f"{10.2 - 10.0} 1795348800.123"),
    ]
    assert " # {" not in generate_latest(metrics.registry).decode()
    both = merge({"0": text, "1": open_metrics(Metrics().registry).decode()}, is_open=True).decode()
    assert latest in both
    assert 'worker="1"' in both
    assert both.endswith("# EOF\n")


def test_the_local_pool_in_the_exposition() -> None:
    metrics, local = Metrics(), record()
    local.path, local.local = Path(LOCAL, "gpu"), "gave-up"
    metrics.count(local)
    unserved = record()
    unserved.local = "unreachable"  # the pool couldn't, a line did
    metrics.count(unserved)
    nowhere = record()
    nowhere.path, nowhere.local = None, "sensitive"
    metrics.count(nowhere)
    pools = [Pool("gpu", "http://gpu:1", "gpu", 1, False), Pool("cpu", "http://cpu:1", "cpu", 1, False)]
    board = PoolBoard(pools)
    board.told("gpu", Load(3, 1, 0.5), 10.0)
    for _ in range(2):  # gauges are set anew each time
        metrics.show_pools(board, 4, 10.0)
    text = generate_latest(metrics.registry).decode()
    assert sample(text, 'farline_pool_requests_total{pool="gpu",reason="gave-up"}') == 1
    assert sample(text, 'farline_pool_requests_total{pool="none",reason="unreachable"}') == 1
    assert sample(text, 'farline_pool_requests_total{pool="none",reason="sensitive"}') == 1
    assert sample(text, 'farline_pool_standing{pool="gpu",standing="admitted"}') == 1
    assert sample(text, 'farline_pool_engine_requests{pool="gpu",state="running"}') == 3
    assert sample(text, 'farline_pool_cache_ratio{pool="gpu"}') == 0.5
    assert sample(text, "farline_pool_waiting") == 4
    assert 'farline_pool_cache_ratio{pool="cpu"}' not in text
    assert 'farline_line_bytes_total{direction="down",line="local"}' not in text
