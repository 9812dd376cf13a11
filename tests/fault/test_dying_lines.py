"""Lines that die for real: network namespaces, veth pairs, and the kernel's own idea of what is gone."""

from __future__ import annotations

import asyncio
import subprocess
from collections.abc import AsyncIterator, Callable
from contextlib import asynccontextmanager
from pathlib import Path as FilePath

import pytest

from edge.config.model import Timeouts
from health.probing import ProbePolicy
from health.standing import StandingRules
from netem.provider.aio.server import FakeProvider
from tests.fault.world import (
    CHAT,
    EMBEDDING,
    H1,
    H2,
    H3,
    SPEECH,
    STREAM,
    Answer,
    World,
    endpoint,
    provider,
    world,
)
from tests.support.certificates import Certificates, certificates
from tests.support.namespaces import FAR_ADDRESS, Links, inside, links
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Line, Path, Protocol

PATIENT = Timeouts(connect=2.0, first_byte_stream=60.0, first_byte=60.0, idle=60.0, commit_hold=30.0, total=120.0)
NOTICED = 6.5  # seconds: four, the timers' grain, and a busy machine
ASKED = 3.0  # seconds: one and a quarter until the next probe, some round trips' silence, and a busy machine
NAMES = ("cn2", "cu2", "cmi")


@pytest.fixture(scope="session")
def far_certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("far"), FAR_ADDRESS)


@asynccontextmanager
async def _far_world(
    protocols: tuple[Protocol, ...], certs: Certificates, lines: int = 3, probes: bool = True
) -> AsyncIterator[tuple[World, FakeProvider, Links]]:
    """A provider on the far side and an edge on the near one, joined by `lines` links."""
    probe = ProbePolicy(enabled=probes)
    with links(lines) as wires:
        with inside(wires.far):
            far = provider(protocols, certs, host=FAR_ADDRESS)
            fake = await far.__aenter__()
        try:
            with inside(wires.near):
                ours = tuple(Line(name, source=source) for name, source in zip(NAMES, wires.sources, strict=False))
                end = endpoint(fake, protocols, certs.authority)
                rules = StandingRules(base_ejection=1.0, longest_ejection=2.0)
                async with world([end], lines=ours, timeouts=PATIENT, rules=rules, probe=probe) as edge:
                    yield edge, fake, wires
        finally:
            await far.__aexit__(None, None, None)


async def _until(condition: Callable[[], object], seconds: float) -> float:
    """Waits for it; how long it took."""
    clock = asyncio.get_running_loop().time
    began = clock()
    async with asyncio.timeout(seconds):
        while not condition():
            await asyncio.sleep(0.02)
    return clock() - began


def _asked(fake: FakeProvider) -> int:
    """How many requests of clients have arrived: probes ask too."""
    return sum(record.id.startswith("ask-") for record in fake.log)


def _standing(edge: World, line: str, standing: str) -> bool:
    return edge.metric("farline_line_standing", line=line, standing=standing) == 1


BREAKS = {"link down": (Links.down, Links.up), "one-way blackhole": (Links.swallow, Links.heal)}


@pytest.mark.parametrize("probes", [True, False], ids=["probed", "unprobed"])
@pytest.mark.parametrize("protocols", [H1, H2, H3], ids=["h1", "h2", "h3"])
@pytest.mark.parametrize("kind", BREAKS)
async def test_a_silent_line_is_noticed_while_a_reply_is_awaited(
    kind: str,
    protocols: tuple[Protocol, ...],
    probes: bool,
    far_certs: Certificates,
    record_property: Callable[[str, object], None],
) -> None:
    """Nothing is unacknowledged, nothing is being sent: only asking can tell. Probes ask every second once each far
    end has answered one; else the connections' own keep-alives and PINGs do."""
    async with _far_world(protocols, far_certs, probes=probes) as (edge, fake, wires), asyncio.TaskGroup() as group:
        if probes:
            echoes = {"line": "cn2", "kind": "icmp", "result": "answered"}
            await _until(lambda: edge.metric("farline_probes_total", **echoes) >= 3, 10)  # one of each far end
        asking = group.create_task(edge.ask(STREAM, "fault=stall_before_head,times=1"))
        await _until(lambda: _asked(fake), 5)
        await asyncio.sleep(0.5)
        BREAKS[kind][0](wires, 0)
        assert _asked(fake) == 1
        took = await _until(lambda: _asked(fake) == 2, ASKED if probes else NOTICED)  # it has come by another line
        record_property("noticed_after_seconds", round(took, 2))
        print(f"{kind}, {protocols[0].value}, {probes=}: noticed after {took:.2f} s")
        answer = await asking
        assert (answer.status, answer.is_broken, answer.failure, answer.attempts) == (200, False, None, 2)
        assert fake.executions(answer.id) == 2
        noticed = [] if probes else ["connection_timeout"]
        assert answer.record.failovers[0] in ("line_suspected", "line_down", *noticed)
        assert len(answer.record.failovers) == 1
        assert [attempt.path.line for attempt in answer.record.attempts] == ["cn2", "cu2"]


async def _traffic(edge: World, number: int, seconds: float) -> list[Answer]:
    """Mixed requests, evenly spread over the time."""
    kinds = ((STREAM, "think_ms=200,interval_ms=20,tokens=20"), (CHAT, "think_ms=300"), (EMBEDDING, "think_ms=50"),
             (SPEECH, "think_ms=100"))  # fmt: skip
    async with asyncio.TaskGroup() as group:
        tasks = []
        for index in range(number):
            tasks.append(group.create_task(edge.ask(*kinds[index % len(kinds)])))
            await asyncio.sleep(seconds / number)
    return [task.result() for task in tasks]


