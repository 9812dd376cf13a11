"""HTTP/2 connections against a scripted peer: every way a reply can end, windows, uploads, keep-alive, leaks."""

from __future__ import annotations

import asyncio
import gc
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
from h2.errors import ErrorCodes
from h2.events import Event

from tests.support.exchange import PATH, Owner, Sink, request
from tests.support.h2_peer import MAX_STREAMS, WINDOW, H2Peer, Script, asked, ended, h2_peer
from tests.support.waiting import until
from transport.aio.h2 import H2Connection, H2Exchange
from transport.failure import Failure

BOTH_LOOPS = True
Setup = tuple[H2Connection, Owner, list[H2Peer]]


@asynccontextmanager
async def connected(script: Script, settings: dict[int, int] | None = None, **options: Any) -> AsyncIterator[Setup]:
    async with h2_peer(script, settings) as (port, peers):
        owner = Owner()
        loop = asyncio.get_running_loop()
        connection = H2Connection(PATH, owner, "example.test", b"http", **options)
        await loop.create_connection(lambda: connection, "127.0.0.1", port)
        await until(lambda: owner.slots > 0)
        try:
            yield connection, owner, peers
        finally:
            connection.abort()
            await asyncio.sleep(0)


def start(connection: H2Connection, sink: Sink, body: bytes | None = None, *, end: bool = True, method: bytes = b"GET",
          target: bytes = b"/") -> H2Exchange:  # fmt: skip
    connection.reserve()
    return connection.open(request(method, target), sink, body, end=end)


def hello(peer: H2Peer, event: Event) -> None:
    if (stream := ended(event)) is not None:
        peer.respond(stream, (b"content-type", b"text/plain"))
        peer.send(stream, b"hello", end=True)


async def test_a_request_and_its_reply() -> None:
    async with connected(hello) as (connection, owner, peers):
        sink = Sink()
        connection.reserve()
        connection.open(request(b"POST", b"/v1/x?q=1", (b"x-a", b"b"), (b"te", b"trailers")), sink, b"abc", end=True)
        assert connection.in_flight == 1
        await sink.done()
        assert sink.head is not None
        assert sink.head.status == 200
        assert sink.head.headers == [(b"content-type", b"text/plain")]
        assert (sink.body, sink.trailers, connection.in_flight) == (b"hello", [], 0)
        assert peers[0].headers[1] == [
            (b":method", b"POST"),
            (b":scheme", b"http"),
            (b":authority", b"example.test"),
            (b":path", b"/v1/x?q=1"),
            (b"x-a", b"b"),
        ]
        assert peers[0].bodies == {1: 3}
        assert owner.slots >= 2


async def test_many_at_once() -> None:
    async with connected(hello) as (connection, _, _):
        sinks = [Sink() for _ in range(60)]
        for sink in sinks:
            start(connection, sink)
        for sink in sinks:
            assert (await sink.done()).outcome == "end"
        assert connection.in_flight == 0
        assert not connection._h2.streams


async def test_trailers_and_interim_responses() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream, status=b"103")
            peer.respond(stream, status=b"100")
            peer.respond(stream)
            peer.send(stream, b"x")
            peer.h2.send_headers(stream, [(b"grpc-status", b"0")], end_stream=True)

    async with connected(script) as (connection, _, _):
        sink = Sink()
        start(connection, sink)
        await sink.done()
        assert sink.trailers == [(b"grpc-status", b"0")]
        assert sink.body == b"x"


def reset(code: ErrorCodes, after_head: bool) -> Script:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            if after_head:
                peer.respond(stream)
                peer.send(stream, b"part")
            peer.h2.reset_stream(stream, code)

    return script


