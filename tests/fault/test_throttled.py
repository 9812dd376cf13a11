"""Rate limits of the node's own credentials: avoid who has nothing left, wait where nobody has, come back when told."""

from __future__ import annotations

import asyncio
from dataclasses import replace
from typing import Any

from edge.config.model import Limits, Secret
from netem.provider.aio.server import FakeProvider
from tests.fault.world import CHAT, GENERATE, H1, H2, MESSAGES, STREAM, World, endpoint, provider, world
from tests.support.certificates import Certificates

OURS = Secret("env:KEY", "sk-ours")
THEIRS = Secret("env:OTHER", "sk-other")


def own(fake: FakeProvider, certs: Certificates, **changes: Any) -> Any:
    return endpoint(fake, H2, certs.authority, credential=OURS, **changes)


def limit(edge: World, **changes: Any) -> None:
    tables = edge.node.pipeline.tables
    edge.node.pipeline.tables = replace(tables, snapshot=replace(tables.snapshot, limits=Limits(**changes)))


async def test_a_refusal_that_says_when_is_waited_for(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([own(fake, certs)]) as edge:
        for ask in (CHAT, STREAM, MESSAGES, GENERATE):
            fake.rule("status=429,retry_after=1", times=1)
            answer = await edge.ask(ask)
            assert (answer.status, answer.attempts, fake.executions(answer.id)) == (200, 2, 1)
            assert answer.record.failovers == ["throttled"]
            assert [a.outcome for a in answer.record.attempts] == ["refused", "committed"]
            assert 1.0 <= answer.seconds < 4.0
        assert edge.metric("farline_queue_total", outcome="released") == 4
        assert edge.metric("farline_queue_seconds_count") == 4
        assert edge.metric("farline_queue_waiting") == 0


async def test_a_callers_own_limit_is_the_callers_business(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([endpoint(fake, H2, certs.authority)]) as edge:
        fake.rule("status=429,retry_after=1", times=1)
        answer = await edge.ask(CHAT)
        assert (answer.status, answer.headers["retry-after"]) == (429, "1")
        assert (await edge.ask(CHAT)).status == 200
        assert edge.metric("farline_queue_total") == 0


async def test_who_cannot_wait_so_long_learns_it_at_once(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([own(fake, certs)]) as edge:
        fake.rule("status=429,retry_after=30", times=1)
        first = await edge.ask(CHAT)
        assert (first.status, first.headers["retry-after"], first.failure) == (429, "30", None)  # the provider's own
        for ask in (CHAT, STREAM):
            answer = await edge.ask(ask)
            assert (answer.status, answer.error, answer.failure) == (429, "rate_limited", "rate_limited")
            assert 28 <= int(answer.headers["retry-after"]) <= 30
            assert (answer.attempts, answer.headers["x-should-retry"]) == (0, "true")
        other = await edge.ask(MESSAGES)
        assert other.status == 200  # another provider
        assert len(fake.log) == 2


async def test_the_callers_patience_counts(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([own(fake, certs)]) as edge:
        fake.rule("status=429,retry_after=4", times=1)
        answer = await edge.ask(CHAT, **{"x-stainless-read-timeout": "6"})
        assert (answer.status, answer.headers["retry-after"]) == (429, "4")


async def test_without_a_queue_the_answer_is_the_callers(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([own(fake, certs)]) as edge:
        limit(edge, queue_seconds=0.0)
        fake.rule("status=429,retry_after=1", times=2)
        assert [(await edge.ask(CHAT)).status for _ in range(3)] == [429, 429, 200]


async def test_they_go_one_by_one_and_the_queue_is_bounded(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, asyncio.TaskGroup() as group:
        async with world([own(fake, certs)]) as edge:
            limit(edge, queue_requests=10)
            fake.rule("status=429,retry_after=1", times=1)
            first = group.create_task(edge.ask(CHAT))
            async with asyncio.timeout(5):
                while not edge.metric("farline_queue_waiting"):
                    await asyncio.sleep(0.01)
            tasks = [
                group.create_task(edge.ask(CHAT, **{"x-farline-priority": "batch" if n % 2 else "realtime"}))
                for n in range(12)
            ]
            answers = [await first, *[await task for task in tasks]]
            assert sorted(a.status for a in answers) == [200] * 10 + [429] * 3
            assert edge.metric("farline_queue_total", outcome="full") == 3
            served = [a for a in answers if a.status == 200]
            order = [record.id for record in fake.log if record.status == 200]
            classes = [next(a.record.priority for a in served if a.id == each) for each in order]
            assert classes == sorted(classes, key=["realtime", "interactive", "batch"].index)
            times = [record.received_at for record in fake.log if record.status == 200]
            assert times[1] - times[0] > 0.05


async def test_who_leaves_gives_up_the_place(certs: Certificates) -> None:
    async with provider(H2, certs) as fake, world([own(fake, certs)]) as edge:
        fake.rule("status=429,retry_after=5", times=1)
        asking = asyncio.get_running_loop().create_task(edge.ask(CHAT))
        async with asyncio.timeout(5):
            while not edge.metric("farline_queue_waiting"):
                await asyncio.sleep(0.01)
        asking.cancel()
        async with asyncio.timeout(5):
            while edge.metric("farline_queue_waiting"):
                await asyncio.sleep(0.01)
        assert edge.metric("farline_queue_total", outcome="left") == 1
        async with asyncio.timeout(5):
            while not edge.metric("farline_clients_gone_total"):
                await asyncio.sleep(0.01)


async def test_credentials_take_turns_before_one_of_them_is_refused(certs: Certificates) -> None:
    """Two credentials at one host are two endpoints: the one that says that it has nothing left steps back."""
    async with provider(H1, certs) as fake:
        ends = [
            endpoint(fake, H1, certs.authority, id="a", credential=OURS),
            endpoint(fake, H1, certs.authority, id="b", credential=THEIRS),
        ]
        async with world(ends) as edge:
            app = fake._node.app
            app.headers = (
                ("x-ratelimit-limit-requests", "100"),
                ("x-ratelimit-remaining-requests", "0"),
                ("x-ratelimit-reset-requests", "10m0s"),
            )
            first = await edge.ask(CHAT)
            app.headers = ()
            labels = {"endpoint": "openai-a", "kind": "requests"}
            assert edge.metric("farline_credential_ratelimit_limit", **labels) == 100
            assert edge.metric("farline_credential_ratelimit_remaining", **labels) == 0
            later = [await edge.ask(CHAT) for _ in range(3)]
            used = [a.record.path.endpoint for a in (first, *later) if a.record.path]
            assert used == ["openai-a", "openai-b", "openai-b", "openai-b"]
            keys = [dict(record.headers).get("authorization") for record in fake.log]
            assert keys == ["Bearer sk-ours", *["Bearer sk-other"] * 3]
            assert edge.metric("farline_failovers_total") == 0
