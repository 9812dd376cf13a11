"""The edge's links: when requests may go through a relay, over which lines, and what the board is told."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from dataclasses import replace
from time import monotonic

import pytest
from prometheus_client import CollectorRegistry, generate_latest

from edge.config.model import Address, Relay, Snapshot
from edge.links.aio.links import Links
from edge.links.aio.ways import Ways
from edge.links.look import RelayLook
from edge.observe.relays import RelayMetrics
from edge.routing.ask import Moment
from edge.routing.controls import Controls, LineControl, Switch
from health.board import HealthBoard
from health.rules import HealthRules
from health.standing import Standing
from health.view import RelayHealth
from tests.shell.exchange_contract import Script
from tests.shell.test_relay_connection import Players
from tests.support.exchanges import RecordingSink, request
from tests.support.links import MemoryLink
from tests.support.waiting import until
from transport.aio.tasks import TaskOwner
from transport.failure import Code as Word
from transport.failure import Origin, TransportError, Verdict
from transport.path import Line, Path, Protocol
from transport.session.live import SessionListener
from transport.session.values import Code

SJC = Relay("sjc", Address("far.example", 4433), "")
PATH = Path("a+b", "openai", "sjc")
LINES = (Line("a"), Line("b"))
SNAPSHOT = Snapshot(lines=LINES, relays=(SJC,))


class World:
    """A node's links and what is around them."""

    def __init__(self) -> None:
        self.board = HealthBoard()
        self.board.configure(HealthRules(), ("a", "b"), monotonic(), ("openai",), ("sjc", "fra"))
        self.controls = Controls()
        self.made: list[MemoryLink] = []
        self.far = Players(Script())
        self.tasks = TaskOwner("test")
        self.does_begin = True
        self.looks: list[tuple[str, RelayLook]] = []
        self.links = Links(
            self.board,
            self.make,
            lambda: self.controls,
            lambda: Moment(),
            self.tasks,
            lambda relay, look: self.looks.append((relay, look)),
        )

    def make(self, relay: Relay, lines: tuple[Line, ...], listener: SessionListener) -> MemoryLink:
        link = MemoryLink(relay, lines, listener, self.far)
        link.does_begin = self.does_begin
        self.made.append(link)
        return link

    @property
    def link(self) -> MemoryLink:
        return self.made[-1]

    def health(self, relay: str = "sjc") -> RelayHealth:
        return self.board.view(monotonic()).relay(relay)

    async def ready(self, relay: str = "sjc") -> None:
        await until(lambda: not self.health(relay).why_not)


@pytest.fixture
async def world() -> AsyncIterator[World]:
    made = World()
    yield made
    await made.links.close()
    await made.tasks.close()
    assert made.tasks.failures == 0


async def test_nothing_without_relays(world: World) -> None:
    world.links.start(Snapshot())
    assert world.made == []
    assert world.links.take(PATH) is None
    with pytest.raises(TransportError) as caught:
        await world.links.connect(PATH)
    assert caught.value.failure.verdict is Verdict.SAFE


async def test_a_request_through_a_relay(world: World) -> None:
    world.links.start(SNAPSHOT)
    assert world.links.take(PATH) is None
    await world.ready()
    connection = world.links.take(PATH)
    assert connection is not None
    assert connection.protocol is Protocol.SESSION
    sink = RecordingSink()
    connection.open(request(), sink, None, end=True)
    await sink.done()
    assert bytes(sink.body) == b"hello, world"
    assert world.links.take(PATH) is connection


async def test_a_session_that_is_just_coming_is_waited_for(world: World) -> None:
    world.links.start(SNAPSHOT)
    connection = await world.links.connect(PATH)
    connection.release()


async def test_a_session_that_does_not_come(world: World) -> None:
    world.does_begin = False
    world.links.start(SNAPSHOT)
    world.link.problems = {"b": "timed out", "a": "connection refused"}
    with pytest.raises(TransportError) as caught:
        await world.links.connect(PATH)
    failure = caught.value.failure
    assert (failure.origin, failure.verdict) == (Origin.RELAY, Verdict.SAFE)
    assert failure.code == Word.DESTINATION_UNAVAILABLE
    await until(lambda: world.health().why_not == "no session: a: connection refused; b: timed out")


