"""The node's prober: asks what is due, tells what came of it. Its timer also measures the event loop's own stalls."""

from __future__ import annotations

import asyncio
import logging
import random
import time
from collections import OrderedDict
from collections.abc import Callable, Iterable
from collections.abc import Set as AbstractSet
from dataclasses import dataclass

from health.aio import connections
from health.aio.abilities import inabilities
from health.aio.datagrams import Asker, EchoAsker, VersionAsker
from health.lag import LoopLag
from health.ledger import Ledger
from health.probe import ProbeKind, ProbeResult
from health.probing import PULSES, Check, FarEnd, ProbePolicy, Schedule, checks_of
from transport.aio.dial import Dialer
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.dialing import errno_fault, line_fault
from transport.eyeballs import is_v6
from transport.failure import Code, TransportError
from transport.path import Line, Path

TICK = 0.05  # seconds between two looks at what is due…
FAST_TICK = 0.025  # …while a line is suspected
STALLED = 0.02  # a tick that comes so late leaves judging to the next: answers may be waiting in the sockets
QUESTIONS = 4096  # kept, to recognise late and second answers

_log = logging.getLogger("farline.probe")

Hear = Callable[[ProbeResult], None]


@dataclass(frozen=True, slots=True)
class Listeners:
    """`on_result` hears what says something about a line or far end, `on_asked` that a probe is being sent (the health
    board); `on_probe` hears every result (the metrics). `wants_fast` gives the lines that are in doubt now, `is_off`
    says whether a line isn't to be used; `on_suspected` hears of each new doubt (the pools, to PING).
    """

    on_result: Hear
    on_probe: Hear = lambda result: None
    wants_fast: Callable[[], AbstractSet[str]] = frozenset
    is_off: Callable[[str], bool] = lambda line: False
    on_suspected: Callable[[str], object] = lambda line: None
    on_asked: Callable[[Path, ProbeKind, float], None] = lambda path, kind, at: None


