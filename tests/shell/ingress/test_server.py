"""Listeners: TLS and its reload, drain, unix sockets, shared ports, workers, memory."""

from __future__ import annotations

import asyncio
import contextlib
import os
import resource
import signal
import socket
import ssl
import stat
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import trustme

from edge.config.model import Address, Limits, Listen, TlsFiles
from edge.ingress.request import ClientRequest
from edge.ingress.server import Ingress
from tests.shell.ingress.support import GET, Raw, echo, port_of, raw, serving
from tests.support.waiting import until


def write_certificate(authority: trustme.CA, directory: Path, name: str) -> TlsFiles:
    made = authority.issue_cert(name)
    made.cert_chain_pems[0].write_to_path(str(directory / "cert.pem"))
    made.private_key_pem.write_to_path(str(directory / "key.pem"))
    return TlsFiles(str(directory / "cert.pem"), str(directory / "key.pem"))


def trusting(authority: trustme.CA) -> ssl.SSLContext:
    context = ssl.create_default_context()
    authority.configure_trust(context)
    context.set_alpn_protocols(["h2", "http/1.1"])
    return context


async def test_tls_with_alpn_and_a_certificate_reload_that_drops_nobody(tmp_path: Path) -> None:
    authority = trustme.CA()
    files = write_certificate(authority, tmp_path, "one.test")
    trust = trusting(authority)
    async with serving(echo, tls=files) as ingress, raw(ingress, ssl=trust, server_hostname="one.test") as old:
        assert old.writer.get_extra_info("ssl_object").selected_alpn_protocol() == "http/1.1"
        write_certificate(authority, tmp_path, "two.test")
        ingress.reload_tls()
        async with raw(ingress, ssl=trust, server_hostname="two.test") as new:
            new.send(GET)
            assert (await new.reply()).status == 200
        Path(files.cert).write_text("nonsense")
        with pytest.raises(ssl.SSLError):
            ingress.reload_tls()
        async with raw(ingress, ssl=trust, server_hostname="two.test") as new:
            new.send(GET)
            assert (await new.reply()).status == 200
        old.send(GET)
        assert (await old.reply()).status == 200


async def test_tls_client_that_leaves_is_noticed_and_abort_never_looks_complete(tmp_path: Path) -> None:
    authority = trustme.CA()
    gone = asyncio.Event()

    async def streams(request: ClientRequest) -> None:
        request.start(200, [])
        request.write(b"x")
        if request.target == b"/abort":
            request.abort()
            return
        async with asyncio.timeout(5):
            while not request.is_gone:
                await asyncio.sleep(0.01)
        gone.set()

    async with serving(streams, tls=write_certificate(authority, tmp_path, "a.test")) as ingress:
        options = {"ssl": trusting(authority), "server_hostname": "a.test"}
        async with raw(ingress, **options) as client:
            client.send(GET)
            await client.reader.readuntil(b"1\r\nx\r\n")
        await asyncio.wait_for(gone.wait(), 5)
        async with raw(ingress, **options) as client:
            client.send(b"GET /abort HTTP/1.1\r\nhost: a\r\n\r\n")
            assert not (await client.rest()).endswith(b"0\r\n\r\n")


async def test_old_tls_versions_are_refused(tmp_path: Path) -> None:
    authority = trustme.CA()
    async with serving(echo, tls=write_certificate(authority, tmp_path, "a.test")) as ingress:
        command = ["openssl", "s_client", "-connect", f"127.0.0.1:{port_of(ingress)}", "-alpn", "http/1.1"]
        for flag, good in (("-tls1_3", True), ("-tls1_2", True), ("-tls1_1", False)):
            process = await asyncio.create_subprocess_exec(
                *command, flag, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, stderr=subprocess.STDOUT
            )
            out, _ = await asyncio.wait_for(process.communicate(), 10)
            assert (b"ALPN protocol: http/1.1" in out) is good, out


