"""transport.http2: GOAWAY, windows, late frames, floods, without a network."""

from __future__ import annotations

import pytest
from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.connection import H2ConnectionStateMachine as TheirTable
from h2.errors import ErrorCodes
from h2.events import (
    ConnectionTerminated,
    DataReceived,
    RequestReceived,
    ResponseReceived,
    StreamEnded,
    WindowUpdated,
)
from h2.exceptions import TooManyStreamsError
from hpack import Encoder

from tests.property.test_http2 import bodies, opened
from transport.http2 import CONNECTION_WINDOW, ClientProtocol, _StateMachine


def goaway(last: int, code: int = 0) -> bytes:
    return b"\0\0\x08\x07\0" + bytes(4) + last.to_bytes(4, "big") + code.to_bytes(4, "big")


def frame(kind: int, flags: int, stream: int, payload: bytes) -> bytes:
    return len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload


def test_only_two_transitions_differ_from_the_library() -> None:
    ours, theirs = _StateMachine._transitions, TheirTable._transitions
    differing = {key for key in ours if ours[key] != theirs.get(key)}
    assert differing == {
        (ConnectionState.IDLE, ConnectionInputs.RECV_GOAWAY),
        (ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY),
    }
    assert theirs[ConnectionState.CLIENT_OPEN, ConnectionInputs.RECV_GOAWAY][1] is ConnectionState.CLOSED


def test_after_goaway_streams_go_on_and_nothing_queued_is_lost() -> None:
    client, server = opened()
    client.reset_stream(5, ErrorCodes.CANCEL)
    events = client.receive(goaway(3), 0.0)
    assert isinstance(events[0], ConnectionTerminated)
    assert client.data_to_send()[3] == 3  # the RST_STREAM is still there
    server.send_headers(1, [(":status", "200")])
    server.send_data(1, b"after")
    items = client.receive(server.data_to_send(), 0.0)
    assert isinstance(items[0], ResponseReceived)
    assert bodies(items) == {1: b"after"}


def test_windows_are_announced_and_credited_in_large_steps() -> None:
    client, server = opened()
    assert server.outbound_flow_control_window == CONNECTION_WINDOW
    assert server.remote_settings.initial_window_size == 1 << 20
    assert server.remote_settings.enable_push == 0
    server.send_headers(1, [(":status", "200")])
    updates: list[WindowUpdated] = []
    for _ in range(300):
        server.send_data(1, bytes(16_000))
        client.receive(server.data_to_send(), 0.0)
        client.credit_connection(16_000)
        client.credit_stream(1, 16_000)
        updates += [event for event in server.receive_data(client.data_to_send()) if isinstance(event, WindowUpdated)]
    assert sum(event.stream_id == 0 for event in updates) == 1


def test_late_data_of_a_reset_stream_credits_the_connection_silently() -> None:
    client, server = opened()
    server.send_headers(1, [(":status", "200")])
    server.send_data(1, bytes(10_000))
    wire = server.data_to_send()
    client.reset_stream(1, ErrorCodes.CANCEL)
    client.forget(1)
    client.forget(1)
    client.data_to_send()
    client.receive(wire, 0.0)
    assert client.fault is None
    assert client._connection_due == 10_000


def test_late_data_may_not_overrun_the_connection_window() -> None:
    client = ClientProtocol(connection_window=70_000)
    client.start()
    client.start_request(b"GET", [(b":method", b"GET")], end=False)
    client.reset_stream(1)
    client.forget(1)
    client.credit_connection = lambda size: None  # type: ignore[method-assign]
    for _ in range(5):
        client.receive(b"\x00\x40\x00\x00\x00\x00\x00\x00\x01" + bytes(16_384), 0.0)
    assert client.fault is not None
    assert client.receive(b"more", 0.0) == []


def test_frames_larger_than_announced_break_the_connection_unread() -> None:
    client, _ = opened()
    client.receive(b"\xff\xff\xff\x00\x00\x00\x00\x00\x01", 0.0)
    assert client.fault == "frame too large"
    assert b"\x07" in client.data_to_send()


def test_a_flood_is_measured_over_time() -> None:
    client, _ = opened()
    ping = b"\0\0\x08\x06\0" + bytes(12)
    client.receive(ping * 1500, 0.0)
    client.receive(ping * 1500, 11.0)
    assert client.fault is None
    client.receive(ping * 1500, 12.0)
    assert client.fault == "control frame flood"


def test_limits_of_the_peer() -> None:
    client, server = opened()
    assert client.open_outbound_streams == 3
    assert not client.is_spent
    server.update_settings({3: 7})
    client.receive(server.data_to_send(), 0.0)
    assert client.max_streams == 7
    assert isinstance(server, H2Connection)