class Prober:
    """Probes lines and far ends until it is closed. Belongs to one event loop.

    `dialer` and `connector` are those of the pools: same names, same trust stores, and HTTP checks keep the pools'
    connections warm. `workers` processes share the node's work: each asks more seldom, within its part of the budget.
    """

    def __init__(
        self,
        dialer: Dialer,
        connector: Connector,
        listeners: Listeners,
        lag: LoopLag | None = None,
        *,
        workers: int = 1,
        draw: Callable[[], float] = random.random,
    ) -> None:
        self.lag = lag or LoopLag()
        self._dialer = dialer
        self._connector = connector
        self._listeners = listeners
        self._schedule = Schedule(draw, workers)
        self._ledger = Ledger(ProbePolicy().timeout_ms / 1000, self.lag.worst)
        self._lines: dict[str, Line] = {}
        self._far_ends: dict[str, FarEnd] = {}
        self._askers: dict[tuple[Line, ProbeKind, bool], Asker] = {}
        self._questions: OrderedDict[int, tuple[Check, int, float]] = OrderedDict()
        self._asked = 0
        self._tasks = TaskOwner("probe")
        self._timer: asyncio.TimerHandle | None = None
        self._is_quiet = asyncio.Event()
        self._is_on_demand = False
        self._is_hurried = False
        self._has_skipped = False
        self._told: set[tuple[str, ProbeKind]] = set()
        self.checks: tuple[Check, ...] = ()

    def start(
        self, lines: Iterable[Line], far_ends: Iterable[FarEnd], policy: ProbePolicy, *, on_demand: bool = False
    ) -> None:
        """Begins. Call on the event loop, once. `on_demand`: only what `measure` asks is sent."""
        self._is_on_demand = on_demand
        self.update(lines, far_ends, policy)
        self._arm(TICK)

    def update(self, lines: Iterable[Line], far_ends: Iterable[FarEnd], policy: ProbePolicy) -> None:
        """A reload: other lines, far ends, or another policy. What stays keeps its record."""
        now = time.monotonic()
        self._lines = {line.id: line for line in lines}
        self._far_ends = {end.target.id: end for end in far_ends}
        self._close_askers(set(self._lines.values()))
        kinds = policy.kinds if policy.enabled else ()
        able = {line: self._able(line, kinds) for line in self._lines.values()}
        self.checks = tuple(checks_of(able, self._far_ends.values()))
        self._ledger.timeout = policy.timeout_ms / 1000
        self._ledger.keep(self.checks)
        self._schedule.update(() if self._is_on_demand else self.checks, policy, now)

    async def close(self) -> None:
        """Ends all; nothing is told any more."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        await self._tasks.close()
        self._close_askers(set())

    async def measure(self, rounds: int, seconds: float) -> None:
        """Asks everything `rounds` times, each round spread over these seconds, and waits for what is under way."""
        for _ in range(rounds):
            for check in self.checks:
                self.ask(check)
                await asyncio.sleep(seconds / len(self.checks))
        self._is_quiet.clear()
        await self._is_quiet.wait()

    def ask(self, check: Check) -> None:
        """Sends one probe now."""
        line, end = self._lines[check.path.line], self._far_ends[check.path.endpoint]
        self._tasks.start(self._ask(check, line, end))

    # the clock

    def _arm(self, seconds: float) -> None:
        loop = asyncio.get_running_loop()
        self._timer = loop.call_later(seconds, self._tick, time.monotonic() + seconds)

    def _tick(self, due_at: float) -> None:
        self._arm(FAST_TICK if self._is_hurried else TICK)  # first: whatever happens below
        now = time.monotonic()
        late = self.lag.beat(due_at, now)
        suspected = self._listeners.wants_fast()
        self._is_hurried = bool(suspected)
        for line in self._schedule.hurry(suspected, now):
            self._listeners.on_suspected(line)
        self._has_skipped = late >= STALLED and not self._has_skipped
        if not self._has_skipped:
            for result in self._ledger.expired(now):
                self._tell(result)
        for check in self._schedule.due(now, self._is_resting, self._listeners.is_off):
            self.ask(check)
        if not len(self._ledger) and not len(self._tasks):
            self._is_quiet.set()

    def _is_resting(self, check: Check) -> bool:
        return self._ledger.is_resting(check, time.monotonic())

    # asking

    async def _ask(self, check: Check, line: Line, end: FarEnd) -> None:
        addresses: tuple[str, ...] = ()
        unknown: TransportError | None = None
        try:  # first: waiting for a name isn't the line's time
            if line.proxy is None:
                addresses = await self._dialer.addresses(line, end.target.host)
        except TransportError as error:
            unknown = error
        now = time.monotonic()
        sequence = self._ledger.begin(check, now, fast=self._schedule.is_fast(line.id, now))
        try:
            if unknown is not None:
                raise unknown
            self._listeners.on_asked(check.path, check.kind, now)
            if check.kind in PULSES:
                self._ask_datagram(check, sequence, line, end, addresses)
            else:
                await self._ask_connection(check, sequence, line, end)
        except TransportError as error:
            self._tell(self._ledger.failed(check, sequence, error.failure))
        except TimeoutError:
            pass  # the ledger knows

    def _ask_datagram(self, check: Check, sequence: int, line: Line, end: FarEnd, addresses: tuple[str, ...]) -> None:
        """To the first address that there is a way to."""
        self._asked += 1
        failure = line_fault(Code.DESTINATION_IP_UNROUTABLE, "no address")
        for address in addresses:
            try:
                sent_at = self._send(line, check.kind, address, end.target.port)
            except TransportError as error:
                failure = error.failure
                continue
            self._questions[self._asked] = (check, sequence, sent_at)
            if len(self._questions) > QUESTIONS:
                self._questions.popitem(last=False)
            return
        raise TransportError(failure)

    def _send(self, line: Line, kind: ProbeKind, address: str, port: int) -> float:
        """Sends question `_asked`; returns when. A socket that can't send is given up: its device may have come back as
        another. Raises TransportError."""
        key = (line, kind, is_v6(address))
        asker = self._asker(*key)
        try:
            return asker.ask(address, port, self._asked)
        except TransportError:
            self._askers.pop(key).close()
            raise

    async def _ask_connection(self, check: Check, sequence: int, line: Line, end: FarEnd) -> None:
        async with asyncio.timeout(self._ledger.timeout):
            if check.kind is ProbeKind.TCP:
                answer = await connections.connect(self._dialer, line, end.target)
            elif check.kind is ProbeKind.TLS:
                answer = await connections.shake_hands(self._dialer, line, end.target)
            else:
                answer = await connections.request(self._connector, check.path, end.target, end.base_path)
        if answer.rtt is None:
            self._tell(self._ledger.failed(check, sequence, None))
        else:
            now = time.monotonic()
            self._tell(self._ledger.answered(check, sequence, answer.rtt, now=now, seconds=answer.seconds))

    def _on_answer(self, number: int, at: float) -> None:
        """A datagram came back."""
        question = self._questions.get(number)
        if question is not None:
            check, sequence, sent_at = question
            rtt = max(at - sent_at, 1e-6)
            self._tell(self._ledger.answered(check, sequence, rtt, now=at, seconds=rtt))

    def _asker(self, line: Line, kind: ProbeKind, six: bool) -> Asker:
        key = (line, kind, six)
        asker = self._askers.get(key)
        if asker is None:
            try:
                make = EchoAsker if kind is ProbeKind.ICMP else VersionAsker
                asker = self._askers[key] = make(line, self._on_answer, six=six)
            except OSError as error:
                raise TransportError(errno_fault(error.errno, f"line {line.id}: {error}")) from error
        return asker

    def _close_askers(self, kept: set[Line]) -> None:
        for key in [key for key in self._askers if key[0] not in kept]:
            self._askers.pop(key).close()

    # telling

    def _tell(self, result: ProbeResult | None) -> None:
        if result is None:
            return
        self._listeners.on_probe(result)
        is_silence = result.rtt is None and result.failure is None
        if not is_silence or self._ledger.is_proven(Check(result.path, result.kind), time.monotonic()):
            self._listeners.on_result(result)

    def _able(self, line: Line, kinds: Iterable[ProbeKind]) -> tuple[ProbeKind, ...]:
        """The kinds this machine can send over the line. What it can't is said once."""
        wanted = tuple(kinds)
        unable = inabilities(line, wanted, lasting=True)
        for kind, why in unable.items():
            if line.proxy is None and (line.id, kind) not in self._told:
                self._told.add((line.id, kind))
                _log.warning("line %s is not probed by %s: %s", line.id, kind.value, why)
        return tuple(kind for kind in wanted if kind not in unable)