async def test_the_relay_drains(world: World) -> None:
    world.links.start(SNAPSHOT)
    await world.ready()
    assert world.link.wires is not None
    old = world.link.wires
    old.relay.drain("moves")
    await until(lambda: world.health().is_draining)
    assert world.health().why_not == "draining: moves"
    assert world.links.take(PATH) is None
    world.link.begin()
    await world.ready()
    assert not world.health().is_draining
    old.end()
    await asyncio.sleep(0)
    assert world.health().why_not == ""
    assert world.links.documents()["sjc"]["sessions"] == 2


async def test_a_session_that_breaks(world: World) -> None:
    world.far.script = Script(hang="before")
    world.links.start(SNAPSHOT)
    await world.ready()
    sinks = [RecordingSink() for _ in range(5)]
    for sink in sinks:
        connection = world.links.take(PATH)
        assert connection is not None
        connection.open(request(), sink, None, end=True)
    await until(lambda: len(world.far.players) == 5)
    world.link.break_off()
    for sink in sinks:
        await sink.done()
        assert sink.failure is not None
        assert sink.failure.origin is Origin.RELAY
        assert sink.failure.verdict is Verdict.UNKNOWN
    assert world.health().why_not == "session over: expired"
    assert world.health().way.standing is Standing.ADMITTED
    for _ in range(2):
        world.link.begin()
        await world.ready()
        world.link.break_off(Code.INTERNAL)
    assert world.health().way.standing is Standing.EJECTED


async def test_all_carriers_lost_and_back(world: World) -> None:
    world.links.start(SNAPSHOT)
    await world.ready()
    wires = world.link.wires
    assert wires is not None
    await wires.joined()
    for line in ("a", "b"):
        wires.cut(line)
    await until(lambda: world.health().why_not == "no line leads to it now")
    wires.join("b")
    await world.ready()
    told = world.links.documents()["sjc"]
    assert told["resumes"] == 1
    assert [carrier["line"] for carrier in told["carriers"]] == ["b"]


async def test_suspicions_are_the_lines_own(world: World) -> None:
    world.links.start(SNAPSHOT)
    await world.ready()
    ear = world.link._listener
    session = world.link.session
    assert session is not None
    ear.on_suspected(session, "a")
    ear.on_suspected(session, "a")
    view = world.board.view(monotonic())
    assert view.line("a").is_suspected
    assert view.line("a").reason == "silent on the way to relay sjc"
    assert not view.line("b").is_suspected
    ear.on_relieved(session, "a", 0.2)
    assert not world.board.view(monotonic()).line("a").is_suspected
    ear.on_suspected(session, "b")
    world.link.break_off()
    assert not world.board.view(monotonic()).line("b").is_suspected
    assert world.links.documents()["sjc"]["suspicions"] == 3
    assert world.links.documents()["sjc"]["false_suspicions"] == 1


async def test_lines_that_may_be_used(world: World) -> None:
    world.links.start(SNAPSHOT)
    assert world.link.used == [("a", "b")]
    world.controls = Controls(1, {"a": LineControl(switch=Switch.DRAINING)})
    world.links.choose_lines()
    world.links.choose_lines()
    assert world.link.used == [("a", "b"), ("b",)]


async def test_another_configuration(world: World) -> None:
    world.links.start(SNAPSHOT)
    first = world.link
    world.links.update(SNAPSHOT)
    assert world.made == [first]
    await world.ready()
    world.links.update(replace(SNAPSHOT, lines=(Line("a", weight=5), Line("b", tier=2))))
    assert world.made == [first]
    busy = world.links.take(PATH)
    assert busy is not None
    world.links.update(replace(SNAPSHOT, lines=(Line("a"), Line("b", max_mbps=5))))
    assert len(world.made) == 2
    await asyncio.sleep(0.3)
    assert not first.is_closed
    sink = RecordingSink()
    busy.open(request(), sink, None, end=True)
    await sink.done()
    await until(lambda: first.is_closed)
    await world.ready()
    world.links.update(replace(SNAPSHOT, relays=(SJC, replace(SJC, id="fra", lines=("b",)))))
    assert world.link.lines == ("b",)
    world.links.update(Snapshot(lines=LINES))
    assert world.links.facts() == {}
    await until(lambda: all(link.is_closed for link in world.made))


