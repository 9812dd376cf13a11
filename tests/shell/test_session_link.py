"""Sessions over real sockets on loopback: an edge's link, a relay's server, and what goes wrong between them."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace

import pytest

from tests.support.proxies import ProxyLog, connect_proxy
from tests.support.scripted_h1 import serve
from tests.support.sessions import Heard, Written
from tests.support.udp_gate import udp_gate
from tests.support.waiting import until
from transport.path import Line
from transport.session import racing, setup
from transport.session.aio import server as server_module
from transport.session.aio.identity import NodeKey, channel_binding, client_context
from transport.session.aio.identity import shown_key as proved_key
from transport.session.aio.line_end import LineEnd
from transport.session.aio.link import RelayLink, RelayTarget
from transport.session.aio.server import Peer, SessionServer
from transport.session.frames import Hello
from transport.session.live import LiveSession, StreamSink
from transport.session.values import (
    CarrierKind,
    Code,
    Limits,
    Priority,
    Redundancy,
    Role,
    SessionConfig,
    StreamOpened,
)
from transport.session.wire import encode, encode_header

BOTH_LOOPS = True
EDGE_KEY, RELAY_KEY = NodeKey.generate(), NodeKey.generate()
SETTINGS = SessionConfig(bytes(16), bytes(32), "sjc")
ONE, TWO = Line("one", source="127.0.0.2"), Line("two", source="127.0.0.3")


class Echoing(Heard):
    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        sink = self.streams[opened.stream] = Written(session, opened.stream, echo=True)
        return sink


def make_server(address: tuple[str, int] = ("127.0.0.1", 0), **settings) -> SessionServer:
    listener = settings.pop("listener", None) or Echoing()
    peers = settings.pop("peers", {EDGE_KEY.fingerprint: Peer("bj-1")})
    key = settings.pop("key", RELAY_KEY)
    made = SessionServer([address], key, peers, replace(SETTINGS, **settings), listener)
    return made


@asynccontextmanager
async def serving(address: tuple[str, int] = ("127.0.0.1", 0), **settings) -> AsyncIterator[SessionServer]:
    server = make_server(address, **settings)
    await server.start()
    try:
        yield server
    finally:
        await server.close()


@asynccontextmanager
async def linked(
    server: SessionServer | tuple[str, int],
    *lines: Line,
    listener: Heard | None = None,
    key: NodeKey = EDGE_KEY,
    **target,
) -> AsyncIterator[RelayLink]:
    host, port = server if isinstance(server, tuple) else server.bound[0]
    to = RelayTarget("sjc", host if host != "0.0.0.0" else "127.0.0.1", port, RELAY_KEY.fingerprint, lines or (ONE,))
    link = RelayLink(replace(to, **target), key, "bj-1", listener or Heard(), linger=5.0)
    link.start()
    try:
        yield link
    finally:
        await link.close()


def kinds(link: RelayLink) -> list[tuple[str, CarrierKind]]:
    assert link.session is not None
    return sorted((c.line, c.kind) for c in link.session.carriers.values())


async def exchange(link: RelayLink, data: bytes = b"hello") -> Written:
    assert link.session is not None
    sink = Written()
    stream = link.session.open(sink, Priority.INTERACTIVE)
    sink.session, sink.stream = link.session, stream
    link.session.write(stream, data, end=True)
    await until(lambda: sink.is_ended or sink.over is not None, 10)
    return sink


async def test_tls_first_datagrams_then_and_tls_rests() -> None:
    async with serving() as server, linked(server) as link:
        await until(lambda: link.is_ready)
        await until(lambda: kinds(link) == [("one", CarrierKind.QUIC)])
        assert bytes((await exchange(link)).data) == b"hello"
        (session,) = server.sessions
        assert (session.peer, session.core.peer, link.session.peer) == ("bj-1", "bj-1", "sjc")
        await until(lambda: [c.line for c in session.carriers.values()] == ["one"])
        assert link.problems == {}
    assert server.sessions == []


async def test_a_megabyte_there_and_back() -> None:
    async with serving() as server, linked(server, ONE, TWO) as link:
        await until(lambda: len(kinds(link)) == 2 and all(kind is CarrierKind.QUIC for _, kind in kinds(link)))
        data = bytes(range(256)) * 4096
        assert link.session is not None
        sink = Written()
        sink.session, sink.stream = link.session, link.session.open(sink, Priority.INTERACTIVE)
        link.session.write(sink.stream, data, end=True)
        await until(lambda: sink.is_ended, 20)
        assert bytes(sink.data) == data


@pytest.mark.parametrize(("carrier", "kind"), [("tls", CarrierKind.TLS), ("datagram", CarrierKind.QUIC)])
async def test_only_one_kind(carrier: str, kind: CarrierKind) -> None:
    async with serving() as server, linked(server, carrier=carrier) as link:
        await until(lambda: link.is_ready)
        assert bytes((await exchange(link)).data) == b"hello"
        assert kinds(link) == [("one", kind)]


async def test_two_lines_and_one_that_may_not_be_used_any_more() -> None:
    heard = Heard()
    async with serving(("0.0.0.0", 0)) as server, linked(server, ONE, TWO, listener=heard) as link:
        await until(lambda: kinds(link) == [("one", CarrierKind.QUIC), ("two", CarrierKind.QUIC)])
        link.use(["two"])
        assert [line for line, _ in kinds(link)] == ["two"]
        assert bytes((await exchange(link)).data) == b"hello"
        (session,) = server.sessions
        await until(lambda: {c.line for c in session.carriers.values()} == {"two"})
        link.use(["one", "two"])
        await until(lambda: {line for line, _ in kinds(link)} == {"one", "two"})


async def test_a_relay_with_another_key_is_not_believed() -> None:
    async with serving(key=NodeKey.generate()) as server, linked(server) as link:
        await until(lambda: "one" in link.problems)
        assert link.problems["one"].startswith("sjc shows the key SHA256:")
        assert RELAY_KEY.fingerprint in link.problems["one"]
        assert not link.is_ready
        assert server.sessions == []


async def test_an_unknown_edge_is_told_so() -> None:
    stranger = NodeKey.generate()
    async with serving() as server, linked(server, key=stranger) as link:
        await until(lambda: "one" in link.problems)
        assert link.problems["one"] == (
            f"sjc refuses this edge: its key {stranger.fingerprint} is in no [[edge]] of this relay"
        )
        assert server.refused["unknown edge"] >= 1
        assert server.sessions == []


async def test_an_edge_that_is_struck_off_the_list_is_out() -> None:
    heard = Heard()
    async with serving() as server, linked(server, listener=heard) as link:
        await until(lambda: link.is_ready)
        server.update_peers({})
        await until(lambda: any(event[:2] == ("closed", Code.REFUSED) for event in heard.events))
        await until(lambda: "one" in link.problems)
        assert not link.is_ready


async def test_limits_of_an_edge_hold() -> None:
    peers = {EDGE_KEY.fingerprint: Peer("bj-1", max_streams=100)}
    async with serving(peers=peers, limits=Limits(max_streams=5000)) as server, linked(server) as link:
        await until(lambda: link.is_ready)
        assert server.sessions[0].core.config.limits.max_streams == 100


async def test_nat_rebinding_moves_the_carrier() -> None:
    async with serving() as server, linked(server, carrier="datagram") as link:
        await until(lambda: link.is_ready)
        assert link.session is not None
        sink = Written()
        sink.session, sink.stream = link.session, link.session.open(sink, Priority.INTERACTIVE)
        datagrams = link.ends["one"].datagrams
        assert datagrams is not None
        (visitor,) = server._datagrams.values()
        for number in range(60):
            link.session.write(sink.stream, b"%d;" % number, end=number == 59)
            if number == 30:
                before = datagrams.local_address
                datagrams.rebind()
                assert datagrams.local_address != before
            await asyncio.sleep(0.005)
        await until(lambda: sink.is_ended)
        assert bytes(sink.data) == b"".join(b"%d;" % number for number in range(60))
        assert visitor.moves == 1
        assert visitor.address == datagrams.local_address


async def test_a_relay_that_was_restarted_ends_the_streams_at_once() -> None:
    heard = Heard()
    server = make_server()
    await server.start()
    address = server.bound[0]
    async with linked(address, listener=heard) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        first = link.session
        assert first is not None
        sink = Written()
        stream = first.open(sink, Priority.INTERACTIVE)
        first.write(stream, b"half a request")
        await asyncio.sleep(0.05)
        kill(server)
        began = asyncio.get_running_loop().time()
        async with serving(address) as _:
            await until(lambda: sink.over is not None, 10)
            assert sink.over is not None
            assert sink.over[0] == Code.EXPIRED
            assert asyncio.get_running_loop().time() - began < 3
            await until(lambda: link.is_ready, 10)
            assert link.session is not first
            assert bytes((await exchange(link)).data) == b"hello"
    await server.close()


def kill(server: SessionServer) -> None:
    """What kill -9 leaves: sockets closed by the kernel, not a word said."""
    for visitor in list(server._visitors):
        visitor.abort()
    for driver in server.sessions:
        driver.core.close(Code.NO_ERROR, "", 0.0)
        driver.core._close_copies = 0
        driver._finish()
    server._datagrams.clear()
    server._close_listeners()


class Blocking:
    """A UDP port that swallows everything, beside a TCP port that leads to the server."""

    def __init__(self, server: SessionServer) -> None:
        self.server = server

    def __enter__(self) -> Blocking:
        for port in self.server._udp:
            port._loop.remove_reader(port.sock.fileno())
        return self

    def __exit__(self, *_: object) -> None:
        for port in self.server._udp:
            if port.sock.fileno() >= 0:
                port.start(self.server._on_datagram)


async def test_where_udp_is_blocked_tls_wins_at_once() -> None:
    async with serving() as server:
        with Blocking(server):
            async with linked(server) as link:
                await until(lambda: link.is_ready, 2)
                assert bytes((await exchange(link)).data) == b"hello"
                assert ("one", CarrierKind.TLS) in kinds(link)
                await until(lambda: kinds(link) == [("one", CarrierKind.TLS)], 10)
                assert bytes((await exchange(link)).data) == b"hello"


async def test_udp_that_falls_silent_is_replaced_by_tls_in_mid_stream() -> None:
    async with serving() as server, linked(server) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        assert link.session is not None
        sink = Written()
        sink.session, sink.stream = link.session, link.session.open(sink, Priority.INTERACTIVE)
        for number in range(150):
            if number == 60:
                Blocking(server).__enter__()
            link.session.write(sink.stream, b"%d;" % number, end=number == 149)
            await asyncio.sleep(0.02)
        await until(lambda: sink.is_ended, 10)
        assert bytes(sink.data) == b"".join(b"%d;" % number for number in range(150))
        assert ("one", CarrierKind.TLS) in kinds(link)


async def test_udp_that_is_blocked_everywhere_is_replaced_at_once(monkeypatch: pytest.MonkeyPatch) -> None:
    """TLS is called for by what the session hears, not by the race's own patience, which is made endless here."""
    monkeypatch.setattr(racing, "SILENT_LIVELY", 60.0)
    monkeypatch.setattr(racing, "SILENT_IDLE", 60.0)
    datagrams = [("one", CarrierKind.QUIC), ("two", CarrierKind.QUIC)]
    both = [("one", CarrierKind.QUIC), ("one", CarrierKind.TLS), ("two", CarrierKind.QUIC), ("two", CarrierKind.TLS)]
    async with serving(("0.0.0.0", 0)) as server, udp_gate(("127.0.0.1", server.bound[0][1])) as gate:
        monkeypatch.setattr(LineEnd, "_udp_socket", lambda end: gate.socket())
        async with linked(server, ONE, TWO) as link:
            await until(lambda: link.is_ready and kinds(link) == datagrams)
            assert link.session is not None
            sink = Written()
            sink.session, sink.stream = link.session, link.session.open(sink, Priority.INTERACTIVE)
            for number in range(80):
                gate.passes = not 20 <= number < 60
                link.session.write(sink.stream, b"%d;" % number, end=number == 79)
                await asyncio.sleep(0.02)
                if number == 58:
                    assert kinds(link) == both
                    assert bytes(sink.data).count(b";") > 40  # both directions go on
            await until(lambda: sink.is_ended, 10)
            assert bytes(sink.data) == b"".join(b"%d;" % number for number in range(80))
            assert gate.stopped > 10


