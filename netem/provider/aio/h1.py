"""HTTP/1.1, and the hand-over to a WebSocket. RFC 9112."""

from __future__ import annotations

from collections import deque
from http import HTTPStatus

import httptools

from netem.provider.aio.front import Front
from netem.provider.aio.node import Node
from netem.provider.aio.player import Player
from netem.provider.aio.websocket import WebSocket
from netem.provider.reply import Headers
from netem.provider.request import Body, Request
from netem.provider.script import HEAD_PARTS, Act

_PHRASES = {status.value: status.phrase for status in HTTPStatus}


class H1:
    """One connection: requests are answered one after the other, in their order."""

    def __init__(self, front: Front, node: Node) -> None:
        self._front = front
        self._node = node
        self._parser = httptools.HttpRequestParser(self)
        self._waiting: deque[tuple[Request, bool]] = deque()
        self._player: Player | None = None
        self._socket: WebSocket | None = None
        self._url = b""
        self._headers: list[tuple[str, str]] = []
        self._body = Body()
        self._keep = True
        self._chunked = False
        self._bodiless = False
        self._version_10 = False
        self._ended = False

    # Inner

    def received(self, data: bytes) -> None:
        if self._socket is not None:
            self._socket.received(data)
            return
        if self._ended:
            return
        try:
            self._parser.feed_data(data)
        except httptools.HttpParserUpgrade as upgrade:
            self._upgrade(data[upgrade.args[0] :])
        except httptools.HttpParserError:
            self._front.write(b"HTTP/1.1 400 Bad Request\r\nconnection: close\r\ncontent-length: 0\r\n\r\n")
            self._front.close()

    def lost(self) -> None:
        if self._player is not None:
            self._player.cancel(self._node.time())
        if self._socket is not None:
            self._socket.lost()
        self._waiting.clear()

    # httptools

    def on_message_begin(self) -> None:
        self._url, self._headers, self._body = b"", [], Body()

    def on_url(self, url: bytes) -> None:
        self._url += url

    def on_header(self, name: bytes, value: bytes) -> None:
        self._headers.append((name.decode("latin-1").lower(), value.decode("latin-1")))

    def on_headers_complete(self) -> None:
        fields = dict(self._headers)
        fault = self._node.app.early(fields, self._front.source, self._url.decode("latin-1"))
        if fault:
            self._ended = True
            self._front.pause_reading()
            if fault == "reset_upload":
                self._front.reset()
        elif fields.get("expect", "").lower() == "100-continue":
            self._front.write(b"HTTP/1.1 100 Continue\r\n\r\n")

    def on_body(self, data: bytes) -> None:
        self._body.feed(data)

    def on_message_complete(self) -> None:
        if self._ended:
            return
        body = self._body
        request = Request(
            self._parser.get_method().decode(),
            self._url.decode("latin-1"),
            tuple(self._headers),
            body.kept(),
            body.length,
            body.sha256(),
            "http/1.1",
            self._front.secure,
        )
        if self._parser.should_upgrade() and request.fields.get("upgrade", "").lower() == "websocket":
            self._socket = WebSocket(self._front, self._node, request)
            return
        self._version_10 = self._parser.get_http_version() == "1.0"
        self._waiting.append((request, self._parser.should_keep_alive()))
        if self._player is None:
            self._next()

    def _upgrade(self, rest: bytes) -> None:
        if self._socket is None:  # an upgrade that we don't do (h2c): the request has been taken as HTTP/1.1
            return
        self._socket.open()
        if rest:
            self._socket.received(rest)

    def _next(self) -> None:
        if not self._waiting:
            return
        request, self._keep = self._waiting.popleft()
        self._bodiless = request.method == "HEAD"
        self._player = self._node.play(request, self, self._front.source, self._front.number)
        self._player.start(self._node.time())

    # Sink

    def is_blocked(self) -> bool:
        return self._front.is_blocked()

    def head(self, status: int, headers: Headers, length: int | None) -> None:
        self._front.write(self._head(status, headers, length))

    def head_part(self, status: int, headers: Headers, length: int | None, part: int) -> None:
        raw = self._head(status, headers, length)
        size = len(raw) // HEAD_PARTS + 1
        self._front.write(raw[part * size : (part + 1) * size])

    def _head(self, status: int, headers: Headers, length: int | None) -> bytes:
        self._chunked = length is None and not self._version_10
        self._keep = self._keep and (self._chunked or length is not None)
        lines = [f"HTTP/1.1 {status} {_PHRASES.get(status, 'Unknown')}"]
        lines += [f"{name}: {value}" for name, value in headers]
        lines.append("transfer-encoding: chunked" if self._chunked else f"content-length: {length}")
        if length is None and not self._chunked:
            lines.pop()
        if not self._keep:
            lines.append("connection: close")
        return ("\r\n".join(lines) + "\r\n\r\n").encode("latin-1")

    def data(self, data: bytes) -> None:
        if self._bodiless or not data:
            return
        self._front.write(b"%x\r\n%b\r\n" % (len(data), data) if self._chunked else data)

    def end(self) -> None:
        if self._chunked and not self._bodiless:
            self._front.write(b"0\r\n\r\n")
        self._player = None
        if self._keep:
            self._next()
        else:
            self._ended = True
            self._front.close()

    def goaway(self) -> None:
        self._keep = False

    def fault(self, act: Act) -> None:
        if act in (Act.RESET, Act.RST_STREAM):
            self._front.reset()
        elif act is Act.HALF_CLOSE:
            self._front.half_close()
        else:  # CLOSE, REFUSE, GOAWAY_HARD
            self._ended = True
            self._front.close()
