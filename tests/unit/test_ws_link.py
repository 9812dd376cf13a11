"""The link between two WebSockets, driven with bytes and a clock of the test's."""

from __future__ import annotations

import pytest
from websockets.client import ClientProtocol
from websockets.frames import Close, Frame, Opcode
from websockets.protocol import OPEN
from websockets.server import ServerProtocol
from websockets.uri import parse_uri

from edge.serve.ws_link import CLOSE_SECONDS, LegState, Party, WebSocketLink, closing

URI = parse_uri("ws://a/")


class Scene:
    """A link and the two peers at its ends."""

    def __init__(self, ping_seconds: float = 20.0) -> None:
        self.link = WebSocketLink(ServerProtocol(state=OPEN), ClientProtocol(URI, state=OPEN), 0.0, ping_seconds)
        self.client = ClientProtocol(URI, state=OPEN)
        self.upstream = ServerProtocol(state=OPEN)

    def move(self, now: float = 0.0) -> None:
        """Carries what is waiting, in both directions, until nothing moves."""
        for _ in range(4):
            for data in self.client.data_to_send():
                self.link.from_client(data, now) if data else self.link.client_ended(now)
            for data in self.upstream.data_to_send():
                self.link.from_upstream(data, now) if data else self.link.upstream_ended(now)
            if data := self.link.client.take_output():
                self.client.receive_data(data)
            if data := self.link.upstream.take_output():
                self.upstream.receive_data(data)


def test_a_fragmented_message_and_a_close_cross() -> None:
    scene = Scene()
    scene.client.send_text(b"a", fin=False)
    scene.client.send_continuation(b"b", fin=True)
    scene.upstream.send_binary(b"c")
    scene.client.send_ping(b"p")
    scene.move()
    scene.client.send_close(4000, "x")
    scene.move()
    assert scene.upstream.close_rcvd == Close(4000, "x")
    summary = scene.link.summary()
    assert (summary.closed_by, summary.client_code, summary.upstream_code) == (Party.CLIENT, 4000, 4000)
    assert (summary.messages_up, summary.bytes_up, summary.messages_down, summary.bytes_down) == (1, 2, 1, 1)
    assert scene.link.is_over


def test_a_lost_upstream_gives_1011_and_a_lost_client_1001() -> None:
    scene = Scene()
    scene.link.upstream_ended(1.0, "é" * 100)
    scene.move(1.0)
    assert scene.client.close_rcvd is not None
    assert scene.client.close_rcvd.code == 1011
    scene = Scene()
    scene.link.client_gone(1.0)
    scene.move(1.0)
    assert scene.upstream.close_rcvd == Close(1001, "the client went away")
    assert scene.link.client.receive(b"x", 1.0) == []
    scene.link.client.receive_eof(1.0)
    assert scene.link.client.state is LegState.DEAD


@pytest.mark.parametrize("party", list(Party)[:2])
def test_silence_is_pinged_and_then_given_up(party: Party) -> None:
    scene = Scene(ping_seconds=10.0)
    leg = scene.link.client if party is Party.CLIENT else scene.link.upstream
    scene.link.tick(9.0)
    assert leg.take_output() == b""
    scene.link.tick(12.0, client_reading=False, upstream_reading=False)
    assert leg.take_output() == b""
    scene.link.tick(22.0)
    scene.move(22.0)
    scene.link.tick(31.0)
    assert leg.state is LegState.OPEN
    only = {"client_reading": party is Party.CLIENT, "upstream_reading": party is Party.UPSTREAM}
    scene.link.tick(33.0, **only)
    assert leg.take_output()
    scene.link.tick(43.0, **only)
    assert leg.state is LegState.DEAD
    scene.link.tick(44.0)


def test_a_close_that_is_not_answered_ends_after_a_while() -> None:
    scene = Scene()
    scene.link.close(1012, "restart", 1.0)
    scene.link.close(1012, "again", 2.0)
    assert not scene.link.is_over
    scene.link.tick(1.0 + CLOSE_SECONDS)
    assert not scene.link.is_over
    scene.link.tick(1.1 + CLOSE_SECONDS)
    assert scene.link.is_over
    assert scene.link.summary().closed_by is Party.EDGE


def test_faults_are_told_to_the_other_side() -> None:
    scene = Scene()
    scene.link.from_client(b"\xff\xff", 0.0)
    scene.move()
    assert scene.upstream.close_rcvd is not None
    assert scene.upstream.close_rcvd.code == 1001
    scene = Scene()
    scene.link.from_upstream(b"\xff\xff", 0.0)
    scene.move()
    assert scene.client.close_rcvd is not None
    assert scene.client.close_rcvd.code == 1011
    scene = Scene()
    scene.client.send_binary(bytes(2**20 + 1))
    scene.move()
    assert scene.upstream.close_rcvd is not None
    assert scene.upstream.close_rcvd.code == 1009


def test_a_slow_peer_is_owed_only_the_last_pong() -> None:
    scene = Scene()
    scene.link.client.is_slow = True
    for i in range(5):
        scene.client.send_ping(b"%d" % i)
    scene.link.from_client(b"".join(scene.client.data_to_send()), 0.0)
    assert scene.link.client.take_output() == b"\x8a\x014"


def test_a_close_without_code_has_none_to_pass() -> None:
    assert closing(Close(1005, "")) == (None, "")
    assert closing(Close(1000, "r")) == (1000, "r")


def test_after_its_loss_a_side_hears_and_says_nothing_more() -> None:
    scene = Scene()
    scene.link.client_gone(1.0)
    scene.link.client_ended(2.0)
    scene.link.client_gone(3.0)
    scene.move(3.0)
    assert scene.upstream.close_rcvd is not None
    assert scene.upstream.close_rcvd.code == 1001


def test_what_comes_for_a_side_that_is_closing_is_dropped() -> None:
    scene = Scene()
    scene.client.send_close(1000, "done")
    scene.move()
    scene.link.client_ended(1.0)
    scene.link.upstream.pass_on(Frame(Opcode.TEXT, b"late"), 1.0)
    assert scene.link.upstream.take_output() == b""
    assert scene.link.is_over
