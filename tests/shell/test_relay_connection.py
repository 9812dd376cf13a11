"""A relay as a connection: the rules that every connection keeps, and what is a session's own."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Awaitable, Callable

import pytest
from websockets.frames import Frame as WsFrame
from websockets.frames import Opcode
from websockets.protocol import CLIENT, OPEN
from websockets.protocol import Protocol as WsProtocol

from tests.shell.exchange_contract import CHECKS, Connect, Script
from tests.support.exchanges import RecordingOwner, RecordingSink, request
from tests.support.sessions import Heard, Wires
from tests.support.waiting import until
from transport.failure import Code as Word
from transport.failure import Failure, Origin, Verdict
from transport.message import Call, ResponseHead
from transport.path import Protocol
from transport.session.aio.connection import RelayConnection, request_id
from transport.session.aio.exchange import dictionary_for
from transport.session.events.dictionaries import Dictionary
from transport.session.live import LiveSession, StreamSink
from transport.session.record_readers import RequestReader
from transport.session.record_writers import ReplyWriter
from transport.session.records import Coding, End, Frame, Request, read_message
from transport.session.values import Code, Limits, Priority, Redundancy, StreamOpened


class Player(StreamSink):
    """The relay's end of one stream: plays the script when the request is there."""

    def __init__(self, session: LiveSession, stream: int, script: Script) -> None:
        self.session, self.stream, self.script = session, stream, script
        self.reader, self.writer = RequestReader(), ReplyWriter()
        self.request: Request | None = None
        self.body = bytearray()
        self.rest = b""
        self.over: int | None = None
        self.is_finished = False
        self.consumes = True

    def on_data(self, data: bytes, end: bool) -> None:
        for value in self.reader.feed(data):
            if isinstance(value, Request):
                self.request = value
                if self.script.early:
                    self.answer()
            elif isinstance(value, bytes):
                self.body += value
            elif isinstance(value, End) and not self.script.early:
                self.answer()
        if self.consumes:
            self.session.consumed(self.stream, len(data))

    def answer(self) -> None:
        script = self.script
        if "before" in (script.cut, script.hang):
            self.stop(script)
            return
        self.put(self.writer.response(ResponseHead(200, [])))
        body = bytes(self.body) if script.echo else script.body
        if "amid" in (script.cut, script.hang):
            self.put(self.writer.body(body[:5]))
            asyncio.get_running_loop().call_later(0.05, self.stop, script)
            return
        size = max(1, -(-len(body) // script.pieces))
        for at in range(0, len(body), size):
            self.rest += self.writer.body(body[at : at + size])
        self.rest += self.writer.end()
        self.push()

    def stop(self, script: Script) -> None:
        if script.cut:
            self.session.close(Code.INTERNAL, "cut")

    def put(self, data: bytes) -> None:
        self.session.write(self.stream, data)

    def push(self) -> None:
        while self.rest and (room := self.session.writable(self.stream)):
            piece, self.rest = self.rest[:room], self.rest[room:]
            self.is_finished = not self.rest
            self.session.write(self.stream, piece, end=self.is_finished)

    def on_message(self, data: bytes) -> None:
        raise AssertionError("nothing is droppable")

    def on_writable(self) -> None:
        self.push()

    def on_acked(self) -> None:
        return

    def on_over(self, code: int, reason: str) -> None:
        self.over = code


class Players(Heard):
    def __init__(self, script: Script) -> None:
        super().__init__()
        self.script = script
        self.opened: list[StreamOpened] = []
        self.players: list[Player] = []

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        self.opened.append(opened)
        self.players.append(Player(session, opened.stream, self.script))
        return self.players[-1]


class Closing(Heard):
    """The edge's listener: tells the connection when the session is over, as a link does."""

    connection: RelayConnection

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        self.connection.session_closed(Failure(Origin.RELAY, Verdict.UNKNOWN, Word.CONNECTION_TERMINATED, reason))


class World:
    """What a test has made."""

    def __init__(self) -> None:
        self.wires: list[Wires] = []
        self.relay: Players
        self.stamps: list[int] = []

    async def connect(self, script: Script, **settings: object) -> tuple[RelayConnection, RecordingOwner]:
        edge, self.relay = Closing(), Players(script)
        wires = Wires(edge, self.relay, **settings)  # type: ignore[arg-type]  # a test's settings
        self.wires.append(wires)
        await wires.joined()
        owner = RecordingOwner()
        edge.connection = RelayConnection(wires.edge, "openai", owner, lambda ms, now: self.stamps.append(ms))
        return edge.connection, owner


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    for wires in made.wires:
        wires.end()


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.__name__)
async def test_contract(world: World, check: Callable[[Connect], Awaitable[None]]) -> None:
    await check(world.connect)


def call(**more: object) -> Call:
    return Call(b"req-1", Priority.REALTIME, Redundancy.HOT, "openai", 60.0, **more)  # type: ignore[arg-type]


async def sent(connection: RelayConnection, of: Call | None = None, body: bytes | None = b"{}") -> RecordingSink:
    sink, head = RecordingSink(), request("POST")
    head.call = of or call()
    connection.reserve()
    connection.open(head, sink, body, end=True)
    return sink


async def test_what_the_relay_is_told(world: World) -> None:
    connection, _ = await world.connect(Script())
    assert connection.protocol is Protocol.SESSION
    assert connection.sample(0.0) is None
    connection.doubt()
    of = call()
    await (await sent(connection, of)).done()
    opened, player = world.relay.opened[0], world.relay.players[0]
    assert (opened.priority, opened.redundancy) == (Priority.REALTIME, Redundancy.HOT)
    assert opened.request == request_id(call(), "openai")
    assert player.request is not None
    assert (player.request.provider, player.request.patience, player.request.body_bytes) == ("openai", 60.0, 2)
    assert bytes(player.body) == b"{}"
    assert of.answered == 1


async def test_ids_of_requests() -> None:
    assert request_id(call(), "openai") == request_id(call(), "openai")
    assert len({request_id(call(), "a"), request_id(call(), "b"), request_id(call(answered=1), "a")}) == 3


def test_bodies_are_compressed_if_that_pays() -> None:
    json = [(b"content-type", b"application/json")]
    assert dictionary_for(request("POST", "/v1/chat/completions?a=b", json), 500) is Dictionary.CHAT
    assert dictionary_for(request("POST", "/v1/messages", json), 500) is Dictionary.MESSAGES
    assert dictionary_for(request("POST", "/v1/embeddings", json), 500) is Dictionary.NONE
    assert dictionary_for(request("POST", "/v1/files", []), 500) is None
    assert dictionary_for(request("POST", "/v1/files", [*json, (b"content-encoding", b"gzip")]), 500) is None
    for size in (None, 10, 10**8):
        assert dictionary_for(request("POST", "/v1/messages", json), size) is None


async def test_a_compressed_body_arrives_as_it_was(world: World) -> None:
    connection, _ = await world.connect(Script(echo=True))
    head, sink = request("POST", "/v1/chat/completions", [(b"content-type", b"application/json")]), RecordingSink()
    connection.reserve()
    body = b'{"model":"gpt-4.1","messages":[{"role":"user","content":"hello"}]}' * 20
    connection.open(head, sink, body, end=True)
    await sink.done()
    assert bytes(sink.body) == body
    assert world.wires[0].edge.tally.first_bytes < len(body)


@pytest.mark.parametrize(
    ("code", "verdict", "word", "answered"),
    [
        (Code.STREAM_LIMIT, Verdict.SAFE, Word.STREAM_REFUSED, 0),
        (Code.DRAINING, Verdict.SAFE, Word.STREAM_REFUSED, 0),
        (Code.DUPLICATE, Verdict.UNKNOWN, Word.STREAM_RESET, 1),
        (Code.CANCELLED, Verdict.UNKNOWN, Word.STREAM_RESET, 0),
        (77, Verdict.UNKNOWN, Word.CONNECTION_TERMINATED, 0),
    ],
)
async def test_a_stream_that_the_relay_resets(
    world: World, code: int, verdict: Verdict, word: str, answered: int
) -> None:
    connection, _ = await world.connect(Script(hang="before"))
    of = call()
    sink = await sent(connection, of)
    await until(lambda: world.relay.players)
    world.wires[0].relay.reset(1, code, "because")
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.origin, sink.failure.verdict, sink.failure.code) == (Origin.RELAY, verdict, word)
    assert of.answered == answered
    assert connection.has_slot()


