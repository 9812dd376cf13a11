"""HTTP/3 for the load client: aioquic with its stock congestion control, all streams on one connection."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.h3.connection import H3Connection
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.connection import QuicConnection
from aioquic.quic.events import ConnectionTerminated, QuicEvent, StreamReset

from netem.bench.aio.order import Call, Order

_WINDOW = 16 * 1024 * 1024
_GOODBYE = 1.0


class H3Client(QuicConnectionProtocol):
    """One connection and its calls by stream id."""

    def __init__(self, *args: Any, **options: Any) -> None:
        super().__init__(*args, **options)
        self._http = H3Connection(self._quic)
        self._calls: dict[int, Call] = {}
        self.is_open = True

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ConnectionTerminated):
            self.is_open = False
            calls, self._calls = self._calls, {}
            for call in calls.values():
                call.end(is_clean=False, fault=f"connection closed: {event.reason_phrase or event.error_code}")
        elif isinstance(event, StreamReset) and event.stream_id in self._calls:
            self._calls.pop(event.stream_id).end(is_clean=False, fault="stream reset")
        for each in self._http.handle_event(event):
            self._handle(each)

    def request(self, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        stream = self._quic.get_next_available_stream_id()
        self._calls[stream] = call
        self._http.send_headers(stream, [(name.encode(), value.encode()) for name, value in headers])
        self._http.send_data(stream, body, end_stream=True)
        self.transmit()

    def abandon(self, call: Call) -> None:
        for stream, each in list(self._calls.items()):
            if each is call:
                del self._calls[stream]
                self._quic.stop_stream(stream, 0x10C)  # H3_REQUEST_CANCELLED
        self.transmit()

    def _handle(self, event: H3Event) -> None:
        if not isinstance(event, HeadersReceived | DataReceived) or event.stream_id not in self._calls:
            return
        call = self._calls[event.stream_id]
        if isinstance(event, DataReceived):
            call.feed(event.data)
        elif not call.status:
            call.status = int(dict(event.headers)[b":status"])
        if event.stream_ended:
            del self._calls[event.stream_id]
            call.end()


class H3:
    """One connection; a new one after it broke."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._lock = asyncio.Lock()
        self._client: H3Client | None = None
        self._transport: asyncio.DatagramTransport | None = None

    async def warm(self, count: int) -> None:
        await self._ready()

    async def send(self, path: str, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        order = self._order
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", order.authority), (":path", path)]
        (await self._ready()).request([*pseudo, *headers, ("content-length", str(len(body)))], body, call)

    def abandon(self, call: Call) -> None:
        if self._client is not None:
            self._client.abandon(call)

    async def close(self) -> None:
        """Says goodbye; the socket goes when that is on its way."""
        if self._client is not None and self._transport is not None:
            self._client.close()
            with contextlib.suppress(TimeoutError):
                async with asyncio.timeout(_GOODBYE):
                    await self._client.wait_closed()
            self._transport.close()

    async def _ready(self) -> H3Client:
        async with self._lock:
            if self._client is None or not self._client.is_open:
                self._client = await self._connect()
            return self._client

    async def _connect(self) -> H3Client:
        configuration = QuicConfiguration(
            is_client=True,
            alpn_protocols=["h3"],
            server_name=self._order.host,
            max_data=_WINDOW,
            max_stream_data=_WINDOW,
        )
        configuration.load_verify_locations(self._order.ca_file)
        loop = asyncio.get_running_loop()
        if self._transport is not None:
            self._transport.close()
        self._transport, client = await loop.create_datagram_endpoint(
            lambda: H3Client(QuicConnection(configuration=configuration)),
            family=socket.AF_INET,
            local_addr=("0.0.0.0", 0),
        )
        client.connect((self._order.host, self._order.port))
        try:
            await client.wait_connected()
        except BaseException:
            self._transport.close()
            raise
        return client
