"""Probes in the lab measure what the lines' profiles say, while one of the lines is dead."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

import pytest

from health.aio.prober import Listeners, Prober
from health.figures import Figures, by_check
from health.probe import Outcome, ProbeKind, ProbeResult
from health.probing import FarEnd, ProbePolicy
from netem.aio.lab import Lab
from netem.profiles import profile
from netem.scenario import LineSpec, Scenario
from tests.shell.test_probes import Datagrams
from transport.aio.standard import make_pools
from transport.path import Line, Path, Protocol, Target

SCENARIO = Scenario(
    (
        LineSpec("near", profile("clean")),  # 150 ms
        LineSpec("lossy", profile("grid-15")),  # 200 ms; 15 % each way: 28 % of round trips
        LineSpec("dying", profile("clean")),
    ),
    seed=7,
)
ROUND_TRIP_LOSS = 1 - 0.85**2
NOISE = 0.03  # seconds that a busy machine adds
ICMP, QUIC, TCP = ProbeKind.ICMP, ProbeKind.QUIC, ProbeKind.TCP


def test_three_lines_of_which_one_dies() -> None:
    with Lab(SCENARIO) as lab:
        with lab.inside("far"):
            udp, tcp = socket.socket(type=socket.SOCK_DGRAM), socket.socket()
        with lab.inside("edge"):
            results, died_at = asyncio.run(_probe(lab, udp, tcp))
    figures = {check: each for check, each in by_check(results).items() if check.path.line != "dying"}
    for kind in (ICMP, QUIC, TCP):
        _check(figures, "near", kind, 0.150)
    for kind in (ICMP, QUIC):
        _check(figures, "lossy", kind, 0.200)
    assert all(each.lost == each.failed == 0 for check, each in figures.items() if check.path.line == "near")
    lossy = [each for check, each in figures.items() if check.path.line == "lossy" and check.kind is not TCP]
    sent, lost = sum(each.sent for each in lossy), sum(each.lost for each in lossy)
    assert sent > 50
    assert lost / sent == pytest.approx(ROUND_TRIP_LOSS, abs=0.2)
    assert all(each.longest_burst < 9 and each.duplicates == 0 for each in lossy)
    dying = [result for result in results if result.path.line == "dying"]
    assert {r.outcome for r in dying if r.sent_at < died_at - 0.3} == {Outcome.ANSWERED}
    after = [result for result in dying if result.sent_at > died_at + 0.05]
    assert len(after) > 20
    assert {result.outcome for result in after} == {Outcome.LOST}


def _check(figures: dict[Any, Figures], line: str, kind: ProbeKind, rtt: float) -> None:
    measured = figures[Path(line, "end"), kind]
    assert measured.minimum is not None
    assert measured.median is not None
    assert rtt - 0.002 <= measured.minimum <= rtt + NOISE
    assert measured.median <= rtt + NOISE


async def _probe(lab: Lab, udp: socket.socket, tcp: socket.socket) -> tuple[list[ProbeResult], float]:
    """What was heard, and when the line died."""
    loop = asyncio.get_running_loop()
    address = lab.address("provider")
    udp.bind((address, 4433))
    tcp.bind((address, 4433))
    transport, _ = await loop.create_datagram_endpoint(Datagrams, sock=udp)
    server = await asyncio.start_server(lambda reader, writer: writer.close(), sock=tcp)
    lines = [Line(spec.id, source=lab.address("edge", spec.id)) for spec in SCENARIO.lines]
    target = Target("end", address, 4433, tls=False, protocols=(Protocol.H3, Protocol.H1))
    results: list[ProbeResult] = []
    suspected: set[str] = set()
    pools = make_pools(lines, [target])
    prober = Prober(
        pools.dialer, pools, Listeners(results.append, lambda result: None, lambda: suspected), draw=lambda: 0.5
    )
    policy = ProbePolicy(kinds=(ICMP, QUIC, TCP), interval_ms=100, connect_interval_ms=1000)
    prober.start(lines, [FarEnd(target)], policy)
    await asyncio.sleep(4.0)
    died_at = loop.time()
    await asyncio.to_thread(lab.line("dying").event, "blackhole", seconds=60.0)
    suspected.add("dying")
    await asyncio.sleep(5.0)
    await prober.close()
    await pools.close(0.1)
    transport.close()
    server.close()
    return results, died_at
