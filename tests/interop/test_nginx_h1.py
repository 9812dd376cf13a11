"""HTTP/1.1 through the pools against a real nginx: keep-alive, idle timeouts, TLS resumption, files, refusals."""

from __future__ import annotations

import asyncio
from pathlib import Path as FilePath

from tests.support.exchanges import RecordingSink, request
from tests.support.nginx import nginx
from tests.support.pooling import Authority, RecordingObserver, plain_target, pools_of
from tests.support.waiting import until
from transport.aio.pool import Pools
from transport.path import Line, Path, Protocol, Target

PATH = Path("line", "end")


async def get(pools: Pools, target: str, method: str = "GET", body: bytes | None = None) -> RecordingSink:
    sink = RecordingSink()
    connection = pools.take(PATH) or await pools.connect(PATH)
    connection.open(request(method, target), sink, body, end=True)
    return await sink.done(30)


async def test_one_connection_for_many_requests(tmp_path: FilePath) -> None:
    observer = RecordingObserver()
    async with nginx(tmp_path) as port, pools_of(plain_target(port), observer=observer) as pools:
        for _ in range(20):
            sink = await get(pools, "/hi")
            assert sink.head is not None
            assert sink.head.status == 200
            assert bytes(sink.body) == b"hello from nginx"
        assert (await get(pools, "/empty")).failure is None
        assert (await get(pools, "/hi", "HEAD")).body == b""
        assert len(observer.dialed) == 1


async def test_a_large_file_over_a_lines_address(tmp_path: FilePath) -> None:
    content = bytes(range(256)) * 40_000
    (tmp_path / "big").write_bytes(content)
    line = Line("line", source="127.0.1.3")
    async with nginx(tmp_path) as port, pools_of(plain_target(port), lines=(line,)) as pools:
        assert bytes((await get(pools, "/files/big")).body) == content
        assert bytes((await get(pools, "/peer")).body) == b"127.0.1.3 "


async def test_an_idle_connection_that_nginx_closes_costs_no_request(tmp_path: FilePath) -> None:
    observer = RecordingObserver()
    async with (
        nginx(tmp_path, settings="keepalive_timeout 1s;") as port,
        pools_of(plain_target(port), observer=observer) as pools,
    ):
        await get(pools, "/hi")
        await until(lambda: observer.closed)
        assert observer.closed[0][2] is None
        assert (await get(pools, "/hi")).failure is None


async def test_nginx_says_how_long_it_keeps_connections(tmp_path: FilePath) -> None:
    observer = RecordingObserver()
    async with (
        nginx(tmp_path, settings="keepalive_timeout 75s 2s;") as port,
        pools_of(plain_target(port), observer=observer) as pools,
    ):
        pools.start()
        await get(pools, "/hi")
        await until(lambda: observer.closed)  # ours, after about one second: nginx would wait for 75


async def test_tls_sessions_are_resumed(tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    observer = RecordingObserver()
    settings = "keepalive_requests 1; ssl_session_cache shared:s:1m;"
    async with nginx(tmp_path, tls=authority.files("127.0.0.1"), settings=settings) as port:
        target = Target("end", "127.0.0.1", port, protocols=(Protocol.H1,), ca_file=authority.file)
        async with pools_of(target, observer=observer) as pools:
            bodies = []
            for _ in range(3):
                bodies.append(bytes((await get(pools, "/peer")).body))
                await until(lambda: not pools.stats())
    assert bodies == [b"127.0.0.1 .", b"127.0.0.1 r", b"127.0.0.1 r"]
    assert [resumed for *_, resumed in observer.dialed] == [False, True, True]


async def test_a_refusal_while_the_body_is_being_sent(tmp_path: FilePath) -> None:
    async with nginx(tmp_path) as port, pools_of(plain_target(port)) as pools:
        connection = await pools.connect(PATH)
        sink = RecordingSink()
        head = request("POST", "/large", [(b"content-length", b"50000000")])
        exchange = connection.open(head, sink, b"x" * 65536, end=False)
        async with asyncio.timeout(10):
            while not sink.finished.is_set():
                sink.writable.clear()
                if exchange.send(b"x" * 65536):
                    await asyncio.sleep(0)
                else:
                    await asyncio.wait(
                        [
                            asyncio.get_running_loop().create_task(event.wait())
                            for event in (sink.writable, sink.finished)
                        ],
                        return_when=asyncio.FIRST_COMPLETED,
                    )
        assert sink.head is not None
        assert sink.head.status == 413
        assert (await get(pools, "/hi")).failure is None
