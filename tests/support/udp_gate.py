"""What datagrams pass on their way to a server, until it lets none through: `udp_gate`."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from typing import Any


class UdpGate(asyncio.DatagramProtocol):
    """Forwards datagrams between callers and the server while `passes`. `stopped` counts those that weren't."""

    def __init__(self, server: tuple[str, int]) -> None:
        self.passes = True
        self.stopped = 0
        self._server = server
        self._outer: asyncio.DatagramTransport | None = None
        self._inner: dict[Any, _Inner] = {}

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override] # it is one
        self._outer = transport

    def datagram_received(self, data: bytes, addr: Any) -> None:
        if not self.passes:
            self.stopped += 1
            return
        inner = self._inner.get(addr)
        if inner is None:
            inner = self._inner[addr] = _Inner(self, addr, self._server)
        inner.send(data)

    def socket(self) -> socket.socket:
        """A caller's, connected and non-blocking."""
        assert self._outer is not None
        sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        sock.setblocking(False)
        sock.connect(self._outer.get_extra_info("sockname"))
        return sock

    def back(self, data: bytes, caller: Any) -> None:
        if self.passes and self._outer is not None:
            self._outer.sendto(data, caller)
        else:
            self.stopped += 1

    def close(self) -> None:
        for inner in self._inner.values():
            inner.close()
        if self._outer is not None:
            self._outer.close()


class _Inner:
    """The server's side of one caller."""

    def __init__(self, gate: UdpGate, caller: Any, server: tuple[str, int]) -> None:
        self._gate, self._caller = gate, caller
        self._loop = asyncio.get_running_loop()
        self._sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
        self._sock.setblocking(False)
        self._sock.connect(server)
        self._loop.add_reader(self._sock.fileno(), self._read)

    def send(self, data: bytes) -> None:
        with suppress(OSError):
            self._sock.send(data)

    def close(self) -> None:
        self._loop.remove_reader(self._sock.fileno())
        self._sock.close()

    def _read(self) -> None:
        with suppress(OSError):
            self._gate.back(self._sock.recv(2048), self._caller)


@asynccontextmanager
async def udp_gate(server: tuple[str, int]) -> AsyncIterator[UdpGate]:
    """A gate on a port of its own."""
    gate = UdpGate(server)
    await asyncio.get_running_loop().create_datagram_endpoint(lambda: gate, local_addr=("127.0.0.1", 0))
    try:
        yield gate
    finally:
        gate.close()
