"""WebSockets whose provider's end is at the relay: messages one by one, pings on the short way, exact close codes."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager

import pytest
from websockets.asyncio.server import ServerConnection, serve
from websockets.exceptions import ConnectionClosed
from websockets.frames import Close
from websockets.http11 import Request, Response
from websockets.utils import accept_key

from tests.support.relaying import Relayed, Reply, relayed, snapshot_for
from tests.support.waiting import until
from transport.failure import Code, Verdict
from transport.message import header
from transport.session.records import Frame, message
from transport.session.values import Code as Ended

KEY = b"dGhlIHNhbXBsZSBub25jZQ=="
OFFER = [
    (b"connection", b"Upgrade"),
    (b"upgrade", b"websocket"),
    (b"sec-websocket-version", b"13"),
    (b"sec-websocket-key", KEY),
    (b"sec-websocket-protocol", b"realtime"),
    (b"sec-websocket-extensions", b"permessage-deflate"),
]
Handler = Callable[[ServerConnection], Awaitable[None]]


async def echo(connection: ServerConnection) -> None:
    async for text in connection:
        await connection.send(text)


@asynccontextmanager
async def talking(handler: Handler, **settings: object) -> AsyncIterator[Relayed]:
    async with serve(handler, "127.0.0.1", 0, subprotocols=["realtime"], **settings) as server:  # type: ignore[arg-type,list-item]  # settings and names of any kind
        port = next(iter(server.sockets)).getsockname()[1]
        async with relayed(snapshot_for(port)) as relay:
            yield relay


def upgrade(relay: Relayed, *, key: bytes = KEY) -> Reply:
    reply = Reply(relay.session, b"\x01" * 16)
    headers = [(name, key if name == b"sec-websocket-key" else value) for name, value in OFFER]
    reply.send(reply.writer.request(relay.head("GET", "/v1/realtime", headers), "sim", 10.0, 0, websocket=True))
    return reply


async def joined(relay: Relayed) -> Reply:
    reply = await upgrade(relay).until(lambda reply: reply.head is not None or reply.is_done())
    assert reply.head is not None
    assert reply.head.status == 101
    return reply


async def test_messages_and_their_pieces_cross_both_ways() -> None:
    async with talking(echo, max_size=None) as relay:
        reply = await joined(relay)
        assert reply.head is not None
        assert header(reply.head.headers, b"sec-websocket-accept") == accept_key(KEY.decode()).encode()
        assert header(reply.head.headers, b"sec-websocket-protocol") == b"realtime"
        assert header(reply.head.headers, b"sec-websocket-extensions") is None
        assert header(reply.head.headers, b"upgrade") == b"websocket"
        large = bytes(range(256)) * 1000
        reply.send(reply.writer.frame(1, "grüße".encode()))
        reply.send(reply.writer.frame(2, large[:1000], False) + reply.writer.frame(0, large[1000:]))
        await reply.until(lambda reply: sum(len(frame.payload) for frame in reply.frames) == 7 + len(large))
        assert reply.frames[0] == Frame(1, "grüße".encode())
        assert b"".join(frame.payload for frame in reply.frames[1:]) == large
        assert [frame.is_last for frame in reply.frames[1:]].count(True) == 1
        reply.send(reply.writer.frame(8, Close(1000, "bye").serialize()))
        await reply.done()
        assert reply.frames[-1] == Frame(8, Close(1000, "bye").serialize())
        assert reply.end is not None
        reply.send(reply.writer.end(), end=True)
        await until(lambda: relay.watching.records)
        record = relay.watching.records[0]
        assert (record.outcome, record.status, record.messages_in, record.messages_out) == ("done", 101, 2, 2)


async def test_the_providers_close_code_comes_through() -> None:
    async def closing(connection: ServerConnection) -> None:
        await connection.send("one")
        await connection.close(4321, "enough")

    async with talking(closing) as relay:
        reply = await joined(relay)
        await reply.done()
        assert reply.frames == [Frame(1, b"one"), Frame(8, Close(4321, "enough").serialize())]
        assert reply.end is not None


@pytest.mark.parametrize("how", ["reset", "end", "session"])
async def test_a_client_that_goes_is_told_to_the_provider(how: str) -> None:
    codes: list[int] = []

    async def listening(connection: ServerConnection) -> None:
        try:
            await connection.recv()
        except ConnectionClosed as closed:
            codes.append(closed.rcvd.code if closed.rcvd else 0)

    async with talking(listening) as relay:
        reply = await joined(relay)
        if how == "reset":
            relay.session.reset(reply.stream, Ended.CANCELLED, "gone")
        elif how == "end":
            reply.send(reply.writer.end(), end=True)
        else:
            (execution,) = relay.service.executions
            relay.wires.relay.close(Ended.INTERNAL, "lost")
            await until(lambda: execution._hold is not None)
            execution._be_left()  # as after some seconds
        await until(lambda: codes == [1001])
        await until(lambda: relay.watching.records)


async def test_pings_are_answered_at_the_relay() -> None:
    async def pinging(connection: ServerConnection) -> None:
        await (await connection.ping(b"are you there?"))
        await connection.send("yes")

    async with talking(pinging) as relay:
        reply = await joined(relay)
        await reply.done()
        assert reply.frames[0] == Frame(1, b"yes")


async def test_a_provider_that_breaks_off_is_a_failure() -> None:
    async def breaking(connection: ServerConnection) -> None:
        await connection.send("one")
        connection.transport.abort()

    async with talking(breaking) as relay:
        reply = await (await joined(relay)).done()
        assert reply.end is None
        assert reply.failure is not None
        assert reply.failure.verdict is not Verdict.SAFE


async def test_a_provider_that_sends_no_websocket_is_a_failure() -> None:
    async def babbling(connection: ServerConnection) -> None:
        connection.transport.write(b"\xff\xff\xff")
        await asyncio.sleep(1)

    async with talking(babbling) as relay:
        reply = await (await joined(relay)).done()
        assert reply.failure is not None
        assert reply.failure.code == Code.HTTP_PROTOCOL_ERROR


async def test_a_refused_upgrade_is_a_reply_like_any_other() -> None:
    def refuse(connection: ServerConnection, request: Request) -> Response:
        return connection.respond(401, "no key\n")

    async with talking(echo, process_request=refuse) as relay:
        reply = await upgrade(relay).done()
        assert reply.head is not None
        assert reply.head.status == 401
        assert bytes(reply.body) == b"no key\n"
        assert reply.end is not None


async def test_an_upgrade_that_does_not_answer_the_key() -> None:
    async def other(connection: ServerConnection, request: Request, response: Response) -> Response:
        del response.headers["Sec-WebSocket-Accept"]
        response.headers["Sec-WebSocket-Accept"] = "bm8="
        return response

    async with talking(echo, process_response=other) as relay:
        reply = await upgrade(relay).done()
        assert reply.failure is not None
        assert reply.failure.code == Code.HTTP_UPGRADE_FAILED


async def test_droppable_messages_reach_the_provider_and_never_within_another() -> None:
    async with talking(echo) as relay:
        reply = await joined(relay)
        reply.send(reply.writer.frame(1, b"be", False))
        (execution,) = relay.service.executions
        await until(lambda: execution._is_within)
        relay.session.message(reply.stream, message(Frame(1, b"audio")), 1.0)
        await until(lambda: execution._between)
        reply.send(reply.writer.frame(0, b"gun"))
        await reply.until(lambda reply: len(reply.frames) == 2)
        assert [frame.payload for frame in reply.frames] == [b"begun", b"audio"]
