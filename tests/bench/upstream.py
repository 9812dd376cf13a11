"""A provider that streams and does nothing else, for the benchmark: `python -m tests.bench.upstream PORT`.

One process, one epoll loop, no framework, so that it takes as little as possible of the core that it shares with the
load generator. Any request is answered with an OpenAI chat stream of `max_tokens` chunks of 250 bytes, one every 50 ms;
each carries the monotonic clock at its sending (`t@` and 16 digits of nanoseconds; the clock is the same in every
process of a machine). A request for the model "idle" gets one chunk and then silence.
"""

from __future__ import annotations

import re
import select
import socket
import sys
import time
from collections import deque

INTERVAL_NS = 50_000_000
HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
_EVENT = (
    b'data: {"id":"chatcmpl-9x8Wb2Qm4","object":"chat.completion.chunk","created":1763790000,"model":"gpt-4.1",'
    b'"system_fingerprint":"fp_a1b2","choices":[{"index":0,"delta":{"content":"t@%016d"},'
    b'"logprobs":null,"finish_reason":null}]}\n\n'
)
EVENT = b"fa\r\n" + _EVENT.replace(b"fp_a1b2", b"fp_a1b2" + b"0" * (250 - len(_EVENT % 0))) + b"\r\n"
END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
_LENGTH = re.compile(rb"content-length: *(\d+)", re.IGNORECASE)
_TOKENS = re.compile(rb'"max_tokens": ?(\d+)')


class _Stream:
    """One connection, on which one reply is made at a time."""

    __slots__ = ("is_idle", "left", "pending", "received", "sock")

    def __init__(self, sock: socket.socket) -> None:
        self.sock = sock
        self.received = b""
        self.pending = b""  # what the socket didn't take
        self.left = 0  # chunks still to be sent
        self.is_idle = False

    def take_request(self) -> bool:
        """Is a whole request there? Then its reply begins."""
        head, mark, body = self.received.partition(b"\r\n\r\n")
        length = _LENGTH.search(head)
        if not mark or (length is not None and len(body) < int(length[1])):
            return False
        self.received = b""
        tokens = _TOKENS.search(body)
        self.left = int(tokens[1]) if tokens else 1
        self.is_idle = b'"idle"' in body
        self.send(HEAD)
        return True

    def send_chunk(self) -> None:
        self.left -= 1
        chunk = EVENT % time.monotonic_ns()
        self.send(chunk if self.left else chunk + END)

    def send(self, data: bytes) -> None:
        data = self.pending + data
        try:
            self.pending = data[self.sock.send(data) :]
        except BlockingIOError:
            self.pending = data


class Upstream:
    """All streams have one interval, so a queue is all the timer that is needed: who was served last waits longest."""

    def __init__(self, port: int) -> None:
        self._listener = socket.create_server(("127.0.0.1", port), backlog=4096)
        self._listener.setblocking(False)
        self._epoll = select.epoll()
        self._epoll.register(self._listener.fileno(), select.EPOLLIN)
        self._streams: dict[int, _Stream] = {}
        self._due: deque[tuple[int, _Stream]] = deque()

    def run(self) -> None:
        while True:
            now = time.monotonic_ns()
            self._send_due(now)
            wait = max(0.0, (self._due[0][0] - now) / 1e9) if self._due else 1.0
            for number, _ in self._epoll.poll(wait, 256):
                stream = self._streams.get(number)
                if stream is None:
                    self._accept()
                else:
                    self._read(number, stream)

    def _send_due(self, now: int) -> None:
        due = self._due
        while due and due[0][0] <= now:
            at, stream = due.popleft()
            if stream.sock.fileno() < 0:
                continue
            try:
                stream.send_chunk()
            except OSError:
                self._drop(stream)
                continue
            if stream.left and not stream.is_idle:
                due.append((at + INTERVAL_NS, stream))

    def _accept(self) -> None:
        try:
            while True:
                sock, _ = self._listener.accept()
                sock.setblocking(False)
                sock.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
                self._streams[sock.fileno()] = _Stream(sock)
                self._epoll.register(sock.fileno(), select.EPOLLIN)
        except BlockingIOError:
            pass

    def _read(self, number: int, stream: _Stream) -> None:
        try:
            data = stream.sock.recv(65_536)
        except OSError:
            data = b""
        if not data:
            self._drop(stream)
            return
        stream.received += data
        if stream.take_request():
            self._due.append((time.monotonic_ns() + INTERVAL_NS, stream))

    def _drop(self, stream: _Stream) -> None:
        self._streams.pop(stream.sock.fileno(), None)
        stream.sock.close()


if __name__ == "__main__":
    Upstream(int(sys.argv[1])).run()
