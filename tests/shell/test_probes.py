"""Probes against real far ends on loopback: what they measure, and what they make of silence, refusals and stalls."""

from __future__ import annotations

import asyncio
import socket
import ssl
import subprocess
import threading
import time
from collections import Counter
from collections.abc import AsyncIterator, Callable, Iterator
from contextlib import asynccontextmanager, contextmanager
from pathlib import Path as FilePath
from typing import Any

import pytest

from health.aio import abilities, datagrams
from health.aio.abilities import inabilities
from health.aio.datagrams import EchoAsker, open_icmp
from health.aio.prober import Listeners, Prober
from health.probe import Outcome, ProbeKind, ProbeResult
from health.probing import FarEnd, ProbePolicy
from netem.aio.namespaces import inside
from netem.provider.aio.server import FakeProvider
from tests.support.certificates import Certificates, certificates
from tests.support.pooling import Authority, full_backlog, nothing_leaks, open_files, plain_target
from tests.support.proxies import ProxyLog, connect_proxy
from tests.support.scripted_h1 import serve
from tests.support.servers import free_port
from tests.support.waiting import until
from transport.aio.standard import make_pools
from transport.failure import Code, Origin
from transport.path import Line, Protocol, Target

BOTH_LOOPS = True

ICMP, QUIC, TCP, TLS, HTTP = ProbeKind.ICMP, ProbeKind.QUIC, ProbeKind.TCP, ProbeKind.TLS, ProbeKind.HTTP
LINES = (Line("cn2", source="127.0.0.2"), Line("cu2", source="127.0.0.3"))
ANY = (Protocol.H3, Protocol.H2, Protocol.H1)


class Heard:
    """What a prober told, both ways."""

    def __init__(self) -> None:
        self.results: list[ProbeResult] = []  # to the board
        self.probes: list[ProbeResult] = []  # to the metrics

    def counted(self) -> Counter[tuple[str, str, str]]:
        return Counter((r.path.line, r.kind.value, r.outcome.value) for r in self.probes)

    def outcomes(self, kind: ProbeKind) -> list[Outcome]:
        return [result.outcome for result in self.probes if result.kind is kind]


@asynccontextmanager
async def probing(
    *targets: Target,
    lines: tuple[Line, ...] = LINES,
    on_demand: bool = True,
    listeners: Callable[[Heard], Listeners] = lambda heard: Listeners(heard.results.append, heard.probes.append),
    **policy: Any,
) -> AsyncIterator[tuple[Prober, Heard]]:
    """A prober and what it tells; leaves nothing behind."""
    heard = Heard()
    pools = make_pools(lines, targets)
    prober = Prober(pools.dialer, pools, listeners(heard))
    with nothing_leaks():
        prober.start(lines, [FarEnd(target) for target in targets], ProbePolicy(**policy), on_demand=on_demand)
        try:
            yield prober, heard
        finally:
            await prober.close()
            await pools.close(0.2)


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certs"))


async def test_every_kind_over_every_line_is_answered(certs: Certificates) -> None:
    async with FakeProvider(tls=True, h3=True, cert=certs.chain, key=certs.key, control_port=None) as fake:
        port = int(fake.url.rsplit(":", 1)[1])
        target = Target("openai", "127.0.0.1", port, protocols=ANY, ca_file=certs.authority)
        async with probing(target) as (prober, heard):
            await prober.measure(3, 0.1)
            assert heard.counted() == {
                (line.id, kind.value, "answered"): 3 for line in LINES for kind in (ICMP, QUIC, TCP, TLS, HTTP)
            }
            assert heard.results == heard.probes
            assert all(0 < result.rtt <= result.seconds < 5 for result in heard.probes if result.seconds)  # type: ignore[operator]  # all were answered
            assert {result.sequence for result in heard.probes} == {0, 1, 2}
            handshakes = [result for result in heard.probes if result.kind is TLS]
            assert all(result.rtt < result.seconds / 3 for result in handshakes)  # type: ignore[operator]  # as above


