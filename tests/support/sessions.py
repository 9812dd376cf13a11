"""Sessions in memory, for tests of what uses them: real drivers and cores, whose packets cross the event loop.

edge, relay = linked(listener_edge, listener_relay)     a session over one line, joined in a few turns of the loop

wires = Wires(listener_edge, listener_relay, lines=("a", "b"), delay=0.02, loss=0.05)
await wires.joined(); wires.cut("a"); wires.join("a"); …; wires.end()

End what you begin: `wires.end()`, or `end` of both drivers (or close one and wait a moment).
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from itertools import count
from random import Random

from transport.session.aio.endpoint import SessionDriver
from transport.session.core import SessionCore
from transport.session.live import LiveSession, SessionListener, StreamSink
from transport.session.values import CarrierKind, Role, SessionConfig, StreamOpened
from transport.session.wire import find_hello

SESSION, TOKEN = bytes(range(16)), bytes(range(32))


class Wires:
    """`edge` and `relay` are the drivers. `delay` seconds one way; `loss` of the packets, drawn with `seed`.

    A line in `silent` swallows everything, which nobody tells the sessions.
    """

    def __init__(
        self,
        listener_edge: SessionListener,
        listener_relay: SessionListener,
        *,
        lines: Sequence[str] = ("line",),
        delay: float = 0.0,
        loss: float = 0.0,
        seed: int = 1,
        kind: CarrierKind = CarrierKind.QUIC,
        **settings,
    ) -> None:
        self.delay, self.loss, self.kind = delay, loss, kind
        self.silent: set[str] = set()
        self.ended: list[SessionDriver] = []
        self.numbers: dict[str, int] = {}
        self._random = Random(seed)
        self._fresh = count(1)
        self._loop = asyncio.get_running_loop()
        now = self._loop.time()
        edge = SessionConfig(SESSION, TOKEN, "edge", **settings)
        relay = SessionConfig(SESSION, TOKEN, "relay", **settings)
        self.edge = SessionDriver(SessionCore(Role.EDGE, edge, now), "relay", listener_edge, self.ended.append)
        self.relay = SessionDriver(SessionCore(Role.RELAY, relay, now), "edge", listener_relay, self.ended.append)
        for line in lines:
            self.join(line)

    def join(self, line: str) -> None:
        """A new carrier over the line."""
        number = self.numbers[line] = next(self._fresh)
        self.edge.attach(number, _End(self, number, line, self.relay))

    def cut(self, line: str) -> None:
        """The line's carrier ends, and both sides know it."""
        number = self.numbers.pop(line)
        self.edge.detach(number)
        self.relay.detach(number)

    async def joined(self) -> None:
        """Both sides have confirmed every carrier."""
        async with asyncio.timeout(10):
            while not all(len(side._confirmed) == len(self.numbers) for side in (self.edge, self.relay)):
                await asyncio.sleep(0.001)

    def end(self) -> None:
        self.edge.end()
        self.relay.end()

    def carry(self, number: int, line: str, to: SessionDriver, packet: bytes) -> None:
        if line in self.silent or self._random.random() < self.loss:
            return
        if self.delay:
            self._loop.call_later(self.delay, self._arrive, number, line, to, packet)
        else:
            self._loop.call_soon(self._arrive, number, line, to, packet)

    def _arrive(self, number: int, line: str, to: SessionDriver, packet: bytes) -> None:
        if self.numbers.get(line) != number or to in self.ended:
            return
        if to is self.relay and number not in to.carriers:
            if find_hello(packet) is None:
                return
            to.attach(number, _End(self, number, line, self.edge))
        to.receive(number, packet)


class _End:
    """One side's end of a carrier."""

    max_packet = 1200

    def __init__(self, wires: Wires, number: int, line: str, to: SessionDriver) -> None:
        self.kind = wires.kind
        self.line = line
        self._wires, self._number, self._to = wires, number, to

    def send(self, packets: Sequence[bytes]) -> None:
        for packet in packets:
            self._wires.carry(self._number, self.line, self._to, packet)

    def release(self) -> None:
        return


def linked(listener_edge: SessionListener, listener_relay: SessionListener) -> tuple[SessionDriver, SessionDriver]:
    """An edge's session and its relay's, over one line without loss or delay. `is_open` after a few turns."""
    wires = Wires(listener_edge, listener_relay)
    return wires.edge, wires.relay


class Heard(SessionListener):
    """A listener that writes down what it hears. `sinks`: what `on_stream` answers, in turn; else a `Written`."""

    def __init__(self, *sinks: StreamSink) -> None:
        self.events: list[tuple[object, ...]] = []
        self.streams: dict[int, StreamSink] = {}
        self._sinks = list(sinks)

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        sink = self._sinks.pop(0) if self._sinks else Written(session, opened.stream)
        self.streams[opened.stream] = sink
        return sink

    def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
        self.events.append(("joined", carrier, line))

    def on_suspected(self, session: LiveSession, line: str) -> None:
        self.events.append(("suspected", line))

    def on_relieved(self, session: LiveSession, line: str, seconds: float) -> None:
        self.events.append(("relieved", line))

    def on_carrier_lost(self, session: LiveSession, line: str, left: int) -> None:
        self.events.append(("lost", line, left))

    def on_gone_away(self, session: LiveSession, reason: str) -> None:
        self.events.append(("gone away", reason))

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        self.events.append(("closed", code, reason))


class Written(StreamSink):
    """A sink that keeps what it gets. With `session` it consumes at once; `echo`: and writes it back."""

    def __init__(self, session: LiveSession | None = None, stream: int = 0, *, echo: bool = False) -> None:
        self.session, self.stream, self.echo = session, stream, echo
        self.data = bytearray()
        self.messages: list[bytes] = []
        self.is_ended = self.is_acked = False
        self.over: tuple[int, str] | None = None
        self.writable = 0

    def on_data(self, data: bytes, end: bool) -> None:
        self.data += data
        self.is_ended = end
        if self.session is not None:
            self.session.consumed(self.stream, len(data))
            if self.echo:
                self.session.write(self.stream, data, end=end)

    def on_message(self, data: bytes) -> None:
        self.messages.append(data)

    def on_writable(self) -> None:
        self.writable += 1

    def on_acked(self) -> None:
        self.is_acked = True

    def on_over(self, code: int, reason: str) -> None:
        assert self.over is None
        self.over = (code, reason)
