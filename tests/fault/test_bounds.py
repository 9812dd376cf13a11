"""Bounds: no trouble is multiplied, a client isn't billed more than agreed, an effect is had at most once."""

from __future__ import annotations

import asyncio

import pytest

from edge.config.model import Routing
from tests.fault.world import BATCH, CHAT, H1, H2, LINES, MODELS, STREAM, Answer, Ask, World, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Protocol

TIGHT = Routing("weighted", retry_budget_ratio=0.2, retry_budget_floor=1.0)


async def _ask_many(edge: World, ask: Ask, sim: str, number: int = 100) -> list[Answer]:
    limit = asyncio.Semaphore(20)

    async def one() -> Answer:
        async with limit:
            return await edge.ask(ask, sim)

    async with asyncio.TaskGroup() as group:
        tasks = [group.create_task(one()) for _ in range(number)]
    return [task.result() for task in tasks]


@pytest.mark.parametrize("sim", ["fault=reset_before_head", "fault=refuse", "status=503", "status=500"])
@pytest.mark.parametrize("protocols", [H1, H2], ids=["h1", "h2"])
async def test_no_retry_storm(sim: str, protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    """Two endpoints, three lines, all failing: of 100 requests no more than the budget's share comes again."""
    async with provider(protocols, certs) as one, provider(protocols, certs) as two:
        ends = [endpoint(fake, protocols, certs.authority, id=name) for fake, name in ((one, "a"), (two, "b"))]
        async with world(ends, routing=TIGHT) as edge:
            began = asyncio.get_running_loop().time()
            answers = await _ask_many(edge, MODELS, sim)
            seconds = asyncio.get_running_loop().time() - began
            assert all(answer.status >= 500 for answer in answers)
            attempts = sum(answer.attempts for answer in answers)
            assert len(one.log) + len(two.log) <= attempts
            assert attempts <= 100 * 1.2 + TIGHT.retry_budget_floor * (1 + seconds)
            assert max(answer.attempts for answer in answers) <= TIGHT.max_attempts


@pytest.mark.parametrize("replays", [0, 1, 2])
async def test_billed_replays_are_bounded(replays: int, certs: Certificates) -> None:
    async with provider(H2, certs) as fake:
        async with world(
            [endpoint(fake, H2, certs.authority)], routing=Routing("weighted", max_billed_replays=replays)
        ) as edge:
            answer = await edge.ask(CHAT, "fault=reset_before_head")
            assert answer.status == 502
            assert fake.executions(answer.id) == 1 + replays == answer.attempts


@pytest.mark.parametrize(
    "fault",
    ["reset_before_head", "reset_after_head", "reset", "rst_stream", "refuse", "goaway", "goaway_hard",
     "stall_before_head", "stall_after_head", "stall", "truncate", "cut", "half_close"],
)  # fmt: skip
@pytest.mark.parametrize("protocols", [H1, H2], ids=["h1", "h2"])
async def test_an_effect_is_never_had_twice(fault: str, protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async with provider(protocols, certs) as fake, provider(protocols, certs) as other:
        ends = [endpoint(it, protocols, certs.authority, id=name) for it, name in ((fake, "a"), (other, "b"))]
        async with world(ends) as edge:
            answer = await edge.ask(BATCH, f"fault={fault},after=0")
            assert fake.executions(answer.id) + other.executions(answer.id) <= 1


async def test_answers_count_against_nobody(certs: Certificates) -> None:
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)]) as edge:
            for status in (400, 401, 404, 422):
                for _ in range(4):
                    answer = await edge.ask(CHAT, f"status={status}")
                    assert (answer.status, answer.attempts) == (status, 1)
            view = edge.node.board.view(asyncio.get_running_loop().time())
            assert not view.endpoints
            assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
            assert edge.metric("farline_failovers_total") == 0


@pytest.mark.parametrize("status", [429, 503, 529])
async def test_refusals_penalise_the_endpoint_and_not_the_line(status: int, certs: Certificates) -> None:
    """The region chain: the second endpoint answers, and is asked first while the penalty lasts."""
    async with provider(H2, certs) as busy, provider(H2, certs) as free:
        ends = [endpoint(fake, H2, certs.authority, id=name) for fake, name in ((busy, "a"), (free, "b"))]
        busy.rule(f"status={status},retry_after=30")
        async with world(ends) as edge:
            first = await edge.ask(STREAM)
            assert (first.status, first.attempts) == (200, 2)
            assert first.record.failovers == [f"status_{status}"]
            assert [a.path.endpoint for a in first.record.attempts] == ["openai-a", "openai-b"]
            assert [a.outcome for a in first.record.attempts] == ["refused", "committed"]
            assert (busy.executions(first.id), free.executions(first.id)) == (0, 1)
            for _ in range(4):
                later = await edge.ask(STREAM)
                assert (later.status, later.attempts) == (200, 1)
            assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
            assert edge.metric("farline_failovers_total", reason=f"status_{status}") == 1


async def test_a_held_refusal_is_passed_on_as_it_was_when_nothing_better_comes(certs: Certificates) -> None:
    async with provider(H2, certs) as busy, provider(H1, certs) as broken:
        async with world([endpoint(busy, H2, certs.authority)]) as edge:
            plain = await edge.ask(CHAT, "status=429,retry_after=11", **{"x-sim-id": "held"})
        ends = [endpoint(busy, H2, certs.authority, id="a"), endpoint(broken, H1, certs.authority, id="b")]
        broken.rule("fault=reset_before_head")
        busy.rule("status=429,retry_after=11")
        async with world(ends) as edge:
            answer = await edge.ask(CHAT, **{"x-sim-id": "held"})
            assert answer.status == 429
            assert answer.body == plain.body
            assert answer.headers["retry-after"] == "11"
            assert answer.headers["content-type"] == plain.headers["content-type"]
            assert answer.headers["x-farline-path"].endswith("/openai-a")
            assert answer.attempts > 1
            assert answer.record.failure is None


async def test_500_goes_to_another_endpoint_under_the_rule_for_unknown_fate(certs: Certificates) -> None:
    for ask, attempts in ((MODELS, 2), (CHAT, 2), (BATCH, 1)):
        async with provider(H2, certs) as sick, provider(H2, certs) as well:
            ends = [endpoint(fake, H2, certs.authority, id=name) for fake, name in ((sick, "a"), (well, "b"))]
            sick.rule("status=500")
            async with world(ends) as edge:
                answer = await edge.ask(ask)
                assert answer.attempts == attempts
                assert answer.status == (200 if attempts == 2 else 500)
                assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
