"""Step 4: what was answered before is answered again, and what is being answered just now is answered along with it.

    take      may the cache have a part in this request?     → a Part, or None for nearly all requests
    serve     stored → replay; under way → share; else       → False: this request makes the exchange, and leads
    lead      the exchange's reply goes to everybody who shares it, and into the store when it is whole

A Part that leads lives as long as the exchange: its client may leave long before.
"""

from __future__ import annotations

import asyncio
import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from time import monotonic
from typing import TypeVar

import msgspec

from cache.aio.opened import OpenCache
from cache.directives import BadDirective
from cache.entry import Entry, Recorder, Spent
from cache.flight import Flight
from cache.nature import OPERATIONS, may_be_deterministic_body
from cache.policy import Decision, Reply, judge, refusal
from cache.question import Question as Asking
from cache.question import tenant_of
from cache.rules import Rules
from edge.attempts.runner import GaveUp
from edge.config.model import Cache
from edge.dialects.ending import ending_of, is_whole_json
from edge.dialects.facts import Meter
from edge.dialects.forms import Asked, Form, as_asked, asked
from edge.dialects.meters import is_event_stream
from edge.serve.alike import WRONG, Alike, alike_of, marks, report
from edge.serve.client import Leaver
from edge.serve.flying import Lead, Passenger
from edge.serve.question import Question, Refused, ours
from edge.serve.replay import replay
from edge.serve.reply import added_without_asking
from edge.serve.streaming import GapObserver, ReplyStream, Source, StreamPolicy, Sweep
from transport.exchange import ResponseSink
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead, header

T = TypeVar("T")

FLIGHTS = 2  # how often a request shares an exchange that comes to nothing, before that is its answer
_NOT_SHARED = "not_shared"
_ALONE = Failure(Origin.EDGE, Verdict.SAFE, _NOT_SHARED, "this reply is for one client only")
_LOST = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.PROXY_INTERNAL_ERROR, "the exchange was given up")
_LARGE_BYTES = 64 * 1024  # of a request: reading it for its key takes milliseconds, so not on the event loop
_WORDS = (b"x-farline-cache", b"cache-control", b"pragma", WRONG)
_SHARED_HEADERS = frozenset((b"content-type", b"openai-version", b"retry-after", b"retry-after-ms", b"x-should-retry"))


@dataclass(slots=True)
class Caching:
    """What all requests share. `open` None: there is no cache. `sharing`: single flight; `at_once`: stored streams are
    given as fast as they are read, else as they once came."""

    open: OpenCache | None
    sweep: Sweep
    gaps: GapObserver
    sharing: bool = True
    at_once: bool = True
    leads: dict[bytes, Lead] = field(default_factory=dict)  # of flights that others can find here

    def configure(self, cache: Cache) -> None:
        """[cache] in use from the next request on."""
        self.sharing, self.at_once = cache.single_flight, cache.replay == "fast"

    async def take(self, question: Question) -> Part | None:
        """The cache's part in a request; None: it has none. Reads the rest of the body if it must.

        Raises:
            Refused: what the caller says about caching can't be done.
        """
        rules = question.tables.snapshot.cache.rules
        speaks = any(word in question.fields for word in _WORDS)
        if not speaks and (reason := self._why_not(question, rules)) is not None:
            question.record.cache_reason = reason
            return None
        if WRONG in question.fields and self.open is not None:
            await report(self.open.similar, question.fields[WRONG], question.record)
        decision, form, alike = await self._judged(question, rules)
        if decision.key is not None and form is not None and self.open is not None:
            return Part(self, self.open, question, decision, form, alike)
        question.record.cache_reason = decision.reason if decision.key is None else "form"
        if decision.is_only:
            raise Refused(504, ours(Code.NOT_CACHED, f"not cached: {question.record.cache_reason}"))
        return None

    def _why_not(self, question: Question, rules: Rules) -> str | None:
        """What can be seen at once: a microsecond for most requests."""
        if self.open is None:
            return "off"
        facts = question.facts
        if facts.operation not in OPERATIONS or question.client.method != b"POST":
            return "operation"
        if b"x-farline-line" in question.fields:
            return "line"  # who chose a line wants to know how that line does
        if question.upload.complete and rules.only_deterministic:
            return None if may_be_deterministic_body(facts.operation, question.prefix) else "not deterministic"
        return None

    async def _judged(self, question: Question, rules: Rules) -> tuple[Decision, Asked | None, Alike | None]:
        body = await question.whole_body(rules.largest_request_bytes)
        if body is None:
            return Decision("request too large"), None, None
        facts, target = question.facts, question.rest
        asking = Asking(
            question.dialect.name,
            facts.operation,
            question.provider.id,
            facts.model or "",
            _tenant(question),
            target,
            question.client.headers,
            body,
            question.client.method,
        )
        try:
            decision = await _aside(len(body), lambda: judge(asking, rules))
        except BadDirective as bad:
            raise Refused(400, ours(Code.HTTP_REQUEST_ERROR, str(bad.args[0]))) from None
        if decision.key is None or self.open is None:
            return decision, None, None
        form = await _aside(len(body), lambda: asked(asking.dialect, facts.operation, target, body))
        similar = self.open.similar
        return decision, form, await _aside(len(body), lambda: alike_of(similar, asking, decision, question.record))


