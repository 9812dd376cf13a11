"""An HTTP/2 server whose every frame a test decides: `h2` on an asyncio protocol, plain TCP with prior knowledge."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import cast

from h2.config import H2Configuration
from h2.connection import H2Connection
from h2.events import DataReceived, Event, RequestReceived, StreamEnded, StreamReset
from h2.exceptions import ProtocolError
from h2.settings import SettingCodes

Script = Callable[["H2Peer", Event], None]


class H2Peer(asyncio.Protocol):
    """One server connection. The script sees each event after the peer noted it and answers through `h2` or `raw`."""

    def __init__(self, script: Script, settings: dict[int, int] | None, log: list[H2Peer]) -> None:
        self.h2 = H2Connection(H2Configuration(client_side=False, header_encoding=None, validate_outbound_headers=False,
                                               normalize_outbound_headers=False))  # fmt: skip
        self._script = script
        self._settings = settings
        self._log = log
        self.transport: asyncio.Transport
        self.bodies: dict[int, int] = {}
        self.headers: dict[int, list[tuple[bytes, bytes]]] = {}
        self.requests: list[int] = []
        self.resets: list[tuple[int, int]] = []
        self.events: list[Event] = []
        self.is_lost = False
        self.credits_uploads = True
        self._outgoing: dict[int, tuple[bytearray, bool]] = {}

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport = cast(asyncio.Transport, transport)
        self._log.append(self)
        if self._settings:
            self.h2.local_settings.update(self._settings)
            self.h2.local_settings.acknowledge()
        self.h2.initiate_connection()
        self.h2.increment_flow_control_window(1 << 24)
        self.flush()

    def data_received(self, data: bytes) -> None:
        try:
            events = self.h2.receive_data(data)
        except ProtocolError:
            self.flush()
            self.transport.close()
            return
        for event in events:
            self._note(event)
            self._script(self, event)
        self._pump()
        self.flush()

    def _note(self, event: Event) -> None:
        self.events.append(event)
        if isinstance(event, RequestReceived):
            self.requests.append(event.stream_id)
            self.headers[event.stream_id] = [(bytes(k), bytes(v)) for k, v in event.headers or ()]
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, 0) + len(event.data or b"")
            if self.credits_uploads and event.flow_controlled_length:
                self.h2.acknowledge_received_data(event.flow_controlled_length, event.stream_id)
        elif isinstance(event, StreamReset):
            self.resets.append((event.stream_id, int(event.error_code or 0)))

    def connection_lost(self, exc: Exception | None) -> None:
        self.is_lost = True

    def flush(self) -> None:
        if data := self.h2.data_to_send():
            self.transport.write(data)

    def raw(self, kind: int, flags: int, stream_id: int, payload: bytes = b"") -> None:
        """Sends a frame that h2 wouldn't make."""
        self.flush()
        header = len(payload).to_bytes(3, "big") + bytes((kind, flags)) + stream_id.to_bytes(4, "big")
        self.transport.write(header + payload)

    def respond(self, stream_id: int, *headers: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> None:
        if stream_id in self.h2.streams and self.h2.streams[stream_id].closed:
            return  # the client reset it in the same batch
        self.h2.send_headers(stream_id, [(b":status", status), *headers], end_stream=end)

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Sends a body of any size as the windows allow."""
        buffer, _ = self._outgoing.get(stream_id, (bytearray(), False))
        buffer += data
        self._outgoing[stream_id] = (buffer, end)
        self._pump()
        self.flush()

    def _pump(self) -> None:
        for stream_id, (buffer, end) in list(self._outgoing.items()):
            if stream_id not in self.h2.streams or self.h2.streams[stream_id].closed:
                del self._outgoing[stream_id]
                continue
            while buffer and (room := min(self.h2.local_flow_control_window(stream_id), 16384)) > 0:
                part = bytes(buffer[:room])
                del buffer[:room]
                self.h2.send_data(stream_id, part, end_stream=end and not buffer)
            if not buffer:
                del self._outgoing[stream_id]

    @property
    def backlog(self) -> int:
        """Body bytes that the client's windows hold back."""
        return sum(len(buffer) for buffer, _ in self._outgoing.values())


@asynccontextmanager
async def h2_peer(script: Script, settings: dict[int, int] | None = None) -> AsyncIterator[tuple[int, list[H2Peer]]]:
    """Serves `script` on a port of its own: (port, connections so far)."""
    log: list[H2Peer] = []
    loop = asyncio.get_running_loop()
    server = await loop.create_server(lambda: H2Peer(script, settings, log), "127.0.0.1", 0)
    try:
        yield server.sockets[0].getsockname()[1], log
    finally:
        server.close()
        for peer in log:
            peer.transport.abort()
        await server.wait_closed()


def ended(event: Event) -> int | None:
    """The stream whose request is complete with this event."""
    return event.stream_id if isinstance(event, StreamEnded) else None


def asked(event: Event) -> int | None:
    """The stream whose request head came with this event."""
    return event.stream_id if isinstance(event, RequestReceived) else None


MAX_STREAMS = int(SettingCodes.MAX_CONCURRENT_STREAMS)
WINDOW = int(SettingCodes.INITIAL_WINDOW_SIZE)
