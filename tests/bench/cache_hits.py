"""What a cache hit takes, and what a miss costs: `python -m tests.bench.cache_hits`.

Hits: one stored reply of each form is asked for again and again over one connection, farline with each store and
LiteLLM's proxy with its Redis cache in turns, all on this machine. LiteLLM needs `tests/support/install-litellm.sh`;
without it its row is missing. Each run begins and ends with the machine's load.

Costs: CPU time of the edge's process per request, in batches that alternate between a node with a cache and one
without: requests that take no part, and misses that are stored.
"""

from __future__ import annotations

import argparse
import asyncio
import itertools
import json
import os
import statistics
import subprocess
import tempfile
import time
import timeit
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import AsyncExitStack, contextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp

from cache.entry import Recorder
from cache.flight import Flight, FlightLimits
from edge.dialects import by_name
from edge.dialects.facts import Facts, Meter
from edge.serve.flying import Lead, Passenger
from edge.serve.streaming import ReplyStream, StreamPolicy, Sweep
from netem.bench.systems.litellm import LiteLlm
from tests.support.nodes import Edge, Provider, config
from tests.support.redis_servers import redis_server
from tests.support.servers import free_port
from transport.message import Headers

SIM = "think_ms=20,interval_ms=1,tokens=200"
_AT_ONCE = "think_ms=0,interval_ms=0,tokens=20"
_LITELLM = """\
model_list:
  - model_name: gpt-4.1
    litellm_params: {{model: openai/gpt-4.1, api_base: "{url}/v1", api_key: any}}
litellm_settings:
  num_retries: 0
  telemetry: false
  cache: true
  cache_params: {{type: redis, host: 127.0.0.1, port: {port}, ttl: 3600}}
"""
_TICK = os.sysconf("SC_CLK_TCK")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=10)
    parser.add_argument("--hits", type=int, default=100, help="per round, system and form")
    parser.add_argument("--pairs", type=int, default=10)
    parser.add_argument("--misses", type=int, default=200, help="per batch")
    args = parser.parse_args()
    print(f"load average at the beginning: {os.getloadavg()[0]:.1f}")
    asyncio.run(run(args))
    _show_chunks()
    print(f"load average at the end: {os.getloadavg()[0]:.1f}")


async def run(args: argparse.Namespace) -> None:
    async with AsyncExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        provider = stack.enter_context(Provider(sim=SIM))
        redis = await stack.enter_async_context(redis_server(folder))
        stores = {
            "memory": 'store = "memory"',
            "disk": f'store = "disk:{folder}/answers"\nmemory_mb = 0',
            "Redis": f'store = "redis://127.0.0.1:{redis.port}/1"\nmemory_mb = 0',
            "off": 'store = "off"',
        }
        edges = {name: stack.enter_context(_edge(provider, text)) for name, text in stores.items()}
        urls = {f"farline, {name}": f"{edge.url}/openai/v1" for name, edge in edges.items() if name != "off"}
        if Path(LiteLlm().needs[0]).exists():
            urls["LiteLLM, Redis"] = stack.enter_context(_litellm(provider, redis.port, folder))
        session = await stack.enter_async_context(aiohttp.ClientSession())
        for form in (False, True):
            _show_hits(await _hits(session, urls, form, args), "stream" if form else "document")
        await _costs(session, edges["memory"], edges["off"], args)


def _edge(provider: Provider, cache: str) -> Edge:
    return Edge(config(provider.url, extra=f"[probe]\nenabled = false\n[cache]\n{cache}\n"))


@contextmanager
def _litellm(provider: Provider, redis_port: int, folder: Path) -> Iterator[str]:
    """Its base URL, once it answers."""
    port, file = free_port(), folder / "litellm.yaml"
    file.write_text(_LITELLM.format(url=provider.url, port=redis_port))
    command = (*LiteLlm().needs, "--config", str(file), "--host", "127.0.0.1", "--port", str(port))
    environment = {**os.environ, "LITELLM_LOCAL_MODEL_COST_MAP": "True", "LITELLM_LOG": "ERROR", "NO_PROXY": "*"}
    with (folder / "litellm.log").open("wb") as log:
        process = subprocess.Popen([*command, "--num_workers", "1"], env=environment, stdout=log, stderr=log)
    try:
        _await_up(f"http://127.0.0.1:{port}/health/liveliness")
        yield f"http://127.0.0.1:{port}/v1"
    finally:
        process.terminate()
        process.wait(20)


def _await_up(url: str) -> None:
    end = time.monotonic() + 180
    while time.monotonic() < end:
        try:
            with urllib.request.urlopen(url):
                return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)  # it starts for a minute; nothing else tells when it is up
    raise SystemExit(f"{url} doesn't answer")


def _body(text: str, stream: bool, **more: Any) -> bytes:
    messages = [{"role": "system", "content": "You are kind. " * 40}, {"role": "user", "content": text}]
    return json.dumps({"model": "gpt-4.1", "messages": messages, "stream": stream, **more}).encode()


async def _ask(session: aiohttp.ClientSession, url: str, body: bytes, sim: str = "") -> tuple[float, str]:
    """Seconds to the reply's end, and what farline says of its cache."""
    headers = {"authorization": "Bearer x", "content-type": "application/json", "x-sim": sim}
    began = time.perf_counter()
    async with session.post(f"{url}/chat/completions", data=body, headers=headers) as reply:
        await reply.read()
        assert reply.status == 200, reply.status
        return time.perf_counter() - began, reply.headers.get("x-farline-cache", "")


