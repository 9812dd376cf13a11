"""One finished request as spans, by OpenTelemetry's semantic conventions for HTTP and generative AI. Values only.

    server span   from the request's head to the end of its reply; an event for each attempt, failover and first byte
    client span   inside of it: the attempt whose reply the client got

Nothing of any body, no key, no query is in them.
"""

from __future__ import annotations

from msgspec import Struct, field

from edge.observe.record import RequestRecord

Value = str | int | float | bool | list[str]

OPERATIONS = {
    "chat": "chat",
    "messages": "chat",
    "responses": "chat",
    "completions": "text_completion",
    "embeddings": "embeddings",
    "embed": "embeddings",
    "generate": "generate_content",
    "stream": "generate_content",
}
"""`gen_ai.operation.name` has well-known values; other operations keep our word."""
PROVIDERS = {"gemini": "gcp.gemini", "azure": "azure.ai.openai", "mistral": "mistral_ai", "xai": "x_ai"}


class Event(Struct):
    """Something at one moment, monotonic seconds."""

    name: str
    at: float
    attributes: dict[str, Value] = field(default_factory=dict)


class Span(Struct):
    """`is_error`: the request failed through no fault of its caller."""

    name: str
    begins: float
    ends: float
    attributes: dict[str, Value]
    events: list[Event] = field(default_factory=list)
    is_error: bool = False
    message: str = ""


def spans(record: RequestRecord) -> tuple[Span, Span | None]:
    """The server span, and the client span if a provider's reply was passed on."""
    server = Span(
        _name(record), record.received_at, record.ended_at, _server_attributes(record), _events(record), _failed(record)
    )
    if server.is_error and record.failure is not None:
        server.message = f"{record.failure.code}: {record.failure.detail}"
    if record.path is None or record.sent_at is None:
        return server, None
    attributes: dict[str, Value] = {
        **_asked(record),
        **_answered(record),
        "http.response.status_code": record.status,
        "farline.path": str(record.path),
        "network.protocol.name": record.protocol,
    }
    executions = [each.execution for each in record.attempts if each.execution and each.path == record.path]
    if executions:
        attributes["farline.execution"] = executions[-1]
    return server, Span(_name(record), record.sent_at, record.ended_at, attributes, [], server.is_error, server.message)


def is_worth_keeping(record: RequestRecord) -> bool:
    """Failed, or needed more than one attempt: of these every trace is kept, whatever the ratio."""
    return _failed(record) or len(record.attempts) > 1


def _failed(record: RequestRecord) -> bool:
    return record.status >= 500 or (record.failure is not None and not record.client_left and record.status != 499)


def _name(record: RequestRecord) -> str:
    if record.facts is None:
        return record.method
    return f"{_operation(record.facts.operation)} {record.facts.model or ''}".rstrip()


def _operation(operation: str) -> str:
    return OPERATIONS.get(operation, operation)


def _server_attributes(record: RequestRecord) -> dict[str, Value]:
    found: dict[str, Value] = {
        "http.request.method": record.method,
        "url.path": record.route,
        "http.response.status_code": record.status,
        "http.request.body.size": record.bytes_in,
        "http.response.body.size": record.bytes_out,
        "client.address": record.peer,
        "farline.request": record.id,
        "farline.priority": record.priority,
        "farline.attempts": len(record.attempts),
        **_asked(record),
        **_answered(record),
    }
    if record.principal:
        found["enduser.id"] = record.principal
    if record.path is not None:
        found["farline.path"] = str(record.path)
    if record.failure is not None:
        found["error.type"] = record.failure.code
    if record.local:
        found["farline.local"] = record.local
    if record.client_left:
        found["farline.client_left"] = True
    return found


def _asked(record: RequestRecord) -> dict[str, Value]:
    facts = record.facts
    if facts is None:
        return {}
    found: dict[str, Value] = {
        "gen_ai.operation.name": _operation(facts.operation),
        "gen_ai.provider.name": PROVIDERS.get(record.provider, record.provider),
        "gen_ai.request.stream": facts.streaming,
    }
    if facts.model is not None:
        found["gen_ai.request.model"] = facts.model
    if facts.max_tokens is not None:
        found["gen_ai.request.max_tokens"] = facts.max_tokens
    return found


def _answered(record: RequestRecord) -> dict[str, Value]:
    usage = record.usage
    told = {
        "gen_ai.usage.input_tokens": usage.input,
        "gen_ai.usage.output_tokens": usage.output,
        "gen_ai.usage.cache_read.input_tokens": usage.cached,
        "gen_ai.usage.reasoning.output_tokens": usage.reasoning,
    }
    found: dict[str, Value] = {name: number for name, number in told.items() if number is not None}
    if record.first_byte_at is not None and record.sent_at is not None:
        found["gen_ai.response.time_to_first_chunk"] = round(record.first_byte_at - record.sent_at, 6)
    return found


def _events(record: RequestRecord) -> list[Event]:
    found = []
    for number, attempt in enumerate(record.attempts, 1):
        if attempt.sent_at is None:
            continue
        told: dict[str, Value] = {"number": number, "path": str(attempt.path), "outcome": attempt.outcome}
        if attempt.status is not None:
            told["status"] = attempt.status
        if attempt.code is not None:
            told["code"] = attempt.code
        if attempt.execution:
            told["execution"] = attempt.execution
        found.append(Event("farline.attempt", attempt.sent_at, told))
    if record.routed_at is not None:
        found.append(Event("farline.routed", record.routed_at))
    if record.first_byte_at is not None:
        found.append(Event("farline.first_byte", record.first_byte_at))
    return sorted(found, key=lambda event: event.at)
