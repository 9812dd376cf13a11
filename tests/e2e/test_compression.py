"""Compressed replies and requests through a real node, with real clients: aiohttp, httpx2, curl and the SDKs."""

from __future__ import annotations

import asyncio
import contextlib
import gzip
import json
import zlib
from collections.abc import AsyncIterator, Callable
from dataclasses import dataclass, field
from typing import Any

import aiohttp
import anthropic
import brotli
import httpx2
import openai
import pytest
import zstandard
from google import genai

from edge.dialects.inflate import inflater
from tests.support.nodes import node
from tests.support.scripted_h1 import read_request, serve
from tests.support.stored_replies import CHAT_STREAM, GENERATED_EVENTS, MESSAGE_STREAM

# google-genai subclasses aiohttp's ClientSession, which aiohttp discourages: not ours to change.
pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

CODINGS = ("gzip", "zstd", "br")
DOCUMENT = json.dumps({"data": [{"id": f"model-{n}", "owned_by": "somebody"} for n in range(100)]}).encode()
PACK: dict[str, Callable[[bytes], bytes]] = {
    "gzip": gzip.compress,
    "deflate": zlib.compress,
    "br": lambda body: brotli.compress(body, quality=3),
    "zstd": zstandard.ZstdCompressor().compress,
}


def event(number: int) -> bytes:
    chunk = {"id": "c", "object": "chat.completion.chunk", "choices": [{"index": 0, "delta": {"content": str(number)}}]}
    return b"data: " + json.dumps(chunk).encode() + b"\n\n"


