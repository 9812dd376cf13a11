"""An edge's standing session to one relay: over all its lines, for ever.

When a session ends (the relay was restarted, or all lines were gone for too long) another begins at once. When the
relay says that it takes no new streams, another begins beside it, and the old one goes on until its streams are over.
"""

from __future__ import annotations

import asyncio
import logging
import os
from collections.abc import Collection, Iterable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from time import monotonic

from transport.aio.dial import Dialer
from transport.aio.line import SocketPolicy
from transport.aio.openers import Openers
from transport.aio.resolver import Resolver
from transport.aio.tasks import TaskOwner
from transport.path import Line, Target
from transport.session.aio.endpoint import SessionDriver
from transport.session.aio.identity import NodeKey, client_context
from transport.session.aio.line_end import FarEnd, LineEnd, LineOwner
from transport.session.core import SessionCore
from transport.session.live import LiveSession, SessionListener, StreamSink
from transport.session.racing import Backoff, Race
from transport.session.values import Code, Limits, Redundancy, Role, SessionConfig, StreamOpened

POLL = 0.1
LIVELY_FOR = 1.0
"""Seconds that a session must have been lively before silence is measured against its heartbeat."""
SHORT = 1.0
"""Seconds of a session after which another may follow at once: faults aren't repeated in a loop."""
GONE = 1.0
"""Seconds of silence of a relay at whose address nobody listens."""
FAREWELL = 0.5
ID_BYTES, TOKEN_BYTES, NAME_BYTES = 16, 32, 64

_log = logging.getLogger(__name__)


@dataclass(frozen=True, slots=True)
class RelayTarget:
    """A relay and the ways to it. `lines` in the order of preference; `rates`: bytes/s by line id, for the budgets;
    `carrier`: "auto", or only "datagram" or "tls"."""

    id: str
    host: str
    port: int
    fingerprint: str
    lines: tuple[Line, ...]
    redundancy: Redundancy = Redundancy.STANDBY
    rates: Mapping[str, float] = field(default_factory=dict)
    carrier: str = "auto"


