"""A finished request is freed at once: nothing of it waits for the cycle collector, whose pauses delay every stream."""

from __future__ import annotations

import gc

import aiohttp
import pytest

from tests.support.nodes import Provider, config, node

CHAT = {"model": "gpt-4.1", "messages": [{"role": "user", "content": "hi"}]}


@pytest.mark.parametrize("stream", [False, True])
async def test_nothing_is_left_for_the_collector(stream: bool) -> None:
    with Provider(sim="think_ms=0,interval_ms=0,tokens=3") as provider:
        async with node(config(provider.url)) as edge, aiohttp.ClientSession() as session:
            host, port = edge.ingress.addresses[0]

            async def ask(times: int) -> None:
                for _ in range(times):
                    url = f"http://{host}:{port}/openai/v1/chat/completions"
                    async with session.post(url, json={**CHAT, "stream": stream}) as reply:
                        assert reply.status == 200
                        await reply.read()

            await ask(5)
            gc.collect()
            gc.disable()
            gc.set_debug(gc.DEBUG_SAVEALL)
            try:
                await ask(20)
                gc.collect()
                ours = [x for x in gc.garbage if type(x).__module__.split(".")[0] in ("edge", "transport", "health")]
            finally:
                gc.set_debug(0)
                gc.garbage.clear()
                gc.enable()
            assert ours == []