async def test_failures_as_the_relay_tells_them(world: World) -> None:
    for origin, seen in ((Origin.ENDPOINT, Origin.ENDPOINT), (Origin.EDGE, Origin.RELAY), (Origin.LINE, Origin.RELAY)):
        connection, _ = await world.connect(Script(hang="before"))
        of = call()
        sink = await sent(connection, of)
        await until(lambda: world.relay.players and world.relay.players[0].request)
        told = Failure(origin, Verdict.SAFE, Word.CONNECTION_REFUSED, "no", 3.0)
        player = world.relay.players[0]
        player.session.write(1, player.writer.failure(told), end=True)
        await sink.done()
        assert sink.failure == Failure(seen, Verdict.SAFE, Word.CONNECTION_REFUSED, "no", 3.0)
        assert of.answered == 1


async def test_after_a_head_nothing_may_be_sent_again(world: World) -> None:
    connection, _ = await world.connect(Script(hang="amid"))
    sink = await sent(connection)
    await asyncio.wait_for(sink.more.wait(), 5)
    player = world.relay.players[0]
    player.session.write(
        1, player.writer.failure(Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Word.STREAM_RESET)), end=True
    )
    await sink.done()
    assert sink.failure is not None
    assert sink.failure.verdict is Verdict.UNSAFE


