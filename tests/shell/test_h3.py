"""HTTP/3 connections against a scripted peer: dialing, every way a reply can end, windows, uploads, early data."""

from __future__ import annotations

import asyncio
import gc
import socket
from collections.abc import AsyncIterator, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest
from aioquic.h3.connection import FrameType, encode_frame
from aioquic.h3.events import H3Event

from tests.support.certificates import Certificates, certificates
from tests.support.exchange import PATH, Owner, Sink, request
from tests.support.h3_peer import CANCELLED, INTERNAL, NO_ERROR, REJECTED, H3Peer, Script, asked, ended, h3_peer
from tests.support.waiting import until
from transport.aio.h3 import H3Connection, H3Exchange, connect_h3
from transport.failure import TransportError
from transport.path import Protocol, Target

BOTH_LOOPS = True
Setup = tuple[H3Connection, Owner, list[H3Peer]]


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


def bound() -> socket.socket:
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    return sock


async def dial(port: int, certs: Certificates, owner: Owner, **options: Any) -> H3Connection:
    target = Target("endpoint", options.pop("host", "localhost"), port, ca_file=certs.authority)
    return await connect_h3(
        sock=bound(),
        address=("127.0.0.1", port),
        target=target,
        path=PATH,
        owner=owner,
        ticket=options.pop("ticket", None),
        on_ticket=options.pop("on_ticket", lambda ticket: None),
        timeout=options.pop("timeout", 5.0),
        **options,
    )


@asynccontextmanager
async def connected(
    script: Script, certs: Certificates, limits: dict[str, Any] | None = None, **options: Any
) -> AsyncIterator[Setup]:
    async with h3_peer(script, certs, **(limits or {})) as (port, peers):
        owner = Owner()
        connection = await dial(port, certs, owner, **options)
        try:
            yield connection, owner, peers
        finally:
            connection.abort()
            await asyncio.sleep(0.01)


def start(connection: H3Connection, sink: Sink, body: bytes | None = None, *, end: bool = True, method: bytes = b"GET",
          target: bytes = b"/") -> H3Exchange:  # fmt: skip
    connection.reserve()
    return connection.open(request(method, target), sink, body, end=end)


def hello(peer: H3Peer, event: H3Event) -> None:
    if (stream := ended(event)) is not None:
        peer.respond(stream, (b"content-type", b"text/plain"))
        peer.send(stream, b"hello", end=True)


async def test_a_request_and_its_reply(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, owner, peers):
        assert connection.protocol is Protocol.H3
        sink = Sink()
        connection.reserve()
        connection.open(request(b"POST", b"/v1/x?q=1", (b"x-a", b"b"), (b"te", b"trailers")), sink, b"abc", end=True)
        assert connection.in_flight == 1
        await sink.done()
        assert sink.head is not None
        assert (sink.head.status, sink.head.headers) == (200, [(b"content-type", b"text/plain")])
        assert (sink.body, sink.trailers, connection.in_flight) == (b"hello", [], 0)
        assert peers[0].headers[0][0] == (b":method", b"POST")
        assert (b"te", b"trailers") not in peers[0].headers[0]
        assert peers[0].bodies == {0: 3}
        assert owner.slots


async def test_many_at_once(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, _, _):
        sinks = [Sink() for _ in range(60)]
        for sink in sinks:
            start(connection, sink)
        for sink in sinks:
            assert (await sink.done()).outcome == "end"
        assert connection.in_flight == 0


async def test_trailers_and_interim_responses(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream, status=b"103")
            peer.respond(stream)
            peer.send(stream, b"x")
            peer.h3.send_headers(stream, [(b"grpc-status", b"0")], end_stream=True)

    async with connected(script, certs) as (connection, _, _):
        sink = Sink()
        start(connection, sink)
        await sink.done()
        assert sink.trailers == [(b"grpc-status", b"0")]
        assert sink.body == b"x"


@pytest.mark.parametrize(
    ("code", "after_head", "outcome"),
    [
        (REJECTED, False, ("stream_refused", "safe")),
        (REJECTED, True, ("stream_refused", "unsafe")),
        (CANCELLED, False, ("stream_reset", "unknown")),
        (INTERNAL, True, ("stream_reset", "unsafe")),
    ],
)
async def test_resets(certs: Certificates, code: int, after_head: bool, outcome: tuple[str, str]) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := asked(event)) is not None:
            if after_head:
                peer.respond(stream)
                peer.send(stream, b"part")
                peer.transmit()
            peer.refuse(stream, code)

    async with connected(script, certs) as (connection, owner, _):
        sink = Sink()
        exchange = start(connection, sink, b"x", end=False)
        if after_head:
            await until(lambda: sink.ended.is_set())
        assert (await sink.done()).outcome == outcome
        assert exchange.send(b"late") is True
        assert connection.has_slot()
        assert owner.lost == []


