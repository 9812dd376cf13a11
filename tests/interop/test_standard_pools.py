"""The node's own pools against a real nginx that speaks HTTP/2: ALPN, many exchanges on one connection, resumption."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath

from tests.support.exchanges import RecordingSink, request
from tests.support.nginx import nginx
from tests.support.pooling import Authority, RecordingObserver, nothing_leaks
from tests.support.waiting import until
from transport.aio.standard import make_pools
from transport.path import Line, Path, Protocol, Target

PATH = Path("line", "end")


async def test_http_2_by_alpn_http_1_on_demand_and_resumption(tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    observer = RecordingObserver()
    async with nginx(tmp_path, tls=authority.files("127.0.0.1"), http2=True) as port:
        target = Target("end", "127.0.0.1", port, ca_file=authority.file)
        with nothing_leaks():
            pools = make_pools((Line("line", source="127.0.1.2"),), (target,), observer=observer)
            pools.start()

            async def get() -> RecordingSink:
                connection = pools.take(PATH) or await pools.connect(PATH)
                assert connection.protocol is Protocol.H2
                sink = RecordingSink()
                connection.open(request("GET", "/peer"), sink, None, end=True)
                return await sink.done()

            sinks = await asyncio.gather(*(get() for _ in range(40)))
            assert {bytes(sink.body) for sink in sinks} == {b"127.0.1.2 ."}
            assert [protocol for _, protocol, _, _ in observer.dialed] == [Protocol.H2]
            one = await pools.connect(PATH, Protocol.H1)
            assert one.protocol is Protocol.H1
            one.release()
            pools.update((), ())
            await until(lambda: not pools.stats())
            await pools.close(1.0)


async def test_http_3_that_is_blocked_falls_back_without_much_delay(tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    observer = RecordingObserver()
    async with nginx(tmp_path, tls=authority.files("127.0.0.1"), http2=True) as port:
        protocols = (Protocol.H3, Protocol.H2, Protocol.H1)
        target = Target("end", "127.0.0.1", port, protocols=protocols, ca_file=authority.file)
        with nothing_leaks():
            pools = make_pools((Line("line"),), (target,), observer=observer, connect_timeout=1.0)
            connection = await pools.connect(PATH)
            assert connection.protocol is Protocol.H2
            connection.release()
            await until(lambda: observer.failed)  # h3 finds nobody, later
            await pools.close(1.0)