async def test_opened_connections_leave_no_time_wait_and_no_descriptor() -> None:
    async with serve(_silence) as server:
        async with probing(plain_target(server.port), kinds=(TCP,)) as (prober, heard):
            await prober.measure(1, 0.0)
            before = open_files()
            await prober.measure(10, 0.05)
            assert heard.outcomes(TCP) == [Outcome.ANSWERED] * 22
            assert open_files() <= before
            assert not _time_wait(server.port)


async def test_a_far_end_that_drops_syns_is_lost_after_a_second() -> None:
    with full_backlog() as port:
        async with probing(plain_target(port), kinds=(TCP,), timeout_ms=1500) as (prober, heard):
            await prober.measure(1, 0.0)
            assert heard.outcomes(TCP) == [Outcome.LOST] * 2
            assert len(heard.results) == 2  # a TCP connect that isn't answered means something


async def test_refusals_are_the_far_ends_and_no_losses() -> None:
    async with probing(plain_target(free_port()), kinds=(TCP, HTTP)) as (prober, heard):
        await prober.measure(1, 0.0)
        assert heard.counted() == {(line.id, kind, "failed"): 1 for line in LINES for kind in ("tcp", "http")}
        assert {(r.failure.origin, r.failure.code) for r in heard.results if r.failure} == {
            (Origin.ENDPOINT, Code.CONNECTION_REFUSED)
        }


async def test_a_line_without_its_address_fails_by_its_own_fault() -> None:
    line = Line("gone", source="192.0.2.7")
    target = Target("end", "127.0.0.1", 9, tls=False, protocols=(Protocol.H3, Protocol.H1))
    async with probing(target, lines=(line,), kinds=(ICMP, QUIC, TCP)) as (prober, heard):
        await prober.measure(1, 0.0)
        assert heard.counted() == {("gone", kind, "failed"): 1 for kind in ("icmp", "quic", "tcp")}
        assert {(r.failure.origin, r.failure.code) for r in heard.results if r.failure} == {
            (Origin.LINE, Code.DESTINATION_IP_UNROUTABLE)
        }
    assert inabilities(line, (ICMP, TCP)).keys() == {ICMP}
    assert inabilities(line, (ICMP, TCP), lasting=True) == inabilities(line, (TCP,)) == {}


async def test_names_that_dont_resolve_are_the_far_ends_fault() -> None:
    target = Target("end", "nowhere.invalid", 9, tls=False, protocols=(Protocol.H3, Protocol.H1))
    async with probing(target, kinds=(QUIC, TCP)) as (prober, heard):
        await prober.measure(1, 0.0)
        assert {r.failure.origin for r in heard.results if r.failure} == {Origin.ENDPOINT}
        assert len(heard.results) == 4


async def test_a_certificate_of_nobody_fails_the_handshake_but_not_the_connect(tmp_path: FilePath) -> None:
    (tmp_path / "other").mkdir()
    known, other = Authority(tmp_path), Authority(tmp_path / "other")
    server = await asyncio.start_server(_hold, "127.0.0.1", 0, ssl=known.server("127.0.0.1"))
    port = server.sockets[0].getsockname()[1]
    target = Target("end", "127.0.0.1", port, protocols=(Protocol.H1,), ca_file=other.file)
    async with probing(target, lines=LINES[:1], kinds=(TCP, TLS)) as (prober, heard):
        await prober.measure(1, 0.0)
        assert heard.counted() == {("cn2", "tcp", "answered"): 1, ("cn2", "tls", "failed"): 1}
        (failed,) = [result.failure for result in heard.results if result.failure]
        assert (failed.origin, failed.code) == (Origin.ENDPOINT, Code.TLS_CERTIFICATE_ERROR)
    server.close()


async def test_a_peer_that_leaves_during_the_handshake() -> None:
    async with serve(_goodbye) as server:
        target = Target("end", "127.0.0.1", server.port, protocols=(Protocol.H1,))
        async with probing(target, lines=LINES[:1], kinds=(TLS,)) as (prober, heard):
            await prober.measure(1, 0.0)
            (failed,) = [result.failure for result in heard.results]
            assert failed
            assert (failed.origin, failed.code) == (Origin.LINE, Code.CONNECTION_TERMINATED)


