"""Traces of a node's sessions from all of its workers, and taps that are gone afterwards."""

from __future__ import annotations

import asyncio
from types import SimpleNamespace
from typing import Any

import pytest

from edge.control.events import Events
from edge.control.qlog import BUSY, Wanted, told
from edge.control.worker import TRACE_PATH, Worker, Workers
from tests.unit.session.test_core import Scene, Wire
from tests.unit.session.test_qlog import records
from transport.session.aio.tracing import traced
from transport.session.qlog import AlreadyTapped, Trace, Vantage

SHORT = Wanted(0.3, 1 << 20)
EDGE = Vantage("edge", is_client=True)


class Others:
    """Peers that answer so."""

    def __init__(self, answers: dict[int, Any]) -> None:
        self.answers = answers
        self.asked: list[tuple[str, dict[str, Any]]] = []

    async def have_done(self, path: str, document: dict[str, Any], seconds: float) -> dict[int, Any]:
        assert seconds > SHORT.seconds
        self.asked.append((path, document))
        return self.answers


def workers(others: Others | None, failing: bool = False) -> Workers:
    async def trace(relay: str, name: str, seconds: float, max_bytes: int) -> tuple[Trace, int]:
        if failing:
            raise AlreadyTapped
        return await traced({name: Scene(Wire()).edge}, EDGE, seconds, max_bytes), 1

    return Workers(Worker(SimpleNamespace(trace=trace), Events(), 0), others)  # type: ignore[arg-type] # what is used


async def test_all_workers_in_one_file() -> None:
    other = Trace(EDGE, 0.0, 1 << 16)
    other.add("transport:packet_sent", "1:cn2:datagram:1", {}, 1.0)
    others = Others({1: {**told(other, 1), "failed": None}, 2: "worker 2 can't be reached", 3: {"failed": BUSY}})
    answer = await workers(others).trace("sjc", SHORT)
    assert others.asked == [(TRACE_PATH, {"relay": "sjc", **SHORT.document()})]
    assert answer["sessions"] == 2 and answer["failed"] == {"2": "worker 2 can't be reached", "3": BUSY}
    assert [record.get("group_id") for record in records(answer["qlog"].encode())][-1] == "1:cn2:datagram:1"


async def test_nobody_can() -> None:
    answer = await workers(None, failing=True).trace("sjc", SHORT)
    assert (answer["sessions"], answer["qlog"], answer["failed"]) == (0, "", {"0": BUSY})


async def test_a_caller_that_goes_leaves_no_tap() -> None:
    core = Scene(Wire()).edge
    tracing = asyncio.get_running_loop().create_task(traced({"0": core}, EDGE, 60.0, 1 << 20))
    await asyncio.sleep(0.05)
    assert "receive" in vars(core)
    with pytest.raises(AlreadyTapped):
        await traced({"other": Scene(Wire()).edge, "0": core}, EDGE, 60.0, 1 << 20)
    tracing.cancel()
    await asyncio.gather(tracing, return_exceptions=True)
    assert "receive" not in vars(core)
