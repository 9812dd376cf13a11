"""CPU cost of one exchange on a warm HTTP/1.1 connection: `python -m tests.bench.h1_cost`.

nginx answers on loopback; only this process's CPU time counts, system calls included. Prints µs per exchange through
the pool, with a sink that only counts bytes.
"""

from __future__ import annotations

import asyncio
import tempfile
import time
from pathlib import Path as FilePath

import uvloop

from tests.support.nginx import nginx
from tests.support.pooling import plain_target, pools_of
from transport.aio.pool import Pools
from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Path

PATH = Path("line", "end")
HEADERS = [
    (b"accept", b"application/json"),
    (b"authorization", b"Bearer sk-0123456789abcdef0123456789abcdef"),
    (b"content-type", b"application/json"),
    (b"user-agent", b"OpenAI/Python 2.8.0"),
    (b"x-stainless-lang", b"python"),
]


class Repeat:
    """A client that begins its next exchange when one ends."""

    def __init__(self, pools: Pools, count: int, done: asyncio.Event) -> None:
        self._pools, self._left, self._done = pools, count, done
        self._loop = asyncio.get_running_loop()
        self.bytes = 0

    def go(self) -> None:
        connection = self._pools.take(PATH)
        assert connection is not None
        connection.open(RequestHead(b"POST", b"/hi", b"test.example", HEADERS), self, b'{"stream":true}', end=True)

    def on_head(self, head: ResponseHead) -> None: ...

    def on_writable(self) -> None: ...

    def on_data(self, data: bytes) -> None:
        self.bytes += len(data)

    def on_end(self, trailers: Headers) -> None:
        self._left -= 1
        if self._left:
            self._loop.call_soon(self.go)
        else:
            self._done.set()

    def on_failure(self, failure: Failure) -> None:
        raise SystemExit(f"failed: {failure}")


async def exchanges(clients: int, each: int) -> float:
    with tempfile.TemporaryDirectory() as directory:
        async with (
            nginx(FilePath(directory), settings="keepalive_requests 10000000;") as port,
            pools_of(plain_target(port)) as pools,
        ):
            held = [await pools.connect(PATH) for _ in range(clients)]
            for connection in held:
                connection.release()
            events = [asyncio.Event() for _ in range(clients)]
            began = time.process_time()
            for event in events:
                Repeat(pools, each, event).go()
            for event in events:
                await event.wait()
            return (time.process_time() - began) / (clients * each) * 1e6


async def main() -> None:
    for clients, each in ((1, 3000), (32, 300)):
        found = [await exchanges(clients, each) for _ in range(3)]
        print(f"{clients:3} connections: {min(found):6.1f} µs CPU per exchange")


if __name__ == "__main__":
    uvloop.run(main())