def test_large_request_heads_are_continued() -> None:
    client, server = opened()
    fields = [(b":method", b"GET"), (b":path", b"/"), (b":scheme", b"https"), (b":authority", b"a.test")]
    fields += [(b"x-%d" % number, bytes([65 + number % 26]) * 1000) for number in range(50)]
    stream = client.start_request(b"GET", fields, end=True)
    events = server.receive_data(client.data_to_send())
    assert isinstance(events[0], RequestReceived)
    assert list(events[0].headers or ()) == fields
    assert isinstance(events[1], StreamEnded)
    client.forget(stream)


def test_request_bodies_stay_within_the_windows() -> None:
    client, server = opened()
    stream = client.start_request(b"POST", [(b":method", b"POST")], end=False)
    assert client.body_room(stream) == 16_384
    for _ in range(3):
        client.send_body(stream, memoryview(bytes(16_384)), end=False)
    assert client.body_room(stream) == 65_535 - 3 * 16_384
    client.send_body(stream, memoryview(bytes(client.body_room(stream))), end=True)
    assert client.body_room(stream) == 0
    server.config.validate_inbound_headers = False
    events = server.receive_data(client.data_to_send())
    assert sum(len(event.data or b"") for event in events if isinstance(event, DataReceived)) == 65_535


def test_no_more_streams_than_allowed() -> None:
    client, server = opened()
    server.update_settings({3: 3})
    client.receive(server.data_to_send(), 0.0)
    with pytest.raises(TooManyStreamsError):
        client.start_request(b"GET", [], end=True)


def field_block(*fields: tuple[bytes, bytes]) -> bytes:
    return bytes(Encoder().encode(fields))


@pytest.mark.parametrize(
    ("frames", "fault"),
    [
        ([frame(1, 5, 1, b"\x08\x03103")], "an interim response ends the stream"),
        ([frame(1, 4, 1, b"\x88"), frame(1, 4, 1, field_block((b"a", b"b")))], "trailers don't end the stream"),
        ([frame(1, 4, 1, b"\x88"), frame(1, 4, 1, b"\x08\x03103")], "Informational response after final response"),
        ([frame(1, 4, 1, b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff")], "field section"),
        ([frame(1, 4, 1, b"\x08\x03103")] * 2001, "interim response flood"),
        ([frame(1, 0, 1, b"\x88"), frame(6, 0, 0, bytes(8))], "Invalid frame during header block"),
    ],
)
def test_breaches_of_order(frames: list[bytes], fault: str) -> None:
    client, _ = opened()
    client.receive(b"".join(frames), 0.0)
    assert client.fault is not None
    assert fault in client.fault
    client.credit_connection(CONNECTION_WINDOW)
    client.credit_stream(1, 100)


def test_a_continued_response_head_with_padding_and_priority() -> None:
    client, _ = opened()
    block = field_block((b":status", b"200"), (b"content-length", b"9"))
    wire = frame(1, 32 | 8, 1, b"\x03" + bytes(5) + block[:4] + bytes(3)) + frame(9, 4, 1, block[4:])
    items = client.receive(wire + frame(0, 9, 1, b"\x02ab" + bytes(2)), 0.0)
    response = next(item for item in items if isinstance(item, ResponseReceived))
    assert [tuple(pair) for pair in response.headers or ()] == [(b":status", b"200"), (b"content-length", b"9")]
    data = next(item for item in items if isinstance(item, DataReceived))
    assert (data.data, data.flow_controlled_length) == (b"ab", 5)
    assert client.fault is None  # the length is the reply's business


def test_a_lone_end_of_stream_and_what_comes_after_it() -> None:
    client, _ = opened()
    wire = frame(1, 4, 1, b"\x88") + frame(0, 1, 1, b"") + frame(0, 0, 1, b"late")
    items = client.receive(wire + frame(0, 0, 99, b"never opened"), 0.0)
    assert [type(item) for item in items] == [ResponseReceived, StreamEnded]
    client.credit_stream(1, 100)
    assert client.fault is not None


def test_data_before_the_head() -> None:
    client, _ = opened()
    client.receive(frame(0, 0, 1, b"early"), 0.0)
    assert client.fault == "cannot receive data before headers"


def test_a_closed_stream_gets_no_credit() -> None:
    client, _ = opened()
    client.receive(frame(1, 5, 1, b"\x88"), 0.0)
    client.data_to_send()
    client.credit_stream(1, 100)
    assert client.data_to_send() == b""
