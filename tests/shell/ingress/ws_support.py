"""A gateway of the smallest kind around the bridge: one upstream, reached over a plain socket."""

from __future__ import annotations

import asyncio
import contextlib
import socket
from collections.abc import AsyncIterator
from dataclasses import dataclass, field
from typing import Any

from edge.ingress.request import ClientRequest
from edge.serve.websocket import BridgeSummary, WebSocketBridge
from edge.serve.ws_handshake import UpstreamOffer, WebSocketRefused
from tests.shell.ingress.support import port_of, serving
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers, ResponseHead

FAILURE = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED, "reset")


class SocketExchange(asyncio.Protocol):
    """An Exchange over one TCP connection: reads one head, and is a tunnel from then on."""

    def __init__(self) -> None:
        self.head: asyncio.Future[ResponseHead] = asyncio.get_running_loop().create_future()
        self.sink: WebSocketBridge | None = None
        self.paused = False
        self.pauses = 0
        self._buffer = b""
        self._cancelled = False
        self._slow = False
        self._transport: Any = None

    async def open(self, port: int, target: bytes, headers: Headers) -> ResponseHead:
        await asyncio.get_running_loop().create_connection(lambda: self, "127.0.0.1", port)
        lines = [b"GET %b HTTP/1.1" % target, b"host: upstream"] + [b"%b: %b" % pair for pair in headers]
        self._transport.write(b"\r\n".join(lines) + b"\r\n\r\n")
        return await self.head

    def begin(self, bridge: WebSocketBridge) -> None:
        self.sink = bridge
        early, self._buffer = self._buffer, b""
        if early:
            bridge.on_data(early)

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = transport
        for option in (socket.SO_RCVBUF, socket.SO_SNDBUF):  # else the kernel takes tens of megabytes
            transport.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, option, 65536)

    def data_received(self, data: bytes) -> None:
        if self._cancelled:
            return
        if self.sink is not None:
            self.sink.on_data(data)
            return
        self._buffer += data
        if not self.head.done() and b"\r\n\r\n" in self._buffer:
            head, _, self._buffer = self._buffer.partition(b"\r\n\r\n")
            status, *lines = head.split(b"\r\n")
            pairs = [line.partition(b":") for line in lines]
            headers = [(name.strip().lower(), value.strip()) for name, _, value in pairs]
            self.head.set_result(ResponseHead(int(status.split()[1]), headers))

    def eof_received(self) -> bool:
        if self.sink is not None and not self._cancelled:
            self.sink.on_end([])
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self.sink is not None and not self._cancelled and exc is not None:
            self.sink.on_failure(FAILURE)

    def pause_writing(self) -> None:
        self._slow = True

    def resume_writing(self) -> None:
        self._slow = False
        if self.sink is not None and not self._cancelled:
            self.sink.on_writable()

    def send(self, data: bytes) -> bool:
        self._transport.write(data)
        return not self._slow

    def end(self) -> None:
        if not self._transport.is_closing():
            self._transport.write_eof()

    def pause(self) -> None:
        self.paused = True
        self.pauses += 1
        self._transport.pause_reading()

    def resume(self) -> None:
        self.paused = False
        self._transport.resume_reading()

    def cancel(self) -> None:
        self._cancelled = True
        self._transport.close()


@dataclass
class Gateway:
    """What the tests look at."""

    upstream_port: int
    port: int = 0
    options: dict[str, Any] = field(default_factory=dict)
    max_message_bytes: int = 1 << 20
    bridges: list[WebSocketBridge] = field(default_factory=list)
    exchanges: list[SocketExchange] = field(default_factory=list)
    summaries: list[BridgeSummary] = field(default_factory=list)

    @property
    def url(self) -> str:
        return f"ws://127.0.0.1:{self.port}/v1/realtime?model=x"

    async def summary(self) -> BridgeSummary:
        async with asyncio.timeout(10):
            while not self.summaries:
                await asyncio.sleep(0.01)
        return self.summaries[0]

    async def handle(self, request: ClientRequest) -> None:
        try:
            offer = UpstreamOffer(request.method, request.headers, self.max_message_bytes)
        except WebSocketRefused as refused:
            request.start(refused.status, [*refused.headers, (b"content-length", b"0")])
            request.end()
            return
        exchange = SocketExchange()
        head = await exchange.open(self.upstream_port, request.target, offer.headers)
        try:
            bridge = WebSocketBridge(request, exchange, offer, head, **self.options)
        except TransportError as error:
            exchange.cancel()
            text = str(error).encode()
            request.start(502, [(b"content-length", b"%d" % len(text))])
            request.write(text)
            request.end()
            return
        self.bridges.append(bridge)
        self.exchanges.append(exchange)
        exchange.begin(bridge)
        self.summaries.append(await bridge.wait())


@contextlib.asynccontextmanager
async def gateway(upstream_port: int, **fields: Any) -> AsyncIterator[Gateway]:
    gate = Gateway(upstream_port, **fields)
    async with serving(gate.handle) as ingress:
        gate.port = port_of(ingress)
        yield gate
