"""An edge inside the test's own process, so that hundreds of small worlds cost little: node, client, records.

async with world([endpoint]) as edge:
    answer = await edge.ask(CHAT, "fault=reset,after=3")
    assert str(answer) == "200 broken connection_terminated"
"""

from __future__ import annotations

import asyncio
import io
import itertools
import json
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field, replace
from typing import Any
from urllib.parse import urlsplit

import aiohttp

from edge.app import Node
from edge.config.model import Address, Cache, Endpoint, Listen, Provider, Routing, Snapshot, StorePlace, Timeouts
from edge.observe.record import RequestRecord
from health.probing import ProbePolicy
from health.standing import StandingRules
from netem.provider.aio.server import FakeProvider
from tests.support.certificates import Certificates
from transport.path import Line, Protocol

LINES = (Line("cn2", source="127.0.1.1"), Line("cu2", source="127.0.1.2"), Line("cmi", source="127.0.1.3"))
QUICK = Timeouts(connect=3.0, first_byte_stream=0.6, first_byte=0.6, idle=0.4, commit_hold=0.3, total=20.0)
FAST = "think_ms=0,interval_ms=1,tokens=8"

H1, H2, H3 = (Protocol.H1,), (Protocol.H2,), (Protocol.H3,)
ANY = (Protocol.H2, Protocol.H1)

_numbers = itertools.count(1)
_LARGE = 2**20  # bytes: aiohttp wants longer bodies as files


@dataclass(frozen=True)
class Ask:
    """One kind of request."""

    method: str
    path: str
    body: bytes | None = None
    content_type: str = "application/json"


def _json(**members: Any) -> bytes:
    return json.dumps(members).encode()


_MESSAGES = [{"role": "user", "content": "hi"}]
_LOOK = {"model": "gpt-4.1", "messages": _MESSAGES}
MODELS = Ask("GET", "/openai/v1/models")
CHAT = Ask("POST", "/openai/v1/chat/completions", _json(**_LOOK))
STREAM = Ask("POST", "/openai/v1/chat/completions", _json(**_LOOK, stream=True))
EMBEDDING = Ask("POST", "/openai/v1/embeddings", _json(model="text-embedding-3-small", input="hi"))
BATCH = Ask("POST", "/openai/v1/batches", _json(input_file_id="file-1", endpoint="/v1/chat/completions",
                                                completion_window="24h"))  # fmt: skip
SPEECH = Ask(
    "POST",
    "/openai/v1/audio/transcriptions",
    b'--b\r\ncontent-disposition: form-data; name="model"\r\n\r\nwhisper-1\r\n--b\r\n'
    b'content-disposition: form-data; name="file"; filename="a.wav"\r\n\r\n' + bytes(200_000) + b"\r\n--b--\r\n",
    "multipart/form-data; boundary=b",
)
MESSAGES = Ask("POST", "/anthropic/v1/messages", _json(model="claude-sonnet-4-5", max_tokens=64, messages=_MESSAGES))
GENERATE = Ask(
    "POST", "/gemini/v1beta/models/gemini-2.5-flash:generateContent", _json(contents=[{"parts": [{"text": "hi"}]}])
)


@dataclass
class Answer:
    """What the client saw, and what the edge wrote into its log."""

    id: str
    status: int = 0
    headers: dict[str, str] = field(default_factory=dict)
    body: bytes = b""
    is_broken: bool = False
    seconds: float = 0.0
    record: RequestRecord = None  # type: ignore[assignment]  # set when the edge has accounted the request

    @property
    def attempts(self) -> int:
        return int(self.headers.get("x-farline-attempts", "0"))

    @property
    def failure(self) -> str | None:
        return self.record.failure.code if self.record.failure else None

    @property
    def error(self) -> str | None:
        """The code in `Proxy-Status`."""
        return proxy_error(self.headers.get("proxy-status"))


def proxy_error(value: str | None) -> str | None:
    """The most exact code of a Proxy-Status value: ours where RFC 9209 has none."""
    if value is None:
        return None
    parameters = dict(part.strip().split("=", 1) for part in value.split(";")[1:] if "=" in part)
    return parameters.get("farline-error", parameters["error"])


