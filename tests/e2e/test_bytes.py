"""What goes in comes out: bodies by their SHA-256, heads field by field, framing as it was."""

from __future__ import annotations

import asyncio
import gzip
import hashlib
import io
import random
from collections import Counter
from collections.abc import AsyncIterator
from typing import Any

import aiohttp
import pytest
import yarl

from tests.support.nodes import LINES, node
from tests.support.scripted_h1 import read_request, serve
from tests.support.worlds import WEIGHTS, World

JSON = {"content-type": "application/json"}


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession(auto_decompress=False) as session:
        yield session


BODIES = {
    "empty": b"",
    "binary": random.Random(1).randbytes(200_001),
    "gzip": gzip.compress(b'{"model": "m", "input": "x"}' * 1000),
    "unicode": '{"model": "m", "input": "\u2028 你好 🌊 é"}'.encode(),
    "20 MB": random.Random(2).randbytes(20 * 1024**2),
}


@pytest.mark.parametrize("name", BODIES)
@pytest.mark.parametrize("is_chunked", [False, True], ids=["length", "chunked"])
async def test_uploads(world: World, protocol: str, http: aiohttp.ClientSession, name: str, is_chunked: bool):
    body, id = BODIES[name], f"up-{protocol}-{name.replace(' ', '')}-{is_chunked}"
    sent: Any = _pieces(body) if is_chunked else io.BytesIO(body)
    coding = {"content-encoding": "gzip"} if name == "gzip" else {}
    headers = {"x-sim-id": id, "content-type": "application/octet-stream", **coding}
    async with http.put(world.url("generic", protocol) + "/v1/things", data=sent, headers=headers) as reply:
        await reply.read()
    (record,) = world.provider.log(id)
    assert (record["body_length"], record["body_sha256"]) == (len(body), hashlib.sha256(body).hexdigest())


async def _pieces(body: bytes) -> AsyncIterator[bytes]:
    for start in range(0, len(body), 50_000):
        yield body[start : start + 50_000]


async def test_round_trip_of_a_multipart_file(world: World, protocol: str, http: aiohttp.ClientSession):
    data = BODIES["20 MB"]
    form = aiohttp.FormData()
    form.add_field("purpose", "batch")
    form.add_field("file", io.BytesIO(data), filename="x.bin", content_type="application/octet-stream")
    url = world.url("openai", protocol) + "/v1/files"
    async with http.post(url, data=form) as reply:
        stored = await reply.json()
    async with http.get(f"{url}/{stored['id']}/content") as reply:
        assert hashlib.sha256(await reply.read()).digest() == hashlib.sha256(data).digest()


