"""The table's first column: nothing can be reached. No request leaves, so nothing is executed and nothing billed."""

from __future__ import annotations

import asyncio
import socket
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from dataclasses import replace
from pathlib import Path

import pytest

from edge.config.model import Endpoint
from tests.fault.world import (
    ANY,
    BATCH,
    CHAT,
    EMBEDDING,
    GENERATE,
    H1,
    H2,
    H3,
    LINES,
    MESSAGES,
    MODELS,
    QUICK,
    STREAM,
    Ask,
    World,
    endpoint,
    provider,
    world,
)
from tests.support.certificates import Certificates, certificates
from tests.support.scripted_h1 import serve
from tests.support.servers import free_port
from transport.aio import resolver
from transport.path import Protocol

ASKS = (MODELS, CHAT, BATCH)


async def _check(end: Endpoint, status: int, code: str, standing: str = "admitted") -> None:
    """Every kind of request ends with this; and whom does it count against?"""
    for ask in ASKS:
        async with world([end]) as edge:
            answer = await edge.ask(ask)
            assert (answer.status, answer.failure, answer.error, answer.attempts) == (status, code, code, 0)
            assert answer.record.attempts == []
            assert "x-farline-path" not in answer.headers
            if status == 503:
                assert answer.headers["retry-after"] == "1"
            if standing == "ejected":
                await _learn(edge, ask)
            assert edge.metric("farline_line_standing", standing=standing) == len(LINES)


async def _learn(edge: World, ask: Ask) -> None:
    """Asks until every line has been found dead. It takes three dials of each."""
    async with asyncio.timeout(10):
        while edge.metric("farline_line_standing", standing="ejected") < len(LINES):
            answer = await edge.ask(ask)
            assert answer.status >= 500
            assert answer.attempts == 0


async def test_dns_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    async def unknown(host: str) -> tuple[str, ...]:
        raise socket.gaierror(socket.EAI_NONAME, "Name or service not known")

    monkeypatch.setattr(resolver, "_getaddrinfo", unknown)
    await _check(endpoint("https://nowhere.invalid:443", ANY, None), 503, "dns_error")


@pytest.mark.parametrize("protocols", [H1, H2])
async def test_connection_refused(protocols: tuple[Protocol, ...]) -> None:
    await _check(endpoint(f"https://127.0.0.1:{free_port()}", protocols, None), 503, "connection_refused")


async def test_connection_refused_to_http3() -> None:
    await _check(endpoint(f"https://127.0.0.1:{free_port()}", H3, None), 503, "connection_refused")


@pytest.mark.parametrize("protocols", [H1, H2, H3])
async def test_wrong_authority(protocols: tuple[Protocol, ...], certs: Certificates, tmp_path: Path) -> None:
    others = certificates(tmp_path)
    async with provider(protocols, certs) as fake:
        await _check(endpoint(fake, protocols, others.authority), 502, "tls_certificate_error")
        assert not fake.log


@pytest.mark.parametrize("protocols", [H1, H2])
async def test_handshake_cut(protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async def close(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)

    async with serve(close) as server:
        end = endpoint(f"https://127.0.0.1:{server.port}", protocols, certs.authority)
        await _check(end, 502, "connection_terminated", "ejected")


@pytest.mark.parametrize("protocols", [H1, H2])
async def test_handshake_reset(protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async def reset(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.read(1)
        linger = b"\1\0\0\0\0\0\0\0"
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, linger)

    async with serve(reset) as server:
        end = endpoint(f"https://127.0.0.1:{server.port}", protocols, certs.authority)
        await _check(end, 502, "connection_terminated", "ejected")


@asynccontextmanager
async def _black_hole() -> AsyncIterator[int]:
    """A port on which TCP connects and QUIC's datagrams vanish; whatever arrives is never answered."""
    async with serve(lambda reader, writer: asyncio.sleep(60)) as server:
        with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as udp:
            udp.bind(("127.0.0.1", server.port))
            yield server.port


@pytest.mark.parametrize("protocols", [H1, H2, H3])
async def test_blackhole(protocols: tuple[Protocol, ...], certs: Certificates) -> None:
    async with _black_hole() as port:
        await _check(endpoint(f"https://127.0.0.1:{port}", protocols, certs.authority), 503, "connection_timeout",
                     "ejected")  # fmt: skip


async def test_a_blackholed_first_request_waits_for_the_connect_timeout_and_no_longer(certs: Certificates) -> None:
    """Once it is known that all lines are down, the answer comes within a second whatever that timeout is."""
    async with _black_hole() as port:
        end = endpoint(f"https://127.0.0.1:{port}", ANY, certs.authority)
        async with world([end], timeouts=replace(QUICK, connect=1.5)) as edge:
            first = await edge.ask(CHAT)
            assert (first.status, first.failure) == (503, "connection_timeout")
            assert 1.2 < first.seconds < 2.5
            await _learn(edge, CHAT)
            for ask in (CHAT, STREAM, MESSAGES, GENERATE, EMBEDDING):  # ejected, then on probation
                answer = await edge.ask(ask)
                assert answer.status == 503
                assert answer.headers["retry-after"]
                assert b'"error"' in answer.body
                assert answer.seconds < 1.0


async def test_malformed_head(certs: Certificates) -> None:
    """Such a reply may mean that the request ran."""

    async def babble(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(b"HELO example.com\r\n\r\n")
        await writer.drain()
        await reader.read()

    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certs.chain, certs.key)
    async with serve(babble, tls=context) as server:
        end = endpoint(f"https://127.0.0.1:{server.port}", H1, certs.authority)
        for ask, attempts in zip(ASKS, (3, 2, 1), strict=True):
            async with world([end]) as edge:
                answer = await edge.ask(ask)
                assert (answer.status, answer.failure, answer.attempts) == (502, "http_protocol_error", attempts)
                assert answer.error == "http_protocol_error"
                assert edge.metric("farline_line_standing", standing="admitted") == len(LINES)
