"""HTTP/3 (RFC 9114) on aioquic, on the same port number."""

from __future__ import annotations

import asyncio
from typing import Any, cast

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import QuicServer
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, encode_frame
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import NetworkAddress
from aioquic.quic.events import ConnectionTerminated, ProtocolNegotiated, QuicEvent, StopSendingReceived, StreamReset

from netem.provider.aio.node import Node
from netem.provider.aio.player import Player
from netem.provider.reply import Headers
from netem.provider.request import Body, Request
from netem.provider.script import HEAD_PARTS, Act


class Datagrams(QuicServer):
    """QUIC's UDP socket: datagrams from and to the dark are lost."""

    def __init__(self, node: Node, **rest: Any) -> None:
        super().__init__(**rest)
        self._node = node

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        filtered = Filtered(cast(asyncio.DatagramTransport, transport), self._node)
        super().connection_made(cast(asyncio.BaseTransport, filtered))

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        if not self._node.access.is_dark(addr[0]) and not self._node.access.is_reset(addr[0]):
            super().datagram_received(data, addr)


class Filtered:
    """A datagram transport that drops what goes to the dark."""

    def __init__(self, transport: asyncio.DatagramTransport, node: Node) -> None:
        self._transport = transport
        self._node = node

    def sendto(self, data: bytes, addr: NetworkAddress) -> None:
        if not self._node.access.is_dark(addr[0]):
            self._transport.sendto(data, addr)

    def close(self) -> None:
        self._transport.close()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._transport, name)


