"""A sink and an owner that write down what they hear, for tests of connections."""

from __future__ import annotations

import asyncio

from transport.exchange import Connection
from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead


class RecordingSink:
    """Keeps a reply; `finished` ends with its last callback. `broken` lists violations of the callback rules."""

    def __init__(self) -> None:
        self.head: ResponseHead | None = None
        self.body = bytearray()
        self.pieces = 0
        self.trailers: Headers | None = None
        self.failure: Failure | None = None
        self.writable = asyncio.Event()
        self.began = asyncio.Event()
        self.more = asyncio.Event()
        self.finished = asyncio.Event()
        self.broken: list[str] = []
        self.forbidden = False  # no callback may come now

    def _hear(self, what: str) -> None:
        if self.forbidden:
            self.broken.append(f"{what} at a forbidden time")
        if self.finished.is_set():
            self.broken.append(f"{what} after the end")

    def on_head(self, head: ResponseHead) -> None:
        self._hear("on_head")
        if self.head is not None:
            self.broken.append("on_head twice")
        self.head = head
        self.began.set()

    def on_data(self, data: bytes) -> None:
        self._hear("on_data")
        if self.head is None:
            self.broken.append("on_data before on_head")
        self.body += data
        self.pieces += 1
        self.more.set()

    def on_end(self, trailers: Headers) -> None:
        self._hear("on_end")
        if self.head is None:
            self.broken.append("on_end before on_head")
        self.trailers = trailers
        self.finished.set()

    def on_failure(self, failure: Failure) -> None:
        self._hear("on_failure")
        self.failure = failure
        self.finished.set()

    def on_writable(self) -> None:
        self.writable.set()

    async def done(self, timeout: float = 10.0) -> RecordingSink:
        async with asyncio.timeout(timeout):
            await self.finished.wait()
        assert self.broken == []
        return self


class RecordingOwner:
    """Keeps what connections tell their pool."""

    def __init__(self) -> None:
        self.free: list[Connection] = []
        self.draining: list[Connection] = []
        self.lost: list[Failure | None] = []
        self.gone = asyncio.Event()
        self.peer_timeouts: list[float] = []
        self.alt_svc: list[bytes] = []
        self.round_trips: list[float] = []

    def on_slot_free(self, connection: Connection) -> None:
        self.free.append(connection)

    def on_draining(self, connection: Connection) -> None:
        self.draining.append(connection)

    def on_lost(self, connection: Connection, failure: Failure | None) -> None:
        self.lost.append(failure)
        self.gone.set()

    def on_round_trip(self, connection: Connection, seconds: float) -> None:
        self.round_trips.append(seconds)

    def on_peer_timeout(self, connection: Connection, seconds: float) -> None:
        self.peer_timeouts.append(seconds)

    def on_alt_svc(self, connection: Connection, value: bytes) -> None:
        self.alt_svc.append(value)


def request(
    method: str = "GET", target: str = "/", headers: Headers | None = None, authority: str = "test.example"
) -> RequestHead:
    """A request's head."""
    return RequestHead(method.encode(), target.encode(), authority.encode(), headers or [])
