"""One request, one way. `_Run.serve` shows the steps as lines, each with why it stands there."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import dataclass
from time import monotonic

from edge.attempts.budget import RetryBudget
from edge.attempts.machine import AttemptMachine, AttemptPolicy
from edge.attempts.runner import AttemptObserver, AttemptRunner, AttemptSink, GaveUp
from edge.attempts.upload import Upload
from edge.config.model import Provider
from edge.dialects import by_name
from edge.dialects.credentials import without_key_query, without_keys
from edge.dialects.facts import Dialect, Facts
from edge.dialects.rename import rename
from edge.dialects.routes import dialect_of, split_prefix
from edge.observe.record import AttemptTrace, RequestRecord
from edge.policy.access import Principal
from edge.policy.permits import Permits
from edge.routing.ask import Ask, Moment
from edge.routing.chooser import Chooser
from edge.routing.controls import Controls
from edge.routing.sticky import conversation
from edge.serve.client import ClientExchange, ClientFault, ClientGone
from edge.serve.reply import added, base_url, error_reply, forwarded, request_head, returned, status_of
from edge.serve.streaming import GapObserver, ReplyStream, StreamPolicy, Sweep
from edge.serve.tables import Tables
from edge.serve.websocket import BridgeSummary, WebSocketBridge
from edge.serve.ws_handshake import UpstreamOffer, WebSocketRefused
from health.board import HealthBoard
from transport.aio.tasks import TaskOwner
from transport.connector import Connector
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.message import Headers
from transport.path import Path, Protocol

PRIORITIES = frozenset(("realtime", "interactive", "batch"))
PREFIX_BYTES = 64 * 1024  # of the body, read before routing: enough to find the model in all but strange requests


class Refused(Exception):
    """The edge itself answers: `status` and `failure` go to the client in its dialect."""

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(failure.code)
        self.status = status
        self.failure = failure


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
    account: Callable[[RequestRecord], None]
    request_ids: Callable[[], str]

    async def serve(self, client: ClientExchange) -> None:
        """Serves one client request. Raises nothing that is the client's or the far end's fault."""
        await _Run(self, client).serve()


class _Run:
    """One request on its way. Steps read what the steps before them set."""

    def __init__(self, shared: Pipeline, client: ClientExchange) -> None:
        self.shared = shared
        self.client = client
        self.tables = shared.tables  # one generation for the whole request, whatever is reloaded meanwhile
        self.fields = dict(reversed(client.headers))  # by name, the first of each: most lookups are for absent ones
        self.loop = asyncio.get_running_loop()
        self.record = _record(client, shared.request_ids())
        self.dialect: Dialect = by_name("openai")  # until routing knows better
        self.routed_to: Provider | None = None  # by prefix; None on a unified route
        self.rest = client.target
        self.principal: Principal | None = None
        self.provider: Provider
        self.facts: Facts
        self.prefix: bytes
        self.candidates: tuple[Path, ...]
        self.policy: AttemptPolicy
        self.upload: Upload
        self.grown_by = 0  # bytes that renaming the model added to the body
        self.offer: UpstreamOffer | None = None
        self.bridge: WebSocketBridge | None = None

    async def serve(self) -> None:
        record = self.record
        try:
            self._route()  # by prefix and path, first of all: errors must be in the caller's dialect
            self._admit()  # who may, and now? before the body, so that a stranger costs us no memory
            await self._understand()  # what is asked? needs the start of the body
            self._plan()  # which paths, in which order?
            await self._attempt()  # launch, race, fail over; COMMIT exactly once; the reply flows to its end
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
            if self.principal is not None:
                self.shared.permits.release(self.principal)
            record.ended_at = monotonic()
            self.shared.account(record)

    # --- 1 ingress: where does the target lead? ---

    def _route(self) -> None:
        tables, client, record = self.tables, self.client, self.record
        provider_id, self.rest = split_prefix(client.target, tables.providers)
        if provider_id is not None:
            self.routed_to, self.dialect = tables.providers[provider_id], tables.dialects[provider_id]
            record.provider = provider_id
            return
        name = dialect_of(self.rest, client.headers)
        if name is None or name not in tables.by_dialect:
            raise Refused(404, _ours(Code.HTTP_REQUEST_ERROR, f"no provider at {record.route}"))
        self.dialect = by_name(name)

    # --- 2 policy: who, may, and now? ---

    def _admit(self) -> None:
        tables, permits = self.tables, self.shared.permits
        principal = tables.keys.identify(self._presented_key())
        if principal is None:
            raise Refused(401, _ours(Code.HTTP_REQUEST_DENIED, "this key is not known here"))
        self.record.principal = principal.id
        self.record.priority = self._priority()
        limit = tables.snapshot.limits.max_in_flight
        if not permits.take(principal, limit):
            full = permits.in_flight >= limit
            raise Refused(503 if full else 429, _ours(Code.OVERLOADED, "too many requests in flight"))
        self.principal = principal

    def _presented_key(self) -> str | None:
        """The caller's farline key: in its own header, or where the caller's SDK puts its API key."""
        presented = self.fields.get(b"x-farline-key")
        if presented is not None:
            return presented.decode("latin-1")
        return self.dialect.credential_of(self.client.headers, self.rest)

    def _without_our_key(self, headers: Headers) -> Headers:
        """A key of this node, where the caller's SDK put it, is none of the provider's business."""
        if self.principal is None or self.principal.key is None:
            return headers
        found = self.dialect.credential_of(self.client.headers, self.rest)
        if found is None or self.tables.keys.identify(found) is None:
            return headers
        self.rest = without_key_query(self.rest)
        return without_keys(headers)

    def _priority(self) -> str:
        value = self.fields.get(b"x-farline-priority")
        if value is None:
            return "interactive"
        name = value.decode("latin-1")
        if name not in PRIORITIES:
            raise Refused(400, _ours(Code.HTTP_REQUEST_ERROR, "x-farline-priority: realtime, interactive or batch"))
        return name

    # --- 3 dialect: what is asked? ---

    async def _understand(self) -> None:
        client, record = self.client, self.record
        prefix, complete = await client.read_body(PREFIX_BYTES)
        self.prefix = prefix
        record.bytes_in = len(prefix)
        facts = self.facts = self.dialect.facts(client.method, self.rest, client.headers, prefix, complete)
        provider = self.provider = self.routed_to or self._by_model(facts.model)
        record.provider, record.facts = provider.id, facts
        self.upload = Upload(client, self._renamed(prefix), complete)
        assert self.principal is not None
        if not self.principal.may_use(provider.id, facts.model):
            raise Refused(403, _ours(Code.HTTP_REQUEST_DENIED, "this key may not use this provider or model"))
        self._check_data_class()

    def _check_data_class(self) -> None:
        """Fails closed: only a local pool may answer sensitive requests, and this node has none."""
        value = self.fields.get(b"x-farline-data-class")
        if value == b"sensitive":
            raise Refused(403, _ours(Code.HTTP_REQUEST_DENIED, "sensitive requests need a local pool; there is none"))
        if value is not None:
            raise Refused(400, _ours(Code.HTTP_REQUEST_ERROR, "x-farline-data-class: sensitive, or leave it out"))

    def _by_model(self, model: str | None) -> Provider:
        """Unified routes: who serves this model, in the caller's own dialect?"""
        name = self.dialect.name
        provider = self.tables.provider_for(name, model)
        if provider is None:
            raise Refused(404, _ours(Code.HTTP_REQUEST_ERROR, "no provider for this model"))
        if provider.dialect not in (name, "generic"):
            text = f"{provider.id} serves this model and speaks {provider.dialect}: ask it at /{provider.id}/…"
            raise Refused(400, _ours(Code.HTTP_REQUEST_ERROR, text))
        return provider

    def _renamed(self, prefix: bytes) -> bytes:
        """The body's start with the model's upstream name, where [[model]] gives one (unified routes only)."""
        model = self.facts.model
        entry = self.tables.models.get(model) if model is not None and self.routed_to is None else None
        if model is None or entry is None or entry.upstream is None:
            return prefix
        headers = self.client.headers
        self.rest, renamed = rename(self.rest, headers, prefix, model, entry.upstream)
        self.grown_by = len(renamed) - len(prefix)
        return renamed

    # --- 5 routing: which paths, in which order? ---

    def _plan(self) -> None:
        shared, now = self.shared, monotonic()
        choice = self.record.choice = shared.chooser.choose(
            self._ask(),
            self.tables.snapshot,
            shared.board.view(now),
            shared.controls,
            shared.moment(),
            now,
            shared.chance(),
        )
        if choice.refusal is not None:
            code = Code.HTTP_REQUEST_DENIED if choice.refusal.is_forbidden else Code.DESTINATION_UNAVAILABLE
            raise Refused(403 if choice.refusal.is_forbidden else 503, _ours(code, choice.refusal.text))
        self.candidates = choice.paths
        self.policy = self.tables.attempt_policy(self.facts, hopeless=choice.is_hopeless)

    def _ask(self) -> Ask:
        principal, provider, facts = self.principal, self.provider, self.facts
        assert principal is not None
        return Ask(
            provider,
            self.record.priority,
            facts.model,
            principal.id,
            self._prompt_bytes(),
            self._conversation(principal.id) if len(provider.endpoints) > 1 else None,
            self._wanted_line(principal),
            self.tables.residency.allowed(principal.key, provider.id, facts.model),
        )

    def _prompt_bytes(self) -> int:
        """What is still to be uploaded, as far as the request says."""
        length = self.fields.get(b"content-length")
        return int(length) if length is not None else self.record.bytes_in

    def _conversation(self, principal: str) -> bytes | None:
        mode, header = self.tables.snapshot.routing.sticky, self.fields.get(b"x-farline-sticky")
        return conversation(mode, header, self.prefix, principal, self.facts.model)

    def _wanted_line(self, principal: Principal) -> str | None:
        wanted = self.fields.get(b"x-farline-line")
        if wanted is None:
            return None
        if not principal.may_choose_line:
            raise Refused(403, _ours(Code.HTTP_REQUEST_DENIED, "this key may not choose the line"))
        line = self.tables.lines.get(wanted.decode("latin-1"))
        if line is None:
            raise Refused(400, _ours(Code.HTTP_REQUEST_ERROR, "x-farline-line names no line of this node"))
        return line.id

    # --- 6 attempts, 7 commit, 8 streaming ---

    async def _attempt(self) -> None:
        shared, client, upload = self.shared, self.client, self.upload
        if client.upgrade == b"websocket":
            self.offer = UpstreamOffer(client.method, client.headers)
        headers = self._request_headers()
        machine = AttemptMachine(self.candidates, self.policy, shared.budget)
        stream = self._new_stream()
        runner = AttemptRunner(
            machine,
            shared.connector,
            upload,
            head_for=lambda path: request_head(
                client.method, self.rest, headers, self.tables.upstreams[path.endpoint], self.dialect
            ),
            commit=lambda sink: self._commit(sink, stream, len(machine.attempts)),
            observer=shared.observer,
            tasks=shared.tasks,
            only=Protocol.H1 if self.offer is not None else None,
        )
        self.record.routed_at = monotonic()
        client.watch(_Leaver(runner.leave))
        sink: AttemptSink | None = None
        try:
            sink = await runner.run(self.tables.snapshot.limits.replay_bytes)
            if self.bridge is not None:
                self._note_bridge(await self.bridge.wait())
            else:
                await stream.finished()
        finally:
            shared.sweep.remove(stream)
            client.watch(None)
            if sink is not None:
                sink.let_go()
            _note(self.record, machine, stream, upload)

    def _request_headers(self) -> Headers:
        if self.offer is not None:
            headers = [pair for pair in self.offer.headers if not pair[0].startswith(b"x-farline-")]
            return self._without_our_key(headers)
        headers = self._without_our_key(forwarded(self.client.headers))
        length = self.fields.get(b"content-length")
        if length is None and self.upload.complete and self.client.expects_body:
            return [*headers, (b"content-length", b"%d" % self.upload.size)]  # wholly here, however it came in
        if length is not None and self.grown_by:
            kept = [pair for pair in headers if pair[0] != b"content-length"]
            return [*kept, (b"content-length", b"%d" % (int(length) + self.grown_by))]
        return headers

    def _new_stream(self) -> ReplyStream:
        timeouts = self.tables.snapshot.timeouts
        policy = StreamPolicy(timeouts.idle, timeouts.keepalive, self.provider.on_client_gone == "drain")
        return ReplyStream(self.client, self.dialect, policy, self.record.id, self.loop, self.shared.gaps)

    def _commit(self, sink: AttemptSink, stream: ReplyStream, attempts: int) -> None:
        """The head goes to the client; from here on the reply flows from socket to socket by itself."""
        record, head = self.record, sink.head
        record.path, record.protocol, record.status = sink.path, sink.protocol.value, head.status
        record.sent_at, record.first_byte_at = sink.sent_at, monotonic()
        if head.status == 101 and self.offer is not None:
            self._commit_bridge(sink, self.offer, attempts)
            return
        meter = self.dialect.meter(self.facts, head.status, head.headers)
        own = added(record, sink.path, attempts)
        headers = returned(head.headers, own, self.tables.upstreams[sink.path.endpoint], self._base_url)
        stream.begin(sink.exchange, head.status, headers, meter)
        self.client.watch(stream)
        self.shared.sweep.add(stream)
        sink.deliver_to(stream)

    def _base_url(self) -> bytes:
        prefix = b"/" + self.routed_to.id.encode() if self.routed_to is not None else b""
        return base_url(self.client.headers, self.tables.snapshot.listen.tls is not None, prefix)

    def _commit_bridge(self, sink: AttemptSink, offer: UpstreamOffer, attempts: int) -> None:
        """The upgrade succeeded at the far end; from here on the bridge carries messages both ways."""
        ours = added(self.record, sink.path, attempts)
        self.bridge = WebSocketBridge(self.client, sink.exchange, offer, sink.head, reply_headers=ours)
        sink.deliver_to(self.bridge)

    def _note_bridge(self, summary: BridgeSummary) -> None:
        self.record.failure = summary.failure
        self.record.client_left = summary.link.client_code == 1006

    # --- replies of our own ---

    def _reply_error(self, status: int, failure: Failure, extra: Headers | None = None) -> None:
        self.record.failure = failure
        if self.client.is_gone:
            self._client_left()
            return
        self.record.status = status
        headers, body = error_reply(status, failure, self.record, self.dialect, len(self.record.attempts))
        self.client.start(status, headers + (extra or []))
        self.client.write(body)
        self.client.end()

    def _client_left(self) -> None:
        self.record.client_left, self.record.status = True, ClientGone.status


