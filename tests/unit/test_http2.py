"""transport.http2: GOAWAY, windows, late frames, floods, without a network."""

from __future__ import annotations

from h2.connection import ConnectionInputs, ConnectionState, H2Connection
from h2.connection import H2ConnectionStateMachine as TheirTable
from h2.errors import ErrorCodes
from h2.events import ConnectionTerminated, ResponseReceived, WindowUpdated

from tests.property.test_http2 import bodies, opened
from transport.http2 import CONNECTION_WINDOW, ClientProtocol, _StateMachine


def goaway(last: int, code: int = 0) -> bytes:
    return b"\0\0\x08\x07\0" + bytes(4) + last.to_bytes(4, "big") + code.to_bytes(4, "big")


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
