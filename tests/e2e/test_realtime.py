"""WebSocket sessions of the SDKs through the edge: OpenAI Realtime and Gemini Live."""

from __future__ import annotations

import base64
import os
from collections.abc import AsyncIterator, Iterator
from pathlib import Path
from typing import Any

import openai
import pytest
import websockets
from google import genai
from google.genai import types
from websockets.exceptions import ConnectionClosed, ConnectionClosedError, InvalidStatus

from tests.support.certificates import certificates
from tests.support.nodes import LINES, Edge
from tests.support.sdks import Sdks, each, entered, of
from tests.support.worlds import World, world_config

pytestmark = [
    pytest.mark.filterwarnings("ignore:Inheritance class AiohttpClientSession:DeprecationWarning"),  # google-genai's
    pytest.mark.filterwarnings("ignore:connect.. must be used as a context manager:DeprecationWarning"),  # openai's
]

TEXT = "t0001 t0002 t0003 t0004 "


@pytest.fixture(params=(False, True), ids=("sync", "async"))
async def sdks(request: pytest.FixtureRequest, world: World) -> AsyncIterator[Sdks]:
    sdks = Sdks(world, "h1", request.param)
    async with sdks.stack:
        yield sdks
    sdks.check_seen()


async def test_openai_realtime(sdks: Sdks):
    client = await sdks.openai()
    async with entered(client.realtime.connect(model="gpt-realtime")) as live:
        assert (await of(live.recv())).type == "session.created"
        await of(live.session.update(session={"type": "realtime", "instructions": "be brief"}))
        assert (await of(live.recv())).type == "session.updated"
        for size in (960, 200_000):
            sound = base64.b64encode(os.urandom(size)).decode()
            await of(live.input_audio_buffer.append(audio=sound))
            echoed = await of(live.recv())
            assert (echoed.type, echoed.delta) == ("response.output_audio.delta", sound)
        item = {"type": "message", "role": "user", "content": [{"type": "input_text", "text": "hello"}]}
        await of(live.conversation.item.create(item=item))
        assert (await of(live.recv())).type == "conversation.item.added"
        await of(live.response.create())
        said = ""
        while (event := await of(live.recv())).type != "response.done":
            said += event.delta if event.type == "response.output_text.delta" else ""
        assert said == TEXT
    assert sdks.world.provider.log()[-1]["status"] == 101


@pytest.mark.parametrize("status", [401, 429])
async def test_a_refused_upgrade_is_an_error(sdks: Sdks, status: int):
    client = await sdks.openai()
    connecting = client.realtime.connect(model="m", extra_headers={"x-sim": f"status={status}"})
    with pytest.raises((InvalidStatus, openai.APIStatusError)) as caught:
        async with entered(connecting):
            pass
    assert caught.value.response.status_code == status  # type: ignore[attr-defined]  # both have it


async def _talk(connecting: Any) -> None:
    async with entered(connecting) as live:
        for _ in range(5):
            await of(live.input_audio_buffer.append(audio="AAAA"))
            await of(live.recv())


@pytest.mark.parametrize("fault", ["reset", "cut", "truncate"])
async def test_an_upstream_that_dies_is_no_normal_close(sdks: Sdks, fault: str):
    client = await sdks.openai()
    connecting = client.realtime.connect(model="m", extra_headers={"x-sim": f"fault={fault},after=2"})
    with pytest.raises(ConnectionClosedError) as caught:
        await _talk(connecting)
    assert caught.value.rcvd is None or caught.value.rcvd.code in (1011, 1012, 1014)


async def test_a_dead_line_before_the_upgrade_is_not_noticed(sdks: Sdks):
    provider = sdks.world.provider
    client = await sdks.openai()
    provider.faults(reset=[LINES["cn2"], LINES["cu2"]])
    try:
        for _ in range(3):
            async with entered(client.realtime.connect(model="m")) as live:
                assert (await of(live.recv())).type == "session.created"
            assert provider.log()[-1]["source"] == LINES["cmi"]
    finally:
        provider.faults(reset=[])


def _url(world: World) -> str:
    return world.url("openai", "h1").replace("http://", "ws://") + "/v1/realtime?model=m"


async def test_close_codes_and_frames_pass(world: World):
    async with websockets.connect(_url(world), additional_headers={"x-sim-id": "frames"}) as socket:
        await socket.recv()
        for frame in (b"", bytes(range(256)) * 300, os.urandom(1_000_000)):
            await socket.send(frame)
            assert await socket.recv() == frame
        pong = await socket.ping(b"hi")
        await pong
        await socket.close(4001, "that is all")
    assert (socket.close_code, socket.close_reason) == (4001, "that is all")
    async with websockets.connect(_url(world), additional_headers={"x-sim": "fault=truncate,after=1"}) as socket:
        await socket.recv()
        await socket.send(b"x")
        with pytest.raises(ConnectionClosed) as caught:
            await socket.recv()
    assert caught.value.rcvd is not None
    assert (caught.value.rcvd.code, caught.value.rcvd.reason) == (1011, "as ordered")


@pytest.fixture(scope="module")
def secure(world: World, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Edge, Path]]:
    """An edge with TLS of its own: google-genai speaks to no other."""
    made = certificates(tmp_path_factory.mktemp("tls"), "127.0.0.1")
    text = world_config(world.provider).replace(
        "[routing]", f'tls = {{ cert = "{made.chain}", key = "{made.key}" }}\n[routing]'
    )
    with Edge(text) as edge:
        yield edge, Path(made.authority)


async def test_gemini_live(secure: tuple[Edge, Path], monkeypatch: pytest.MonkeyPatch):
    edge, ca = secure
    monkeypatch.setenv("SSL_CERT_FILE", str(ca))
    client = genai.Client(api_key="k", http_options=types.HttpOptions(base_url=f"{edge.url}/gemini-h1"))
    config: Any = {"response_modalities": ["TEXT"]}
    async with client.aio.live.connect(model="gemini-live-2.5-flash", config=config) as live:
        sound = os.urandom(64_000)
        await live.send_realtime_input(audio=types.Blob(data=sound, mime_type="audio/pcm;rate=16000"))
        message = await live._receive()
        assert message.server_content.model_turn.parts[0].inline_data.data == sound
        turn = types.Content(role="user", parts=[types.Part(text="hello")])
        await live.send_client_content(turns=turn, turn_complete=True)
        assert "".join(message.text or "" for message in await each(live.receive())) == TEXT
    await client.aio.aclose()
    client.close()