class LinkSession(SessionListener, LineOwner):
    """One session and the ends of its lines. What happens to it is passed on to `link`."""

    def __init__(self, link: RelayLink, settings: SessionConfig) -> None:
        self.began_at = monotonic()
        self.was_open = False
        self.is_over = False
        self.ends: dict[str, LineEnd] = {}
        self._link = link
        self._last_number = 0
        self._lively_since: float | None = None
        core = SessionCore(Role.EDGE, settings, monotonic())
        self.driver = SessionDriver(core, link.relay.id, self, self._on_end)

    def next_number(self) -> int:
        self._last_number += 1
        return self._last_number

    def use(self, lines: Iterable[Line]) -> None:
        """New ones first, so that what is under way on those that go has somewhere to go."""
        wanted = {line.id: line for line in lines}
        for line in wanted.values():
            if line.id not in self.ends:
                end = self.ends[line.id] = self._link.make_end(line, self)
                end.start()
        for name in self.ends.keys() - wanted.keys():
            self.ends.pop(name).stop()

    def poll(self, now: float) -> None:
        is_busy = self.driver.core.live_streams > 0
        self._lively_since = (self._lively_since or now) if is_busy else None
        is_lively = self._lively_since is not None and now - self._lively_since > LIVELY_FOR
        for end in self.ends.values():
            end.poll(now, is_lively=is_lively)

        self._notice_death(now, is_busy=is_busy)

    def _notice_death(self, now: float, *, is_busy: bool) -> None:
        """The relay's host answers that nobody listens, and nothing is heard: the process is gone, and so is everything
        that it had. Waiting for `linger` would only make the streams' users wait."""
        ends = self.ends.values()
        is_refused = any(end.is_refused for end in ends) and not any(end.is_up for end in ends)
        if is_busy and is_refused and all(now - each.heard_at > GONE for each in self.driver.carriers.values()):
            self.driver.close(Code.EXPIRED, "the relay's process is gone")

    def may_dial(self) -> bool:
        """A relay that takes no new streams may have left its listeners to another process, which doesn't know the
        session: as long as any carrier stands, none is added."""
        return not self.driver.core.is_draining or not self.driver.carriers

    def stop(self) -> None:
        for end in self.ends.values():
            end.stop()
        self.ends.clear()

    def _on_end(self, driver: SessionDriver) -> None:
        self.is_over = True
        self.stop()
        self._link.session_ended(self)

    def on_problem(self, line: str, problem: str) -> None:
        self._link.line_problem(line, problem)

    # ------------------------------------------------------------------------------------------- SessionListener

    def on_stream(self, session: LiveSession, opened: StreamOpened) -> StreamSink:
        return self._link.listener.on_stream(session, opened)

    def on_joined(self, session: LiveSession, carrier: int, line: str) -> None:
        self.was_open = True
        self._link.listener.on_joined(session, carrier, line)
        if line in self.ends:
            self.ends[line].poll(monotonic(), is_lively=False)

    def on_suspected(self, session: LiveSession, line: str) -> None:
        self._link.listener.on_suspected(session, line)

    def on_relieved(self, session: LiveSession, line: str, seconds: float) -> None:
        self._link.listener.on_relieved(session, line, seconds)

    def on_carrier_lost(self, session: LiveSession, line: str, left: int) -> None:
        """Told on only if the line is lost: not when its packets took the other way, or it may not be used any more."""
        if line not in self.ends or any(carrier.line == line for carrier in self.driver.carriers.values()):
            return
        self._link.listener.on_carrier_lost(session, line, left)

    def on_all_silent(self, session: LiveSession) -> None:
        """The relay stands still, or datagrams don't pass any more: TLS tells, and may help at once."""
        for end in self.ends.values():
            end.alarm(monotonic())

    def on_gone_away(self, session: LiveSession, reason: str) -> None:
        self._link.listener.on_gone_away(session, reason)
        self._link.session_leaves(self)

    def on_closed(self, session: LiveSession, code: int, reason: str) -> None:
        self._link.listener.on_closed(session, code, reason)


