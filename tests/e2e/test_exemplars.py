"""A real Prometheus finds traces behind the durations of requests."""

from __future__ import annotations

import asyncio
import json
import shutil
import socket
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
from aiohttp import web
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.nodes import LINES, Lines
from tests.support.nodes import node as running

PARENT = "00-{:032x}-b7ad6b7169203331-01"
EVENT = b'data: {"choices":[{"delta":{"content":"hi"}}]}\n\n'


@asynccontextmanager
async def served(*routes: web.RouteDef) -> AsyncIterator[str]:
    app = web.Application()
    app.add_routes(routes)
    runner = web.AppRunner(app)
    await runner.setup()
    await web.TCPSite(runner, "127.0.0.1", 0).start()
    yield f"http://127.0.0.1:{runner.addresses[0][1]}"
    await runner.cleanup()


@asynccontextmanager
async def prometheus(target: str, folder: Path) -> AsyncIterator[str]:
    """Its API's URL."""
    path = shutil.which("prometheus")
    assert path, "no prometheus: run tests/support/install-peers.sh"
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    config = {
        "global": {"scrape_interval": "1s"},
        "scrape_configs": [{"job_name": "farline", "static_configs": [{"targets": [target]}]}],
    }
    (folder / "prometheus.json").write_text(json.dumps(config))
    with (folder / "log").open("wb") as log:
        child = await asyncio.create_subprocess_exec(
            path,
            f"--config.file={folder / 'prometheus.json'}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--enable-feature=exemplar-storage",
            stdout=log,
            stderr=log,
        )
    try:
        yield f"http://127.0.0.1:{port}/api/v1"
    finally:
        child.terminate()
        await child.wait()


async def exemplars(session: aiohttp.ClientSession, api: str, name: str) -> list[dict[str, Any]]:
    """Those of a series; none as long as there is no answer."""
    query = {"query": name, "start": "2020-01-01T00:00:00Z", "end": "2120-01-01T00:00:00Z"}
    try:
        async with session.get(f"{api}/query_exemplars", params=query) as reply:
            told = await reply.json(content_type=None)
    except (aiohttp.ClientError, ValueError):
        return []
    return [each for series in told.get("data", ()) for each in series["exemplars"]]


async def test_prometheus_finds_the_traces_of_requests(tmp_path: Path) -> None:
    spans: set[str] = set()

    async def collect(request: web.Request) -> web.Response:
        told = ExportTraceServiceRequest.FromString(await request.read())
        spans.update(
            span.trace_id.hex() for each in told.resource_spans for scope in each.scope_spans for span in scope.spans
        )
        return web.Response(content_type="application/x-protobuf")

    async def answer(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        await reply.write(EVENT)
        await reply.write(b"data: [DONE]\n\n")
        return reply

    async with (
        served(web.post("/v1/traces", collect)) as collector,
        served(web.post("/v1/chat/completions", answer)) as provider,
        running(
            f'[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\n{Lines(LINES).toml()}'
            f'[[provider]]\nid = "openai"\n[[provider.endpoint]]\nurl = "{provider}"\n'
            f'[trace]\notlp = "{collector}/v1/traces"\nsample_ratio = 0\n'
        ) as node,
        aiohttp.ClientSession() as session,
    ):
        assert node.admin.bound is not None
        admin = "{}:{}".format(*node.admin.bound)
        url = "http://{}:{}/openai/v1/chat/completions".format(*node.ingress.addresses[0])
        ids = {}
        async with prometheus(admin, tmp_path) as api, asyncio.timeout(90):
            found: list[dict[str, Any]] = []
            while not found:
                traced = PARENT.format(len(ids) + 1)
                for headers in ({"traceparent": traced}, {}):  # the second isn't sampled, and so no exemplar
                    body = {"model": "gpt-4.1", "messages": [], "stream": True}
                    async with session.post(url, json=body, headers=headers) as reply:
                        assert reply.status == 200
                        await reply.read()
                        if headers:
                            ids[traced[3:35]] = reply.headers["x-farline-request-id"]
                await asyncio.sleep(0.5)
                found = await exemplars(session, api, "farline_ttft_seconds_bucket")
            found += await exemplars(session, api, "farline_request_seconds_bucket")
            for each in found:
                assert ids[each["labels"]["trace_id"]] == each["labels"]["request"]
                assert 0 < float(each["value"]) < 60
            while not {each["labels"]["trace_id"] for each in found} <= spans:
                await asyncio.sleep(0.2)
        async with session.get(f"http://{admin}/metrics") as plain:
            assert plain.content_type == "text/plain"
            assert "trace_id" not in await plain.text()