async def test_early_complete_reply_is_whole(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream, status=b"413")
            peer.send(stream, b"too big", end=True)
            peer.quic.stop_stream(stream, NO_ERROR)

    async with connected(script, certs) as (connection, _, _):
        sink, other = Sink(), Sink()
        exchange = start(connection, sink, b"x" * 400_000, end=False, method=b"POST")
        assert (await sink.done()).outcome == "end"
        exchange.end()
        start(connection, other)
        assert (await other.done()).outcome == "end"


async def test_goaway_spares_what_it_covers(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if ended(event) == 8:
            peer.respond(0)
            peer.goaway(8)

    async with connected(script, certs) as (connection, owner, peers):
        sinks = [Sink() for _ in range(3)]
        exchanges = [start(connection, sink, b"a", end=n == 2, method=b"POST") for n, sink in enumerate(sinks)]
        assert (await sinks[2].done()).outcome == ("stream_refused", "safe")
        assert owner.draining == 1
        assert not connection.has_slot()
        exchanges[0].send(b"b" * 100_000)
        exchanges[0].end()
        await until(lambda: peers[0].bodies.get(0) == 100_001)
        peers[0].send(0, b"one", end=True)
        exchanges[1].end()
        peers[0].respond(4, end=True)
        assert (await sinks[0].done()).outcome == "end"
        assert (await sinks[1].done()).outcome == "end"
        await until(lambda: owner.lost == [None])


@pytest.mark.parametrize("phase", ["sent", "head"])
async def test_connection_closed_by_peer(certs: Certificates, phase: str) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := ended(event)) is not None:
            if phase == "head":
                peer.respond(stream)
                peer.transmit()
            peer.close(INTERNAL)

    async with connected(script, certs) as (connection, owner, _):
        sink = Sink()
        start(connection, sink)
        verdict = "unknown" if phase == "sent" else "unsafe"
        assert (await sink.done()).outcome == ("connection_terminated", verdict)
        assert owner.lost[0] is not None
        late = Sink()
        start(connection, late)
        assert (await late.done()).outcome == ("connection_terminated", "safe")


async def test_closed_by_peer_while_idle_is_in_order(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, owner, peers):
        exchange = start(connection, sink := Sink())
        await sink.done()
        exchange.pause()
        assert not connection.quic.paused
        peers[0].close(NO_ERROR)
        await until(lambda: owner.lost == [None])


@pytest.mark.parametrize("fault", ["no status", "101", "too short", "too long"])
async def test_malformed_response_costs_one_stream(certs: Certificates, fault: str) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        stream = ended(event)
        if stream == 0:
            if fault == "no status":
                peer.h3.send_headers(stream, [(b"x", b"y")], end_stream=True)
            elif fault == "101":
                peer.h3.send_headers(stream, [(b":status", b"101")])
            else:
                peer.respond(stream, (b"content-length", b"10" if fault == "too short" else b"2"))
                peer.send(stream, b"hello", end=True)
            peer.transmit()
        else:
            hello(peer, event)

    async with connected(script, certs) as (connection, owner, _):
        sink, other = Sink(), Sink()
        start(connection, sink)
        start(connection, other)
        assert (await sink.done()).failure is not None
        assert sink.failure is not None
        assert sink.failure.code == "http_protocol_error"
        assert (await other.done()).outcome == "end"
        assert owner.lost == []


BREACHES = {
    "data before head": encode_frame(FrameType.DATA, b"x"),
    "settings on a request stream": encode_frame(FrameType.SETTINGS, b""),
    "push": encode_frame(FrameType.PUSH_PROMISE, b"\x00\x00\x00"),
    "bad qpack": encode_frame(FrameType.HEADERS, b"\xff\xff\xff\xff"),
    "endless head": b"\x01\x80\x7f\xff\xff" + bytes(600_000),
}


