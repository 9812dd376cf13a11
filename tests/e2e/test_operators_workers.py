"""Several workers are one node to their operators: a change reaches all, also those that start later."""

from __future__ import annotations

import asyncio
import os
import signal
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from edge.control.peers import Peers
from tests.e2e.test_operations import _children as children
from tests.e2e.test_operators import WEIGHTED, Operator, send, shares
from tests.support.nodes import Edge, Provider, config
from tests.support.servers import free_ports
from tests.support.waiting import eventually


@pytest.fixture(scope="module")
def provider() -> Iterator[Provider]:
    with Provider() as running:
        yield running


def test_two_workers_are_one_node(provider: Provider, capsys: pytest.CaptureFixture[str]) -> None:
    ports = free_ports(2)
    text = config(provider.url, extra=WEIGHTED).replace('"127.0.0.1:0"', f'"127.0.0.1:{ports[0]}"', 1)
    with Edge(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{ports[1]}"\nworkers = 2')) as edge:
        operator = Operator(edge, capsys)
        eventually(lambda: edge.err.read_text().count("farline edge: data") == 2)
        ids = [send(edge) for _ in range(40)]
        assert {operator.reads("why", id)["worker"] for id in ids} == {0, 1}
        assert sum(line["requests_60s"] for line in operator.reads("list")["lines"]) == 40

        assert operator.reads("drain", "cn2")["workers"] == [0, 1]
        assert "cn2" not in shares(edge, provider, "drained", 40)

        for number in (1, 0):  # the one that listens for operators is the last to go
            crash(edge, number)
            eventually(lambda: operator_sees(operator, "draining"), 30)
            assert "cn2" not in shares(edge, provider, f"after-{number}", 30)

        second = worker_of(edge, 1)
        os.kill(second, signal.SIGSTOP)
        try:
            assert "NOT in worker 1: worker 1 doesn't answer" in operator.types("undrain", "cn2", code=1)
            assert "1 of 2 workers answered" in operator.types("list")
        finally:
            os.kill(second, signal.SIGCONT)
        eventually(lambda: version_of(edge, 1) == operator.reads("list")["version"])
        assert edge.stop() == 0


def crash(edge: Edge, number: int) -> None:
    """Ends one worker the hard way and waits until another is in its place."""
    victim = worker_of(edge, number)
    os.kill(victim, signal.SIGKILL)
    eventually(lambda: victim not in children(edge.child.pid) and len(children(edge.child.pid)) == 2, 30)


def worker_of(edge: Edge, number: int) -> int:
    for pid in children(edge.child.pid):
        words = Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0")
        if words[words.index(b"--worker") + 1] == b"%d" % number:
            return pid
    raise AssertionError(f"no worker {number}")


def operator_sees(operator: Operator, switch: str) -> bool:
    try:
        told = operator.reads("list")
    except AssertionError:  # the worker that listens for operators is still starting
        time.sleep(0.2)
        return False
    return len(told["workers"]) == 2 and told["lines"][0]["switch"] == switch


def version_of(edge: Edge, number: int) -> int:
    """Which controls one worker has, asked behind the back of the other."""
    words = Path(f"/proc/{worker_of(edge, number)}/cmdline").read_text().split("\0")
    peers = Peers(Path(words[words.index("--run-dir") + 1]), 1 - number, 2)
    told = asyncio.run(peers.ask("/internal/controls"))
    return int(told[number]["version"]) if told else -1
