"""What a core sends again, how much of it, and what shares packets."""

from __future__ import annotations

import pytest

from tests.unit.session.test_core import Scene, Wire
from transport.session.core import SessionCore
from transport.session.frames import StreamFrame
from transport.session.scheduler import COVER_EVERY
from transport.session.values import Redundancy


def know(core: SessionCore, packets: int = 100_000) -> None:
    """Its lines are known to lose nothing."""
    for carrier in core.carriers.values():
        carrier.outgoing.losses.arrived(packets, 0.0)


def tokens(scene: Scene, count: int, every: float) -> None:
    for _ in range(count):
        scene.run(scene.now + every)
        scene.reply(b"token ")


def sizes(wire: Wire, since: float) -> list[int]:
    return [len(frame.data) for at, frame in wire.frames("down", StreamFrame) if at > since]


def test_what_comes_thick_shares_packets() -> None:
    wire = Wire()
    scene = Scene(wire)
    scene.ask()
    scene.run(1.0)
    scene.reply(b"at once ")
    assert len(wire.frames("down", StreamFrame)) == 1
    scene.reply(b"a ")
    scene.reply(b"b ")
    assert len(wire.frames("down", StreamFrame)) == 1
    scene.run(1.01)
    assert sizes(wire, 1.0) == [12]
    assert scene.relay.timer() > 1.01
    scene.run(1.2)
    assert scene.text(scene.edge.role) == b"at once a b "


def test_over_one_line_frames_hold_everything() -> None:
    wire = Wire()
    scene = Scene(wire)
    scene.ask()
    scene.run(0.5)
    know(scene.relay)
    tokens(scene, 10, 0.02)
    assert max(sizes(wire, 0.5)) == 6 * 6  # 108 ms


def test_over_two_good_lines_frames_hold_little_and_now_and_then_everything() -> None:
    one, two = Wire(0.1), Wire(0.1)
    scene = Scene(one, two)
    scene.ask(redundancy=Redundancy.HOT)
    scene.run(0.5)
    know(scene.relay)
    tokens(scene, 40, 0.02)
    scene.run(2.0)
    last = sizes(one, 0.9)[:20]
    assert last == sizes(two, 0.9)[:20]
    assert min(last) == 12 and sum(size > 50 for size in last) <= 0.4 / COVER_EVERY + 1
    assert scene.text(scene.edge.role) == b"token " * 40


def test_over_two_unknown_lines_frames_reach_back() -> None:
    one, two = Wire(0.1), Wire(0.1)
    scene = Scene(one, two)
    scene.ask(redundancy=Redundancy.HOT)
    scene.run(0.5)
    tokens(scene, 10, 0.02)
    assert min(sizes(one, 0.6)) >= 5 * 6


def test_quick_repeats_end_when_nothing_can_be_lost() -> None:
    one, two = Wire(0.1), Wire(0.1)
    scene = Scene(one, two)
    scene.ask(redundancy=Redundancy.HOT)
    scene.run(0.5)
    know(scene.relay)
    scene.reply(b"first")
    scene.run(0.69)
    assert len(sizes(one, 0.4)) == 2  # at once and after 15 ms


def test_a_hot_stream_with_one_line_left_echoes() -> None:
    one, two = Wire(), Wire(0.06)
    scene = Scene(one, two)
    scene.ask(redundancy=Redundancy.HOT)
    scene.run(1.0)
    tokens(scene, 5, 0.02)
    one.passes = set()
    tokens(scene, 15, 0.02)
    assert scene.relay.tally.suspicions == 1
    began = scene.now
    scene.reply(b"token ")
    scene.run(began + 0.019)
    assert len(sizes(two, began - 1e-9)) >= 2
    scene.run(2.0)
    assert scene.text(scene.edge.role) == b"token " * 21


def lose(core: SessionCore, packets: int, every: int) -> None:
    """Its lines are known to have lost one of so many packets, each alone."""
    for carrier in core.carriers.values():
        for number in range(0, packets, every):
            carrier.outgoing.losses.arrived(every - 1, 0.0)
            carrier.outgoing.losses.lost(number, 0.0, 0.0)


@pytest.mark.parametrize(
    ("redundancy", "every", "goes_twice"),
    [
        (Redundancy.STANDBY, 20, True),
        (Redundancy.HOT, 20, True),
        (Redundancy.SINGLE, 20, False),
        (Redundancy.STANDBY, 200, False),
    ],
)
def test_with_one_line_that_loses_single_packets_new_bytes_come_twice(
    redundancy: Redundancy, every: int, goes_twice: bool
) -> None:
    wire = Wire(0.1)
    scene = Scene(wire)
    scene.ask(redundancy=redundancy)
    scene.run(0.5)
    scene.reply(b"first ")
    scene.run(1.0)
    lose(scene.relay, 20_000, every)
    tokens(scene, 3, 0.02)
    scene.run(scene.now + 0.019)
    assert sizes(wire, 1.0) == ([6, 6, 12, 6, 18, 6] if goes_twice else [6, 12, 18])
    scene.run(2.0)
    assert scene.text(scene.edge.role) == b"first " + b"token " * 3


def test_with_one_line_that_loses_bursts_nothing_goes_twice_so_soon() -> None:
    wire = Wire(0.1)
    scene = Scene(wire)
    scene.ask()
    scene.run(0.5)
    scene.reply(b"first ")
    scene.run(1.0)
    for carrier in scene.relay.carriers.values():
        for number in range(1000):
            carrier.outgoing.losses.lost(number, number * 0.001, 0.0)
    began = scene.now
    scene.reply(b"token ")
    scene.run(began + 0.014)
    assert len(sizes(wire, began - 1e-9)) == 1


def test_with_all_lines_in_doubt_frames_hold_everything() -> None:
    one, two = Wire(), Wire(0.06)
    scene = Scene(one, two)
    scene.ask(redundancy=Redundancy.HOT)
    scene.run(1.0)
    for carrier in scene.relay.carriers.values():
        carrier.suspect(1.0)
    tokens(scene, 4, 0.003)
    assert max(sizes(one, 1.0)) == 24
