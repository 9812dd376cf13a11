"""The pool's decisions for one (line, target): which connection to hand out, when to grow, what to retire.

take            the fullest h2/h3 connection that has a slot, or the HTTP/1.1 connection used last
dials_wanted    how many dials to begin for those who wait
floor_missing   how many to begin so that enough stand ready
retire          idle connections to close before their peer does
suspects        whom to doubt when a connection beside them has died
"""

from __future__ import annotations

from dataclasses import dataclass
from math import ceil, inf

from transport.exchange import Connection
from transport.path import HTTP, Protocol


@dataclass(frozen=True, slots=True)
class PoolPolicy:
    """Seconds, and exchanges per connection.

    `h1_idle`: common servers close an idle connection after 60 to 75 s, so go first; a peer that says less (Keep-Alive:
    timeout=N) is believed, with a margin for the flight time of its FIN. `mux_idle`: how long an h2/h3 connection above
    the floor may idle. `fresh`: an HTTP/1.1 connection used so recently isn't doubted when another one dies.
    `streams` bounds the exchanges that one h2/h3 connection carries, whatever its peer allows: all of them wait when
    it loses a packet (h2), and fail when it breaks.
    """

    h1_idle: float = 50.0
    mux_idle: float = 300.0
    fresh: float = 1.0
    margin: float = 2.0
    streams: int = 100


@dataclass(frozen=True, slots=True)
class ProtocolCount:
    """Connections of one protocol, and dials under way that are expected to become such."""

    protocol: Protocol
    idle: int
    active: int
    dialing: int


