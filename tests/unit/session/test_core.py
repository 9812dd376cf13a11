"""SessionCore: two of them over perfect, slow, silent and dead carriers."""

from __future__ import annotations

import pytest

from tests.support.session_pair import Arrivals, Pair, config
from transport.session.core import CLOSE_COPIES, SessionCore
from transport.session.frames import (
    Ack,
    Close,
    CreditFrame,
    Frame,
    Hello,
    MessageFrame,
    Offsets,
    Opening,
    ResetFrame,
    StreamFrame,
    Welcome,
)
from transport.session.scheduler import BULK_LEAVES
from transport.session.values import (
    Acked,
    CannotOpen,
    CarrierKind,
    CarrierLost,
    CarrierRelieved,
    CarrierSuspected,
    Code,
    Credit,
    Data,
    GoneAway,
    Joined,
    Limits,
    Message,
    Priority,
    Redundancy,
    Reset,
    Role,
    SessionClosed,
    SessionConfig,
    StreamOpened,
)
from transport.session.wire import decode, encode, encode_header

TALK = Priority.INTERACTIVE
PLAIN = Opening(TALK, Redundancy.STANDBY, bytes(16))


class Wire:
    """A carrier that takes `delay` seconds; `open` says in which directions packets pass. Keeps what was sent."""

    def __init__(self, delay: float = 0.05) -> None:
        self.delay = delay
        self.passes = {"up", "down"}
        self.sent: list[tuple[str, float, bytes]] = []

    def __call__(self, direction: str, packet: bytes, now: float) -> Arrivals:
        self.sent.append((direction, now, packet))
        return [(now + self.delay, packet)] if direction in self.passes else []

    def frames(self, direction: str, kind: type) -> list[tuple[float, Frame]]:
        return [
            (at, frame)
            for way, at, packet in self.sent
            if way == direction
            for frame in decode(packet)[2]
            if isinstance(frame, kind)
        ]


class Scene(Pair):
    """Keeps events per role; what arrives is consumed unless `holds`."""

    def __init__(self, *wires: Wire, edge: SessionConfig | None = None, relay: SessionConfig | None = None) -> None:
        super().__init__(edge or config("edge"), relay or config("relay"))
        self.told: dict[Role, list[object]] = {Role.EDGE: [], Role.RELAY: []}
        self.holds = False
        self.on_event = self._keep
        for number, wire in enumerate(wires, 1):
            self.join(number, wire)

    def _keep(self, core: SessionCore, event: object, now: float) -> None:
        self.told[core.role].append(event)
        if isinstance(event, Data) and not self.holds:
            core.consumed(event.stream, len(event.data), now)

    def of(self, role: Role, kind: type) -> list:
        return [event for event in self.told[role] if isinstance(event, kind)]

    def text(self, role: Role, stream: int = 1) -> bytes:
        return b"".join(event.data for event in self.of(role, Data) if event.stream == stream)

    def ask(self, data: bytes = b"ask", *, end: bool = True, **how) -> int:
        stream = self.edge.open(how.pop("priority", TALK), self.now, **how)
        self.edge.write(stream, data, self.now, end=end)
        self.flush(self.edge)
        return stream

    def reply(self, data: bytes, *, end: bool = False, stream: int = 1) -> None:
        self.relay.write(stream, data, self.now, end=end)
        self.flush(self.relay)

    def give(self, role: Role, *frames: Frame, number: int = 1000) -> None:
        """A packet that the peer never sent."""
        core = self.edge if role is Role.EDGE else self.relay
        core.receive(1, encode_header(number, True) + b"".join(encode(frame) for frame in frames), self.now)
        self.flush(core)


def closed(scene: Scene, role: Role) -> int:
    (event,) = scene.of(role, SessionClosed)
    assert scene.told[role][-1] is event
    return event.code


