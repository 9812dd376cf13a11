"""Long thinking, silent upstreams, large uploads: what a client's patience and a node's memory are spared."""

from __future__ import annotations

import hashlib
import os
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import aiohttp
import httpx2
import pytest

from tests.support.nodes import LINES, Edge
from tests.support.sdks import Sdks, each, entered, of, outcomes
from tests.support.worlds import World, world_config

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

TEXT = "t0001 t0002 t0003 t0004 "
USER = [{"role": "user", "content": "x"}]
IMPATIENT = httpx2.Timeout(30, read=2.2)
SHORT = "keepalive_seconds = 0.3\nfirst_byte_seconds = 1\n"


@pytest.fixture(scope="module")
def patient(world: World) -> Iterator[World]:
    """An edge that pings early and gives up a silent upstream early."""
    text = world_config(world.provider, idle=30).replace("idle_seconds", SHORT + "idle_seconds")
    with Edge(text) as edge:
        yield World(world.provider, edge)


async def openai_stream(sdks: Sdks, sim: str) -> str:
    client = await sdks.openai(sim, timeout=IMPATIENT)
    chunks = await each(client.chat.completions.create(model="m", messages=USER, stream=True))
    return "".join(c.choices[0].delta.content or "" for c in chunks if c.choices)


async def anthropic_stream(sdks: Sdks, sim: str) -> str:
    client = await sdks.anthropic(sim, timeout=IMPATIENT)
    async with entered(client.messages.stream(model="c", max_tokens=64, messages=USER)) as stream:
        return str((await of(stream.get_final_message())).content[0].text)


async def gemini_stream(sdks: Sdks, sim: str) -> str:
    client = await sdks.gemini(sim.replace("reasoning_ms", "pause_after=1,pause_ms"))
    chunks = await each(client.models.generate_content_stream(model="g", contents="x"))
    return "".join(chunk.text or "" for chunk in chunks)


async def test_clients_are_kept_alive_through_long_thinking(patient: World, protocol: str):
    """All wait longer than they would bear silence; blank lines and comments confuse none of them."""
    asks = (openai_stream, anthropic_stream, gemini_stream)
    got = await outcomes(patient, protocol, asks, "reasoning_ms=3200")
    assert got == dict.fromkeys(got, TEXT)


async def test_a_silent_line_before_the_first_byte_is_left(patient: World, protocol: str):
    """What one line answers with silence comes over another: no more than one second time is billed."""
    provider = patient.provider
    sdks = Sdks(patient, protocol, is_async=True)
    provider.faults(rules=[{"sim": "fault=stall_before_head", "source": LINES["cn2"]}])
    try:
        async with sdks.stack:
            client = await sdks.openai()
            for _ in range(2):
                assert (await client.embeddings.create(model="m", input="x")).data
    finally:
        provider.faults(rules=[])
    assert LINES["cn2"] in [record["source"] for record in sdks.seen()]


PART = b"0123456789abcdef" * 65_536  # 1 MiB
PARTS = 300


def _rss(pid: int) -> int:
    return int(Path(f"/proc/{pid}/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE")


async def _form(highest: list[int], pid: int) -> AsyncIterator[bytes]:
    yield b'--b\r\ncontent-disposition: form-data; name="purpose"\r\n\r\nbatch\r\n'
    yield b'--b\r\ncontent-disposition: form-data; name="file"; filename="x"\r\n\r\n'
    for _ in range(PARTS):
        yield PART
        highest[0] = max(highest[0], _rss(pid))
    yield b"\r\n--b--\r\n"


@pytest.mark.parametrize("upstream", ["h1", "h2"])
async def test_a_large_upload_streams_through(patient: World, upstream: str):
    pid, id = patient.edge.child.pid, f"large-{upstream}-{time.monotonic_ns()}"
    before = _rss(pid)
    highest = [before]
    headers = {"content-type": "multipart/form-data; boundary=b", "x-sim-id": id}
    url = patient.url("generic", upstream) + "/v1/anything"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=_form(highest, pid), headers=headers) as reply:
            await reply.read()
    (record,) = patient.provider.log(id)
    digest = hashlib.sha256()
    async for part in _form([0], pid):
        digest.update(part)
    assert record["body_sha256"] == digest.hexdigest()
    assert highest[0] - before < 30 * 1024**2


def test_the_clock_is_shared() -> None:
    """What the tests of this folder compare between processes is one clock."""
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
