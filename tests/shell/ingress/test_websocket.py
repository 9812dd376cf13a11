"""The WebSocket bridge between real clients and real servers."""

from __future__ import annotations

import asyncio
import contextlib
import os
import socket
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import Any

import aiohttp
import pytest
from websockets.asyncio.client import connect
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed, InvalidStatus
from websockets.frames import Frame, Opcode
from websockets.http11 import Request, Response

from edge.serve.ws_link import Party
from tests.shell.ingress.ws_support import FAILURE, Gateway, gateway
from tests.support.waiting import until

Talk = Callable[[ServerConnection], Awaitable[None]]


@contextlib.asynccontextmanager
async def upstream(talk: Talk, **options: Any) -> AsyncIterator[int]:
    async with serve(talk, "127.0.0.1", 0, max_size=1 << 24, **options) as server:
        yield server.sockets[0].getsockname()[1]


def narrow(transport: asyncio.BaseTransport) -> None:
    """Keeps the kernel from taking tens of megabytes for a peer that doesn't read."""
    transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 65536)


async def echo(ws: ServerConnection) -> None:
    async for message in ws:
        await ws.send(message)


@contextlib.asynccontextmanager
async def bridged(talk: Talk, upstream_options: dict[str, Any] | None = None, **fields: Any) -> AsyncIterator[Gateway]:
    async with upstream(talk, **(upstream_options or {})) as port, gateway(port, **fields) as gate:
        yield gate


@pytest.mark.parametrize("compression", ["deflate", None])
@pytest.mark.parametrize("upstream_compression", ["deflate", None])
async def test_text_stays_text_and_binary_binary(compression: str | None, upstream_compression: str | None) -> None:
    async with bridged(echo, {"compression": upstream_compression}) as gate:
        async with connect(gate.url, compression=compression) as ws:
            assert ws.response is not None
            extensions = ws.response.headers.get("sec-websocket-extensions", "")
            assert ("permessage-deflate" in extensions) is (compression == "deflate")
            for message in ("héllo", b"\x00\xff", "", b"", "x" * 100_000, os.urandom(70_000)):
                await ws.send(message)
                assert await ws.recv() == message
        summary = await gate.summary()
        assert summary.link.closed_by is Party.CLIENT
        assert (summary.link.client_code, summary.link.upstream_code) == (1000, 1000)
        assert (summary.link.messages_up, summary.link.messages_down) == (6, 6)
        assert summary.link.bytes_up == summary.link.bytes_down == 170_000 + 6 + 2
        assert summary.failure is None


async def test_headers_subprotocol_and_target_reach_the_upstream() -> None:
    seen: list[Request] = []

    async def tells(ws: ServerConnection) -> None:
        assert ws.request is not None
        seen.append(ws.request)
        await ws.send(ws.subprotocol or "none")

    async def adds(ws: ServerConnection, request: Request, response: Response) -> None:
        response.headers["x-request-id"] = "r1"

    async with (
        bridged(tells, {"subprotocols": ["realtime"], "process_response": adds}) as gate,
        connect(
            gate.url,
            subprotocols=["other", "realtime"],  # type: ignore[list-item]  # a NewType of str
            additional_headers={"Authorization": "Bearer k"},
        ) as ws,
    ):
        assert await ws.recv() == "realtime"
        assert ws.subprotocol == "realtime"
        assert ws.response is not None
        assert ws.response.headers["x-request-id"] == "r1"
    assert seen[0].path == "/v1/realtime?model=x"
    assert seen[0].headers["authorization"] == "Bearer k"
    assert seen[0].headers.get_all("host") == ["upstream"]


async def test_aiohttp_as_client() -> None:
    async with bridged(echo) as gate, aiohttp.ClientSession() as session:
        async with session.ws_connect(gate.url, compress=12) as ws:
            await ws.send_str("a" * 1000)
            assert await ws.receive_str(timeout=5) == "a" * 1000
            await ws.ping()
            await ws.send_bytes(b"b")
            assert await ws.receive_bytes(timeout=5) == b"b"
            await ws.close(code=4001, message=b"enough")
        summary = await gate.summary()
        assert (summary.link.upstream_code, summary.link.upstream_reason) == (4001, "enough")


async def test_fragments_are_passed_on_as_they_come() -> None:
    first = asyncio.Event()
    received: list[str] = []

    async def reads(ws: ServerConnection) -> None:
        async for part in ws.recv_streaming():
            received.append(str(part))
            first.set()
        await ws.send(["x", "y", "z"])

    async def parts() -> AsyncIterator[str]:
        yield "one"
        await first.wait()
        yield "two"

    async with bridged(reads) as gate, connect(gate.url) as ws:
        await asyncio.wait_for(ws.send(parts()), 5)
        assert [part async for part in ws.recv_streaming()] == ["x", "y", "z", ""]
        assert "".join(received) == "onetwo"


