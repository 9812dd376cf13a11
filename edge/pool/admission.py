"""A bounded number of requests at each server, and a short queue before them: an engine that takes more than it can
batch makes all of them slow.

A request asks for a place at any of several servers. If all are full it waits, behind those of its own priority class
and before the lower ones. As many may wait as have places.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from edge.pool.board import Backend, PoolBoard

_CLASSES = {"realtime": 0, "interactive": 1, "batch": 2}


@dataclass(slots=True, eq=False)
class Ticket:
    """A request's place, or its turn. `at` is the server it counts at; None while it waits, and when it is over."""

    choices: tuple[str, ...]  # best first
    rank: int
    at: Backend | None = None


@dataclass(slots=True)
class Admission:
    """Taking and checking are one step. Every ticket must be given back, once, whatever became of it."""

    board: PoolBoard
    _waiting: list[Ticket] = field(default_factory=list)

    @property
    def waiting(self) -> int:
        """Requests in the queue."""
        return len(self._waiting)

    def ask(self, choices: Sequence[str], priority: str) -> Ticket | None:
        """A ticket with a place, or one that waits for its turn; None: the queue is full too.

        A free place is nobody's turn: whoever could have used it has it already.
        """
        ticket = Ticket(tuple(choices), _CLASSES.get(priority, 1))
        if self._seat(ticket):
            return ticket
        places = sum(self.board.backends[pool].pool.max_in_flight for pool in choices if pool in self.board.backends)
        if len(self._waiting) >= places:
            return None
        before = sum(other.rank <= ticket.rank for other in self._waiting)
        self._waiting.insert(before, ticket)
        return ticket

    def move(self, ticket: Ticket, pool: str) -> None:
        """The request goes on at another server; it isn't made to wait again, so that one may be one over its limit."""
        backend = self.board.backends.get(pool)
        if backend is not None and ticket.at is not backend:
            _leave(ticket)
            _enter(ticket, backend)

    def give(self, ticket: Ticket) -> list[Ticket]:
        """The ticket is over; the others whose turn has come now have their places."""
        if ticket in self._waiting:
            self._waiting.remove(ticket)
        _leave(ticket)
        seated = [other for other in self._waiting if self._seat(other)]
        self._waiting = [other for other in self._waiting if other.at is None]
        return seated

    def _seat(self, ticket: Ticket) -> bool:
        for pool in ticket.choices:
            backend = self.board.backends.get(pool)
            if backend is not None and backend.in_flight < backend.pool.max_in_flight:
                _enter(ticket, backend)
                return True
        return False


def _enter(ticket: Ticket, backend: Backend) -> None:
    ticket.at = backend
    backend.in_flight += 1


def _leave(ticket: Ticket) -> None:
    """Counted at the server it was taken at, even if a reload has put another in its place."""
    if ticket.at is not None:
        ticket.at.in_flight -= 1
        ticket.at = None
