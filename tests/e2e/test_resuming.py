"""Streams of the Responses API that broke, taken up again with the vendor's SDK: every event once, executed once."""

from __future__ import annotations

import asyncio
import signal
from pathlib import Path
from typing import Any

import httpx2
import openai
import pytest
from google import genai

from tests.support.certificates import certificates
from tests.support.nodes import Edge, Provider, config
from tests.support.relays import Relay, edge_config, node_keys
from tests.support.waiting import until

SLOW = "think_ms=5,interval_ms=20,tokens=150"
EVENTS = 150 + 8  # created, in progress, two added, the deltas, three done, completed


def client_of(edge: Edge, id: str = "", key: str = "k", sim: str = SLOW) -> openai.AsyncOpenAI:
    told = {"x-sim": sim, **({"x-sim-id": id} if id else {})}
    return openai.AsyncOpenAI(base_url=f"{edge.url}/openai/v1", api_key=key, max_retries=0, default_headers=told)


async def begin(client: openai.AsyncOpenAI) -> Any:
    return await client.responses.create(model="gpt-4.1", input="count for me", stream=True)


async def read(stream: Any, events: list[Any], most: int = 10_000) -> None:
    """Adds what comes to `events`, until `most` are there."""
    async for event in stream:
        events.append(event)
        if len(events) >= most:
            return


def numbers(events: list[Any]) -> list[int]:
    return [event.sequence_number for event in events]


def text(events: list[Any]) -> str:
    return "".join(event.delta for event in events if event.type == "response.output_text.delta")


def whole() -> str:
    return "".join(f"t{number:04} " for number in range(1, 151))


async def rest(client: openai.AsyncOpenAI, events: list[Any]) -> Any:
    id, last = events[0].response.id, events[-1].sequence_number
    return await client.responses.retrieve(id, stream=True, starting_after=last)


async def take_up(client: openai.AsyncOpenAI, events: list[Any]) -> None:
    stream = await rest(client, events)
    async with stream:
        await read(stream, events)


def check(events: list[Any]) -> None:
    assert numbers(events) == list(range(EVENTS))
    assert text(events) == whole()
    assert events[-1].type == "response.completed"
    assert events[-1].response.output_text == whole()


async def test_an_edge_that_is_killed_and_its_successor() -> None:
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        text = edge_config(made, provider.url, relay.port)
        events: list[Any] = []
        with Edge(text) as edge:
            edge.wait_for("not ready → ready", edge.err)
            async with client_of(edge, "killed") as client:
                stream = await begin(client)
                await read(stream, events, 40)
                edge.stop(signal.SIGKILL)
                with pytest.raises((openai.APIError, httpx2.HTTPError)):
                    await read(stream, events)
        with Edge(text) as edge:
            async with client_of(edge) as client:
                await take_up(client, events)
            check(events)
            assert provider.executions()["killed"] == 1
            assert "Traceback" not in edge.err.read_text() + relay.err.read_text()
            record = edge.requests()[-1]
            assert (record["status"], record["path"]) == (200, "cn2+cu2/sjc/openai")
            await until(lambda: '"outcome":"done"' in relay.out.read_text())
            assert relay.metric("farline_repetitions_total", kind="resumed") == 1
        relay.kill()  # it would wait for the dead edge's session


async def test_a_client_whose_network_changed() -> None:
    """The edge lives, and carries the stream yet; the old connection is dead, or forgotten."""
    with Provider() as provider, Edge(config(provider.url)) as edge:
        events: list[Any] = []
        async with client_of(edge, "moved") as client, client_of(edge) as later:
            stream = await begin(client)
            await read(stream, events, 40)
            more = await rest(later, events)  # before the edge knows that the first connection is gone
            await stream.close()
            async with more:
                await read(more, events)
            check(events)
            assert provider.executions()["moved"] == 1
            again = events[:1]  # all of it, a moment after its end
            await take_up(later, again)
            check(again)
            assert (await raw(edge, events[0].response.id, "k")).headers["x-farline-resumed"] == "edge"
            strange = await raw(edge, events[0].response.id, "other")
            assert "x-farline-resumed" not in strange.headers  # the provider has answered
            assert strange.headers["x-farline-path"].endswith("/openai")


async def raw(edge: Edge, id: str, key: str) -> httpx2.Response:
    async with httpx2.AsyncClient() as client:
        headers = {"authorization": f"Bearer {key}"}
        return await client.get(f"{edge.url}/openai/v1/responses/{id}?stream=true", headers=headers)


async def broken(edge: Edge, id: str, sim: str = SLOW) -> list[Any]:
    """Reads forty events and leaves."""
    events: list[Any] = []
    async with client_of(edge, id, sim=sim) as client:
        stream = await begin(client)
        await read(stream, events, 40)
        await stream.close()
    return events