@dataclass
class Upstream:
    """A provider whose streams go on only when they are told to, and that remembers what it was asked."""

    port: int = 0
    go: asyncio.Semaphore = field(default_factory=lambda: asyncio.Semaphore(0))
    asked: list[tuple[bytes, dict[bytes, bytes], bytes]] = field(default_factory=list)
    head: bytes = b""
    body: bytes = DOCUMENT

    async def play(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        while True:
            try:
                self.asked.append(await read_request(reader))
            except ValueError:
                return  # cut off
            if b"/steps" in self.asked[-1][0]:
                await self._steps(writer)
                continue
            head = self.head or b"content-type: application/json\r\n"
            status = b"206 Partial Content" if b"content-range" in head else b"200 OK"
            writer.write(b"HTTP/1.1 %b\r\n%bcontent-length: %d\r\n\r\n" % (status, head, len(self.body)) + self.body)
            await writer.drain()

    async def _steps(self, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 200 OK\r\ncontent-type: text/event-stream\r\ntransfer-encoding: chunked\r\n\r\n")
        for piece in (*(event(number) for number in range(5)), b"data: [DONE]\n\n"):
            await self.go.acquire()
            writer.write(b"%x\r\n%b\r\n" % (len(piece), piece))
            await writer.drain()
        writer.write(b"0\r\n\r\n")


@dataclass
class Place:
    upstream: Upstream
    url: str
    requests: list[Any]


@contextlib.asynccontextmanager
async def place(listen: str = 'compress = "always"', provider: str = "", more: str = "") -> AsyncIterator[Place]:
    upstream = Upstream()
    async with serve(upstream.play) as served:
        text = f'[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\n{listen}\n{more}\n'
        for dialect in ("openai", "anthropic", "gemini"):
            text += f'[[provider]]\nid = "{dialect}"\n{provider}\n'
            text += f'[[provider.endpoint]]\nurl = "http://127.0.0.1:{served.port}"\n'
        async with node(text) as running:
            host, port = running.ingress.addresses[0]
            yield Place(upstream, f"http://{host}:{port}", [])


@pytest.fixture
async def here() -> AsyncIterator[Place]:
    async with place() as found:
        yield found


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


def unpacked(coding: str, body: bytes) -> bytes:
    found = inflater(coding.encode())
    assert found is not None
    plain = b"".join(found.inflate(body))
    assert found.has_ended()
    return plain


STEPS = "/openai/v1/chat/completions?/steps"


@pytest.mark.parametrize("coding", CODINGS)
async def test_each_event_can_be_read_before_the_next_is_sent(
    here: Place, http: aiohttp.ClientSession, coding: str
) -> None:
    asked = {"json": {"model": "m", "stream": True}, "headers": {"accept-encoding": coding}}
    here.upstream.go.release()  # a stream's head waits for its first event
    async with asyncio.timeout(10), http.post(here.url + STEPS, **asked) as reply:
        assert reply.headers["content-encoding"] == coding
        assert reply.headers["vary"] == "accept-encoding"
        found = inflater(coding.encode())
        assert found is not None
        plain = b""
        for number in range(5):
            while not plain.endswith(event(number)):
                plain += b"".join(found.inflate(await reply.content.readany()))
            here.upstream.go.release()
        plain += b"".join(found.inflate(await reply.content.read()))
        assert found.has_ended()
    assert plain == b"".join(map(event, range(5))) + b"data: [DONE]\n\n"


@pytest.mark.parametrize("coding", ["gzip", "br", "gzip, deflate, br, zstd"])  # it can't read zstd on Python 3.11
async def test_httpx_reads_each_event_in_time(here: Place, coding: str) -> None:
    lines = []
    here.upstream.go.release()
    async with (
        asyncio.timeout(10),
        httpx2.AsyncClient(headers={"accept-encoding": coding}) as client,
        client.stream("POST", here.url + STEPS, json={"model": "m", "stream": True}) as reply,
    ):
        async for line in reply.aiter_lines():
            if line:
                lines.append(line)
                here.upstream.go.release()
    assert reply.headers["content-encoding"] == ("gzip" if "," in coding else coding)
    assert len(lines) == 6 and lines[-1] == "data: [DONE]"


async def test_curl_reads_each_event_in_time(here: Place) -> None:
    command = ["curl", "-sSN", "--compressed", "--max-time", "10", "-d", '{"model": "m", "stream": true}']
    curl = await asyncio.create_subprocess_exec(
        *command, "-H", "content-type: application/json", here.url + STEPS, stdout=asyncio.subprocess.PIPE
    )
    assert curl.stdout is not None
    lines = []
    here.upstream.go.release()
    while line := await asyncio.wait_for(curl.stdout.readline(), 10):
        if line.strip():
            lines.append(line.strip())
            here.upstream.go.release()
    assert await curl.wait() == 0
    assert len(lines) == 6 and lines[-1] == b"data: [DONE]"


@pytest.mark.parametrize("coding", CODINGS)
async def test_documents(here: Place, http: aiohttp.ClientSession, coding: str) -> None:
    here.upstream.head = b'content-type: application/json; charset=utf-8\r\netag: "e"\r\nvary: origin\r\n'
    async with http.get(here.url + "/openai/v1/models", headers={"accept-encoding": coding}) as reply:
        body = await reply.read()
    assert unpacked(coding, body) == DOCUMENT and len(body) < len(DOCUMENT) / 5
    assert (reply.headers["content-encoding"], reply.headers["etag"]) == (coding, 'W/"e"')
    assert reply.headers["vary"] == "origin, accept-encoding"
    assert "content-length" not in reply.headers
    async with http.head(here.url + "/openai/v1/models", headers={"accept-encoding": coding}) as reply:
        assert "content-encoding" not in reply.headers


@pytest.mark.parametrize("coding", CODINGS)
async def test_curl_reads_documents(here: Place, coding: str) -> None:
    command = ["curl", "-sS", "--compressed", "-H", f"accept-encoding: {coding}", here.url + "/openai/v1/models"]
    curl = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    told, _ = await asyncio.wait_for(curl.communicate(), 10)
    assert told == DOCUMENT


AS_IT_IS = {
    "not asked for": ("", b""),
    "refused": ("gzip;q=0, identity", b""),
    "unknown": ("compress", b""),
    "compressed already": ("gzip", b"content-type: application/json\r\ncontent-encoding: x-own\r\n"),
    "not to be transformed": ("gzip", b"content-type: application/json\r\ncache-control: public, no-transform\r\n"),
    "a picture": ("gzip", b"content-type: image/png\r\n"),
    "a range": ("gzip", b"content-type: application/json\r\ncontent-range: bytes 0-9/100\r\n"),
}


@pytest.mark.parametrize("why", AS_IT_IS)
async def test_what_stays_as_it_is(here: Place, http: aiohttp.ClientSession, why: str) -> None:
    accept, here.upstream.head = AS_IT_IS[why]
    headers = {"accept-encoding": accept} if accept else {}
    skip = [] if accept else ["accept-encoding"]
    async with http.get(here.url + "/openai/v1/x", headers=headers, skip_auto_headers=skip) as reply:
        assert await reply.read() == DOCUMENT
        assert reply.headers.get("content-encoding") in (None, "x-own")
        assert reply.headers["content-length"] == str(len(DOCUMENT))


async def test_a_short_document_stays_as_it_is(here: Place, http: aiohttp.ClientSession) -> None:
    here.upstream.body = b'{"data": []}'
    async with http.get(here.url + "/openai/v1/models", headers={"accept-encoding": "gzip"}) as reply:
        assert await reply.read() == b'{"data": []}'


@pytest.mark.parametrize("compress", ["", 'compress = "auto"', 'compress = "never"'])
async def test_not_for_neighbours_by_default(http: aiohttp.ClientSession, compress: str) -> None:
    async with (
        place(compress) as there,
        http.get(there.url + "/openai/v1/models", headers={"accept-encoding": "gzip"}) as reply,
    ):
        assert await reply.read() == DOCUMENT


async def test_errors_of_the_node_are_compressed_too_or_stay_short(here: Place, http: aiohttp.ClientSession) -> None:
    async with http.get(here.url + "/nowhere", headers={"accept-encoding": "gzip"}) as reply:
        assert reply.status == 404 and "error" in await reply.json()


# --- requests ---

BODY = json.dumps({"model": "gpt-4.1", "messages": [{"role": "user", "content": "你好 hello " * 300}]}).encode()
CHAT = "/openai/v1/chat/completions"


async def in_pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 700):
        yield body[start : start + 700]


@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
@pytest.mark.parametrize("coding", PACK)
async def test_requests_reach_the_provider_plain(
    here: Place, http: aiohttp.ClientSession, coding: str, is_chunked: bool
) -> None:
    packed = PACK[coding](BODY)
    sent: Any = in_pieces(packed) if is_chunked else packed
    headers = {"content-encoding": coding, "content-type": "application/json"}
    async with http.post(here.url + CHAT, data=sent, headers=headers) as reply:
        assert reply.status == 200
    ((_, fields, body),) = here.upstream.asked
    assert body == BODY
    assert b"content-encoding" not in fields and fields[b"content-length"] == b"%d" % len(BODY)


@pytest.mark.parametrize("coding", PACK)
async def test_long_requests_stream_through(here: Place, http: aiohttp.ClientSession, coding: str) -> None:
    body = json.dumps({"model": "m", "input": [str(n) for n in range(100_000)]}).encode()
    headers = {"content-encoding": coding, "content-type": "application/json"}
    async with http.post(here.url + CHAT, data=PACK[coding](body), headers=headers) as reply:
        assert reply.status == 200
    assert here.upstream.asked[0][2] == body


async def test_the_model_is_found_in_a_compressed_body(http: aiohttp.ClientSession) -> None:
    more = '[[model]]\nname = "ours"\nprovider = "openai"\nupstream = "theirs"\n'
    async with place(more=more) as there:
        headers = {"content-encoding": "zstd", "content-type": "application/json"}
        packed = PACK["zstd"](b'{"model": "ours", "messages": []}')
        async with http.post(there.url + "/v1/chat/completions", data=packed, headers=headers) as reply:
            assert reply.status == 200
        assert json.loads(there.upstream.asked[0][2])["model"] == "theirs"


async def test_what_is_not_json_or_not_understood_goes_as_it_is(here: Place, http: aiohttp.ClientSession) -> None:
    for headers in (
        {"content-encoding": "gzip", "content-type": "application/octet-stream"},
        {"content-encoding": "gzip, br", "content-type": "application/json"},
        {"content-encoding": "x-own", "content-type": "application/json"},
    ):
        async with http.post(here.url + "/openai/v1/files", data=b"\x00 anything", headers=headers) as reply:
            assert reply.status == 200
        assert here.upstream.asked[-1][2] == b"\x00 anything"
        assert here.upstream.asked[-1][1][b"content-encoding"] == headers["content-encoding"].encode()


BOMB = b'{"model": "m", "input": "' + b" " * (40 << 20) + b'"}'
LONG = json.dumps({"input": [hash(("x", n)) for n in range(30_000)]}).encode()


@pytest.mark.parametrize("path", [CHAT, "/anthropic/v1/messages", "/gemini/v1beta/models/g:generateContent"])
@pytest.mark.parametrize("coding", PACK)
async def test_bombs_are_refused(here: Place, http: aiohttp.ClientSession, coding: str, path: str) -> None:
    headers = {"content-encoding": coding, "content-type": "application/json"}
    packed = PACK[coding](BOMB[: 8 << 20] + BOMB[-2:])
    async with http.post(here.url + path, data=packed, headers=headers) as reply:
        assert reply.status == 413
        error = (await reply.json())["error"]
        assert "too large" in error["message"]
    assert all(len(body) < 2 << 20 for _, _, body in here.upstream.asked)


async def test_the_bound_of_bodies_holds_for_what_comes_out(http: aiohttp.ClientSession) -> None:
    headers = {"content-encoding": "gzip", "content-type": "application/json"}
    async with place(more="[limits]\nbody_bytes = 800_000") as there:
        async with http.post(there.url + CHAT, data=gzip.compress(LONG * 2), headers=headers) as reply:
            assert reply.status == 413


@pytest.mark.parametrize("coding", PACK)
@pytest.mark.parametrize("body", [b'{"model": "m"}', LONG], ids=["short", "long"])
async def test_damaged_bodies_are_refused(here: Place, http: aiohttp.ClientSession, coding: str, body: bytes) -> None:
    packed = PACK[coding](body)
    headers = {"content-encoding": coding, "content-type": "application/json"}
    for sent in (packed[:-3], packed + b"more of it", b"{" + packed):
        async with http.post(here.url + CHAT, data=sent, headers=headers) as reply:
            assert reply.status == 400, await reply.read()
            assert "error" in await reply.json()


async def test_providers_that_take_compressed_requests(http: aiohttp.ClientSession) -> None:
    async with place(provider='request_encoding = "zstd"') as there:
        for body in (BODY, LONG[: 1 << 19], b'{"model": "m"}'):
            headers = {"content-type": "application/json"}
            async with http.post(there.url + CHAT, data=body, headers=headers) as reply:
                assert reply.status == 200
        first, long, short = there.upstream.asked
        for (_, fields, packed), plain in ((first, BODY), (long, LONG[: 1 << 19])):
            assert fields[b"content-encoding"] == b"zstd"
            assert unpacked("zstd", packed) == plain
        assert b"content-encoding" not in short[1] and short[2] == b'{"model": "m"}'


# --- the SDKs, as they come ---


async def test_the_sdks_as_they_come(here: Place) -> None:
    ask: list[Any] = [{"role": "user", "content": "你好"}]
    here.upstream.head = b"content-type: text/event-stream\r\n"
    here.upstream.body = CHAT_STREAM
    async with openai.AsyncOpenAI(api_key="k", base_url=here.url + "/openai/v1", max_retries=0) as client:
        raw = await client.chat.completions.with_raw_response.create(model="m", messages=ask, stream=True)
        chunks = [chunk async for chunk in raw.parse()]
    assert raw.headers["content-encoding"] in CODINGS and len(chunks) == 10
    here.upstream.body = MESSAGE_STREAM
    async with anthropic.AsyncAnthropic(api_key="k", base_url=here.url + "/anthropic", max_retries=0) as second:
        async with second.messages.stream(model="m", max_tokens=5, messages=ask) as stream:
            message = await stream.get_final_message()
        assert stream.response.headers["content-encoding"] in CODINGS
    assert message.usage.output_tokens == 30
    here.upstream.body = GENERATED_EVENTS
    async with genai.Client(api_key="k", http_options={"base_url": here.url + "/gemini"}).aio as third:
        pieces = [p async for p in await third.models.generate_content_stream(model="m", contents="x")]
    assert len(pieces) == 6
