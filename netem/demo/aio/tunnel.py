"""The far end of a rootless line: an HTTP proxy that knows one destination.

A relay accepts connections at once, however bad its line is. Through a proxy behind it a dial is over only when the
answer to CONNECT (RFC 9110 §9.3.6) has come over the line: after a round trip, as with TCP's own handshake, and never
in a blackhole.
"""

import asyncio
import logging
from types import TracebackType
from typing import Self, cast

from netem.aio.relay import Address

_MADE = b"HTTP/1.1 200 Connection established\r\n\r\n"
_REFUSED = b"HTTP/1.1 502 Bad Gateway\r\n\r\n"
_log = logging.getLogger(__name__)


class TunnelServer:
    """`async with TunnelServer(("127.0.0.1", 9000)) as tunnel:`, then CONNECT through `tunnel.address`."""

    def __init__(self, target: Address) -> None:
        self.target = target
        self.address: Address = ("", 0)
        self._server: asyncio.Server | None = None
        self._tasks: set[asyncio.Task[None]] = set()
        self.transports: set[asyncio.Transport] = set()
        self.failures = 0

    async def __aenter__(self) -> Self:
        self._server = await asyncio.get_running_loop().create_server(lambda: _Near(self), "127.0.0.1", 0)
        self.address = self._server.sockets[0].getsockname()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._server is not None:
            self._server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in tuple(self.transports):
            transport.abort()
        await asyncio.sleep(0)  # connection_lost is called in the next turn of the loop

    def dial(self, near: "_Near") -> None:
        """Connect to the destination for this client."""
        task = asyncio.get_running_loop().create_task(self._dial(near))
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.failures += 1
            _log.warning("tunnel: %s", fault)

    async def _dial(self, near: "_Near") -> None:
        far = _End(self)
        try:
            await asyncio.get_running_loop().create_connection(lambda: far, *self.target)
        except OSError:
            near.send(_REFUSED)
            near.close()
            return
        near.join(far)


class _End(asyncio.Protocol):
    """One end; what it reads goes to its peer."""

    def __init__(self, server: TunnelServer) -> None:
        self._server = server
        self._peer: _End | None = None
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._server.transports.add(self._transport)

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.send(data)

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._server.transports.discard(self._transport)
        if self._peer is not None:
            self._peer.close()

    def meet(self, peer: "_End") -> None:
        """From now on what is read here goes there."""
        self._peer = peer

    def send(self, data: bytes) -> None:
        """To whoever is at the other side of this end."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.write(data)

    def close(self) -> None:
        """After what is written."""
        if self._transport is not None:
            self._transport.close()


class _Near(_End):
    """The end that is asked to connect."""

    def __init__(self, server: TunnelServer) -> None:
        super().__init__(server)
        self._head = b""

    def data_received(self, data: bytes) -> None:
        if self._peer is not None:
            self._peer.send(data)
            return
        is_asked = b"\r\n\r\n" in self._head
        self._head += data
        if not is_asked and b"\r\n\r\n" in self._head:
            if self._head.startswith(b"CONNECT "):
                self._server.dial(self)
            else:
                self.send(_REFUSED)
                self.close()

    def join(self, far: _End) -> None:
        """The tunnel is made."""
        if self._transport is None or self._transport.is_closing():
            far.close()
            return
        self.meet(far)
        far.meet(self)
        self.send(_MADE)