class Part:
    """The cache's part in one request. Everything but `serve` is for the one that leads."""

    def __init__(
        self,
        caching: Caching,
        open_: OpenCache,
        question: Question,
        decision: Decision,
        form: Asked,
        alike: Alike | None = None,
    ) -> None:
        self._caching = caching
        self._cache, self._shared = open_.cache, open_.shared
        self._question = question
        self._decision = decision
        self._form = form
        self._alike = alike  # None unless a rule allows similar questions' answers
        self._client, self._record = question.client, question.record
        self._digest: bytes | None = None  # under which others find its flight; None: they don't
        self._flight: Flight | None = None  # that it leads
        self._passenger: Passenger
        self._lead: Lead | None = None
        self._headers: Headers = []  # of the provider's reply

    async def serve(self) -> bool:
        """True: the client has its answer. False: this request makes the exchange.

        Raises:
            Refused: it wants a stored answer or none, and there is none.
            GaveUp: those who made the exchange for it had no reply.
            ClientGone: the client left.
        """
        if self._decision.may_share and self._caching.sharing:
            self._digest = self._flight_digest()
        failure: Failure | None = None
        for _ in range(FLIGHTS):
            flight = self._under_way()
            if flight is None and failure is None:
                if await self._recalled():
                    return True
                flight = self._under_way()  # somebody may have begun meanwhile
            if flight is None and (flight := await self._begun()) is None:
                return False
            failure = await self._follow(flight)
            if failure is None:
                return True
            if failure.code == _NOT_SHARED:
                self._digest = None
                await self._begun()
                return False
        assert failure is not None
        raise GaveUp(failure)

    # --- stored ---

    async def _recalled(self) -> bool:
        entry = await self._cache.look_up(self._decision)
        given = as_asked(self._form, entry) if entry is not None else None
        if given is None and self._alike is not None and await self._answered_alike(self._alike):
            return True
        if given is not None:
            await self._replay(given, "hit", [])
        elif self._decision.is_only:
            self._record.cache = "miss"
            raise Refused(504, ours(Code.NOT_CACHED, "there is no stored answer to this request"))
        return given is not None

    async def _answered_alike(self, alike: Alike) -> bool:
        found = await alike.found()
        given = as_asked(self._form, found.entry) if found is not None else None
        if found is None or given is None:
            return False
        await self._replay(given, found.kind, marks(found))
        return True

    async def _replay(self, entry: Entry, result: str, marks: Headers) -> None:
        record, now = self._record, monotonic()
        record.cache, record.saved = result, entry.spent
        record.status, record.first_byte_at = entry.status, now
        own = added_without_asking(record, now) + marks
        own.append((b"age", b"%d" % entry.age(self._cache.now_utc())))
        record.bytes_out = await replay(self._client, entry, own, at_once=self._caching.at_once)
        record.client_left = self._client.is_gone

    # --- under way ---

    def _flight_digest(self) -> bytes:
        """Not the key's: replies differ in what it leaves out, too, and nobody should wait behind a batch."""
        assert self._decision.key is not None
        form = msgspec.msgpack.encode((self._form, self._record.priority == "batch"))
        return hashlib.sha256(self._decision.key.digest + form).digest()

    def _under_way(self) -> Flight | None:
        return None if self._digest is None else self._cache.flights.find(self._digest)

    async def _follow(self, flight: Flight) -> Failure | None:
        """To the end of the reply; a Failure if none has begun."""
        if not flight.is_joinable:
            return _LOST
        record, stream, passenger = self._record, self._new_stream(), Passenger(self._client, self._caching.sweep)
        record.cache = "coalesced"
        passenger.ready(stream, lambda status, headers: self._coalesced(passenger, status, headers))
        failure = await passenger.ride(flight)
        if failure is not None:
            record.cache = "miss"
            return failure
        usage = stream.meter.usage()
        record.saved = Spent(usage.input, usage.output, usage.cached, usage.reasoning)
        record.bytes_out, record.failure, record.client_left = stream.bytes_out, stream.failure, stream.client_left
        return None

    def _new_stream(self) -> ReplyStream:
        question, tables = self._question, self._question.tables
        kind = tables.timeout_class(question.facts, self._record.priority, question.upload.size)
        policy = StreamPolicy(tables.timeouts[kind].idle, tables.timeouts[kind].keepalive, drain_when_gone=False)
        loop = asyncio.get_running_loop()
        return ReplyStream(self._client, question.dialect, policy, self._record.id, loop, self._caching.gaps)

    def _coalesced(self, passenger: Passenger, status: int, headers: Headers) -> tuple[Headers, Meter]:
        record, question, now = self._record, self._question, monotonic()
        record.status, record.first_byte_at = status, now
        lead = self._caching.leads.get(self._digest or b"")  # None: it is at another node
        if lead is not None:
            meter = passenger.along(lead.meter)
        else:
            meter = question.dialect.meter(question.facts, status, headers)
        return headers + added_without_asking(record, now), meter

    # --- leading ---

    async def _begun(self) -> Flight | None:
        """None: this request leads a new flight. Else another node makes the exchange, and this is its flight."""
        flights = self._cache.flights
        flight = Flight(flights.limits) if self._digest is None else flights.lead(self._digest)
        if self._digest is not None and self._shared is not None:
            try:
                if not await self._shared.claim(self._digest, flight):
                    return flight
            except BaseException:
                flight.fail(_LOST)
                flights.land(self._digest, flight)
                raise
        self._record.cache = "miss"
        self._flight, self._passenger = flight, Passenger(self._client, self._caching.sweep)
        self._passenger.board(flight)
        flight.may_abandon()  # the exchange is the flight's, not this client's
        return None

    def watch(self, leave: Callable[[], None]) -> None:
        """Attempts begin: `leave` ends them when nobody waits for the reply any more."""
        assert self._flight is not None
        self._flight.on_abandoned = leave
        self._client.watch(Leaver(self._passenger.cancel))
        asyncio.get_running_loop().call_soon(self._flight.check_abandoned)

    def is_for_one(self, head: ResponseHead) -> bool:
        """Is this reply no good to anybody else? Then `alone` is to be called."""
        if header(head.headers, b"content-encoding") not in (None, b"identity"):
            return True
        return head.status != 200 and self._decision.rule.scope == "shared"

    def alone(self, failure: Failure | None = None) -> None:
        """What answers this client is for nobody else; the others look for themselves."""
        flight, self._flight = self._flight, None
        if flight is None:
            return
        flight.on_abandoned = flight.on_flow = None
        self._passenger.cancel()
        if not flight.is_over:
            flight.fail(failure or _ALONE)
        if self._digest is not None:
            self._cache.flights.land(self._digest, flight)

    def begin(
        self, stream: ReplyStream, exchange: Source, head: ResponseHead, headers: Headers, meter: Meter
    ) -> ResponseSink:
        """Step 7, commit: from here on the reply goes to all who share it. `headers` are for this client."""
        assert self._flight is not None
        self._headers = head.headers
        recorder = Recorder(self._decision.rule.largest_reply_bytes) if head.status == 200 else None
        lead = self._lead = Lead(self._flight, exchange, meter, recorder, self._ended)
        if self._digest is not None:
            self._caching.leads[self._digest] = lead
        self._passenger.ready(stream, lambda status, shared: (headers, self._passenger.along(lead.meter)))
        self._flight.begin(head.status, [pair for pair in head.headers if pair[0] in _SHARED_HEADERS])
        return lead

    async def delivered(self, stream: ReplyStream) -> None:
        """Returns when the exchange is over and its client has all it will get."""
        assert self._lead is not None
        await self._lead.finished()
        if stream.has_begun:
            await stream.finished()

    def note(self, stream: ReplyStream) -> None:
        """What the exchange came to, into the record: its client may have left long before."""
        if self._lead is not None:
            self._record.usage = self._lead.meter.usage()
            self._record.client_left |= not stream.has_begun
        elif self._flight is not None:
            self._flight.on_abandoned = None  # these attempts are over; there may be others

    def over(self) -> None:
        """The request is over, however it went."""
        if self._lead is None:
            self.alone(self._record.failure or _LOST)
        elif self._flight is not None:
            if not self._flight.is_over:
                self._lead.on_failure(_LOST)
            self._passenger.get_off()
            self._lead = self._flight = None  # they know us: no cycle may keep a finished request for the collector

    def _ended(self, lead: Lead) -> None:
        if self._digest is not None and self._flight is not None:
            self._cache.flights.land(self._digest, self._flight)
            if self._caching.leads.get(self._digest) is lead:
                del self._caching.leads[self._digest]
        self._record.cache_reason = "status" if lead.recorder is None else self._kept(lead, lead.recorder)

    def _kept(self, lead: Lead, recorder: Recorder) -> str:
        """Stores the reply if it may be; else says why not."""
        decision, usage = self._decision, lead.meter.usage()
        seconds = monotonic() - self._record.received_at
        spent = Spent(usage.input, usage.output, usage.cached, usage.reasoning, seconds)
        is_stream = self._form.form is not Form.DOCUMENT
        entry = recorder.entry(200, self._headers, is_stream, spent, self._cache.now_utc(), decision.rule.ttl)
        if entry is None:
            return "reply too large"
        reason = refusal(decision, _reply(entry, self._headers, lead))
        if reason is None:
            stored = self._cache.keep(decision, entry)
            if self._alike is not None:
                self._alike.keep(entry, stored)
        return reason or "stored"


def _reply(entry: Entry, headers: Headers, lead: Lead) -> Reply:
    ending = ending_of(entry.body)
    is_complete = lead.is_whole and lead.meter.is_complete() and not ending.is_error
    if is_complete and not is_event_stream(headers):
        is_complete = is_whole_json(entry.body)
    return Reply(200, headers, len(entry.body), is_complete, ending.has_tool_calls, ending.is_truncated)


def _tenant(question: Question) -> str:
    """The caller, told apart by the provider's key if it brings one of its own."""
    principal, tables = question.principal, question.tables
    assert principal is not None
    found = question.dialect.credential_of(question.client.headers, question.rest)
    if found is not None and principal.key is not None and tables.keys.identify(found) is not None:
        found = None
    return tenant_of(principal.id, found)


async def _aside(size: int, work: Callable[[], T]) -> T:
    """`work` on `size` bytes; in a thread if it would hold up everybody else's streams."""
    if size <= _LARGE_BYTES:
        return work()
    return await asyncio.get_running_loop().run_in_executor(None, work)
