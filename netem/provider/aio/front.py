"""TCP connections: who is heard, TLS, and which HTTP version takes over.

TLS is done here over `ssl.MemoryBIO`, so that faults (reset, blackhole, half-close) strike the TCP connection itself,
in the handshake as well.
"""

from __future__ import annotations

import asyncio
import logging
import socket
import ssl
import struct
from collections.abc import Callable
from typing import Protocol, cast

from netem.provider.ledger import Access

log = logging.getLogger(__name__)
HIGH_WATER_BYTES = 1 << 20
_RESET_ON_CLOSE = struct.pack("ii", 1, 0)  # SO_LINGER with no time: close() sends RST
_PREFACE = b"PRI * HTTP/2.0\r\n"


class Inner(Protocol):
    """The HTTP connection behind a front."""

    def received(self, data: bytes) -> None: ...

    def lost(self) -> None: ...


MakeInner = Callable[["Front", str], Inner]


class Front(asyncio.Protocol):
    """One accepted TCP connection. `make_inner(front, alpn)` is called once the protocol is known."""

    def __init__(
        self, access: Access, fronts: set[Front], context: ssl.SSLContext | None, make_inner: MakeInner, number: int
    ) -> None:
        self._access = access
        self._fronts = fronts
        self._make_inner = make_inner
        self._inner: Inner | None = None
        self._held: list[bytes] = []  # written while dark; sent when the light comes back, as TCP would
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True) if context else None
        self._shaken = context is None
        self._raw: asyncio.Transport | None = None
        self.secure = context is not None
        self.dark = False
        self.number = number
        self.source = ""

    # what the HTTP connections call

    def write(self, data: bytes) -> None:
        if self._tls is not None:
            if not self._shaken or self._raw is None or self._raw.is_closing():
                return
            self._tls.write(data)
            data = self._outgoing.read()
        self._send(data)

    def is_blocked(self) -> bool:
        if self.dark or self._raw is None:
            return self.dark
        return self._raw.get_write_buffer_size() > HIGH_WATER_BYTES

    def close(self) -> None:
        """FIN after what was written."""
        if self._raw is not None and not self.dark:
            self._raw.close()

    def reset(self) -> None:
        """RST."""
        if self._raw is not None:
            raw_socket: socket.socket = self._raw.get_extra_info("socket")
            raw_socket.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
            self._raw.abort()

    def half_close(self) -> None:
        """FIN in our direction only."""
        if self._raw is not None and self._raw.can_write_eof():
            self._raw.write_eof()

    def pause_reading(self) -> None:
        if self._raw is not None:
            self._raw.pause_reading()

    # run-time switches

    def set_dark(self, dark: bool) -> None:
        """Neither read nor write from now on, or again."""
        if dark == self.dark or self._raw is None or self._raw.is_closing():
            return
        self.dark = dark
        if dark:
            self._raw.pause_reading()
            return
        held, self._held = self._held, []
        self._raw.writelines(held)
        self._raw.resume_reading()

    # asyncio.Protocol

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._raw = raw = cast(asyncio.Transport, transport)  # uvloop's isn't one by class
        raw.set_write_buffer_limits(high=16 * HIGH_WATER_BYTES)
        peer = raw.get_extra_info("peername")
        self.source = str(peer[0]) if peer else ""
        self._fronts.add(self)
        if self._access.is_reset(self.source):
            self.reset()
        elif self._access.is_dark(self.source):
            self.set_dark(True)

    def data_received(self, data: bytes) -> None:
        if self._tls is None:
            self._plain(data)
            return
        self._incoming.write(data)
        try:
            self._decrypt()
        except ssl.SSLWantReadError:
            self._flush()
        except ssl.SSLError as error:
            log.debug("TLS with %s failed: %s", self.source, error)
            self._flush()
            self.close()

    def eof_received(self) -> bool:
        return False

    def connection_lost(self, error: Exception | None) -> None:
        self._fronts.discard(self)
        self._raw = None
        if self._inner is not None:
            self._inner.lost()

    def _send(self, data: bytes) -> None:
        if self.dark:
            self._held.append(data)
        elif self._raw is not None and not self._raw.is_closing():
            self._raw.write(data)

    def _flush(self) -> None:
        if self._outgoing.pending:
            self._send(self._outgoing.read())

    def _plain(self, data: bytes) -> None:
        if self._inner is None:
            is_h2 = data.startswith(_PREFACE)
            self._inner = self._make_inner(self, "h2" if is_h2 else "http/1.1")
        self._inner.received(data)

    def _decrypt(self) -> None:
        assert self._tls is not None
        if not self._shaken:
            self._tls.do_handshake()
            self._shaken = True
            self._flush()
            self._inner = self._make_inner(self, self._tls.selected_alpn_protocol() or "http/1.1")
        assert self._inner is not None
        while self._raw is not None:
            data = self._tls.read(1 << 18)
            if not data:
                self.close()
                return
            self._inner.received(data)
