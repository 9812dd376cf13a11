"""Single flight: identical requests in flight share one upstream exchange.

The first to ask leads: it makes the exchange and tells the flight what comes. The others listen. A listener that joins
late gets what has come so far in one piece and then every chunk as it comes. Nobody waits for anybody: a listener whose
client doesn't read is passed over and catches up later from the buffer, which all share.

The exchange belongs to the flight, not to the leader's client. If that client leaves, the leader goes on while
anybody listens (`may_abandon`), and is told (`on_abandoned`) when the last one has left. So no second exchange is
ever made for a client that goes away. When no listener's client reads any more, the leader is told so (`on_flow`).

    Flight:  waiting ──begin──► flowing ──end──► ended
                 └────────────────┴──fail──► failed

All of it runs inside the callbacks of the exchange: no task, future or queue.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol as Interface

from transport.failure import Failure
from transport.message import Headers


class Listener(Interface):
    """A follower's side. Called from within the leader's exchange; must not raise, and should only write."""

    def on_begin(self, status: int, headers: Headers) -> None: ...

    def on_data(self, data: bytes) -> None: ...

    def on_end(self) -> None: ...

    def on_failure(self, failure: Failure) -> None:
        """The exchange failed. Before `on_begin` the follower may make an exchange of its own."""

    def on_lagging(self) -> None:
        """This listener was too slow for the buffer and has been dropped: the rest of its reply is lost to it."""


@dataclass(frozen=True, slots=True)
class FlightLimits:
    """Bounds of one flight. `buffer_bytes`: once a reply is larger, nobody can join any more, and a listener that lags
    further behind is dropped."""

    listeners: int = 1000
    buffer_bytes: int = 4 * 1024 * 1024


class Seat:
    """One listener's place in a flight."""

    __slots__ = ("_flight", "is_paused", "is_wanted", "listener", "next", "was_told_head")

    def __init__(self, flight: Flight, listener: Listener) -> None:
        self._flight = flight
        self.listener = listener
        self.next = 0  # index of the chunk that it gets next
        self.is_paused = False
        self.is_wanted = True  # False: the exchange need not go on for this one alone
        self.was_told_head = False

    def want(self, is_wanted: bool) -> None:
        """For a listener that only passes on: does anybody listen behind it?"""
        self.is_wanted = is_wanted
        self._flight.check_abandoned()
        self._flight.check_flow()

    def pause(self) -> None:
        """The listener's client doesn't read: no more data until `resume`."""
        self.is_paused = True
        self._flight.check_flow()

    def resume(self) -> None:
        """The client reads again: everything missed comes at once, in one piece."""
        self.is_paused = False
        self._flight.catch_up(self)
        self._flight.check_flow()

    def leave(self) -> None:
        """The listener's client is gone. Idempotent."""
        self._flight.leave(self)