@pytest.mark.parametrize("breach", list(BREACHES))
async def test_breach_of_protocol_ends_the_connection(certs: Certificates, breach: str) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := ended(event)) is not None:
            peer.raw(stream, BREACHES[breach])

    async with connected(script, certs) as (connection, owner, _):
        sink = Sink()
        start(connection, sink)
        assert (await sink.done()).outcome == ("http_protocol_error", "unknown")
        assert owner.lost[0] is not None


async def test_stream_limit(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, _, _):
        allowed = connection.quic.streams_left
        assert allowed == 128
        for _ in range(3):
            sinks = []
            while connection.has_slot():
                sinks.append(Sink())
                start(connection, sinks[-1])
            for sink in sinks:
                assert (await sink.done()).outcome == "end"
            await until(connection.has_slot)


async def test_cancel_resets_silences_and_frees(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream)
            peer.send(stream, bytes(3_000_000))

    async with connected(script, certs) as (connection, owner, peers):
        for _ in range(3):
            sink = Sink()
            exchange = start(connection, sink, b"u" * 100_000, end=False)
            await until(lambda sink=sink: sink.size > 300_000)  # type: ignore[misc]
            exchange.cancel()
            exchange.cancel()
            size = sink.size
            await asyncio.sleep(0.01)
            assert sink.size == size
        await until(lambda: len(peers[0].stopped) == 3 and len(peers[0].reset) == 3)
        assert {code for _, code in peers[0].stopped + peers[0].reset} == {CANCELLED}
        await until(lambda: not any(stream % 4 == 0 for stream in connection.quic._streams))
        assert connection._h3 is not None
        assert not any(stream % 4 == 0 for stream in connection._h3._stream)
        assert connection.in_flight == 0
        assert not connection.quic.paused
        assert owner.lost == []


async def test_pause_stops_one_stream_and_not_its_neighbour(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := asked(event)) is not None:
            peer.respond(stream)
            peer.send(stream, bytes(4_000_000), end=True)

    async with connected(script, certs) as (connection, _, peers):
        slow, quick = Sink(keep=False), Sink(keep=False)
        exchange = start(connection, slow)
        exchange.pause()
        await until(lambda: slow.size >= 1_000_000)
        start(connection, quick)
        await quick.done(30)
        assert quick.size == 4_000_000
        assert slow.size <= 1 << 20
        assert peers[0].unsent >= 2_900_000
        exchange.resume()
        await slow.done(30)
        assert slow.size == 4_000_000


async def test_upload_waits_for_the_network(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, _, peers):
        sink = Sink()
        exchange = start(connection, sink, end=False, method=b"POST")
        sent, waits, piece = 0, 0, bytes(100_000)
        async with asyncio.timeout(30):
            while sent < 5_000_000:
                sink.writable.clear()
                sent += len(piece)
                if not exchange.send(piece):
                    waits += 1
                    await sink.writable.wait()
                assert connection.quic.unsent(exchange.key) < 500_000
        exchange.end()
        assert (await sink.done()).outcome == "end"
        assert peers[0].bodies[0] == 5_000_000
        assert waits > 5


async def test_large_bodies_given_whole(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, _, peers):
        big, small = Sink(), Sink()
        start(connection, big, bytes(20_000_000), method=b"POST")
        start(connection, small, bytes(10_000), method=b"POST")
        await small.done()
        assert peers[0].bodies[0] < 20_000_000
        await big.done(50)
        assert peers[0].bodies == {0: 20_000_000, 4: 10_000}


async def test_keepalive_measures_and_finds_a_dead_line(certs: Certificates) -> None:
    async with connected(hello, certs, keepalive=0.05, ping_timeout=0.3) as (connection, owner, peers):
        await until(lambda: len(owner.round_trips) >= 2)
        assert all(0 < seconds < 5 for seconds in owner.round_trips)
        peers[0].datagram_received = lambda data, addr: None  # type: ignore[method-assign]
        sink = Sink()
        start(connection, sink)
        await sink.done()
        assert sink.outcome == ("connection_timeout", "unknown")


async def test_close_waits_for_open_exchanges(certs: Certificates) -> None:
    def script(peer: H3Peer, event: H3Event) -> None:
        if (stream := ended(event)) is not None:
            peer.respond(stream)

    async with connected(script, certs) as (connection, owner, peers):
        sink = Sink()
        start(connection, sink)
        connection.close()
        await asyncio.wait_for(sink.began.wait(), 5)
        assert owner.lost == []
        peers[0].send(0, b"done", end=True)
        assert (await sink.done()).outcome == "end"
        await until(lambda: owner.lost == [None])