@pytest.mark.parametrize(("code", "reason"), [(1000, ""), (1001, "bye"), (1013, "later"), (4000, "q" * 123)])
@pytest.mark.parametrize("by", [Party.CLIENT, Party.UPSTREAM])
async def test_close_codes_and_reasons_cross(code: int, reason: str, by: Party) -> None:
    closes: list[tuple[int | None, str | None]] = []

    async def waits(ws: ServerConnection) -> None:
        if by is Party.UPSTREAM:
            await ws.close(code, reason)
        await ws.wait_closed()
        closes.append((ws.close_code, ws.close_reason))

    async with bridged(waits) as gate:
        async with connect(gate.url) as ws:
            if by is Party.CLIENT:
                await ws.close(code, reason)
            await ws.wait_closed()
            assert (ws.close_code, ws.close_reason) == (code, reason)
        summary = await gate.summary()
        await until(lambda: closes == [(code, reason)])
        assert summary.link.closed_by is by


async def test_a_close_without_a_code_crosses_as_one() -> None:
    async def waits(ws: ServerConnection) -> None:
        ws.protocol.send_close()
        for data in ws.protocol.data_to_send():
            ws.transport.write(data)
        await ws.wait_closed()

    async with bridged(waits) as gate, connect(gate.url) as ws:
        await ws.wait_closed()
        assert ws.close_code == 1005


@pytest.mark.parametrize("how", ["eof", "reset", "failure"])
async def test_an_upstream_that_is_lost_never_looks_like_a_normal_close(how: str) -> None:
    async def dies(ws: ServerConnection) -> None:
        await ws.send("half")
        if how == "eof":
            ws.transport.close()
        elif how == "reset":
            ws.transport.abort()
        await asyncio.sleep(0.3)

    async with bridged(dies) as gate, connect(gate.url) as ws:
        assert await ws.recv() == "half"
        if how == "failure":
            gate.exchanges[0].cancel()
            gate.bridges[0].on_failure(FAILURE)
        await ws.wait_closed()
        assert ws.close_code == 1011
        assert "upstream" in (ws.close_reason or "")
        summary = await gate.summary()
        assert summary.link.closed_by is Party.UPSTREAM
        assert summary.link.upstream_code == 1006
        assert (summary.failure is FAILURE) is (how == "failure")


async def test_a_client_that_vanishes_is_told_to_the_upstream() -> None:
    codes: list[int | None] = []

    async def waits(ws: ServerConnection) -> None:
        await ws.wait_closed()
        codes.append(ws.close_code)

    async with bridged(waits) as gate:
        ws = await connect(gate.url)
        ws.transport.abort()
        await until(lambda: codes == [1001])
        assert (await gate.summary()).link.client_code == 1006


async def test_each_side_answers_its_own_pings() -> None:
    pinged: list[float] = []

    async def pings(ws: ServerConnection) -> None:
        pinged.append(await asyncio.wait_for(await ws.ping(), 5))
        await ws.send("done")

    async with bridged(pings) as gate, connect(gate.url) as ws:
        await asyncio.wait_for(await ws.ping(b"mine"), 5)
        assert await ws.recv() == "done"
        assert pinged


async def test_a_dead_upstream_is_found_by_pings() -> None:
    async def hangs(ws: ServerConnection) -> None:
        ws.transport.pause_reading()
        with contextlib.suppress(ConnectionClosed):
            await asyncio.sleep(4)

    async with bridged(hangs, {"close_timeout": 0.5}, options={"ping_seconds": 0.5}) as gate, connect(gate.url) as ws:
        await asyncio.wait_for(ws.wait_closed(), 10)
        assert ws.close_code == 1011
        assert "stopped answering" in (ws.close_reason or "")


async def test_too_large_messages_end_both_sides_with_1009() -> None:
    codes: list[int | None] = []

    async def waits(ws: ServerConnection) -> None:
        await ws.wait_closed()
        codes.append(ws.close_code)

    async with bridged(waits, max_message_bytes=1000) as gate, connect(gate.url, compression=None) as ws:
        await ws.send("x" * 1001)
        await asyncio.wait_for(ws.wait_closed(), 8)
        assert ws.close_code == 1009
        await until(lambda: codes == [1009])


async def test_a_broken_frame_from_the_upstream_gives_1011() -> None:
    async def breaks(ws: ServerConnection) -> None:
        ws.transport.write(b"\xff\xff")
        await ws.wait_closed()

    async with bridged(breaks) as gate, connect(gate.url) as ws:
        await asyncio.wait_for(ws.wait_closed(), 5)
        assert ws.close_code == 1011