async def test_a_drained_relay_finishes_and_its_successor_gets_the_new_streams() -> None:
    old = make_server()
    await old.start()
    heard = Heard()
    async with linked(old, listener=heard) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        first = link.session
        assert first is not None
        sink = Written()
        sink.session, sink.stream = first, first.open(sink, Priority.INTERACTIVE)
        first.write(sink.stream, b"a")
        await until(lambda: bytes(sink.data) == b"a")
        sockets = [sock.dup() for sock in old.listening]
        old.hold()
        old.drain("a new version")
        new = SessionServer([], RELAY_KEY, old.peers, SETTINGS, Echoing(), listening=sockets)
        await new.start()
        await until(lambda: link.is_ready and link.session is not first, 10)
        assert bytes((await exchange(link)).data) == b"hello"
        assert len(new.sessions) == 1
        first.write(sink.stream, b"b", end=True)
        await until(lambda: sink.is_ended)
        assert bytes(sink.data) == b"ab"
        await until(lambda: not old.sessions, 10)
        assert ("gone away", "a new version") in heard.events
        await new.close()
    await old.close()


async def test_garbage_at_the_doors() -> None:
    async with serving() as server, linked(server) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        (connection,) = server._datagrams
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as sock:
            for data in (b"", b"\x20", b"\xc0" * 1200, b"\x20" + connection.to_bytes(4, "big") + bytes(100)):
                sock.sendto(data, server.bound[0])
        reader, writer = await asyncio.open_connection(*server.bound[0])
        writer.write(b"GET / HTTP/1.1\r\n\r\n")
        assert await reader.read() is not None
        writer.close()
        assert bytes((await exchange(link)).data) == b"hello"
        assert server._datagrams[connection].moves == 0
        await until(lambda: server.refused.get("no handshake") == 1)


