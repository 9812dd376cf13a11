"""The queue for requests whose every endpoint wants no more for now.

Lanes are independent: those who wait for the same thing (a provider and a model) stand in one lane, by priority class,
then by arrival. When the throttle ends they aren't let go all at once, which would be the next refusal, but one by one:
slowly at first, then ever faster while no new refusal comes.
"""

from __future__ import annotations

from collections.abc import Hashable
from heapq import heappop, heappush
from itertools import count

from msgspec import Struct

RANKS = {"realtime": 0, "interactive": 1, "batch": 2}
FIRST_PAUSE = 0.1  # seconds between the first two that are let go
SHORTEST_PAUSE = 0.002
HASTE = 0.85  # each pause is so much of the one before


class Ticket(Struct, order=True, gc=False):
    """A place in a lane; the smallest goes first."""

    rank: int
    number: int
    has_left: bool = False


class Lane(Struct):
    """Those who wait for one thing. Tickets that left stay in the heap until their turn comes."""

    heap: list[Ticket]
    waiting: int = 0
    pause: float = FIRST_PAUSE
    next_at: float = 0.0


class Queue:
    """Decides who waits and who goes; the shell keeps the time. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self._lanes: dict[Hashable, Lane] = {}
        self._numbers = count()
        self.waiting = 0

    def has_lane(self, lane: Hashable) -> bool:
        """Does anybody stand there? Then newcomers must not overtake them."""
        return lane in self._lanes

    def join(self, lane: Hashable, priority: str, limit: int) -> Ticket | None:
        """A place at the end of the class; None if `limit` requests wait already, in all lanes together."""
        if self.waiting >= limit:
            return None
        ticket = Ticket(RANKS[priority], next(self._numbers))
        found = self._lanes.setdefault(lane, Lane([]))
        heappush(found.heap, ticket)
        found.waiting += 1
        self.waiting += 1
        return ticket

    def leave(self, lane: Hashable, ticket: Ticket) -> None:
        """It waits no more: its time was up, or the client left."""
        ticket.has_left = True
        self._gone(lane, self._lanes[lane])

    def release(self, lane: Hashable, throttled_until: float | None, now: float) -> Ticket | None:
        """Who goes now, if anybody does."""
        found = self._lanes.get(lane)
        if found is None:
            return None
        if throttled_until is not None:
            found.pause, found.next_at = FIRST_PAUSE, max(found.next_at, throttled_until)
        if now < found.next_at:
            return None
        ticket = heappop(found.heap)
        while ticket.has_left:
            ticket = heappop(found.heap)
        found.next_at = now + found.pause
        found.pause = max(SHORTEST_PAUSE, found.pause * HASTE)
        self._gone(lane, found)
        return ticket

    def due_at(self, lane: Hashable) -> float | None:
        """When to ask `release` again; None: nobody waits."""
        found = self._lanes.get(lane)
        return None if found is None else found.next_at

    def _gone(self, lane: Hashable, found: Lane) -> None:
        self.waiting -= 1
        found.waiting -= 1
        if not found.waiting:
            del self._lanes[lane]