class Flight:
    """One exchange and who listens to it. `on_abandoned` is called when the leader has left and then the last listener
    does: the exchange should be cancelled. `on_flow(False)` when all who listen have paused, `on_flow(True)` when one
    reads again: the exchange should pause meanwhile."""

    def __init__(
        self,
        limits: FlightLimits,
        on_abandoned: Callable[[], None] | None = None,
        on_flow: Callable[[bool], None] | None = None,
    ) -> None:
        self.on_abandoned = on_abandoned
        self.on_flow = on_flow
        self._is_flowing = True
        self.joined = 0  # how many ever listened: exchanges saved
        self._limits = limits
        self._seats: dict[Seat, None] = {}
        self._head: tuple[int, Headers] | None = None
        self._chunks: list[bytes] = []
        self._dropped = 0  # chunks at the front that nobody needs any more
        self._buffered_bytes = 0
        self._is_over_bound = False
        self._has_ended = False
        self._failure: Failure | None = None
        self._leader_left = False

    @property
    def is_over(self) -> bool:
        return self._has_ended or self._failure is not None

    @property
    def is_joinable(self) -> bool:
        return not self.is_over and not self._is_over_bound and len(self._seats) < self._limits.listeners

    @property
    def listeners(self) -> int:
        return len(self._seats)

    # --- the leader's side ---

    def begin(self, status: int, headers: Headers) -> None:
        """The reply's head is there. The headers are everybody's: not changed from here on."""
        self._head = (status, headers)
        for seat in list(self._seats):
            self.catch_up(seat)

    def feed(self, data: bytes) -> None:
        """Hot path: one chunk."""
        chunks = self._chunks
        chunks.append(data)
        self._buffered_bytes += len(data)
        newest = self._dropped + len(chunks)
        for seat in list(self._seats):
            if not seat.is_paused and seat.next == newest - 1:
                seat.next = newest
                seat.listener.on_data(data)
        if self._buffered_bytes > self._limits.buffer_bytes:
            self._shrink()

    def end(self) -> None:
        """The reply is complete. Paused listeners still get their rest when they resume."""
        self._has_ended = True
        self._finish()

    def fail(self, failure: Failure) -> None:
        """The reply won't come, or not its rest."""
        self._failure = failure
        self._finish()

    def may_abandon(self) -> bool:
        """The leader's client is gone: may the exchange be cancelled? If not, the leader goes on for the others."""
        self._leader_left = True
        return not self._is_wanted()

    # --- the followers' side ---

    def join(self, listener: Listener) -> Seat:
        """What has come so far is delivered before this returns. Only while `is_joinable`."""
        assert self.is_joinable, "a flight that can't be joined"
        seat = Seat(self, listener)
        self._seats[seat] = None
        self.joined += 1
        self.catch_up(seat)
        self.check_flow()
        return seat

    def catch_up(self, seat: Seat) -> None:
        """Gives a listener all that it misses, unless it is paused or gone."""
        if seat not in self._seats:
            return
        if self._head is not None and not seat.was_told_head:
            seat.was_told_head = True
            seat.listener.on_begin(*self._head)
        if not seat.is_paused and (missed := self._chunks[seat.next - self._dropped :]):
            seat.next = self._dropped + len(self._chunks)
            seat.listener.on_data(missed[0] if len(missed) == 1 else b"".join(missed))
        self._settle(seat)

    def leave(self, seat: Seat) -> None:
        if seat in self._seats:
            self._remove(seat)
            self.check_abandoned()
            self.check_flow()

    def _remove(self, seat: Seat) -> None:
        """Paused for ever, so that a loop over the seats that is under way passes it over."""
        del self._seats[seat]
        seat.is_paused = True

    def _settle(self, seat: Seat) -> None:
        """Tells a listener how it ended, once it has everything. A failure doesn't wait for what is missing."""
        if seat not in self._seats:
            return  # it left inside its callback
        if self._failure is not None:
            self._remove(seat)
            seat.listener.on_failure(self._failure)
        elif self._has_ended and seat.next == self._dropped + len(self._chunks):
            self._remove(seat)
            seat.listener.on_end()

    def _finish(self) -> None:
        for seat in list(self._seats):
            self._settle(seat)

    def _shrink(self) -> None:
        """Over the bound: drops the chunks that everybody has, and whoever is further behind than the bound."""
        self._is_over_bound = True
        self._forget()
        while self._buffered_bytes > self._limits.buffer_bytes and self._seats:
            slowest = min(self._seats, key=lambda seat: seat.next)
            self._remove(slowest)
            slowest.listener.on_lagging()
            self._forget()
        self.check_abandoned()
        self.check_flow()

    def _forget(self) -> None:
        end = self._dropped + len(self._chunks)
        passed = min((seat.next for seat in self._seats), default=end) - self._dropped
        self._buffered_bytes -= sum(map(len, self._chunks[:passed]))
        del self._chunks[:passed]
        self._dropped += passed

    def check_abandoned(self) -> None:
        """Calls `on_abandoned` if nobody wants this exchange any more."""
        if self._leader_left and not self.is_over and not self._is_wanted() and self.on_abandoned is not None:
            self.on_abandoned()

    def check_flow(self) -> None:
        """Calls `on_flow` if nobody reads any more, or somebody does again."""
        wanted = [seat for seat in self._seats if seat.is_wanted]
        is_flowing = not wanted or any(not seat.is_paused for seat in wanted)
        if is_flowing is not self._is_flowing and not self.is_over:
            self._is_flowing = is_flowing
            if self.on_flow is not None:
                self.on_flow(is_flowing)

    def _is_wanted(self) -> bool:
        return any(seat.is_wanted for seat in self._seats)


class Flights:
    """Those in the air on this node, by key."""

    def __init__(self, limits: FlightLimits | None = None) -> None:
        self.limits = limits or FlightLimits()
        self._flights: dict[bytes, Flight] = {}

    def __len__(self) -> int:
        return len(self._flights)

    def find(self, digest: bytes) -> Flight | None:
        """One that can be joined; else the caller leads (`lead`)."""
        flight = self._flights.get(digest)
        return flight if flight is not None and flight.is_joinable else None

    def lead(self, digest: bytes) -> Flight:
        """A new flight. After this call `land` it in any case. One that is full or too large goes on beside it."""
        flight = self._flights[digest] = Flight(self.limits)
        return flight

    def land(self, digest: bytes, flight: Flight) -> None:
        """It is over: nobody can find it any more."""
        if self._flights.get(digest) is flight:
            del self._flights[digest]
