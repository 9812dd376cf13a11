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
from tests.support.sdks import Sdks, each, entered, of
from tests.support.worlds import World, world_config

pytestmark = pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning")

TEXT = "t0001 t0002 t0003 t0004 "
USER = [{"role": "user", "content": "x"}]
THINKING = "reasoning_ms=3500"
SHORT = "keepalive_seconds = 0.3\nfirst_byte_seconds = 1\n"


@pytest.fixture(scope="module")
def patient(world: World) -> Iterator[World]:
    """An edge that pings early and gives up a silent upstream early."""
    text = world_config(world.provider, idle=30).replace("idle_seconds", SHORT + "idle_seconds")
    with Edge(text) as edge:
        yield World(world.provider, edge)


@pytest.fixture(params=(False, True), ids=("sync", "async"))
async def sdks(request: pytest.FixtureRequest, patient: World, protocol: str) -> AsyncIterator[Sdks]:
    sdks = Sdks(patient, protocol, request.param)
    async with sdks.stack:
        yield sdks


async def test_openai_is_kept_alive(sdks: Sdks):
    client = await sdks.openai(THINKING, timeout=httpx2.Timeout(30, read=2.4))
    chunks = await each(client.chat.completions.create(model="m", messages=USER, stream=True))
    assert "".join(c.choices[0].delta.content or "" for c in chunks if c.choices) == TEXT


async def test_anthropic_is_kept_alive(sdks: Sdks):
    client = await sdks.anthropic(THINKING, timeout=httpx2.Timeout(30, read=2.4))
    async with entered(client.messages.stream(model="c", max_tokens=64, messages=USER)) as stream:
        assert (await of(stream.get_final_message())).content[0].text == TEXT


async def test_a_silent_line_before_the_first_byte_is_left(sdks: Sdks):
    """What one line answers with silence comes over another, and the SDK's own patience isn't used up."""
    provider = sdks.world.provider
    silent = [{"sim": "fault=stall_before_head", "source": source} for source in (LINES["cn2"], LINES["cu2"])]
    client = await sdks.openai()
    provider.faults(rules=silent)
    try:
        raw = await of(
            client.embeddings.with_raw_response.create(model="m", input="x", extra_headers={"accept": "*/*"})
        )
    finally:
        provider.faults(rules=[])
    assert raw.parse().data


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
    pid, id = patient.edge.child.pid, f"large-{upstream}"
    before = _rss(pid)
    highest = [before]
    headers = {"content-type": "multipart/form-data; boundary=b", "x-sim-id": id}
    url = patient.url("generic", upstream) + "/v1/anything"
    async with aiohttp.ClientSession() as http:
        async with http.post(url, data=_form(highest, pid), headers=headers) as reply:
            await reply.read()
    (record,) = patient.provider.log(id)
    digest = hashlib.sha256(b"".join([part async for part in _form([0], pid)])).hexdigest()
    assert record["body_sha256"] == digest
    assert highest[0] - before < 30 * 1024**2


def test_the_clock_is_shared() -> None:
    """What the tests of this folder compare between processes is one clock."""
    assert time.get_clock_info("monotonic").implementation == "clock_gettime(CLOCK_MONOTONIC)"
