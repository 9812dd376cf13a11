"""Looks at connections that carry something, of every HTTP version."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import pytest

from netem.provider.aio.server import FakeProvider
from tests.support.certificates import Certificates, certificates
from tests.support.exchanges import RecordingSink, request
from tests.support.pooling import RecordingObserver
from tests.support.waiting import until
from transport.aio.line import read_tcp
from transport.aio.pool import Pools
from transport.aio.standard import make_pools
from transport.exchange import Connection
from transport.path import HTTP, Line, Path, Protocol, Target

BOTH_LOOPS = True
PATH = Path("line", "end")


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certs"))


@asynccontextmanager
async def connected(
    certs: Certificates, protocol: Protocol
) -> AsyncIterator[tuple[Pools, Connection, RecordingObserver]]:
    observer = RecordingObserver()
    async with FakeProvider(tls=True, h3=True, cert=certs.chain, key=certs.key, control_port=None) as fake:
        port = int(fake.url.rsplit(":", 1)[1])
        target = Target("end", "127.0.0.1", port, protocols=(protocol,), ca_file=certs.authority)
        pools = make_pools([Line("line")], [target], observer=observer)
        try:
            yield pools, await pools.connect(PATH), observer
        finally:
            await pools.close(0.2)


@pytest.mark.parametrize("protocol", HTTP)
async def test_a_connection_tells_its_figures_while_it_lives(certs: Certificates, protocol: Protocol) -> None:
    async with connected(certs, protocol) as (_, connection, _observer):
        assert connection.protocol is protocol
        now = asyncio.get_running_loop().time()
        first = connection.sample(now)
        assert first
        assert 0 < first.srtt < 1
        assert first.segments > 0
        assert 0 <= first.silent_for < 1
        sink = RecordingSink()
        connection.open(request(), sink, None, end=True)
        await sink.done()
        second = connection.sample(now + 0.5)
        assert second
        assert second.segments >= 1
        assert second.retransmits >= 0
        connection.abort()
        assert connection.sample(now + 1.0) is None


@pytest.mark.parametrize("protocol", HTTP)
async def test_the_observer_hears_of_busy_connections_all_the_time(certs: Certificates, protocol: Protocol) -> None:
    async with connected(certs, protocol) as (pools, connection, observer):
        pools.start()
        await until(lambda: len(observer.samples) >= 3)
        assert {path for path, _ in observer.samples} == {PATH}
        connection.release()


async def test_a_transport_that_let_go_of_its_socket_has_no_figures() -> None:
    assert read_tcp(None) is None


async def test_unanswered_quic_packets_make_a_silence(certs: Certificates) -> None:
    async with connected(certs, Protocol.H3) as (_, connection, _observer):
        await until(lambda: connection.sample(asyncio.get_running_loop().time()).unacked == 0)  # type: ignore[union-attr]  # it lives
        connection.doubt()  # sends a PING
        now = asyncio.get_running_loop().time()
        silent = connection.sample(now + 0.3)
        assert silent
        assert silent.unacked == 1
        assert silent.silent_for == pytest.approx(0.3, abs=0.2)
        connection.release()


@pytest.mark.parametrize("protocol", [Protocol.H2, Protocol.H3])
async def test_a_suspected_lines_connections_ask_whether_it_is_alive(certs: Certificates, protocol: Protocol) -> None:
    async with connected(certs, protocol) as (pools, connection, observer):
        pools.ask("another")
        assert connection.has_slot()
        pools.ask("line")
        assert not connection.has_slot()
        await until(lambda: connection.has_slot() and observer.round_trips)
        connection.release()
