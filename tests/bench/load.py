"""The load generator of the benchmark: idle connections and paced streams over plain sockets and one epoll loop."""

from __future__ import annotations

import gc
import re
import select
import socket
import ssl
import time
from collections.abc import Callable
from dataclasses import dataclass, field

HEADERS = (
    "host: 127.0.0.1\r\nauthorization: Bearer sk-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl\r\n"
    "content-type: application/json\r\naccept: application/json\r\nuser-agent: OpenAI/Python 3.54.0\r\n"
    "x-stainless-lang: python\r\nx-stainless-retry-count: 0\r\nx-stainless-read-timeout: 600\r\n"
)
_STAMP = re.compile(rb"t@(\d{16})")
_END = b"0\r\n\r\n"


def body(model: str, tokens: int, *, stream: bool) -> str:
    """A chat completion request of usual size."""
    return (
        f'{{"model":"{model}","stream":{str(stream).lower()},"max_tokens":{tokens},"messages":['
        '{"role":"system","content":"You are a helpful assistant."},'
        '{"role":"user","content":"Say something about several imperfect long-distance lines."}]}'
    )


def request(path: str, content: str) -> bytes:
    return f"POST {path} HTTP/1.1\r\n{HEADERS}content-length: {len(content)}\r\n\r\n{content}".encode()


@dataclass
class Delivery:
    """What one round of streams brought. Delays in ms, from the upstream's write to the client's read."""

    streams: int
    chunks: int = 0  # within the window
    cpu_us: float = 0.0  # of the proxy, within the window
    complete: int = 0  # streams that brought every chunk and their end
    faults: int = 0
    delays: list[float] = field(default_factory=list)

    def quantile(self, share: float) -> float:
        ordered = sorted(self.delays)
        return ordered[min(len(ordered) - 1, int(share * len(ordered)))] if ordered else float("nan")


class _Client:
    __slots__ = ("chunks", "sock", "tail")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.chunks = 0
        self.tail = b""


def connect(port: int, context: ssl.SSLContext | None = None) -> socket.socket:
    """An open connection; with `context`, after the TLS handshake."""
    sock = socket.create_connection(("127.0.0.1", port), 10.0)
    sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
    return sock if context is None else context.wrap_socket(sock, server_hostname="localhost")


def run_streams(
    port: int,
    path: str,
    streams: int,
    *,
    cpu_seconds: Callable[[], float],
    window: float = 3.0,
    per_second: float = 1500.0,
    context: ssl.SSLContext | None = None,
) -> Delivery:
    """Opens `streams` streams, evenly in time, and counts what comes during `window` seconds when all are open; then
    reads them all to their end. `cpu_seconds` tells the CPU time that the proxy has used so far."""
    ramp = streams / per_second
    tokens = int((ramp + window + 1.5) * 20)
    content = request(path, body("gpt-4.1", tokens, stream=True))
    loop = _Loop(Delivery(streams), tokens)
    gc.disable()
    try:
        began = time.monotonic()
        for number in range(streams):
            loop.add(connect(port, context), content)
            loop.turn_until(began + (number + 1) / per_second)
        loop.turn_until(time.monotonic() + 0.5)
        chunks, cpu = loop.seen, cpu_seconds()
        loop.delays = loop.result.delays
        loop.turn_until(time.monotonic() + window)
        loop.delays = None
        loop.result.chunks, loop.result.cpu_us = loop.seen - chunks, (cpu_seconds() - cpu) * 1e6
        loop.turn_until(time.monotonic() + ramp + 15.0)
    finally:
        loop.close()
        gc.enable()
    return loop.result


class _Loop:
    def __init__(self, result: Delivery, tokens: int) -> None:
        self.result = result
        self.seen = 0
        self.delays: list[float] | None = None
        self._tokens = tokens
        self._epoll = select.epoll()
        self._clients: dict[int, _Client] = {}
        self._opened = 0

    def add(self, sock: socket.socket, content: bytes) -> None:
        sock.sendall(content)
        sock.setblocking(False)
        self._clients[sock.fileno()] = _Client(sock)
        self._epoll.register(sock.fileno(), select.EPOLLIN)
        self._opened += 1

    def turn_until(self, at: float) -> None:
        """Reads what comes until `at`, or until every stream has ended."""
        while (left := at - time.monotonic()) > 0 and (self._clients or self._opened < self.result.streams):
            for number, _ in self._epoll.poll(left, 512):
                self._read(self._clients[number])

    def _read(self, client: _Client) -> None:
        while True:
            try:
                data = client.sock.recv(65_536)
            except (BlockingIOError, ssl.SSLWantReadError):
                return
            except OSError:
                data = b""
            if not data:
                self._ended(client, complete=False)
                return
            self._take(client, data)
            if client.sock.fileno() < 0 or not isinstance(client.sock, ssl.SSLSocket):
                return

    def _take(self, client: _Client, data: bytes) -> None:
        found = data.count(b"t@")
        client.chunks += found
        self.seen += found
        if self.delays is not None:
            now = time.monotonic_ns()
            self.delays += [(now - int(stamp)) / 1e6 for stamp in _STAMP.findall(data)]
        if client.chunks >= self._tokens:
            client.tail = (client.tail + data)[-5:]
            if client.tail == _END:
                self._ended(client, complete=client.chunks == self._tokens)

    def _ended(self, client: _Client, *, complete: bool) -> None:
        self.result.complete += complete
        self.result.faults += not complete
        del self._clients[client.sock.fileno()]
        client.sock.close()

    def close(self) -> None:
        for client in list(self._clients.values()):
            self._ended(client, complete=False)
        self._epoll.close()


def exchange(sock: socket.socket, content: bytes, until: bytes) -> None:
    """Sends a request and reads as `receive` does."""
    sock.sendall(content)
    receive(sock, until)


def receive(sock: socket.socket, until: bytes) -> None:
    """Reads a reply until `until` has come.

    Raises:
        ConnectionError: the connection ended before it, or the reply isn't a 200.
    """
    received = b""
    while until not in received:
        data = sock.recv(65_536)
        if not data:
            raise ConnectionError("the connection ended")
        received += data
    if b" 200 " not in received[:16]:
        raise ConnectionError(received[:80].decode("latin-1"))