@pytest.mark.parametrize(
    ("status", "outcome"), [(401, "answered"), (404, "answered"), (429, "answered"), (503, "failed")]
)
async def test_an_http_probe_is_a_head_without_credentials(status: int, outcome: str) -> None:
    asked: list[bytes] = []

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked.append(await reader.readuntil(b"\r\n\r\n"))
        writer.write(b"HTTP/1.1 %d Whatever\r\ncontent-length: 99\r\n\r\n" % status)
        await reader.read()

    async with serve(play) as server:
        heard, target = Heard(), plain_target(server.port)
        pools = make_pools(LINES[:1], [target])
        prober = Prober(pools.dialer, pools, Listeners(heard.results.append, heard.probes.append))
        prober.start(LINES[:1], [FarEnd(target, "/base")], ProbePolicy(kinds=(HTTP,)), on_demand=True)
        await prober.measure(1, 0.0)
        await prober.close()
        await pools.close(0.2)
    assert heard.counted() == {("cn2", "http", outcome): 1}
    assert asked[0].startswith(b"HEAD /base HTTP/1.1\r\n")
    assert not {b"authorization", b"x-api-key", b"api-key", b"cookie"} & {
        line.split(b":")[0].lower() for line in asked[0].splitlines()[1:]
    }


async def test_an_http_reply_that_never_comes_is_lost() -> None:
    async with serve(_silence) as server:
        async with probing(plain_target(server.port), lines=LINES[:1], kinds=(HTTP,), timeout_ms=300) as (
            prober,
            heard,
        ):
            await prober.measure(1, 0.0)
            assert heard.outcomes(HTTP) == [Outcome.LOST]


class Datagrams(asyncio.DatagramProtocol):
    """A QUIC server that only negotiates versions; `script` says for each question after how many seconds its answers
    leave (none: it is dropped)."""

    def __init__(self) -> None:
        self.script: list[tuple[float, ...]] = []
        self.questions: list[bytes] = []

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self.transport: Any = transport

    def datagram_received(self, data: bytes, address: Any) -> None:
        self.questions.append(data)
        answer = b"\xca" + bytes(4) + data[14:23] + data[5:14] + b"\0\0\0\1"
        for delay in self.script.pop(0) if self.script else (0.0,):
            asyncio.get_running_loop().call_later(delay, self.transport.sendto, answer, address)


@asynccontextmanager
async def negotiator() -> AsyncIterator[tuple[Datagrams, Target]]:
    transport, server = await asyncio.get_running_loop().create_datagram_endpoint(
        Datagrams, local_addr=("127.0.0.1", 0)
    )
    port = transport.get_extra_info("sockname")[1]
    try:
        yield server, Target("end", "127.0.0.1", port, tls=False, protocols=(Protocol.H3, Protocol.H1))
    finally:
        transport.close()


async def test_losses_late_answers_duplicates_and_overtaking_are_told_apart() -> None:
    async with negotiator() as (server, target), probing(target, lines=LINES[:1], kinds=(QUIC,)) as (prober, heard):
        server.script = [(0.0,), (), (1.2,), (0.0, 0.05), (0.3,), (0.1,)]
        await prober.measure(6, 0.05)
        await until(lambda: len(heard.probes) >= 8)
        told = Counter((result.sequence, result.outcome.value) for result in heard.results)
        assert told == Counter(
            {(0, "answered"): 1, (1, "lost"): 1, (2, "lost"): 1, (2, "late"): 1, (3, "answered"): 1,
             (3, "duplicate"): 1, (4, "answered"): 1, (5, "answered"): 1}
        )  # fmt: skip
        assert [result.sequence for result in heard.results if result.is_reordered] == [4, 2]
        assert all(len(question) == 1200 for question in server.questions)


async def test_a_far_end_that_ignores_a_kind_isnt_held_against_the_line() -> None:
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as deaf:
        deaf.bind(("127.0.0.1", 0))
        target = Target("end", "127.0.0.1", deaf.getsockname()[1], tls=False, protocols=(Protocol.H3, Protocol.H1))
        async with probing(target, lines=LINES[:1], kinds=(QUIC,)) as (prober, heard):
            await prober.measure(3, 0.05)
            assert heard.outcomes(QUIC) == [Outcome.LOST] * 3
            assert heard.results == []