@pytest.mark.parametrize(
    ("code", "after_head", "outcome"),
    [
        (ErrorCodes.REFUSED_STREAM, False, ("stream_refused", "safe")),
        (ErrorCodes.REFUSED_STREAM, True, ("stream_refused", "unsafe")),
        (ErrorCodes.INTERNAL_ERROR, False, ("stream_reset", "unknown")),
        (ErrorCodes.INTERNAL_ERROR, True, ("stream_reset", "unsafe")),
        (ErrorCodes.CANCEL, True, ("stream_reset", "unsafe")),
        (ErrorCodes.NO_ERROR, True, ("stream_reset", "unsafe")),
    ],
)
async def test_resets(code: ErrorCodes, after_head: bool, outcome: tuple[str, str]) -> None:
    async with connected(reset(code, after_head)) as (connection, owner, _):
        sink = Sink()
        start(connection, sink)
        assert (await sink.done()).outcome == outcome
        assert connection.has_slot()
        assert owner.lost == []


async def test_early_complete_reply_with_no_error_reset_is_whole() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream, status=b"413")
            peer.send(stream, b"too big", end=True)
            peer.h2.reset_stream(stream, ErrorCodes.NO_ERROR)

    async with connected(script) as (connection, _, _):
        sink, other = Sink(), Sink()
        exchange = start(connection, sink, b"x" * 400_000, end=False, method=b"POST")
        assert (await sink.done()).outcome == "end"
        assert exchange.send(b"more") is True
        exchange.end()
        start(connection, other)
        assert (await other.done()).outcome == "end"


async def test_graceful_goaway_spares_what_it_covers() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        stream = ended(event)
        if stream == 5:
            peer.respond(1)
            peer.h2.close_connection(ErrorCodes.NO_ERROR, last_stream_id=3)
            peer.h2.state_machine.state = type(peer.h2.state_machine.state).SERVER_OPEN

    async with connected(script) as (connection, owner, peers):
        sinks = [Sink() for _ in range(3)]
        uploads = [start(connection, sink, b"a", end=number == 2, method=b"POST") for number, sink in enumerate(sinks)]
        assert (await sinks[2].done()).outcome == ("stream_refused", "safe")
        assert owner.draining == 1
        assert not connection.has_slot()
        uploads[0].send(b"b" * 100_000)
        uploads[0].end()
        uploads[1].end()
        await until(lambda: peers[0].bodies.get(1) == 100_001)
        peers[0].send(1, b"one" * 50_000, end=True)
        peers[0].respond(3)
        peers[0].send(3, b"two", end=True)
        assert (await sinks[0].done()).outcome == "end"
        assert (await sinks[1].done()).outcome == "end"
        assert (sinks[0].size, bytes(sinks[1].body)) == (150_000, b"two")
        await until(lambda: peers[0].is_lost)
        assert owner.lost == [None]


async def test_goaway_in_two_steps() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if ended(event) == 3:
            peer.raw(7, 0, 0, (2**31 - 1).to_bytes(4, "big") + bytes(4))
            peer.raw(7, 0, 0, (1).to_bytes(4, "big") + bytes(4))
            peer.respond(1, end=True)

    async with connected(script) as (connection, owner, _):
        first, second = Sink(), Sink()
        start(connection, first)
        start(connection, second)
        assert (await second.done()).outcome == ("stream_refused", "safe")
        assert (await first.done()).outcome == "end"
        assert owner.draining == 1


async def test_a_refused_request_is_not_sent_here_again() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if ended(event) == 1:
            peer.raw(7, 0, 0, bytes(8))

    async with connected(script) as (connection, owner, _):
        slots: list[bool] = []

        class Retrying(Sink):
            def on_failure(self, failure: Failure) -> None:
                slots.append(connection.has_slot())
                super().on_failure(failure)

        sink = Retrying()
        start(connection, sink)
        assert (await sink.done()).outcome == ("stream_refused", "safe")
        assert slots == [False]
        await until(lambda: owner.lost == [None])
        assert owner.draining == 1


async def test_goaway_with_an_error_ends_all() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if ended(event) == 3:
            peer.respond(1)
            peer.h2.close_connection(ErrorCodes.INTERNAL_ERROR, last_stream_id=3)

    async with connected(script) as (connection, owner, _):
        first, second = Sink(), Sink()
        start(connection, first)
        start(connection, second)
        assert (await first.done()).outcome == ("connection_terminated", "unsafe")
        assert (await second.done()).outcome == ("connection_terminated", "unknown")
        assert owner.lost[0] is not None


