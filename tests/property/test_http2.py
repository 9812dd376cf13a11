"""transport.http2 under any bytes and any cutting: same meaning, never an exception, accounts that add up."""

from __future__ import annotations

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import StreamEnded
from hypothesis import given, settings
from hypothesis import strategies as st

from transport.http2 import ClientProtocol, Item
from transport.message import RequestHead
from transport.reply import request_fields

STREAMS = (1, 3, 5)


def opened() -> tuple[ClientProtocol, H2Connection]:
    """A client with three requests under way, and its server."""
    client = ClientProtocol()
    client.start()
    server = H2Connection(H2Configuration(client_side=False, header_encoding=None))
    server.initiate_connection()
    for stream in STREAMS:
        assert (
            client.start_request(b"GET", request_fields(RequestHead(b"GET", b"/", b"a.test", [])), end=True) == stream
        )
    server.receive_data(client.data_to_send())
    client.receive(server.data_to_send(), 0.0)
    server.receive_data(client.data_to_send())
    return client, server


def bodies(items: list[Item]) -> dict[int, bytes]:
    found: dict[int, bytes] = {}
    for item in items:
        if isinstance(item, tuple):
            found[item[0]] = found.get(item[0], b"") + item[1]
    return found


frames = st.builds(
    lambda kind, flags, stream, payload: (
        len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream.to_bytes(4, "big") + payload
    ),
    st.integers(0, 12),
    st.sampled_from([0, 1, 4, 5, 8, 9, 32, 255]),
    st.sampled_from([0, 1, 2, 3, 5, 7, 99]),
    st.binary(max_size=40),
)


@settings(max_examples=150, deadline=None)
@given(st.lists(st.one_of(frames, st.binary(max_size=30)), max_size=12))
def test_never_raises(chunks: list[bytes]) -> None:
    client, _ = opened()
    for number, chunk in enumerate(chunks):
        client.receive(chunk, float(number))
        client.credit_connection(100)
        client.credit_stream(1, 100)
        client.data_to_send()
        if client.is_broken:
            assert client.fault
            return


@settings(max_examples=60, deadline=None)
@given(
    st.lists(st.tuples(st.sampled_from(STREAMS), st.integers(1, 3000), st.integers(0, 20)), max_size=20),
    st.lists(st.integers(1, 500), min_size=1, max_size=20),
)
def test_data_survives_any_cutting(writes: list[tuple[int, int, int]], cuts: list[int]) -> None:
    client, server = opened()
    expected: dict[int, bytes] = {}
    padded = 0
    for stream in STREAMS:
        server.send_headers(stream, [(":status", "200")])
    for number, (stream, size, padding) in enumerate(writes):
        data = bytes((number,)) * size
        server.send_data(stream, data, pad_length=padding or None)
        if padding:
            padded += size
        else:
            expected[stream] = expected.get(stream, b"") + data
    server.end_stream(1)
    wire = server.data_to_send()
    items: list[Item] = []
    position = 0
    while position < len(wire):
        cut = cuts[len(items) % len(cuts)]
        items += client.receive(wire[position : position + cut], 0.0)
        position += cut
    assert client.fault is None
    assert bodies(items) == expected
    assert any(isinstance(item, StreamEnded) for item in items)
    used = sum(size + (padding + 1 if padding else 0) for _, size, padding in writes)
    before = 16 << 20
    assert client.inbound_flow_control_window == before - used
