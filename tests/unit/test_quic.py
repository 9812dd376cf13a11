"""transport.http3 without a network: windows that slide and stand still, GOAWAY, malformed messages."""

from __future__ import annotations

from pathlib import Path

import pytest
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, encode_frame
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection

from tests.support.certificates import certificates
from transport import congestion
from transport.http3 import STREAM_WINDOW, Http3, Quic

CLIENT, SERVER = ("192.0.2.1", 1), ("192.0.2.2", 2)
REQUEST = [(b":method", b"GET"), (b":scheme", b"https"), (b":authority", b"localhost"), (b":path", b"/")]


class Pair:
    """A client and a server that exchange every datagram at once, on a clock of their own."""

    def __init__(self, directory: Path, control: str = "reno") -> None:
        made = certificates(directory)
        ours = QuicConfiguration(alpn_protocols=["h3"], cafile=made.authority, server_name="localhost",
                                 max_data=1 << 24, max_stream_data=STREAM_WINDOW,
                                 congestion_control_algorithm=control)  # fmt: skip
        theirs = QuicConfiguration(alpn_protocols=["h3"], is_client=False)
        theirs.load_cert_chain(made.chain, made.key)
        self.now = 1.0
        self.client = Quic(configuration=ours)
        self.client.connect(SERVER, now=self.now)
        self.server = QuicConnection(
            configuration=theirs, original_destination_connection_id=self.client.original_destination_connection_id
        )
        self.http = Http3(self.client)
        self.events: list[H3Event] = []
        self.run()
        self.their_http = H3Connection(self.server)
        self.run()

    def run(self, turns: int = 400) -> None:
        quiet = 0
        for _ in range(turns):
            self.now += 0.01
            outward = self.client.datagrams_to_send(now=self.now)
            for data, _ in outward:
                self.server.receive_datagram(data, CLIENT, now=self.now)
            inward = self.server.datagrams_to_send(now=self.now)
            for data, _ in inward:
                self.client.receive_datagram(data, SERVER, now=self.now)
            while event := self.client.next_event():
                self.events += self.http.handle_event(event)
            for side in (self.client, self.server):
                if (timer := side.get_timer()) is not None and timer <= self.now:
                    side.handle_timer(now=self.now)
            quiet = 0 if outward or inward else quiet + 1
            if quiet > 20:
                return

    def ask(self) -> int:
        stream = self.client.get_next_available_stream_id()
        self.http.send_headers(stream, REQUEST, end_stream=True)
        self.run()
        return stream

    def answer(self, stream: int, size: int, *, end: bool = True) -> None:
        self.their_http.send_headers(stream, [(b":status", b"200")])
        self.their_http.send_data(stream, bytes(size), end)
        self.run()

    def received(self, stream: int) -> int:
        return sum(len(event.data) for event in self.events if isinstance(event, DataReceived)
                   and event.stream_id == stream)  # fmt: skip


@pytest.fixture
def pair(tmp_path: Path) -> Pair:
    return Pair(tmp_path)


def test_the_window_slides_and_stands_still(pair: Pair) -> None:
    stream = pair.ask()
    pair.client.paused.add(stream)
    pair.answer(stream, 3_000_000)
    assert STREAM_WINDOW - 100 < pair.received(stream) <= STREAM_WINDOW
    pair.client.paused.clear()
    pair.run(2000)
    assert pair.received(stream) == 3_000_000
    assert pair.client._streams.get(stream) is None


def test_limits_and_measurements(pair: Pair) -> None:
    assert pair.client.stream_limit == 128
    assert pair.client.streams_left == 128
    assert not pair.client.may_send_early
    pair.ask()
    assert pair.client.streams_left == 127
    assert 0 < pair.client.round_trip < 1
    assert pair.client.ending is None


def test_what_can_be_sent(pair: Pair) -> None:
    stream = pair.client.get_next_available_stream_id()
    assert not pair.client.can_send(stream)
    pair.http.send_headers(stream, REQUEST)
    assert pair.client.can_send(stream)
    assert pair.client.unsent(stream) > 0
    pair.run()
    assert (pair.client.unsent(stream), pair.client.unsent(999)) == (0, 0)
    pair.client.abandon(stream, ErrorCode.H3_REQUEST_CANCELLED)
    assert not pair.client.can_send(stream)
    pair.run()
    pair.client.abandon(996, ErrorCode.H3_REQUEST_CANCELLED)


def test_abandoning_a_received_stream_stops_only_sending(pair: Pair) -> None:
    stream = pair.client.get_next_available_stream_id()
    pair.http.send_headers(stream, REQUEST)
    pair.run()
    pair.answer(stream, 10)
    pair.client.abandon(stream, ErrorCode.H3_NO_ERROR)
    pair.run()
    assert stream not in pair.client._streams


def test_goaway_only_lowers(pair: Pair) -> None:
    control = pair.their_http._local_control_stream_id
    assert control is not None
    for stream_id, expected in ((16, 16), (8, 8), (12, 8)):
        pair.server.send_stream_data(control, encode_frame(FrameType.GOAWAY, bytes((stream_id,))))
        pair.run()
        assert pair.http.goaway == expected
    pair.server.send_stream_data(control, encode_frame(FrameType.GOAWAY, b""))
    pair.run()
    assert pair.http.is_broken
    assert pair.client.ending is not None
    assert not pair.client.is_ended_by_peer


def test_a_malformed_message_costs_its_stream(pair: Pair) -> None:
    first, second = pair.ask(), pair.ask()
    pair.their_http.send_headers(first, [(b"x", b"y")])
    pair.answer(second, 5)
    assert [stream for stream, _ in pair.http.take_malformed()] == [first]
    assert pair.http.take_malformed() == []
    pair.http.forget(first)
    assert pair.received(second) == 5
    assert any(isinstance(event, HeadersReceived) for event in pair.events)
    assert not pair.http.is_broken


def test_an_endless_head_breaks_the_connection(pair: Pair) -> None:
    stream = pair.ask()
    pair.server.send_stream_data(stream, b"\x01\x80\x7f\xff\xff" + bytes(600_000))
    pair.run(600)
    assert pair.http.is_broken


def test_recovery_tells_round_trip_packets_and_silence(tmp_path: Path) -> None:
    congestion.register()
    pair = Pair(tmp_path, congestion.NAME)
    before = pair.client.reading(pair.now)
    assert before.srtt > 0
    assert before.segments > 0
    assert (before.unacked, before.waiting_for, before.retransmits) == (0, 0.0, 0)
    pair.client.send_ping(0)
    assert pair.client.datagrams_to_send(now=pair.now)  # and it never arrives
    waiting = pair.client.reading(pair.now + 0.5)
    assert waiting.unacked == 1
    assert waiting.waiting_for == pytest.approx(0.5)
    assert waiting.segments == before.segments + 1
    for _ in range(3):
        pair.client.send_ping(0)
        pair.run()
    assert pair.client.reading(pair.now).retransmits == 1


def test_without_our_congestion_control_packets_arent_counted(tmp_path: Path) -> None:
    reading = Pair(tmp_path).client.reading(0.0)
    assert (reading.segments, reading.retransmits, reading.delivery_rate_bps) == (0, 0, 0.0)
    assert reading.srtt > 0


def test_a_connection_that_has_begun_nothing_has_nothing_to_tell() -> None:
    reading = Quic(configuration=QuicConfiguration()).reading(7.0)
    assert (reading.srtt, reading.unacked, reading.heard_ago, reading.waiting_for) == (0.0, 0, 0.0, 0.0)
