"""The local pool's stage: one request, answered by a server next door through the same attempts and the same stream.

What is different from a provider overseas: the body is needed whole (each server has its own name for the model, and
other dialects are translated), a place is taken before the first attempt, and a repeat costs nobody anything.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from time import monotonic

from edge.attempts.budget import RetryBudget
from edge.attempts.lines import LineWatch
from edge.attempts.machine import AttemptMachine
from edge.attempts.runner import AttemptObserver, AttemptRunner, AttemptSink, GaveUp
from edge.attempts.upload import Upload
from edge.dialects.facts import Dialect, Facts, Repeat
from edge.observe.record import RequestRecord
from edge.policy.access import Principal
from edge.pool.admission import Admission, Ticket
from edge.pool.board import Backend, PoolBoard
from edge.pool.choice import order
from edge.pool.mapping import best_served, wanted
from edge.pool.prepare import Prepared, Unfit, can_serve, fitted, prepare, request_headers, target_of
from edge.pool.tokens import estimate
from edge.pool.when import Canary, Reason, is_cut_off, is_too_slow
from edge.serve.client import ClientExchange, ClientGone, Leaver
from edge.serve.notes import note
from edge.serve.reply import NOT_RETURNED, added, status_of
from edge.serve.streaming import GapObserver, ReplyStream, StreamPolicy, Sweep
from edge.serve.tables import Tables
from edge.serve.translated import TranslatedReply
from health.view import HealthView
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import RequestHead, end_to_end
from transport.path import LOCAL, Path

RACE_SECONDS = 0.3  # a server next door that takes no connection within this long gets a rival
DIAL_SECONDS = 2.0


class NotServed(Exception):
    """The pool has no reply to this request; nothing has gone to the client."""

    def __init__(self, status: int, code: str, detail: str) -> None:
        super().__init__(detail)
        self.status = status
        self.failure = Failure(Origin.EDGE, Verdict.SAFE, code, detail)


@dataclass(frozen=True, slots=True)
class LocalAsk:
    """One request, as far as the pipeline has brought it."""

    tables: Tables
    client: ClientExchange
    record: RequestRecord
    dialect: Dialect
    facts: Facts
    rest: bytes
    upload: Upload
    reason: Reason

    def names_by_pool(self, board: PoolBoard) -> Mapping[str, str]:
        """Servers that have a model for it → its name there. Vectors of unlike models can't be compared: nothing
        stands in for an embedding model unless its own [[model]] says so."""
        model, tables = self.facts.model, self.tables
        entry = tables.models.get(model) if model is not None else None
        stand_in = tables.snapshot.routing.local_model if self.facts.operation not in ("embeddings", "embed") else None
        names = wanted(model, entry, stand_in)
        return best_served(names, {id: backend.models for id, backend in board.backends.items()})


def _never(principal: Principal, facts: Facts) -> bool:
    return False


@dataclass(slots=True)
class LocalPool:
    """What every request shares; the composition root makes it. `steer`: a budget's rule, which keeps requests here
    while it says so. `draw` gives a random number from 0 to 1."""

    board: PoolBoard
    connector: Connector
    observer: AttemptObserver
    budget: RetryBudget
    sweep: Sweep
    gaps: GapObserver
    tasks: TaskOwner
    draw: Callable[[], float]
    steer: Callable[[Principal, Facts], bool] = _never
    canary: Canary = field(default_factory=Canary)
    lines: LineWatch = field(default_factory=LineWatch)  # none that could go dark
    admission: Admission = field(init=False)
    turns: dict[Ticket, asyncio.Future[None]] = field(default_factory=dict)

    def __post_init__(self) -> None:
        self.admission = Admission(self.board)

    def why(
        self,
        tables: Tables,
        facts: Facts,
        priority: str,
        principal: Principal,
        paths: Sequence[Path],
        view: HealthView,
        now: float,
    ) -> Reason | None:
        """Why the pool should answer rather than a provider; None for nearly all requests."""
        if self.steer(principal, facts):
            return Reason.STEERED
        if is_cut_off(paths, view) and not self.canary.may_go(now):
            return Reason.UNREACHABLE
        longest_ms = tables.snapshot.routing.local_realtime_rtt_ms if priority == "realtime" else 0.0
        if is_too_slow(paths, view, facts.patience, longest_ms / 1000 or None):
            return Reason.TOO_SLOW
        return None

    def has_any(self, ask: LocalAsk) -> bool:
        """Is there a pool at all, and may it be used for such a reason?"""
        snapshot = ask.tables.snapshot
        allowed = snapshot.routing.local == "last-resort" or (
            snapshot.routing.local == "sensitive-only" and ask.reason.is_binding
        )
        return allowed and bool(snapshot.pools)

    def may_serve(self, ask: LocalAsk) -> bool:
        """Could it answer this, as far as the request's head and the start of its body show?"""
        return (
            self.has_any(ask)
            and can_serve(ask.dialect.name, ask.facts.operation, ask.client.method, ask.rest)
            and bool(ask.names_by_pool(self.board))
        )

    async def serve(self, ask: LocalAsk) -> None:
        """Answers the request, to the end of its reply.

        Raises:
            NotServed: it can't be answered here.
            ClientGone: the client left before there was a reply.
        """
        ask.record.local = ask.reason.value
        if not self.has_any(ask):
            detail = f"{ask.reason.value} requests need a local pool; there is none"
            raise NotServed(403, Code.HTTP_REQUEST_DENIED, detail)
        if not can_serve(ask.dialect.name, ask.facts.operation, ask.client.method, ask.rest):
            raise NotServed(403, Code.HTTP_REQUEST_DENIED, "the local pool has nothing like this request")
        await _LocalRun(self, ask).serve()

    def give(self, ticket: Ticket) -> None:
        """A place is free: those whose turn it is go on."""
        for other in self.admission.give(ticket):
            turn = self.turns.get(other)
            if turn is not None:
                _settle(turn)


