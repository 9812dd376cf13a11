"""Dials on loopback: source addresses, socket options, proxies, races, and what each fault is called."""

from __future__ import annotations

import asyncio
import gc
import logging
import socket
from pathlib import Path as FilePath

import pytest

from tests.shell.exchange_contract import Script
from tests.support.pooling import (
    Authority,
    RecordingObserver,
    fetch,
    full_backlog,
    open_files,
    plain_target,
    pools_of,
)
from tests.support.proxies import ProxyLog, connect_proxy, socks5_proxy
from tests.support.scripted_h1 import answering, playing, serve
from tests.support.waiting import until
from transport.aio.dial import Race
from transport.aio.h1 import H1Connection
from transport.aio.line import SocketPolicy, tcp_socket, udp_socket
from transport.aio.resolver import Resolver
from transport.dialing import endpoint_fault, line_fault
from transport.dns import DnsCache, DnsPolicy
from transport.failure import Code, Origin, TransportError, Verdict
from transport.path import Line, Path, Protocol, Target

BOTH_LOOPS = True
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\n\r\nhi"
PATH = Path("line", "end")


def known(**hosts: str) -> Resolver:
    """A resolver whose cache knows these names for an hour; dots are written as underscores."""
    cache = DnsCache(DnsPolicy(ttl=3600))
    for name, addresses in hosts.items():
        cache.store(name.replace("_", "."), tuple(addresses.split()), asyncio.get_running_loop().time())
    return Resolver(cache)


@pytest.mark.parametrize("source", ["127.0.1.1", "127.0.1.2", "127.0.1.3"])
async def test_the_server_sees_the_lines_source_address(source: str) -> None:
    async with (
        serve(answering(OK)) as server,
        pools_of(plain_target(server.port), lines=(Line("line", source=source),)) as pools,
    ):
        assert bytes((await fetch(await pools.connect(PATH))).body) == b"hi"
        assert server.peers == [source]


async def test_ipv6_and_a_name_with_both_families() -> None:
    async with serve(answering(OK), host="::1") as server:
        target = plain_target(server.port, host="both.test")
        resolver = known(both_test="127.0.0.1 ::1")
        async with pools_of(target, resolver=resolver) as pools:
            await fetch(await pools.connect(PATH))
        async with pools_of(target, resolver=resolver, lines=(Line("line", source="127.0.1.1"),)) as pools:
            with pytest.raises(TransportError) as caught:
                await pools.connect(PATH)
            assert caught.value.failure.code == Code.CONNECTION_REFUSED
        assert server.peers == ["::1"]


async def test_a_line_of_the_wrong_family_is_unroutable() -> None:
    async with pools_of(plain_target(80, host="::1"), lines=(Line("line", source="127.0.1.1"),)) as pools:
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
    assert (caught.value.failure.origin, caught.value.failure.code) == (Origin.LINE, Code.DESTINATION_IP_UNROUTABLE)


async def test_socket_options() -> None:
    async with serve(answering(OK)) as server:
        line = Line("line", interface="lo", congestion="bbr")
        async with pools_of(plain_target(server.port), lines=(line,)) as pools:
            connection = await pools.connect(PATH)
            assert isinstance(connection, H1Connection)
            sock = connection.transport.get_extra_info("socket")
            tcp = socket.IPPROTO_TCP
            assert sock.getsockopt(tcp, socket.TCP_CONGESTION, 16).rstrip(b"\0") == b"bbr"
            assert sock.getsockopt(tcp, socket.TCP_NODELAY) != 0
            assert sock.getsockopt(tcp, socket.TCP_USER_TIMEOUT) == 4000
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_KEEPALIVE) != 0
            assert sock.getsockopt(socket.SOL_SOCKET, socket.SO_BINDTODEVICE, 16).rstrip(b"\0") == b"lo"
            connection.release()


async def test_an_unknown_congestion_control_is_logged_once(caplog: pytest.LogCaptureFixture) -> None:
    line = Line("cc-line", congestion="no-such-thing")
    with caplog.at_level(logging.WARNING):
        for _ in range(3):
            tcp_socket(line, "127.0.0.1", SocketPolicy()).close()
    assert len([record for record in caplog.records if "no-such-thing" in record.getMessage()]) <= 1


