"""Two session cores over carriers that lose, reorder, duplicate and corrupt, fall silent, die and come back.

Whatever happens: every byte of every stream arrives exactly once and in order, both sides forget finished streams, and
messages are never late, repeated or out of order.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from random import Random

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.session_pair import Arrivals, Pair, config
from transport.session.core import SessionCore
from transport.session.values import (
    CarrierKind,
    Code,
    Data,
    Limits,
    Message,
    Priority,
    Redundancy,
    Reset,
    Role,
    SessionClosed,
    StreamOpened,
)

CHAOS_ENDS = 4.0
PATIENCE = 40.0
LIFETIME = 0.15


@dataclass
class BadLine:
    """A seeded line; a corrupted packet is one that its carrier's AEAD drops."""

    seed: int
    loss: float
    one_way: float
    holes: list[tuple[str, float, float]] = field(default_factory=list)

    def __post_init__(self) -> None:
        self._random = Random(self.seed)
        self.is_mild = False

    def __call__(self, direction: str, packet: bytes, now: float) -> Arrivals:
        draw = self._random.random
        in_hole = any(way in (direction, "both") and start <= now < end for way, start, end in self.holes)
        corrupted = draw() < 0.02
        if draw() < min(self.loss, 0.2 if self.is_mild else 1) or corrupted or (in_hole and not self.is_mild):
            return []
        at = now + self.one_way + draw() * 0.01 + (0.08 if draw() < 0.05 else 0.0)
        return [(at, packet)] + ([(at + draw() * 0.05, packet)] if draw() < 0.05 else [])


holes = st.lists(
    st.tuples(st.sampled_from(["up", "down", "both"]), st.floats(0, 3), st.floats(0.05, 3)).map(
        lambda hole: (hole[0], hole[1], hole[1] + hole[2])
    ),
    max_size=2,
)
lines = st.builds(BadLine, st.integers(0, 9999), st.sampled_from([0, 0.02, 0.1, 0.4, 1]), st.floats(0.001, 0.15), holes)
changes = st.lists(st.tuples(st.floats(0.1, 3.5), st.sampled_from(["down", "up"]), st.integers(1, 3)), max_size=5)
writes = st.lists(st.tuples(st.floats(0, 2), st.sampled_from([0, 1, 30, 300, 2000, 40_000])), min_size=1, max_size=6)
streams = st.lists(
    st.tuples(st.floats(0, 2), st.sampled_from(list(Priority)), st.sampled_from(list(Redundancy)), writes, writes),
    min_size=1,
    max_size=4,
)


class Application:
    """Writes what `plan` says at both ends, and keeps what comes, by (writer, stream)."""

    def __init__(self, pair: Pair, plan) -> None:
        self.pair = pair
        self.written: dict[tuple[Role, int], bytes] = {}
        self.received: dict[tuple[Role, int], bytes] = {}
        self.ended: set[tuple[Role, int]] = set()
        self.closed: list[SessionClosed] = []
        self._plans: dict[int, list[tuple[float, int]]] = {}
        pair.on_event = self.told
        for start, priority, redundancy, up, down in plan:
            pair.later(start, lambda p=priority, r=redundancy, u=up, d=down: self.begin(p, r, u, d))

    def begin(self, priority: Priority, redundancy: Redundancy, up, down) -> None:
        stream = self.pair.edge.open(priority, self.pair.now, redundancy=redundancy)
        self._plans[stream] = down
        self.write_all(self.pair.edge, stream, up)

    def write_all(self, core: SessionCore, stream: int, plan) -> None:
        self.written[core.role, stream] = b""
        ordered = sorted(plan)
        for index, (after, size) in enumerate(ordered):
            self.pair.later(
                self.pair.now + after,
                lambda size=size, index=index: self.write(core, stream, size, index == len(ordered) - 1),
            )

    def write(self, core: SessionCore, stream: int, size: int, end: bool) -> None:
        data = Random(f"{core.role} {stream} {len(self.written[core.role, stream])}").randbytes(size)
        self.written[core.role, stream] += data
        core.write(stream, data, self.pair.now, end=end)
        self.pair.flush(core)

    def told(self, core: SessionCore, event: object, now: float) -> None:
        match event:
            case Data(stream, data, end):
                key = (Role(1 - core.role), stream)
                assert key not in self.ended
                self.received[key] = self.received.get(key, b"") + data
                core.consumed(stream, len(data), now)
                if end:
                    self.ended.add(key)
            case StreamOpened(stream):
                self.write_all(core, stream, self._plans[stream])
            case Reset() | SessionClosed():
                self.closed.append(event)


