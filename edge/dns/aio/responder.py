"""UDP and TCP listeners of the zone."""

from __future__ import annotations

import asyncio
import logging
import struct
from collections.abc import Callable, Sequence
from contextlib import suppress
from ipaddress import IPv4Address, IPv6Address, ip_address
from time import monotonic
from typing import cast

from edge.config.model import Address, Dns
from edge.dns.answer import Picture, answer, truncated
from edge.dns.limits import Limits, Verdict

log = logging.getLogger("farline.dns")

IDLE = 5.0
"""Seconds that a TCP connection may be silent."""
MOST_CONNECTIONS = 200
MOST_QUERIES = 100
"""On one TCP connection."""

Counted = Callable[[str, str], None]
"""Called with the transport and the reply's code; "LIMITED" for what was cut short or dropped."""


class Responder:
    """`picture` is asked for each query."""

    def __init__(self, dns: Dns, picture: Callable[[], Picture], counted: Counted) -> None:
        self._addresses = dns.listen
        self._picture = picture
        self._counted = counted
        self._limits = Limits(dns.rate_per_second, monotonic())
        self._datagrams: list[asyncio.DatagramTransport] = []
        self._servers: list[asyncio.Server] = []
        self._writers: set[asyncio.StreamWriter] = set()
        self.bound: list[tuple[str, int]] = []

    async def start(self) -> None:
        """Raises OSError: an address can't be bound."""
        for address in self._addresses:
            await self._listen(address)
        log.info("answers for the zone at %s", ", ".join(f"{host} port {port}" for host, port in self.bound))

    async def _listen(self, address: Address) -> None:
        """The same port for both, also if any will do."""
        server = await asyncio.start_server(self._connected, address.host, address.port, limit=2**16)
        self._servers.append(server)
        host, port = server.sockets[0].getsockname()[:2]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _Datagrams(self), (host, port))
        self._datagrams.append(transport)
        self.bound.append((host, port))

    def datagram(self, query: bytes, peer: Sequence[object], send: Callable[[bytes], None]) -> None:
        """One query by UDP. `peer`: the sender's host and port."""
        sender = _address(str(peer[0]))
        verdict = self._limits.judge(sender, monotonic())
        if verdict is Verdict.ANSWER:
            reply = answer(query, sender, self._picture(), is_udp=True)
            if reply is not None:
                self._counted("udp", reply.code)
                send(reply.wire)
            return
        self._counted("udp", "LIMITED")
        short = truncated(query) if verdict is Verdict.TRUNCATE else None
        if short is not None:
            send(short)

    async def _connected(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """RFC 7766: several queries on a connection, each with its length in front."""
        self._writers.add(writer)
        try:
            if len(self._writers) <= MOST_CONNECTIONS:
                await self._converse(reader, writer)
        except (OSError, asyncio.IncompleteReadError, TimeoutError):
            pass  # the peer left, or fell silent
        finally:
            self._writers.discard(writer)
            writer.close()
            with suppress(OSError):
                await writer.wait_closed()

    async def _converse(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        sender = _address(str(writer.get_extra_info("peername")[0]))
        for _ in range(MOST_QUERIES):
            async with asyncio.timeout(IDLE):
                (length,) = struct.unpack("!H", await reader.readexactly(2))
                query = await reader.readexactly(length)
            reply = answer(query, sender, self._picture(), is_udp=False)
            if reply is None:
                return
            self._counted("tcp", reply.code)
            writer.write(struct.pack("!H", len(reply.wire)) + reply.wire)
            async with asyncio.timeout(IDLE):
                await writer.drain()

    async def close(self) -> None:
        for transport in self._datagrams:
            transport.close()
        for server in self._servers:
            server.close()
        for writer in list(self._writers):
            writer.transport.abort()
        for server in self._servers:
            await server.wait_closed()
        await asyncio.sleep(0)  # transports close their sockets in the next turn


class _Datagrams(asyncio.DatagramProtocol):
    def __init__(self, responder: Responder) -> None:
        self._responder = responder

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast(asyncio.DatagramTransport, transport)  # asyncio's own isn't one by its class

    def datagram_received(self, data: bytes, addr: tuple[object, ...]) -> None:
        self._responder.datagram(data, addr, lambda reply: self._transport.sendto(reply, addr))

    def error_received(self, error: Exception) -> None:
        """An asker has gone: nothing to do."""


def _address(host: str) -> IPv4Address | IPv6Address:
    """IPv4 addresses come to listeners of both families as mapped ones."""
    found = ip_address(host.partition("%")[0])
    return (found.ipv4_mapped or found) if isinstance(found, IPv6Address) else found
