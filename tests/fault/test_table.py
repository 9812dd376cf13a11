"""Runs the table: each cell in a world of its own, its executions counted at the provider."""

from __future__ import annotations

import asyncio
import re
from dataclasses import replace

import pytest

from edge.config.model import Routing
from edge.serve.reply import _STANDARD
from netem.provider.aio.server import FakeProvider
from tests.fault.table import ELSEWHERE, FAULTS, IMPOSSIBLE, PHASES, ROWS, Row
from tests.fault.world import BATCH, CHAT, LINES, MODELS, QUICK, STREAM, Answer, Ask, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Protocol

CALM = Routing("weighted", race_after_ms=8000.0)  # no rival dials: a busy machine must not change the attempts
SHORT = replace(QUICK, connect=10.0, first_byte=1.0, first_byte_stream=1.0, idle=0.6)
LONG = replace(SHORT, first_byte=20.0, first_byte_stream=20.0, idle=20.0)
_CELL = re.compile(r"(\d+)( broken)?(?: (\w+))? (\d+)x(\d+)")


def test_every_cell_is_here_or_has_a_reason() -> None:
    here = {(row.fault, row.phase) for row in ROWS} | set(ELSEWHERE)
    assert not here & set(IMPOSSIBLE)
    assert here | set(IMPOSSIBLE) == {(fault, phase) for fault in FAULTS for phase in PHASES}


@pytest.mark.parametrize(
    ("row", "protocol"),
    [pytest.param(row, Protocol(p), id=f"{row}-{row.sim}-{p}") for row in ROWS for p in row.protocols],
)
async def test_row(row: Row, protocol: Protocol, certs: Certificates) -> None:
    asks = (MODELS, STREAM if row.streamed else CHAT, BATCH)
    async with provider((protocol,), certs) as fake, asyncio.TaskGroup() as group:
        for cells, times in ((row.once, 1), (row.always, 0)):
            for ask, cell in zip(asks, cells, strict=True):
                if cell is not None:
                    sim = f"interval_ms=4,{row.sim},times={times}"
                    group.create_task(_check(fake, protocol, certs, ask, sim, cell))


async def _check(fake: FakeProvider, protocol: Protocol, certs: Certificates, ask: Ask, sim: str, cell: str) -> None:
    times = SHORT if "timeout" in cell or "stall" in sim else LONG
    async with world([endpoint(fake, (protocol,), certs.authority)], timeouts=times, routing=CALM) as edge:
        answer = await edge.ask(ask, sim)
        assert _read(answer, fake.executions(answer.id)) == cell
        _check_words(answer)
        assert edge.metric("farline_attempts_total") == answer.attempts
        assert edge.metric("farline_failovers_total") == answer.attempts - 1 == len(answer.record.failovers)
        if "retry_after" in sim:
            assert answer.headers["retry-after"] == "7"


def _read(answer: Answer, executions: int) -> str:
    broken = " broken" if answer.is_broken else ""
    code = f" {answer.failure}" if answer.failure else ""
    return f"{answer.status}{broken}{code} {answer.attempts}x{executions}"


def _check_words(answer: Answer) -> None:
    """The same story in the headers, in the body and in the log."""
    record = answer.record
    assert len(record.attempts) == answer.attempts
    assert record.status == answer.status
    if record.failure is None:
        assert "proxy-status" not in answer.headers
    elif answer.is_broken:
        if b"data:" in answer.body and answer.body.endswith(b"\n\n"):  # between two events there is room for words
            assert record.failure.code.encode() in answer.body
    else:
        assert answer.error == record.failure.code
        assert b'"error"' in answer.body
        assert answer.id not in answer.headers.get("x-farline-path", "")
    if record.path is not None:
        assert answer.headers["x-farline-path"] == str(record.path)
        assert record.path.line in {line.id for line in LINES}


def test_codes_of_the_table_are_known_words() -> None:
    for row in ROWS:
        for cell in (*row.once, *row.always):
            match = _CELL.fullmatch(cell or "200 1x1")
            assert match
            assert match[3] is None or match[3] in _STANDARD | {"stream_refused", "stream_reset", "idle_timeout"}