async def test_a_relay_that_is_not_there_yet() -> None:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        address = sock.getsockname()
    async with linked(address) as link:
        await until(lambda: "one" in link.problems)
        assert "connection_refused" in link.problems["one"]
        async with serving(address):
            await until(lambda: link.is_ready, 10)
            assert link.problems == {}


async def test_a_relay_that_died_for_good_fails_its_streams_within_seconds() -> None:
    heard = Heard()
    server = make_server()
    await server.start()
    async with linked(server, listener=heard) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        assert link.session is not None
        sink = Written()
        link.session.write(link.session.open(sink, Priority.INTERACTIVE), b"half a request")
        await asyncio.sleep(0.05)
        kill(server)
        await until(lambda: sink.over is not None, 10)
        assert sink.over == (Code.EXPIRED, "the relay's process is gone")
        assert not link.is_ready
    await server.close()


async def test_a_line_is_lost_once_and_not_when_its_packets_change_their_way() -> None:
    heard = Heard()
    async with serving() as server, linked(server, ONE, TWO, listener=heard) as link:
        await until(lambda: kinds(link) == [("one", CarrierKind.QUIC), ("two", CarrierKind.QUIC)])
        link.use(["two"])
        assert [event for event in heard.events if event[0] == "lost"] == []


@pytest.mark.parametrize("host", ["::1", "::", "0.0.0.0"])
async def test_every_kind_of_listener(host: str) -> None:
    far = "::1" if ":" in host else "127.0.0.9"
    async with serving((host, 0)) as server:
        async with linked((far, server.bound[0][1]), Line("any")) as link:
            await until(lambda: link.is_ready and kinds(link) == [("any", CarrierKind.QUIC)])
            assert bytes((await exchange(link)).data) == b"hello"