@settings(max_examples=60, deadline=None)
@given(st.lists(lines, min_size=1, max_size=3), changes, streams, st.booleans())
def test_every_byte_arrives_once_and_in_order(bad_lines, changes, streams, small_windows) -> None:
    limits = Limits(100, 65_536, 1 << 20) if small_windows else Limits()
    pair = Pair(config("edge", limits=limits, linger=60.0))
    application = Application(pair, streams)
    numbers = {}
    count = 0

    def up(index: int) -> None:
        nonlocal count
        if index <= len(bad_lines) and index not in numbers:
            count += 1
            numbers[index] = count
            kind = CarrierKind.TLS if index == 3 else CarrierKind.QUIC
            pair.join(count, bad_lines[index - 1], f"line{index}", kind)

    def down(index: int) -> None:
        if index in numbers:
            pair.leave(numbers.pop(index))

    for index in range(1, len(bad_lines) + 1):
        up(index)
    for at, change, index in changes:
        pair.later(at, lambda change=change, index=index: up(index) if change == "up" else down(index))
    pair.run(CHAOS_ENDS)
    for line in bad_lines:
        line.is_mild = True
    up(1)
    pair.run(CHAOS_ENDS + PATIENCE)
    assert application.closed == []
    assert application.received == application.written
    assert application.ended == set(application.written)
    assert pair.edge.live_streams == pair.relay.live_streams == 0
    for core in (pair.edge, pair.relay):
        assert len(core._streams.control) == 0
        assert len(core._streams._gone) == 1
        assert all(len(carrier.outgoing.outstanding) < 100 for carrier in core.carriers.values())


@settings(max_examples=30, deadline=None)
@given(st.integers(0, 9999), st.sampled_from([0.0, 0.1, 0.3]), st.integers(1, 2500))
def test_messages_are_in_order_in_time_and_told_once(seed: int, loss: float, size: int) -> None:
    pair = Pair()
    line = BadLine(seed, loss, 0.05)
    pair.join(1, line)
    pair.join(2, BadLine(seed + 1, loss, 0.06))
    told: list[tuple[int, float]] = []

    def on_event(core: SessionCore, event: object, now: float) -> None:
        if isinstance(event, Message):
            told.append((int.from_bytes(event.data[:2]), now))

    pair.on_event = on_event
    stream = pair.edge.open(Priority.REALTIME, 0.0, redundancy=Redundancy.HOT)
    sent: dict[int, float] = {}

    def speak(number: int) -> None:
        sent[number] = pair.now
        pair.edge.message(stream, number.to_bytes(2) + bytes(size), LIFETIME, pair.now)
        pair.flush(pair.edge)

    for number in range(100):
        pair.later(1 + number * 0.02, lambda number=number: speak(number))
    pair.run(10.0)
    numbers = [number for number, _ in told]
    assert numbers == sorted(set(numbers))
    assert all(at - sent[number] <= 0.05 + 0.02 + LIFETIME + 0.03 for number, at in told)
    assert len(numbers) > 60 or loss > 0.1


@settings(max_examples=40, deadline=None)
@given(st.integers(0, 9999), st.lists(st.tuples(st.integers(0, 400), st.integers(0, 255)), min_size=1, max_size=20))
def test_packets_changed_on_the_way_never_raise(seed: int, flips: list[tuple[int, int]]) -> None:
    """A carrier's cryptography prevents this; without it the session may close, with a code that says why."""
    pair = Pair()
    random = Random(seed)
    closed: list[int] = []

    def on_event(core: SessionCore, event: object, now: float) -> None:
        if isinstance(event, SessionClosed):
            closed.append(event.code)
        if isinstance(event, StreamOpened):
            core.write(event.stream, b"reply" * 100, now, end=True)

    def offer(direction: str, packet: bytes, now: float) -> Arrivals:
        changed = bytearray(packet)
        if random.random() < 0.3:
            for at, value in flips:
                changed[at % len(changed)] ^= value
        return [(now + 0.05, bytes(changed))]

    pair.on_event = on_event
    pair.join(1, offer)
    stream = pair.edge.open(Priority.INTERACTIVE, 0.0)
    pair.edge.write(stream, b"request" * 100, 0.0, end=True)
    pair.flush(pair.edge)
    pair.run(3.0)
    assert all(Code(code) for code in closed if code in set(Code))
