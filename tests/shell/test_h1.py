"""HTTP/1.1 connections against raw servers: the contract, framing, faults, tunnels."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AsyncExitStack

import pytest

from tests.shell.exchange_contract import CHECKS, Script
from tests.support.exchanges import RecordingOwner, RecordingSink, request
from tests.support.scripted_h1 import Play, Served, answering, playing, read_head, read_request, serve
from transport.aio.h1 import HEAD_LIMIT_BYTES, H1Connection
from transport.failure import Code, Origin, Verdict
from transport.path import Path

BOTH_LOOPS = True

OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"


class World:
    """Servers and connections of one test."""

    def __init__(self, stack: AsyncExitStack) -> None:
        self._stack = stack
        self.served: Served | None = None

    async def connect(self, play: Play) -> tuple[H1Connection, RecordingOwner]:
        self.served = await self._stack.enter_async_context(serve(play))
        owner = RecordingOwner()
        _, connection = await asyncio.get_running_loop().create_connection(
            lambda: H1Connection(Path("line", "end"), owner, "test.example"), "127.0.0.1", self.served.port
        )
        self._stack.callback(connection.abort)
        return connection, owner


@pytest.fixture
async def world() -> AsyncIterator[World]:
    async with AsyncExitStack() as stack:
        yield World(stack)
    await asyncio.sleep(0.01)


def get(
    connection: H1Connection, method: str = "GET", headers: list[tuple[bytes, bytes]] | None = None
) -> RecordingSink:
    sink = RecordingSink()
    connection.reserve()
    connection.open(request(method, headers=headers), sink, None, end=True)
    return sink


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(check, world: World) -> None:
    async def connect(script: Script) -> tuple[H1Connection, RecordingOwner]:
        return await world.connect(playing(script))

    await check(connect)


@pytest.mark.parametrize(
    ("method", "reply", "body", "reused"),
    [
        ("GET", OK, b"hi", True),
        ("GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 103 Early\r\nlink: x\r\n\r\n" + OK, b"hi", True),
        ("GET", b"HTTP/1.1 204 No Content\r\n\r\n", b"", True),
        ("GET", b"HTTP/1.1 304 Not Modified\r\ncontent-length: 9\r\n\r\n", b"", True),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 9\r\n\r\n", b"", True),
        ("HEAD", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"", False),
        ("GET", b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi", b"hi", False),
        ("GET", b"HTTP/1.0 200 OK\r\ncontent-length: 2\r\n\r\nhi", b"hi", False),
        ("GET", OK + b"HTTP/1.1 200 OK\r\n\r\n", b"hi", False),
        ("GET", OK + b"garbage", b"hi", False),
    ],
)
async def test_framing_of_replies(world: World, method: str, reply: bytes, body: bytes, reused: bool) -> None:
    connection, owner = await world.connect(answering(reply, OK))
    sink = await get(connection, method).done()
    assert sink.failure is None
    assert bytes(sink.body) == body
    assert (owner.free == [connection]) is reused
    if reused:
        assert connection.has_slot()
        again = await get(connection).done()
        assert bytes(again.body) == b"hi"
    else:
        await asyncio.wait_for(owner.gone.wait(), 5)
        assert owner.lost == [None]


async def test_trailers_and_header_names(world: World) -> None:
    reply = b"HTTP/1.1 200 OK\r\nX-One: 1\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n0\r\nX-Sum: 9\r\n\r\n"
    connection, _ = await world.connect(answering(reply))
    sink = await get(connection).done()
    assert sink.head is not None
    assert sink.head.headers[0] == (b"x-one", b"1")
    assert sink.trailers == [(b"x-sum", b"9")]


async def test_body_until_close_ends_with_a_clean_eof(world: World) -> None:
    connection, owner = await world.connect(answering(b"HTTP/1.1 200 OK\r\n\r\nto the end", close=True))
    sink = await get(connection).done()
    assert bytes(sink.body) == b"to the end"
    assert sink.failure is None
    assert owner.lost == [None]


@pytest.mark.parametrize(
    ("reply", "origin", "verdict", "code"),
    [
        (b"", Origin.ENDPOINT, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED),
        (b"HTTP/1.1 200 OK\r\ncontent-le", Origin.ENDPOINT, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 5\r\n\r\nhi",
            Origin.ENDPOINT,
            Verdict.UNSAFE,
            Code.HTTP_RESPONSE_INCOMPLETE,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n2\r\nhi\r\n",
            Origin.ENDPOINT,
            Verdict.UNSAFE,
            Code.HTTP_RESPONSE_INCOMPLETE,
        ),
        (b"SSH-2.0-thing\r\n", Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_PROTOCOL_ERROR),
        (
            b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\ntransfer-encoding: chunked\r\n\r\n",
            Origin.ENDPOINT,
            Verdict.UNKNOWN,
            Code.HTTP_PROTOCOL_ERROR,
        ),
        (
            b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\nzz\r\n",
            Origin.ENDPOINT,
            Verdict.UNSAFE,
            Code.HTTP_PROTOCOL_ERROR,
        ),
        (b"HTTP/1.1 101 Switching\r\n\r\n", Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_PROTOCOL_ERROR),
        (
            b"HTTP/1.1 101 Switching\r\nupgrade: x\r\nconnection: upgrade\r\n\r\n",
            Origin.ENDPOINT,
            Verdict.UNKNOWN,
            Code.HTTP_PROTOCOL_ERROR,
        ),
        (
            b"HTTP/1.1 200 OK\r\nx: " + b"y" * (2 * HEAD_LIMIT_BYTES),
            Origin.ENDPOINT,
            Verdict.UNKNOWN,
            Code.HTTP_PROTOCOL_ERROR,
        ),
        (
            b"HTTP/1.1 102 Processing\r\n\r\n" * (HEAD_LIMIT_BYTES // 20),
            Origin.ENDPOINT,
            Verdict.UNKNOWN,
            Code.HTTP_PROTOCOL_ERROR,
        ),
    ],
)
async def test_faulty_replies(world: World, reply: bytes, origin: Origin, verdict: Verdict, code: str) -> None:
    connection, owner = await world.connect(answering(reply, close=True))
    sink = await get(connection).done()
    assert sink.failure is not None
    assert (sink.failure.origin, sink.failure.verdict, sink.failure.code) == (origin, verdict, code)
    assert owner.lost == [sink.failure]


async def test_reset_counts_against_the_line(world: World) -> None:
    connection, owner = await world.connect(playing(Script(cut="before")))
    sink = await get(connection).done()
    assert sink.failure is not None
    assert sink.failure.verdict is Verdict.UNKNOWN
    assert owner.lost == [sink.failure]


async def test_stray_bytes_on_an_idle_connection_cost_no_request(world: World) -> None:
    connection, owner = await world.connect(answering(OK))
    await get(connection).done()
    assert world.served is not None
    world.served.writers[0].write(b"HTTP/1.1 408 Request Timeout\r\n\r\n")
    await asyncio.wait_for(owner.gone.wait(), 5)
    assert not connection.has_slot()
    assert owner.lost == [None]


async def test_a_fin_in_the_kernel_is_found_before_the_loop_reads_it(world: World) -> None:
    import select

    connection, _ = await world.connect(answering(OK))
    await get(connection).done()
    assert connection.has_slot()
    assert world.served is not None
    world.served.writers[0].transport.abort()
    await asyncio.sleep(0)  # the server's loop callback closes the socket; the client's read hasn't run yet
    fd = connection.transport.get_extra_info("socket").fileno()
    if fd >= 0:
        poll = select.poll()
        poll.register(fd, select.POLLIN)
        poll.poll(1000)
    assert not connection.has_slot()


async def test_hints_for_the_pool(world: World) -> None:
    reply = b'HTTP/1.1 200 OK\r\nkeep-alive: timeout=7, max=9\r\nalt-svc: h3=":443"\r\ncontent-length: 0\r\n\r\n'
    connection, owner = await world.connect(answering(reply, reply))
    await get(connection).done()
    await get(connection).done()
    assert owner.peer_timeouts == [7.0]
    assert owner.alt_svc == [b'h3=":443"']


async def test_what_is_sent(world: World) -> None:
    seen: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(OK)
        await reader.read()

    connection, _ = await world.connect(play)
    await get(connection, "POST", [(b"X-As-Given", b"1"), (b"accept", b"*/*")]).done()
    assert seen == [
        b"POST / HTTP/1.1\r\nhost: test.example\r\nX-As-Given: 1\r\naccept: */*\r\ncontent-length: 0\r\n\r\n"
    ]


@pytest.mark.parametrize("sent", [b"123456", b"1234"])
async def test_a_body_that_belies_its_length_never_desynchronises(world: World, sent: bytes) -> None:
    connection, owner = await world.connect(answering(OK))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request("POST", headers=[(b"content-length", b"5")]), sink, b"1", end=False)
    exchange.send(sent[1:])
    exchange.end()
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.origin, sink.failure.code) == (Origin.EDGE, Code.HTTP_REQUEST_ERROR)
    assert sink.failure.verdict is Verdict.UNKNOWN
    assert owner.free == []


@pytest.mark.parametrize("body", [b"123456", b"1"])
async def test_such_a_body_given_at_once_isnt_sent_at_all(world: World, body: bytes) -> None:
    connection, owner = await world.connect(answering(OK))
    sink = RecordingSink()
    connection.reserve()
    connection.open(request("POST", headers=[(b"content-length", b"5")]), sink, body, end=True)
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.code, sink.failure.verdict) == (Code.HTTP_REQUEST_ERROR, Verdict.SAFE)
    await asyncio.sleep(0)
    assert owner.free == [connection]
    assert bytes((await get(connection).done()).body) == b"hi"


async def test_a_fault_in_the_sink_isnt_the_peers(world: World) -> None:
    class Faulty(RecordingSink):
        def on_head(self, head: object) -> None:
            raise RuntimeError("boom")

    loop = asyncio.get_running_loop()
    reported: list[dict[str, object]] = []
    loop.set_exception_handler(lambda _, context: reported.append(context))
    connection, _ = await world.connect(answering(OK))
    sink = Faulty()
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    await asyncio.wait_for(sink.finished.wait(), 5)
    assert sink.failure is not None
    assert (sink.failure.origin, sink.failure.code) == (Origin.EDGE, Code.PROXY_INTERNAL_ERROR)
    assert len(reported) == 1


UPGRADE = [(b"connection", b"upgrade"), (b"upgrade", b"websocket")]
SWITCH = b"HTTP/1.1 101 Switching Protocols\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n"


async def test_tunnel_both_ways_with_half_close(world: World) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(SWITCH + b"first")
        data = await reader.read()  # until the client's half-close
        writer.write(b"echo:" + data)

    connection, owner = await world.connect(play)
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(headers=UPGRADE), sink, None, end=True)
    await asyncio.wait_for(sink.more.wait(), 5)
    assert sink.head is not None
    assert sink.head.status == 101
    exchange.send(b"\x00raw")
    exchange.end()
    await sink.done()
    assert bytes(sink.body) == b"firstecho:\x00raw"
    assert sink.failure is None
    await asyncio.wait_for(owner.gone.wait(), 5)


async def test_tunnel_whose_peer_closes_first(world: World) -> None:
    received: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(SWITCH)
        writer.write_eof()
        received.append(await reader.read())

    connection, owner = await world.connect(play)
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(headers=UPGRADE), sink, None, end=True)
    await sink.done()
    exchange.send(b"last words")
    exchange.end()
    await asyncio.wait_for(owner.gone.wait(), 5)
    await asyncio.sleep(0.02)
    assert received == [b"last words"]
    assert owner.lost == [None]


async def test_tunnel_that_breaks_fails(world: World) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_head(reader)
        writer.write(SWITCH + b"x")
        await writer.drain()
        await reader.readexactly(1)
        writer.transport.abort()
        raise ConnectionAbortedError

    connection, _ = await world.connect(play)
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(headers=UPGRADE), sink, None, end=True)
    await asyncio.wait_for(sink.more.wait(), 5)
    exchange.send(b"one and more")
    exchange.send(b"x")
    await sink.done()


async def test_a_refused_upgrade_is_an_ordinary_reply(world: World) -> None:
    connection, owner = await world.connect(answering(OK))
    sink = await get(connection, headers=UPGRADE).done()
    assert bytes(sink.body) == b"hi"
    assert owner.free == [connection]


async def test_several_pieces_in_one_read_are_one_callback(world: World) -> None:
    reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n" + b"2\r\nhi\r\n" * 50 + b"0\r\n\r\n"
    connection, _ = await world.connect(answering(reply))
    sink = await get(connection).done()
    assert bytes(sink.body) == b"hi" * 50
    assert sink.pieces == 1


async def test_cancel_inside_a_callback(world: World) -> None:
    class Cancelling(RecordingSink):
        def on_head(self, head: object) -> None:
            exchange.cancel()
            self.forbidden = True

    connection, owner = await world.connect(answering(OK))
    sink = Cancelling()
    connection.reserve()
    exchange = connection.open(request(), sink, None, end=True)
    await asyncio.wait_for(owner.gone.wait(), 5)
    assert sink.broken == []
    assert owner.lost == [None]


async def test_read_request_helper_reads_chunks(world: World) -> None:
    bodies: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        bodies.append((await read_request(reader))[2])
        writer.write(OK)
        await reader.read()

    connection, _ = await world.connect(play)
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request("POST"), sink, b"a", end=False)
    exchange.send(b"")
    exchange.send(b"bc")
    exchange.end()
    exchange.end()
    await sink.done()
    assert bodies == [b"abc"]
