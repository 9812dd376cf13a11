"""One request, one way. `_Run.serve` shows the steps as lines, each with why it stands there.

Steps 1 to 3, from the target to what is asked, are in `question.py`; the rest is here.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from dataclasses import dataclass, field
from time import monotonic

from edge.attempts.attempt import REFUSALS, AttemptPolicy, Outcome
from edge.attempts.budget import RetryBudget
from edge.attempts.deadlines import Patience
from edge.attempts.experience import Experience, Kind
from edge.attempts.lines import LineWatch
from edge.attempts.machine import AttemptMachine
from edge.attempts.runner import AttemptObserver, AttemptRunner, AttemptSink, GaveUp
from edge.observe.record import RequestRecord
from edge.policy.permits import Permits
from edge.pool.when import Reason, may_stand_in
from edge.routing.ask import Ask, Moment
from edge.routing.chooser import Chooser
from edge.routing.controls import Controls
from edge.serve.cached import Caching, Part
from edge.serve.client import ClientExchange, ClientFault, ClientGone, Leaver
from edge.serve.keeping import Keeping, Resuming
from edge.serve.local import LocalAsk, LocalPool, NotServed
from edge.serve.notes import note
from edge.serve.packed import packed
from edge.serve.question import Question, Refused, ours
from edge.serve.reply import added, forwarded, request_head, returned, status_of
from edge.serve.streaming import GapObserver, ReplyStream, StreamPolicy, Sweep
from edge.serve.tables import Tables
from edge.serve.taking_up import TakingUp
from edge.serve.throttling import Throttling
from edge.serve.websocket import BridgeSummary, WebSocketBridge
from edge.serve.ws_handshake import UpstreamOffer, WebSocketRefused
from health.board import HealthBoard
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Call, Headers
from transport.path import Path, Protocol

TURNS = 4  # how often one request may be sent to endpoints that want no more, having waited each time


class Throttled(Exception):
    """Every endpoint wants no more for now, and the caller can wait until one does."""


@dataclass(slots=True)
class Pipeline:
    """What every request shares; the composition root makes it.

    `tables` is swapped on reload, `controls` when operators change something; requests keep what they began with.
    """

    tables: Tables
    connector: Connector
    chooser: Chooser
    controls: Controls
    moment: Callable[[], Moment]
    chance: Callable[[], float]
    board: HealthBoard
    permits: Permits
    budget: RetryBudget
    sweep: Sweep
    observer: AttemptObserver
    gaps: GapObserver
    tasks: TaskOwner
    local: LocalPool
    account: Callable[[RequestRecord], None]
    request_ids: Callable[[], str]
    throttling: Throttling
    caching: Caching
    lines: LineWatch = field(default_factory=LineWatch)
    hedges: RetryBudget = field(default_factory=lambda: RetryBudget(0.0, 0.0, monotonic()))
    experience: Experience = field(default_factory=Experience)
    resuming: Resuming = field(default_factory=Resuming)

    def serve(self, client: ClientExchange) -> Coroutine[None, None, None]:
        """Serves one client request. Raises nothing that is the client's or the far end's fault."""
        return _Run(self, client).serve()


class _Run(Question):
    """One request on its way. Steps read what the steps before them set; the first three are in `Question`."""

    def __init__(self, shared: Pipeline, client: ClientExchange) -> None:
        super().__init__(shared.tables, shared.permits, client, shared.request_ids())
        self.shared = shared
        self.loop = asyncio.get_running_loop()
        self.candidates: tuple[Path, ...]
        self.policy: AttemptPolicy
        self.offer: UpstreamOffer | None = None
        self.bridge: WebSocketBridge | None = None
        self.timeouts = ""  # the class of request, see Tables.timeout_class
        self.kind: Kind
        self.refusal: Refused | None = None  # no path takes the request; the local pool may
        self.turns = 0
        self.part: Part | None = None  # the cache's; None for nearly all requests
        self.call: Call | None = None
        self.keeping: Keeping | None = None  # None for nearly all requests

    async def serve(self) -> None:
        record = self.record
        try:
            self._route()  # by prefix and path, first of all: errors must be in the caller's dialect
            self._admit()  # who may, and now? before the body, so that a stranger costs us no memory
            await self._understand()  # what is asked? needs the start of the body
            if self.binding is not None:
                await self._stay(self.binding)  # sensitive: nothing below may ever see it
                return
            if await self._is_taken_up():  # a stream that broke: its rest is here, or at a relay
                return
            if await self._is_remembered():  # asked before, or being answered just now? then nothing goes out
                return
            self._plan()  # which paths, in which order?
            await self._answer()  # wait while no endpoint takes any; launch, race, fail over; COMMIT exactly once
        except Refused as refused:
            self._reply_error(refused.status, refused.failure)
        except GaveUp as gave_up:
            self._reply_error(status_of(gave_up.failure), gave_up.failure)
        except WebSocketRefused as refused:
            failure = Failure(Origin.CLIENT, Verdict.SAFE, Code.HTTP_UPGRADE_FAILED, refused.detail)
            self._reply_error(refused.status, failure, refused.headers)
        except TransportError as error:  # a committed upgrade that doesn't answer ours
            self._reply_error(status_of(error.failure), error.failure)
        except ClientGone:
            self._client_left()
        except ClientFault as fault:
            self._reply_error(fault.status, Failure(Origin.CLIENT, Verdict.SAFE, Code.HTTP_REQUEST_ERROR, str(fault)))
        finally:
            if self.part is not None:
                self.part.over()
                self.part = None
            if self.principal is not None:
                self.shared.permits.release(self.principal)
            record.ended_at = monotonic()
            self.shared.account(record)

    # --- 3 a stream to go on with ---

    async def _is_taken_up(self) -> bool:
        if self.facts.operation != "responses" or self.client.method != b"GET":
            return False
        return await TakingUp(self.shared, self).serve()

    # --- 4 cache: has it been answered before, or is it being answered just now? ---

    async def _is_remembered(self) -> bool:
        self.part = await self.shared.caching.take(self)
        return self.part is not None and await self.part.serve()

    def _go_alone(self) -> None:
        """What answers now is for this client only."""
        if self.part is not None:
            self.part.alone()
            self.part = None

    # --- 5 routing: which paths, in which order? ---

    def _plan(self) -> None:
        shared, now = self.shared, monotonic()
        view = shared.board.view(now)
        choice = self.record.choice = shared.chooser.choose(
            self._ask(), self.tables.snapshot, view, shared.controls, shared.moment(), now, shared.chance()
        )
        self.refusal = None
        if choice.refusal is not None:
            if choice.refusal.is_forbidden:
                raise Refused(403, ours(Code.HTTP_REQUEST_DENIED, choice.refusal.text))
            self.refusal = Refused(503, ours(Code.DESTINATION_UNAVAILABLE, choice.refusal.text))
        self.candidates = choice.paths
        if len(self.provider.endpoints) > 1:
            self.candidates = shared.resuming.kept_to(self, choice.paths)
        if shared.lines.dark:
            shared.lines.update(view)  # nothing tells us when an ejection has run out
        if not shared.throttling.is_quiet:
            self.candidates = shared.throttling.avoided(self.candidates, self.facts.model)
        self.timeouts = self.tables.timeout_class(self.facts, self.record.priority, self._body_bytes())
        self.policy = self.tables.attempt_policy(self.facts, hopeless=choice.is_hopeless, timeouts=self.timeouts)

    def _ask(self) -> Ask:
        principal, provider, facts = self.principal, self.provider, self.facts
        assert principal is not None
        return Ask(
            provider,
            self.record.priority,
            facts.model,
            principal.id,
            self._body_bytes(),
            self._conversation(principal.id) if len(provider.endpoints) > 1 else None,
            self._wanted_line(principal),
            self.tables.residency.allowed(principal.key, provider.id, facts.model),
        )

    # --- rate limits: wait while every endpoint wants no more ---

    async def _attempt_in_turn(self) -> None:
        throttling, facts = self.shared.throttling, self.facts
        limits = self.tables.snapshot.limits
        for _ in range(TURNS):
            if not throttling.is_quiet:
                waited = await throttling.take_turn(
                    self.provider, facts.model, limits, self.record, facts.patience, self._watch_wait
                )
                if waited:
                    self._plan()  # things have changed meanwhile
            try:
                return await self._attempt()
            except Throttled:
                self.turns += 1

    def _watch_wait(self, turn: asyncio.Future[None]) -> None:
        def end() -> None:
            if not turn.done():
                turn.set_exception(ClientGone())

        self.client.watch(Leaver(end))

    def _heard(self, sink: AttemptSink) -> None:
        """A reply's head came: what does it say of the limits of the node's own credentials?"""
        endpoint, head = sink.path.endpoint, sink.head
        if self.tables.upstreams[endpoint].credential is not None:
            self.shared.throttling.heard(endpoint, self.facts.model, head.status, head.headers)

    def _is_worth_waiting(self, status: int) -> bool:
        """A refusal that would be the answer: can the request be sent again, and soon enough?"""
        if status not in REFUSALS or self.turns >= TURNS - 1 or self.upload.dropped or not self.upload.complete:
            return False
        facts, limits = self.facts, self.tables.snapshot.limits
        return self.shared.throttling.is_worth_waiting(self.provider, facts.model, limits, self.record, facts.patience)

    # --- 6 overseas, or the local pool? ---

    async def _answer(self) -> None:
        """Overseas, unless the pool is the better place; the pool, when nothing came of it overseas."""
        local, reason = self.shared.local, self._why_local()
        if reason is not None:
            self._go_alone()
            try:
                await local.serve(self._local_ask(reason))
                return
            except NotServed:
                pass  # the attempts overseas will say how things stand
        if self.refusal is not None:
            raise self.refusal
        try:
            await self._attempt_in_turn()
        except GaveUp as gave_up:
            if reason is not None or not may_stand_in(gave_up.failure) or not self._may_stay(Reason.GAVE_UP):
                raise
            self._go_alone()
            try:
                await local.serve(self._local_ask(Reason.GAVE_UP))
            except NotServed:
                raise gave_up from None

    def _why_local(self) -> Reason | None:
        """Why the pool should answer rather than a provider, if it can: None for nearly all requests."""
        tables, local = self.tables, self.shared.local
        if not tables.snapshot.pools:
            return None
        assert self.principal is not None
        now = monotonic()
        view, priority = self.shared.board.view(now), self.record.priority
        reason = local.why(tables, self.facts, priority, self.principal, self.candidates, view, now)
        return reason if reason is not None and self._may_stay(reason) else None

    def _may_stay(self, reason: Reason) -> bool:
        """Who chose a line wants to know how that line does."""
        return b"x-farline-line" not in self.fields and self.shared.local.may_serve(self._local_ask(reason))

    async def _stay(self, reason: Reason) -> None:
        """Only here: what the pool can't answer is refused."""
        try:
            await self.shared.local.serve(self._local_ask(reason))
        except NotServed as refused:
            raise Refused(refused.status, refused.failure) from None

    def _local_ask(self, reason: Reason) -> LocalAsk:
        return LocalAsk(self.tables, self.client, self.record, self.dialect, self.facts, self.rest, self.upload, reason)

    # --- 6 attempts, 7 commit, 8 streaming ---

    async def _attempt(self) -> None:
        shared, client = self.shared, self.client
        if client.upgrade == b"websocket":
            self.offer = UpstreamOffer(client.method, client.headers)
        keeping = self.keeping = shared.resuming.keeping(self)
        upload, headers = packed(self.upload, client, self.provider, self._request_headers())
        if self.call is None and self.tables.carriage:
            self.call = self._call()
        machine = AttemptMachine(
            self.candidates, self.policy, shared.budget, shared.lines.dark, self._patience(), shared.hedges
        )
        stream = self._new_stream()
        earlier = len(self.record.attempts)  # made before it had to wait its turn
        runner = AttemptRunner(
            machine,
            shared.connector,
            upload,
            head_for=lambda path: request_head(
                client.method,
                self.rest,
                headers if keeping is None else keeping.headers(headers, path),
                self.tables.upstreams[path.endpoint],
                self.dialect,
                self.call,
            ),
            commit=lambda sink: self._commit(sink, stream, earlier + len(machine.attempts)),
            observer=shared.observer,
            tasks=shared.tasks,
            lines=shared.lines,
            heard=self._heard,
            only=Protocol.H1 if self.offer is not None else None,
        )
        self.record.routed_at = monotonic()
        if self.part is None:
            client.watch(Leaver(runner.leave))
        else:
            self.part.watch(runner.leave)
        sink: AttemptSink | None = None
        try:
            sink = await runner.run(self.tables.snapshot.limits.replay_bytes)
            if self.bridge is not None:
                self._note_bridge(await self.bridge.wait())
            elif self.part is not None:
                await self.part.delivered(stream)
            else:
                await stream.finished()
        except Throttled:
            next(a for a in machine.attempts if a.outcome is Outcome.COMMITTED).outcome = Outcome.REFUSED
            machine.failovers.append("throttled")
            raise
        finally:
            shared.sweep.remove(stream)
            client.watch(None)
            if keeping is not None:
                keeping.over()
            note(self.record, machine, stream, upload)
            if self.part is not None:
                self.part.note(stream)
            if sink is not None:
                sink.let_go()
                shared.observer.on_done(sink.path, self.record.failure)
            self._learn(machine, stream)

    def _call(self) -> Call:
        """What relays have to know; one for all attempts, so that a relay can tell a repetition from a new one."""
        facts, record = self.facts, self.record
        priority, redundancy = self.tables.carriage[record.priority]
        patience = self.policy.total if facts.patience is None else min(facts.patience, self.policy.total)
        return Call(record.id.encode(), priority, redundancy, self.provider.id, patience)

    def _patience(self) -> Patience:
        shared, snapshot, now = self.shared, self.tables.snapshot, monotonic()
        self.kind = shared.experience.kind(self.provider.id, self.facts, self._body_bytes())
        shared.hedges.deposit(now)
        return shared.experience.patience(self.kind, self.facts.repeat, snapshot.routing, snapshot.timeouts, now)

    def _learn(self, machine: AttemptMachine, stream: ReplyStream) -> None:
        """How long it took, for those that come after it."""
        experience, now = self.shared.experience, monotonic()
        experience.learn(self.kind, machine.attempts, self.record.first_byte_at, now)
        is_wanted = self.tables.snapshot.timeouts.idle_adaptive
        if is_wanted and stream.first_at is not None and not stream.client_left:
            was_cut = stream.failure is not None and stream.failure.code == Code.IDLE_TIMEOUT
            silence = now - stream.last_at if was_cut else stream.longest_gap
            experience.learn_silence(self.kind, silence, now, was_cut=was_cut)

    def _request_headers(self) -> Headers:
        if self.offer is not None:
            headers = [pair for pair in self.offer.headers if not pair[0].startswith(b"x-farline-")]
            return self._without_our_key(headers)
        headers = self._without_our_key(forwarded(self.client.headers))
        if self.part is not None or (self.keeping is not None and self.keeping.wants_plain):
            # others may share it, and what is stored is plain
            headers = [*(pair for pair in headers if pair[0] != b"accept-encoding"), (b"accept-encoding", b"identity")]
        length = self.fields.get(b"content-length")
        if length is None and self.upload.complete and self.client.expects_body:
            return [*headers, (b"content-length", b"%d" % self.upload.size)]  # wholly here, however it came in
        if length is not None and self.grown_by:
            kept = [pair for pair in headers if pair[0] != b"content-length"]
            return [*kept, (b"content-length", b"%d" % (int(length) + self.grown_by))]
        return headers

    def _new_stream(self) -> ReplyStream:
        timeouts = self.tables.timeouts[self.timeouts]
        idle = self.shared.experience.idle(self.kind, timeouts, monotonic())
        policy = StreamPolicy(idle, timeouts.keepalive, self.provider.on_client_gone == "drain")
        return ReplyStream(self.client, self.dialect, policy, self.record.id, self.loop, self.shared.gaps)

    def _commit(self, sink: AttemptSink, stream: ReplyStream, attempts: int) -> None:
        """The head goes to the client; from here on the reply flows from socket to socket by itself."""
        if self._is_worth_waiting(sink.head.status):
            raise Throttled
        record, head = self.record, sink.head
        record.path, record.protocol, record.status = sink.path, sink.protocol.value, head.status
        record.sent_at, record.first_byte_at = sink.sent_at, monotonic()
        if head.status == 101 and self.offer is not None:
            self._commit_bridge(sink, self.offer, attempts)
            return
        own = added(record, sink.path, attempts)
        headers = returned(head.headers, own, self.tables.upstreams[sink.path.endpoint], self._base_url)
        meter = self.dialect.meter(self.facts, head.status, head.headers)
        if self.part is not None and self.part.is_for_one(head):
            self._go_alone()
        if self.part is not None:
            sink.deliver_to(self.part.begin(stream, sink.exchange, head, headers, meter))
            return
        stream.begin(sink.exchange, head.status, headers, meter)
        receiver, watcher = (stream, stream) if self.keeping is None else self.keeping.receiver(stream, sink, head)
        self.client.watch(watcher)
        self.shared.sweep.add(stream)
        sink.deliver_to(receiver)

    def _commit_bridge(self, sink: AttemptSink, offer: UpstreamOffer, attempts: int) -> None:
        """The upgrade succeeded at the far end; from here on the bridge carries messages both ways."""
        self.shared.resuming.speaks_at(self, sink.path.endpoint)
        ours = added(self.record, sink.path, attempts)
        self.bridge = WebSocketBridge(self.client, sink.exchange, offer, sink.head, reply_headers=ours)
        sink.deliver_to(self.bridge)

    def _note_bridge(self, summary: BridgeSummary) -> None:
        self.record.failure = summary.failure
        self.record.client_left = summary.link.client_code == 1006
