"""Where requests wait until an endpoint takes some again: `edge.policy.queue` decides, here the time passes."""

from __future__ import annotations

import asyncio
import random
from collections.abc import Callable, Hashable
from time import monotonic
from typing import Protocol as Interface

from edge.policy.queue import Queue, Ticket

_JITTER = 0.1  # of the pause, at least so many seconds more or less: several nodes share a provider's limit
_LEAST_JITTER = 0.02


class WaitingRoomFull(Exception):
    """As many wait as may."""


class WaitObserver(Interface):
    """Hears how waits end."""

    def on_waited(self, seconds: float, outcome: str) -> None:
        """`outcome`: released, timeout, full or left."""


class WaitingRoom:
    """One per node; belongs to one event loop."""

    def __init__(self, observer: WaitObserver) -> None:
        self.queue = Queue()
        self._observer = observer
        self._turns: dict[int, asyncio.Future[None]] = {}  # by the ticket's number
        self._timers: dict[Hashable, asyncio.TimerHandle] = {}

    async def wait(
        self,
        lane: Hashable,
        priority: str,
        *,
        limit: int,
        seconds: float,
        throttled_until: Callable[[], float | None],
        on_wait: Callable[[asyncio.Future[None]], None],
    ) -> None:
        """Waits for its turn. `throttled_until` tells when the lane may move, each time it is looked at; `on_wait` gets
        the future whose exception ends the wait (the client left).

        Raises:
            WaitingRoomFull: `limit` requests wait already.
            TimeoutError: its turn didn't come within `seconds`.
        """
        began, outcome = monotonic(), "full"
        ticket = self.queue.join(lane, priority, limit)
        try:
            if ticket is None:
                raise WaitingRoomFull
            outcome = "left"
            await self._turn(lane, ticket, seconds, throttled_until, on_wait)
            outcome = "released"
        except TimeoutError:
            outcome = "timeout"
            raise
        finally:
            self._observer.on_waited(monotonic() - began, outcome)

    async def _turn(
        self,
        lane: Hashable,
        ticket: Ticket,
        seconds: float,
        throttled_until: Callable[[], float | None],
        on_wait: Callable[[asyncio.Future[None]], None],
    ) -> None:
        turn: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._turns[ticket.number] = turn
        on_wait(turn)
        if lane not in self._timers:
            self._look(lane, throttled_until)
        try:
            async with asyncio.timeout(seconds):
                await turn
        finally:
            if self._turns.pop(ticket.number, None) is not None:
                self.queue.leave(lane, ticket)

    def _look(self, lane: Hashable, throttled_until: Callable[[], float | None]) -> None:
        """Lets go whose turn it is, and looks again when the next one's may have come."""
        self._timers.pop(lane, None)
        ticket = self.queue.release(lane, throttled_until(), monotonic())
        if ticket is not None:
            turn = self._turns.pop(ticket.number)
            if not turn.done():
                turn.set_result(None)
        at = self.queue.due_at(lane)
        if at is not None:
            pause = max(0.0, at - monotonic())
            jitter = random.uniform(0.0, max(_LEAST_JITTER, pause * _JITTER) if ticket is None else pause * _JITTER)
            loop = asyncio.get_running_loop()
            self._timers[lane] = loop.call_later(pause + jitter, self._look, lane, throttled_until)

    def close(self) -> None:
        """The node goes down: no more looking. Those who wait are cancelled with their requests."""
        for timer in self._timers.values():
            timer.cancel()
        self._timers.clear()