async def test_an_end_that_nobody_wrote_is_a_cut(world: World) -> None:
    connection, _ = await world.connect(Script(hang="amid"))
    sink = await sent(connection)
    await asyncio.wait_for(sink.more.wait(), 5)
    world.wires[0].relay.write(1, b"", end=True)
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.code, sink.failure.verdict) == (Word.HTTP_RESPONSE_INCOMPLETE, Verdict.UNSAFE)


async def test_records_that_make_no_sense(world: World) -> None:
    connection, _ = await world.connect(Script(hang="before"))
    sink = await sent(connection)
    await until(lambda: world.relay.players)
    world.wires[0].relay.write(1, b"\x01\x01x")
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.code, sink.failure.origin) == (Word.HTTP_PROTOCOL_ERROR, Origin.RELAY)
    await until(lambda: world.relay.players[0].over is not None)


async def test_a_head_that_is_none(world: World) -> None:
    connection, _ = await world.connect(Script())
    sink, head = RecordingSink(), request("GET", "/\0")
    connection.reserve()
    connection.open(head, sink, None, end=True)
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.origin, sink.failure.verdict) == (Origin.EDGE, Verdict.SAFE)
    assert connection.in_flight == 0


async def test_no_slots_once_the_relay_drains(world: World) -> None:
    connection, owner = await world.connect(Script())
    world.wires[0].relay.drain("moves")
    await until(lambda: not connection.has_slot())
    sink = await sent(connection)
    await sink.done()
    assert sink.failure is not None
    assert (sink.failure.verdict, sink.failure.code) == (Verdict.SAFE, Word.STREAM_REFUSED)
    assert owner.lost == []


async def test_stamps(world: World) -> None:
    connection, _ = await world.connect(Script(hang="amid"))
    sink = await sent(connection)
    await asyncio.wait_for(sink.more.wait(), 5)
    player = world.relay.players[0]
    player.session.write(1, player.writer.stamp(4711) + player.writer.end(), end=True)
    await sink.done()
    assert sink.failure is None
    assert world.stamps == [4711]


async def test_events_come_back_as_they_were(world: World) -> None:
    connection, _ = await world.connect(Script(hang="before"))
    sink = await sent(connection)
    await until(lambda: world.relay.players and world.relay.players[0].request)
    player, session = world.relay.players[0], world.wires[0].relay
    session.write(
        1, player.writer.response(ResponseHead(200, [(b"content-type", b"text/event-stream")]), Coding.EVENTS)
    )
    said = [b'data: {"choices":[{"delta":{"content":"word %d"}}]}\n\n' % number for number in range(50)]
    for chunk in said:
        session.write(1, player.writer.body(chunk))
        await asyncio.sleep(0)
    session.write(1, player.writer.end(), end=True)
    await sink.done()
    assert bytes(sink.body) == b"".join(said)


