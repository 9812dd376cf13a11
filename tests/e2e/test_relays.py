"""Requests through a real relay: what the SDK sees, and how often the provider executed what."""

from __future__ import annotations

import asyncio
import base64
import os
import time
from collections.abc import Coroutine, Iterator
from typing import Any

import httpx2
import openai
import pytest

from tests.support.nodes import Edge, Provider, fetch_json
from tests.support.relays import NodeKeys, Relay, between, edge_config, node_keys, relayed
from tests.support.servers import free_ports
from tests.support.waiting import until

pytestmark = pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning")

USER = [{"role": "user", "content": "count for me"}]
THROUGH = "cn2+cu2/sjc/openai"
World = tuple[Provider, Relay, Edge, NodeKeys]


@pytest.fixture(scope="module")
def world() -> Iterator[World]:
    with relayed() as made:
        yield made
        assert "Traceback" not in made[2].err.read_text() + made[1].err.read_text()


def client_of(edge: Edge, sim: str = "", id: str = "", **headers: str) -> openai.AsyncOpenAI:
    told = {name: value for name, value in (("x-sim", sim), ("x-sim-id", id)) if value}
    return openai.AsyncOpenAI(
        base_url=f"{edge.url}/openai/v1", api_key="k", max_retries=0, default_headers={**told, **headers}
    )


async def stream(edge: Edge, sim: str = "", id: str = "", **headers: str) -> tuple[str, str]:
    """The path, and the text."""
    async with client_of(edge, sim, id, **headers) as client:
        asked = client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=USER, stream=True)
        raw = await asked
        text = "".join([c.choices[0].delta.content or "" async for c in raw.parse() if c.choices])
        return raw.headers["x-farline-path"], text


def begun(work: Coroutine[Any, Any, Any]) -> asyncio.Task[Any]:
    """It runs beside the test, which awaits it."""
    return asyncio.get_running_loop().create_task(work)


def count(number: int) -> str:
    return "".join(f"t{n:04} " for n in range(1, number + 1))


def relay_of(edge: Edge) -> dict[str, Any]:
    told: dict[str, Any] = fetch_json(f"{edge.admin_url}/api/v1/relays")["relays"][0]
    return told


def lines_of(edge: Edge) -> set[str]:
    """Those that carry the session now."""
    return {each["line"] for each in relay_of(edge)["carriers"]}


async def test_streams_through_the_relay(world: World) -> None:
    provider, relay, edge, _ = world
    found = await asyncio.gather(*(stream(edge, id=f"s{number}") for number in range(20)))
    assert set(found) == {(THROUGH, count(8))}
    executions = provider.executions()
    assert {executions[f"s{number}"] for number in range(20)} == {1}
    record = edge.requests()[-1]
    assert (record["path"], record["protocol"]) == (THROUGH, "farline")
    assert edge.metric("farline_relay_ready", relay="sjc") == 1
    assert edge.metric("farline_session_carriers", relay="sjc") >= 2
    assert edge.metric("farline_token_lateness_seconds_count", relay="sjc") > 0
    assert edge.metric("farline_relay_bytes_total", relay="sjc", direction="down") > 0
    assert '"edge":"bj-1"' in relay.out.read_text()


async def test_whole_replies_errors_and_priorities(world: World) -> None:
    _, _, edge, _ = world
    for priority in ("realtime", "interactive", "batch"):
        async with client_of(edge, **{"x-farline-priority": priority}) as client:
            reply = await client.chat.completions.create(model="gpt-4.1", messages=USER)
            assert reply.choices[0].message.content == count(8)
    async with client_of(edge, "status=400") as client:
        with pytest.raises(openai.BadRequestError):
            await client.chat.completions.create(model="gpt-4.1", messages=USER)


async def test_who_names_a_line_goes_directly(world: World) -> None:
    _, _, edge, _ = world
    assert (await stream(edge, **{"x-farline-line": "cu2"}))[0] == "cu2/direct/openai"