@contextmanager
def silent_port() -> Iterator[int]:
    with bound() as sock:
        yield sock.getsockname()[1]


async def test_blocked_udp_times_out(certs: Certificates) -> None:
    with silent_port() as port, pytest.raises(TransportError) as caught:
        await dial(port, certs, Owner(), timeout=0.2)
    failure = caught.value.failure
    assert (failure.code, failure.origin.value, failure.verdict.value) == ("connection_timeout", "line", "safe")


async def test_closed_port_is_refused_at_once(certs: Certificates) -> None:
    with silent_port() as port:
        pass
    with pytest.raises(TransportError) as caught:
        await dial(port, certs, Owner(), timeout=10)
    assert (caught.value.failure.code, caught.value.failure.verdict.value) == ("connection_refused", "safe")


async def test_wrong_name_and_wrong_authority(certs: Certificates, tmp_path: FilePath) -> None:
    async with h3_peer(hello, certs) as (port, _):
        for name, trusted in (("elsewhere.test", certs), ("localhost", certificates(tmp_path))):
            owner = Owner()
            with pytest.raises(TransportError) as caught:
                await dial(port, trusted, owner, host=name)
            assert (caught.value.failure.code, caught.value.failure.verdict.value) == ("tls_certificate_error", "safe")
            assert owner.lost == []


async def test_cancelled_dial_leaves_nothing(certs: Certificates) -> None:
    with silent_port() as port:
        sock = bound()
        target = Target("endpoint", "localhost", port, ca_file=certs.authority)
        with pytest.raises(TimeoutError):
            async with asyncio.timeout(0.1):
                await connect_h3(sock=sock, address=("127.0.0.1", port), target=target, path=PATH, owner=Owner(),
                                 ticket=None, on_ticket=lambda ticket: None, timeout=5)  # fmt: skip
        assert sock.fileno() == -1


async def test_resumption_and_early_data(certs: Certificates) -> None:
    tickets: list[object] = []
    async with h3_peer(hello, certs) as (port, peers):
        first = await dial(port, certs, Owner(), on_ticket=tickets.append)
        assert not first.is_resumed
        await until(lambda: bool(tickets))
        first.abort()
        again = await dial(port, certs, Owner(), ticket=tickets[0])
        get, post, cancelled = Sink(), Sink(), Sink()
        start(again, get)
        exchange = start(again, post, b"a", end=False, method=b"POST")
        start(again, cancelled, method=b"POST").cancel()
        exchange.send(b"b")
        exchange.end()
        assert again.in_flight == 2
        assert (await get.done()).outcome == "end"
        assert (await post.done()).outcome == "end"
        assert again.is_resumed
        peer = peers[1]
        assert peer.early_data_accepted
        assert peer.early_requests == [0]
        assert peer.bodies[4] == 2
        assert not cancelled.ended.is_set()
        again.abort()


async def test_early_dial_that_fails_later(certs: Certificates) -> None:
    tickets: list[object] = []
    async with h3_peer(hello, certs) as (port, _):
        first = await dial(port, certs, Owner(), on_ticket=tickets.append)
        await until(lambda: bool(tickets))
        first.abort()
    with silent_port() as port:
        owner = Owner()
        dead = await dial(port, certs, owner, ticket=tickets[0], keepalive=0.05, ping_timeout=0.1)
        get, post = Sink(), Sink()
        start(dead, get)
        start(dead, post, b"x", method=b"POST")
        assert (await get.done()).outcome == ("connection_timeout", "unknown")
        assert (await post.done()).outcome == ("connection_timeout", "safe")
        assert owner.lost[0] is not None


async def test_nothing_is_left_behind(certs: Certificates) -> None:
    async with connected(hello, certs) as (connection, _, _):
        for _ in range(5):
            sinks = [Sink() for _ in range(10)]
            exchanges = [start(connection, sink) for sink in sinks]
            exchanges[3].cancel()
            for number, sink in enumerate(sinks):
                if number != 3:
                    await sink.done()
        del sinks, exchanges, sink
        assert len(asyncio.all_tasks()) == 1
        sock = connection._link._sock
    assert sock.fileno() == -1
    gc.collect()
    assert not [item for item in gc.get_objects() if isinstance(item, H3Exchange)]
