"""An HTTP/3 server whose every step a test decides: aioquic's server connection with a script."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from typing import Any

from aioquic.asyncio.protocol import QuicConnectionProtocol
from aioquic.asyncio.server import serve
from aioquic.buffer import encode_uint_var
from aioquic.h3.connection import ErrorCode, FrameType, H3Connection, encode_frame
from aioquic.h3.events import DataReceived, H3Event, HeadersReceived
from aioquic.quic.configuration import QuicConfiguration
from aioquic.quic.events import HandshakeCompleted, ProtocolNegotiated, QuicEvent, StopSendingReceived, StreamReset

from tests.support.certificates import Certificates

Script = Callable[["H3Peer", H3Event], None]


class H3Peer(QuicConnectionProtocol):
    """One server connection."""

    def __init__(self, *args: Any, script: Script, log: list[H3Peer], **options: Any) -> None:
        super().__init__(*args, **options)
        self.h3: H3Connection
        self._script = script
        self._log = log
        self.headers: dict[int, list[tuple[bytes, bytes]]] = {}
        self.bodies: dict[int, int] = {}
        self.stopped: list[tuple[int, int]] = []
        self.reset: list[tuple[int, int]] = []
        self.early_data_accepted = False
        self.early_requests: list[int] = []
        self.is_complete = False

    @property
    def quic(self) -> Any:
        return self._quic

    def quic_event_received(self, event: QuicEvent) -> None:
        if isinstance(event, ProtocolNegotiated):
            self.h3 = H3Connection(self._quic)
            self._log.append(self)
        elif isinstance(event, HandshakeCompleted):
            self.early_data_accepted = event.early_data_accepted
            self.is_complete = True
        elif isinstance(event, StopSendingReceived):
            self.stopped.append((event.stream_id, event.error_code))
        elif isinstance(event, StreamReset):
            self.reset.append((event.stream_id, event.error_code))
        if hasattr(self, "h3"):
            for http_event in self.h3.handle_event(event):
                self._note(http_event)
                self._script(self, http_event)

    def _note(self, event: H3Event) -> None:
        if isinstance(event, HeadersReceived):
            self.headers[event.stream_id] = event.headers
            if not self.is_complete:
                self.early_requests.append(event.stream_id)
        elif isinstance(event, DataReceived):
            self.bodies[event.stream_id] = self.bodies.get(event.stream_id, 0) + len(event.data)

    def respond(self, stream_id: int, *headers: tuple[bytes, bytes], status: bytes = b"200", end: bool = False) -> None:
        self.h3.send_headers(stream_id, [(b":status", status), *headers], end_stream=end)
        self._transmit_soon()

    def send(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        self.h3.send_data(stream_id, data, end)
        self._transmit_soon()

    def refuse(self, stream_id: int, code: int) -> None:
        """RESET_STREAM and STOP_SENDING."""
        self._quic.reset_stream(stream_id, code)
        self._quic.stop_stream(stream_id, code)
        self._transmit_soon()

    def goaway(self, stream_id: int) -> None:
        control = self.h3._local_control_stream_id
        assert control is not None
        self._quic.send_stream_data(control, encode_frame(FrameType.GOAWAY, encode_uint_var(stream_id)))
        self._transmit_soon()

    def raw(self, stream_id: int, data: bytes, *, end: bool = False) -> None:
        """Bytes that aren't HTTP/3."""
        self._quic.send_stream_data(stream_id, data, end)
        self._transmit_soon()

    @property
    def unsent(self) -> int:
        """Body bytes that the client's windows hold back."""
        return sum(s.sender._buffer_stop - s.sender.highest_offset for s in self._quic._streams.values())


@asynccontextmanager
async def h3_peer(script: Script, certificates: Certificates, **limits: Any) -> AsyncIterator[tuple[int, list[H3Peer]]]:
    """Serves `script` on a UDP port of its own: (port, connections so far). It issues 0-RTT tickets."""
    log: list[H3Peer] = []
    tickets: dict[bytes, Any] = {}
    configuration = QuicConfiguration(
        alpn_protocols=["h3"], is_client=False, max_data=1 << 24, max_stream_data=1 << 24, **limits
    )
    configuration.load_cert_chain(certificates.chain, certificates.key)
    server = await serve(
        "127.0.0.1",
        0,
        configuration=configuration,
        create_protocol=lambda *args, **options: H3Peer(*args, script=script, log=log, **options),
        session_ticket_fetcher=tickets.pop,
        session_ticket_handler=lambda ticket: tickets.__setitem__(ticket.ticket, ticket),
    )
    transport: Any = server._transport  # type: ignore[attr-defined]
    try:
        yield transport.get_extra_info("sockname")[1], log
    finally:
        server.close()


def ended(event: H3Event) -> int | None:
    """The stream whose request is complete with this event."""
    if isinstance(event, HeadersReceived | DataReceived) and event.stream_ended:
        return event.stream_id
    return None


def asked(event: H3Event) -> int | None:
    """The stream whose request head came with this event."""
    return event.stream_id if isinstance(event, HeadersReceived) else None


REJECTED = int(ErrorCode.H3_REQUEST_REJECTED)
CANCELLED = int(ErrorCode.H3_REQUEST_CANCELLED)
INTERNAL = int(ErrorCode.H3_INTERNAL_ERROR)
NO_ERROR = int(ErrorCode.H3_NO_ERROR)