class RelayLink:
    """Keeps a session to a relay. `problems` says, by line, why there is no connection over it."""

    def __init__(
        self,
        relay: RelayTarget,
        key: NodeKey,
        name: str,
        listener: SessionListener,
        *,
        resolver: Resolver | None = None,
        limits: Limits | None = None,
        linger: float = 30.0,
        connect_timeout: float = 5.0,
    ) -> None:
        """`name` is this node's, for the relay's logs. Call on the event loop. A resolver of one's own is closed with
        the link; one that is given isn't."""
        self.relay = relay
        self.listener = listener
        self.problems: dict[str, str] = {}
        self.sessions_begun = 0
        self._name = name.encode()[:NAME_BYTES].decode("utf-8", "ignore")
        self._limits = limits or Limits()
        self._linger = linger
        self._own_resolver = Resolver() if resolver is None else None
        policy = SocketPolicy()
        target = Target(relay.id, relay.host, relay.port)
        dialer = Dialer(Openers(), resolver or self._own_resolver or Resolver(), connect_timeout, policy)
        self._far = FarEnd(target, relay.fingerprint, key, client_context(), dialer, policy)
        self._tasks = TaskOwner(f"relay {relay.id}")
        self._allowed = {line.id for line in relay.lines}
        self._current: LinkSession | None = None
        self._leaving: list[LinkSession] = []
        self._backoff = Backoff()
        self._is_closing = False
        self._news = asyncio.Event()
        self._loop = asyncio.get_running_loop()
        self._poll_timer: asyncio.TimerHandle | None = None
        self._begin_timer: asyncio.TimerHandle | None = None

    @property
    def session(self) -> LiveSession | None:
        """The one for new streams; it may be not open yet."""
        return self._current.driver if self._current is not None else None

    @property
    def is_ready(self) -> bool:
        """New streams can be opened now."""
        return self._current is not None and self._current.driver.is_open

    @property
    def ends(self) -> Mapping[str, LineEnd]:
        """The current session's ends, by line: to look at."""
        return self._current.ends if self._current is not None else {}

    def start(self) -> None:
        self._begin()
        self._poll()

    def use(self, lines: Collection[str]) -> None:
        """The ids of lines that may be used now. What is under way on the others moves."""
        self._allowed = set(lines)
        for each in self._sessions():
            each.use(self._lines())

    async def close(self) -> None:
        """Tells the relay, and ends everything."""
        self._is_closing = True
        for timer in (self._poll_timer, self._begin_timer):
            if timer is not None:
                timer.cancel()
        sessions = self._sessions()
        for each in sessions:
            each.driver.close(Code.NO_ERROR, "the edge stops")
        with suppress(TimeoutError):
            async with asyncio.timeout(FAREWELL):
                while not all(each.is_over or not each.was_open for each in sessions):
                    self._news.clear()
                    await self._news.wait()
        for each in sessions:
            each.driver.end()
            each.stop()
        await self._tasks.close()
        if self._own_resolver is not None:
            await self._own_resolver.close()

    # ---------------------------------------------------------------------------------------------------- sessions

    def _sessions(self) -> list[LinkSession]:
        return [*self._leaving, *([self._current] if self._current is not None else ())]

    def _lines(self) -> list[Line]:
        return [line for line in self.relay.lines if line.id in self._allowed]

    def _begin(self) -> None:
        self._begin_timer = None
        self.sessions_begun += 1
        settings = SessionConfig(
            os.urandom(ID_BYTES),
            os.urandom(TOKEN_BYTES),
            self._name,
            redundancy=self.relay.redundancy,
            limits=self._limits,
            linger=self._linger,
            rates=self.relay.rates,
        )
        self._current = LinkSession(self, settings)
        self._current.use(self._lines())

    def session_leaves(self, session: LinkSession) -> None:
        """The relay takes no new streams on it."""
        if session is self._current and not self._is_closing:
            self._leaving.append(session)
            self._current = None
            self._begin_later(session)

    def session_ended(self, session: LinkSession) -> None:
        """Another takes its place; at once if it had been of use for a while."""
        self._news.set()
        if session in self._leaving:
            self._leaving.remove(session)
        elif session is self._current and not self._is_closing:
            self._current = None
            self._begin_later(session)

    def _begin_later(self, last: LinkSession) -> None:
        stood = monotonic() - last.began_at if last.was_open else 0.0
        wait = self._backoff.failed(0.5, stood=stood)
        self._begin_timer = self._loop.call_later(0.0 if stood >= SHORT else wait, self._begin)

    def _poll(self) -> None:
        now = monotonic()
        for each in self._sessions():
            each.poll(now)
        for each in list(self._leaving):
            if each.driver.core.live_streams == 0 and not each.driver.core.is_closed:
                each.driver.close(Code.NO_ERROR, "its streams are over")
        self._poll_timer = self._loop.call_later(POLL, self._poll)

    # ------------------------------------------------------------------------------------------------------- lines

    def make_end(self, line: Line, owner: LineOwner) -> LineEnd:
        kinds = self.relay.carrier
        may_datagram = kinds != "tls" and line.proxy is None
        race = Race(may_datagram=may_datagram, may_tls=kinds != "datagram" or not may_datagram)
        return LineEnd(line, self._far, race, owner, self._tasks)

    def line_problem(self, line: str, problem: str) -> None:
        if problem:
            if self.problems.get(line) != problem:
                _log.warning("relay %s over line %s: %s", self.relay.id, line, problem)
            self.problems[line] = problem
        elif self.problems.pop(line, None) is not None:
            _log.info("relay %s over line %s: connected", self.relay.id, line)