async def test_back_pressure_upwards() -> None:
    release = asyncio.Event()
    size = 0

    async def slow(ws: ServerConnection) -> None:
        nonlocal size
        narrow(ws.transport)
        ws.transport.pause_reading()
        await asyncio.wait_for(release.wait(), 8)
        ws.transport.resume_reading()
        async for message in ws:
            size += len(message)

    async with bridged(slow, {"ping_interval": None, "compression": None}) as gate:
        async with connect(gate.url, compression=None, ping_interval=None) as ws:
            await until(lambda: bool(gate.bridges))
            await asyncio.sleep(0.1)
            sending = asyncio.gather(*[ws.send(bytes(500_000)) for _ in range(80)])
            try:
                await until(lambda: gate.bridges[0]._client_paused)
                await asyncio.sleep(0.2)
                assert gate.bridges[0]._client_paused
                assert gate.exchanges[0]._transport.get_write_buffer_size() < 2_000_000
                assert ws.transport.get_write_buffer_size() > 5_000_000
            finally:
                release.set()
                await sending
        await gate.summary()
        assert size == 80 * 500_000


async def test_back_pressure_downwards() -> None:
    size = 60 * 500_000
    sent = asyncio.Event()
    go = asyncio.Event()

    async def floods(ws: ServerConnection) -> None:
        await go.wait()
        for _ in range(60):
            await ws.send(bytes(500_000))
        sent.set()
        await ws.wait_closed()

    async with bridged(floods, {"ping_interval": None, "compression": None}) as gate:
        async with connect(gate.url, compression=None, ping_interval=None, max_queue=1) as ws:
            narrow(ws.transport)
            go.set()
            ws.transport.pause_reading()
            await until(lambda: bool(gate.exchanges) and gate.exchanges[0].paused)
            await asyncio.sleep(0.2)
            assert gate.exchanges[0].paused
            assert not sent.is_set()
            ws.transport.resume_reading()
            got = 0
            while got < size:
                got += len(await asyncio.wait_for(ws.recv(), 10))
            assert got == size
        assert gate.exchanges[0].pauses > 0


async def test_the_edge_can_end_it() -> None:
    async with bridged(echo) as gate, connect(gate.url) as ws:
        await ws.send("a")
        await ws.recv()
        gate.bridges[0].close(1012, "restart " + "é" * 100)
        await asyncio.wait_for(ws.wait_closed(), 5)
        assert ws.close_code == 1012
        assert (await gate.summary()).link.closed_by is Party.EDGE


async def test_a_cancelled_wait_drops_both_sides() -> None:
    async with upstream(echo) as port, gateway(port) as gate:
        ws = await connect(gate.url)
        await ws.send("a")
        await ws.recv()
    await asyncio.wait_for(ws.wait_closed(), 5)
    assert ws.close_code == 1006


async def test_a_flood_of_pings_from_a_client_that_does_not_read_is_bounded() -> None:
    async def floods(ws: ServerConnection) -> None:
        with contextlib.suppress(ConnectionClosed):
            for _ in range(100):
                await ws.send(bytes(500_000))
        await ws.wait_closed()

    async with bridged(floods, {"ping_interval": None, "compression": None, "close_timeout": 0.5}) as gate:
        ws = await connect(gate.url, compression=None, ping_interval=None)
        ws.transport.pause_reading()
        await until(lambda: bool(gate.exchanges) and gate.exchanges[0].paused)
        connection = gate.bridges[0]._client._wire  # type: ignore[attr-defined]  # the ingress's own
        before = connection._transport.get_write_buffer_size()
        ping = Frame(Opcode.PING, bytes(125)).serialize(mask=True)
        for _ in range(20):
            ws.transport.write(ping * 1000)
            await asyncio.sleep(0.01)
        assert connection._transport.get_write_buffer_size() < before + 100_000
        ws.transport.abort()
        await gate.summary()


@pytest.mark.parametrize(
    ("changes", "status"),
    [
        ({"Sec-WebSocket-Key": "short"}, 400),
        ({"Sec-WebSocket-Version": "8"}, 426),
        ({"Sec-WebSocket-Version": None}, 400),
        ({"Upgrade": "h2c"}, 426),
        ({"Connection": "keep-alive"}, 426),
    ],
)
async def test_wrong_upgrade_requests_are_refused(changes: dict[str, str | None], status: int) -> None:
    headers: dict[str, str | None] = {
        "Connection": "Upgrade",
        "Upgrade": "websocket",
        "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
        "Sec-WebSocket-Version": "13",
    } | changes
    async with bridged(echo) as gate, aiohttp.ClientSession() as session:
        url = gate.url.replace("ws://", "http://")
        sent = {name: value for name, value in headers.items() if value is not None}
        async with session.get(url, headers=sent) as response:
            assert response.status == status
            if status == 426:
                assert response.headers["sec-websocket-version"] == "13"


async def test_an_upstream_that_answers_wrongly_is_no_bridge() -> None:
    async def wrong(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 X\r\nconnection: upgrade\r\nupgrade: websocket\r\nsec-websocket-accept: no\r\n\r\n")
        await reader.read()
        writer.close()

    server = await asyncio.start_server(wrong, "127.0.0.1", 0)
    async with server, gateway(server.sockets[0].getsockname()[1]) as gate:
        with pytest.raises(InvalidStatus) as caught:
            await connect(gate.url)
        assert caught.value.response.status_code == 502
        assert b"http_upgrade_failed" in bytes(caught.value.response.body)
