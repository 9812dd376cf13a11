"""HTTP/2 over TLS against nghttpd and nginx, on asyncio and on uvloop."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import Coroutine
from pathlib import Path
from typing import Any

import pytest
import uvloop

from tests.support.certificates import Certificates, certificates
from tests.support.exchange import PATH, Owner, Sink
from tests.support.servers import answering, nghttpd, nginx
from tests.support.waiting import until
from transport.aio.h2 import H2Connection
from transport.message import RequestHead

SIZE = 50_000_000


@pytest.fixture(scope="module")
def certs(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("root")
    (root / "small").write_text("hello")
    (root / "big").write_bytes(bytes(SIZE))
    root.chmod(0o755)
    for parent in root.parents:
        if parent.name.startswith("pytest"):
            parent.chmod(0o755)
    return root


class Watched(H2Connection):
    """Says when its socket is closed: a loop that ends earlier leaves it open."""

    is_gone = False

    def connection_lost(self, exc: Exception | None) -> None:
        super().connection_lost(exc)
        self.is_gone = True


async def connect(port: int, certs: Certificates, owner: Owner) -> Watched:
    context = ssl.create_default_context(cafile=certs.authority)
    context.set_alpn_protocols(["h2"])
    loop = asyncio.get_running_loop()
    connection = Watched(PATH, owner, "localhost", b"https")
    await loop.create_connection(lambda: connection, "127.0.0.1", port, ssl=context, server_hostname="localhost")
    await until(lambda: owner.slots > 0)
    return connection


def ask(connection: H2Connection, target: bytes, body: bytes | None = None, *, keep: bool = True) -> Sink:
    sink = Sink(keep=keep)
    connection.reserve()
    method = b"GET" if body is None else b"POST"
    headers = [(b"user-agent", b"test")]
    if body is not None:
        headers.append((b"content-length", str(len(body)).encode()))
    connection.open(RequestHead(method, target, b"localhost", headers), sink, body, end=True)
    return sink


async def against_nghttpd(port: int, certs: Certificates) -> None:
    await answering(port)
    owner = Owner()
    connection = await connect(port, certs, owner)
    small = await ask(connection, b"/small").done()
    assert (bytes(small.body), small.trailers) == (b"hello", [(b"x-last", b"yes")])
    sinks = [ask(connection, b"/small") for _ in range(80)]
    for sink in sinks:
        assert (await sink.done()).outcome == "end"
    big = ask(connection, b"/big", keep=False)
    await big.done(30)
    assert (big.size, big.outcome) == (SIZE, "end")
    echo = ask(connection, b"/", bytes(range(256)) * 40_000)
    await echo.done(30)
    assert (echo.outcome, echo.body == bytes(range(256)) * 40_000) == ("end", True)
    missing = await ask(connection, b"/none").done()
    assert missing.head is not None
    assert missing.head.status == 404
    connection.close()
    await until(lambda: owner.lost == [None] and connection.is_gone)


async def against_nginx(port: int, certs: Certificates) -> None:
    await answering(port)
    owner = Owner()
    connection = await connect(port, certs, owner)
    big = ask(connection, b"/big", keep=False)
    await big.done(30)
    assert (big.size, big.outcome) == (SIZE, "end")
    upload = ask(connection, b"/discard", bytes(20_000_000))
    await upload.done(30)
    assert (upload.outcome, bytes(upload.body)) == ("end", b"taken")
    for _ in range(30):  # nginx says GOAWAY after its 20th request, and still answers that one
        if not connection.has_slot():
            break
        assert (await ask(connection, b"/small").done()).outcome == "end"
    assert owner.draining == 1
    await until(lambda: owner.lost == [None] and connection.is_gone)


def run(main: Coroutine[Any, Any, None], loop: str) -> None:
    with asyncio.Runner(loop_factory=uvloop.new_event_loop if loop == "uvloop" else None) as runner:
        runner.run(main)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nghttpd(root: Path, certs: Certificates, loop: str) -> None:
    with nghttpd(root, certs) as port:
        run(against_nghttpd(port, certs), loop)


@pytest.mark.parametrize("loop", ["asyncio", "uvloop"])
def test_nginx(root: Path, certs: Certificates, tmp_path: Path, loop: str) -> None:
    with nginx(root, certs, tmp_path) as port:
        run(against_nginx(port, certs), loop)
