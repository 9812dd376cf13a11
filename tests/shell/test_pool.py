"""Pools on loopback: sharing dials, ceilings, floors, reload, shutdown, and cancellation at every await."""

from __future__ import annotations

import asyncio
import contextlib
from typing import Any

import pytest

from tests.shell.exchange_contract import Script
from tests.support.exchanges import RecordingSink, request
from tests.support.pooling import (
    RecordingObserver,
    fetch,
    full_backlog,
    nothing_leaks,
    open_files,
    plain_target,
    pools_of,
)
from tests.support.scripted_h1 import Play, answering, playing, read_request, serve
from tests.support.waiting import until
from transport.aio.h1 import H1Connection
from transport.aio.openers import Openers
from transport.connector import Connector
from transport.exchange import Connection
from transport.failure import Code, Failure, Origin, TransportError, Verdict
from transport.path import Line, Path, Protocol, Target

BOTH_LOOPS = True
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
PATH = Path("line", "end")
SERVING = playing(Script())


class Multiplexed(H1Connection):
    """Stands for HTTP/2 in tests of the pool: many slots, no exchanges."""

    protocol = Protocol.H2  # type: ignore[assignment]  # see above
    __slots__ = ("held",)

    def __init__(self, path: Path, owner: Any, authority: str, scheme: bytes = b"http") -> None:
        super().__init__(path, owner, authority)
        self.held = 0

    @property
    def in_flight(self) -> int:
        return self.held

    def has_slot(self) -> bool:
        return self._alive and not self._draining and self.held < 8

    def reserve(self) -> None:
        self.held += 1

    def release(self) -> None:
        self.held -= 1
        self._owner.on_slot_free(self)


MUX = Openers(h2=Multiplexed)


def mux_target(port: int, **settings: object) -> Target:
    return plain_target(port, protocols=(Protocol.H2,), **settings)


async def test_take_never_dials_and_finds_what_is_warm() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port)) as pools:
        connector: Connector = pools
        assert connector.take(PATH) is None
        first = await connector.connect(PATH)
        assert connector.take(PATH) is None
        await fetch(first)
        assert connector.take(PATH) is first
        assert connector.take(PATH, Protocol.H2) is None
        first.release()
        assert connector.take(PATH, Protocol.H1) is first
        first.release()
        assert [(stat.protocol, stat.idle, stat.active) for stat in pools.stats()] == [(Protocol.H1, 1, 0)]
        assert len(server.peers) == 1


async def test_h1_waiters_dial_one_connection_each_up_to_the_ceiling_then_queue_fifo() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port, max_connections=2)) as pools:
        order: list[int] = []

        async def one(number: int) -> None:
            connection = await pools.connect(PATH)
            order.append(number)
            await asyncio.sleep(0.02)
            await fetch(connection)

        async with asyncio.TaskGroup() as group:
            for number in range(6):
                group.create_task(one(number))
        assert order == list(range(6))
        assert len(server.peers) == 2


async def test_the_ceiling_is_ours_not_the_lines() -> None:
    async with (
        serve(SERVING) as server,
        pools_of(plain_target(server.port, max_connections=1), connect_timeout=0.2) as pools,
    ):
        held = await pools.connect(PATH)
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
        failure = caught.value.failure
        assert (failure.origin, failure.verdict, failure.code) == (
            Origin.EDGE,
            Verdict.SAFE,
            Code.CONNECTION_LIMIT_REACHED,
        )
        held.release()


async def test_one_multiplexed_dial_serves_all_who_wait() -> None:
    async with serve(SERVING) as server, pools_of(mux_target(server.port), openers=MUX) as pools:
        found = await asyncio.gather(*(pools.connect(PATH) for _ in range(8)))
        assert len({id(connection) for connection in found}) == 1
        ninth = await pools.connect(PATH)
        assert ninth is not found[0]
        assert len(server.peers) == 2
        for connection in (*found, ninth):
            connection.release()


async def test_a_pool_that_had_no_connection_grows_even_if_one_came_back() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port)) as pools:
        held = await pools.connect(PATH)
        assert pools.take(PATH) is None
        held.release()
        again = await pools.connect(PATH)  # at once: it is back
        assert again is held
        async with asyncio.timeout(5.0):
            while (second := pools.take(PATH)) is None:
                await asyncio.sleep(0.01)
        assert second is not held
        again.release()
        second.release()


async def test_a_failed_dial_is_told_to_those_it_was_for() -> None:
    observer = RecordingObserver()
    async with pools_of(mux_target(1), openers=MUX, observer=observer) as pools:
        results = await asyncio.gather(*(pools.connect(PATH) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, TransportError) for result in results)
    assert len(observer.failed) == 1
    observer = RecordingObserver()
    async with pools_of(plain_target(1), observer=observer) as pools:
        results = await asyncio.gather(*(pools.connect(PATH) for _ in range(5)), return_exceptions=True)
    assert all(isinstance(result, TransportError) for result in results)
    assert len(observer.failed) == 5