async def test_udp_sockets_are_bound_to_the_line() -> None:
    with udp_socket(Line("line", source="127.0.1.2"), "127.0.0.1", SocketPolicy()) as sock:
        assert sock.getsockname()[0] == "127.0.1.2"
        assert sock.getsockname()[1] != 0
    with udp_socket(Line("line"), "::1", SocketPolicy()) as sock:
        assert sock.getsockname()[1] != 0


async def failure_of(target: Target, line: Line, **settings: object) -> tuple[Origin, str]:
    observer = RecordingObserver()
    files = open_files()
    async with pools_of(target, lines=(line,), observer=observer, **settings) as pools:
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
    failure = caught.value.failure
    assert failure.verdict is Verdict.SAFE
    assert observer.failed == [(PATH, failure)]
    await asyncio.sleep(0.02)
    assert open_files() <= files
    return failure.origin, failure.code


def closed_port() -> int:
    with socket.socket() as sock:
        sock.bind(("127.0.0.1", 0))
        return int(sock.getsockname()[1])


async def test_refused() -> None:
    assert await failure_of(plain_target(closed_port()), Line("line")) == (Origin.ENDPOINT, Code.CONNECTION_REFUSED)


async def test_a_source_address_that_is_gone() -> None:
    found = await failure_of(plain_target(80), Line("line", source="192.0.2.1"))
    assert found == (Origin.LINE, Code.DESTINATION_IP_UNROUTABLE)


async def test_an_interface_that_is_gone() -> None:
    found = await failure_of(plain_target(80), Line("line", interface="no-such-if"))
    assert found == (Origin.LINE, Code.DESTINATION_IP_UNROUTABLE)


async def test_every_address_fails() -> None:
    target = plain_target(closed_port(), host="both.test")
    found = await failure_of(target, Line("line"), resolver=known(both_test="127.0.0.1 127.0.0.2 ::1"))
    assert found == (Origin.ENDPOINT, Code.CONNECTION_REFUSED)


async def unknown(host: str) -> tuple[str, ...]:
    raise socket.gaierror(socket.EAI_NONAME, f"{host} is not known")


async def test_an_unknown_name() -> None:
    resolver = Resolver(look_up=unknown)
    found = await failure_of(plain_target(80, host="nowhere.test"), Line("line"), resolver=resolver)
    assert found == (Origin.ENDPOINT, Code.DNS_ERROR)


async def test_a_name_that_getaddrinfo_knows() -> None:
    async with serve(answering(OK)) as server, pools_of(plain_target(server.port, host="localhost")) as pools:
        await fetch(await pools.connect(PATH))


async def test_a_far_end_that_never_answers() -> None:
    with full_backlog() as port:
        found = await failure_of(plain_target(port), Line("line"), connect_timeout=0.3)
    assert found == (Origin.LINE, Code.CONNECTION_TIMEOUT)


async def test_a_peer_that_says_nothing_to_tls(tmp_path: FilePath) -> None:
    async with serve(playing(Script(hang="before"))) as server:
        target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,), ca_file=Authority(tmp_path).file)
        found = await failure_of(target, Line("line"), connect_timeout=0.4)
    assert found == (Origin.LINE, Code.CONNECTION_TIMEOUT)


async def test_a_peer_that_closes_during_the_handshake(tmp_path: FilePath) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serve(play) as server:
        target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,), ca_file=Authority(tmp_path).file)
        assert await failure_of(target, Line("line")) == (Origin.LINE, Code.CONNECTION_TERMINATED)


async def test_a_peer_without_tls(tmp_path: FilePath) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        await reader.read()

    async with serve(play) as server:
        target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,), ca_file=Authority(tmp_path).file)
        assert await failure_of(target, Line("line")) == (Origin.ENDPOINT, Code.TLS_PROTOCOL_ERROR)


