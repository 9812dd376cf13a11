"""A Realtime conversation (https://platform.openai.com/docs/api-reference/realtime): ask in text, get numbered deltas.

Every request is a WebSocket of its own: connecting is part of the time to the first token, as in a voice call's start.
"""

from __future__ import annotations

import asyncio
import json
import time
from typing import cast

from websockets.client import ClientProtocol
from websockets.exceptions import InvalidHandshake
from websockets.frames import Frame, Opcode
from websockets.http11 import Response
from websockets.uri import parse_uri

from netem.bench.aio.order import Call, Order
from netem.bench.tokens import RealtimeReader


class RealtimeCall(asyncio.Protocol):
    """One conversation. `call` gets its tokens and its end."""

    def __init__(self, uri: str, prompt: str, call: Call, reader: RealtimeReader) -> None:
        self._websocket = ClientProtocol(parse_uri(uri), max_size=1 << 20)
        self._prompt = prompt
        self._call = call
        self._reader = reader
        self._transport: asyncio.Transport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.Transport, transport)  # uvloop's are none by class
        self._websocket.send_request(self._websocket.connect())
        self._flush()

    def data_received(self, data: bytes) -> None:
        self._websocket.receive_data(data)
        for event in self._websocket.events_received():
            if isinstance(event, Response):
                self._opened(event)
            elif isinstance(event, Frame):
                self._frame(event)
        self._flush()

    def connection_lost(self, error: Exception | None) -> None:
        self._transport = None
        self._call.end(is_clean=False, fault=f"connection lost: {error or 'EOF'}")

    def close(self) -> None:
        if self._transport is not None:
            self._transport.abort()

    def _opened(self, response: Response) -> None:
        self._call.status = response.status_code
        if isinstance(self._websocket.handshake_exc, InvalidHandshake):
            self._call.end(is_clean=False, fault=f"handshake: {self._websocket.handshake_exc}")
            return
        content = [{"type": "input_text", "text": self._prompt}]
        item = {"type": "message", "role": "user", "content": content}
        for message in ({"type": "conversation.item.create", "item": item}, {"type": "response.create"}):
            self._websocket.send_text(json.dumps(message).encode())

    def _frame(self, frame: Frame) -> None:
        if frame.opcode is Opcode.TEXT:
            self._reader.feed(bytes(frame.data).decode(), time.monotonic_ns())
            if self._reader.is_done:
                self._call.end()
                self._websocket.send_close(1000)
        elif frame.opcode is Opcode.CLOSE:
            self._call.end(is_clean=self._websocket.close_code == 1000, fault="" if self._reader.is_done else "closed")

    def _flush(self) -> None:
        for data in self._websocket.data_to_send():
            if self._transport is not None and data:
                self._transport.write(data)


async def converse(order: Order, prompt: str, call: Call, reader: RealtimeReader) -> RealtimeCall:
    """Connect and ask. Raises OSError."""
    scheme = "wss" if order.ca_file else "ws"
    uri = f"{scheme}://{order.authority}{order.prefix}/v1/realtime?model=gpt-realtime"
    _, conversation = await asyncio.get_running_loop().create_connection(
        lambda: RealtimeCall(uri, prompt, call, reader), order.host, order.port, ssl=order.tls("http/1.1")
    )
    return conversation
