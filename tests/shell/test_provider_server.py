"""The fake provider's servers, control plane and command."""

from __future__ import annotations

import argparse
import asyncio
import hashlib
import io
import json
import signal
import ssl
import sys
from collections.abc import AsyncIterator

import aiohttp
import pytest

from edge.cli import demo
from netem.provider import FakeProvider
from netem.provider.sim import SimError

CHAT = "/v1/chat/completions"
ASK = {"model": "m", "messages": [{"role": "user", "content": "hi"}]}


@pytest.fixture
async def provider() -> AsyncIterator[FakeProvider]:
    async with FakeProvider(sim="think_ms=1,interval_ms=1,tokens=4") as running:
        yield running
        assert running.counters()["failures"] == 0


@pytest.fixture
async def client() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


async def test_bodies_are_accounted_for_exactly(provider: FakeProvider, client: aiohttp.ClientSession):
    body = bytes(range(256)) * 20_000
    async with client.post(provider.url + "/v1/files", data=io.BytesIO(body), headers={"x-sim-id": "big"}) as reply:
        assert reply.status == 200
    record = provider.log[-1]
    assert (record.id, record.body_length, record.body_sha256) == ("big", len(body), hashlib.sha256(body).hexdigest())
    assert record.source == "127.0.0.1"


async def test_big_replies(provider: FakeProvider, client: aiohttp.ClientSession):
    async with client.get(provider.url + "/bytes/8000000") as reply:
        data = await reply.read()
    assert (len(data), data[-8:]) == (8_000_000, b"%08x" % 999_999)


async def test_pipelined_requests_are_answered_in_order(provider: FakeProvider):
    reader, writer = await asyncio.open_connection(provider.host, provider.port)
    writer.write(b"".join(b"GET /bytes/%d HTTP/1.1\r\nhost: x\r\n\r\n" % size for size in (8, 16, 24)))
    seen = [await reader.readuntil(b"\r\n\r\n") + await reader.readexactly(size) for size in (8, 16, 24)]
    assert [int(each.partition(b"content-length: ")[2].split()[0]) for each in seen] == [8, 16, 24]
    writer.close()
    await writer.wait_closed()


async def test_http_10_head_and_nonsense(provider: FakeProvider):
    async def talk(raw: bytes) -> bytes:
        reader, writer = await asyncio.open_connection(provider.host, provider.port)
        writer.write(raw)
        got = await asyncio.wait_for(reader.read(), 5)
        writer.close()
        await writer.wait_closed()
        return got

    body = json.dumps({**ASK, "stream": True}).encode()
    old = await talk(b"POST %b HTTP/1.0\r\ncontent-length: %d\r\n\r\n%b" % (CHAT.encode(), len(body), body))
    assert b"chunked" not in old
    assert old.endswith(b"[DONE]\n\n")
    bare = await talk(b"HEAD /bytes/9 HTTP/1.1\r\nhost: x\r\nconnection: close\r\n\r\n")
    assert b"content-length: 9\r\n" in bare
    assert bare.endswith(b"\r\n\r\n")
    assert (await talk(b"\x16\x03 nonsense\r\n\r\n")).startswith(b"HTTP/1.1 400")


async def test_expect_continue(provider: FakeProvider):
    reader, writer = await asyncio.open_connection(provider.host, provider.port)
    writer.write(b"POST /v1/embeddings HTTP/1.1\r\nhost: x\r\nexpect: 100-continue\r\ncontent-length: 2\r\n\r\n")
    assert await reader.readuntil(b"\r\n\r\n") == b"HTTP/1.1 100 Continue\r\n\r\n"
    writer.write(b"{}")
    assert b"200 OK" in await reader.readuntil(b"\r\n\r\n")
    writer.close()
    await writer.wait_closed()


async def test_unknown_paths_and_orders(provider: FakeProvider, client: aiohttp.ClientSession):
    async with client.get(provider.url + "/v1/nothing") as reply:
        assert (reply.status, (await reply.json())["error"]["type"]) == (404, "invalid_request_error")
    async with client.post(provider.url + "/v1/messages", json={}, headers={"x-sim": "colour=red"}) as reply:
        assert (reply.status, (await reply.json())["type"]) == (400, "error")
    async with client.post(provider.url + CHAT, json={**ASK, "metadata": {"x_sim": "tokens=2"}}) as reply:
        assert (await reply.json())["choices"][0]["message"]["content"] == "t0001 t0002 "


async def test_stamped_tokens_and_pieces(provider: FakeProvider, client: aiohttp.ClientSession):
    headers = {"x-sim": "answer=stamped,tokens=3"}
    async with client.post(provider.url + CHAT, json={**ASK, "stream": True}, headers=headers) as reply:
        lines = [line[6:] async for line in reply.content if line.startswith(b"data: {")]
    said = "".join(json.loads(line)["choices"][0]["delta"].get("content") or "" for line in lines)
    stamps = [int(word.partition("@")[2]) for word in said.split()]
    assert len(stamps) == 3
    assert stamps == sorted(stamps)