async def test_our_own_stall_neither_loses_a_probe_nor_lengthens_it() -> None:
    async with negotiator() as (server, target), _echoed_by_a_thread() as port:
        other = Target("thread", "127.0.0.1", port, tls=False, protocols=(Protocol.H3, Protocol.H1))
        async with probing(other, lines=LINES[:1], kinds=(QUIC, ICMP), on_demand=True) as (prober, heard):
            await prober.measure(3, 0.05)
            del heard.probes[:]
            for check in prober.checks:
                prober.ask(check)
            await asyncio.sleep(0)
            await asyncio.sleep(0)
            time.sleep(1.3)  # noqa: ASYNC251 -- the stall
            await until(lambda: len(heard.probes) >= 2)
            assert heard.counted() == {("cn2", "quic", "answered"): 1, ("cn2", "icmp", "answered"): 1}
            assert all(result.rtt is not None and result.rtt < 0.6 for result in heard.probes)
            await asyncio.sleep(0.1)
            assert prober.lag.worst(0.0) > 1.0
            assert server.questions == []
            assert target.port != port


async def test_suspicion_makes_it_fast_and_lines_that_are_off_are_left_alone() -> None:
    wanted: set[str] = set()
    off: set[str] = set()
    told: list[str] = []

    def listeners(heard: Heard) -> Listeners:
        return Listeners(heard.results.append, heard.probes.append, lambda: wanted, off.__contains__, told.append)

    async with negotiator() as (_, target):
        settings: dict[str, Any] = {"kinds": (QUIC,), "interval_ms": 60_000, "fast_interval_ms": 50}
        async with probing(target, on_demand=False, listeners=listeners, **settings) as (_, heard):
            await asyncio.sleep(0.2)
            assert len(heard.probes) <= 1
            wanted.add("cn2")
            await until(lambda: heard.counted()["cn2", "quic", "answered"] >= 5)
            assert heard.counted()["cu2", "quic", "answered"] <= 1
            assert told == ["cn2"]
            off.add("cn2")
            await asyncio.sleep(0.1)
            number = len(heard.probes)
            await asyncio.sleep(0.3)
            assert len(heard.probes) <= number + 1


async def test_a_reload_changes_what_is_asked() -> None:
    async with negotiator() as (_, first), negotiator() as (_, second):
        settings: dict[str, Any] = {"kinds": (QUIC,), "interval_ms": 50}
        async with probing(first, on_demand=False, **settings) as (prober, heard):
            await until(lambda: len(heard.counted()) == 2)
            line = Line("cmi", source="127.0.0.4")
            prober.update([line], [FarEnd(second)], ProbePolicy(**settings))
            await until(lambda: heard.counted()["cmi", "quic", "answered"] >= 3)
            number = heard.counted()["cn2", "quic", "answered"]
            await asyncio.sleep(0.2)
            assert heard.counted()["cn2", "quic", "answered"] == number
            prober.update([line], [FarEnd(second)], ProbePolicy(enabled=False))
            assert prober.checks == ()


async def test_a_proxy_line_is_probed_through_its_proxy() -> None:
    log = ProxyLog()
    async with serve(_silence) as server, serve(connect_proxy(log)) as proxy:
        line = Line("proxy", proxy=f"http://127.0.0.1:{proxy.port}")
        async with probing(plain_target(server.port), lines=(line,), kinds=(ICMP, TCP)) as (prober, heard):
            await prober.measure(2, 0.05)
            assert heard.counted() == {("proxy", "tcp", "answered"): 2}
            assert log.targets == [("127.0.0.1", server.port)] * 2
        assert inabilities(line, (ICMP, TCP)) == {ICMP: "the line is a proxy"}