async def test_downloads(world: World, protocol: str, http: aiohttp.ClientSession):
    for size in (1, 65_536, 5_000_000):
        async with http.get(f"{world.url('openai', protocol)}/v1/bytes/{size}") as reply:
            body = await reply.read()
            assert reply.headers["content-length"] == str(size)
        assert body == b"".join(b"%08x" % n for n in range(size // 8 + 1))[:size]
    async with http.head(f"{world.url('openai', protocol)}/v1/bytes/1000") as reply:
        assert (reply.status, reply.headers["content-length"], await reply.read()) == (200, "1000", b"")


async def test_errors_byte_for_byte(world: World, protocol: str, http: aiohttp.ClientSession):
    """The same request straight at the provider gives the same bytes."""
    asked = {"data": b'{"model": "m", "messages": []}', "headers": JSON | {"x-sim": "status=529,retry_after=7"}}
    async with http.post(world.url("anthropic", protocol) + "/v1/messages", **asked) as reply:
        ours, status, after = await reply.read(), reply.status, reply.headers["retry-after"]
    async with http.post(world.provider.url + "/v1/messages", ssl=False, **asked) as reply:
        assert (await reply.read(), reply.status, reply.headers["retry-after"]) == (ours, status, after)


async def test_request_headers(world: World, protocol: str, http: aiohttp.ClientSession):
    id = f"headers-{protocol}"
    sent = {
        "x-sim-id": id,
        "x-farline-priority": "batch",
        "x-farline-cache": "bypass",
        "x-farline-anything": "1",
        "connection": "keep-alive, x-private",
        "x-private": "of this hop",
        "keep-alive": "timeout=5",
        "te": "trailers",
        "proxy-authorization": "Basic aGk=",
        "openai-organization": "org-1",
        "openai-beta": "assistants=v2",
        "idempotency-key": "k-1",
        "accept-language": "zh-CN",
        "x-client-request-id": "id-1, id-2",
        **JSON,
    }
    url = yarl.URL(world.url("openai", protocol) + "/v1/embeddings?a=%2F&b=%E4%BD%A0&a=2", encoded=True)
    async with http.post(url, data=b'{"model": "m", "input": "x"}', headers=sent) as reply:
        assert reply.status == 200
        assert reply.headers["content-type"] == "application/json"
        assert "x-farline-request-id" in reply.headers
    (record,) = world.provider.log(id)
    assert record["target"] == "/v1/embeddings?a=%2F&b=%E4%BD%A0&a=2"
    seen = dict(record["headers"])
    for name in ("openai-organization", "openai-beta", "idempotency-key", "accept-language", "x-client-request-id"):
        assert seen[name] == sent[name]
    for name in ("x-farline-priority", "x-farline-cache", "x-farline-anything", "x-private", "keep-alive", "te"):
        assert name not in seen
    assert "proxy-authorization" not in seen


async def test_lines_are_used_by_their_weights(world: World, protocol: str, http: aiohttp.ClientSession):
    id, url = f"shares-{protocol}", world.url("openai", protocol) + "/v1/bytes/1"
    for _ in range(100):
        async with http.get(url, headers={"x-sim-id": id}) as reply:
            await reply.read()
    shares = Counter(record["source"] for record in world.provider.log(id))
    wanted = {LINES[name]: weight for name, weight in WEIGHTS.items()}
    assert all(abs(shares[source] - weight) <= 2 for source, weight in wanted.items()), shares


async def test_the_caller_may_name_the_line(world: World, protocol: str, http: aiohttp.ClientSession):
    url = world.url("openai", protocol) + "/v1/bytes/1"
    for line, source in LINES.items():
        id = f"line-{line}-{protocol}"
        async with http.get(url, headers={"x-sim-id": id, "x-farline-line": line}) as reply:
            assert reply.headers["x-farline-path"].startswith(line + "/direct/")
        assert [record["source"] for record in world.provider.log(id)] == [source]


UNKNOWN = {"x-farline-line": "cn9", "x-farline-priority": "soon", "x-farline-data-class": "secret"}


@pytest.mark.parametrize("api", ["openai", "anthropic", "gemini", "azure"])
async def test_orders_that_cannot_be_obeyed(world: World, http: aiohttp.ClientSession, api: str):
    paths = {
        "openai": "/v1/chat/completions",
        "anthropic": "/v1/messages",
        "gemini": "/v1beta/models/g:generateContent",
        "azure": "/openai/deployments/d/chat/completions?api-version=1",
    }
    url, id = world.url(api, "h1") + paths[api], f"refused-{api}"
    for name, value in (*UNKNOWN.items(), ("x-farline-data-class", "sensitive")):
        async with http.post(url, json={"model": "m"}, headers={"x-sim-id": id, name: value}) as reply:
            assert reply.status == (403 if value == "sensitive" else 400)
            error = (await reply.json())["error"]
        assert {"anthropic": "type", "gemini": "details"}.get(api, "param") in error
    assert world.provider.log(id) == []


RARE = {
    b"/v1/none": (b"HTTP/1.1 204 No Content\r\nx-a: 1\r\n\r\n", 204, b""),
    b"/v1/same": (b'HTTP/1.1 304 Not Modified\r\netag: "e"\r\n\r\n', 304, b""),
    b"/v1/early": (
        b"HTTP/1.1 103 Early Hints\r\nlink: </x>\r\n\r\nHTTP/1.1 102 Processing\r\n\r\n"
        b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nok",
        200,
        b"ok",
    ),
    b"/v1/until-close": (b"HTTP/1.1 200 OK\r\nconnection: close\r\n\r\nall there is", 200, b"all there is"),
    b"/v1/moved": (
        b"HTTP/1.1 307 Temporary Redirect\r\nlocation: http://127.0.0.1:%d/v1/there?x=1\r\ncontent-length: 0\r\n\r\n",
        307,
        b"",
    ),
}


async def _play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    while True:
        line, _, _ = await read_request(reader)
        target = line.split(b" ")[1]
        reply = RARE.get(target, (b"", 0, b""))[0]
        if target == b"/v1/trailers":
            reply = b"HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\ntrailer: x-sum\r\n\r\n2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
        writer.write(reply.replace(b"%d", b"%d" % writer.get_extra_info("sockname")[1]))
        await writer.drain()
        if b"connection: close" in reply:
            return


async def test_rare_replies(http: aiohttp.ClientSession):
    async with serve(_play) as upstream, node(_plain_config(upstream.port)) as running:
        host, port = running.ingress.addresses[0]
        base = f"http://{host}:{port}/up"
        for target, (_, status, body) in RARE.items():
            async with http.get(base + target.decode(), allow_redirects=False) as reply:
                assert (target, reply.status, await reply.read()) == (target, status, body)
                if status == 307:
                    assert reply.headers["location"] == f"{base}/v1/there?x=1"
        reader, writer = await asyncio.open_connection(host, port)
        writer.write(b"GET /up/v1/trailers HTTP/1.1\r\nhost: edge\r\nte: trailers\r\n\r\n")
        raw = await asyncio.wait_for(reader.readuntil(b"x-sum: 7\r\n\r\n"), 5)
        assert raw.partition(b"\r\n\r\n")[2] == b"2\r\nhi\r\n0\r\nx-sum: 7\r\n\r\n"
        writer.close()
        await writer.wait_closed()


def _plain_config(port: int) -> str:
    return (
        '[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\n'
        f'[[provider]]\nid = "up"\ndialect = "generic"\n[[provider.endpoint]]\nurl = "http://127.0.0.1:{port}"\n'
    )
