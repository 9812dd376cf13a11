"""HTTP/2 for the load client: all streams on one connection, as most SDK-independent clients do."""

from __future__ import annotations

import asyncio
from typing import cast

import h2.config
import h2.connection
import h2.events
import h2.exceptions
import h2.settings

from netem.bench.aio.order import Call, Order

_WINDOW = 16 * 1024 * 1024


class H2Connection(asyncio.Protocol):
    """One connection and its calls by stream id."""

    def __init__(self) -> None:
        self.transport: asyncio.Transport | None = None
        self._h2 = h2.connection.H2Connection(h2.config.H2Configuration())
        self._calls: dict[int, Call] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._h2.initiate_connection()
        self._h2.update_settings({h2.settings.SettingCodes.INITIAL_WINDOW_SIZE: _WINDOW})
        self._h2.increment_flow_control_window(_WINDOW)
        self._flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self._h2.receive_data(data)
        except h2.exceptions.ProtocolError as error:
            self._fail(f"not HTTP/2: {error}")
            return
        for event in events:
            self._handle(event)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self.transport = None
        self._fail(f"connection lost: {error or 'EOF'}")

    def request(self, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        """Raises OSError once the connection is gone."""
        if self.transport is None:
            raise ConnectionResetError("the connection is gone")
        stream = self._h2.get_next_available_stream_id()
        self._calls[stream] = call
        self._h2.send_headers(stream, headers)
        size = self._h2.max_outbound_frame_size
        for at in range(0, len(body), size):
            self._h2.send_data(stream, body[at : at + size], end_stream=at + size >= len(body))
        self._flush()

    def abandon(self, call: Call) -> None:
        for stream, each in list(self._calls.items()):
            if each is call:
                del self._calls[stream]
                self._h2.reset_stream(stream)
        self._flush()

    def _handle(self, event: h2.events.Event) -> None:
        stream = getattr(event, "stream_id", 0)
        call = self._calls.get(stream)
        if isinstance(event, h2.events.DataReceived):
            self._h2.acknowledge_received_data(event.flow_controlled_length, stream)
            if call:
                call.feed(event.data)
        elif isinstance(event, h2.events.ResponseReceived) and call:
            call.status = int(dict(event.headers)[b":status"])
        elif isinstance(event, h2.events.StreamEnded | h2.events.StreamReset) and call:
            del self._calls[stream]
            is_clean = isinstance(event, h2.events.StreamEnded)
            call.end(is_clean=is_clean, fault="" if is_clean else "stream reset")
        elif isinstance(event, h2.events.ConnectionTerminated):
            self._fail("GOAWAY")

    def _fail(self, fault: str) -> None:
        calls, self._calls = self._calls, {}
        for call in calls.values():
            call.end(is_clean=False, fault=fault)

    def _flush(self) -> None:
        if self.transport is not None and (data := self._h2.data_to_send()):
            self.transport.write(data)


class H2:
    """One connection; a new one after it broke."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._lock = asyncio.Lock()
        self._connection: H2Connection | None = None

    async def warm(self, count: int) -> None:
        await self._ready()

    async def send(self, path: str, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        order = self._order
        pseudo = [(":method", "POST"), (":scheme", "https"), (":authority", order.authority), (":path", path)]
        (await self._ready()).request([*pseudo, *headers, ("content-length", str(len(body)))], body, call)

    def abandon(self, call: Call) -> None:
        if self._connection is not None:
            self._connection.abandon(call)

    async def close(self) -> None:
        if self._connection is not None and self._connection.transport is not None:
            self._connection.transport.abort()

    async def _ready(self) -> H2Connection:
        async with self._lock:
            if self._connection is None or self._connection.transport is None:
                _, self._connection = await asyncio.get_running_loop().create_connection(
                    H2Connection, self._order.host, self._order.port, ssl=self._order.tls("h2")
                )
            return self._connection
