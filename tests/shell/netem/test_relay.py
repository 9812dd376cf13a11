"""Rootless relays: real sockets on loopback."""

import asyncio
import time

import pytest

from netem.aio.relay import RelayLab
from netem.link.conditions import Conditions, Profile
from netem.link.link import Link
from netem.scenario import LineSpec, Scenario

QUICK = Profile(Conditions(delay_ms=20), Conditions(delay_ms=30))
LOSSY = Profile(Conditions(loss=0.3), Conditions())
SCENARIO = Scenario((LineSpec("quick", QUICK), LineSpec("lossy", LOSSY)), seed=4)


class Echo(asyncio.DatagramProtocol):
    def connection_made(self, transport) -> None:
        self.transport = transport
        self.seen = []

    def datagram_received(self, data, addr) -> None:
        self.seen.append(data)
        self.transport.sendto(data, addr)


class Client(asyncio.DatagramProtocol):
    def __init__(self) -> None:
        self.came: asyncio.Queue[bytes] = asyncio.Queue()

    def datagram_received(self, data, addr) -> None:
        self.came.put_nowait(data)


async def answer(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while data := await reader.read(65536):
        writer.write(data)
        await writer.drain()
    writer.close()


@pytest.fixture
async def lab():
    loop = asyncio.get_running_loop()
    server = await asyncio.start_server(answer, "127.0.0.1", 0)
    port = server.sockets[0].getsockname()
    transport, echo = await loop.create_datagram_endpoint(Echo, local_addr=port)
    async with RelayLab(SCENARIO, {"provider": port}) as made:
        made.echo = echo
        yield made
    transport.close()
    server.close()
    await server.wait_closed()


async def udp(lab: RelayLab, line: str):
    address = lab.address("provider", line, "udp")
    return await asyncio.get_running_loop().create_datagram_endpoint(Client, remote_addr=address)


async def test_datagrams_take_their_time(lab) -> None:
    transport, client = await udp(lab, "quick")
    for _ in range(2):
        began = time.monotonic()
        transport.sendto(b"hello")
        assert await asyncio.wait_for(client.came.get(), 2) == b"hello"
        assert time.monotonic() - began >= 0.049
    transport.close()


async def test_datagrams_are_lost_as_the_model_says(lab) -> None:
    transport, client = await udp(lab, "lossy")
    model = Link(LOSSY, 4, "lossy")
    for number in range(100):
        transport.sendto(bytes([number]))
        await asyncio.sleep(0)
    survivors = [bytes([number]) for number in range(100) if model.offer("up", 29, b"", 0.0)]
    assert [await asyncio.wait_for(client.came.get(), 2) for _ in survivors] == survivors
    assert lab.echo.seen == survivors
    transport.close()


async def test_corrupt_datagrams_arrive_changed(lab) -> None:
    lab.link("quick").set_profile(Profile(Conditions(corrupt=1.0), Conditions()))
    transport, client = await udp(lab, "quick")
    transport.sendto(b"hello")
    changed = await asyncio.wait_for(client.came.get(), 2)
    assert len(changed) == 5
    assert changed != b"hello"
    transport.close()


async def test_blocked_udp_while_tcp_passes(lab) -> None:
    lab.event("quick", "udp-blocked")
    transport, client = await udp(lab, "quick")
    transport.sendto(b"hello")
    reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
    writer.write(b"hello")
    assert await reader.readexactly(5) == b"hello"
    assert client.came.empty()
    writer.close()
    transport.close()


async def test_bytes_take_their_time_and_the_end_comes_last(lab) -> None:
    reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
    began = time.monotonic()
    sent = bytes(range(256)) * 1000
    writer.write(sent)
    writer.write_eof()
    assert await reader.read(-1) == sent
    assert time.monotonic() - began >= 0.049
    writer.close()


async def test_loss_delays_bytes_but_loses_none(lab) -> None:
    reader, writer = await asyncio.open_connection(*lab.address("provider", "lossy", "tcp"))
    sent = bytes(range(256)) * 100
    writer.write(sent)
    assert await asyncio.wait_for(reader.readexactly(len(sent)), 10) == sent
    writer.close()


async def test_a_slow_line_makes_the_sender_wait(lab) -> None:
    slow = Conditions(rate_mbit=80, queue_bytes=100_000_000)
    lab.link("quick").set_profile(Profile(slow, Conditions()))
    reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
    began = time.monotonic()
    writer.write(bytes(4_000_000))
    assert len(await asyncio.wait_for(reader.readexactly(4_000_000), 10)) == 4_000_000
    assert time.monotonic() - began >= 0.4
    writer.close()


async def test_a_blackhole_ends(lab) -> None:
    reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
    lab.event("quick", "blackhole", seconds=0.3)
    began = time.monotonic()
    writer.write(b"x")
    assert await asyncio.wait_for(reader.readexactly(1), 5) == b"x"
    assert time.monotonic() - began >= 0.3
    writer.close()


async def test_resets_reach_the_client(lab) -> None:
    reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
    lab.event("quick", "tcp-reset")
    writer.write(b"x")
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 2)
    writer.close()


async def test_a_dead_target_is_a_reset_and_no_datagram() -> None:
    async with RelayLab(SCENARIO, {"provider": ("127.0.0.1", 1)}) as lab:
        reader, writer = await asyncio.open_connection(*lab.address("provider", "quick", "tcp"))
        with pytest.raises(ConnectionResetError):
            await asyncio.wait_for(reader.read(1), 2)
        writer.close()
        transport, client = await udp(lab, "quick")
        for _ in range(2):
            transport.sendto(b"x")
            await asyncio.sleep(0.1)
        assert client.came.empty()
        assert lab.failures == 0
        transport.close()


async def test_closing_the_lab_ends_live_connections(lab) -> None:
    async with RelayLab(SCENARIO, {"provider": lab.address("provider", "quick", "tcp")}) as outer:
        reader, writer = await asyncio.open_connection(*outer.address("provider", "quick", "tcp"))
        writer.write(b"x")
        assert await reader.readexactly(1) == b"x"
    with pytest.raises(ConnectionResetError):
        await asyncio.wait_for(reader.read(1), 2)
    writer.close()