class Shelf:
    """The connections of one (line, target). Every operation of a request is O(1) unless a connection is full."""

    def __init__(
        self, protocols: tuple[Protocol, ...], floor: int, ceiling: int, policy: PoolPolicy | None = None
    ) -> None:
        """`floor`: connections to keep ready; `ceiling`: connections at most, per protocol."""
        self.floor = floor
        self.ceiling = ceiling
        self._policy = policy or PoolPolicy()
        self._protocols = protocols
        self._expected = Protocol.H1 if protocols == (Protocol.H1,) else protocols[0]
        self._live: dict[Protocol, set[Connection]] = {protocol: set() for protocol in HTTP}
        self._h1_live = self._live[Protocol.H1]  # an enum's hash is slow: keep it off the path of a request
        self._h1_idle: dict[Connection, float] = {}  # idle since; the last one was used last
        self._h1_limit = self._policy.h1_idle
        self._mux: dict[Protocol, dict[Connection, float]] = {Protocol.H2: {}, Protocol.H3: {}}  # idle since, or inf
        self._current: dict[Protocol, Connection] = {}
        self._dialing: dict[Protocol | None, int] = {}

    def take(self, only: Protocol | None, now: float) -> Connection | None:
        """A connection with a slot, not yet reserved (HTTP/1.1: no longer idle), or None."""
        for protocol in self._protocols:
            if only is None or protocol is only:
                found = self._take_h1(now) if protocol is Protocol.H1 else self._take_mux(protocol)
                if found is not None:
                    return found
        return None

    def _take_h1(self, now: float) -> Connection | None:
        idle = self._h1_idle
        while idle:
            connection, since = idle.popitem()
            if now - since >= self._h1_limit:
                idle[connection] = since  # those before it are older still: leave them to `retire`
                return None
            if connection.has_slot():
                return connection
        return None

    def _take_mux(self, protocol: Protocol) -> Connection | None:
        shelf = self._mux[protocol]
        current = self._current.get(protocol)
        if current is None or not self._is_open(current):
            open_ones = [connection for connection in shelf if self._is_open(connection)]
            if not open_ones:
                return None
            current = self._current[protocol] = max(open_ones, key=lambda connection: connection.in_flight)
        shelf[current] = inf
        return current

    def _is_open(self, connection: Connection) -> bool:
        return connection.in_flight < self._policy.streams and connection.has_slot()

    def add(self, connection: Connection, now: float) -> None:
        """A new connection stands ready."""
        protocol = connection.protocol
        self._expected = protocol
        self._live[protocol].add(connection)
        self.freed(connection, now)

    def freed(self, connection: Connection, now: float) -> None:
        """One of its slots is free. Unknown and draining connections stay out."""
        if connection in self._h1_live:
            self._h1_idle[connection] = now
        elif connection in self._live[connection.protocol]:
            shelf = self._mux[connection.protocol]
            if connection.in_flight == 0:
                shelf[connection] = now
            else:
                shelf.setdefault(connection, inf)

    def drained(self, connection: Connection) -> None:
        """It takes no new exchanges: it is handed out no more and counts no more."""
        protocol = connection.protocol
        self._live[protocol].discard(connection)
        if protocol is Protocol.H1:
            self._h1_idle.pop(connection, None)
            return
        self._mux[protocol].pop(connection, None)
        if self._current.get(protocol) is connection:
            del self._current[protocol]

    def dial_began(self, only: Protocol | None) -> None:
        """A dial is under way, for anybody (None) or for those who need one protocol."""
        self._dialing[only] = self._dialing.get(only, 0) + 1

    def dial_ended(self, only: Protocol | None) -> None:
        """It ended, either way."""
        self._dialing[only] -= 1

    def dialing(self, only: Protocol | None) -> int:
        """Dials under way for this group."""
        return self._dialing.get(only, 0)

    def share(self, only: Protocol | None) -> int:
        """How many who wait one new connection is expected to serve."""
        return 1 if (only or self._expected) is Protocol.H1 else self._policy.streams

    def room(self, only: Protocol | None) -> int:
        """How many more connections the ceiling allows."""
        return self.ceiling - len(self._live[only or self._expected]) - sum(self._dialing.values())

    def dials_wanted(self, only: Protocol | None, waiting: int) -> int:
        """Dials to begin now, when `waiting` callers of this group have no connection."""
        missing = ceil(waiting / self.share(only)) - self.dialing(only)
        return max(0, min(missing, self.room(only)))

    def floor_missing(self) -> int:
        """Dials to begin so that the floor of ready connections is reached."""
        ready = len(self._h1_idle) + sum(map(self._is_open, self._open_mux()))
        return max(0, min(self.floor - ready - self.dialing(None), self.room(None)))

    def _open_mux(self) -> list[Connection]:
        return [connection for shelf in self._mux.values() for connection in shelf]

    def learn_idle(self, seconds: float) -> None:
        """The peer closes idle HTTP/1.1 connections after so many seconds."""
        self._h1_limit = min(self._policy.h1_idle, max(seconds / 2, seconds - self._policy.margin))

    def retire(self, now: float) -> list[Connection]:
        """Idle connections to close now; they are off the shelf. HTTP/1.1: all that idled too long; others: above the
        floor only, because their pings keep them alive."""
        retired = []
        for connection, since in self._h1_idle.items():
            if now - since < self._h1_limit:
                break  # the rest were used later
            retired.append(connection)
        spare = len(self._open_mux()) - self.floor
        for shelf in self._mux.values():
            lazy = [connection for connection, since in shelf.items() if now - since >= self._policy.mux_idle]
            retired += lazy[: max(0, spare)]
            spare -= len(lazy)
        for connection in retired:
            self.drained(connection)
        return retired

    def suspects(self, now: float) -> list[Connection]:
        """Whom to doubt when a connection beside them has died: those that have been silent for a while. They are
        still on the shelf; an HTTP/1.1 connection leaves it when it is closed."""
        fresh = now - self._policy.fresh
        return [one for one, since in self._h1_idle.items() if since < fresh] + self._open_mux()

    def counts(self) -> list[ProtocolCount]:
        """What there is, for those protocols that have any."""
        found = []
        for protocol, live in self._live.items():
            if protocol is Protocol.H1:
                idle = len(self._h1_idle)
            else:
                idle = sum(since != inf for since in self._mux[protocol].values())
            dialing = sum(number for only, number in self._dialing.items() if (only or self._expected) is protocol)
            if live or dialing:
                found.append(ProtocolCount(protocol, idle, len(live) - idle, dialing))
        return found
