"""The driver of a session core: turns, sinks, listeners, ends."""

from __future__ import annotations

import asyncio
import time

import pytest

from tests.support.sessions import Heard, Wires, Written, linked
from tests.support.waiting import until
from transport.session.live import LiveSession, StreamSink
from transport.session.values import CannotOpen, Code, Priority, StreamOpened

BOTH_LOOPS = True


class Echoing(Heard):
    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        sink = self.streams[opened.stream] = Written(session, opened.stream, echo=True)
        return sink


async def test_a_stream_there_and_back() -> None:
    heard = Heard()
    edge, relay = linked(heard, answers := Echoing())
    await until(lambda: edge.is_open and relay.is_open)
    assert (edge.peer, relay.peer) == ("relay", "edge")
    sink = Written()
    stream = edge.open(sink, Priority.INTERACTIVE, request=bytes(15) + b"\x01")
    sink.session, sink.stream = edge, stream
    edge.write(stream, b"hello ")
    edge.write(stream, b"world", end=True)
    await until(lambda: sink.is_ended and sink.is_acked)
    assert bytes(sink.data) == b"hello world" == bytes(answers.streams[stream].data)
    await until(lambda: not relay._sinks and not edge._sinks)
    assert edge.writable(stream) == 0
    edge.close(Code.NO_ERROR, "done")
    await until(lambda: ("closed", Code.NO_ERROR, "done") in answers.events)
    assert heard.events[0] == ("joined", 1, "line")
    with pytest.raises(CannotOpen):
        edge.open(Written(), Priority.INTERACTIVE)
    edge.end(), relay.end()


async def test_streams_of_one_turn_share_a_packet() -> None:
    edge, relay = linked(Heard(), Heard())
    await until(lambda: edge.is_open and relay.is_open)
    streams = [edge.open(Written(), Priority.INTERACTIVE) for _ in range(10)]
    before = edge.tally.packets
    for stream in streams:
        edge.write(stream, b"a token")
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    assert edge.tally.packets - before <= 2
    edge.end(), relay.end()


async def test_loss_delay_and_the_death_of_a_line_lose_no_byte() -> None:
    wires = Wires(Heard(), answers := Echoing(), lines=("a", "b"), delay=0.01, loss=0.2)
    await wires.joined()
    sink = Written()
    stream = wires.edge.open(sink, Priority.INTERACTIVE)
    sent = b""
    for number in range(150):
        piece = b"%d;" % number
        sent += piece
        wires.edge.write(stream, piece, end=number == 149)
        if number == 50:
            wires.silent.add("a")
        if number == 100:
            wires.cut("a")
        await asyncio.sleep(0.003)
    await until(lambda: sink.is_ended, 20)
    assert bytes(sink.data) == sent == bytes(answers.streams[stream].data)
    wires.end()


async def test_a_reset_silences_the_own_sink_and_tells_the_other() -> None:
    edge, relay = linked(Heard(), answers := Heard())
    await until(lambda: edge.is_open)
    sink = Written()
    stream = edge.open(sink, Priority.INTERACTIVE)
    edge.write(stream, b"x")
    await until(lambda: stream in answers.streams)
    edge.reset(stream, Code.CANCELLED, "the client left")
    await until(lambda: answers.streams[stream].over is not None)
    assert answers.streams[stream].over == (Code.CANCELLED, "the client left")
    assert sink.over is None
    edge.end(), relay.end()


async def test_an_end_tells_every_stream() -> None:
    heard = Heard()
    edge, relay = linked(heard, Heard())
    await until(lambda: edge.is_open)
    sinks = [Written(), Written()]
    for sink in sinks:
        edge.open(sink, Priority.INTERACTIVE)
    edge.end()
    assert [sink.over for sink in sinks] == [(Code.NO_ERROR, "this node ends")] * 2
    assert heard.events[-1][0] == "closed"
    edge.end()
    relay.end()


class Broken(Heard):
    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        raise RuntimeError("a fault")


async def test_a_fault_of_one_streams_user_ends_that_stream_only(caplog: pytest.LogCaptureFixture) -> None:
    edge, relay = linked(Heard(), Broken())
    await until(lambda: edge.is_open)
    sink = Written()
    stream = edge.open(sink, Priority.INTERACTIVE)
    edge.write(stream, b"x")
    await until(lambda: sink.over is not None)
    assert sink.over is not None
    assert sink.over[0] == Code.INTERNAL
    assert edge.is_open
    assert "a fault" in caplog.text
    edge.end(), relay.end()


async def test_a_drain_refuses_new_streams_and_finishes_old_ones() -> None:
    heard = Heard()
    edge, relay = linked(heard, Echoing())
    await until(lambda: edge.is_open)
    sink = Written()
    stream = edge.open(sink, Priority.INTERACTIVE)
    edge.write(stream, b"x")
    await until(lambda: bool(sink.data))
    relay.drain("a new version")
    await until(lambda: ("gone away", "a new version") in heard.events)
    assert not edge.is_open
    edge.write(stream, b"y", end=True)
    await until(lambda: sink.is_ended)
    assert bytes(sink.data) == b"xy"
    edge.end(), relay.end()


async def test_messages_arrive() -> None:
    edge, relay = linked(Heard(), answers := Heard())
    await until(lambda: edge.is_open)
    stream = edge.open(Written(), Priority.REALTIME)
    edge.write(stream, b"x")
    await until(lambda: stream in answers.streams)
    edge.message(stream, b"audio", 0.5)
    await until(lambda: answers.streams[stream].messages == [b"audio"])
    edge.end(), relay.end()


async def test_back_pressure_and_its_end() -> None:
    held = Written()
    edge, relay = linked(Heard(), Heard(held))
    await until(lambda: edge.is_open)
    sink = Written()
    stream = edge.open(sink, Priority.INTERACTIVE)
    total = 0
    while room := edge.writable(stream):
        edge.write(stream, bytes(min(room, 65_536)))
        total += min(room, 65_536)
        await asyncio.sleep(0.001)
    await until(lambda: len(held.data) == total)
    relay.consumed(stream, total)
    await until(lambda: sink.writable == 1)
    assert edge.writable(stream) > 0
    edge.end(), relay.end()


async def test_a_stalled_loop_is_no_dead_line() -> None:
    heard, answers = Heard(), Echoing()
    wires = Wires(heard, answers, lines=("a", "b"), delay=0.005)
    await wires.joined()
    sink = Written()
    stream = wires.edge.open(sink, Priority.INTERACTIVE)
    for _ in range(20):
        wires.edge.write(stream, b"token ")
        await asyncio.sleep(0.01)
    time.sleep(0.3)  # noqa: ASYNC251 - this is the stall
    for _ in range(20):
        wires.edge.write(stream, b"token ")
        await asyncio.sleep(0.01)
    await until(lambda: len(sink.data) == 240)
    assert not [event for event in heard.events + answers.events if event[0] == "suspected"]
    wires.end()
