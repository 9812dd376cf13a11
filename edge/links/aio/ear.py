"""Hears what becomes of the sessions with one relay, and tells whom it concerns."""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Collection, Mapping
from time import monotonic

from edge.links.facts import CarrierLooks, RelayFacts
from health.board import HealthBoard
from transport.connector import ConnectionOwner
from transport.exchange import Connection
from transport.failure import Code as Word
from transport.failure import Failure, Origin, Verdict
from transport.session.aio.connection import RelayConnection, kept
from transport.session.live import LiveSession, SessionListener, StreamSink
from transport.session.values import Code, StreamOpened

log = logging.getLogger("farline.relays")

NO_LINE = "no line leads to it now"


class Ear(SessionListener):
    """One relay's. Keeps the connections that requests use: one per endpoint and session.

    `lifetime` says of a WebSocket message of the client how late it may come, in seconds; 0: however late.
    """

    def __init__(
        self, relay: str, board: HealthBoard, doubts: Doubts, lifetime: Callable[[int, bytes], float] = kept
    ) -> None:
        self.relay = relay
        self.facts = RelayFacts()
        self.looks = CarrierLooks()
        self.is_ready = asyncio.Event()
        self._board = board
        self._doubts = doubts
        self._lifetime = lifetime
        self._session: LiveSession | None = None
        self._connections: dict[str, RelayConnection] = {}
        self._doubted: set[str] = set()  # lines that the session suspects
        self._had_carriers = False
        self._is_silent = False

    def connection(self, session: LiveSession, endpoint: str) -> RelayConnection:
        """The way to an endpoint through this session."""
        found = self._connections.get(endpoint)
        if found is None or found.session is not session:
            found = self._connections[endpoint] = RelayConnection(
                session, endpoint, _NOBODY, self.facts.lateness.stamped, self._lifetime
            )
        return found

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        raise AssertionError("relays open no streams")

    def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
        if session is not self._session:
            if self._session is not None:
                self._forget_session()
            self._session = session
            self.facts.sessions += 1
            self.facts.tally = session.tally
            self.facts.traffic.begin(id(session), session.traffic)
            log.info("relay %s: session over %s", self.relay, line)
        elif not self._had_carriers:
            self.facts.resumes += 1
            log.info("relay %s: session resumed over %s", self.relay, line)
        self._had_carriers = True
        self._tell_readiness(session)

    def on_suspected(self, session: LiveSession, line: str) -> None:
        self.facts.suspicions[line] += 1
        if session is self._session:
            self._doubted.add(line)
            self._tell_doubts(session)

    def on_relieved(self, session: LiveSession, line: str, seconds: float) -> None:
        self.facts.relieved(line, seconds)
        self._trust(session, line)

    def on_carrier_lost(self, session: LiveSession, line: str, left: int) -> None:
        self._trust(session, line)
        if not left and session is self._session:
            self._had_carriers = False
            self._tell_readiness(session)

    def on_gone_away(self, session: LiveSession, reason: str) -> None:
        if session is not self._session:
            return
        self.is_ready.clear()
        why = f"draining: {reason}" if reason else "draining"
        self._board.relay(self.relay, why, monotonic(), is_draining=True)

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        why = f"session over: {reason or Code(code).name.lower()}" if code in set(Code) else "session over"
        log.info("relay %s: %s", self.relay, why)
        now = monotonic()
        self.facts.traffic.end(id(session))
        if session is self._session:
            self._forget_session()
            self.is_ready.clear()
            self._board.relay(self.relay, why, now)
            if code != Code.NO_ERROR:
                self._board.relay_broke(self.relay, why, now)
        failure = Failure(Origin.RELAY, Verdict.UNKNOWN, Word.CONNECTION_TERMINATED, why)
        for endpoint, connection in list(self._connections.items()):
            if connection.session is session:
                del self._connections[endpoint]
                connection.session_closed(failure)

    def _forget_session(self) -> None:
        self._session, self._had_carriers = None, False
        self._doubted.clear()
        self._doubts.set(self.relay, frozenset())
        self.looks = CarrierLooks()
        self.facts.session_ended()
        self.facts.lateness.restart()

    def mute(self) -> None:
        """Another takes its place: what it hears from now on concerns nobody."""
        self._doubts.set(self.relay, ())
        self._board = HealthBoard()
        self._doubts = Doubts(self._board)

    @property
    def is_busy(self) -> bool:
        """Requests are under way."""
        return any(connection.in_flight for connection in self._connections.values())

    def judge(self, silent_for: float | None) -> None:
        """None: it is heard, or nothing is expected of it."""
        self._is_silent = silent_for is not None
        if self._session is not None:
            self._tell_doubts(self._session)
        reason = "" if silent_for is None else f"silent for {silent_for * 1000:.0f} ms over all lines"
        self._board.suspect_relay(self.relay, reason, monotonic())

    def _trust(self, session: LiveSession, line: str) -> None:
        if session is self._session:
            self._doubted.discard(line)
            self._tell_doubts(session)

    def _tell_doubts(self, session: LiveSession) -> None:
        """Of single lines only: when all are silent it is the relay, or ourselves, and no line is to blame."""
        carried = {carrier.line for carrier in session.carriers.values() if carrier.is_confirmed}
        are_single = bool(carried - self._doubted) and not self._is_silent
        self._doubts.set(self.relay, self._doubted if are_single else frozenset())

    def explain(self, problems: Mapping[str, str]) -> None:
        """Why there is no session, for people."""
        if self._session is None and problems:
            why = "; ".join(f"{line}: {problem}" for line, problem in sorted(problems.items()))
            self._board.relay(self.relay, f"no session: {why}", monotonic())

    def _tell_readiness(self, session: LiveSession) -> None:
        if session is not self._session:
            return  # an older one, which only finishes
        if session.is_open:
            self.is_ready.set()
            self._board.relay(self.relay, "", monotonic())
        else:
            self.is_ready.clear()
            self._board.relay(self.relay, NO_LINE, monotonic())


class Doubts:
    """Which sessions suspect which lines. A line is suspected on the board while one does."""

    def __init__(self, board: HealthBoard) -> None:
        self._board = board
        self._by_line: dict[str, set[str]] = {}

    def set(self, relay: str, lines: Collection[str]) -> None:
        """The session with `relay` suspects these, and no others."""
        for line in [line for line, by in self._by_line.items() if relay in by and line not in lines]:
            by = self._by_line[line]
            by.discard(relay)
            if not by:
                del self._by_line[line]
                self._board.relieve(line, monotonic())
        for line in lines:
            by = self._by_line.setdefault(line, set())
            if not by:
                self._board.suspect(line, f"silent on the way to relay {relay}", monotonic())
            by.add(relay)


class _Nobody(ConnectionOwner):
    """Relay connections are in no pool: whether there is a slot, the session is asked."""

    def on_slot_free(self, connection: Connection) -> None:
        return

    def on_draining(self, connection: Connection) -> None:
        return

    def on_lost(self, connection: Connection, failure: Failure | None) -> None:
        return

    def on_round_trip(self, connection: Connection, seconds: float) -> None:
        return

    def on_peer_timeout(self, connection: Connection, seconds: float) -> None:
        return

    def on_alt_svc(self, connection: Connection, value: bytes) -> None:
        return


_NOBODY = _Nobody()
