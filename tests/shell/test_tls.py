"""TLS on loopback: trust, ALPN, resumption over both event loops, ragged and clean ends."""

from __future__ import annotations

import asyncio
import ssl
from pathlib import Path as FilePath

import pytest

from tests.support.exchanges import RecordingSink, request
from tests.support.pooling import Authority, RecordingObserver, fetch, open_files, pools_of
from tests.support.scripted_h1 import answering, serve
from tests.support.waiting import until
from transport.aio.h1 import H1Connection
from transport.aio.openers import Openers
from transport.aio.tls import client_context, saved_session
from transport.failure import Code, Origin, TransportError, Verdict
from transport.path import Path, Protocol, Target

BOTH_LOOPS = True
OK = b"HTTP/1.1 200 OK\r\ncontent-length: 2\r\nconnection: close\r\n\r\nhi"
PATH = Path("line", "end")


def target(port: int, authority: Authority, **settings: object) -> Target:
    settings = {"protocols": (Protocol.H1,), "ca_file": authority.file, **settings}
    return Target("end", "127.0.0.1", port, **settings)  # type: ignore[arg-type]  # free keywords


@pytest.mark.parametrize("version", [ssl.TLSVersion.TLSv1_2, ssl.TLSVersion.TLSv1_3], ids=["1.2", "1.3"])
async def test_the_second_connection_is_resumed(tmp_path: FilePath, version: ssl.TLSVersion) -> None:
    authority = Authority(tmp_path)
    context = authority.server("127.0.0.1")
    context.minimum_version = context.maximum_version = version
    observer = RecordingObserver()
    async with (
        serve(answering(OK), tls=context) as server,
        pools_of(target(server.port, authority), observer=observer) as pools,
    ):
        for _ in range(3):
            assert bytes((await fetch(await pools.connect(PATH))).body) == b"hi"
            await until(lambda: not pools.stats())
    assert [resumed for _, _, _, resumed in observer.dialed] == [False, True, True]


async def test_a_certificate_of_a_stranger(tmp_path: FilePath) -> None:
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    ours, theirs = Authority(tmp_path / "a"), Authority(tmp_path / "b")
    counts = []
    async with (
        serve(answering(OK), tls=theirs.server("127.0.0.1")) as server,
        pools_of(target(server.port, ours)) as pools,
    ):
        for _ in range(4):
            with pytest.raises(TransportError) as caught:
                await pools.connect(PATH)
            await asyncio.sleep(0.05)
            counts.append(open_files())
    failure = caught.value.failure
    assert (failure.origin, failure.verdict, failure.code) == (
        Origin.ENDPOINT,
        Verdict.SAFE,
        Code.TLS_CERTIFICATE_ERROR,
    )
    assert counts[3] == counts[0]