async def test_a_missing_trust_store() -> None:
    target = Target("end", "127.0.0.1", 443, protocols=(Protocol.H1,), ca_file="/nowhere/ca.pem")
    assert await failure_of(target, Line("line")) == (Origin.ENDPOINT, Code.PROXY_CONFIGURATION_ERROR)


PROXIES = [("http", connect_proxy), ("socks5", socks5_proxy)]


@pytest.mark.parametrize(("scheme", "make"), PROXIES)
@pytest.mark.parametrize("tls", [False, True], ids=["plain", "tls"])
async def test_through_a_proxy_with_its_own_names(scheme: str, make, tls: bool, tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    log = ProxyLog()
    names = {"far.test": "127.0.0.1"}
    async with (
        serve(answering(OK), tls=authority.server("far.test") if tls else None) as server,
        serve(make(log, "user", "p@ss:", names=names)) as proxy,
    ):
        line = Line("line", proxy=f"{scheme}://user:p%40ss%3A@127.0.0.1:{proxy.port}")
        target = Target("end", "far.test", server.port, tls=tls, protocols=(Protocol.H1,), ca_file=authority.file)
        async with pools_of(target, lines=(line,)) as pools:
            assert bytes((await fetch(await pools.connect(PATH))).body) == b"hi"
        assert log.targets == [("far.test", server.port)]


@pytest.mark.parametrize(("scheme", "make"), PROXIES)
async def test_a_proxy_that_wants_a_password(scheme: str, make) -> None:
    async with serve(make(ProxyLog(), "user", "secret")) as proxy:
        for credentials in ("", "user:wrong@"):
            line = Line("line", proxy=f"{scheme}://{credentials}127.0.0.1:{proxy.port}")
            assert await failure_of(plain_target(80), line) == (Origin.LINE, Code.LINE_PROXY_ERROR)


@pytest.mark.parametrize(("scheme", "make"), PROXIES)
async def test_a_proxy_that_cannot_reach_the_target(scheme: str, make) -> None:
    async with serve(make(ProxyLog())) as proxy:
        line = Line("line", proxy=f"{scheme}://127.0.0.1:{proxy.port}")
        assert await failure_of(plain_target(closed_port()), line) == (Origin.LINE, Code.LINE_PROXY_ERROR)


@pytest.mark.parametrize("proxy", ["http://127.0.0.1:{}", "ftp://127.0.0.1:{}", "http://no-such-proxy.test:{}"])
async def test_a_proxy_that_isnt_there(proxy: str) -> None:
    line = Line("line", proxy=proxy.format(closed_port()))
    assert await failure_of(plain_target(80), line, resolver=Resolver(look_up=unknown)) == (
        Origin.LINE,
        Code.LINE_PROXY_ERROR,
    )


async def test_a_silent_proxy_times_out() -> None:
    async with serve(playing(Script(hang="before"))) as proxy:
        line = Line("line", proxy=f"socks5://127.0.0.1:{proxy.port}")
        found = await failure_of(plain_target(80), line, connect_timeout=0.3)
    assert found == (Origin.LINE, Code.CONNECTION_TIMEOUT)


# Happy Eyeballs


async def test_race_a_silent_address_costs_one_stagger() -> None:
    async def attempt(address: str) -> str:
        if address == "slow":
            await asyncio.sleep(30)
        return address

    async with asyncio.timeout(5):
        assert await Race(attempt, list).run(["slow", "quick"]) == "quick"


async def test_race_a_failed_address_costs_nothing() -> None:
    began: list[str] = []

    async def attempt(address: str) -> str:
        began.append(address)
        if address != "c":
            raise TransportError(endpoint_fault(Code.CONNECTION_REFUSED, address))
        return address

    assert await Race(attempt, list).run(["a", "b", "c"]) == "c"
    assert began == ["a", "b", "c"]


async def test_race_reports_the_most_telling_failure() -> None:
    async def attempt(address: str) -> str:
        if address == "a":
            raise TransportError(endpoint_fault(Code.CONNECTION_REFUSED, address))
        raise TransportError(line_fault(Code.DESTINATION_IP_UNROUTABLE, address))

    with pytest.raises(TransportError) as caught:
        await Race(attempt, list).run(["a", "b"])
    assert caught.value.failure.code == Code.CONNECTION_REFUSED


async def test_race_discards_what_comes_too_late_and_what_nobody_awaits() -> None:
    discarded: list[str] = []
    release = asyncio.Event()

    async def attempt(address: str) -> str:
        try:
            await release.wait()
        except asyncio.CancelledError:
            return address  # up at the very moment of its cancellation
        return address

    race = asyncio.get_running_loop().create_task(Race(attempt, discarded.append).run(["a", "b"]))
    await asyncio.sleep(0.3)
    release.set()
    assert await race == "a"
    assert discarded == ["b"]

    release.clear()
    race = asyncio.get_running_loop().create_task(Race(attempt, discarded.append).run(["c", "d"]))
    await asyncio.sleep(0.05)
    race.cancel()
    with pytest.raises(asyncio.CancelledError):
        await race
    assert discarded == ["b", "c"]


# names


async def test_resolver_shares_one_resolution_and_serves_stale_answers() -> None:
    cache = DnsCache(DnsPolicy(ttl=0.2, refresh_ahead=0.1, failure_recheck=30.0))
    resolver = Resolver(cache, 0.3, lambda host: look_up(host))
    asked: list[str] = []
    answers: list[tuple[str, ...] | OSError] = [("192.0.2.1",), OSError("resolvers are down"), OSError("still")]

    async def look_up(host: str) -> tuple[str, ...]:
        asked.append(host)
        await asyncio.sleep(0.01)
        answer = answers.pop(0)
        if isinstance(answer, OSError):
            raise answer
        return answer

    results = await asyncio.gather(*(resolver.resolve("far.test") for _ in range(5)))
    assert results == [("192.0.2.1",)] * 5
    assert asked == ["far.test"]
    await asyncio.sleep(0.25)  # expired: the next one asks, fails, and serves the stale answer
    assert await resolver.resolve("far.test") == ("192.0.2.1",)
    assert len(asked) == 2
    assert await resolver.resolve("far.test") == ("192.0.2.1",)
    assert len(asked) == 2
    assert await resolver.resolve("127.0.0.1") == ("127.0.0.1",)
    await resolver.close()


async def test_resolver_refreshes_ahead_without_making_anyone_wait() -> None:
    asked: list[str] = []

    async def look_up(host: str) -> tuple[str, ...]:
        asked.append(host)
        return ("192.0.2.7",)

    resolver = Resolver(DnsCache(DnsPolicy(ttl=60, refresh_ahead=0.001)), look_up=look_up)
    await resolver.resolve("far.test")
    await asyncio.sleep(0.1)
    assert await resolver.resolve("far.test") == ("192.0.2.7",)
    assert asked == ["far.test"]
    await asyncio.sleep(0.01)
    assert asked == ["far.test"] * 2
    await resolver.close()


async def test_resolver_times_out() -> None:
    async def look_up(host: str) -> tuple[str, ...]:
        await asyncio.sleep(30)
        return ()

    resolver = Resolver(timeout=0.05, look_up=look_up)
    with pytest.raises(TransportError) as caught:
        await resolver.resolve("far.test")
    assert (caught.value.failure.origin, caught.value.failure.code) == (Origin.ENDPOINT, Code.DNS_TIMEOUT)
    with pytest.raises(TransportError):
        await resolver.resolve("far.test")  # remembered
    await resolver.close()


async def test_a_failed_handshake_closes_its_socket_once(tmp_path: FilePath) -> None:
    """uvloop closes by number: a second close could hit another connection's socket."""

    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with serve(reset) as server:
        target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,), ca_file=Authority(tmp_path).file)
        async with pools_of(target) as pools:
            for _ in range(5):
                before = open_files()
                with pytest.raises(TransportError):
                    await pools.connect(PATH)
                gc.collect()  # an object that still believed it owned a socket would warn here
                await until(lambda before=before: open_files() <= before)
