"""One timer for all replies: due work is done in batches, so that a token costs no task and no timer of its own."""

from __future__ import annotations

import asyncio
import heapq
import logging
from typing import Protocol

TICK = 0.002  # seconds; work is done up to this much late, never early

log = logging.getLogger(__name__)


class Worker(Protocol):
    """Something with a next step."""

    def step(self, now: float) -> None: ...

    def fail(self) -> None:
        """`step` raised: end without a reply."""


class Wheel:
    """Calls `step` of each worker at its time."""

    def __init__(self, loop: asyncio.AbstractEventLoop) -> None:
        self._loop = loop
        self._slots: dict[int, list[Worker]] = {}
        self._order: list[int] = []
        self._timer: asyncio.TimerHandle | None = None
        self.failures = 0

    def at(self, due: float, worker: Worker) -> None:
        slot = int(due / TICK) + 1
        workers = self._slots.get(slot)
        if workers is not None:
            workers.append(worker)
            return
        self._slots[slot] = [worker]
        heapq.heappush(self._order, slot)
        if self._order[0] == slot:
            self._arm()

    def close(self) -> None:
        self._slots.clear()
        self._order.clear()
        if self._timer is not None:
            self._timer.cancel()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        self._timer = self._loop.call_at(self._order[0] * TICK, self._run) if self._order else None

    def _run(self) -> None:
        now = self._loop.time()
        latest = int((now + TICK / 4) / TICK)  # the timer may come a hair early
        due: list[Worker] = []  # taken out first: a worker that isn't quite due may come back into the very slot
        while self._order and self._order[0] <= latest:
            due += self._slots.pop(heapq.heappop(self._order))
        for worker in due:
            self.step(worker, now)
        self._arm()

    def step(self, worker: Worker, now: float) -> None:
        try:
            worker.step(now)
        except Exception:
            self.failures += 1
            log.exception("a reply's step failed")
            worker.fail()