@pytest.mark.parametrize("protocols", [H1, H2], ids=["h1", "h2"])
@pytest.mark.parametrize("kind", BREAKS)
async def test_no_uncommitted_request_is_lost_with_its_line(
    kind: str, protocols: tuple[Protocol, ...], far_certs: Certificates
) -> None:
    break_it, mend_it = BREAKS[kind]
    async with _far_world(protocols, far_certs) as (edge, fake, wires), asyncio.TaskGroup() as group:
        traffic = group.create_task(_traffic(edge, 200, 5.0))
        await asyncio.sleep(1.5)
        break_it(wires, 0)
        answers = await traffic
        async with asyncio.timeout(12):
            while not _standing(edge, "cn2", "ejected"):
                answers.append(await edge.ask(EMBEDDING))
        for answer in answers:
            executions = fake.executions(answer.id)
            assert answer.status == 200
            assert executions <= 2
            if answer.is_broken:  # it had been committed before its line died: it must not look complete
                assert answer.headers["x-farline-path"].startswith("cn2/")
                assert answer.failure == "connection_timeout"
            else:
                assert answer.failure is None
            for attempt in answer.record.attempts:
                if attempt.code is not None and not answer.is_broken:
                    assert attempt.path.line == "cn2"
                    assert attempt.code in ("connection_timeout", "line_down")
        assert sum(answer.is_broken for answer in answers) < 40
        await asyncio.sleep(3.0)  # longer than any ejection here: who stays silent isn't tried with requests
        assert _standing(edge, "cn2", "ejected")
        mend_it(wires, 0)
        async with asyncio.timeout(15):
            while not _standing(edge, "cn2", "admitted"):
                assert (await edge.ask(EMBEDDING)).status == 200
                await asyncio.sleep(0.05)
        later = [await edge.ask(EMBEDDING) for _ in range(6)]
        assert {answer.record.path.line for answer in later if answer.record.path} == set(NAMES)


@pytest.mark.parametrize("protocols", [H1, H2, H3], ids=["h1", "h2", "h3"])
async def test_once_the_line_is_known_to_be_down_its_requests_are_elsewhere_at_once(
    protocols: tuple[Protocol, ...], far_certs: Certificates, record_property: Callable[[str, object], None]
) -> None:
    """The kernel would need four seconds to notice; the word comes after 200 ms."""
    async with _far_world(protocols, far_certs) as (edge, fake, wires), asyncio.TaskGroup() as group:
        for _ in range(60):
            await edge.ask(EMBEDDING)
        before = _asked(fake)
        tasks = [group.create_task(edge.ask(CHAT, "think_ms=1500,interval_ms=0")) for _ in range(30)]
        await _until(lambda: _asked(fake) >= before + 30, 5)
        wires.swallow(0)
        await asyncio.sleep(0.2)
        now = asyncio.get_running_loop().time()
        edge.node.board.suspect("cn2", "silent", now)
        silence = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TIMEOUT)
        for _ in range(3):
            edge.node.board.failed(Path("cn2", "openai-main"), silence, now)
        answers = [await task for task in tasks]
        wires.heal(0)
        moved = [answer for answer in answers if answer.attempts == 2]
        stayed = sorted(answer.seconds for answer in answers if answer.attempts == 1)
        assert {(answer.status, answer.is_broken) for answer in answers} == {(200, False)}
        assert 5 <= len(moved) <= 15
        # Connections and probes may have noticed before the word came: suspicion is enough.
        assert all(answer.record.failovers in (["line_down"], ["line_suspected"]) for answer in moved)
        assert max(fake.executions(answer.id) for answer in answers) == 2
        later = [moved.seconds - stayed[len(stayed) // 2] for moved in moved]
        record_property("later_by_seconds", round(max(later), 3))
        print(f"{protocols[0].value}: {len(moved)} moved, later by {min(later):.3f} to {max(later):.3f} s")
        assert max(later) < 3.0


async def test_stale_pooled_connections_cost_no_request(far_certs: Certificates) -> None:
    """The far end forgot fifty idle connections without a word (a restart behind a dead link)."""
    async with _far_world(H1, far_certs, lines=1) as (edge, fake, wires):
        async with asyncio.TaskGroup() as group:
            for _ in range(50):
                group.create_task(edge.ask(EMBEDDING, "think_ms=2000"))  # all at once: none is used twice
        assert edge.metric("farline_upstream_connections", state="idle") >= 45
        wires.down(0)
        fake.close_connections()
        for front in list(fake._fronts):
            front.reset()
        await asyncio.sleep(1.2)
        wires.up(0)
        async with asyncio.TaskGroup() as group:
            tasks = [group.create_task(edge.ask(EMBEDDING, "think_ms=100")) for _ in range(50)]
        answers = [task.result() for task in tasks]
        assert {a.status for a in answers} == {200}
        assert {fake.executions(a.id) for a in answers} == {1}
        assert max(a.attempts for a in answers) <= 2


def test_what_a_dead_process_left_is_removed() -> None:
    name = "flt999999999e"  # beyond the largest process id
    with links(1):
        pass
    subprocess.run(["ip", "netns", "add", name], check=True)
    with links(1):
        assert not FilePath("/run/netns", name).exists()