class TestStreams:
    def test_a_request_and_its_reply(self) -> None:
        scene = Scene(Wire())
        stream = scene.ask(b"question", request=bytes(range(16)))
        scene.run(0.06)
        assert scene.told[Role.RELAY] == [
            Joined(1, "edge"),
            StreamOpened(stream, TALK, Redundancy.STANDBY, bytes(range(16))),
            Data(stream, b"question", True),
        ]
        scene.reply(b"one ")
        scene.reply(b"two", end=True)
        scene.run(1.0)
        assert scene.text(Role.EDGE) == b"one two" and scene.of(Role.EDGE, Data)[-1].end
        assert scene.of(Role.EDGE, Acked) == [Acked(stream, 8)]
        assert scene.of(Role.EDGE, Joined) == [Joined(1, "relay")] and scene.edge.peer == "relay"
        assert scene.edge.live_streams == scene.relay.live_streams == 0
        assert scene.relay.tally.first_bytes == 7

    def test_nothing_is_repeated_on_a_good_line(self) -> None:
        scene = Scene(Wire(0.001))
        scene.ask()
        scene.run(0.5)
        scene.reply(b"x")
        scene.run(1.0)
        assert scene.relay.tally.repeated_bytes == 0

    def test_packets_carry_everything_that_isnt_acknowledged(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.ask()
        scene.run(1.0)
        for count in range(4):
            scene.reply(b"%d" % count)
            scene.run(1.0 + 0.01 * (count + 1))
        sent = [frame for at, frame in wire.frames("down", StreamFrame) if at >= 1.0]
        assert [(frame.offset, frame.data) for frame in sent][:4] == [(0, b"0"), (0, b"01"), (0, b"012"), (0, b"0123")]
        assert scene.relay.tally.bundled_bytes == 6

    def test_a_request_is_repeated_until_it_is_acknowledged(self) -> None:
        wire = Wire(0.2)
        scene = Scene(wire)
        scene.ask()
        scene.run(0.39)
        at = [round(at, 3) for at, frame in wire.frames("up", StreamFrame)]
        assert at == [0.0, 0.015, 0.045, 0.105, 0.2]
        assert all(frame.opening == PLAIN for _, frame in wire.frames("up", StreamFrame))
        scene.run(0.45)
        assert scene.text(Role.RELAY) == b"ask"

    def test_the_last_bytes_are_repeated_then_every_timeout(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.ask()
        scene.run(1.0)
        scene.reply(b"a")
        scene.run(2.0)
        wire.passes = {"up"}
        scene.reply(b"b")
        scene.run(2.75)
        at = [round(at - 2, 2) for at, _ in wire.frames("down", StreamFrame) if at >= 2.0]
        timeout = scene.relay.carriers[1].outgoing.trip.timeout
        assert at[:4] == [0.0, 0.04, 0.08, 0.16]
        assert at[4] - at[3] == pytest.approx(timeout, abs=0.02) == at[5] - at[4]
        wire.passes = {"up", "down"}
        scene.run(3.5)
        assert scene.text(Role.EDGE) == b"ab"

    def test_a_stream_opened_without_bytes(self) -> None:
        scene = Scene(Wire())
        scene.edge.open(Priority.REALTIME, 0.0, redundancy=Redundancy.HOT)
        scene.flush(scene.edge)
        scene.run(1.0)
        assert scene.of(Role.RELAY, StreamOpened) == [StreamOpened(1, Priority.REALTIME, Redundancy.HOT, bytes(16))]

    def test_an_opening_that_is_lost(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(0.5)
        wire.passes = {"down"}
        scene.edge.open(TALK, scene.now)
        scene.flush(scene.edge)
        scene.run(0.51)
        wire.passes = {"up", "down"}
        scene.run(1.0)
        assert len(scene.of(Role.RELAY, StreamOpened)) == 1

    def test_after_the_end_nothing_is_written(self) -> None:
        scene = Scene(Wire())
        stream = scene.ask(b"all")
        scene.edge.write(stream, b"more", 0.0)
        scene.edge.write(99, b"nobody", 0.0)
        scene.run(1.0)
        assert scene.text(Role.RELAY) == b"all"
        assert scene.edge.writable(99) == 0
        scene.edge.consumed(99, 5, 1.0)
        scene.edge.message(99, b"", 1.0, 1.0)
        scene.edge.reset(99, 0, "", 1.0)

    def test_several_streams_share_packets(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        for _ in range(3):
            stream = scene.edge.open(TALK, 0.0)
            scene.edge.write(stream, b"x", 0.0)
        before = len(wire.sent)
        scene.flush(scene.edge)
        assert len(wire.sent) == before + 1
        scene.run(0.06)
        assert len(scene.of(Role.RELAY, StreamOpened)) == 3

    def test_a_chunk_larger_than_a_packet(self) -> None:
        scene = Scene(Wire(), Wire())
        scene.ask(bytes(range(256)) * 40)
        scene.run(1.0)
        assert scene.text(Role.RELAY) == bytes(range(256)) * 40


class TestFlowControl:
    def test_who_does_not_consume_gets_no_more(self) -> None:
        limits = Limits(100, 65_536, 1 << 20)
        scene = Scene(Wire(), edge=config("edge", limits=limits))
        scene.holds = True
        scene.ask(end=False)
        scene.run(0.5)
        assert scene.relay.writable(1) == 65_536
        scene.reply(bytes(70_000))
        assert scene.relay.writable(1) == 0
        scene.run(3.0)
        assert len(scene.text(Role.EDGE)) == 65_536 and scene.of(Role.RELAY, Credit) == []
        scene.edge.consumed(1, 65_536, scene.now)
        scene.flush(scene.edge)
        scene.run(4.0)
        assert len(scene.text(Role.EDGE)) == 70_000
        assert scene.of(Role.RELAY, Credit) == [Credit(1)]

    def test_the_session_has_credit_of_its_own(self) -> None:
        limits = Limits(100, 1 << 20, 1 << 20)
        scene = Scene(Wire(), edge=config("edge", limits=limits))
        scene.holds = True
        for _ in range(3):
            scene.ask(end=False)
        scene.run(0.5)
        scene.reply(bytes(700_000))
        scene.run(5.0)
        assert scene.relay.writable(2) == (1 << 20) - 700_000
        scene.reply(bytes(300_000), stream=2)
        scene.run(8.0)
        left = (1 << 20) - 700_000 - len(scene.text(Role.EDGE, 2))
        assert BULK_LEAVES - 1200 < left <= BULK_LEAVES  # it is for thin streams
        while scene.relay.writable(3):
            scene.reply(bytes(min(10_000, scene.relay.writable(3))), stream=3)
            scene.run(scene.now + 0.3)
        assert len(scene.text(Role.EDGE, 3)) == left
        scene.edge.consumed(1, 700_000, scene.now)
        scene.flush(scene.edge)
        scene.run(scene.now + 1.0)
        assert len(scene.text(Role.EDGE, 2)) == 300_000
        assert scene.of(Role.RELAY, Credit) == [Credit(3)]

    def test_the_send_buffer_is_bounded(self) -> None:
        scene = Scene(relay=config("relay", send_buffer_bytes=1000), edge=config("edge"))
        stream = scene.edge.open(TALK, 0.0)
        assert scene.edge.writable(stream) == 65_536
        tight = SessionCore(Role.EDGE, config(send_buffer_bytes=1000), 0.0)
        stream = tight.open(TALK, 0.0)
        tight.write(stream, bytes(900), 0.0)
        assert tight.writable(stream) == 100

    def test_credit_for_a_stream_that_is_gone(self) -> None:
        scene = Scene(Wire())
        scene.run(0.2)
        scene.give(Role.EDGE, CreditFrame(7, 100), CreditFrame(0, 5), ResetFrame(7, 0, 0, ""), Offsets(((7, 9),)))
        stream = scene.ask(end=False)
        scene.give(Role.EDGE, Offsets(((stream, 0),)), number=1001)
        assert not scene.edge.is_closed

    @pytest.mark.parametrize(
        ("frame", "code"),
        [
            (StreamFrame(1, 1 << 23, b"x", False, PLAIN), Code.FLOW_CONTROL),
            (StreamFrame(1, 0, b"x", False, None), Code.STREAM_STATE),
            (ResetFrame(1, 0, 1 << 30, ""), Code.FLOW_CONTROL),
            (Welcome(1, "", Limits()), Code.VERSION),
            (Ack(1, 5000, 0.0, 0, 0), Code.MALFORMED),
            (Hello((1, 1), bytes(16), bytes(32), Role.EDGE, 1, "", Limits(), 0), Code.REFUSED),
            (Hello((1, 1), bytes(range(16)), bytes(32), Role.EDGE, 1, "", Limits(), 0), Code.REFUSED),
        ],
    )
    def test_breaches_close_the_session(self, frame: Frame, code: Code) -> None:
        scene = Scene(Wire())
        scene.run(0.2)
        scene.give(Role.RELAY, frame)
        assert closed(scene, Role.RELAY) == code
        scene.run(0.3)
        assert closed(scene, Role.EDGE) == code

    @pytest.mark.parametrize(
        ("frame", "code"),
        [
            (StreamFrame(1, 0, b"x", False, PLAIN), Code.STREAM_STATE),
            (Hello((1, 1), bytes(range(16)), bytes(range(32)), Role.EDGE, 1, "", Limits(), 0), Code.REFUSED),
            (Welcome(2, "", Limits()), Code.VERSION),
        ],
    )
    def test_what_only_an_edge_may_send(self, frame: Frame, code: Code) -> None:
        scene = Scene(Wire())
        scene.run(0.2)
        scene.give(Role.EDGE, frame)
        assert closed(scene, Role.EDGE) == code

    def test_offsets_of_bytes_that_were_never_sent(self) -> None:
        scene = Scene(Wire())
        scene.ask(end=False)
        scene.run(0.2)
        scene.give(Role.EDGE, Offsets(((1, 4),)))
        assert closed(scene, Role.EDGE) == Code.STREAM_STATE


class TestResets:
    def test_both_sides_forget_and_count_the_same(self) -> None:
        scene = Scene(Wire())
        scene.holds = True
        stream = scene.ask(b"x" * 500, end=False)
        scene.run(0.5)
        scene.reply(b"y" * 300)
        scene.edge.reset(stream, Code.CANCELLED, "the client left", scene.now)
        scene.flush(scene.edge)
        scene.run(1.0)
        assert scene.of(Role.RELAY, Reset) == [Reset(stream, Code.CANCELLED, "the client left")]
        assert scene.edge.live_streams == scene.relay.live_streams == 0
        for core in (scene.edge, scene.relay):
            flow = core._streams._flow
            assert flow._received == flow._consumed and not core._streams._awaited_finals
        assert scene.edge._streams._flow._received == 300

    def test_at_the_same_time(self) -> None:
        scene = Scene(Wire())
        stream = scene.ask(b"x" * 500, end=False)
        scene.run(0.5)
        for core in (scene.edge, scene.relay):
            core.reset(stream, Code.CANCELLED, "", scene.now)
            scene.flush(core)
        scene.run(1.0)
        assert scene.of(Role.RELAY, Reset) == scene.of(Role.EDGE, Reset) == []
        assert not scene.edge._streams._awaited_finals and not scene.relay._streams._awaited_finals

    def test_of_a_stream_whose_opening_never_came(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(0.2)
        wire.passes = {"down"}
        stream = scene.ask(b"x" * 500)
        scene.edge.reset(stream, Code.CANCELLED, "", scene.now)
        wire.passes = {"up", "down"}
        scene.flush(scene.edge)
        scene.run(1.0)
        assert scene.of(Role.RELAY, StreamOpened) == []
        assert scene.relay._streams._flow._received == 500
        scene.give(Role.RELAY, StreamFrame(stream, 0, b"late", False, PLAIN))
        assert scene.of(Role.RELAY, StreamOpened) == [] and not scene.relay.is_closed

    def test_of_a_stream_that_the_peer_has_ended(self) -> None:
        scene = Scene(Wire())
        stream = scene.ask()
        scene.run(0.5)
        scene.relay.reset(stream, Code.INTERNAL, "r" * 400, scene.now)
        scene.flush(scene.relay)
        scene.run(1.0)
        assert scene.of(Role.EDGE, Reset) == [Reset(stream, Code.INTERNAL, "r" * 256)]
        assert not scene.relay._streams._awaited_finals


class TestLimits:
    def test_too_many_streams(self) -> None:
        limits = Limits(100, 65_536, 1 << 20)
        scene = Scene(Wire(), relay=config("relay", limits=limits))
        scene.run(0.2)
        scene.edge._streams.peer_limits = Limits(200)
        for _ in range(101):
            scene.ask()
        scene.run(1.0)
        assert scene.of(Role.EDGE, Reset) == [Reset(101, Code.STREAM_LIMIT, "STREAM_LIMIT")]
        assert scene.relay.live_streams == 100

    def test_an_edge_keeps_to_the_limit(self) -> None:
        core = SessionCore(Role.EDGE, config(), 0.0)
        for _ in range(100):
            core.open(TALK, 0.0)
        with pytest.raises(CannotOpen) as caught:
            core.open(TALK, 0.0)
        assert caught.value.code == Code.STREAM_LIMIT

    def test_a_relay_opens_nothing(self) -> None:
        with pytest.raises(CannotOpen):
            SessionCore(Role.RELAY, config(), 0.0).open(TALK, 0.0)

    def test_draining(self) -> None:
        scene = Scene(Wire())
        scene.ask(end=False)
        scene.run(0.2)
        scene.relay.drain("maintenance", scene.now)
        scene.ask()
        scene.flush(scene.relay)
        scene.run(0.5)
        assert scene.of(Role.EDGE, GoneAway) == [GoneAway(1, Code.DRAINING, "maintenance")]
        assert scene.of(Role.EDGE, Reset) == [Reset(2, Code.DRAINING, "DRAINING")]
        assert scene.edge.is_draining
        with pytest.raises(CannotOpen):
            scene.edge.open(TALK, scene.now)
        scene.reply(b"goes on")
        scene.run(1.0)
        assert scene.text(Role.EDGE) == b"goes on"

    def test_settings_that_are_refused(self) -> None:
        with pytest.raises(ValueError, match="16 bytes"):
            SessionConfig(b"", bytes(32))
        with pytest.raises(ValueError, match="64 bytes"):
            config("n" * 65)
        with pytest.raises(ValueError, match="every node grants"):
            config(limits=Limits(1))
        core = SessionCore(Role.EDGE, config(), 0.0)
        with pytest.raises(ValueError):
            core.carrier_up(1, CarrierKind.QUIC, "a", 1099, 0.0)
        with pytest.raises(ValueError):
            core.carrier_resized(1, 1099, 0.0)


class TestCarriers:
    def test_requests_and_first_bytes_go_over_two(self) -> None:
        one, two = Wire(), Wire(0.08)
        scene = Scene(one, two)
        scene.run(0.5)
        scene.ask(b"ask")
        assert one.frames("up", StreamFrame)[-1][1] == two.frames("up", StreamFrame)[-1][1]
        scene.run(1.0)
        scene.reply(b"first")
        scene.run(1.5)
        before = len(two.frames("down", StreamFrame))
        scene.reply(b"second")
        scene.run(2.0)
        assert len(two.frames("down", StreamFrame)) == before
        assert scene.text(Role.EDGE) == b"firstsecond"

    def test_hot_streams_go_over_two_always_and_single_ones_over_one(self) -> None:
        one, two = Wire(), Wire(0.08)
        scene = Scene(one, two)
        scene.run(0.5)
        scene.ask(redundancy=Redundancy.HOT)
        scene.ask(redundancy=Redundancy.SINGLE)
        scene.run(1.0)
        assert {frame.stream for _, frame in two.frames("up", StreamFrame)} == {1}
        scene.reply(b"a")
        scene.run(2.0)
        before = len(two.frames("down", StreamFrame))
        scene.reply(b"b")
        assert len(two.frames("down", StreamFrame)) == before + 1
        assert scene.relay.tally.copied_bytes > 0

    def test_loss_makes_standby_hot(self) -> None:
        one, two = Wire(), Wire(0.3)
        scene = Scene(one, two)
        scene.ask()
        scene.run(1.0)
        scene.reply(b"a")
        scene.run(2.0)
        scene.relay.carriers[1].outgoing.losses.recent = 0.05
        scene.relay._scheduler.changed()
        before = len(two.frames("down", StreamFrame))
        scene.reply(b"b")
        assert len(two.frames("down", StreamFrame)) == before + 1

    def test_a_silent_carrier_is_suspected_and_relieved(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask()
        scene.run(1.0)
        scene.reply(b"a")
        scene.run(2.0)
        one.passes = set()
        scene.reply(b"b")
        scene.run(2.25)
        assert scene.of(Role.RELAY, CarrierSuspected) == [CarrierSuspected(1, "line1")]
        assert scene.of(Role.EDGE, CarrierSuspected) == [CarrierSuspected(1, "line1")]
        assert scene.text(Role.EDGE) == b"ab"
        scene.run(3.5)
        before = len(one.frames("down", StreamFrame))
        scene.reply(b"c")
        assert len(one.frames("down", StreamFrame)) == before
        scene.run(3.7)
        one.passes = {"up", "down"}
        scene.run(4.5)
        (relieved,) = scene.of(Role.RELAY, CarrierRelieved)
        assert relieved.carrier == 1 and 1.5 < relieved.seconds < 1.8
        assert scene.text(Role.EDGE) == b"abc" and scene.relay.tally.suspicions == 1

    def test_acks_of_a_suspected_carrier_come_over_another(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask()
        scene.run(1.0)
        one.passes = {"down"}
        scene.run(2.0)
        assert any(frame.carrier == 1 for at, frame in two.frames("up", Ack) if at > 1.5)
        assert scene.relay.carriers[1].outgoing.acked_at > 1.8

    def test_when_all_are_silent_none_is_suspected(self) -> None:
        one, two = Wire(), Wire()
        scene = Scene(one, two)
        scene.ask()
        scene.run(1.0)
        one.passes = two.passes = set()
        scene.reply(b"a")
        scene.run(2.0)
        one.passes = two.passes = {"up", "down"}
        scene.run(3.0)
        assert scene.of(Role.RELAY, CarrierSuspected) == []
        assert scene.text(Role.EDGE) == b"a"

    def test_a_single_carrier_that_comes_back_gets_everything_again(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.ask()
        scene.run(1.0)
        wire.passes = set()
        for count in range(100):
            scene.reply(b"%02d" % count * 20)
            scene.run(1.0 + count * 0.02)
        wire.passes = {"up", "down"}
        scene.run(3.3)
        assert len(scene.text(Role.EDGE)) == 4000

    def test_standing_still_is_no_ones_fault(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask(end=False)
        scene.run(1.0)
        core = scene.edge
        core.timer()
        core.receive(2, encode_header(500, False), 1.6)
        core.handle_timer(1.6)
        assert core.tally.stalls == 1 and core.tally.suspicions == 0
        core.handle_timer(1.61, lag=0.5)
        assert core.tally.stalls == 2

    def test_tls_repeats_nothing_over_itself(self) -> None:
        wire = Wire(0.15)
        scene = Scene()
        scene.join(1, wire, kind=CarrierKind.TLS)
        scene.ask()
        scene.run(1.0)
        scene.reply(b"a")
        scene.run(1.1)
        scene.reply(b"b")
        scene.run(1.2)
        assert [frame.data for at, frame in wire.frames("down", StreamFrame)] == [b"a", b"b"]
        scene.run(3.0)
        assert scene.text(Role.EDGE) == b"ab"

    def test_a_narrow_budget_sheds_copies_not_first_bytes(self) -> None:
        one, two = Wire(), Wire()
        relay = config("relay", rates={"line1": 2000.0, "line2": 2000.0})
        scene = Scene(one, two, relay=relay)
        scene.ask(redundancy=Redundancy.HOT)
        scene.run(1.0)
        for count in range(60):
            scene.reply(b"x" * 100)
            scene.run(1.0 + count * 0.02)
        scene.run(4.0)
        assert len(scene.text(Role.EDGE)) == 6000
        assert scene.relay.tally.bundled_bytes < 3000

    def test_the_edge_tells_the_relay_a_budget(self) -> None:
        scene = Scene(Wire(), edge=config("edge", rates={"line1": 5000.0}))
        scene.run(0.2)
        assert scene.relay.carriers[1].rate == 5000.0

    def test_heartbeats_only_while_there_is_something_to_lose(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(3.0)
        before = len(wire.sent)
        scene.run(5.0)
        assert len(wire.sent) - before <= 10
        scene.ask(end=False)
        scene.run(6.0)
        before = len(wire.sent)
        scene.run(7.0)
        assert 70 < len(wire.sent) - before < 180

    def test_a_carrier_that_nobody_answers(self) -> None:
        wire = Wire()
        wire.passes = {"up"}
        scene = Scene(wire)
        scene.run(1.0)
        assert len(wire.frames("up", Hello)) > 10
        assert scene.edge.carriers[1].is_confirmed is False

    def test_packets_follow_the_paths_mtu(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(1.0)
        scene.edge.carrier_resized(1, 1400, 1.0)
        scene.edge.carrier_resized(7, 1400, 1.0)
        scene.ask(bytes(5000))
        assert 1300 < max(len(packet) for _, _, packet in wire.sent) <= 1400

    def test_one_of_two_ends(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask()
        scene.run(1.0)
        scene.reply(b"a")
        scene.run(2.0)
        one.passes = set()
        scene.reply(b"b")
        scene.leave(1)
        scene.run(2.1)
        assert scene.text(Role.EDGE) == b"ab"
        assert scene.of(Role.RELAY, CarrierLost) == [CarrierLost(1, "line1", 1)]

    def test_a_lost_control_frame_comes_again(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        stream = scene.ask(end=False)
        scene.run(1.0)
        wire.passes = {"down"}
        scene.edge.reset(stream, Code.CANCELLED, "", scene.now)
        scene.flush(scene.edge)
        wire.passes = {"up", "down"}
        scene.run(1.5)
        assert len(scene.of(Role.RELAY, Reset)) == 1

    def test_a_packet_is_lost_when_its_time_is_over(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.ask()
        scene.run(1.0)
        wire.passes = {"up"}
        scene.reply(b"a")
        wire.passes = {"up", "down"}
        scene.run(1.005)
        scene.reply(b"b")
        scene.run(1.3)
        assert scene.relay.carriers[1].outgoing.loss_ratio > 0
        assert scene.text(Role.EDGE) == b"ab"

    def test_packets_come_twice_or_for_nobody(self) -> None:
        scene = Scene(Wire())
        scene.give(Role.EDGE, number=0)
        scene.give(Role.EDGE, number=0)
        assert scene.edge.tally.duplicate_packets == 1
        scene.edge.receive(9, b"", 0.0)
        scene.give(Role.EDGE, Ack(9, 0, 0.0, 0, 0), number=1)
        scene.edge.carrier_down(9, 0.0)


class TestResume:
    def test_everything_is_there_when_a_carrier_comes_back(self) -> None:
        scene = Scene(Wire())
        scene.ask()
        scene.run(1.0)
        scene.reply(b"before ")
        scene.run(2.0)
        scene.offers[1].passes = set()  # type: ignore[attr-defined]
        scene.reply(b"meanwhile ")
        scene.run(2.1)
        scene.leave(1)
        assert scene.of(Role.EDGE, CarrierLost) == [CarrierLost(1, "line1", 0)]
        scene.reply(b"alone ", end=True)
        scene.run(10.0)
        wire = Wire()
        scene.join(2, wire)
        scene.run(11.0)
        assert scene.text(Role.EDGE) == b"before meanwhile alone "
        assert [frame.received for _, frame in wire.frames("up", Offsets)] == [((1, 7),)]
        assert scene.edge.live_streams == scene.relay.live_streams == 0

    def test_offsets_acknowledge_what_acks_did_not(self) -> None:
        scene = Scene(Wire())
        scene.ask(end=False)
        scene.run(1.0)
        scene.offers[1].passes = {"down"}  # type: ignore[attr-defined]
        scene.reply(b"arrives")
        scene.run(1.06)
        assert scene.text(Role.EDGE) == b"arrives"
        scene.leave(1)
        scene.join(2, wire := Wire())
        scene.run(1.2)
        scene.reply(b"!")
        assert [frame.data for _, frame in wire.frames("down", StreamFrame)][-1] == b"!"

    def test_not_forever(self) -> None:
        scene = Scene(Wire(), edge=config("edge", linger=5.0), relay=config("relay", linger=5.0))
        scene.ask()
        scene.run(1.0)
        scene.leave(1)
        scene.edge.handle_timer(2.0)
        assert not scene.edge.is_closed and scene.edge.packets(2.0) == []
        scene.run(6.1)
        assert closed(scene, Role.EDGE) == closed(scene, Role.RELAY) == Code.EXPIRED
        assert scene.edge.timer() is None and scene.edge.packets(7.0) == []


class TestEnd:
    def test_close_is_told_a_few_times(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.ask()
        scene.run(1.0)
        scene.edge.close(Code.NO_ERROR, "bye", scene.now)
        scene.edge.close(Code.INTERNAL, "again", scene.now)
        scene.flush(scene.edge)
        scene.edge.handle_timer(scene.now)
        assert scene.edge.packets(scene.now) == []
        scene.run(2.0)
        assert len(wire.frames("up", Close)) == CLOSE_COPIES
        assert scene.of(Role.RELAY, SessionClosed) == [SessionClosed(0, "bye")]
        assert closed(scene, Role.EDGE) == 0 and scene.edge.timer() is None
        with pytest.raises(CannotOpen):
            scene.edge.open(TALK, 2.0)


class TestMessages:
    def test_across_a_session(self) -> None:
        scene = Scene(Wire(), Wire())
        stream = scene.ask(end=False)
        scene.run(0.5)
        scene.edge.message(stream, b"hello", 0.2, scene.now)
        scene.relay.message(stream, bytes(3000), 0.2, scene.now)
        scene.flush(scene.edge)
        scene.flush(scene.relay)
        scene.run(1.0)
        assert scene.of(Role.RELAY, Message) == [Message(stream, b"hello")]
        assert scene.of(Role.EDGE, Message) == [Message(stream, bytes(3000))]

    def test_lost_ones_are_sent_again_while_in_time(self) -> None:
        wire = Wire(0.02)
        scene = Scene(wire)
        stream = scene.ask(end=False)
        scene.run(0.5)
        wire.passes = {"down"}
        scene.edge.message(stream, b"lost", 0.3, scene.now)
        scene.edge.message(stream, b"late", 0.03, scene.now)
        scene.flush(scene.edge)
        scene.run(0.51)
        wire.passes = {"up", "down"}
        scene.run(1.0)
        assert scene.of(Role.RELAY, Message) == [Message(stream, b"lost")]
        assert scene.edge.tally.late_messages == 1

    def test_for_a_stream_that_is_gone(self) -> None:
        scene = Scene(Wire())
        scene.run(0.2)
        scene.give(Role.RELAY, MessageFrame(9, 1, 0, 1, 0, 100, b""))
        assert not scene.relay.is_closed


class TestBulk:
    def test_is_paced_and_spread_and_behind_tokens(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask(end=False)
        scene.run(0.5)
        scene.ask(bytes(300_000), priority=Priority.BATCH)
        assert len(scene.text(Role.RELAY, 2)) == 0
        for count in range(50):
            scene.edge.write(1, b"token", scene.now)
            scene.flush(scene.edge)
            scene.run(0.5 + count * 0.02)
        scene.run(3.0)
        assert len(scene.text(Role.RELAY, 2)) == 300_000
        for wire in (one, two):
            assert sum(len(frame.data) for _, frame in wire.frames("up", StreamFrame) if frame.stream == 2) > 50_000
        assert scene.text(Role.RELAY, 1) == b"ask" + b"token" * 50

    def test_its_last_bytes_go_once_more(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(0.5)
        scene.ask(bytes(600_000), priority=Priority.BATCH)
        scene.run(4.0)
        frames = [frame for _, frame in wire.frames("up", StreamFrame) if frame.stream == 1]
        assert len(scene.text(Role.RELAY)) == 600_000
        again = scene.edge.tally.resent_bytes
        assert 20_000 < again <= 262_144
        assert sum(len(frame.data) for frame in frames) == 600_000 + again

    def test_a_lost_end_is_repeated(self) -> None:
        wire = Wire()
        scene = Scene(wire)
        scene.run(0.2)
        wire.passes = {"down"}
        scene.ask(b"all of it", priority=Priority.BATCH)
        scene.edge.message(1, b"x", 1.0, scene.now)
        scene.run(0.3)
        wire.passes = {"up", "down"}
        scene.run(2.0)
        assert scene.text(Role.RELAY) == b"all of it" and scene.relay._streams.live[1].into.is_done

    def test_not_over_suspected_carriers(self) -> None:
        one, two = Wire(), Wire(0.06)
        scene = Scene(one, two)
        scene.ask(end=False)
        scene.run(1.0)
        one.passes = set()
        scene.run(1.5)
        before = len(one.frames("up", StreamFrame))
        scene.ask(bytes(30_000), priority=Priority.BATCH)
        scene.run(1.6)
        later = [frame for _, frame in one.frames("up", StreamFrame)[before:] if frame.stream == 2]
        assert all(frame.offset == 0 for frame in later)
        scene.run(4.0)
        assert len(scene.text(Role.RELAY, 2)) == 30_000


def test_time_without_anything_to_do() -> None:
    core = SessionCore(Role.EDGE, config(linger=7.0), 0.0)
    assert core.timer() == 7.0 and core.packets(0.0) == [] and core.events() == []
