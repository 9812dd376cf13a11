"""The health board's heartbeat: it notices silence by looking at the clock, and this process's own stalls as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

INTERVAL = 0.05  # seconds


class Pulse:
    """Calls `tick(now, lag)` every 50 ms; `lag` is how much later than that the event loop came to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, tick: Callable[[float, float], None]) -> None:
        self._loop = loop
        self._tick = tick
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due_at = self._loop.time() + INTERVAL
        self._timer = self._loop.call_at(self._due_at, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        now = self._loop.time()
        lag = max(0.0, now - self._due_at)
        self.start()
        self._tick(monotonic(), lag)
