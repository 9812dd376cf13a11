"""What a request and a chunk cost inside the edge: `python -m tests.bench.request_cost [--profile]`.

The whole way from the client's bytes to the client's bytes (parser, pipeline, attempt, reply, records, metrics, log)
with transports in memory: no system calls, no kernel, no load generator. CPU time of this process, the least of many
batches, so it can be compared between two checkouts on a busy machine. `--profile` lists functions by their own time.
"""

from __future__ import annotations

import argparse
import asyncio
import cProfile
import pstats
import socket
import sys
import time
from collections.abc import Callable
from contextlib import redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path as FilePath
from typing import Any, cast

import uvloop

from edge.app import Node
from edge.cli.edge import spare_collector
from edge.config.presets import defaults
from edge.ingress.connection import IngressConnection, Service
from edge.ingress.reply import plain_error
from tests.bench.contestants import REPLY
from tests.bench.load import body, request
from transport.aio.h1 import H1Connection
from transport.exchange import Connection
from transport.failure import Failure
from transport.path import Path, Protocol

CLIENTS = 32
ROUNDS = 8  # in a batch
TARGET = "/openai/v1/chat/completions"
_EVENT = (
    b'data: {"id":"chatcmpl-9x8Wb2Qm4","object":"chat.completion.chunk","choices":[{"delta":{"content":"%b"}}]}\n\n'
)
EVENT = _EVENT % (b"x" * (250 - len(_EVENT) + 2))
CHUNK = b"%x\r\n%b\r\n" % (len(EVENT), EVENT)
STREAM_HEAD = b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n"
STREAM_END = b"e\r\ndata: [DONE]\n\n\r\n0\r\n\r\n"
DOCUMENT = (
    b"HTTP/1.1 200 OK\r\nserver: nginx/1.22.1\r\ndate: Sun, 22 Nov 2026 12:00:00 GMT\r\n"
    b"content-type: application/json\r\ncontent-length: %d\r\nconnection: keep-alive\r\n\r\n%b"
    % (len(REPLY), REPLY.encode())
)


@dataclass
class Wire(asyncio.Transport):
    """A transport that keeps what was written since it was last looked at."""

    end: socket.socket
    written: list[bytes] = field(default_factory=list)

    def write(self, data: bytes | bytearray | memoryview) -> None:
        self.written.append(bytes(data))

    def take(self) -> bytes:
        data = b"".join(self.written)
        self.written.clear()
        return data

    def get_extra_info(self, name: str, default: Any = None) -> Any:
        return {"socket": self.end, "peername": ("127.0.0.1", 40000)}.get(name, default)

    def is_closing(self) -> bool:
        return False

    def get_write_buffer_size(self) -> int:
        return 0

    def resume_reading(self) -> None: ...

    def pause_reading(self) -> None: ...

    def close(self) -> None: ...

    def abort(self) -> None: ...


class Upstream:
    """A Connector and a ConnectionOwner whose connections are always up."""

    def __init__(self, end: socket.socket) -> None:
        self._end = end
        self._idle: list[H1Connection] = []
        self.connections: list[tuple[H1Connection, Wire]] = []

    def grow(self, path: Path) -> None:
        connection, wire = H1Connection(path, self, "test"), Wire(self._end)
        connection.connection_made(wire)
        self.connections.append((connection, wire))
        self._idle.append(connection)

    def take(self, path: Path, only: Protocol | None = None) -> Connection | None:
        if not self._idle:
            self.grow(path)
        connection = self._idle.pop()
        connection.reserve()
        return connection

    async def connect(self, path: Path, only: Protocol | None = None) -> Connection:
        raise AssertionError("there is always one to take")

    def on_slot_free(self, connection: Connection) -> None:
        self._idle.append(cast(H1Connection, connection))

    def on_draining(self, connection: Connection) -> None: ...

    def on_lost(self, connection: Connection, failure: Failure | None) -> None: ...

    def on_round_trip(self, connection: Connection, seconds: float) -> None: ...

    def on_peer_timeout(self, connection: Connection, seconds: float) -> None: ...

    def on_alt_svc(self, connection: Connection, value: bytes) -> None: ...