async def test_goaway_while_idle_closes() -> None:
    async with connected(hello) as (_, owner, peers):
        peers[0].h2.close_connection()
        peers[0].flush()
        await until(lambda: owner.lost == [None] and peers[0].is_lost)


@pytest.mark.parametrize("phase", ["sent", "head", "body"])
async def test_connection_cut(phase: str) -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            if phase != "sent":
                peer.respond(stream)
            if phase == "body":
                peer.send(stream, b"part")
            peer.flush()
            peer.transport.close()

    async with connected(script) as (connection, owner, _):
        sink = Sink()
        start(connection, sink)
        verdict = "unknown" if phase == "sent" else "unsafe"
        assert (await sink.done()).outcome == ("connection_terminated", verdict)
        assert owner.lost[0] is not None
        assert not connection.has_slot()
        late = Sink()
        start(connection, late)
        assert (await late.done()).outcome == ("connection_terminated", "safe")


async def test_closed_while_idle_is_in_order() -> None:
    async with connected(hello) as (_, owner, peers):
        peers[0].transport.close()
        await until(lambda: owner.lost == [None])


async def test_lost_before_a_byte_left_is_safe() -> None:
    async with connected(hello) as (connection, _, _):
        sink = Sink()
        start(connection, sink)
        connection.abort()
        assert (await sink.done()).outcome == ("connection_terminated", "safe")


MALFORMED: dict[str, list[tuple[bytes, bytes]]] = {
    "no status": [(b"x", b"y")],
    "101": [(b":status", b"101")],
    "upper case": [(b":status", b"200"), (b"X-A", b"b")],
    "connection field": [(b":status", b"200"), (b"connection", b"close")],
    "value with newline": [(b":status", b"200"), (b"a", b"b\nc")],
}


@pytest.mark.parametrize("fault", list(MALFORMED))
async def test_malformed_response_costs_one_stream(fault: str) -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            if peer.requests.index(stream) == 0:
                block = peer.h2.encoder.encode(MALFORMED[fault])
                peer.raw(1, 5, stream, block)
            else:
                hello(peer, event)

    async with connected(script) as (connection, owner, _):
        sink, other = Sink(), Sink()
        start(connection, sink)
        start(connection, other)
        outcome = (await sink.done()).outcome
        if fault == "101":  # h2 takes END_STREAM on an interim response as the connection's fault
            assert outcome == ("http_protocol_error", "unknown")
            return
        assert outcome == ("http_protocol_error", "unknown")
        assert (await other.done()).outcome == "end"
        assert owner.lost == []


@pytest.mark.parametrize(("declared", "sent"), [(b"10", 5), (b"3", 5), (b"0", 5)])
async def test_content_length_mismatch(declared: bytes, sent: int) -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream, (b"content-length", declared))
            peer.send(stream, b"x" * sent, end=True)

    async with connected(script) as (connection, owner, _):
        sink = Sink()
        start(connection, sink)
        assert (await sink.done()).outcome == ("http_protocol_error", "unsafe")
        assert owner.lost == []


async def test_replies_without_body_but_with_length() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream, (b"content-length", b"100"), status=b"304" if stream == 3 else b"200", end=True)

    async with connected(script) as (connection, _, _):
        head, unmodified = Sink(), Sink()
        start(connection, head, method=b"HEAD")
        start(connection, unmodified)
        assert (await head.done()).outcome == "end"
        assert (await unmodified.done()).outcome == "end"