async def test_a_provider_that_the_relay_is_not_for(world: World) -> None:
    _, _, edge, _ = world
    async with httpx2.AsyncClient() as client:
        reply = await client.post(
            f"{edge.url}/anthropic/v1/messages",
            json={"model": "c", "max_tokens": 5, "messages": USER},
            headers={"x-api-key": "k", "anthropic-version": "2023-06-01"},
        )
    assert reply.status_code == 200
    assert reply.headers["x-farline-path"].split("/")[1] == "direct"


async def test_a_large_upload(world: World) -> None:
    _, _, edge, _ = world
    content = os.urandom(5_000_000)
    async with client_of(edge) as client:
        made = await client.files.create(file=("big.bin", content), purpose="assistants")
        assert made.bytes == len(content)
        assert (await client.files.content(made.id)).content == content
    assert edge.requests()[-1]["path"] == THROUGH


async def test_a_thin_stream_beside_uploads(world: World) -> None:
    _, _, edge, _ = world
    async with client_of(edge, **{"x-farline-priority": "batch"}) as client:
        content = os.urandom(8_000_000)
        uploads = [begun(client.files.create(file=(f"{n}.bin", content), purpose="batch")) for n in "ab"]
        await asyncio.sleep(0.05)
        assert await stream(edge, "interval_ms=5,tokens=40") == (THROUGH, count(40))
        assert [made.bytes for made in await asyncio.gather(*uploads)] == [len(content)] * 2


async def test_voice(world: World) -> None:
    _, relay, edge, _ = world
    async with client_of(edge) as client:
        async with client.realtime.connect(model="gpt-realtime") as live:
            assert (await live.recv()).type == "session.created"
            for size in (960, 200_000):
                sound = base64.b64encode(os.urandom(size)).decode()
                await live.input_audio_buffer.append(audio=sound)
                echoed = await live.recv()
                assert echoed.delta == sound
    await until(lambda: '"messages"' in relay.out.read_text())
    assert edge.requests()[-1]["path"] == THROUGH


async def test_a_drained_line_leaves_the_session(world: World) -> None:
    _, _, edge, _ = world
    running = begun(stream(edge, "interval_ms=20,tokens=60"))
    await asyncio.sleep(0.3)
    async with httpx2.AsyncClient(base_url=edge.admin_url) as admin:
        assert (await admin.post("/api/v1/lines/cn2/drain", json={})).status_code == 200
        await until(lambda: lines_of(edge) == {"cu2"}, 10, every=0.2)
        assert await running == (THROUGH, count(60))
        assert (await admin.post("/api/v1/lines/cn2/undrain", json={})).status_code == 200
    await until(lambda: lines_of(edge) == {"cn2", "cu2"}, 10, every=0.2)


async def test_why(world: World) -> None:
    _, _, edge, _ = world
    async with client_of(edge) as client:
        raw = await client.chat.completions.with_raw_response.create(model="gpt-4.1", messages=USER)
    told = fetch_json(f"{edge.admin_url}/api/v1/requests/{raw.headers['x-farline-request-id']}")
    assert told["ranking"]["paths"][0]["path"] == THROUGH
    assert told["ranking"]["paths"][0]["note"] == "over cn2 and cu2"


async def test_a_line_dies_and_nobody_notices() -> None:
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        async with between(relay.port) as way:
            with Edge(edge_config(made, provider.url, way.port, relay='redundancy = "hot"')) as edge:
                await until(lambda: "not ready → ready" in edge.err.read_text(), 10)
                await until(lambda: lines_of(edge) == {"cn2", "cu2"}, 10, every=0.2)
                sim = "interval_ms=20,tokens=100"
                running = [begun(stream(edge, sim, f"d{number}")) for number in range(10)]
                await asyncio.sleep(0.7)
                way.silent.add("127.0.0.2")
                assert set(await asyncio.gather(*running)) == {(THROUGH, count(100))}
                assert await stream(edge, id="after") == (THROUGH, count(8))
                assert set(provider.executions().values()) == {1}
                assert edge.metric("farline_session_suspicions_total", line="cn2") >= 1
                await asyncio.to_thread(edge.stop)  # while there is still a way to say goodbye


