"""HTTP/3 is discovered: a target reached over HTTP/2 says by Alt-Svc that it speaks HTTP/3 too."""

from __future__ import annotations

import asyncio

from netem.provider import FakeProvider
from tests.support.exchange import PATH
from tests.support.pooling import fetch
from transport.aio.standard import make_pools
from transport.path import Line, Protocol, Target


async def test_http3_is_used_once_http2_has_advertised_it() -> None:
    async with FakeProvider(tls=True, h3=True, alt_svc=True) as provider:
        target = Target(
            PATH.endpoint,
            provider.host,
            provider.port,
            protocols=(Protocol.H2, Protocol.H3, Protocol.H1),
            ca_file=provider.ca_file,
        )
        pools = make_pools([Line(PATH.line)], [target])
        pools.start()
        try:
            seen = []
            for _ in range(3):
                connection = await pools.connect(PATH)
                seen.append(connection.protocol)
                await fetch(connection)
                connection.close()
                await asyncio.sleep(0.05)
        finally:
            await pools.close(1.0)
    assert seen[0] is Protocol.H2
    assert seen[-1] is Protocol.H3
