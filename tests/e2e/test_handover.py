"""An edge is replaced in place while it works: no stream is cut, no connection refused, the new process serves."""

from __future__ import annotations

import asyncio
import os
import re
import signal
import time
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import httpx2
import openai
import pytest

from tests.support.nodes import Edge, Provider, config
from tests.support.servers import free_ports
from tests.support.waiting import until

COUNT = 20
SIM = {"x-sim": "interval_ms=250,tokens=4000"}


class Stream:
    """One SDK's stream, and what came of it."""

    def __init__(self, edge: Edge) -> None:
        self._client = openai.AsyncOpenAI(
            base_url=f"{edge.url}/openai/v1", api_key="k", max_retries=0, default_headers=SIM
        )
        self.words: list[str] = []
        self.is_enough = asyncio.Event()

    async def read(self) -> None:
        async with self._client as client:
            asked: Any = await client.chat.completions.create(
                model="gpt-4.1", messages=[{"role": "user", "content": "count"}], stream=True
            )
            async for chunk in asked:
                self.words += [choice.delta.content for choice in chunk.choices if choice.delta.content]
                if self.is_enough.is_set():
                    break
            await asked.close()

    def check(self) -> None:
        assert self.is_enough.is_set()
        assert self.words == [f"t{number:04} " for number in range(1, len(self.words) + 1)]


async def process_of(client: httpx2.AsyncClient, edge: Edge) -> str:
    """Which process answers a new connection: ids of requests begin with what it drew at its start."""
    headers = {"authorization": "Bearer k", "connection": "close"}
    reply = await client.get(f"{edge.url}/openai/v1/models", headers=headers)
    assert reply.status_code == 200
    return str(reply.headers["x-farline-request-id"]).partition("-")[0]


@contextmanager
def edge_with(workers: int) -> Iterator[tuple[Provider, Edge]]:
    data, admin = free_ports(2)
    with Provider() as provider:
        text = config(provider.url).replace('["127.0.0.1:0"]', f'["127.0.0.1:{data}"]')
        with Edge(text.replace('"127.0.0.1:0"', f'"127.0.0.1:{admin}"\nworkers = {workers}')) as edge:
            yield provider, edge


@contextmanager
def ended_after(edge: Edge) -> Iterator[None]:
    """Ends the successors that `edge` has started."""
    try:
        yield
    finally:
        for found in re.findall(r"process (\d+) takes over", edge.err.read_text()):
            while alive(int(found)):
                os.kill(int(found), signal.SIGTERM)
                time.sleep(0.2)


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


@pytest.mark.parametrize("workers", [1, 2])
async def test_nothing_is_lost(workers: int) -> None:
    async with httpx2.AsyncClient(verify=False, timeout=20) as client:
        await replace(client, workers)


async def replace(client: httpx2.AsyncClient, workers: int) -> None:
    with edge_with(workers) as (_, edge), ended_after(edge):
        streams = [Stream(edge) for _ in range(COUNT)]
        reading = [asyncio.get_running_loop().create_task(stream.read()) for stream in streams]
        await until(lambda: all(stream.words for stream in streams), 20)
        before = {await process_of(client, edge) for _ in range(10)}
        edge.child.send_signal(signal.SIGUSR2)
        while await process_of(client, edge) in before:  # raises if a connection is refused or cut
            await asyncio.sleep(0.05)
        had = [len(stream.words) for stream in streams]
        await until(lambda: all(len(s.words) > n + 2 for s, n in zip(streams, had, strict=True)), 20)
        for stream in streams:
            stream.is_enough.set()
        await asyncio.gather(*reading)
        for stream in streams:
            stream.check()
        assert await asyncio.to_thread(edge.child.wait, 20) == 0
        assert not before & {await process_of(client, edge) for _ in range(10)}
        await until(lambda: edge.err.read_text().count("admin http") == 2, 20)
        assert (await client.get(f"{edge.admin_url}/readyz")).status_code == 200
        assert "Traceback" not in edge.err.read_text()


async def test_a_configuration_that_is_faulty_changes_nothing() -> None:
    async with httpx2.AsyncClient(verify=False) as client:
        with edge_with(1) as (_, edge):
            await refuse(client, edge)


async def refuse(client: httpx2.AsyncClient, edge: Edge) -> None:
    before = await process_of(client, edge)
    edge.file.write_text("[listen]\nworkers = 0\n")
    edge.child.send_signal(signal.SIGUSR2)
    await until(lambda: "this one goes on" in edge.err.read_text(), 20)
    assert await process_of(client, edge) == before