async def test_gemini_stream_without_sse_is_one_json_array(provider: FakeProvider, client: aiohttp.ClientSession):
    url = provider.url + "/v1beta/models/g:streamGenerateContent"
    async with client.post(url, json={"contents": [{"parts": [{"text": "x"}]}]}) as reply:
        pieces = json.loads(await reply.read())
    texts = [piece["candidates"][0]["content"]["parts"][0]["text"] for piece in pieces]
    assert "".join(texts) == "t0001 t0002 t0003 t0004 "


async def test_same_seed_same_pace(provider: FakeProvider, client: aiohttp.ClientSession):
    headers = {"x-sim": "jitter_ratio=0.9,seed=7"}
    replies = []
    for _ in range(2):
        async with client.post(provider.url + CHAT, json={**ASK, "stream": True}, headers=headers) as reply:
            replies.append(await reply.read())
    assert replies[0] == replies[1]


async def test_control_plane(provider: FakeProvider, client: aiohttp.ClientSession):
    control = f"{provider.control_url}/_sim"
    orders = {"rules": [{"sim": "status=429,retry_after=2", "path": "/v1/chat", "times": 1}]}
    async with client.post(control + "/faults", json=orders) as reply:
        assert (await reply.json())["rules"][0]["times"] == 1
    headers = {"x-sim-id": "mine"}
    statuses = []
    for _ in range(2):
        async with client.post(provider.url + CHAT, json=ASK, headers=headers) as reply:
            statuses.append((reply.status, reply.headers.get("retry-after")))
    assert statuses == [(429, "2"), (200, None)]
    async with client.get(control + "/counters") as reply:
        assert (await reply.json())["executions_by_id"] == {"mine": 1}
    async with client.get(control + "/log?id=mine&limit=1") as reply:
        assert [each["status"] for each in await reply.json()] == [200]
    for bad in ({"colour": 1}, {"rules": [{"sim": "fault=none"}]}, {"rules": [{"nope": 1}]}, [1]):
        async with client.post(control + "/faults", json=bad) as reply:
            assert reply.status == 400
    async with client.post(control + "/faults", json={"blackhole": ["10.1.1.1"], "reset": [], "refuse": True}) as reply:
        assert (await reply.json())["refuse"]
    async with client.post(control + "/reset?faults=1") as reply:
        assert reply.status == 200
    async with client.get(control + "/faults") as reply:
        assert await reply.json() == {"rules": [], "blackhole": [], "reset": [], "refuse": False}
    assert provider.executions("mine") == 0


@pytest.mark.parametrize(("fault", "sent"), [("truncate", 3), ("reset", 3), ("cut", 3), ("stall", 3)])
async def test_websocket_faults(provider: FakeProvider, client: aiohttp.ClientSession, fault: str, sent: int):
    headers = {"x-sim": f"fault={fault},after=3"}
    async with client.ws_connect(provider.url + "/v1/realtime?model=m", headers=headers) as live:
        got = [(await live.receive()).type]
        for _ in range(2):
            await live.send_bytes(b"sound")
            got.append((await live.receive()).type)
        await live.send_bytes(b"more")
        try:
            last = await live.receive(timeout=0.3)
        except TimeoutError:
            assert fault == "stall"
        else:
            assert last.type in (aiohttp.WSMsgType.CLOSE, aiohttp.WSMsgType.CLOSED, aiohttp.WSMsgType.ERROR)
    assert got == [aiohttp.WSMsgType.TEXT, aiohttp.WSMsgType.BINARY, aiohttp.WSMsgType.BINARY]
    assert provider.log[-1].tokens_written == sent


async def test_websocket_refusals(provider: FakeProvider, client: aiohttp.ClientSession):
    for path, orders, status in (("/v1/nothing", "", 404), ("/v1/realtime", "status=503", 503)):
        with pytest.raises(aiohttp.WSServerHandshakeError) as caught:
            await client.ws_connect(provider.url + path, headers={"x-sim": orders})
        assert caught.value.status == status


async def test_tls_files_and_alpn():
    async with FakeProvider(tls=True, protocols=("http/1.1",)) as provider:
        context = ssl.create_default_context(cafile=provider.ca_file)
        context.set_alpn_protocols(["h2", "http/1.1"])
        _, writer = await asyncio.open_connection("localhost", provider.port, ssl=context)
        assert writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        writer.transport.abort()


def test_arguments_that_make_no_sense():
    with pytest.raises(ValueError):
        FakeProvider(h3=True)
    with pytest.raises(ValueError):
        FakeProvider(tls=True, cert="x")
    with pytest.raises(SimError):
        FakeProvider(sim="fault=none")
    with pytest.raises(RuntimeError):
        FakeProvider().faults()


@pytest.mark.parametrize("tls", [False, True])
async def test_as_a_process(tls: bool):
    arguments = ["--port", "0", "--json", *(["--tls"] if tls else [])]
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "netem.provider", *arguments, stdout=asyncio.subprocess.PIPE
    )
    assert process.stdout is not None
    told = json.loads(await process.stdout.readline())
    assert told["url"].startswith("https" if tls else "http:")
    process.send_signal(signal.SIGTERM)
    assert await process.wait() == 0


def test_the_demo_verb():
    parser = argparse.ArgumentParser()
    demo.add(parser.add_subparsers())
    args = parser.parse_args(["demo", "provider", "--port", "0", "--tokens-per-second", "0"])
    assert args.run(args) == 2
