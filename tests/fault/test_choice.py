"""Choice in a running node: rules and operators' words reach the caller, and everybody can be told why."""

from __future__ import annotations

from dataclasses import replace

from edge.config.model import Routing
from edge.routing.controls import Controls, LineControl, Pin, Switch
from edge.routing.explain import as_document
from edge.serve import clock
from edge.serve.clock import LocalClock
from netem.provider.aio.server import FakeProvider
from tests.fault.world import CHAT, EMBEDDING, H1, MODELS, World, endpoint, provider, world
from tests.support.certificates import Certificates
from transport.path import Path

BEST = Routing()


def ends(fake: FakeProvider, certs: Certificates):
    made = endpoint(fake, H1, certs.authority)
    return [replace(made, id="us", region="us-west"), replace(made, id="eu", region="eu-central")]


async def lines_used(edge: World, number: int = 12) -> set[str]:
    answers = [await edge.ask(EMBEDDING) for _ in range(number)]
    return {answer.headers["x-farline-path"].split("/")[0] for answer in answers}


async def test_operators_are_obeyed_from_the_next_request_on(certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        async with world(ends(fake, certs), routing=BEST) as edge:
            assert await lines_used(edge, 30) == {"cn2", "cu2", "cmi"}  # nothing is known: all are used
            edge.node.pipeline.controls = Controls(1, {"cn2": LineControl(switch=Switch.DRAINING)})
            assert "cn2" not in await lines_used(edge)
            edge.node.pipeline.controls = Controls(2, pins=(Pin("provider:openai", "cn2"),))
            assert await lines_used(edge) == {"cn2"}
            off = LineControl(switch=Switch.OFF)
            edge.node.pipeline.controls = Controls(3, dict.fromkeys(("cn2", "cu2", "cmi"), off))
            answer = await edge.ask(CHAT)
            assert (answer.status, answer.failure) == (503, "destination_unavailable")
            assert b"no line takes new requests" in answer.body
            found = edge.node.recent.find(answer.record.id)
            assert found is not None
            assert found[1] is not None
            assert {each.note for each in found[1].excluded} == {"off"}


async def test_every_request_can_be_explained(certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        async with world(ends(fake, certs), routing=BEST) as edge:
            answer = await edge.ask(EMBEDDING)
            newest = edge.node.recent.latest(1)[0]
            assert newest is answer.record
            found = edge.node.recent.find(newest.id)
            assert found is not None
            ranking = found[1]
            assert ranking is not None
            assert len(ranking.paths) == 6
            assert str(ranking.paths[0].path) == answer.headers["x-farline-path"]
            document = as_document(ranking)
            assert document["policy"] == "best"
            assert edge.metric("farline_line_score", line="cn2") == 1.0


async def test_a_conversation_stays_at_its_endpoint(certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        async with world(ends(fake, certs), routing=BEST) as edge:
            homes = set()
            for talk in range(8):
                headers = {"x-farline-sticky": f"talk-{talk}"}
                answers = [await edge.ask(EMBEDDING, **headers) for _ in range(4)]
                found = {answer.headers["x-farline-path"].split("/")[2] for answer in answers}
                assert len(found) == 1
                homes |= found
            assert homes == {"openai-us", "openai-eu"}
            assert all("x-farline-sticky" not in record["headers"] for record in fake.log())


async def test_residency_and_the_line_that_is_named(certs: Certificates) -> None:
    async with provider(H1, certs) as fake:
        async with world(ends(fake, certs), routing=BEST) as edge:
            residency = edge.node.pipeline.tables.residency
            only = {"text-embedding-3-small": "eu-central", "gpt-4.1": "jp"}
            residency._rules["openai"] = {model: frozenset({region}) for model, region in only.items()}
            for _ in range(6):
                answer = await edge.ask(EMBEDDING)
                assert answer.headers["x-farline-path"].endswith("/openai-eu")
            refused = await edge.ask(CHAT)
            assert (refused.status, refused.failure) == (403, "http_request_denied")
            assert b"no endpoint of openai is in a region allowed here (jp)" in refused.body
            assert (await edge.ask(MODELS)).status == 403  # no model: under the rules of all
            named = await edge.ask(EMBEDDING, **{"x-farline-line": "cmi"})
            assert named.record.path == Path("cmi", "openai-eu")


def test_the_nodes_own_clock(monkeypatch) -> None:
    now = [1_790_000_000.9]  # 2026-09-21 14:13:20 UTC, a Monday
    monkeypatch.setattr(clock, "time", lambda: now[0])
    here = LocalClock("Asia/Shanghai").moment
    moment = here()
    assert (moment.utc, moment.weekday, moment.minute) == (1_790_000_000.0, 0, 22 * 60 + 13)
    now[0] += 0.05
    assert here() is moment
    now[0] += 0.05
    assert here() is not moment
    assert LocalClock("+10:00").moment().weekday == 1
