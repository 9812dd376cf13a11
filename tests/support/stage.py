"""A node with three lines that differ, traffic on them, and a knob to break one: what the console is shown with.

Each line is a proxy of its own (CONNECT) behind Toxiproxy, which gives it its delay and jitter and can swallow it.
"""

from __future__ import annotations

import asyncio
import contextlib
import http.client
import json
import tempfile
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from edge.config.model import History as Wanted
from edge.history.aio.history import History, Sources
from netem.aio.toxi import ToxiLab
from netem.link.conditions import Conditions, Profile
from netem.scenario import LineSpec, Scenario
from tests.support.nodes import Edge, Provider
from tests.support.pasts import fill
from tests.support.proxies import ProxyLog, connect_proxy


def _line(id: str, one_way_ms: float, jitter_ms: float) -> LineSpec:
    one_way = Conditions(delay_ms=one_way_ms, jitter_ms=jitter_ms)
    return LineSpec(id, Profile(one_way, one_way))


SCENARIO = Scenario((_line("cn2", 35, 1), _line("cu2", 36, 2), _line("cmi", 58, 8)))
_LINES = """
[[line]]
id = "{id}"
carrier = "{carrier}"
proxy = "http://{address}"
weight = {weight}
capacity_mbps = {capacity}
cost_per_gb = {cost}
"""
_ABOUT = {"cn2": ("CN2", 100, 500, 3.2), "cu2": ("CU2", 100, 300, 1.9), "cmi": ("CMI", 60, 200, 1.1)}
_ENDPOINTS = (("openai", "us-west"), ("anthropic", "us-east"), ("gemini", "asia-east"))
_ASKED = (
    ("/openai/v1/chat/completions", "gpt-4.1"),
    ("/openai/v1/chat/completions", "gpt-4.1-mini"),
    ("/anthropic/v1/messages", "claude-sonnet-4-5"),
)
CHAT = {"model": "gpt-4.1", "stream": True, "messages": [{"role": "user", "content": "hello"}]}


@dataclass
class Stage:
    """`requests_per_second` and `token` may be changed while it runs."""

    edge: Edge
    lab: ToxiLab
    requests_per_second: float = 8.0
    sent: int = 0
    token: str = ""  # for `api` and what asks by it

    def break_line(self, id: str, seconds: float = 3600.0) -> None:
        """Nothing passes any more, and nobody says so."""
        self.lab.event(id, "blackhole", seconds=seconds)

    def slow_line(self, id: str, rtt_ms: float, seconds: float) -> None:
        self.lab.event(id, "rtt-step", rtt_ms=rtt_ms, seconds=seconds)

    def api(self, path: str, method: str = "GET", body: Any = None, token: str = "") -> Any:
        headers = {"content-type": "application/json", "accept": "application/json"}
        if token or self.token:
            headers["authorization"] = f"Bearer {token or self.token}"
        data = json.dumps(body).encode() if body is not None else None
        asked = urllib.request.Request(f"{self.edge.admin_url}/api/v1/{path}", data, headers, method=method)
        with urllib.request.urlopen(asked, timeout=20) as reply:
            return json.load(reply)

    def lines(self) -> dict[str, Any]:
        return {line["id"]: line for line in self.api("lines")["lines"]}

    def until(self, holds: Any, seconds: float = 30.0) -> None:
        """Waits until `holds(lines)`."""
        end = time.monotonic() + seconds
        while not holds(self.lines()):
            assert time.monotonic() < end, self.lines()
            time.sleep(0.2)


@contextlib.contextmanager
def stage(extra: str = "") -> Iterator[Stage]:
    """Everything started, with a day's past. `extra`: more of the node's configuration."""
    with (
        tempfile.TemporaryDirectory(prefix="farline-stage-") as folder,
        Provider(sim="think_ms=60,interval_ms=6,tokens=40") as provider,
        _proxy() as proxy,
        ToxiLab(SCENARIO, {"provider": proxy}) as lab,
        _past(folder),
        Edge(_configuration(lab, provider.url, folder, extra)) as edge,
    ):
        made = Stage(edge, lab)
        is_over = threading.Event()
        traffic = threading.Thread(target=_traffic, args=(made, is_over))
        traffic.start()
        try:
            yield made
        finally:
            is_over.set()
            traffic.join()