class H3(QuicConnectionProtocol):
    """One QUIC connection."""

    def __init__(self, *args: Any, node: Node, secure_number: int, **rest: Any) -> None:
        super().__init__(*args, **rest)
        self.node = node
        self.number = secure_number
        self.source = ""
        self.h3: H3Connection | None = None
        self._streams: dict[int, Stream3] = {}
        self._dirty = False
        self._leaving = False

    def datagram_received(self, data: bytes | str, addr: NetworkAddress) -> None:
        self.source = str(addr[0])
        super().datagram_received(data, addr)

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self.h3 = H3Connection(self._quic)
        elif isinstance(event, ConnectionTerminated):
            streams, self._streams = self._streams, {}
            for stream in streams.values():
                stream.cancel(self.node.time())
        elif isinstance(event, StreamReset | StopSendingReceived) and event.stream_id in self._streams:
            self._streams.pop(event.stream_id).cancel(self.node.time())
        if self.h3 is not None:
            for each in self.h3.handle_event(event):
                self._event(each)

    def _event(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            given = tuple((name.decode(), value.decode("latin-1")) for name, value in event.headers)
            self._streams[event.stream_id] = Stream3(self, event.stream_id, given)
        stream = self._streams.get(getattr(event, "stream_id", -1))
        if stream is None:
            return
        if isinstance(event, DataReceived):
            stream.body.feed(event.data)
        if getattr(event, "stream_ended", False):
            stream.start()

    # for the streams

    def send_soon(self) -> None:
        """What is sent in one turn of the loop shares datagrams."""
        if not self._dirty:
            self._dirty = True
            self.node.loop.call_soon(self._send)

    def _send(self) -> None:
        self._dirty = False
        self.transmit()

    def forget(self, sid: int) -> None:
        self._streams.pop(sid, None)
        self.send_soon()
        if self._leaving and not self._streams:
            self.node.loop.call_later(0.05, self.close)  # after the last stream's bytes have left

    def goaway(self, sid: int) -> None:
        """GOAWAY names the first stream that won't be served (RFC 9114 §5.2). aioquic has no call for it."""
        assert self.h3 is not None
        control = cast(int, self.h3._local_control_stream_id)
        self._quic.send_stream_data(control, encode_frame(FrameType.GOAWAY, encode_uint_var(sid)))
        self._leaving = True
        self.send_soon()

    def reset_stream(self, sid: int, code: int) -> None:
        self._quic.reset_stream(sid, code)
        self.forget(sid)

    def break_off(self, code: int) -> None:
        self._quic.close(error_code=code)
        self.send_soon()


class Stream3:
    """One request and its reply."""

    def __init__(self, connection: H3, sid: int, headers: tuple[tuple[str, str], ...]) -> None:
        self._connection = connection
        self._sid = sid
        self._headers = headers
        self._player: Player | None = None
        self._bodiless = False
        self.body = Body()
        fields = dict(headers)
        fault = connection.node.app.early(fields, connection.source, fields.get(":path", ""))
        self._is_deaf = bool(fault)
        if fault == "reset_upload":
            connection._quic.stop_stream(sid, ErrorCode.H3_INTERNAL_ERROR)
            self.fault(Act.RST_STREAM)

    def start(self) -> None:
        """The request is whole."""
        if self._is_deaf or self._player is not None:
            return
        fields, connection = dict(self._headers), self._connection
        request = Request(
            fields.get(":method", "GET"),
            fields.get(":path", "/"),
            self._headers,
            self.body.kept(),
            self.body.length,
            self.body.sha256(),
            "h3",
            True,
        )
        self._bodiless = request.method == "HEAD"
        self._player = connection.node.play(request, self, connection.source, connection.number)
        self._player.start(connection.node.time())

    def cancel(self, now: float) -> None:
        if self._player is not None:
            self._player.cancel(now)

    # Sink

    def is_blocked(self) -> bool:
        return False  # aioquic keeps what the peer's windows hold back

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        fields = [(b":status", b"%d" % status), *((n.encode(), v.encode("latin-1")) for n, v in headers)]
        if length is not None:
            fields.append((b"content-length", b"%d" % length))
        assert self._connection.h3 is not None
        self._connection.h3.send_headers(self._sid, fields)
        self._connection.send_soon()

    def head_part(self, status: int, headers: Headers, length: int | None, part: int) -> None:
        if part == HEAD_PARTS - 1:
            self.head(status, headers, length)

    def data(self, data: bytes) -> None:
        if data and not self._bodiless:
            self._send(data, end=False)

    def end(self) -> None:
        self._send(b"", end=True)
        self._connection.forget(self._sid)

    def goaway(self) -> None:
        self._connection.goaway(self._sid + 4)

    def fault(self, act: Act) -> None:
        if act is Act.REFUSE:
            self._connection.reset_stream(self._sid, ErrorCode.H3_REQUEST_REJECTED)
        elif act is Act.GOAWAY_HARD:
            self._connection.goaway(self._sid)
            self._connection.break_off(ErrorCode.H3_NO_ERROR)
        elif act is Act.HALF_CLOSE:  # QUIC has no such thing for a connection: the stream just never ends
            pass
        elif act is Act.RST_STREAM:
            self._connection.reset_stream(self._sid, ErrorCode.H3_INTERNAL_ERROR)
        else:
            self._connection.break_off(ErrorCode.H3_INTERNAL_ERROR)

    def _send(self, data: bytes, end: bool) -> None:
        assert self._connection.h3 is not None
        self._connection.h3.send_data(self._sid, data, end)
        self._connection.send_soon()


async def listen(node: Node, host: str, port: int, cert: str, key: str) -> QuicServer:
    """Serve HTTP/3. `close()` the result.

    Raises:
        OSError: the UDP port is taken.
    """
    configuration = QuicConfiguration(is_client=False, alpn_protocols=["h3"], max_datagram_size=1350)
    configuration.load_cert_chain(cert, key)

    def create(*args: Any, **rest: Any) -> H3:
        return H3(*args, node=node, secure_number=node.app.ledger.opened(), **rest)

    _, server = await node.loop.create_datagram_endpoint(
        lambda: Datagrams(node, configuration=configuration, create_protocol=create), local_addr=(host, port)
    )
    return server
