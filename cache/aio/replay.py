"""A stored reply, part by part, in its original cadence. At once is `entry.body`."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator

from cache.entry import Entry
from cache.replay import parts_after


async def at_cadence(entry: Entry, longest_gap: float = 1.0) -> AsyncGenerator[bytes, None]:
    """Each part when it is due, with no pause over `longest_gap` seconds. Whoever writes them may take its time (its
    client's back-pressure): parts that have become due meanwhile come at once."""
    loop = asyncio.get_running_loop()
    began_at = loop.time()
    for due, data in parts_after(entry, longest_gap):
        wait = began_at + due - loop.time()
        if wait > 0:
            await asyncio.sleep(wait)
        yield data
