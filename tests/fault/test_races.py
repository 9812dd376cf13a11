"""Dials race: a line that doesn't answer costs the race's head start, not its timeout, and what loses isn't wasted."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

from edge.config.model import Routing
from tests.fault.world import ANY, CHAT, H1, QUICK, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Protocol

WAIT = replace(QUICK, connect=3.0, first_byte=5.0)
RACE = Routing("weighted", race_after_ms=150.0)


async def test_a_silent_first_line_costs_the_head_start(certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        fake.blackhole("127.0.1.1")
        async with world([endpoint(fake, H1, certs.authority)], timeouts=WAIT, routing=RACE) as edge:
            answer = await edge.ask(CHAT)
            assert (answer.status, answer.attempts) == (200, 1)
            assert answer.headers["x-farline-path"].startswith("cu2/")
            assert 0.15 <= answer.seconds < 1.0
            assert fake.executions(answer.id) == 1
            again = await edge.ask(CHAT)  # the next one's turn: a line of its own, or the warm one
            assert again.seconds < 1.0


async def test_the_loser_joins_the_pool(certs: Certificates) -> None:
    """The first line is only slow: its connection is up later, and serves the next request of its turn."""
    async with provider(H1, certs) as fake:
        fake.blackhole("127.0.1.1")
        async with world([endpoint(fake, H1, certs.authority)], timeouts=WAIT, routing=RACE) as edge:
            first = await edge.ask(CHAT)
            assert first.headers["x-farline-path"].startswith("cu2/")
            fake.blackhole()
            async with asyncio.timeout(3):
                while not edge.metric("farline_upstream_connections", line="cn2", state="idle"):
                    await asyncio.sleep(0.01)
            dials = edge.metric("farline_dials_total", line="cn2")
            answers = [await edge.ask(CHAT) for _ in range(3)]
            assert "cn2" in {answer.headers["x-farline-path"].split("/")[0] for answer in answers}
            assert edge.metric("farline_dials_total", line="cn2") == dials
            assert edge.metric("farline_line_standing", standing="admitted") == 3


@contextmanager
def _no_udp(port: int) -> Iterator[None]:
    """Datagrams to this port vanish: somebody holds it and never reads."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
        udp.bind(("127.0.0.1", port))
        yield


async def test_where_udp_is_dropped_http2_takes_over_and_that_is_remembered(certs: Certificates) -> None:
    async with provider(ANY, certs) as fake:
        with _no_udp(fake.port):
            protocols = (Protocol.H3, Protocol.H2)
            async with world([endpoint(fake, protocols, certs.authority)], timeouts=WAIT) as edge:
                first = await edge.ask(CHAT)
                assert (first.status, first.attempts, first.record.protocol) == (200, 1, "h2")
                assert first.seconds < 1.0
                await asyncio.sleep(WAIT.connect + 0.3)  # until the dials over UDP have failed
                failed = edge.metric("farline_dials_total", result="connection_timeout")
                assert failed >= 1
                for _ in range(3):
                    later = await edge.ask(CHAT)
                    assert (later.status, later.record.protocol) == (200, "h2")
                assert edge.metric("farline_line_standing", standing="admitted") == 3