async def test_a_connection_without_a_slot_is_a_failed_dial_not_a_reason_to_dial_again() -> None:
    class Full(Multiplexed):
        __slots__ = ()

        def has_slot(self) -> bool:
            return False

    observer = RecordingObserver()
    async with serve(SERVING) as server:
        async with pools_of(mux_target(server.port), openers=Openers(h2=Full), observer=observer) as pools:
            with pytest.raises(TransportError) as caught:
                await pools.connect(PATH)
            assert caught.value.failure.code == Code.CONNECTION_TERMINATED
            await asyncio.sleep(0.02)
            assert pools.stats() == []
        assert len(server.peers) == 1
        assert (observer.dialed, observer.closed) == ([], [])


async def test_a_peer_that_closes_at_once_leaves_nothing() -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.transport.abort()

    async with serve(play) as server, pools_of(plain_target(server.port)) as pools:
        for _ in range(10):
            result = (await asyncio.gather(pools.connect(PATH), return_exceptions=True))[0]
            if isinstance(result, TransportError):
                assert result.failure.origin is Origin.LINE
            else:
                result.release()
        await until(lambda: not pools.stats())


async def test_a_cancelled_wait_doesnt_waste_its_dial() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port)) as pools:
        with nothing_leaks():
            wait = asyncio.get_running_loop().create_task(pools.connect(PATH))
            await asyncio.sleep(0)
            wait.cancel()
            with pytest.raises(asyncio.CancelledError):
                await wait
            await until(lambda: sum(stat.idle for stat in pools.stats()) == 1)
        connection = pools.take(PATH)
        assert connection is not None
        await fetch(connection)


async def test_cancelled_at_the_moment_of_the_handover() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port, max_connections=1)) as pools:
        held = await pools.connect(PATH)
        wait = asyncio.get_running_loop().create_task(pools.connect(PATH))
        await asyncio.sleep(0.01)
        held.release()  # hands it to the waiter, whose task hasn't run yet
        wait.cancel()
        with pytest.raises(asyncio.CancelledError):
            await wait
        assert pools.take(PATH) is held
        held.release()


@pytest.mark.parametrize("stop", ["tcp", "tls", "name", "proxy"])
async def test_closing_while_a_dial_hangs_leaves_nothing(stop: str) -> None:
    from transport.aio.resolver import Resolver

    async def hang(_: str) -> tuple[str, ...]:
        await asyncio.sleep(3600)
        return ()

    files = open_files()
    async with serve(playing(Script(hang="before"))) as server:
        stack = contextlib.ExitStack()
        line, target, resolver = Line("line"), plain_target(server.port), Resolver(look_up=hang, timeout=60)
        if stop == "tcp":
            target = plain_target(stack.enter_context(full_backlog()))
        elif stop == "tls":
            target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,))
        elif stop == "name":
            target = plain_target(server.port, host="far.test")
        else:
            line = Line("line", proxy=f"socks5://127.0.0.1:{server.port}")
        with nothing_leaks():
            async with pools_of(target, lines=(line,), resolver=resolver, connect_timeout=30.0) as pools:
                wait = asyncio.get_running_loop().create_task(pools.connect(PATH))
                await asyncio.sleep(0.15)
                await pools.close(0.05)
                result = (await asyncio.gather(wait, return_exceptions=True))[0]
                assert isinstance(result, TransportError)
                assert result.failure.verdict is Verdict.SAFE
            await asyncio.sleep(0.05)
        stack.close()
    await asyncio.sleep(0.05)
    assert open_files() <= files + 1  # the first use of a loop's thread pool may keep one


async def test_start_warms_to_the_floor_and_keeps_it() -> None:
    async with serve(SERVING) as server, pools_of(plain_target(server.port, keep_warm=3)) as pools:
        pools.start()
        await until(lambda: sum(stat.idle for stat in pools.stats()) == 3)
        for writer in server.writers:
            writer.transport.abort()
        await until(lambda: len(server.peers) == 6)
        await until(lambda: sum(stat.idle for stat in pools.stats()) == 3)


async def test_the_floor_isnt_hammered_while_dials_fail() -> None:
    observer = RecordingObserver()
    async with pools_of(plain_target(1, keep_warm=1), observer=observer) as pools:
        pools.start()
        await asyncio.sleep(0.5)
        assert len(observer.failed) == 1


