"""A streaming proxy as one writes it with aiohttp in an afternoon: `python -m tests.bench.aiohttp_proxy PORT A B`.

The yardstick for "just write a small Python proxy": aiohttp's server and client on uvloop, chunks passed as they come.
A and B are the ports of the upstreams behind /requests/ and /streams/.
"""

from __future__ import annotations

import sys

import aiohttp
import uvloop
from aiohttp import web

UPSTREAMS: dict[str, str] = {}
HOP_BY_HOP = {"connection", "keep-alive", "transfer-encoding", "te", "upgrade", "host", "content-length"}
SESSION = web.AppKey("session", aiohttp.ClientSession)


async def proxy(incoming: web.Request) -> web.StreamResponse:
    base = UPSTREAMS[incoming.match_info["provider"]]
    headers = {name: value for name, value in incoming.headers.items() if name.lower() not in HOP_BY_HOP}
    content = await incoming.read()
    async with incoming.app[SESSION].request(
        incoming.method, base + incoming.path_qs, headers=headers, data=content
    ) as reply:
        passed = {name: value for name, value in reply.headers.items() if name.lower() not in HOP_BY_HOP}
        outgoing = web.StreamResponse(status=reply.status, headers=passed)
        if reply.content_length is not None:
            outgoing.content_length = reply.content_length
        await outgoing.prepare(incoming)
        async for chunk in reply.content.iter_any():
            await outgoing.write(chunk)
        await outgoing.write_eof()
        return outgoing


async def application() -> web.Application:
    app = web.Application()

    async def session(app: web.Application):  # type: ignore[no-untyped-def]  # aiohttp's clean-up context
        connector = aiohttp.TCPConnector(limit=0)
        timeout = aiohttp.ClientTimeout(total=None)
        async with aiohttp.ClientSession(connector=connector, timeout=timeout, auto_decompress=False) as made:
            app[SESSION] = made
            yield

    app.cleanup_ctx.append(session)
    app.router.add_route("*", "/{provider}/{rest:.*}", proxy)
    return app


if __name__ == "__main__":
    UPSTREAMS |= {"requests": f"http://127.0.0.1:{sys.argv[2]}", "streams": f"http://127.0.0.1:{sys.argv[3]}"}
    uvloop.install()
    web.run_app(application(), host="127.0.0.1", port=int(sys.argv[1]), access_log=None, print=None, backlog=4096)
