"""All links of the node to its relays: made from the configuration, told which lines they may use, looked at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from dataclasses import replace
from time import monotonic
from typing import Any

from edge.config.model import Relay, Snapshot
from edge.dialects.voice import is_late_worthless
from edge.links.aio.ear import Doubts, Ear
from edge.links.facts import RelayFacts, best, relay_document
from edge.links.look import RelayLook, RelayLooks
from edge.links.seam import Link, LinkMaker
from edge.links.silence import LISTEN_EVERY, Silence
from edge.links.traffic import Ledger
from edge.routing.ask import Moment
from edge.routing.controls import Controls
from edge.routing.scene import Scene, usable
from health.board import HealthBoard
from health.correlation import LossCorrelation
from transport.aio.tasks import TaskOwner
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.path import Line, Path
from transport.sample import TransportSample
from transport.session.aio.connection import RelayConnection
from transport.session.aio.endpoint import SessionDriver
from transport.session.aio.tracing import traced
from transport.session.live import LiveSession
from transport.session.qlog import Trace, Vantage

LOOK_EVERY = 1.0  # seconds
SHORTLY = 0.3  # seconds that a request waits for a session that is just coming


class _Held:
    """One relay's link, and who hears it."""

    __slots__ = ("ear", "lines", "link", "looks", "relay", "silence", "used")

    def __init__(self, relay: Relay, lines: tuple[Line, ...], link: Link, ear: Ear) -> None:
        self.relay = relay
        self.lines = lines
        self.link = link
        self.ear = ear
        self.silence = Silence()
        self.looks = RelayLooks()
        self.used: tuple[str, ...] | None = None

    def is_same(self, relay: Relay, lines: tuple[Line, ...]) -> bool:
        """Would another link be no different? Weights, tiers and the like are no business of a session."""
        mine, other = map(_wiring, self.lines), map(_wiring, lines)
        return replace(self.relay, providers=()) == replace(relay, providers=()) and list(mine) == list(other)


def _wiring(line: Line) -> Line:
    return replace(line, carrier="", weight=0.0, cost_per_gb=0.0, cost_per_month=0.0, tier=1, avoid=())


