"""A line goes silent while requests wait on it: who leaves at once, who waits for certainty, who must stay."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from dataclasses import replace
from time import monotonic

import pytest

from edge.config.model import Routing
from health.standing import Standing
from health.view import HealthView, LineHealth
from netem.provider.aio.server import FakeProvider
from tests.fault.world import (
    BATCH,
    CHAT,
    EMBEDDING,
    H1,
    H2,
    H3,
    MODELS,
    QUICK,
    SPEECH,
    STREAM,
    Ask,
    World,
    endpoint,
    provider,
    world,
)
from tests.support.certificates import Certificates
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path, Protocol

PATIENT = replace(
    QUICK, connect=10.0, first_byte=30.0, first_byte_stream=30.0, idle=30.0, commit_hold=30.0, first_byte_adaptive=False
)
CALM = Routing("weighted", race_after_ms=8000.0)
STALLED = "fault=stall_before_head,times=1"
BREAK = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)


def suspect(edge: World, line: str) -> None:
    edge.node.board.suspect(line, "silent", monotonic())


def kill(edge: World, line: str) -> None:
    """Suspected and, by three broken connections in a row, ejected: down."""
    suspect(edge, line)
    for _ in range(3):
        edge.node.board.failed(Path(line, "openai-main"), BREAK, monotonic())


async def arrived(fake: FakeProvider, number: int = 1) -> None:
    async with asyncio.timeout(5):
        while len(fake.log) < number:
            await asyncio.sleep(0.01)


@pytest.mark.parametrize("protocols", [H1, H2, H3], ids=["h1", "h2", "h3"])
@pytest.mark.parametrize(
    ("ask", "end", "executions"),
    [(MODELS, suspect, 2), (CHAT, suspect, 2), (STREAM, kill, 2), (EMBEDDING, kill, 2)],
    ids=["free-suspected", "billed-suspected", "stream-down", "embedding-down"],
)
async def test_a_request_that_waits_leaves_at_once(
    ask: Ask, end: Callable[[World, str], None], executions: int, protocols: tuple[Protocol, ...], certs: Certificates
) -> None:
    async with provider(protocols, certs) as fake, asyncio.TaskGroup() as group:
        async with world([endpoint(fake, protocols, certs.authority)], timeouts=PATIENT, routing=CALM) as edge:
            asking = group.create_task(edge.ask(ask, STALLED))
            await arrived(fake)
            end(edge, "cn2")
            answer = await asking
            assert (answer.status, answer.is_broken, answer.failure, answer.attempts) == (200, False, None, 2)
            assert fake.executions(answer.id) == executions
            assert [a.path.line for a in answer.record.attempts] == ["cn2", "cu2"]
            assert [a.outcome for a in answer.record.attempts] == ["cancelled", "committed"]
            assert answer.record.failovers == ["line_suspected" if end is suspect else "line_down"]
            assert edge.metric("farline_failovers_total") == 1
            assert not edge.node.pipeline.lines.waiting


@pytest.mark.parametrize(("ask", "end"), [(BATCH, suspect), (BATCH, kill)], ids=["effect-suspected", "effect-down"])
async def test_who_must_wait_waits_and_may_still_be_answered(
    ask: Ask, end: Callable[[World, str], None], certs: Certificates
) -> None:
    async with provider(H2, certs) as fake, asyncio.TaskGroup() as group:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=PATIENT, routing=CALM) as edge:
            asking = group.create_task(edge.ask(ask, "think_ms=600,interval_ms=1"))
            await arrived(fake)
            end(edge, "cn2")
            answer = await asking
            assert (answer.status, answer.attempts, fake.executions(answer.id)) == (200, 1, 1)


async def test_a_false_alarm_costs_a_second_attempt_and_nothing_else(certs: Certificates) -> None:
    """The first attempt stays: it answers before the second one does."""
    async with provider(H2, certs) as fake, asyncio.TaskGroup() as group:
        fake.rule("think_ms=3000", source="127.0.1.2")
        async with world([endpoint(fake, H2, certs.authority)], timeouts=PATIENT, routing=CALM) as edge:
            asking = group.create_task(edge.ask(CHAT, "think_ms=500,interval_ms=1"))
            await arrived(fake)
            kill(edge, "cn2")
            answer = await asking
            assert (answer.status, answer.attempts) == (200, 2)
            assert answer.headers["x-farline-path"].startswith("cn2/")
            assert [a.outcome for a in answer.record.attempts] == ["committed", "cancelled"]


async def test_many_leave_together_and_each_runs_twice_at_most(certs: Certificates) -> None:
    """A hundred requests on the line: the budget for single failures would hold ten of them."""
    kinds = (STREAM, CHAT, EMBEDDING, SPEECH)
    async with provider(H2, certs) as fake, asyncio.TaskGroup() as group:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=PATIENT, routing=CALM) as edge:
            for _ in range(40):  # what good replies earn pays for what a dying line takes with it
                await edge.ask(EMBEDDING)
            fake.rule("fault=stall_before_head", source="127.0.1.1")
            before = len(fake.log)
            tasks = [group.create_task(edge.ask(kinds[number % 4])) for number in range(90)]
            await arrived(fake, before + 90)
            kill(edge, "cn2")
            answers = [await task for task in tasks]
            assert {(a.status, a.is_broken) for a in answers} == {(200, False)}
            assert max(fake.executions(a.id) for a in answers) <= 2
            moved = [a for a in answers if a.attempts == 2]
            assert 25 <= len(moved) <= 35
            assert all(a.record.failovers == ["line_down"] for a in moved)
            later = [await edge.ask(EMBEDDING) for _ in range(6)]
            assert all(a.record.path is not None and a.record.path.line != "cn2" for a in later)


async def test_a_dial_that_hangs_on_a_suspected_line_gets_its_rival_at_once(certs: Certificates) -> None:
    """No reply to the handshake: the race would begin after eight seconds."""
    async with provider(H2, certs) as fake, asyncio.TaskGroup() as group:
        fake.blackhole("127.0.1.1")
        async with world([endpoint(fake, H2, certs.authority)], timeouts=PATIENT, routing=CALM) as edge:
            asking = group.create_task(edge.ask(CHAT))
            await asyncio.sleep(0.3)
            suspect(edge, "cn2")
            answer = await asking
            assert (answer.status, answer.attempts, fake.executions(answer.id)) == (200, 1, 1)
            assert answer.headers["x-farline-path"].startswith("cu2/")
            assert answer.seconds < 6.0


async def test_the_line_comes_back_and_its_floor_is_warm_at_once(certs: Certificates) -> None:
    async with provider(H2, certs) as fake:
        end = endpoint(fake, H2, certs.authority, keep_warm=1)
        async with world([end], timeouts=PATIENT) as edge:
            await edge.ask(EMBEDDING)
            lines, pools = edge.node.pipeline.lines, edge.node.pools
            lines.update(HealthView(lines={"cn2": LineHealth(Standing.EJECTED, is_suspected=True)}))
            assert lines.dark == {"cn2": True}
            for pool in pools._pools.values():
                if pool.line.id == "cn2":
                    pool._warm_at, pool._warm_pause = monotonic() + 60.0, 60.0
                    for connection in list(pool._connections):
                        connection.abort()
            await asyncio.sleep(0.1)
            lines.update(HealthView())
            assert lines.dark == {}
            async with asyncio.timeout(5):
                while not edge.metric("farline_upstream_connections", line="cn2", state="idle"):
                    await asyncio.sleep(0.02)


async def test_an_ejection_that_has_run_out_is_seen_by_the_next_request(certs: Certificates) -> None:
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=PATIENT) as edge:
            edge.node.pipeline.lines.dark["cn2"] = True  # nobody said that it is over
            answers = [await edge.ask(EMBEDDING) for _ in range(3)]
            assert {a.record.path.line for a in answers if a.record.path} == {"cn2", "cu2", "cmi"}
