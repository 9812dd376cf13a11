"""CPU of the client connections on loopback: python -m tests.bench.multiplex [h2|h3] [requests] [streams] [chunks].

The server is a child process; what is printed is this process's own CPU time per request and per 250-byte chunk, on
uvloop. For HTTP/2 the server writes prepared bytes, paced so that chunks of different streams come alone.
"""

from __future__ import annotations

import asyncio
import multiprocessing
import socket
import sys
import tempfile
import time
from multiprocessing.connection import Connection
from pathlib import Path

import uvloop

from tests.support.certificates import Certificates, certificates
from tests.support.exchange import PATH, Owner, Sink, request
from tests.support.waiting import until
from transport.aio.h2 import H2Connection
from transport.aio.h3 import H3Connection, connect_h3
from transport.path import Target

CHUNK = b"x" * 250
HEADERS = [(b"content-type", b"text/event-stream"), (b"x-request-id", b"0123456789abcdef"), (b"server", b"bench")]
AUTHORIZATION = (b"authorization", b"Bearer sk-0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijkl")


def serve(kind: str, certs: Certificates, chunks: int, pipe: Connection) -> None:
    """Child process: /short answers in one piece, /stream sends `chunks` chunks, one each 20 ms."""
    from tests.support import h2_peer, h3_peer

    async def pace(peer: h2_peer.H2Peer | h3_peer.H3Peer, stream: int) -> None:
        for number in range(chunks):
            await asyncio.sleep(0.02)
            peer.send(stream, CHUNK, end=number == chunks - 1)

    async def run() -> None:
        async with asyncio.TaskGroup() as tasks:

            def answer(peer: h2_peer.H2Peer | h3_peer.H3Peer, stream: int | None) -> None:
                if stream is None:
                    return
                peer.respond(stream, *HEADERS)
                if (b":path", b"/stream") in peer.headers[stream]:
                    tasks.create_task(pace(peer, stream))
                else:
                    peer.send(stream, CHUNK, end=True)

            if kind == "h2":
                serving = h2_peer.h2_peer(lambda peer, event: answer(peer, h2_peer.ended(event)), {3: 1000})
                async with serving as (port, _):
                    pipe.send(port)
                    await asyncio.Event().wait()
            else:
                script = h3_peer.h3_peer(lambda peer, event: answer(peer, h3_peer.ended(event)), certs)
                async with script as (port, _):
                    pipe.send(port)
                    await asyncio.Event().wait()

    uvloop.run(run())


async def connect(kind: str, port: int, certs: Certificates, owner: Owner) -> H2Connection | H3Connection:
    if kind == "h2":
        connection = H2Connection(PATH, owner, "localhost", b"http", max_streams=1000)
        await asyncio.get_running_loop().create_connection(lambda: connection, "127.0.0.1", port)
        await until(lambda: owner.slots > 0)
        return connection
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))
    target = Target("bench", "localhost", port, ca_file=certs.authority)
    return await connect_h3(sock=sock, address=("127.0.0.1", port), target=target, path=PATH, owner=owner,
                            ticket=None, on_ticket=lambda ticket: None, timeout=5.0)  # fmt: skip


async def measure(kind: str, port: int, certs: Certificates, requests: int, streams: int, chunks: int) -> None:
    connection = await connect(kind, port, certs, Owner())

    async def ask(target: bytes) -> Sink:
        sink = Sink(keep=False)
        connection.reserve()
        connection.open(request(b"POST", target, AUTHORIZATION, (b"accept", b"*/*")), sink, b'{"a":1}', end=True)
        return await sink.done(120)

    async def worker(count: int) -> None:
        for _ in range(count):
            await ask(b"/short")

    await worker(50)
    before = time.process_time()
    await asyncio.gather(*(worker(requests // 32) for _ in range(32)))
    print(f"{kind}: {(time.process_time() - before) * 1e6 / (requests // 32 * 32):.0f} µs per request")
    before = time.process_time()
    sinks = await asyncio.gather(*(ask(b"/stream") for _ in range(streams)))
    spent = time.process_time() - before
    assert all(sink.size == chunks * len(CHUNK) for sink in sinks)
    print(f"{kind}: {spent * 1e6 / (streams * chunks):.1f} µs per chunk at {streams} streams")
    connection.abort()


def main(kind: str = "h2", requests: int = 8000, streams: int = 100, chunks: int = 100) -> None:
    with tempfile.TemporaryDirectory() as directory:
        certs = certificates(Path(directory))
        here, there = multiprocessing.Pipe()
        child = multiprocessing.get_context("spawn").Process(target=serve, args=(kind, certs, chunks, there))
        child.start()
        try:
            uvloop.run(measure(kind, here.recv(), certs, requests, streams, chunks))
        finally:
            child.kill()
            child.join()


if __name__ == "__main__":
    main(*sys.argv[1:2], *(int(word) for word in sys.argv[2:5]))