async def test_a_relay_that_dies() -> None:
    with relayed() as (provider, relay, edge, made):
        waiting = begun(stream(edge, "think_ms=1500", "waiting"))
        committed = begun(stream(edge, "interval_ms=50,tokens=200", "committed"))
        await asyncio.sleep(0.7)
        relay.kill()
        with Relay(made, provider.url, relay.port) as again:
            path, text = await waiting
            assert text == count(8)
            with pytest.raises((openai.APIError, httpx2.HTTPError)):
                await committed
            assert path.endswith("/openai")
            await until(lambda: relay_of(edge)["ready"], 20, every=0.2)
            assert await stream(edge, id="afterwards") == (THROUGH, count(8))
            executions = provider.executions()
            assert executions["waiting"] <= 2
            assert (executions["committed"], executions["afterwards"]) == (1, 1)
            assert again.child.poll() is None


async def test_no_relay_at_the_start_costs_no_time() -> None:
    with node_keys() as made, Provider() as provider:
        with Edge(edge_config(made, provider.url, 9)) as edge:
            began = time.monotonic()
            path, text = await stream(edge)
            assert (path.split("/")[1], text) == ("direct", count(8))
            assert time.monotonic() - began < 3.0
            assert not relay_of(edge)["ready"]
            with Relay(made, provider.url) as relay:
                edge.file.write_text(edge_config(made, provider.url, relay.port))
                await until(lambda: relay_of(edge)["ready"], 20, every=0.2)
                assert (await stream(edge))[0] == THROUGH


async def test_a_stranger_is_refused_and_told() -> None:
    with node_keys() as made, node_keys() as other, Provider() as provider, Relay(made, provider.url) as relay:
        with Edge(edge_config(other, provider.url, relay.port)) as edge:
            assert (await stream(edge))[0].split("/")[1] == "direct"
            await until(lambda: "relay sjc over line" in edge.err.read_text(), 20)
            await asyncio.sleep(1.5)  # looked at once a second
            assert relay_of(edge)["why_not"].startswith("no session")


async def test_an_edge_that_restarts_drains_its_streams() -> None:
    with relayed(extra="[limits]\ndrain_seconds = 10") as (provider, _, edge, _):
        running = begun(stream(edge, "interval_ms=20,tokens=60", "drained"))
        await until(lambda: "drained" in provider.executions(), 10)
        await asyncio.sleep(0.2)
        edge.child.terminate()
        assert await running == (THROUGH, count(60))
        assert provider.executions()["drained"] == 1
        assert await asyncio.to_thread(edge.child.wait, 15) == 0


async def test_workers_have_sessions_of_their_own() -> None:
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        data, admin = free_ports(2)
        text = edge_config(made, provider.url, relay.port).replace('"127.0.0.1:0"', f'"127.0.0.1:{data}"', 1)
        with Edge(text.replace('admin = "127.0.0.1:0"', f'admin = "127.0.0.1:{admin}"\nworkers = 2')) as edge:
            await until(lambda: edge.err.read_text().count("not ready → ready") == 2, 20)
            found = await asyncio.gather(*(stream(edge) for _ in range(10)))
            assert set(found) == {(THROUGH, count(8))}
            told = fetch_json(f"{edge.admin_url}/api/v1/relays")["relays"]
            assert [each["ready"] for each in told] == [True, True]


async def test_a_relay_that_falls_silent_is_left() -> None:
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        async with between(relay.port) as way:
            with Edge(edge_config(made, provider.url, way.port)) as edge:
                await until(lambda: "not ready → ready" in edge.err.read_text(), 20)
                waiting = begun(stream(edge, "think_ms=6000", "waiting"))
                await until(lambda: "waiting" in provider.executions(), 20)
                way.silent |= {"127.0.0.2", "127.0.0.3"}
                path, text = await waiting
                assert (path.split("/")[1], text) == ("direct", count(8))
                assert provider.executions()["waiting"] == 2  # nobody could know
                assert "relay sjc: relieved → suspected" in edge.err.read_text()
                assert (await stream(edge))[0].split("/")[1] == "direct"
                way.silent.clear()
                await until(lambda: relay_of(edge)["ready"], 30, every=0.2)
                await asyncio.to_thread(edge.stop)