async def test_where_icmp_isnt_allowed_it_is_said_once_and_the_rest_goes_on(
    monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(line: Line, *, six: bool) -> None:
        raise PermissionError("ICMP needs CAP_NET_RAW")

    monkeypatch.setattr(abilities, "open_icmp", refuse)
    monkeypatch.setattr(datagrams, "open_icmp", refuse)
    async with serve(_silence) as server:
        target = plain_target(server.port)
        async with probing(target, lines=LINES[:1], kinds=(ICMP, TCP)) as (prober, heard):
            prober.update(LINES[:1], [FarEnd(target)], ProbePolicy(kinds=(ICMP, TCP)))
            await prober.measure(2, 0.05)
            assert heard.counted() == {("cn2", "tcp", "answered"): 2}
    assert [record.getMessage() for record in caplog.records if record.name == "farline.probe"] == [
        "line cn2 is not probed by icmp: ICMP needs CAP_NET_RAW"
    ]


def test_icmp_sockets_are_bound_to_their_lines_and_refusals_say_why() -> None:
    sock = open_icmp(LINES[0], six=False)
    assert sock.sock.getsockname()[0] == "127.0.0.2"
    sock.close()
    six = open_icmp(Line("v6", source="::1"), six=True)
    assert six.sock.getsockname()[0] == "::1"
    six.close()
    with pytest.raises(OSError, match="Cannot assign"):
        open_icmp(Line("gone", source="192.0.2.7"), six=False)
    with pytest.raises(OSError, match="No such device"):
        open_icmp(Line("gone", interface="nodev0"), six=False)


async def test_icmp_over_ipv6() -> None:
    line = Line("v6", source="::1")
    async with probing(plain_target(9, "::1"), lines=(line,), kinds=(ICMP,)) as (prober, heard):
        await prober.measure(2, 0.05)
        assert heard.outcomes(ICMP) == [Outcome.ANSWERED] * 2


@pytest.mark.parametrize("allowed", [True, False], ids=["datagram", "raw"])
def test_the_kernels_own_permission_decides_between_datagram_and_raw_sockets(allowed: bool) -> None:
    with _namespace("0 0" if allowed else "1 0") as name, inside(name):
        loop = asyncio.new_event_loop()
        answers: list[tuple[int, float]] = []

        async def ping() -> None:
            asker = EchoAsker(LINES[0], lambda number, at: answers.append((number, at)), six=False)
            assert asker.is_privileged is not allowed
            began = asker.ask("127.0.0.1", 0, 7)
            await until(lambda: answers)
            asker.close()
            assert answers[0][0] == 7
            assert 0 <= answers[0][1] - began < 1

        loop.run_until_complete(ping())
        loop.close()


# what plays the far end


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read()


async def _goodbye(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(100)


async def _hold(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        await reader.read()
    except (ConnectionError, ssl.SSLError):
        pass
    writer.close()


@asynccontextmanager
async def _echoed_by_a_thread() -> AsyncIterator[int]:
    """A version negotiator that answers while the event loop stalls."""
    sock = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    sock.bind(("127.0.0.1", 0))

    def answer() -> None:
        while data := sock.recvfrom(2048):
            question, address = data
            if question == b"end":
                return
            sock.sendto(b"\xca" + bytes(4) + question[14:23] + question[5:14] + b"\0\0\0\1", address)

    thread = threading.Thread(target=answer)
    thread.start()
    try:
        yield sock.getsockname()[1]
    finally:
        sock.sendto(b"end", sock.getsockname())
        thread.join()
        sock.close()


def _time_wait(port: int) -> list[str]:
    wanted = f":{port:04X}"
    rows = [line.split() for line in FilePath("/proc/net/tcp").read_text().splitlines()[1:]]
    return [row[1] for row in rows if row[3] == "06" and (row[1].endswith(wanted) or row[2].endswith(wanted))]


@contextmanager
def _namespace(groups: str) -> Iterator[str]:
    """A network namespace with loopback up and this `ping_group_range`."""
    name = f"flp{threading.get_native_id()}"
    subprocess.run(["ip", "netns", "add", name], check=True)
    try:
        subprocess.run(["ip", "-n", name, "link", "set", "lo", "up"], check=True)
        setting = f"net.ipv4.ping_group_range={groups}"
        subprocess.run(["ip", "netns", "exec", name, "sysctl", "-q", "-w", setting], check=True)
        yield name
    finally:
        subprocess.run(["ip", "netns", "del", name], check=True)
