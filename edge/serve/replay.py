"""A stored reply on its way to a client: as fast as the client reads, or as it once came."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator
from contextlib import aclosing

from cache.aio.replay import at_cadence
from cache.entry import Entry
from edge.serve.client import ClientExchange
from transport.message import Headers

_PIECE_BYTES = 64 * 1024


class _Reader:
    """Watches a client while pieces are written to it."""

    def __init__(self) -> None:
        self._is_slow = False
        self._ready = asyncio.Event()
        self.is_gone = False

    def on_client_gone(self) -> None:
        self.is_gone = True
        self._ready.set()

    def on_client_slow(self) -> None:
        self._is_slow = True
        self._ready.clear()

    def on_client_ready(self) -> None:
        self._is_slow = False
        self._ready.set()

    async def ready(self) -> None:
        """Returns when the client reads, or is gone."""
        if self._is_slow and not self.is_gone:
            await self._ready.wait()


async def replay(client: ClientExchange, entry: Entry, own: Headers, *, at_once: bool) -> int:
    """Gives `entry` with the edge's `own` headers; how many bytes of it the client took."""
    headers = [*entry.headers, *own]
    if not entry.is_stream:
        headers.append((b"content-length", b"%d" % len(entry.body)))
        at_once = True
    client.start(entry.status, headers)
    if at_once and len(entry.body) <= _PIECE_BYTES:
        client.write(entry.body)
        client.end()
        return len(entry.body)
    reader = _Reader()
    client.watch(reader)
    written = 0
    try:
        async with aclosing(_pieces(entry.body) if at_once else at_cadence(entry)) as pieces:
            async for piece in pieces:
                await reader.ready()
                if reader.is_gone:
                    return written
                client.write(piece)
                written += len(piece)
    finally:
        client.watch(None)
    client.end()
    return written


async def _pieces(body: bytes) -> AsyncGenerator[bytes, None]:
    for start in range(0, len(body), _PIECE_BYTES):
        yield body[start : start + _PIECE_BYTES]