@contextlib.contextmanager
def _past(folder: str) -> Iterator[None]:
    """The last day, and the last hour more closely."""

    async def write() -> None:
        history = History(Wanted(), folder, Sources(lambda recorder: None))
        await history.open()
        now, ends = int(time.time()), [id for id, _ in _ENDPOINTS]
        for begins, until, step in ((86_400, 10_800, 240), (10_800, 3600, 40), (3600, 900, 20), (900, 5, 10)):
            await fill(history, list(_ABOUT), ends, now - begins, now - until, step)
        await history.close()

    thread = threading.Thread(target=lambda: asyncio.run(write()))  # the caller's may have a loop of its own
    thread.start()
    thread.join()
    yield


def _configuration(lab: ToxiLab, provider_url: str, folder: str, extra: str) -> str:
    text = [f'[node]\nname = "sh-1"\nregion = "cn-east"\nstate_dir = "{folder}"\n']
    text.append('[listen]\ndata = ["127.0.0.1:0"]\nadmin = "127.0.0.1:0"\n')
    text.append("[timeouts]\nidle_seconds = 10\n")  # streams that a broken line holds don't hold up the end
    for id, (carrier, weight, capacity, cost) in _ABOUT.items():
        address = "{}:{}".format(*lab.address("provider", id))
        text.append(_LINES.format(id=id, carrier=carrier, address=address, weight=weight, capacity=capacity, cost=cost))
    for id, region in _ENDPOINTS:
        text.append(f'[[provider]]\nid = "{id}"\n[[provider.endpoint]]\nurl = "{provider_url}"\nregion = "{region}"\n')
    return "".join([*text, extra])


def _traffic(made: Stage, is_over: threading.Event) -> None:
    """A request now and then, each in a thread: streams overlap."""
    threads: list[threading.Thread] = []
    while not is_over.wait(1.0 / made.requests_per_second):
        made.sent += 1
        thread = threading.Thread(target=_send, args=(made.edge.url, made.sent))
        thread.start()
        threads = [each for each in threads if each.is_alive()] + [thread]
    for thread in threads:
        thread.join()


def _send(url: str, number: int) -> None:
    headers = {"content-type": "application/json"}
    if number % 37 == 0:
        headers["x-sim"] = "status=500"
    route, model = _ASKED[number % len(_ASKED)]
    body = {**CHAT, "model": model, "max_tokens": 64}
    asked = urllib.request.Request(url + route, json.dumps(body).encode(), headers)
    broken = (OSError, http.client.HTTPException)  # a reply that a dying line cuts looks cut
    with contextlib.suppress(*broken), urllib.request.urlopen(asked, timeout=30) as reply:
        reply.read()


@contextlib.contextmanager
def _proxy() -> Iterator[tuple[str, int]]:
    """A CONNECT proxy in a loop and a thread of its own."""
    loop = asyncio.new_event_loop()
    play = connect_proxy(ProxyLog())

    async def guarded(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(Exception):  # a line that is broken breaks its connections
            await play(reader, writer)
        writer.close()

    thread = threading.Thread(target=loop.run_forever)
    thread.start()
    listening = asyncio.start_server(guarded, "127.0.0.1", 0)
    server = asyncio.run_coroutine_threadsafe(listening, loop).result(10)
    try:
        yield server.sockets[0].getsockname()[:2]
    finally:
        asyncio.run_coroutine_threadsafe(_close(server), loop).result(10)
        loop.call_soon_threadsafe(loop.stop)
        thread.join()
        loop.close()


async def _close(server: asyncio.Server) -> None:
    server.close()
    others = [task for task in asyncio.all_tasks() if task is not asyncio.current_task()]
    for task in others:
        task.cancel()
    await asyncio.gather(*others, return_exceptions=True)
