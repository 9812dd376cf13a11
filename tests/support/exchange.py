"""A sink and an owner that write down what they are told, and check the sink's rules while they do."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Callable
from typing import Any

from transport.failure import Failure
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Path

PATH = Path("line", "endpoint")


class Sink:
    """One reply, recorded. `ended` is set by on_end and on_failure."""

    def __init__(self, on_data: Callable[[bytes], None] | None = None, *, keep: bool = True) -> None:
        self.head: ResponseHead | None = None
        self.body = bytearray()
        self.size = 0
        self.chunks = 0
        self.trailers: Headers | None = None
        self.failure: Failure | None = None
        self.ended = asyncio.Event()
        self.began = asyncio.Event()
        self.writable = asyncio.Event()
        self._on_data = on_data
        self._keep = keep

    def on_head(self, head: ResponseHead) -> None:
        assert self.head is None
        assert not self.ended.is_set()
        self.head = head
        self.began.set()

    def on_data(self, data: bytes) -> None:
        assert self.head is not None
        assert not self.ended.is_set()
        self.size += len(data)
        self.chunks += 1
        if self._keep:
            self.body += data
        if self._on_data:
            self._on_data(data)

    def on_end(self, trailers: Headers) -> None:
        assert self.head is not None
        assert not self.ended.is_set()
        self.trailers = trailers
        self.ended.set()

    def on_failure(self, failure: Failure) -> None:
        assert not self.ended.is_set()
        self.failure = failure
        self.ended.set()

    def on_writable(self) -> None:
        self.writable.set()

    async def done(self, seconds: float = 5.0) -> Sink:
        async with asyncio.timeout(seconds):
            await self.ended.wait()
        return self

    @property
    def outcome(self) -> tuple[str, str] | str:
        """ "end", or (code, verdict) of the failure."""
        return (self.failure.code, self.failure.verdict.value) if self.failure else "end"


class Owner:
    """A pool's ear."""

    def __init__(self) -> None:
        self.slots = 0
        self.draining = 0
        self.lost: list[Failure | None] = []
        self.round_trips: list[float] = []
        self.alt_svc: list[bytes] = []
        self.lost_event = asyncio.Event()

    def on_slot_free(self, connection: Any) -> None:
        self.slots += 1

    def on_draining(self, connection: Any) -> None:
        self.draining += 1

    def on_lost(self, connection: Any, failure: Failure | None) -> None:
        self.lost.append(failure)
        self.lost_event.set()

    def on_round_trip(self, connection: Any, seconds: float) -> None:
        self.round_trips.append(seconds)

    def on_alt_svc(self, connection: Any, value: bytes) -> None:
        self.alt_svc.append(value)


def request(method: bytes = b"GET", target: bytes = b"/", *headers: tuple[bytes, bytes]) -> RequestHead:
    return RequestHead(method, target, b"example.test", list(headers), b"http")


async def standing(figure: Callable[[], int], still: float = 0.3, seconds: float = 10.0) -> int:
    """The figure, once it hasn't moved for `still` seconds."""
    deadline, last, since = time.monotonic() + seconds, figure(), time.monotonic()
    while time.monotonic() - since < still:
        assert time.monotonic() < deadline, f"still moving: {last}"
        await asyncio.sleep(0.02)
        if figure() != last:
            last, since = figure(), time.monotonic()
    return last
