"""Three lines, one of which the provider stops hearing or resets, in the middle of mixed traffic."""

from __future__ import annotations

import asyncio
from dataclasses import replace

import pytest

from health.change import Change
from health.standing import StandingRules
from netem.provider.aio.server import FakeProvider
from tests.fault.world import (
    CHAT,
    EMBEDDING,
    GENERATE,
    H1,
    H2,
    LINES,
    MESSAGES,
    QUICK,
    SPEECH,
    STREAM,
    Answer,
    World,
    endpoint,
    provider,
    world,
)
from tests.support.certificates import Certificates
from transport.path import Protocol

MIX = (
    (STREAM, "think_ms=50,interval_ms=10,tokens=15"),
    (CHAT, "think_ms=80"),
    (EMBEDDING, "think_ms=20"),
    (SPEECH, "think_ms=50"),
    (MESSAGES, "think_ms=30"),
)
TIMES = replace(QUICK, connect=0.6, first_byte=1.0, first_byte_stream=1.0, idle=1.5)
PINGED = replace(TIMES, first_byte=8.0, first_byte_stream=8.0, idle=8.0)  # long enough for HTTP/2's PING to tell
RULES = StandingRules(base_ejection=0.5, longest_ejection=1.0)
SICK = "cn2"


async def _traffic(edge: World, number: int, pause: float) -> list[Answer]:
    async with asyncio.TaskGroup() as group:
        tasks = []
        for index in range(number):
            tasks.append(group.create_task(edge.ask(*MIX[index % len(MIX)])))
            await asyncio.sleep(pause)
    return [task.result() for task in tasks]


def _standings(edge: World, line: str) -> list[str]:
    """The line's standings from now on, in order: probation may last for no more than one request."""
    seen: list[str] = []
    board = edge.node.board
    tell = board.on_change

    def hear(change: Change) -> None:
        if (change.kind, change.id) == ("line", line) and change.after in ("admitted", "ejected", "probation"):
            seen.append(change.after)
        tell(change)

    board.on_change = hear
    return seen


async def _until(edge: World, seen: list[str], standing: str) -> list[Answer]:
    """Asks on until the line has come to stand so, and forgets how it stood until then."""
    answers = []
    async with asyncio.timeout(12):
        while standing not in seen:
            answers.append(await edge.ask(EMBEDDING))
            await asyncio.sleep(0.01)
    del seen[: seen.index(standing) + 1]
    return answers


def _check(answers: list[Answer], fake: FakeProvider, codes: set[str]) -> None:
    """Nobody lost anything but those who had been committed to the sick line."""
    for answer in answers:
        assert answer.status == 200
        assert fake.executions(answer.id) <= 2
        for attempt in answer.record.attempts:
            if attempt.code is not None:
                assert attempt.path.line == SICK
                assert attempt.code in codes
        if answer.is_broken:
            assert answer.headers["x-farline-path"].startswith(f"{SICK}/")
            assert answer.failure in codes | {"idle_timeout"}
        else:
            assert answer.failure is None


@pytest.mark.parametrize("protocols", [H1, H2], ids=["h1", "h2"])
@pytest.mark.parametrize("kind", ["reset", "blackhole"])
async def test_a_sick_line(kind: str, protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    codes = {"connection_terminated"} if kind == "reset" else {"http_response_timeout", "connection_timeout"}
    source = LINES[0].source or ""
    async with provider(protocols, certs) as fake:
        break_it = fake.reset_sources if kind == "reset" else fake.blackhole
        times = PINGED if protocols == H2 else TIMES
        async with world([endpoint(fake, protocols, certs.authority)], timeouts=times, rules=RULES) as edge:
            seen = _standings(edge, SICK)
            async with asyncio.TaskGroup() as group:
                traffic = group.create_task(_traffic(edge, 200, 0.008))
                await asyncio.sleep(0.4)
                break_it(source)
                answers = await traffic
            answers += await _until(edge, seen, "ejected")
            answers += await _until(edge, seen, "probation")
            answers += await _until(edge, seen, "ejected")  # it was tried, and was still sick
            _check(answers, fake, codes)
            assert edge.metric("farline_failovers_total") >= 1
            break_it()
            _check(await _until(edge, seen, "admitted"), fake, codes)
            later = [await edge.ask(EMBEDDING) for _ in range(6)]
            assert {answer.record.path.line for answer in later if answer.record.path} == {line.id for line in LINES}


async def test_all_lines_die_under_traffic(certs: Certificates) -> None:
    """Once that is known everybody hears of it within a second, in his own dialect."""
    async with provider(H2, certs) as fake:
        async with world([endpoint(fake, H2, certs.authority)], timeouts=TIMES) as edge:
            await _traffic(edge, 10, 0.01)
            fake.blackhole("*")
            async with asyncio.timeout(20):
                while edge.metric("farline_line_standing", standing="admitted"):
                    assert (await edge.ask(EMBEDDING)).status in (503, 504)
            for ask, words in (
                (CHAT, b'"type":"server_error"'),
                (MESSAGES, b'"type":"overloaded_error"'),
                (GENERATE, b'"status":"UNAVAILABLE"'),
            ):
                answer = await edge.ask(ask)
                assert (answer.status, answer.failure, answer.attempts) == (503, "connection_timeout", 0)
                assert answer.headers["retry-after"] == "1"
                assert words in answer.body
                assert answer.seconds < 1.0