async def test_a_line_through_a_proxy_has_tls_only() -> None:
    log = ProxyLog()
    async with serve(connect_proxy(log)) as proxy, serving() as server:
        async with linked(server, Line("far", proxy=f"http://127.0.0.1:{proxy.port}")) as link:
            await until(lambda: link.is_ready)
            assert kinds(link) == [("far", CarrierKind.TLS)]
            assert bytes((await exchange(link)).data) == b"hello"
            assert log.targets == [server.bound[0]]


async def tls_to(server: SessionServer) -> tuple[asyncio.StreamReader, asyncio.StreamWriter]:
    return await asyncio.open_connection(*server.bound[0], ssl=client_context(), server_hostname="")


async def test_nothing_of_a_session_is_heard_before_the_proof() -> None:
    hello = Hello((1, 1), b"s" * 16, b"t" * 32, Role.EDGE, 1, "bj-1", Limits(), 0)
    async with serving() as server:
        reader, writer = await tls_to(server)
        writer.write(setup.frame(encode_header(0, True) + encode(hello)))
        writer.write(setup.frame(setup.encode(setup.Ask(bytes(32)))))
        assert b"it has not proved its key" in await reader.read()
        assert (server.sessions, server._datagrams) == ([], {})
        writer.close()


async def test_a_proof_of_another_connection_is_worth_nothing() -> None:
    async with serving() as server:
        reader, writer = await tls_to(server)
        tls = writer.get_extra_info("ssl_object")
        proof = setup.prove(EDGE_KEY.private, RELAY_KEY.public, channel_binding(tls))
        assert proved_key(tls) == RELAY_KEY.public
        other_reader, other = await tls_to(server)
        other.write(setup.frame(setup.encode(proof)))
        assert b"it has not proved its key" in await other_reader.read()
        writer.write(setup.frame(setup.encode(proof)) + setup.frame(setup.encode(setup.Ask(bytes(32)))))
        (granted,) = setup.Unframer().feed(await reader.read(1000))
        assert isinstance(setup.decode(granted), setup.Grant)
        for each in (writer, other):
            each.close()


