"""What a request asks, and who asks it: the first three steps of its way (see `pipeline.py`)."""

from __future__ import annotations

from edge.attempts.upload import Upload
from edge.config.model import Provider
from edge.dialects import by_name
from edge.dialects.credentials import without_key_query, without_keys
from edge.dialects.facts import Dialect, Facts
from edge.dialects.rename import rename
from edge.dialects.routes import dialect_of, split_prefix
from edge.observe.record import RequestRecord
from edge.policy.access import ANYONE, Principal
from edge.policy.permits import Permits
from edge.pool.when import Reason
from edge.routing.sticky import conversation
from edge.serve.client import ClientExchange, ClientGone
from edge.serve.coded import plain
from edge.serve.packed import WHOLE_BYTES
from edge.serve.reply import base_url, error_reply, forwarded
from edge.serve.tables import Tables
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers
from transport.path import LOCAL

_LOCAL = LOCAL.encode()
PRIORITIES = frozenset(("realtime", "interactive", "batch"))
PREFIX_BYTES = 64 * 1024  # of the body, read before routing: enough to find the model in all but strange requests


class Refused(Exception):
    """The edge itself answers: `status` and `failure` go to the client in its dialect."""

    def __init__(self, status: int, failure: Failure) -> None:
        super().__init__(failure.code)
        self.status = status
        self.failure = failure


class Question:
    """One request as far as it is understood. Each step reads what the steps before it set."""

    def __init__(self, tables: Tables, permits: Permits, client: ClientExchange, request_id: str) -> None:
        self.tables = tables  # one generation for the whole request, whatever is reloaded meanwhile
        self.fields = dict(reversed(client.headers))  # by name, the first of each: most lookups are for absent ones
        self.client = plain(client, self.fields, tables.snapshot)  # without codings, which nobody behind it sees
        self.record = _record(client, request_id)
        self.record.traceparent = self.fields.get(b"traceparent")
        self.dialect: Dialect = by_name("openai")  # until routing knows better
        self.routed_to: Provider | None = None  # by prefix; None on a unified route
        self.rest = client.target
        self.principal: Principal | None = None
        self.provider: Provider
        self.facts: Facts
        self.prefix: bytes
        self.upload: Upload
        self.binding: Reason | None = None  # why only the local pool may answer
        self.grown_by = 0  # bytes that renaming the model added to the body
        self._permits = permits

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
            raise Refused(404, ours(Code.HTTP_REQUEST_ERROR, f"no provider at {record.route}"))
        self.dialect = by_name(name)

    # --- 2 policy: who, may, and now? ---

    def _admit(self) -> None:
        tables, permits = self.tables, self._permits
        principal = ANYONE if tables.keys.is_open else tables.keys.identify(self._presented_key())
        if principal is None:
            raise Refused(401, ours(Code.HTTP_REQUEST_DENIED, "this key is not known here"))
        self.record.principal = principal.id
        self.record.priority = self._priority()
        limit = tables.snapshot.limits.max_in_flight
        if not permits.take(principal, limit):
            full = permits.in_flight >= limit
            raise Refused(503 if full else 429, ours(Code.OVERLOADED, "too many requests in flight"))
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
            raise Refused(400, ours(Code.HTTP_REQUEST_ERROR, "x-farline-priority: realtime, interactive or batch"))
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
        if provider.request_encoding is not None and not complete:  # to compress it
            more, complete = await client.read_body(WHOLE_BYTES)
            prefix += more
        self.upload = Upload(client, self._renamed(prefix), complete)
        assert self.principal is not None
        if not self.principal.may_use(provider.id, facts.model):
            raise Refused(403, ours(Code.HTTP_REQUEST_DENIED, "this key may not use this provider or model"))
        self._check_data_class()

    def _check_data_class(self) -> None:
        """Fails closed: only the local pool may answer sensitive requests, whatever becomes of it."""
        assert self.principal is not None
        value = self.fields.get(b"x-farline-data-class")
        if value is not None and value != b"sensitive":
            raise Refused(400, ours(Code.HTTP_REQUEST_ERROR, "x-farline-data-class: sensitive, or leave it out"))
        if value is not None or self.principal.is_sensitive:
            self.binding = Reason.SENSITIVE
        elif self.fields.get(b"x-farline-line") == _LOCAL:
            self._check_line_choice(self.principal)
            self.binding = Reason.REQUESTED

    def _by_model(self, model: str | None) -> Provider:
        """Unified routes: who serves this model, in the caller's own dialect?"""
        name = self.dialect.name
        provider = self.tables.provider_for(name, model)
        if provider is None:
            raise Refused(404, ours(Code.HTTP_REQUEST_ERROR, "no provider for this model"))
        if provider.dialect not in (name, "generic"):
            text = f"{provider.id} serves this model and speaks {provider.dialect}: ask it at /{provider.id}/…"
            raise Refused(400, ours(Code.HTTP_REQUEST_ERROR, text))
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

    def _check_line_choice(self, principal: Principal) -> None:
        if not principal.may_choose_line:
            raise Refused(403, ours(Code.HTTP_REQUEST_DENIED, "this key may not choose the line"))

    async def whole_body(self, limit: int) -> bytes | None:
        """The body to its end, as it goes to the provider; None if it is longer than `limit` bytes."""
        upload = self.upload
        if not upload.complete and self._body_bytes() <= limit:
            upload.extend(*await self.client.read_body(limit - upload.size + 1))
            self.record.bytes_in = upload.size
        return upload.take() or b"" if upload.complete and upload.size <= limit else None

    def _conversation(self, principal: str) -> bytes | None:
        mode, header = self.tables.snapshot.routing.sticky, self.fields.get(b"x-farline-sticky")
        return conversation(mode, header, self.prefix, principal, self.facts.model)

    def _wanted_line(self, principal: Principal) -> str | None:
        wanted = self.fields.get(b"x-farline-line")
        if wanted is None:
            return None
        self._check_line_choice(principal)
        line = self.tables.lines.get(wanted.decode("latin-1"))
        if line is None:
            raise Refused(400, ours(Code.HTTP_REQUEST_ERROR, "x-farline-line names no line of this node"))
        return line.id

    def outgoing_headers(self) -> Headers:
        """The client's, as they go on to a provider or relay."""
        return self._without_our_key(forwarded(self.client.headers))

    def here(self) -> bytes:
        """Where links in replies lead to."""
        return self._base_url()

    def is_same_account(self, endpoint: str, other: str) -> bool:
        """Do both have the same credential of the node's?"""
        upstreams = self.tables.upstreams
        own = upstreams[endpoint].credential
        return own is not None and own == upstreams[other].credential

    def _base_url(self) -> bytes:
        """What the client calls this node."""
        prefix = b"/" + self.routed_to.id.encode() if self.routed_to is not None else b""
        return base_url(self.client.headers, self.tables.snapshot.listen.tls is not None, prefix)

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

    # --- what several steps ask ---

    def _body_bytes(self) -> int:
        """The request body's length, as far as it is known."""
        told = self.fields.get(b"content-length", b"")
        return int(told) if told.isdigit() else self.upload.size


def _record(client: ClientExchange, request_id: str) -> RequestRecord:
    path, _, _ = client.target.partition(b"?")  # queries can hold keys
    return RequestRecord(request_id, client.received_at, client.peer, client.method.decode(), path.decode("latin-1"))


def ours(code: str, detail: str) -> Failure:
    return Failure(Origin.EDGE, Verdict.SAFE, code, detail)
