"""Small real proxies on loopback: HTTP CONNECT and SOCKS5, with or without a password."""

from __future__ import annotations

import asyncio
import socket
from base64 import b64encode
from dataclasses import dataclass, field

from tests.support.scripted_h1 import Play, read_head


@dataclass
class ProxyLog:
    """What the proxy was asked to connect to."""

    targets: list[tuple[str, int]] = field(default_factory=list)


def connect_proxy(log: ProxyLog, user: str = "", password: str = "", names: dict[str, str] | None = None) -> Play:
    """CONNECT; `names` maps names to addresses, as the proxy's own resolver."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        line, fields = await read_head(reader)
        expected = b"Basic " + b64encode(f"{user}:{password}".encode())
        if user and fields.get(b"proxy-authorization") != expected:
            writer.write(b"HTTP/1.1 407 Proxy Authentication Required\r\n\r\n")
            return
        host, _, port = line.split(b" ")[1].decode().rpartition(":")
        log.targets.append((host.strip("[]"), int(port)))
        upstream = await asyncio.open_connection((names or {}).get(host, host.strip("[]")), int(port))
        writer.write(b"HTTP/1.1 200 Connection established\r\nvia: 1.1 test\r\n\r\n")
        await _join(reader, writer, *upstream)

    return play


def socks5_proxy(log: ProxyLog, user: str = "", password: str = "", names: dict[str, str] | None = None) -> Play:
    """SOCKS5 (RFC 1928) with user name and password (RFC 1929)."""

    async def play(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        _, count = await reader.readexactly(2)
        methods = await reader.readexactly(count)
        method = 2 if user else 0
        if method not in methods:
            writer.write(b"\x05\xff")
            return
        writer.write(bytes([5, method]))
        if method:
            _, size = await reader.readexactly(2)
            name = await reader.readexactly(size)
            secret = await reader.readexactly((await reader.readexactly(1))[0])
            good = (name.decode(), secret.decode()) == (user, password)
            writer.write(b"\x01\x00" if good else b"\x01\x01")
            if not good:
                return
        _, _, _, kind = await reader.readexactly(4)
        host = await _read_host(reader, kind)
        port = int.from_bytes(await reader.readexactly(2), "big")
        log.targets.append((host, port))
        try:
            upstream = await asyncio.open_connection((names or {}).get(host, host), port)
        except OSError:
            writer.write(b"\x05\x05\x00\x01" + bytes(6))
            return
        writer.write(b"\x05\x00\x00\x01" + bytes(6))
        await _join(reader, writer, *upstream)

    return play


async def _read_host(reader: asyncio.StreamReader, kind: int) -> str:
    if kind == 3:
        return (await reader.readexactly((await reader.readexactly(1))[0])).decode()
    six = kind == 4
    return socket.inet_ntop(socket.AF_INET6 if six else socket.AF_INET, await reader.readexactly(16 if six else 4))


async def _join(
    reader: asyncio.StreamReader,
    writer: asyncio.StreamWriter,
    up_reader: asyncio.StreamReader,
    up_writer: asyncio.StreamWriter,
) -> None:
    try:
        async with asyncio.TaskGroup() as group:
            group.create_task(_pump(reader, up_writer))
            group.create_task(_pump(up_reader, writer))
    finally:
        up_writer.transport.abort()


async def _pump(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    try:
        while data := await reader.read(65536):
            writer.write(data)
            await writer.drain()
        writer.close()
    except OSError:
        writer.close()
