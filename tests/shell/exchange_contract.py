"""The rules of transport/exchange.py as checks that every kind of connection must pass.

A protocol's tests give an async factory `connect(script)`: it starts a peer that plays the `Script` to every request
and returns a live Connection to it with the RecordingOwner it reports to. Use:

    @pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
    async def test_contract(check): await check(connect)
"""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from dataclasses import dataclass

from tests.support.exchange import standing
from tests.support.exchanges import RecordingOwner, RecordingSink, request
from transport.exchange import Connection
from transport.failure import Verdict


@dataclass(frozen=True, slots=True)
class Script:
    """What the peer does with every request, once it has read all of it.

    It answers 200 with `body`, in pieces, without telling the length; `echo`: with the request's body. `cut`: it
    breaks the connection "before" the head (the request is read), or "amid" the body. `hang`: it stops, silently,
    "before" the head or "amid" the body. `early`: it answers without reading the request's body.
    """

    body: bytes = b"hello, world"
    pieces: int = 3
    echo: bool = False
    cut: str = ""
    hang: str = ""
    early: bool = False


Connect = Callable[[Script], Awaitable[tuple[Connection, RecordingOwner]]]


async def check_reply(connect: Connect) -> None:
    connection, owner = await connect(Script())
    sink = RecordingSink()
    sink.forbidden = True
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    sink.forbidden = False
    await sink.done()
    assert sink.head is not None
    assert sink.head.status == 200
    assert bytes(sink.body) == b"hello, world"
    assert sink.failure is None
    assert owner.free == [connection]


async def check_one_after_another(connect: Connect) -> None:
    connection, _ = await connect(Script())
    for _ in range(3):
        assert connection.has_slot()
        sink = RecordingSink()
        connection.reserve()
        connection.open(request(), sink, None, end=True)
        assert connection.in_flight == 1
        await sink.done()
        assert sink.failure is None
        await asyncio.sleep(0)
        assert connection.in_flight == 0


async def check_reserve_and_release(connect: Connect) -> None:
    connection, owner = await connect(Script())
    connection.reserve()
    assert connection.in_flight == 1
    connection.release()
    assert connection.in_flight == 0
    assert connection.has_slot()
    assert owner.lost == []


async def check_upload(connect: Connect) -> None:
    connection, _ = await connect(Script(echo=True))
    sink = RecordingSink()
    connection.reserve()
    piece = bytes(range(256)) * 256
    exchange = connection.open(request("POST"), sink, piece, end=False)
    for _ in range(40):
        sink.writable.clear()
        if not exchange.send(piece):
            async with asyncio.timeout(10):
                await sink.writable.wait()
    exchange.end()
    await sink.done(20)
    assert bytes(sink.body) == piece * 41


async def check_whole_body_in_open(connect: Connect) -> None:
    connection, _ = await connect(Script(echo=True))
    for headers in ([], [(b"content-length", b"5")]):
        sink = RecordingSink()
        connection.reserve()
        connection.open(request("POST", headers=headers), sink, b"12345", end=True)
        await sink.done()
        assert bytes(sink.body) == b"12345"


async def check_pause_and_resume(connect: Connect) -> None:
    size = 32 * 1024 * 1024
    connection, _ = await connect(Script(body=b"x" * size, pieces=64))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(), sink, None, end=True)
    await asyncio.wait_for(sink.more.wait(), 10)
    exchange.pause()
    held = await standing(lambda: len(sink.body))
    assert held < size
    assert not sink.finished.is_set()
    exchange.resume()
    await sink.done(30)
    assert len(sink.body) == size


async def check_cancel_before_head(connect: Connect) -> None:
    connection, _ = await connect(Script(hang="before"))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(), sink, None, end=True)
    await asyncio.sleep(0.05)
    exchange.cancel()
    exchange.cancel()
    await asyncio.sleep(0.1)
    assert not sink.finished.is_set()
    assert sink.head is None


async def check_cancel_amid_body(connect: Connect) -> None:
    connection, _ = await connect(Script(hang="amid"))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request(), sink, None, end=True)
    await asyncio.wait_for(sink.more.wait(), 10)
    exchange.cancel()
    sink.forbidden = True
    await asyncio.sleep(0.1)
    assert sink.broken == []
    assert not sink.finished.is_set()


async def check_cut_before_head(connect: Connect) -> None:
    connection, owner = await connect(Script(cut="before"))
    sink = RecordingSink()
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    await sink.done()
    assert sink.failure is not None
    assert sink.failure.verdict is Verdict.UNKNOWN
    await asyncio.wait_for(owner.gone.wait(), 10)
    assert not connection.has_slot()


async def check_cut_amid_body(connect: Connect) -> None:
    connection, _ = await connect(Script(cut="amid"))
    sink = RecordingSink()
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    await sink.done()
    assert sink.head is not None
    assert sink.trailers is None
    assert sink.failure is not None
    assert sink.failure.verdict is Verdict.UNSAFE


async def check_abort(connect: Connect) -> None:
    connection, owner = await connect(Script(hang="before"))
    sink = RecordingSink()
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    await asyncio.sleep(0.05)
    connection.abort()
    await sink.done()
    assert sink.failure is not None
    assert sink.failure.verdict is not Verdict.SAFE
    await asyncio.wait_for(owner.gone.wait(), 10)
    assert len(owner.lost) == 1


async def check_close_lets_finish(connect: Connect) -> None:
    connection, owner = await connect(Script())
    sink = RecordingSink()
    connection.reserve()
    connection.open(request(), sink, None, end=True)
    connection.close()
    assert not connection.has_slot()
    await sink.done()
    assert sink.failure is None
    assert bytes(sink.body) == b"hello, world"
    await asyncio.wait_for(owner.gone.wait(), 10)
    assert owner.lost == [None]


async def check_open_on_a_dead_connection(connect: Connect) -> None:
    connection, owner = await connect(Script())
    connection.reserve()
    connection.abort()
    await asyncio.wait_for(owner.gone.wait(), 10)
    sink = RecordingSink()
    sink.forbidden = True
    connection.open(request(), sink, None, end=True)
    sink.forbidden = False
    await sink.done()
    assert sink.failure is not None
    assert sink.failure.verdict is Verdict.SAFE


async def check_early_reply(connect: Connect) -> None:
    connection, _ = await connect(Script(early=True))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request("POST"), sink, b"first", end=False)
    await sink.done()
    assert bytes(sink.body) == b"hello, world"
    assert exchange.send(b"of no use any more")
    exchange.end()
    await asyncio.sleep(0.05)
    assert sink.broken == []


CHECKS = [check for name, check in sorted(globals().items()) if name.startswith("check_")]