async def test_a_slow_relay_holds_the_upload_back(world: World) -> None:
    connection, _ = await world.connect(Script(hang="before"))
    sink = RecordingSink()
    connection.reserve()
    exchange = connection.open(request("POST"), sink, None, end=False)
    await until(lambda: world.relay.players)
    world.relay.players[0].consumes = False
    piece, taken = bytes(65_536), 0
    while exchange.send(piece):
        taken += 1
        await asyncio.sleep(0)
    assert taken * len(piece) <= Limits().stream_window + (1 << 20)
    player = world.relay.players[0]
    await until(lambda: len(player.body) > 500_000)
    player.consumes = True
    sink.writable.clear()
    player.session.consumed(1, len(player.body))
    await asyncio.wait_for(sink.writable.wait(), 5)
    exchange.cancel()
    await until(lambda: player.over is not None)
    assert connection.in_flight == 0


async def test_a_dying_line_is_not_seen(world: World) -> None:
    connection, _ = await world.connect(Script(hang="amid"), lines=("a", "b"), delay=0.01)
    sink = await sent(connection)
    await asyncio.wait_for(sink.more.wait(), 5)
    world.wires[0].silent.add("a")
    player = world.relay.players[0]
    for _ in range(20):
        player.session.write(1, player.writer.body(b"token"))
        await asyncio.sleep(0.01)
    player.session.write(1, player.writer.end(), end=True)
    await sink.done()
    assert bytes(sink.body) == b"hello" + b"token" * 20


async def test_a_websocket_crosses_message_by_message(world: World) -> None:
    connection, _ = await world.connect(Script(hang="before"))
    spoken = lambda opcode, payload: 0.5 if payload == b"audio" else 0.0  # noqa: E731
    connection.lifetime = spoken
    head, sink = request("GET", "/v1/realtime", [(b"upgrade", b"websocket")]), RecordingSink()
    connection.reserve()
    exchange = connection.open(head, sink, None, end=True)
    await until(lambda: world.relay.players and world.relay.players[0].request)
    player, session = world.relay.players[0], world.wires[0].relay
    assert player.request is not None
    assert player.request.websocket
    heard: list[Frame] = []
    messages: list[Frame] = []
    player.on_message = lambda data: messages.append(read_message(data))  # type: ignore[method-assign]  # only here
    player.answer = lambda: None  # type: ignore[method-assign]  # it says nothing more of its own
    session.write(1, player.writer.response(ResponseHead(101, [])))
    await until(lambda: sink.head is not None)
    near = WsProtocol(CLIENT, state=OPEN)
    for payload in (b"hello", b"audio", b"audio" * 10_000):
        near.send_text(payload)
    near.send_ping(b"there?")
    assert exchange.send(b"".join(near.data_to_send()))
    player.on_data = lambda data, end: heard.extend(v for v in player.reader.feed(data) if isinstance(v, Frame))  # type: ignore[method-assign]
    await until(lambda: len(heard) == 2 and messages and sink.body)
    assert [frame.payload for frame in heard] == [b"hello", b"audio" * 10_000]
    assert messages == [Frame(1, b"audio")]
    session.write(
        1, player.writer.frame(1, b"welcome") + player.writer.frame(8, b"\x03\xe8") + player.writer.end(), end=True
    )
    await sink.done()
    near.receive_data(bytes(sink.body))
    got = [(event.opcode, bytes(event.data)) for event in near.events_received() if isinstance(event, WsFrame)]
    assert got == [(Opcode.PONG, b"there?"), (Opcode.TEXT, b"welcome"), (Opcode.CLOSE, b"\x03\xe8")]


async def test_frames_that_are_none(world: World) -> None:
    for wrong in ("ours", "theirs"):
        connection, _ = await world.connect(Script(hang="before"))
        head, sink = request("GET", "/", [(b"upgrade", b"websocket")]), RecordingSink()
        connection.reserve()
        exchange = connection.open(head, sink, None, end=True)
        await until(lambda: world.relay.players and world.relay.players[0].request)
        player, session = world.relay.players[0], world.wires[-1].relay
        session.write(1, player.writer.response(ResponseHead(101, [])))
        await until(lambda sink=sink: sink.head is not None)
        if wrong == "ours":
            exchange.send(b"\xff\xff\xff\xff")
        else:
            session.write(1, player.writer.frame(5, b""))
        await sink.done()
        assert sink.failure is not None
        assert (sink.failure.code, sink.failure.verdict) == (Word.HTTP_PROTOCOL_ERROR, Verdict.UNSAFE)
        assert sink.failure.origin is (Origin.EDGE if wrong == "ours" else Origin.RELAY)
