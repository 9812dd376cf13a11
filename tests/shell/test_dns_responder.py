"""The responder over loopback, asked by real `dig`; its zone read by real `named-checkzone`."""

from __future__ import annotations

import asyncio
import shutil
import socket
import struct
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path

import pytest

from edge.cluster.registry import NodeNote
from edge.config.model import Address, Dns
from edge.dns.aio import responder as responding
from edge.dns.aio.responder import Responder
from edge.dns.answer import Picture
from edge.dns.export import bind, records
from edge.dns.zone import Zone

NOTES = [
    NodeNote("bj-1", 1, region="cn-north", location=(39.9, 116.4), addresses=("203.0.113.1", "2001:db8::1")),
    NodeNote("sh-1", 1, region="cn-east", location=(31.2, 121.5), addresses=("203.0.113.2",)),
]
ZONE = Zone("edge.example.com", ("ns1.example.com",))


class Counts(Counter[tuple[str, str]]):
    def __call__(self, transport: str, code: str) -> None:
        self[transport, code] += 1


@asynccontextmanager
async def answering(
    rate: float = 0.0, host: str = "127.0.0.1", counts: Counts | None = None
) -> AsyncIterator[tuple[str, int]]:
    dns = Dns((Address(host, 0),), ZONE.name, ZONE.nameservers, rate_per_second=rate)
    shanghai = (31.0, 121.0)
    picture = Picture(ZONE, NOTES, lambda at: shanghai if str(at).startswith("198.51.") else None, 1)
    responder = Responder(dns, lambda: picture, Counts() if counts is None else counts)
    await responder.start()
    try:
        yield responder.bound[0]
    finally:
        await responder.close()


async def run(*command: str) -> str:
    process = await asyncio.create_subprocess_exec(*command, stdout=asyncio.subprocess.PIPE)
    output, _ = await process.communicate()
    return output.decode()


async def dig(at: tuple[str, int], *words: str) -> str:
    return await run("dig", f"@{at[0]}", "-p", str(at[1]), "+tries=1", "+time=5", *words)


async def test_dig() -> None:
    counts = Counts()
    async with answering(counts=counts) as at:
        assert (await dig(at, "edge.example.com", "+short")).split() == ["203.0.113.1", "203.0.113.2"]
        near = await dig(at, "edge.example.com", "+subnet=198.51.100.0/24")
        assert near.index("203.0.113.2") < near.index("203.0.113.1")
        assert "CLIENT-SUBNET: 198.51.100.0/24/24" in near
        assert "flags: qr aa rd;" in near
        assert (await dig(at, "bj-1.edge.example.com", "AAAA", "+tcp", "+short")).split() == ["2001:db8::1"]
        assert "status: NXDOMAIN" in await dig(at, "nowhere.edge.example.com")
        assert "status: REFUSED" in await dig(at, "example.org")
        assert "Transfer failed" in await dig(at, "edge.example.com", "AXFR")
        assert "RFC8482" in await dig(at, "edge.example.com", "ANY", "+notcp")
        assert "BADVERS" in await dig(at, "edge.example.com", "+edns=1", "+noednsneg")
    assert counts["tcp", "NOERROR"] == 1
    assert counts["udp", "NXDOMAIN"] == 1


async def test_beyond_the_rate_dig_comes_by_tcp() -> None:
    counts = Counts()
    async with answering(rate=0.5, counts=counts) as at:
        for _ in range(2):  # the first is answered, the second cut short: dig asks again by TCP
            assert "203.0.113.1" in await dig(at, "edge.example.com", "+short")
    assert counts == {("udp", "NOERROR"): 1, ("udp", "LIMITED"): 1, ("tcp", "NOERROR"): 1}


async def test_noise_on_both_transports() -> None:
    async with answering(host="::1") as at:
        with socket.socket(socket.AF_INET6, socket.SOCK_DGRAM) as udp:
            for junk in (b"", b"x", bytes(12), bytes(600)):
                udp.sendto(junk, at)
        for junk in (b"\0", b"\0\1x", struct.pack("!H", 12) + bytes(12), b"\xff\xffxx"):
            reader, writer = await asyncio.open_connection(*at)
            writer.write(junk)
            writer.write_eof()
            await reader.read()
            writer.close()
            await writer.wait_closed()
        assert "203.0.113.1" in await dig(at, "edge.example.com", "+short")


async def test_silent_connections_end(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(responding, "IDLE", 0.1)
    async with answering() as at:
        reader, writer = await asyncio.open_connection(*at)
        async with asyncio.timeout(5):
            assert await reader.read() == b""
        writer.close()
        await writer.wait_closed()


async def test_the_zone_file_is_sound(tmp_path: Path) -> None:
    checker = shutil.which("named-checkzone", path="/usr/bin:/usr/sbin:/sbin:/bin")
    assert checker is not None
    for servers in (("ns1.example.com",), ("bj-1.edge.example.com", "sh-1.edge.example.com")):
        zone = Zone("edge.example.com", servers)
        file = tmp_path / "zone"
        file.write_text(bind(zone, records(zone, NOTES, None, 2026112201)))
        told = await run(checker, "-i", "local", "edge.example.com", str(file))
        assert told == "zone edge.example.com/IN: loaded serial 2026112201\nOK\n"