@dataclass
class World:
    """A running node and a client of it."""

    node: Node
    session: aiohttp.ClientSession
    records: dict[str, RequestRecord]

    @property
    def url(self) -> str:
        host, port = self.node.ingress.addresses[0]
        return f"http://{host}:{port}"

    async def ask(self, ask: Ask, sim: str = "", **headers: str) -> Answer:
        """One request, to its end, however it ends."""
        answer = Answer(f"ask-{next(_numbers)}")
        headers = {"x-sim-id": answer.id, "x-sim": f"{FAST},{sim}".rstrip(","), **headers}
        if ask.body is not None:
            headers["content-type"] = ask.content_type
        began = asyncio.get_running_loop().time()
        body = io.BytesIO(ask.body) if ask.body is not None and len(ask.body) >= _LARGE else ask.body
        async with self.session.request(ask.method, self.url + ask.path, data=body, headers=headers) as reply:
            answer.status, answer.headers = reply.status, {k.lower(): v for k, v in reply.headers.items()}
            try:
                async for data in reply.content.iter_any():
                    answer.body += data
            except (aiohttp.ClientError, ConnectionError):
                answer.is_broken = True
        answer.seconds = asyncio.get_running_loop().time() - began
        answer.record = await self.record(answer.headers["x-farline-request-id"])
        return answer

    async def record(self, request_id: str) -> RequestRecord:
        async with asyncio.timeout(5):
            while request_id not in self.records:
                await asyncio.sleep(0.002)
        return self.records[request_id]

    def metric(self, name: str, **labels: str) -> float:
        """The sum of a metric's samples that have these labels."""
        self.node.told.exposition()  # gauges are set when they are read
        return sum(
            sample.value
            for family in self.node.metrics.registry.collect()
            for sample in family.samples
            if sample.name == name and labels.items() <= sample.labels.items()
        )


def endpoint(
    provider: FakeProvider | str, protocols: tuple[Protocol, ...], ca_file: str | None, **changes: Any
) -> Endpoint:
    """An endpoint at a fake provider, or at a URL."""
    url = provider if isinstance(provider, str) else provider.url
    parts = urlsplit(url)
    assert parts.hostname and parts.port
    made = Endpoint("main", "openai", url, parts.hostname, parts.port, parts.scheme == "https", protocols=protocols,
                    ca_file=ca_file)  # fmt: skip
    return replace(made, **changes)


def snapshot(
    endpoints: Sequence[Endpoint],
    *,
    lines: tuple[Line, ...] = LINES,
    timeouts: Timeouts = QUICK,
    routing: Routing | None = None,
    on_client_gone: str = "cancel",
    probe: ProbePolicy | None = None,
) -> Snapshot:
    providers = []
    for name in ("openai", "anthropic", "gemini"):
        own = tuple(replace(e, id=f"{name}-{e.id}", provider=name) for e in endpoints)
        providers.append(Provider(name, name, own, on_client_gone=on_client_gone))
    return Snapshot(
        listen=Listen(data=(Address("127.0.0.1", 0),), admin=None),
        lines=lines,
        providers=tuple(providers),
        routing=routing or Routing(policy="weighted"),
        timeouts=timeouts,
        probe=probe or ProbePolicy(enabled=False),  # what is counted here is what requests bring about
        cache=Cache(StorePlace("off", "off"), single_flight=False),  # … each by itself
    )


@asynccontextmanager
async def world(
    endpoints: Sequence[Endpoint], *, rules: StandingRules | None = None, **settings: Any
) -> AsyncIterator[World]:
    """A node at these endpoints. `settings` as for `snapshot`."""
    ready = asyncio.Event()
    node = Node(snapshot(endpoints, **settings), on_ready=lambda _: ready.set())
    node.snapshot = replace(node.snapshot, limits=replace(node.snapshot.limits, drain_seconds=0.1))
    node.request_log.write = lambda record: None  # type: ignore[method-assign]  # records are kept here instead
    node.pipeline.sweep._interval = 0.1
    if rules is not None:
        node.board.rules = rules
    records: dict[str, RequestRecord] = {}
    account = node.pipeline.account

    def keep(record: RequestRecord) -> None:
        account(record)
        records[record.id] = record

    node.pipeline.account = keep
    async with (
        asyncio.TaskGroup() as group,
        aiohttp.ClientSession(connector=aiohttp.TCPConnector(force_close=True, limit=0)) as session,
    ):
        running = group.create_task(node.run())
        await ready.wait()
        try:
            yield World(node, session, records)
        finally:
            await session.close()
            node.stop()
            await running


@asynccontextmanager
async def provider(
    protocols: tuple[Protocol, ...], certs: Certificates, **settings: Any
) -> AsyncIterator[FakeProvider]:
    """A fake provider that speaks these protocols, over TLS."""
    async with FakeProvider(
        tls=True, h3=Protocol.H3 in protocols, cert=certs.chain, key=certs.key, control_port=None,
        protocols=tuple(p.value for p in protocols if p is not Protocol.H3) or ("h2", "http/1.1"), **settings,
    ) as fake:  # fmt: skip
        yield fake