def outcome(provider: Provider, id: str) -> str:
    told: str = provider.log(id)[-1]["outcome"]
    return told


@pytest.mark.parametrize("is_relayed", [False, True])
async def test_what_becomes_of_a_stream_that_nobody_reads(is_relayed: bool) -> None:
    """By default it is cancelled; with `hold` it goes on for a while; who comes back in time gets all of it."""
    hold = 'on_client_gone = "hold"\n'
    with node_keys() as made, Provider() as provider, Relay(made, provider.url) as relay:
        text = edge_config(made, provider.url, relay.port, extra="[limits]\nresume_seconds = 3")
        if not is_relayed:
            text = text.replace(f"127.0.0.1:{relay.port}", "127.0.0.1:9")
        with Edge(text) as edge:
            if is_relayed:
                edge.wait_for("not ready → ready", edge.err)
            await broken(edge, "cancelled")
            await until(lambda: outcome(provider, "cancelled") == "cancelled", 10, every=0.1)
        held = text.replace('id = "openai"\n', f'id = "openai"\n{hold}', 1)
        with Edge(held) as edge:
            if is_relayed:
                edge.wait_for("not ready → ready", edge.err)
            events = await broken(edge, "held")
            await asyncio.sleep(0.5)
            async with client_of(edge) as client:
                await take_up(client, events)
            check(events)
            assert outcome(provider, "held") == "complete"
            await broken(edge, "forgotten", "interval_ms=20,tokens=2000")
            await until(lambda: outcome(provider, "forgotten") == "cancelled", 20, every=0.1)
            assert set(provider.executions().values()) == {1}


TWO = """[listen]
data = ["127.0.0.1:0"]
admin = "127.0.0.1:0"
[routing]
policy = "weighted"
[[provider]]
id = "{name}"
[[provider.endpoint]]
id = "one"
url = "{one}"
credential = "env:ONE"
[[provider.endpoint]]
id = "two"
url = "{two}"
credential = "env:TWO"
[[key]]
id = "a"
key = "env:KEY"
"""
KEYS = {"ONE": "first", "TWO": "second", "KEY": "farline-key-of-somebody"}


async def path_of(asked: Any) -> str:
    raw = await asked
    return str(raw.headers["x-farline-path"]).rpartition("/")[2]


async def test_a_response_is_asked_for_where_it_was_made() -> None:
    with Provider() as one, Provider() as two:
        with Edge(TWO.format(name="openai", one=one.url, two=two.url), KEYS) as edge:
            async with client_of(edge, key=KEYS["KEY"], sim="tokens=2") as client:
                stream = await client.responses.create(model="m", input="a", stream=True)
                first = [event async for event in stream]
                whole = await client.responses.create(model="m", input="a")
                maker = edge.requests()[-1]["path"].rpartition("/")[2]
                rules = [{"sim": "status=503", "path": "/v1/chat", "times": 1}]
                (one if maker == "one" else two).faults(rules=rules)  # others go to the other from now on
                asked = client.chat.completions.create(model="m", messages=[{"role": "user", "content": "hi"}])
                await asked
                told = client.responses.with_raw_response
                assert await path_of(told.create(model="m", input="b")) != maker
                for id in (first[0].response.id, whole.id):
                    assert await path_of(told.create(model="m", input="b", previous_response_id=id)) == maker
                    assert await path_of(told.retrieve(id)) == maker
                    assert await path_of(told.cancel(id)) == maker
                    assert await path_of(told.delete(id)) == maker


async def test_a_voice_session_goes_on_where_its_handle_was_issued(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    made = certificates(tmp_path, "127.0.0.1")
    with Provider() as one, Provider() as two:
        monkeypatch.setenv("SSL_CERT_FILE", str(made.authority))
        text = TWO.format(name="gemini", one=one.url, two=two.url)
        tls = f'tls = {{ cert = "{made.chain}", key = "{made.key}" }}\n[routing]'
        with Edge(text.replace("[routing]", tls), KEYS) as edge:
            client = genai.Client(api_key=KEYS["KEY"], http_options={"base_url": f"{edge.url}/gemini"})
            handle: str | None = None
            for number in range(4):
                settings = {
                    "response_modalities": ["TEXT"],
                    "session_resumption": {"handle": handle} if handle else {},
                }
                async with client.aio.live.connect(model="gemini-live-2.5-flash", config=settings) as live:
                    async for message in live.receive():
                        if message.session_resumption_update is not None:
                            handle = message.session_resumption_update.new_handle
                            break
                assert handle == "sim" + "-1" * (number + 1)
            endpoints = {record["path"].rpartition("/")[2] for record in edge.requests()}
            assert len(endpoints) == 1
