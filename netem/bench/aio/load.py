"""The load client: `python -m netem.bench.aio.load REPLIES`, run in the client's namespace.

Its standard input brings the order as one line of JSON, and once it has said that it is warm, the moment at which the
window of requests begins.

Lean on purpose: one process, one timer per request, parsing in C; what it adds to a token's time is its own loop's lag,
which it measures and reports.
"""

from __future__ import annotations

import asyncio
import json
import resource
import sys
import time
from dataclasses import asdict
from typing import Any, Protocol

import uvloop

from netem.bench.aio.h1 import H1
from netem.bench.aio.h2 import H2
from netem.bench.aio.h3 import H3
from netem.bench.aio.order import Call, Connections, Order
from netem.bench.aio.websocket import RealtimeCall, converse
from netem.bench.record import Reply
from netem.bench.tokens import RealtimeReader, Token

_HEADERS = [("content-type", "application/json"), ("accept", "text/event-stream"), ("authorization", "Bearer any")]
_WARM_UP_SECONDS = 20.0
_TICK = 0.01  # how often the loop's own lag is looked at


class _Reader(Protocol):
    tokens: list[Token]
    is_done: bool
    is_error: bool


class Client:
    """All requests of one turn."""

    def __init__(self, order: Order) -> None:
        self._order = order
        self._connections: Connections = _connections(order)
        self._lags: list[float] = []
        self._begin_ns = 0

    async def measure(self, begin_ns: int) -> dict[str, Any]:
        """Wait for the window, send at the planned times, collect; closes the connections."""
        self._begin_ns = begin_ns
        late = self._now()
        cpu = _cpu_seconds()
        async with asyncio.TaskGroup() as group:
            lag = group.create_task(self._watch_lag())
            tasks = [group.create_task(self._request(index)) for index in range(len(self._order.starts))]
            replies = [await task for task in tasks]
            lag.cancel()
        await self._connections.close()
        lags = sorted(self._lags) or [0.0]
        troubles = {
            "late_start_ms": max(0.0, 1000.0 * late),
            "client_lag_p99_ms": 1000.0 * lags[int(0.99 * (len(lags) - 1))],
        }
        return {
            "replies": [asdict(reply) for reply in replies],
            "client_cpu_seconds": _cpu_seconds() - cpu,
            "troubles": troubles,
        }

    def _now(self) -> float:
        return (time.monotonic_ns() - self._begin_ns) / 1e9

    async def warm_up(self) -> str:
        """Connections, and one short request on each, so that every system's own connections are warm too.

        Returns what went wrong; "" if nothing did.
        """
        order = self._order
        if order.traffic == "ws":
            return ""
        fault = ""
        try:
            async with asyncio.timeout(_WARM_UP_SECONDS), asyncio.TaskGroup() as group:
                await self._connections.warm(order.streams)
                for number in range(order.streams):
                    group.create_task(self._warm_one(number))
        except* (OSError, TimeoutError) as errors:
            fault = repr(errors.exceptions[0])
        return fault

    async def _warm_one(self, number: int) -> None:
        call = Call()
        await self._exchange(f"warm-up {number}", 1, call)
        if call.status != 200:
            raise ConnectionError(call.fault or f"status {call.status}")

    async def _exchange(self, label: str, max_tokens: int, call: Call) -> None:
        path = f"{self._order.prefix}/v1/chat/completions"
        await self._connections.send(path, _HEADERS, self._body(label, max_tokens), call)
        await call.finished

    def _body(self, label: str, max_tokens: int) -> bytes:
        """`label` makes it one of its kind: the provider counts executions by the body's hash."""
        prompt = f"{self._order.label} {label} ".ljust(self._order.prompt_bytes, "x")
        asked: dict[str, Any] = {"model": "gpt-4.1", "stream": True, "messages": [{"role": "user", "content": prompt}]}
        if max_tokens:
            asked["max_tokens"] = max_tokens
        return json.dumps(asked).encode()

    async def _request(self, index: int) -> Reply:
        planned = self._order.starts[index]
        await asyncio.sleep(max(0.0, planned - self._now()))
        started = self._now()
        call = Call()
        reader: _Reader = call.reader
        try:
            async with asyncio.timeout(self._order.patience):
                if self._order.traffic == "ws":
                    reader = realtime = RealtimeReader()
                    await self._converse(index, call, realtime)
                else:
                    await self._exchange(f"request {index}", self._order.tokens, call)
        except TimeoutError:
            call.fault = call.fault or f"no end after {self._order.patience:.0f} s"
            self._connections.abandon(call)
        except OSError as error:
            call.fault = f"{type(error).__name__}: {error}"
        if call.status >= 300:
            call.fault = f"status {call.status}"
        begin = self._begin_ns
        return Reply(
            index,
            planned,
            started,
            self._now(),
            call.status,
            tuple(number for number, _, _ in reader.tokens),
            tuple((at - begin) / 1e9 for _, at, _ in reader.tokens),
            tuple((stamp - begin) / 1e9 if stamp else 0.0 for _, _, stamp in reader.tokens),
            call.is_clean,
            reader.is_done,
            reader.is_error,
            call.fault,
            call.size,
            call.crc,
        )

    async def _converse(self, index: int, call: Call, reader: RealtimeReader) -> None:
        conversation: RealtimeCall | None = None
        try:
            conversation = await converse(self._order, f"{self._order.label} request {index}", call, reader)
            await call.finished
        finally:
            if conversation is not None:
                conversation.close()

    async def _watch_lag(self) -> None:
        while True:
            before = time.monotonic()
            await asyncio.sleep(_TICK)
            self._lags.append(time.monotonic() - before - _TICK)


def _connections(order: Order) -> Connections:
    if order.way == "h2":
        return H2(order)
    return H3(order) if order.way == "h3" else H1(order, is_cold=order.way == "cold")


def _cpu_seconds() -> float:
    used = resource.getrusage(resource.RUSAGE_SELF)
    return used.ru_utime + used.ru_stime


async def _run(order: Order) -> dict[str, Any]:
    client = Client(order)
    print(json.dumps({"warm_up_fault": await client.warm_up()}), flush=True)
    line = await asyncio.get_running_loop().run_in_executor(None, sys.stdin.readline)
    return await client.measure(json.loads(line)["begin_ns"])


def main() -> int:
    order = Order.of(json.loads(sys.stdin.readline()))
    with open(sys.argv[1], "w") as file:
        json.dump(uvloop.run(_run(order)), file)
    return 0


if __name__ == "__main__":
    sys.exit(main())
