"""What carriers count of their lines: every byte of a packet once, by cause."""

from __future__ import annotations

from tests.support.session_pair import WRAPPING_BYTES
from tests.unit.session.test_core import Scene, Wire
from transport.session import core
from transport.session.traffic import UNDERNEATH, Traffic, added, since
from transport.session.values import CarrierKind, Redundancy, Role


def over(*lines: str) -> Scene:
    scene = Scene()
    for number, line in enumerate(lines, 1):
        scene.join(number, Wire(), line)
    return scene


def test_the_parts_add_up() -> None:
    traffic = Traffic(sent=1000, first=100, bundled=200, resent=50, repeated=25, copied=300, idle=125)
    traffic.received, traffic.fresh, traffic.again = 500, 200, 100
    assert traffic.causes() == {
        "up": {
            "first": 100, "bundle": 200, "resend": 50, "repeat": 25, "copy": 300, "heartbeat": 125, "framing": 200,
        },
        "down": {"first": 200, "again": 100, "framing": 200},
    }  # fmt: skip


def test_sums_and_differences() -> None:
    one, other = Traffic(sent=10, first=3, again=1), Traffic(sent=5, fresh=7)
    assert added((one, other)) == Traffic(sent=15, first=3, fresh=7, again=1)
    assert added(()) == Traffic()
    assert since({"a": added((one, other)), "b": one}, {"a": one}) == {"a": other, "b": one}


def test_one_line_carries_first_copies() -> None:
    scene = over("cn2")
    scene.ask(b"question")
    scene.run(0.5)
    scene.reply(b"one two", end=True)
    scene.run(1.0)
    edge, relay = scene.edge.traffic["cn2"], scene.relay.traffic["cn2"]
    assert (edge.first, edge.fresh, edge.copied) == (8, 7, 0)
    assert (relay.first, relay.fresh) == (7, 8)
    assert edge.idle > 0 and edge.sent == sum(edge.causes()["up"].values())
    assert 0 < edge.received <= relay.sent
    packets = scene.sent_packets["down"]
    own = scene.sent_bytes["down"] - packets * WRAPPING_BYTES
    assert relay.sent == own + packets * UNDERNEATH[CarrierKind.QUIC]


def test_the_second_line_carries_copies() -> None:
    scene = over("cn2", "cu2")
    scene.run(0.5)
    stream = scene.ask(b"question", redundancy=Redundancy.HOT)
    scene.run(1.0)
    for _ in range(20):
        scene.reply(b"token ", stream=stream)
        scene.run(scene.now + 0.02)
    scene.reply(b"", end=True, stream=stream)
    scene.run(scene.now + 1.0)
    sent = scene.relay.traffic.values()
    assert sum(each.first for each in sent) == scene.relay.tally.first_bytes == 120
    assert sum(each.copied for each in sent) == scene.relay.tally.copied_bytes > 0
    assert sum(each.bundled for each in sent) == scene.relay.tally.bundled_bytes > 0
    assert sum(each.repeated for each in sent) == scene.relay.tally.repeated_bytes
    came = scene.edge.traffic.values()
    assert sum(each.fresh for each in came) == 120
    assert sum(each.again for each in came) > 120
    assert scene.text(Role.EDGE, stream) == b"token " * 20


def test_what_was_lost_is_sent_again_and_counted() -> None:
    wire = Wire()
    scene = Scene()
    scene.join(1, wire, "cn2")
    scene.ask()
    scene.run(0.5)
    wire.passes = {"up"}
    scene.reply(b"lost", end=True)
    scene.run(0.6)
    wire.passes = {"up", "down"}
    scene.run(3.0)
    traffic = scene.relay.traffic["cn2"]
    assert scene.text(Role.EDGE) == b"lost"
    assert traffic.resent + traffic.repeated + traffic.bundled > 0
    assert traffic.resent == scene.relay.tally.resent_bytes


def test_counts_outlive_carriers_and_names_have_an_end() -> None:
    scene = over("cn2")
    scene.run(0.3)
    before = scene.edge.traffic["cn2"].sent
    scene.edge.carrier_down(1, scene.now)
    scene.join(2, Wire(), "cn2")
    scene.run(0.6)
    assert scene.edge.traffic["cn2"].sent > before > 0
    for number in range(3, core.MOST_LINES + 5):
        scene.edge.carrier_up(number, CarrierKind.QUIC, f"line{number}", 1150, scene.now)
    assert len(scene.edge.traffic) == core.MOST_LINES