BREACHES: dict[str, list[tuple[int, int, int, bytes]]] = {
    "data before head": [(0, 0, 1, b"x")],
    "data on idle stream": [(0, 0, 99, b"x")],
    "zero window update": [(8, 0, 0, bytes(4))],
    "bad hpack": [(1, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")],
    "push": [(5, 4, 1, (2).to_bytes(4, "big") + b"\x88")],
    "ping of wrong size": [(6, 0, 0, b"x")],
    "settings on a stream": [(4, 0, 1, b"")],
    "naked continuation": [(9, 4, 1, b"")],
    "continuation flood": [(1, 0, 1, b"")] + [(9, 0, 1, b"")] * 80,
    "ping flood": [(6, 0, 0, bytes(8))] * 2100,
    "settings flood": [(4, 0, 0, b"")] * 2100,
    "empty data flood": [(1, 4, 1, b"\x88")] + [(0, 0, 1, b"")] * 2100,
    "interim flood": [(1, 4, 1, b"\x08\x03103")] * 2100,
    "too large": [(6, 0, 0, bytes(17_000))],
    "window overrun": [(1, 4, 1, b"\x88")] + [(0, 0, 1, bytes(16_384))] * 80,
}


@pytest.mark.parametrize("breach", list(BREACHES))
async def test_breach_of_protocol_ends_the_connection(breach: str) -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if ended(event) is not None:
            for frame in BREACHES[breach]:
                peer.raw(*frame)

    async with connected(script) as (connection, owner, _):
        sink = Sink()
        exchange = start(connection, sink)
        exchange.pause()
        assert (await sink.done()).outcome in (("http_protocol_error", "unknown"), ("http_protocol_error", "unsafe"))
        await until(lambda: bool(owner.lost))
        assert owner.lost[0] is not None
        assert owner.lost[0].code == "http_protocol_error"


async def test_garbage_instead_of_http2() -> None:
    async with connected(hello) as (connection, owner, peers):
        sink = Sink()
        start(connection, sink, end=False)
        peers[0].transport.write(b"HTTP/1.1 400 Bad Request\r\n\r\n" * 10)
        assert (await sink.done()).failure is not None
        assert owner.lost[0] is not None


async def test_stream_limit_is_obeyed_and_its_rise_reported() -> None:
    async with connected(lambda peer, event: None, {MAX_STREAMS: 2}) as (connection, owner, peers):
        start(connection, Sink())
        connection.reserve()
        assert not connection.has_slot()
        before = owner.slots
        peers[0].h2.update_settings({MAX_STREAMS: 5})
        peers[0].flush()
        await until(lambda: owner.slots > before)
        assert connection.has_slot()
        connection.release()


async def test_lowered_limit_refuses_the_slot_safely() -> None:
    async with connected(lambda peer, event: None) as (connection, owner, peers):
        start(connection, Sink())
        connection.reserve()
        before = owner.slots
        peers[0].h2.update_settings({MAX_STREAMS: 1})
        peers[0].flush()
        await until(lambda: owner.slots > before)
        sink = Sink()
        connection.open(request(), sink, None, end=True)
        assert sink.failure is None
        assert (await sink.done()).outcome == ("stream_refused", "safe")
        assert connection.in_flight == 1


async def test_cancel_resets_silences_and_frees() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream)
            peer.send(stream, b"x" * 3_000_000)

    async with connected(script) as (connection, owner, peers):
        for _ in range(12):  # more bytes are thrown away than the connection window holds
            sink = Sink()
            exchange = start(connection, sink, b"u" * 100_000, end=False)
            await until(lambda sink=sink: sink.size > 500_000)  # type: ignore[misc]
            exchange.cancel()
            exchange.cancel()
            size = sink.size
            await asyncio.sleep(0.005)
            assert sink.size == size
            assert not sink.ended.is_set()
        await until(lambda: len(peers[0].resets) == 12)
        assert {code for _, code in peers[0].resets} == {int(ErrorCodes.CANCEL)}
        assert connection.in_flight == 0
        assert not connection._h2.streams
        assert not connection._exchanges
        assert owner.lost == []


async def test_pause_stops_one_stream_and_not_its_neighbour() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream)
            peer.send(stream, b"x" * 8_000_000, end=True)

    async with connected(script) as (connection, _, peers):
        slow, quick = Sink(keep=False), Sink(keep=False)
        exchange = start(connection, slow)
        exchange.pause()
        await until(lambda: slow.size >= 1 << 20)
        start(connection, quick)
        await quick.done()
        assert quick.size == 8_000_000
        assert slow.size <= 1 << 20
        assert peers[0].backlog >= 6_000_000
        exchange.resume()
        exchange.resume()
        await slow.done()
        assert slow.size == 8_000_000


