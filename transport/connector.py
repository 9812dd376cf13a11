"""What the edge asks of the transport layer: a connection with a free slot on a path, warm if there is one."""

from __future__ import annotations

from typing import Protocol as Interface

from transport.exchange import Connection
from transport.failure import Failure
from transport.path import Path, Protocol
from transport.sample import TransportSample


class Connector(Interface):
    """Pools of connections per (line, target, protocol), seen from above."""

    def take(self, path: Path, only: Protocol | None = None) -> Connection | None:
        """A warm connection with a slot reserved for the caller, or None. Never waits, never dials.

        `only` restricts the protocol (a WebSocket upgrade needs HTTP/1.1). The caller must `open` or `release`.
        """

    async def connect(self, path: Path, only: Protocol | None = None) -> Connection:
        """Like `take`, dialing if need be: races address families, falls back h3 → h2 → http/1.1.

        Raises:
            TransportError: nothing could be dialed within the connect timeout; origin LINE or ENDPOINT, verdict SAFE.
        Cancelling it does not waste a dial that is under way: the connection joins the pool when it is up.
        """


class TransportObserver(Interface):
    """Passive observations, called by the shells as they happen; must return at once."""

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None:
        """A connection is up: `seconds` from the first packet to readiness (TLS included)."""

    def on_dial_failed(self, path: Path, failure: Failure) -> None: ...

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None:
        """A connection ended; `failure` None when we or the peer closed it in order."""

    def on_round_trip(self, path: Path, seconds: float) -> None:
        """A PING was answered."""

    def on_sample(self, path: Path, sample: TransportSample) -> None:
        """A look at one connection: ten times a second at a few that carry exchanges, once a second at an idle one."""


class NullObserver:
    """Observes nothing."""

    def on_dialed(self, path: Path, protocol: Protocol, seconds: float, resumed: bool) -> None: ...

    def on_dial_failed(self, path: Path, failure: Failure) -> None: ...

    def on_closed(self, path: Path, protocol: Protocol, failure: Failure | None) -> None: ...

    def on_round_trip(self, path: Path, seconds: float) -> None: ...

    def on_sample(self, path: Path, sample: TransportSample) -> None: ...


class ConnectionOwner(Interface):
    """What a connection tells the pool that owns it. Called on the event loop, never from inside `open`."""

    def on_slot_free(self, connection: Connection) -> None:
        """An exchange ended, or the peer raised its stream limit: `has_slot` may be true again."""

    def on_draining(self, connection: Connection) -> None:
        """No new exchanges (GOAWAY, `connection: close`); those open go on."""

    def on_lost(self, connection: Connection, failure: Failure | None) -> None:
        """The connection is closed. `failure` None: in order. Its exchanges have been told already."""

    def on_round_trip(self, connection: Connection, seconds: float) -> None:
        """A PING was answered."""

    def on_peer_timeout(self, connection: Connection, seconds: float) -> None:
        """The peer said how long it keeps idle connections (`Keep-Alive: timeout=N`)."""

    def on_alt_svc(self, connection: Connection, value: bytes) -> None:
        """The peer sent an Alt-Svc field (RFC 7838)."""
