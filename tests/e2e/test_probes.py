"""Probes of a running node, and the commands that send them by hand."""

from __future__ import annotations

import json
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.nodes import LINES, Edge, Provider, config

QUICK = "[probe]\ninterval_ms = 100\nconnect_interval_ms = 200\nrequest_interval_ms = 1000\n"
ANSWERED = ("icmp", "tcp", "http")


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def farline(*words: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "edge.cli", *words]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


def test_a_node_probes_every_line_and_none_of_it_counts_as_a_request(provider: Provider) -> None:
    with Edge(config(provider.url, extra=QUICK)) as edge:
        end = time.monotonic() + 20
        while not all(
            edge.metric("farline_probes_total", line=line, kind=kind, result="answered")
            for line in LINES
            for kind in ANSWERED
        ):
            assert time.monotonic() < end
            time.sleep(0.1)
        assert edge.metric("farline_probe_seconds_count") >= 9
        assert edge.metric("farline_requests_total") == 0
        assert edge.metric("farline_attempts_total") == 0
        assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
        assert edge.requests() == []
    assert provider.executions() == {}


def test_probes_can_be_switched_off(provider: Provider) -> None:
    with Edge(config(provider.url, extra="[probe]\nenabled = false")) as edge:
        time.sleep(1.0)
        assert edge.metric("farline_probes_total") == 0


def test_the_command_measures_what_there_is(provider: Provider, tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(config(provider.url))
    done = farline("probe", "-c", str(path), "--line", "cn2", "--count", "3", "--json")
    assert (done.returncode, done.stderr) == (0, "")
    told = json.loads(done.stdout)
    assert {(each["line"], each["kind"]) for each in told["checks"]} == {("cn2", kind) for kind in ANSWERED}
    assert all(each["sent"] == 3 and each["lost"] == each["failed"] == 0 for each in told["checks"])
    assert all(0 <= each["minimum_ms"] <= each["median_ms"] <= each["p95_ms"] for each in told["checks"])
    table = farline("probe", "-c", str(path), "--count", "1")
    assert table.returncode == 0
    assert all(line in table.stdout for line in LINES)


def test_the_command_exits_with_1_when_nothing_answers_and_2_when_it_cant_begin(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(config("http://127.0.0.1:9", extra='[probe]\nkinds = ["tcp", "http"]'))
    done = farline("probe", "-c", str(path), "--count", "1")
    assert done.returncode == 1
    assert "connection_refused" in done.stdout
    unknown = farline("probe", "-c", str(path), "--line", "cn3")
    assert unknown.returncode == 2
    assert "cn3" in unknown.stderr
    path.write_text('[probe]\ninterval_ms = 100\nfast_interval_ms = 200\nkinds = ["icmp", "ping"]')
    wrong = farline("probe", "-c", str(path))
    assert wrong.returncode == 2
    assert '"ping" is not one of them' in wrong.stderr
    path.write_text("[probe]\ninterval_ms = 100\nfast_interval_ms = 200")
    assert "fast_interval_ms ≤ interval_ms" in farline("check", "-c", str(path)).stdout


def test_check_says_what_can_be_sent_over_each_line(tmp_path: Path) -> None:
    path = tmp_path / "edge.toml"
    path.write_text(
        '[[line]]\nid = "here"\nsource = "127.0.0.2"\n[[line]]\nid = "gone"\nsource = "192.0.2.7"\n'
        '[[line]]\nid = "proxy"\nproxy = "socks5://127.0.0.1:9"\n'
    )
    told = json.loads(farline("check", "-c", str(path), "--json").stdout)["probes"]
    assert told["here"] == {"kinds": ["icmp", "quic", "tcp", "tls", "http"], "missing": {}}
    assert told["gone"]["missing"].keys() == {"icmp"}
    assert told["proxy"]["kinds"] == ["tcp", "tls", "http"]
    assert "  probes     here: icmp quic tcp tls http\n" in farline("check", "-c", str(path)).stdout
