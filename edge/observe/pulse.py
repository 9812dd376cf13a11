"""The health board's heartbeat: it notices silence by looking at the clock, and this process's own stalls as well."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from health.lag import LoopLag

INTERVAL = 0.05  # seconds


class Pulse:
    """Calls `tick(now, late)` every 50 ms; `late` is how much later than that the event loop came to it."""

    def __init__(self, loop: asyncio.AbstractEventLoop, lag: LoopLag, tick: Callable[[float, float], None]) -> None:
        self._loop = loop
        self._lag = lag
        self._tick = tick
        self._due_at = 0.0
        self._timer: asyncio.TimerHandle | None = None

    def start(self) -> None:
        self._due_at = monotonic() + INTERVAL
        self._timer = self._loop.call_later(INTERVAL, self._beat)

    def stop(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None

    def _beat(self) -> None:
        now = monotonic()
        late = self._lag.beat(self._due_at, now)
        self.start()
        self._tick(now, late)