async def test_fifty_megabytes_down_with_pauses() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream, (b"content-length", b"50000000"))
            peer.send(stream, bytes(50_000_000), end=True)

    async with connected(script) as (connection, _, _):
        loop = asyncio.get_running_loop()
        due = [1 << 20]

        def on_data(data: bytes) -> None:
            if sink.size > due[0]:
                due[0] += 5_000_000
                exchange.pause()
                loop.call_later(0.005, exchange.resume)

        sink = Sink(on_data, keep=False)
        exchange = start(connection, sink)
        await sink.done(30)
        assert (sink.size, sink.outcome) == (50_000_000, "end")


async def test_upload_larger_than_all_windows_in_pieces() -> None:
    async with connected(hello, {WINDOW: 1000}) as (connection, _, peers):
        sink = Sink()
        exchange = start(connection, sink, end=False, method=b"POST")
        sent, piece = 0, bytes(100_000)
        async with asyncio.timeout(20):
            while sent < 2_000_000:
                sink.writable.clear()
                sent += len(piece)
                if not exchange.send(piece):
                    await sink.writable.wait()
        exchange.end()
        assert (await sink.done()).outcome == "end"
        assert peers[0].bodies[1] == 2_000_000


async def test_several_uploads_share() -> None:
    async with connected(hello) as (connection, _, peers):
        big, small = Sink(), Sink()
        start(connection, big, bytes(20_000_000), method=b"POST")
        start(connection, small, bytes(100_000), method=b"POST")
        await small.done()
        assert peers[0].bodies[1] < 10_000_000
        await big.done(30)
        assert peers[0].bodies == {1: 20_000_000, 3: 100_000}


async def test_upload_waits_for_a_shut_window() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        peer.credits_uploads = False
        hello(peer, event)

    async with connected(script, {WINDOW: 10_000}) as (connection, _, peers):
        stuck, other = Sink(), Sink()
        exchange = start(connection, stuck, bytes(9_000), end=False, method=b"POST")
        assert exchange.send(bytes(500_000)) is False
        start(connection, other)
        assert (await other.done()).outcome == "end"
        assert peers[0].bodies[1] == 10_000
        exchange.cancel()
        assert exchange.size == 0


async def test_keepalive_measures_and_finds_a_dead_line() -> None:
    async with connected(hello, keepalive=0.05, ping_timeout=0.15) as (connection, owner, peers):
        await until(lambda: len(owner.round_trips) >= 2)
        assert all(0 <= seconds < 5 for seconds in owner.round_trips)
        peers[0].transport.pause_reading()
        sink = Sink()
        start(connection, sink)
        assert (await sink.done()).outcome == ("connection_timeout", "unknown")
        assert owner.lost[0] is not None
        assert owner.lost[0].origin.value == "line"


async def test_close_waits_for_open_exchanges() -> None:
    def script(peer: H2Peer, event: Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream)

    async with connected(script) as (connection, owner, peers):
        sink = Sink()
        start(connection, sink)
        connection.reserve()
        connection.close()
        assert not connection.has_slot()
        late = Sink()
        connection.open(request(), late, None, end=True)
        assert (await late.done()).outcome == ("stream_refused", "safe")
        await asyncio.wait_for(sink.began.wait(), 5)
        assert owner.lost == []
        peers[0].send(1, b"done", end=True)
        assert (await sink.done()).outcome == "end"
        await until(lambda: peers[0].is_lost)
        assert owner.lost == [None]


async def test_nothing_is_left_behind() -> None:
    async with connected(hello) as (connection, _, _):
        for _ in range(20):
            sinks = [Sink() for _ in range(10)]
            exchanges = [start(connection, sink) for sink in sinks]
            exchanges[3].cancel()
            for number, sink in enumerate(sinks):
                if number != 3:
                    await sink.done()
        del sinks, exchanges, sink
        assert not connection._h2.streams
        assert not connection._uploads
        assert not connection._unsent
        assert len(asyncio.all_tasks()) == 1
    gc.collect()
    assert not [item for item in gc.get_objects() if isinstance(item, H2Exchange)]