async def test_drain_lets_streams_finish_and_closes_idle_connections() -> None:
    finish = asyncio.Event()

    async def streams(request: ClientRequest) -> None:
        if request.target == b"/late":
            await finish.wait()
        request.start(200, [])
        request.write(b"a")
        await finish.wait()
        request.write(b"b")
        request.end()

    async with serving(streams) as ingress, raw(ingress) as begun, raw(ingress) as late, raw(ingress) as idle:
        begun.send(GET)
        late.send(b"GET /late HTTP/1.1\r\nhost: a\r\n\r\n")
        await until(lambda: ingress.counts.active == 2 and ingress.counts.open == 3)
        async with asyncio.TaskGroup() as group:
            draining = group.create_task(ingress.drain(10))
            assert await idle.closed()
            with pytest.raises(ConnectionRefusedError):
                await asyncio.open_connection("127.0.0.1", port_of(ingress))
            finish.set()
            assert (await begun.reply()).body == b"ab"
            reply = await late.reply()
            assert (reply.body, reply.headers[b"connection"]) == (b"ab", b"close")
            assert await begun.closed()
        assert draining.result() == 0
        assert ingress.counts.open == 0


async def test_drain_cuts_what_does_not_finish() -> None:
    cancelled = asyncio.Event()

    async def hangs(request: ClientRequest) -> None:
        request.start(200, [])
        request.write(b"a")
        try:
            await asyncio.Event().wait()
        finally:
            cancelled.set()

    async with serving(hangs) as ingress, raw(ingress) as client:
        client.send(GET)
        await client.reader.readuntil(b"1\r\na\r\n")
        assert await ingress.drain(0.1) == 1
        assert cancelled.is_set()
        with pytest.raises(ConnectionResetError):
            await client.rest()


async def test_a_unix_socket_replaces_a_stale_one_only(tmp_path: Path) -> None:
    path = str(tmp_path / "edge.sock")
    stale = socket.socket(socket.AF_UNIX)
    stale.bind(path)
    stale.close()
    peers: list[str] = []

    async def tells(request: ClientRequest) -> None:
        peers.append(request.peer)
        await echo(request)

    address = Address(path, 0, unix=True)
    async with serving(tells, address=address):
        assert stat.S_IMODE(os.stat(path).st_mode) == 0o660
        reader, writer = await asyncio.open_unix_connection(path)
        client = Raw(reader, writer)
        client.send(GET)
        assert (await client.reply()).status == 200
        await client.close()
        with pytest.raises(OSError, match="in use"):
            await Ingress(Listen(data=(address,)), Limits(), echo).start()
    assert peers == ["unix"]
    assert not Path(path).exists()
    Path(path).write_text("a file")
    with pytest.raises(OSError, match="in use"):
        await Ingress(Listen(data=(address,)), Limits(), echo).start()
    assert Path(path).read_text() == "a file"


async def test_ipv6_and_a_shared_port() -> None:
    async with serving(echo, address=Address("::1", 0), reuse_port=True) as first:
        port = port_of(first)
        async with serving(echo, address=Address("::1", port), reuse_port=True) as second:
            for _ in range(24):
                reader, writer = await asyncio.open_connection("::1", port)
                client = Raw(reader, writer)
                client.send(GET)
                assert (await client.reply()).status == 200
                await client.close()
            assert first.counts.accepted > 0
            assert second.counts.accepted > 0


async def test_a_busy_port_is_an_error() -> None:
    async with serving(echo) as ingress:
        address = Address("127.0.0.1", port_of(ingress))
        with pytest.raises(OSError, match="in use"):
            await Ingress(Listen(data=(address,)), Limits(), echo).start()


