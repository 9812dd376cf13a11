"""An inference server that isn't one: the health, metrics and chat of each engine, as recorded from the real ones,
with switches for everything that can go wrong.

async with Engine("vllm") as engine:
    ...  # engine.url, engine.asked, engine.running = 7
"""

from __future__ import annotations

import asyncio
import json
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from aiohttp import web

VLLM = """# HELP vllm:num_requests_running Number of requests in model execution batches.
# TYPE vllm:num_requests_running gauge
vllm:num_requests_running{{engine="0",model_name="{model}"}} {running}.0
# HELP vllm:num_requests_waiting Number of requests waiting to be processed.
# TYPE vllm:num_requests_waiting gauge
vllm:num_requests_waiting{{engine="0",model_name="{model}"}} {waiting}.0
# HELP vllm:kv_cache_usage_perc KV-cache usage. 1 means 100 percent usage.
# TYPE vllm:kv_cache_usage_perc gauge
vllm:kv_cache_usage_perc{{engine="0",model_name="{model}"}} {cache}
# HELP vllm:prompt_tokens_total Number of prefill tokens processed.
# TYPE vllm:prompt_tokens_total counter
vllm:prompt_tokens_total{{engine="0",model_name="{model}"}} 8.412e+04
vllm:time_to_first_token_seconds_bucket{{engine="0",le="0.001",model_name="{model}"}} 0.0
"""
SGLANG = """# HELP sglang:num_running_reqs The number of running requests.
# TYPE sglang:num_running_reqs gauge
sglang:num_running_reqs{{model_name="{model}"}} {running}.0
# HELP sglang:token_usage The token usage.
# TYPE sglang:token_usage gauge
sglang:token_usage{{model_name="{model}"}} {cache}
# HELP sglang:num_queue_reqs The number of requests in the waiting queue.
# TYPE sglang:num_queue_reqs gauge
sglang:num_queue_reqs{{model_name="{model}"}} {waiting}.0
"""
LLAMA = """# HELP llamacpp:prompt_tokens_total Number of prompt tokens processed.
# TYPE llamacpp:prompt_tokens_total counter
llamacpp:prompt_tokens_total 1024
# HELP llamacpp:requests_processing Number of requests processing.
# TYPE llamacpp:requests_processing gauge
llamacpp:requests_processing {running}
# HELP llamacpp:requests_deferred Number of requests deferred.
# TYPE llamacpp:requests_deferred gauge
llamacpp:requests_deferred {waiting}
"""
METRICS = {"vllm": VLLM, "sglang": SGLANG, "llama.cpp": LLAMA}


