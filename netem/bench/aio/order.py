"""What the load client is told on its standard input, and the seam between it and its connections."""

from __future__ import annotations

import asyncio
import ssl
import time
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol
from zlib import crc32

from netem.bench.tokens import SseReader


@dataclass(frozen=True, slots=True)
class Order:
    """`starts` are seconds after the beginning of the window; `tokens` are asked of each reply, 0: as it comes."""

    host: str
    port: int
    way: str
    prefix: str
    ca_file: str
    traffic: str
    starts: tuple[float, ...]
    streams: int
    prompt_bytes: int
    patience: float
    label: str
    tokens: int = 0

    @classmethod
    def of(cls, plain: Mapping[str, Any]) -> Order:
        return cls(**{**plain, "starts": tuple(plain["starts"])})

    @property
    def authority(self) -> str:
        return f"{self.host}:{self.port}"

    def tls(self, *alpn: str) -> ssl.SSLContext | None:
        """A context that trusts the provider's own CA only; None: no TLS."""
        if not self.ca_file:
            return None
        context = ssl.create_default_context(cafile=self.ca_file)
        context.set_alpn_protocols(list(alpn))
        return context


class Call:
    """One request on its way: the connection feeds it, `finished` wakes who waits for it."""

    __slots__ = ("crc", "fault", "finished", "is_clean", "reader", "size", "status")

    def __init__(self) -> None:
        self.reader = SseReader()
        self.status = 0
        self.size = self.crc = 0  # of the body's bytes
        self.is_clean = False
        self.fault = ""
        self.finished: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    def feed(self, data: bytes) -> None:
        self.size += len(data)
        self.crc = crc32(data, self.crc)
        self.reader.feed(data, time.monotonic_ns())

    def end(self, *, is_clean: bool = True, fault: str = "") -> None:
        """The first end counts."""
        if not self.finished.done():
            self.is_clean, self.fault = is_clean, fault
            self.finished.set_result(None)


class Connections(Protocol):
    """One way to talk HTTP."""

    async def warm(self, count: int) -> None:
        """Make so many connections ready (one, where they multiplex). Raises OSError."""

    async def send(self, path: str, headers: list[tuple[str, str]], body: bytes, call: Call) -> None:
        """POST; returns when the request is handed to the kernel. Raises OSError."""

    def abandon(self, call: Call) -> None:
        """The call was given up."""

    async def close(self) -> None:
        """Close everything."""