@pytest.mark.parametrize("chunked", [True, False])
async def test_a_long_upload_needs_no_more_memory_than_a_short_one(chunked: bool) -> None:
    size, piece = 300_000_000, bytes(1_000_000)
    received = 0
    ended = asyncio.Event()

    class Counter:
        def on_body(self, data: bytes) -> None:
            nonlocal received
            received += len(data)

        def on_body_end(self) -> None:
            ended.set()

    async def counts(request: ClientRequest) -> None:
        request.stream_body(Counter())
        await ended.wait()
        request.start(200, [(b"content-length", b"0")])
        request.end()

    async with serving(counts, replace(Limits(), body_bytes=1 << 40)) as ingress, raw(ingress) as client:
        framing = b"transfer-encoding: chunked" if chunked else b"content-length: %d" % size
        client.send(b"POST / HTTP/1.1\r\nhost: a\r\n%b\r\n\r\n" % framing)
        before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
        for _ in range(size // len(piece)):
            client.send(b"%x\r\n%b\r\n" % (len(piece), piece) if chunked else piece)
            await client.writer.drain()
        if chunked:
            client.send(b"0\r\n\r\n")
        assert (await client.reply()).status == 200
        assert received == size
        assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 20_000  # KiB


WORKER = """
import os, signal, sys, time
log = os.open(sys.argv[1], os.O_WRONLY | os.O_APPEND)  # a buffered file can't be written to while it is written to
index = sys.argv[sys.argv.index("--worker") + 1]
def say(word): os.write(log, f"{index} {word} {os.getpid()}\\n".encode())
signal.signal(signal.SIGHUP, lambda *_: say("hup"))
def stop(*_):
    say("term"); sys.exit(0)
signal.signal(signal.SIGTERM, stop)
say("up")
if sys.argv[2] == "bad": sys.exit(2)
while True: time.sleep(0.05)
"""


@contextlib.asynccontextmanager
async def workers(tmp_path: Path, kind: str):  # type: ignore[no-untyped-def]  # a generator of one test's process
    (tmp_path / "worker.py").write_text(WORKER)
    log = tmp_path / "log"
    log.touch()
    command = [sys.executable, str(tmp_path / "worker.py"), str(log), kind]
    parent = await asyncio.create_subprocess_exec(
        sys.executable, "-c", f"import sys; from edge.ingress.workers import run_workers; "
        f"sys.exit(run_workers({command!r}, 2))", stderr=subprocess.DEVNULL
    )  # fmt: skip
    try:
        yield parent, log
    finally:
        if parent.returncode is None:
            parent.kill()
            await parent.wait()


async def test_workers_restart_get_signals_and_end(tmp_path: Path) -> None:
    async with workers(tmp_path, "good") as (parent, log):
        await until(lambda: log.read_text().count(" up ") == 2, 10)
        parent.send_signal(signal.SIGHUP)
        await until(lambda: log.read_text().count(" hup ") == 2)
        os.kill(int(log.read_text().split()[2]), signal.SIGKILL)
        await until(lambda: log.read_text().count(" up ") == 3, 10)
        parent.send_signal(signal.SIGTERM)
        assert await asyncio.wait_for(parent.wait(), 10) == 0
        assert log.read_text().count(" term ") == 2


async def test_a_worker_that_can_not_be_configured_ends_all(tmp_path: Path) -> None:
    async with workers(tmp_path, "bad") as (parent, _):
        assert await asyncio.wait_for(parent.wait(), 10) == 2


def test_a_worker_whose_parent_died_while_it_was_started_ends() -> None:
    orphan = "import os; from edge.ingress.workers import _die_with_parent as die; die(os.getppid() + {}); print(1)"
    ends = [subprocess.run([sys.executable, "-c", orphan.format(n)], stdout=subprocess.PIPE) for n in (0, 1)]
    assert [(end.returncode, end.stdout) for end in ends] == [(0, b"1\n"), (-signal.SIGTERM, b"")]


async def test_workers_do_not_outlive_their_parent(tmp_path: Path) -> None:
    async with workers(tmp_path, "good") as (parent, log):
        await until(lambda: log.read_text().count(" up ") == 2, 10)
        parent.kill()
        await until(lambda: log.read_text().count(" term ") == 2)
