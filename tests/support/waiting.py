"""Waiting for what other tasks, threads and processes bring about."""

from __future__ import annotations

import asyncio
import inspect
import time
from collections.abc import Callable


async def until(holds: Callable[[], object], seconds: float = 20.0, every: float = 0.002) -> None:
    """Returns when `holds()` is true. If that is a coroutine, which asks somebody, it is looked at less often. Raises
    TimeoutError: it never was."""
    async with asyncio.timeout(seconds):
        while True:
            told = holds()
            is_asked = inspect.isawaitable(told)
            if await told if is_asked else told:
                return
            await asyncio.sleep(max(every, 0.05) if is_asked else every)


def eventually(holds: Callable[[], object], seconds: float = 10.0) -> None:
    """The same where no loop runs. Raises AssertionError."""
    end = time.monotonic() + seconds
    while not holds():
        assert time.monotonic() < end, "it never came"
        time.sleep(0.05)
