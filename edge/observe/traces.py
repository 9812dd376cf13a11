"""Finished requests to an OpenTelemetry collector, by OTLP over HTTP. (Shell.)

Spans are made when a request is over, so tracing costs it nothing while it runs; a thread of the SDK sends them in
batches, and drops what a collector that doesn't answer leaves over. A caller's `traceparent` (W3C Trace Context)
decides whether its request is traced and becomes the parent; without one a share is, and every request that failed or
needed more than one attempt.
"""

from __future__ import annotations

import logging
import time
from collections.abc import Callable
from typing import TYPE_CHECKING, Any

from edge.config.model import Node, Trace
from edge.observe.record import RequestRecord
from edge.observe.spans import Span, is_worth_keeping, spans

if TYPE_CHECKING:
    from opentelemetry.context import Context

log = logging.getLogger("farline.trace")

EXPORT_SECONDS = 5.0


class Unavailable(Exception):
    """Tracing is configured and its packages aren't there."""


class Traces:
    """`chance` draws from [0, 1). One per process; `close` sends what is left."""

    def __init__(self, trace: Trace, node: Node, version: str, chance: Callable[[], float]) -> None:
        try:
            from opentelemetry import trace as api
            from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter
            from opentelemetry.sdk.resources import Resource
            from opentelemetry.sdk.trace import TracerProvider
            from opentelemetry.sdk.trace.export import BatchSpanProcessor
            from opentelemetry.trace.propagation.tracecontext import TraceContextTextMapPropagator
        except ImportError as error:
            raise Unavailable(f"[trace] needs more packages ({error.name}): pip install farline[trace]") from None
        about = {
            "service.name": "farline",
            "service.version": version,
            "service.instance.id": node.name,
            "farline.role": node.role,
            "cloud.region": node.region,
        }
        headers = {} if trace.token is None else {"authorization": f"Bearer {trace.token.value}"}
        exporter = OTLPSpanExporter(trace.otlp, headers=headers, timeout=EXPORT_SECONDS)
        self._provider = TracerProvider(resource=Resource.create(about))
        self._provider.add_span_processor(BatchSpanProcessor(exporter, export_timeout_millis=EXPORT_SECONDS * 1000))
        self._tracer = self._provider.get_tracer("farline", version)
        self._api = api
        self._extract = TraceContextTextMapPropagator().extract
        self._ratio = trace.sample_ratio
        self._chance = chance

    def record(self, record: RequestRecord) -> str | None:
        """One request is over. Its trace's id, in hex, if it is traced."""
        parent = self._parent(record)
        if parent is None and not is_worth_keeping(record) and self._chance() >= self._ratio:
            return None
        offset = time.time() - time.monotonic()
        server, client = spans(record)
        kinds = self._api.SpanKind
        outer = self._begin(server, kinds.SERVER, parent, offset)
        if client is not None:
            inside = self._begin(client, kinds.CLIENT, self._api.set_span_in_context(outer), offset)
            inside.end(_ns(client.ends + offset))
        outer.end(_ns(server.ends + offset))
        return str(self._api.format_trace_id(outer.get_span_context().trace_id))

    def close(self) -> None:
        """Sends what is left, for a few seconds at most."""
        self._provider.shutdown()

    def _parent(self, record: RequestRecord) -> Context | None:
        """The caller's span, if it is traced there; a request that isn't traced there is like one without."""
        if record.traceparent is None:
            return None
        context = self._extract({"traceparent": record.traceparent.decode("latin-1")})
        told = self._api.get_current_span(context).get_span_context()
        return context if told.is_valid and told.trace_flags.sampled else None

    def _begin(self, span: Span, kind: Any, parent: Context | None, offset: float) -> Any:
        made = self._tracer.start_span(
            span.name, context=parent, kind=kind, attributes=span.attributes, start_time=_ns(span.begins + offset)
        )
        for event in span.events:
            made.add_event(event.name, event.attributes, _ns(event.at + offset))
        if span.is_error:
            made.set_status(self._api.StatusCode.ERROR, span.message)
        return made


def _ns(seconds: float) -> int:
    return int(seconds * 1e9)