@dataclass
class Engine:
    """One server on a port of its own. Change its fields while it runs."""

    kind: str = "vllm"
    model: str = "qwen3-32b"
    context: int = 4096
    running: int = 0
    waiting: int = 0
    cache: float = 0.25
    has_metrics: bool = True
    is_loading: bool = False
    health_status: int = 200
    status: int = 200  # of chats
    words: int = 4
    pause: float = 0.0  # before a chat's reply
    dies: bool = False  # a chat's connection is reset instead of a reply
    cut_after: int = 0  # words after which a stream ends without its end
    asked: list[dict[str, Any]] = field(default_factory=list)
    heads: list[dict[str, str]] = field(default_factory=list)
    warm_ups: int = 0
    looks: int = 0
    gone: int = 0  # chats whose client left
    release: asyncio.Event = field(default_factory=asyncio.Event)  # chats wait for it while `holds`
    holds: bool = False
    port: int = 0

    async def __aenter__(self) -> Self:
        app = web.Application(client_max_size=1 << 30)
        app.add_routes(
            [
                web.get("/health", self._health),
                web.get("/metrics", self._metrics),
                web.get("/slots", self._slots),
                web.get("/props", self._props),
                web.get("/v1/models", self._models),
                web.post("/v1/chat/completions", self._chat),
                web.post("/v1/responses", self._echo),
                web.post("/v1/embeddings", self._echo),
            ]
        )
        self._runner = web.AppRunner(app, access_log=None, handler_cancellation=True, shutdown_timeout=0.1)
        await self._runner.setup()
        site = web.TCPSite(self._runner, "127.0.0.1", self.port, reuse_address=True)
        await site.start()
        self.port = self._runner.addresses[0][1]
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._runner.cleanup()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.port}"

    @property
    def chats(self) -> list[dict[str, Any]]:
        """What was asked of it, but for warm-ups."""
        return [each for each in self.asked if each.get("max_tokens") != 1]

    async def _health(self, request: web.Request) -> web.Response:
        self.looks += 1
        if self.is_loading:
            return web.json_response({"error": {"message": "Loading model", "code": 503}}, status=503)
        return web.Response(status=self.health_status)

    async def _metrics(self, request: web.Request) -> web.Response:
        if not self.has_metrics:
            return web.Response(status=501)
        text = METRICS[self.kind].format(model=self.model, running=self.running, waiting=self.waiting, cache=self.cache)
        return web.Response(text=text)

    async def _slots(self, request: web.Request) -> web.Response:
        return web.json_response([{"id": i, "is_processing": i < self.running} for i in range(4)])

    async def _props(self, request: web.Request) -> web.Response:
        return web.json_response({"default_generation_settings": {"n_ctx": self.context}, "total_slots": 4})

    async def _models(self, request: web.Request) -> web.Response:
        entry = {"id": self.model, "object": "model", "owned_by": self.kind}
        if self.kind != "llama.cpp":
            entry |= {"max_model_len": self.context}
        return web.json_response({"object": "list", "data": [entry]})

    async def _echo(self, request: web.Request) -> web.Response:
        self.asked.append(await request.json())
        return web.json_response({"object": request.path, "model": self.model, "usage": {"prompt_tokens": 1}})

    async def _chat(self, request: web.Request) -> web.StreamResponse:
        asked = await request.json()
        self.asked.append(asked)
        self.heads.append({name.lower(): value for name, value in request.headers.items()})
        if asked.get("max_tokens") == 1:
            self.warm_ups += 1
        if self.dies:
            assert request.transport is not None
            request.transport.abort()
            return web.Response()
        try:
            await asyncio.sleep(self.pause)
            if self.holds:
                await self.release.wait()
            if self.status != 200:
                body = {"error": {"message": "engine says no", "type": "x", "code": self.status}}
                return web.json_response(body, status=self.status)
            return await (self._stream(request) if asked.get("stream") else self._whole())
        except asyncio.CancelledError:
            self.gone += 1
            raise

    async def _whole(self) -> web.Response:
        text = " ".join(f"w{i}" for i in range(self.words))
        choice = {"index": 0, "message": {"role": "assistant", "content": text}, "finish_reason": "stop"}
        return web.json_response(
            {
                "id": "chatcmpl-1",
                "object": "chat.completion",
                "created": 1,
                "model": self.model,
                "choices": [choice],
                "usage": {"prompt_tokens": 3, "completion_tokens": self.words, "total_tokens": self.words + 3},
            }
        )

    async def _stream(self, request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse(headers={"content-type": "text/event-stream"})
        await reply.prepare(request)
        for i in range(self.words):
            if self.cut_after and i == self.cut_after:
                return reply
            await reply.write(self._chunk({"role": "assistant", "content": f"w{i} "}, None))
            await asyncio.sleep(0.002)
        await reply.write(self._chunk({}, "stop"))
        await reply.write(b"data: [DONE]\n\n")
        return reply

    def _chunk(self, delta: dict[str, Any], finish: str | None) -> bytes:
        chunk = {
            "id": "chatcmpl-1",
            "object": "chat.completion.chunk",
            "created": 1,
            "model": self.model,
            "choices": [{"index": 0, "delta": delta, "finish_reason": finish}],
        }
        return b"data: " + json.dumps(chunk).encode() + b"\n\n"