async def test_a_certificate_for_another_name(tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    async with (
        serve(answering(OK), tls=authority.server("other.test")) as server,
        pools_of(target(server.port, authority)) as pools,
    ):
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
    assert caught.value.failure.code == Code.TLS_CERTIFICATE_ERROR


async def test_an_alert(tmp_path: FilePath) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(5)
        writer.write(b"\x15\x03\x03\x00\x02\x02\x28")  # fatal, handshake_failure
        await reader.read()

    async with serve(play) as server, pools_of(target(server.port, Authority(tmp_path))) as pools:
        with pytest.raises(TransportError) as caught:
            await pools.connect(PATH)
    assert (caught.value.failure.origin, caught.value.failure.code) == (Origin.ENDPOINT, Code.TLS_ALERT_RECEIVED)


async def test_alpn_chooses_the_protocol(tmp_path: FilePath) -> None:
    class Second(H1Connection):
        protocol = Protocol.H2  # type: ignore[assignment]  # stands for HTTP/2 here

    authority = Authority(tmp_path)
    openers = Openers(h2=lambda path, owner, authority, scheme: Second(path, owner, authority))
    for alpn, chosen in ((("h2", "http/1.1"), Protocol.H2), (("http/1.1",), Protocol.H1)):
        context = authority.server("127.0.0.1", alpn=alpn)
        end = Target("end", "127.0.0.1", 0, ca_file=authority.file)
        async with serve(answering(OK), tls=context) as server:
            end = Target("end", "127.0.0.1", server.port, ca_file=authority.file)
            async with pools_of(end, openers=openers) as pools:
                connection = await pools.connect(PATH)
                assert connection.protocol is chosen
                connection.release()
                forced = await pools.connect(PATH, Protocol.H1)
                assert forced.protocol is Protocol.H1
                forced.release()


async def test_a_peer_without_alpn_speaks_http_1_or_fails(tmp_path: FilePath) -> None:
    authority = Authority(tmp_path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(*authority.files("127.0.0.1"))
    openers = Openers(h2=lambda path, owner, authority, scheme: H1Connection(path, owner, authority))
    async with serve(answering(OK), tls=context) as server:
        both = Target("end", "127.0.0.1", server.port, ca_file=authority.file)
        async with pools_of(both, openers=openers) as pools:
            assert bytes((await fetch(await pools.connect(PATH))).body) == b"hi"
            with pytest.raises(TransportError) as caught:
                await pools.connect(PATH, Protocol.H2)
    assert (caught.value.failure.origin, caught.value.failure.code) == (Origin.ENDPOINT, Code.TLS_PROTOCOL_ERROR)


@pytest.mark.parametrize("clean", [True, False], ids=["close_notify", "ragged"])
async def test_a_body_until_close_needs_close_notify(tmp_path: FilePath, clean: bool) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 200 OK\r\n\r\nall of it?")
        await writer.drain()
        await asyncio.sleep(0.05)
        if not clean:
            writer.transport.abort()

    authority = Authority(tmp_path)
    async with (
        serve(play, tls=authority.server("127.0.0.1")) as server,
        pools_of(target(server.port, authority)) as pools,
    ):
        connection = await pools.connect(PATH)
        sink = RecordingSink()
        connection.open(request(), sink, None, end=True)
        await sink.done()
    assert bytes(sink.body) == b"all of it?"
    assert (sink.failure is None) is clean
    if sink.failure is not None:
        assert sink.failure.verdict is Verdict.UNSAFE


async def test_a_tunnel_over_tls_ends_when_we_end_it(tmp_path: FilePath) -> None:
    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HTTP/1.1 101 Switching\r\nconnection: upgrade\r\nupgrade: x\r\n\r\nhello")
        await reader.read()

    authority = Authority(tmp_path)
    async with (
        serve(play, tls=authority.server("127.0.0.1")) as server,
        pools_of(target(server.port, authority)) as pools,
    ):
        connection = await pools.connect(PATH)
        sink = RecordingSink()
        exchange = connection.open(request(headers=[(b"upgrade", b"x")]), sink, None, end=True)
        await asyncio.wait_for(sink.more.wait(), 5)
        exchange.send(b"bye")
        exchange.end()
        await sink.done()
    assert sink.failure is None
    assert bytes(sink.body) == b"hello"


def test_contexts_check_names_and_refuse_old_versions(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("SSL_CERT_FILE", raising=False)
    context = client_context(None, (Protocol.H2, Protocol.H1))
    assert context.check_hostname
    assert context.verify_mode is ssl.CERT_REQUIRED
    assert context.minimum_version is ssl.TLSVersion.TLSv1_2
    assert context.cert_store_stats()["x509_ca"] > 10
    assert saved_session(context.wrap_bio(ssl.MemoryBIO(), ssl.MemoryBIO(), server_hostname="a.test")) is None


def test_certifi_stands_in_for_a_missing_system_store(monkeypatch: pytest.MonkeyPatch) -> None:
    nothing = ssl.get_default_verify_paths()._replace(cafile=None)
    monkeypatch.setattr(ssl, "get_default_verify_paths", lambda: nothing)
    assert client_context(None, (Protocol.H1,)).cert_store_stats()["x509_ca"] > 10