class Bench:
    """A node with `CLIENTS` connections to it."""

    def __init__(self, end: socket.socket) -> None:
        node = Node(defaults({}))
        node.pipeline.caching.open = None
        self.upstream = node.pipeline.connector = Upstream(end)
        service = Service(node.snapshot.limits, node.pipeline.serve, plain_error)
        self.clients: list[tuple[IngressConnection, Wire]] = []
        for _ in range(CLIENTS):
            client, wire = IngressConnection(service), Wire(end)
            client.connection_made(wire)
            self.clients.append((client, wire))

    async def ask(self, content: bytes) -> None:
        """Every client sends a request; all of them are at the upstream then."""
        for client, _ in self.clients:
            client.data_received(content)
        await self._settle(lambda: sum(bool(wire.written) for _, wire in self.upstream.connections) == CLIENTS)
        for _, wire in self.upstream.connections:
            assert wire.take().startswith(b"POST")

    async def answer(self, content: bytes, until: bytes) -> None:
        """Every request is answered; every client has the answer then."""
        for connection, _ in self.upstream.connections:
            connection.data_received(content)
        await self._settle(lambda: all(wire.written and wire.written[-1].endswith(until) for _, wire in self.clients))
        for _, wire in self.clients:
            wire.take()
        await asyncio.sleep(0)
        await asyncio.sleep(0)

    async def _settle(self, is_done: Callable[[], bool]) -> None:
        for _ in range(20):
            await asyncio.sleep(0)
            if is_done():
                return
        raise AssertionError("the requests don't get on")


async def request_us(bench: Bench, batches: int) -> float:
    """The least CPU time of a request and its reply of 400 bytes, in µs."""
    content = request(TARGET, body("gpt-4.1", 64, stream=False))
    times = []
    for _ in range(batches):
        began = time.process_time_ns()
        for _ in range(ROUNDS):
            await bench.ask(content)
            await bench.answer(DOCUMENT, REPLY[-20:].encode())
        times.append(time.process_time_ns() - began)
    return min(times) / ROUNDS / CLIENTS / 1000


async def chunk_us(bench: Bench, batches: int) -> float:
    """The least CPU time of a chunk of 250 bytes, in µs."""
    await bench.ask(request(TARGET, body("gpt-4.1", 64, stream=True)))
    await bench.answer(STREAM_HEAD + CHUNK, b"\n\n\r\n")
    times = []
    for _ in range(batches * 2):
        began = time.process_time_ns()
        for _ in range(ROUNDS):
            for connection, _ in bench.upstream.connections:
                connection.data_received(CHUNK)
        times.append(time.process_time_ns() - began)
        for _, wire in bench.clients:
            assert len(wire.take()) == len(CHUNK) * ROUNDS
    await bench.answer(STREAM_END, b"0\r\n\r\n")
    return min(times) / ROUNDS / CLIENTS / 1000


async def measure(batches: int, profile: bool) -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        bench = Bench(ours)
        spare_collector()
        await request_us(bench, 5)
        if profile:
            with cProfile.Profile() as profiler:
                await request_us(bench, batches)
            stats = pstats.Stats(profiler, stream=sys.stderr)
            stats.sort_stats("tottime").print_stats(70)
            return
        for name, figure in (("request", await request_us(bench, batches)), ("chunk", await chunk_us(bench, batches))):
            print(f"{name}: {figure:.1f} µs", file=sys.stderr)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m tests.bench.request_cost", description=__doc__)
    parser.add_argument("--batches", type=int, default=60)
    parser.add_argument("--profile", action="store_true")
    args = parser.parse_args()
    with FilePath("/dev/null").open("w") as nowhere, redirect_stdout(nowhere):  # the log of requests
        uvloop.run(measure(args.batches, args.profile))


if __name__ == "__main__":
    main()