class Links:
    """One per process. `on_look` is told of every relay once a second."""

    def __init__(
        self,
        board: HealthBoard,
        make: LinkMaker,
        controls: Callable[[], Controls],
        moment: Callable[[], Moment],
        tasks: TaskOwner,
        on_look: Callable[[str, RelayLook], None] = lambda relay, look: None,
    ) -> None:
        self.correlation = LossCorrelation()
        self.ledger = Ledger()
        self._on_look = on_look
        self._board = board
        self._make = make
        self._controls = controls
        self._moment = moment
        self._tasks = tasks
        self._doubts = Doubts(board)
        self._held: dict[str, _Held] = {}
        self._snapshot = Snapshot()
        self._timer: asyncio.TimerHandle | None = None
        self._listening: asyncio.TimerHandle | None = None
        self._is_started = False
        self._drop_after = 0.0

    # --- the node's life ---

    def start(self, snapshot: Snapshot) -> None:
        self._is_started = True
        self.update(snapshot)

    def update(self, snapshot: Snapshot) -> None:
        """The relays of a new configuration. A link whose relay or lines have changed is made anew; what goes through
        the old one finishes."""
        self._snapshot = snapshot
        self._drop_after = snapshot.routing.drop_late_audio_ms / 1000.0
        if not self._is_started:
            return
        wanted = {relay.id: relay for relay in snapshot.relays}
        lines = {line.id: line for line in snapshot.lines}
        ways = {id: tuple(lines[line] for line in snapshot.lines_of(relay)) for id, relay in wanted.items()}
        for id, held in list(self._held.items()):
            if id not in wanted or not held.is_same(wanted[id], ways[id]):
                del self._held[id]
                self._count(held, monotonic())
                self.ledger.restart(id)
                self._tasks.start(self._leave(held, snapshot.limits.drain_seconds))
        for id, relay in wanted.items():
            if id in self._held:
                self._held[id].relay = relay
                continue
            ear = Ear(id, self._board, self._doubts, self._lifetime)
            held = self._held[id] = _Held(relay, ways[id], self._make(relay, ways[id], ear), ear)
            held.link.start()
        self.correlation.keep(set(lines))
        self.choose_lines()
        if self._held and self._timer is None:
            self._listen()
            self._look()

    async def _leave(self, held: _Held, seconds: float) -> None:
        """Ends a link that another takes the place of, when its requests are over, or after so long."""
        held.ear.mute()
        try:
            for _ in range(int(seconds / LISTEN_EVERY)):
                if not held.ear.is_busy:
                    break
                await asyncio.sleep(LISTEN_EVERY)
        finally:
            await held.link.close()

    async def close(self) -> None:
        """Sessions end in order."""
        for timer in (self._timer, self._listening):
            if timer is not None:
                timer.cancel()
        self._timer = self._listening = None
        self._is_started = False
        held, self._held = self._held, {}
        await asyncio.gather(*(each.link.close() for each in held.values()))

    # --- the way in ---

    def take(self, path: Path) -> RelayConnection | None:
        """A slot in the session to the relay of `path`, if it stands."""
        held = self._held.get(path.relay or "")
        session = held.link.session if held is not None else None
        if held is None or session is None or not session.is_open:
            return None
        connection = held.ear.connection(session, path.endpoint)
        connection.reserve()
        return connection

    async def connect(self, path: Path) -> RelayConnection:
        """Like `take`; waits a little for a session that is just coming. Raises TransportError."""
        connection = self.take(path)
        held = self._held.get(path.relay or "")
        if connection is None and held is not None:
            try:
                async with asyncio.timeout(SHORTLY):
                    await held.ear.is_ready.wait()
            except TimeoutError:
                pass
            connection = self.take(path)
        if connection is None:
            why = self._board.view(monotonic()).relay(path.relay or "").why_not or "its session has just ended"
            failure = Failure(Origin.RELAY, Verdict.SAFE, Code.DESTINATION_UNAVAILABLE, f"relay {path.relay}: {why}")
            raise TransportError(failure)
        return connection

    # --- looking after them ---

    def choose_lines(self) -> None:
        """Which lines each session may use now: to be called when the picture has changed."""
        if not self._held:
            return
        snapshot, view = self._snapshot, self._board.view(monotonic())
        scene = Scene.of(snapshot, view, self._controls(), self._moment())
        for held in self._held.values():
            lines = usable(snapshot.lines_of(held.relay), scene.lines, view)
            if lines != held.used:
                held.used = lines
                held.link.use(lines)

    def _listen(self) -> None:
        """Is anything heard of the relays that have requests under way?"""
        self._listening = asyncio.get_running_loop().call_later(LISTEN_EVERY, self._listen)
        now = monotonic()
        for held in self._held.values():
            session = held.link.session
            carriers = session.carriers if session is not None else {}
            held.ear.judge(held.silence.judge(carriers, held.ear.is_busy, now))

    def _look(self) -> None:
        self._timer = asyncio.get_running_loop().call_later(LOOK_EVERY, self._look)
        now = monotonic()
        windows: dict[str, bool] = {}
        for held in self._held.values():
            held.ear.explain(held.link.problems)
            session = held.link.session
            samples, rtt = self._look_at(held, session, windows, now) if session is not None else ({}, None)
            self._count(held, now)
            self._on_look(held.relay.id, held.looks.take(held.ear.facts, samples, rtt))
        if len(windows) > 1:
            self.correlation.add(windows)
        self.choose_lines()

    def _look_at(
        self, held: _Held, session: LiveSession, windows: dict[str, bool], now: float
    ) -> tuple[dict[int, TransportSample], float | None]:
        carriers = session.carriers
        samples = held.ear.looks.take(carriers, now)
        for number, sample in samples.items():
            line = carriers[number].line
            self._board.carrier(line, held.relay.id, sample, now)
            if sample.segments or sample.segments_received:
                lost = sample.retransmits > 0 or sample.out_of_order > 0
                windows[line] = windows.get(line, False) or lost
        chosen = best(carriers, now)
        if chosen is None:
            return samples, None
        rtt = chosen.outgoing.trip.smoothed
        self._board.relay_round_trip(held.relay.id, rtt, now)
        return samples, rtt

    def _count(self, held: _Held, now: float) -> None:
        """What the sessions carried since the last time: into the lines' figures."""
        for line, traffic in self.ledger.take(held.relay.id, held.ear.facts.traffic.totals(), now).items():
            if traffic.sent or traffic.received:
                self._board.transferred(line, traffic.sent, traffic.received, now)

    def _lifetime(self, opcode: int, payload: bytes) -> float:
        """How late a client's WebSocket message may come; 0: however late."""
        return self._drop_after if self._drop_after and is_late_worthless(opcode, payload) else 0.0

    # --- what others want to know ---

    def line_of(self, path: Path) -> str:
        """The line that a request on this path counts for: through a relay, the one whose turn it is."""
        held = self._held.get(path.relay or "")
        if held is None:
            return path.line.partition("+")[0]
        division = self.ledger.division(held.relay.id)
        if not division.is_known:
            self._count(held, monotonic())
        return division.deal(held.used or path.line.split("+"))

    def parts(self, relay: str, lines: Sequence[str]) -> Mapping[str, float]:
        """How much of what goes through the relay goes over each of these lines, 0 to 1."""
        return self.ledger.division(relay).parts(lines)

    def facts(self) -> Mapping[str, RelayFacts]:
        """What is counted, by relay."""
        return {id: held.ear.facts for id, held in self._held.items()}

    def documents(self) -> dict[str, dict[str, Any]]:
        """What the sessions show, by relay, JSON-ready."""
        now, told = monotonic(), {}
        for id, held in self._held.items():
            session = held.link.session
            carriers = session.carriers if session is not None else {}
            told[id] = {**relay_document(held.ear.facts, carriers, now), "lines_used": list(held.used or ())}
        return told

    async def trace(self, relay: str, name: str, seconds: float, max_bytes: int) -> tuple[Trace, int]:
        """What the session with a relay does, as qlog, and how many there are. `name` is this worker's. Raises KeyError
        for an unknown relay, AlreadyTapped."""
        session = self._held[relay].link.session
        cores = {name: session.core} if isinstance(session, SessionDriver) else {}
        vantage = Vantage(f"edge, relay {relay}", is_client=True)
        return await traced(cores, vantage, seconds, max_bytes), len(cores)

    def carriers(self) -> list[tuple[str, str, str, bool]]:
        """(relay, line, kind, is suspected) of every carrier that stands."""
        return [
            (id, each["line"], each["kind"], each["suspected"])
            for id, told in self.documents().items()
            for each in told["carriers"]
        ]