async def test_a_relay_that_stops_says_so() -> None:
    heard = Heard()
    server = make_server()
    await server.start()
    async with linked(server, listener=heard) as link:
        await until(lambda: link.is_ready and kinds(link) == [("one", CarrierKind.QUIC)])
        await server.close()
        await until(lambda: ("closed", Code.NO_ERROR, "the relay stops") in heard.events)


async def test_strangers_are_bounded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(server_module, "MAX_STRANGERS_PER_ADDRESS", 2)
    monkeypatch.setattr(server_module, "HANDSHAKE", 0.3)
    async with serving() as server:
        opened = [await asyncio.open_connection(*server.bound[0]) for _ in range(4)]
        await until(lambda: server.refused.get("too many handshakes") == 2)
        await until(lambda: server.refused.get("no handshake") == 2)
        for _, writer in opened:
            writer.close()


async def test_a_dial_that_gets_no_answer_is_given_up_and_repeated() -> None:
    """A listener whose backlog is full lets connections hang."""
    with socket.create_server(("127.0.0.1", 0), backlog=0) as full:
        address = full.getsockname()
        waiting = [socket.socket() for _ in range(4)]
        for sock in waiting:
            sock.setblocking(False)
            sock.connect_ex(address)
        to = RelayTarget("sjc", *address, RELAY_KEY.fingerprint, (ONE,))
        link = RelayLink(to, EDGE_KEY, "a name that is too long" * 5, Heard(), connect_timeout=0.3)
        link.start()
        await until(lambda: link.problems.get("one") == "not up in 0.3 s")
        for sock in waiting:
            sock.close()
    async with serving(address) as server:
        await until(lambda: link.is_ready, 10)
        assert server.sessions[0].core.peer.startswith("a name that is")
        await link.close()


async def test_a_relay_that_closes_sessions_at_once_is_not_besieged() -> None:
    class Hostile(Echoing):
        def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
            session.close(Code.INTERNAL, "out of order")

    async with serving(listener=Hostile()) as server, linked(server) as link:
        await asyncio.sleep(1.5)
        assert 2 <= link.sessions_begun <= 8


async def test_redundancy_and_rates_reach_the_session() -> None:
    async with serving() as server:
        async with linked(server, redundancy=Redundancy.HOT, rates={"one": 125_000.0}) as link:
            await until(lambda: link.is_ready)
            carriers = list(server.sessions[0].carriers.values())
            assert carriers[0].rate == 125_000.0
            assert link.session is not None
            assert link.session.core.config.redundancy is Redundancy.HOT
