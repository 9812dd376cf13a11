"""A TLS connection that moves packets and notes (`setup`), either end of it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Sequence
from typing import Protocol as Interface
from typing import cast

from transport.aio.tls import ssl_object
from transport.session.setup import FIRST_NOTE, Note, SetupError, Unframer, decode, encode, frame

WRITE_LIMIT = 2 << 20
"""Bytes that wait for the line; packets beyond are lost, and sent again when the line moves."""


class FramedOwner(Interface):
    """Who uses a connection."""

    def on_up(self, connection: FramedConnection) -> None:
        """The handshake is done."""

    def on_packet(self, packet: bytes) -> None:
        """A session's packet."""

    def on_note(self, note: Note) -> None:
        """Something about the carrier itself."""

    def on_lost(self, reason: str) -> None:
        """The connection has ended. Always the last call."""


class FramedConnection(asyncio.Protocol):
    """`dropped` counts packets that found the write buffer full."""

    def __init__(self, owner: FramedOwner) -> None:
        self.dropped = 0
        self._owner = owner
        self._unframer = Unframer()
        self._transport: asyncio.Transport | None = None
        self._fault = ""

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)
        self._transport.set_write_buffer_limits(WRITE_LIMIT)
        self._owner.on_up(self)

    @property
    def tls(self) -> ssl.SSLObject:
        assert self._transport is not None
        found = ssl_object(self._transport)
        assert found is not None
        return found

    def data_received(self, data: bytes) -> None:
        try:
            for each in self._unframer.feed(data):
                if each[0] < FIRST_NOTE:
                    self._owner.on_packet(each)
                else:
                    self._owner.on_note(decode(each))
        except SetupError as error:
            self._fault = f"the peer sent {error}"
            self.abort()

    def send(self, packets: Sequence[bytes]) -> None:
        """Packets of the session, or nothing of them if the line doesn't take any."""
        transport = self._transport
        if transport is None or transport.is_closing():
            return
        if transport.get_write_buffer_size() > WRITE_LIMIT:
            self.dropped += len(packets)
            return
        transport.write(b"".join([frame(packet) for packet in packets]))

    def note(self, note: Note) -> None:
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(frame(encode(note)))

    def close(self) -> None:
        """After what was written has left."""
        if self._transport is not None:
            self._transport.close()

    def abort(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._owner.on_lost(self._fault or (f"{error}" if error else "the peer closed the connection"))