class _Leaver:
    """Watches the client while nothing is committed yet."""

    __slots__ = ("_leave",)

    def __init__(self, leave: Callable[[], None]) -> None:
        self._leave = leave

    def on_client_gone(self) -> None:
        self._leave()

    def on_client_slow(self) -> None:
        """Nothing is being written yet."""

    def on_client_ready(self) -> None:
        """Nothing is being written yet."""


def _record(client: ClientExchange, request_id: str) -> RequestRecord:
    path, _, _ = client.target.partition(b"?")  # queries can hold keys
    return RequestRecord(request_id, client.received_at, client.peer, client.method.decode(), path.decode("latin-1"))


def _note(record: RequestRecord, machine: AttemptMachine, stream: ReplyStream, upload: Upload) -> None:
    """What the attempts and the stream know, into the record."""
    record.attempts = [
        AttemptTrace(a.path, a.outcome.value, a.status, a.failure.code if a.failure else None) for a in machine.attempts
    ]
    record.failovers = machine.failovers
    record.bytes_in = upload.size
    if stream.has_begun:
        record.bytes_out = stream.bytes_out
        record.failure = stream.failure
        record.usage = stream.meter.usage()
        record.client_left = stream.client_left
        if stream.client_left:
            record.undelivered_tokens = max(0, stream.meter.tokens_seen() - stream.tokens_when_left)


def _ours(code: str, detail: str) -> Failure:
    return Failure(Origin.EDGE, Verdict.SAFE, code, detail)
