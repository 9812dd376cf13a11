"""transport.session.qlog: what a core does, as records that qlog tools read."""

from __future__ import annotations

import json
from typing import Any

import pytest

from tests.unit.session.test_core import Scene, Wire
from transport.session.frames import Ack, Close, CreditFrame, MessageFrame, ResetFrame, StreamFrame, Welcome
from transport.session.qlog import AlreadyTapped, Tap, Trace, Vantage, acked, frame_data
from transport.session.values import Code, Limits

OFFSET = 1_700_000_000.0


def trace(size: int = 1 << 20) -> Trace:
    return Trace(Vantage("edge", is_client=True), OFFSET, size)


def records(text: bytes) -> list[dict[str, Any]]:
    """As RFC 7464 has it: RS before each, LF behind."""
    first, *found = text.split(b"\x1e")
    assert first == b"" and all(each.endswith(b"\n") for each in found)
    return [json.loads(each) for each in found]


def check(found: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """The fields that the schema requires, of the file and of each event; returns the events."""
    head, *events = found
    assert (head["qlog_format"], head["qlog_version"]) == ("JSON-SEQ", "0.3")
    assert head["trace"]["vantage_point"]["type"] in ("client", "server", "network", "unknown")
    assert head["trace"]["common_fields"]["time_format"] in ("absolute", "delta", "relative")
    for event in events:
        assert isinstance(event["time"], float | int) and isinstance(event["data"], dict)
        category, _, name = event["name"].partition(":")
        assert category and name and isinstance(event["group_id"], str)
        if name in ("packet_sent", "packet_received"):
            assert event["data"]["header"]["packet_type"] == "1RTT"
            assert event["data"]["header"]["packet_number"] >= 0
            assert event["data"]["raw"]["length"] > 0
            assert all(isinstance(frame["frame_type"], str) for frame in event["data"]["frames"])
    assert [event["time"] for event in events] == sorted(event["time"] for event in events)
    return events


def named(events: list[dict[str, Any]], name: str) -> list[dict[str, Any]]:
    return [event for event in events if event["name"] == name]


def test_a_session_with_losses_suspicion_and_an_end() -> None:
    one, two = Wire(), Wire(0.06)
    scene = Scene(one, two)
    seen = trace()
    tap = Tap(seen, scene.relay, "0")
    with pytest.raises(AlreadyTapped):
        Tap(seen, scene.relay, "1")
    scene.ask(b"secret question")
    scene.run(1.0)
    scene.reply(b"secret answer")
    scene.run(2.0)
    one.passes = set()
    scene.run(2.5)
    one.passes = {"up", "down"}
    scene.reply(b"more")
    scene.run(4.0)
    one.passes = two.passes = set()
    scene.run(4.5)
    one.passes = two.passes = {"up", "down"}
    scene.run(5.0)
    scene.relay.receive(1, b"\x00garbage", scene.now)
    scene.flush(scene.relay)
    scene.leave(2)
    tap.remove()
    tap.remove()
    before = seen.events
    scene.run(6.0)
    events = check(records(seen.text()))
    assert len(events) == before == seen.events and not seen.is_cut
    assert b"secret" not in seen.text()
    names = {event["name"] for event in events}
    assert names >= {
        "transport:packet_sent", "transport:packet_received", "transport:packet_dropped", "recovery:packet_lost",
        "recovery:metrics_updated", "session:carrier_joined", "session:carrier_suspected", "session:carrier_relieved",
        "session:carrier_down", "session:all_silent", "session:closed",
    }  # fmt: skip
    assert {event["group_id"] for event in named(events, "recovery:packet_lost")} >= {"0:line1:datagram:1"}
    sent = named(events, "transport:packet_sent")
    kinds = {frame["frame_type"] for event in sent for frame in event["data"]["frames"]}
    assert kinds >= {"stream", "ack", "ping"}
    assert 1000 * OFFSET <= events[0]["time"] < 1000 * (OFFSET + 1)


def test_carriers_that_end_and_come() -> None:
    scene = Scene(Wire(), Wire())
    seen = trace()
    Tap(seen, scene.edge, "0")
    scene.ask()
    scene.run(1.0)
    scene.leave(2)
    scene.edge.receive(7, b"", scene.now)
    events = check(records(seen.text()))
    (lost,) = named(events, "session:carrier_lost")
    assert lost["data"] == {"line": "line2", "left": 1}
    assert events[-1]["group_id"] == "0:gone:7"


def test_a_full_trace_says_so_once() -> None:
    scene = Scene(Wire())
    seen = trace(2000)
    Tap(seen, scene.edge, "0")
    scene.ask()
    scene.run(2.0)
    assert seen.is_cut and len(seen.text()) < 2200
    events = check(records(seen.text()))
    assert events[-1]["name"] == "session:trace_cut" and len(named(events, "session:trace_cut")) == 1


def test_frames_are_numbers_and_lengths() -> None:
    ack = Ack(2, 10, 0.004, 1, 0b101)
    assert acked(ack) == {10, 9, 7, 5} and acked(Ack(1, 0, 0.0, 1, 0)) == {0, 0xFFFF_FFFF}
    assert frame_data(ack) == {
        "frame_type": "ack", "ack_delay": 4.0, "acked_ranges": [[5, 5], [7, 7], [9, 10]], "carrier": 2
    }  # fmt: skip
    told = [
        frame_data(frame)
        for frame in (
            StreamFrame(1, 5, b"abc", True, None), CreditFrame(0, 9), CreditFrame(4, 9), ResetFrame(1, 10, 3, "why"),
            Close(Code.EXPIRED, "late"), MessageFrame(1, 2, 0, 1, 0, 0, b"ab"), Welcome(1, "name", Limits()),
        )
    ]  # fmt: skip
    assert [each["frame_type"] for each in told] == [
        "stream", "max_data", "max_stream_data", "reset_stream", "connection_close", "datagram", "unknown",
    ]  # fmt: skip
    assert "name" not in str(told[-1]["frame_type"]) and told[-1]["name"] == "welcome"