async def _hits(
    session: aiohttp.ClientSession, urls: dict[str, str], stream: bool, args: argparse.Namespace
) -> dict[str, list[float]]:
    body = _body(f"again and again {time.time()}", stream, temperature=0)
    for url in urls.values():
        for _ in range(3):
            await _ask(session, url, body)
            await asyncio.sleep(0.5)  # LiteLLM writes its cache in its own time
    taken: dict[str, list[float]] = {name: [] for name in urls}
    for _ in range(args.rounds):
        for name, url in urls.items():
            for _ in range(args.hits):
                seconds, said = await _ask(session, url, body)
                assert said in ("hit", "") or "Redis" in name, said
                taken[name].append(seconds)
    return taken


def _show_hits(taken: dict[str, list[float]], form: str) -> None:
    print(f"\nhit, {form} of 200 tokens: milliseconds\n\n| | p50 | p99 |\n|---|---|---|")
    for name, seconds in taken.items():
        ordered = sorted(seconds)
        print(f"| {name} | {_ms(statistics.median(ordered))} | {_ms(ordered[int(len(ordered) * 0.99)])} |")


def _ms(seconds: float) -> str:
    return f"{seconds * 1000:.2f}"


async def _costs(session: aiohttp.ClientSession, cached: Edge, plain: Edge, args: argparse.Namespace) -> None:
    """CPU of each process per request; the difference of neighbours, so that the machine's other work cancels out."""
    numbers = itertools.count()
    print(f"\nadded by the cache: µs of CPU per request, median of {args.pairs} pairs of batches of {args.misses}\n")
    print("| | without | with | added |\n|---|---|---|---|")
    for what, more in (("takes no part", {}), ("a miss that is stored", {"temperature": 0})):
        for stream in (False, True):
            pairs = []
            for pair in range(args.pairs):
                order = (cached, plain) if pair % 2 else (plain, cached)
                spent = {edge: await _batch(session, edge, stream, more, args.misses, numbers) for edge in order}
                pairs.append((spent[plain], spent[cached]))
            without, with_ = (statistics.median(column) for column in zip(*pairs, strict=True))
            added = statistics.median(after - before for before, after in pairs)
            form = "stream" if stream else "document"
            print(f"| {what}, {form} | {without:.0f} | {with_:.0f} | {added:.0f} |")


async def _batch(
    session: aiohttp.ClientSession, edge: Edge, stream: bool, more: dict[str, Any], count: int, numbers: Iterator[int]
) -> float:
    before = _cpu_seconds(edge.child.pid)
    for _ in range(count):
        await _ask(session, f"{edge.url}/openai/v1", _body(f"question {next(numbers)}", stream, **more), _AT_ONCE)
    return (_cpu_seconds(edge.child.pid) - before) / count * 1e6


def _cpu_seconds(pid: int) -> float:
    """User and system time (proc_pid_stat(5)), to the nanosecond where the kernel tells."""
    run = Path(f"/proc/{pid}/schedstat")
    if run.exists():
        return sum(int(each.read_text().split()[0]) for each in Path(f"/proc/{pid}/task").glob("*/schedstat")) / 1e9
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / _TICK


class _Nobody:
    """A client and an exchange that cost nothing."""

    def start(self, status: int, headers: Headers) -> None: ...
    def write(self, data: bytes) -> None: ...
    def watch(self, watcher: object) -> None: ...
    def observe(self, gap: float) -> None: ...
    def pause(self) -> None: ...
    def resume(self) -> None: ...
    def cancel(self) -> None: ...


def _show_chunks() -> None:
    """A chunk's way through the edge's own code, without sockets."""
    chunk = _chunk("token ")
    print("\nµs per chunk, without sockets\n\n| | |\n|---|---|")
    for what, listeners in (("takes no part", 0), ("recorded, its own client", 1), ("recorded, 200 clients", 200)):
        on_data = asyncio.run(_receiver(listeners))
        seconds = min(timeit.repeat(partial(on_data, chunk), timer=time.process_time, number=2000, repeat=5)) / 2000
        print(f"| {what} | {seconds * 1e6:.1f} |")


def _chunk(text: str) -> bytes:
    choice = {"index": 0, "delta": {"content": text}, "finish_reason": None}
    told = {
        "id": "chatcmpl-1",
        "object": "chat.completion.chunk",
        "created": 1,
        "model": "gpt-4.1",
        "choices": [choice],
    }
    return b"data: " + json.dumps(told).encode() + b"\n\n"


def _alongside(passenger: Passenger, lead: Lead, status: int, headers: Headers) -> tuple[Headers, Meter]:
    return headers, passenger.along(lead.meter)


async def _receiver(listeners: int) -> Callable[[bytes], None]:
    nobody: Any = _Nobody()
    loop, headers = asyncio.get_running_loop(), [(b"content-type", b"text/event-stream")]
    sweep = Sweep(loop)
    dialect, facts = by_name("openai"), Facts("chat", streaming=True)

    def stream() -> ReplyStream:
        return ReplyStream(nobody, dialect, StreamPolicy(60.0, 15.0, False), "r", loop, nobody)

    if not listeners:
        alone = stream()
        alone.begin(nobody, 200, headers, dialect.meter(facts, 200, headers))
        return alone.on_data
    flight = Flight(FlightLimits(buffer_bytes=64 * 1024))
    lead = Lead(flight, nobody, dialect.meter(facts, 200, headers), Recorder(64 * 1024), lambda lead: None)
    for _ in range(listeners):
        passenger = Passenger(nobody, sweep)
        passenger.ready(stream(), partial(_alongside, passenger, lead))
        passenger.board(flight)
    flight.begin(200, headers)
    return lead.on_data


if __name__ == "__main__":
    main()