class _LocalRun:
    """One request in the pool. Steps read what the steps before them set."""

    def __init__(self, shared: LocalPool, ask: LocalAsk) -> None:
        self.shared = shared
        self.ask = ask
        self.loop = asyncio.get_running_loop()
        self.ready: dict[str, Prepared] = {}
        self.body = b""  # as the caller sent it
        self.upload = Upload(ask.client, b"", True)

    async def serve(self) -> None:
        names = self.ask.names_by_pool(self.shared.board)
        backends = self._up(names)
        self.body = await self._whole_body()
        self._prepare(backends, names)
        ticket = await self._place([backend for backend in backends if backend.pool.id in self.ready])
        try:
            await self._attempt(ticket)
        except GaveUp as gave_up:
            if gave_up.failure.code == Code.CLIENT_GONE:
                raise ClientGone("the client left") from None
            failure = gave_up.failure
            raise NotServed(status_of(failure), failure.code, f"local pool: {failure.detail}") from None
        finally:
            self.shared.give(ticket)

    def _up(self, names: Mapping[str, str]) -> list[Backend]:
        """The servers that may be asked, best first."""
        backends = self.shared.board.backends
        if not names:
            raise NotServed(404, Code.HTTP_REQUEST_ERROR, "no model of the local pool stands in for this one")
        ranked = order([backends[id] for id in names], monotonic(), self.shared.draw)
        if not ranked:
            raise NotServed(503, Code.DESTINATION_UNAVAILABLE, "no server of the local pool is up")
        return ranked

    async def _whole_body(self) -> bytes:
        upload = self.ask.upload
        whole: asyncio.Future[None] = self.loop.create_future()
        too_long = NotServed(413, Code.HTTP_REQUEST_ERROR, "the request is too long to be kept for the local pool")
        with _watched(self.ask.client, whole):
            limit = self.ask.tables.snapshot.limits.replay_bytes
            upload.gather(limit, lambda: _settle(whole), lambda: _settle(whole, too_long))
            try:
                await whole
            finally:
                upload.tell_no_more()
        return upload.take() or b""

    def _prepare(self, backends: Sequence[Backend], names: Mapping[str, str]) -> None:
        """`ready` has the request for each server that it fits. Engines differ in what they have."""
        ask, prompt = self.ask, estimate(self.body)
        kind = (ask.dialect.name, ask.facts.operation, ask.rest, ask.client.headers)
        longest = max(backend.context_tokens or 0 for backend in backends)
        why_not = Unfit(f"the prompt doesn't fit the local pool's context of {longest} tokens")
        for backend in backends:
            try:
                made = prepare(backend.pool, *kind, self.body, names[backend.pool.id], ask.facts.streaming)
            except Unfit as unfit:
                why_not = unfit
                continue
            fitting = fitted(made, backend.context_tokens, prompt)
            if fitting is not None:
                self.ready[backend.pool.id] = fitting
        if not self.ready:
            raise NotServed(why_not.status, Code.HTTP_REQUEST_ERROR, why_not.detail)

    async def _place(self, backends: Sequence[Backend]) -> Ticket:
        """A place at one of them, at once or after a wait."""
        shared = self.shared
        ticket = shared.admission.ask([backend.pool.id for backend in backends], self.ask.record.priority)
        if ticket is None:
            raise NotServed(503, Code.OVERLOADED, "the local pool is full, and so is its queue")
        if ticket.at is None:
            wait = max(backend.pool.queue for backend in backends)
            try:
                await self._turn(ticket, wait)
            except BaseException:
                shared.give(ticket)
                raise
        return ticket

    async def _turn(self, ticket: Ticket, wait: float) -> None:
        turn = self.shared.turns[ticket] = self.loop.create_future()
        try:
            with _watched(self.ask.client, turn):
                async with asyncio.timeout(wait):
                    await turn
        except TimeoutError:
            raise NotServed(503, Code.OVERLOADED, f"no place in the local pool within {wait:g} s") from None
        finally:
            del self.shared.turns[ticket]

    # --- attempts, commit, streaming: as overseas ---

    async def _attempt(self, ticket: Ticket) -> None:
        ask, shared = self.ask, self.shared
        assert ticket.at is not None
        first = ticket.at.pool.id
        paths = tuple(Path(LOCAL, id) for id in (first, *(id for id in self.ready if id != first)))
        policy = replace(
            ask.tables.attempt_policy(ask.facts, hopeless=False),
            repeat=Repeat.FREE,
            max_attempts=4,
            race_after=RACE_SECONDS,
            dial_deadline=DIAL_SECONDS,
        )
        machine = AttemptMachine(paths, policy, shared.budget)
        timeouts = ask.tables.snapshot.timeouts
        stream = ReplyStream(
            ask.client,
            ask.dialect,
            StreamPolicy(timeouts.idle, timeouts.keepalive, drain_when_gone=False),
            ask.record.id,
            self.loop,
            shared.gaps,
        )
        runner = AttemptRunner(
            machine,
            shared.connector,
            self.upload,
            head_for=lambda path: self._head(path, ticket),
            commit=lambda sink: self._commit(sink, stream, len(machine.attempts)),
            observer=shared.observer,
            tasks=shared.tasks,
            lines=shared.lines,
        )
        ask.record.routed_at = monotonic()
        ask.client.watch(Leaver(runner.leave))
        sink: AttemptSink | None = None
        try:
            sink = await runner.run(ask.tables.snapshot.limits.replay_bytes)
            await stream.finished()
        finally:
            shared.sweep.remove(stream)
            ask.client.watch(None)
            if sink is not None:
                sink.let_go()
            note(ask.record, machine, stream, ask.upload)

    def _head(self, path: Path, ticket: Ticket) -> RequestHead:
        """The request goes to this server now: its place is there, and its body is the one made for it."""
        self.shared.admission.move(ticket, path.endpoint)
        ready = self.ready[path.endpoint]
        self.upload.replace(ready.body)
        pool = self.shared.board.backends[path.endpoint].pool
        authority = target_of(pool).authority.encode()
        scheme = b"https" if pool.tls else b"http"
        return RequestHead(b"POST", ready.target, authority, request_headers(ready, pool, self.ask.record.id), scheme)

    def _commit(self, sink: AttemptSink, stream: ReplyStream, attempts: int) -> None:
        ask, head, ready = self.ask, sink.head, self.ready[sink.path.endpoint]
        if head.status >= 400 and not ask.reason.is_binding:
            raise NotServed(head.status, Code.DESTINATION_UNAVAILABLE, f"the local pool answers {head.status}")
        record, status, headers = ask.record, head.status, head.headers
        record.path, record.protocol = sink.path, sink.protocol.value
        record.sent_at, record.first_byte_at = sink.sent_at, monotonic()
        receiver: ReplyStream | TranslatedReply = stream
        if ready.translation is not None:
            translator = ready.translation.reply(self.body, ready.streaming, record.id, ask.rest)
            status, headers = translator.head(status, headers)
            receiver = TranslatedReply(stream, translator)
        record.status = status
        own = added(record, sink.path, len(record.attempts) + attempts)
        meter = ask.dialect.meter(ask.facts, status, headers)
        stream.begin(sink.exchange, status, end_to_end(headers, NOT_RETURNED) + own, meter)
        ask.client.watch(stream)
        self.shared.sweep.add(stream)
        sink.deliver_to(receiver)


@contextmanager
def _watched(client: ClientExchange, waiting: asyncio.Future[None]) -> Iterator[None]:
    """While it lasts, a client that leaves ends the wait."""
    client.watch(Leaver(lambda: _settle(waiting, ClientGone("the client left"))))
    try:
        yield
    finally:
        client.watch(None)


def _settle(waiting: asyncio.Future[None], error: Exception | None = None) -> None:
    if waiting.done():
        return
    if error is None:
        waiting.set_result(None)
    else:
        waiting.set_exception(error)
