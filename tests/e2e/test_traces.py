"""Spans of real requests arrive at a real OTLP receiver, under the caller's trace."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator

import aiohttp
import pytest
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.nodes import LINES, Lines
from tests.support.nodes import node as running

PARENT = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"


class Collector:
    """What a collector is sent."""

    def __init__(self) -> None:
        self.spans: list[Span] = []
        self.authorization: set[str | None] = set()
        self.url = ""

    async def receive(self, request: web.Request) -> web.Response:
        self.authorization.add(request.headers.get("authorization"))
        told = ExportTraceServiceRequest.FromString(await request.read())
        self.spans += [span for each in told.resource_spans for scope in each.scope_spans for span in scope.spans]
        return web.Response(content_type="application/x-protobuf")


@pytest.fixture
async def collector() -> AsyncIterator[Collector]:
    found = Collector()
    app = web.Application()
    app.add_routes([web.post("/v1/traces", found.receive)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    found.url = f"http://127.0.0.1:{runner.addresses[0][1]}/v1/traces"
    yield found
    await runner.cleanup()


async def test_a_request_becomes_spans_under_its_callers(collector: Collector, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OTLP", "collector")

    async def answer(request: web.Request) -> web.Response:
        assert request.headers["traceparent"] == PARENT
        return web.json_response({"usage": {"prompt_tokens": 3, "completion_tokens": 4}})

    app = web.Application()
    app.add_routes([web.post("/v1/chat/completions", answer)])
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    provider = f"http://127.0.0.1:{runner.addresses[0][1]}"
    text = (
        f'[listen]\ndata = ["127.0.0.1:0"]\nadmin = false\n{Lines(LINES).toml()}'
        f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{provider}"\n'
        f'[trace]\notlp = "{collector.url}"\ntoken = "env:OTLP"\nsample_ratio = 0\n'
    )
    async with running(text) as node:
        url = "http://{}:{}/openai/v1/chat/completions".format(*node.ingress.addresses[0])
        async with aiohttp.ClientSession() as session:
            for headers in ({"traceparent": PARENT}, {"traceparent": PARENT.replace("-01", "-00")}):
                body = {"model": "gpt-4.1", "messages": []}
                reply = session.post(url, json=body, headers=headers)
                async with reply as done:
                    assert done.status in (200, 500)
                    await done.read()
    async with asyncio.timeout(10):
        while len(collector.spans) < 2:
            await asyncio.sleep(0.05)
    await runner.cleanup()
    server = next(span for span in collector.spans if span.kind == Span.SPAN_KIND_SERVER and span.parent_span_id)
    client = next(span for span in collector.spans if span.parent_span_id == server.span_id)
    assert (server.trace_id.hex(), server.parent_span_id.hex()) == (PARENT[3:35], PARENT[36:52])
    assert server.name == client.name == "chat gpt-4.1"
    told = {each.key: each.value for each in server.attributes}
    assert told["gen_ai.usage.input_tokens"].int_value == 3
    assert server.start_time_unix_nano < client.start_time_unix_nano < server.end_time_unix_nano
    assert collector.authorization == {"Bearer collector"}
