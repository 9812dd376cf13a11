"""Deadlines that have been learnt, hedges, and uploads that the far end doesn't take."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from edge.config.model import Routing, Timeouts
from tests.fault.world import BATCH, CHAT, H1, H2, MODELS, QUICK, Ask, World, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Protocol

LEARNT = replace(QUICK, connect=10.0, first_byte=60.0, first_byte_stream=60.0, idle=20.0, first_byte_floor=0.5)
CALM = Routing("weighted", race_after_ms=8000.0)


async def learn(edge: World, ask: Ask) -> None:
    """Enough of the kind to know what is usual, and time for the figures to be looked at again."""
    for _ in range(35):
        assert (await edge.ask(ask)).attempts == 1
    await asyncio.sleep(1.05)


@pytest.mark.parametrize(("ask", "attempts"), [(CHAT, 2), (MODELS, 2), (BATCH, 1)], ids=["billed", "free", "effect"])
async def test_a_reply_that_is_late_by_its_own_measure_is_asked_for_elsewhere(
    ask: Ask, attempts: int, certs: Certificates
) -> None:
    """The far end thinks for ever about one of them; the configured timeout is a minute."""
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=LEARNT, routing=CALM) as edge:
            await learn(edge, ask)
            answer = await edge.ask(ask, "think_ms=6000" if attempts == 1 else "fault=stall_before_head,times=1")
            assert (answer.status, answer.attempts, fake.executions(answer.id)) == (200, attempts, attempts)
            assert answer.record.failovers == ["overdue"] * (attempts - 1)


async def test_what_is_slow_and_not_lost_is_answered_by_the_first_attempt(certs: Certificates) -> None:
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=LEARNT, routing=CALM) as edge:
            await learn(edge, CHAT)
            fake.rule("think_ms=5000", source="127.0.1.1")
            fake.rule("think_ms=5000", source="127.0.1.2")
            fake.rule("think_ms=5000", source="127.0.1.3")
            answer = await edge.ask(CHAT)
            assert (answer.status, answer.attempts) == (200, 2)
            assert [a.outcome for a in answer.record.attempts] == ["committed", "cancelled"]


async def test_nothing_is_overdue_if_that_is_switched_off(certs: Certificates) -> None:
    times = replace(LEARNT, first_byte_adaptive=False)
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=times, routing=CALM) as edge:
            await learn(edge, CHAT)
            answer = await edge.ask(CHAT, "think_ms=2500")
            assert (answer.status, answer.attempts) == (200, 1)


@pytest.mark.parametrize(
    ("hedge", "ask", "attempts"), [("free", MODELS, 2), ("free", CHAT, 1), ("all", CHAT, 2), ("off", MODELS, 1)]
)
async def test_hedges(hedge: str, ask: Ask, attempts: int, certs: Certificates) -> None:
    routing = replace(CALM, hedge=hedge)
    times = replace(LEARNT, first_byte_adaptive=False)
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=times, routing=routing) as edge:
            await learn(edge, ask)
            seen = edge.metric("farline_attempts_total")
            answer = await edge.ask(ask, "think_ms=1500")
            assert (answer.status, len(answer.record.attempts)) == (200, attempts)
            assert edge.metric("farline_attempts_total") == seen + attempts
            assert fake.executions(answer.id) == attempts


@pytest.mark.parametrize("protocols", [H1, H2], ids=["h1", "h2"])
async def test_an_upload_that_is_not_taken_has_a_deadline(protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    times = Timeouts(connect=10.0, upload_stall=1.0)
    long = Ask("POST", "/openai/v1/files", bytes(24 * 2**20), "application/octet-stream")
    async with provider(protocols, certs) as fake:
        async with world([endpoint(fake, protocols, certs.authority)], timeouts=times, routing=CALM) as edge:
            answer = await edge.ask(long, "fault=stall_upload")
            assert (answer.status, answer.error) == (504, "connection_write_timeout")
            assert answer.attempts == 1
