"""The client leaves: the far end is told at once, nothing is repeated, and it counts against nobody."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Callable

import pytest

from netem.provider.aio.server import FakeProvider
from tests.fault.world import BATCH, CHAT, H1, H2, H3, LINES, MODELS, STREAM, Ask, World, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Protocol


async def _leave(edge: World, ask: Ask, sim: str, when: Callable[[], bool]) -> None:
    """Sends a request and closes the connection when `when` says so."""
    host, port = edge.node.ingress.addresses[0]
    _, writer = await asyncio.open_connection(host, port)
    body = ask.body or b""
    head = f"{ask.method} {ask.path} HTTP/1.1\r\nhost: edge\r\nx-sim-id: leaver\r\nx-sim: {sim}\r\n"
    writer.write(f"{head}content-length: {len(body)}\r\ncontent-type: {ask.content_type}\r\n\r\n".encode() + body)
    async with asyncio.timeout(5):
        while not when():
            await asyncio.sleep(0.005)
    writer.close()
    async with asyncio.timeout(5):
        while not edge.records:
            await asyncio.sleep(0.005)


def _check(edge: World, attempts: int) -> None:
    (record,) = edge.records.values()
    assert record.client_left
    assert len(record.attempts) == attempts
    assert record.failovers == []
    assert edge.metric("farline_clients_gone_total") == 1
    assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
    assert edge.node.permits.in_flight == 0
    json.dumps(record.summary())


async def _cancelled(fake: FakeProvider) -> None:
    async with asyncio.timeout(3):
        while fake.log[-1].outcome != "cancelled":
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("ask", [MODELS, CHAT, BATCH], ids=["free", "billed", "effect"])
async def test_while_dialing(ask: Ask, certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        fake.blackhole("*")
        async with world([endpoint(fake, H1, certs.authority)]) as edge:
            await _leave(edge, ask, "think_ms=0", lambda: edge.metric("farline_upstream_connections") > 0)
            _check(edge, 0)
            assert fake.executions("leaver") == 0


@pytest.mark.parametrize("protocols", [H1, H2, H3])
@pytest.mark.parametrize("ask", [MODELS, CHAT, BATCH], ids=["free", "billed", "effect"])
async def test_while_it_waits(ask: Ask, protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async with provider(protocols, certs) as fake:
        async with world([endpoint(fake, protocols, certs.authority)]) as edge:
            await _leave(edge, ask, "think_ms=4000", lambda: len(fake.log) > 0)
            _check(edge, 1)
            await _cancelled(fake)
            assert fake.executions("leaver") == 1


@pytest.mark.parametrize("protocols", [H1, H2, H3])
async def test_in_mid_stream(protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async with provider(protocols, certs) as fake:
        async with world([endpoint(fake, protocols, certs.authority)]) as edge:
            await _leave(
                edge, STREAM, "think_ms=0,tokens=400,interval_ms=10",
                lambda: bool(fake.log) and fake.log[-1].tokens_written > 3,
            )  # fmt: skip
            _check(edge, 1)
            await _cancelled(fake)
            assert fake.executions("leaver") == 1
            assert fake.log[-1].tokens_written < 200