async def test_idle_connections_retire_before_the_peer_would_close_them() -> None:
    reply = b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\nkeep-alive: timeout=1\r\n\r\n"
    observer = RecordingObserver()
    async with (
        serve(answering(reply, reply)) as server,
        pools_of(plain_target(server.port), observer=observer) as pools,
    ):
        pools.start()
        await fetch(await pools.connect(PATH))
        await until(lambda: observer.closed)
        assert observer.closed[0][2] is None
        assert pools.take(PATH) is None


async def test_the_kernels_round_trip_time_is_reported() -> None:
    observer = RecordingObserver()
    async with serve(SERVING) as server, pools_of(plain_target(server.port), observer=observer) as pools:
        await fetch(await pools.connect(PATH))
        pools.start()
        ((path, sample),) = observer.samples
        assert path == PATH
        assert 0 < sample.srtt < 1
        assert sample.segments >= 1
        assert (sample.retransmits, sample.unacked, sample.silent_for) == (0, 0, 0.0)


async def test_connections_that_carry_something_are_looked_at_and_at_most_four_of_a_path() -> None:
    observer = RecordingObserver()
    async with serve(SERVING) as server, pools_of(plain_target(server.port), observer=observer) as pools:
        held = [await pools.connect(PATH) for _ in range(6)]
        pools.start()
        await until(lambda: observer.samples)
        assert len(observer.samples) == 4
        for connection in held:
            connection.release()


async def test_a_proxys_round_trip_isnt_taken_for_the_far_ends() -> None:
    observer, line = RecordingObserver(), Line("line", proxy="http://127.0.0.1:1")
    async with serve(SERVING) as server, pools_of(plain_target(server.port), observer=observer) as pools:
        held = await pools.connect(PATH)
        pool = pools._pools[PATH]
        pool.line = line
        pool.sample_busy(0.0)
        held.release()
        pool.sweep(0.0, 1.0)
        assert observer.samples == []


async def test_a_bad_trust_store_is_told_by_the_first_dial_not_before() -> None:
    target = Target("end", "127.0.0.1", 1, protocols=(Protocol.H1,), ca_file="/nowhere/ca.pem")
    async with pools_of(target) as pools:
        pools.start()
        await asyncio.sleep(0.02)
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
        assert caught.value.failure.code == Code.PROXY_CONFIGURATION_ERROR
        assert pools._tasks.failures == 0


async def test_a_line_that_is_removed_drains() -> None:
    release = asyncio.Event()

    async def slow(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await read_request(reader)
        await release.wait()
        writer.write(OK)
        await reader.read()

    async with serve(slow) as server:
        target = plain_target(server.port)
        async with pools_of(target, lines=(Line("line"), Line("other"))) as pools:
            pools.start()
            busy = await pools.connect(PATH)
            idle = await pools.connect(PATH)
            idle.release()
            sink = RecordingSink()
            busy.open(request(), sink, None, end=True)
            pools.update((Line("other"),), (target,))
            assert pools.take(PATH) is None
            with pytest.raises(TransportError) as caught:
                await pools.connect(PATH)
            assert caught.value.failure.code == Code.PROXY_CONFIGURATION_ERROR
            release.set()
            await sink.done()
            assert sink.failure is None
            await until(lambda: not pools.stats())


async def test_reload_keeps_connections_that_would_be_dialed_alike() -> None:
    lines = (Line("line", weight=1),)
    async with serve(SERVING) as server, pools_of(plain_target(server.port), lines=lines) as pools:
        pools.start()
        connection = await pools.connect(PATH)
        connection.release()
        pools.update((Line("line", weight=50),), (plain_target(server.port, keep_warm=2),))
        await until(lambda: sum(stat.idle for stat in pools.stats()) == 2)
        pools.update((Line("line", source="127.0.1.9"),), (plain_target(server.port),))
        assert pools.take(PATH) is None
        await fetch(await pools.connect(PATH))
        assert server.peers[-1] == "127.0.1.9"


async def test_close_waits_for_the_grace_then_aborts() -> None:
    async with serve(playing(Script(hang="amid"))) as server, pools_of(plain_target(server.port)) as pools:
        connection = await pools.connect(PATH)
        sink = RecordingSink()
        connection.open(request(), sink, None, end=True)
        await asyncio.wait_for(sink.more.wait(), 5)
        await pools.close(0.05)
        await sink.done()
        assert sink.failure is not None
        assert (sink.failure.origin, sink.failure.verdict) == (Origin.EDGE, Verdict.UNSAFE)
        assert pools.stats() == []


async def test_a_dial_that_comes_up_during_drain_is_closed() -> None:
    async with serve(SERVING) as server:
        target = plain_target(server.port)
        async with pools_of(target) as pools:
            pools.start()
            wait = asyncio.get_running_loop().create_task(pools.connect(PATH))
            await asyncio.sleep(0)
            wait.cancel()
            await asyncio.gather(wait, return_exceptions=True)
            pools.update((), ())
            await until(lambda: not pools.stats())


# HTTP/3 beside TCP: fake openers, real pool


class Quic(Multiplexed):
    """Stands for HTTP/3: a connection that needs no transport here."""

    protocol = Protocol.H3  # type: ignore[assignment]  # see above

    def has_slot(self) -> bool:
        return self._alive and self.held < 8

    def close(self) -> None:
        self.abort()

    def abort(self) -> None:
        self._alive = False
        self._owner.on_lost(self, None)

    def up(self) -> Quic:
        self._alive = True
        return self


def h3_opener(delay: float, failure: Failure | None = None) -> Any:
    async def open_h3(*, sock: Any, path: Path, owner: Any, on_ticket: Any, ticket: Any, **_: Any) -> Connection:
        sock.close()
        await asyncio.sleep(delay)
        if failure is not None:
            raise TransportError(failure)
        on_ticket(b"ticket")
        return Quic(path, owner, "").up()

    return open_h3


SILENT = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)