async def test_a_look_at_the_carriers(world: World) -> None:
    world.links.start(SNAPSHOT)
    await world.ready()
    await until(lambda: world.health().way.rtt is not None)
    view = world.board.view(monotonic())
    assert any(path.endpoint == "relay:sjc" for path in view.paths)


async def test_what_sessions_carry_is_the_lines_traffic(world: World) -> None:
    world.links.start(SNAPSHOT)
    await world.ready()
    assert world.links.line_of(PATH) in ("a", "b")
    for _ in range(3):
        connection = world.links.take(PATH)
        assert connection is not None
        sink = RecordingSink()
        connection.open(request(), sink, None, end=True)
        await sink.done()
    counted = {world.links.line_of(PATH) for _ in range(4)}
    lines = world.links.ledger.lines
    assert {line for line, traffic in lines.items() if traffic.fresh} == counted
    assert sum(traffic.fresh for traffic in lines.values()) >= 3 * len(b"hello, world")
    assert world.links.parts("sjc", ("b",)) == {"b": 1.0}
    await until(lambda: any(relay == "sjc" and look.useful for relay, look in world.looks), 5)
    view = world.board.view(monotonic() + 1.0)
    assert sum(view.line(line).up_bps for line in "ab") > 0 and sum(view.line(line).down_bps for line in "ab") > 0
    before = sum(traffic.sent for traffic in lines.values())
    changed = replace(SJC, redundancy="hot")
    world.links.update(replace(SNAPSHOT, relays=(changed,)))
    await world.ready()
    await until(lambda: sum(each.sent for each in world.links.ledger.lines.values()) > before, 5)
    assert world.links.line_of(Path("x+y", "openai", "gone")) == "x"


async def test_metrics(world: World) -> None:
    registry = CollectorRegistry()
    registry.register(RelayMetrics(lambda: world.board.view(monotonic()), world.links))
    assert generate_latest(registry) == b""
    world.links.start(SNAPSHOT)
    await world.ready()
    connection = world.links.take(PATH)
    assert connection is not None
    sink = RecordingSink()
    connection.open(request("POST"), sink, b"x" * 100, end=True)
    await sink.done()
    world.link._listener.on_suspected(connection.session, "a")
    connection.stamped(1000)
    connection.stamped(900)
    told = generate_latest(registry).decode()
    for line in (
        'farline_relay_ready{relay="sjc"} 1.0',
        'farline_relay_standing{relay="sjc",standing="admitted"} 1.0',
        'farline_sessions_total{relay="sjc"} 1.0',
        'farline_session_suspicions_total{kind="true",line="a",relay="sjc"} 1.0',
        'farline_session_resumes_total{relay="sjc"} 0.0',
        'farline_token_lateness_seconds_bucket{le="0.005",relay="sjc"} 1.0',
        'farline_token_lateness_seconds_count{relay="sjc"} 2.0',
    ):
        assert line in told, line
    assert 'farline_session_carriers{kind="datagram",line="b",relay="sjc",state="trusted"} 1.0' in told


async def test_ways(world: World) -> None:
    class Pools:
        def take(self, path: Path, only: Protocol | None = None) -> tuple[Path, Protocol | None]:
            return path, only

        async def connect(self, path: Path, only: Protocol | None = None) -> tuple[Path, Protocol | None]:
            return path, only

    ways, direct = Ways(Pools(), world.links), Path("a", "openai")  # type: ignore[arg-type]  # only what is asked
    world.links.start(SNAPSHOT)
    assert ways.take(direct, Protocol.H1) == await ways.connect(direct, Protocol.H1) == (direct, Protocol.H1)
    connection = await ways.connect(PATH, Protocol.H1)
    assert ways.take(PATH, Protocol.H1) is connection