def three(port: int, authority_file: str) -> Target:
    return Target("end", "127.0.0.1", port, protocols=(Protocol.H3, Protocol.H1), ca_file=authority_file)


@pytest.mark.parametrize(
    ("delay", "failure", "first", "finally_"),
    [
        (0.0, None, Protocol.H3, {Protocol.H3}),
        (0.6, None, Protocol.H1, {Protocol.H3, Protocol.H1}),
        (0.0, SILENT, Protocol.H1, {Protocol.H1}),
        (0.6, SILENT, Protocol.H1, {Protocol.H1}),
    ],
)
async def test_h3_has_a_head_start(
    tmp_path: Any, delay: float, failure: Failure | None, first: Protocol, finally_: set[Protocol]
) -> None:
    from tests.support.pooling import Authority

    authority = Authority(tmp_path)
    openers = Openers(h3=h3_opener(delay, failure))
    observer = RecordingObserver()
    async with (
        serve(SERVING, tls=authority.server("127.0.0.1")) as server,
        pools_of(three(server.port, authority.file), openers=openers, observer=observer) as pools,
    ):
        connection = await pools.connect(PATH)
        assert connection.protocol is first
        connection.release()
        await asyncio.sleep(0.8)
        assert {protocol for _, protocol, _, _ in observer.dialed} == finally_
        assert [broken for _, broken in observer.failed] == ([] if failure is None else [failure])
        pool = pools._pools[PATH]
        assert pool._fallback.plan(asyncio.get_running_loop().time()).quic is (failure is None)


async def test_both_h3_and_tcp_fail() -> None:
    openers = Openers(h3=h3_opener(0.0, SILENT))
    target = Target("end", "127.0.0.1", 1, protocols=(Protocol.H3, Protocol.H1))
    async with pools_of(target, openers=openers) as pools:
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
        assert caught.value.failure.code == Code.CONNECTION_REFUSED
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH, Protocol.H3)
        assert caught.value.failure == SILENT
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH, Protocol.H2)
        assert caught.value.failure.code == Code.DESTINATION_UNAVAILABLE


async def test_a_storm_of_requests_cancellations_and_resets_leaves_nothing() -> None:
    import random

    rng = random.Random(7)
    files = open_files()

    def flaky() -> Play:
        async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            for _ in range(rng.randrange(1, 6)):
                await read_request(reader)
                writer.write(OK)
            if rng.random() < 0.5:
                writer.transport.abort()

        return play

    async with serve(flaky()) as server:
        with nothing_leaks():
            async with pools_of(plain_target(server.port, max_connections=8)) as pools:
                served = 0

                async def client() -> None:
                    nonlocal served
                    for _ in range(15):
                        try:
                            async with asyncio.timeout(rng.choice((0.0005, 0.002, 1.0))):
                                connection = pools.take(PATH) or await pools.connect(PATH)
                                sink = RecordingSink()
                                exchange = connection.open(request(), sink, None, end=True)
                                try:
                                    await sink.finished.wait()
                                finally:
                                    exchange.cancel()
                                served += sink.failure is None
                        except TimeoutError:
                            pass

                async with asyncio.TaskGroup() as group:
                    for _ in range(30):
                        group.create_task(client())
                assert served > 100
                await until(lambda: all(stat.active == 0 and stat.dialing == 0 for stat in pools.stats()))
                assert sum(stat.idle for stat in pools.stats()) <= 8
    await asyncio.sleep(0.05)
    assert open_files() <= files + 1  # uvloop opens one of its own when it is first needed
