"""Bad lines without root: a UDP and a TCP relay on loopback for each line and host, under the same link model.

UDP is true to the model to about a millisecond. TCP isn't seen as packets here: both connections are the kernel's and
perfect; delay, jitter, rate and outages are imposed on the bytes, loss as the time its repair would take. What can't
be shown: the handshake's round trips (the relay accepts at once), slow start and congestion windows, reordering,
corruption, duplicates, MTU, source addresses. For those use a lab.
"""

import asyncio
import logging
import socket
import struct
from collections.abc import Callable, Coroutine, Mapping
from math import inf
from types import TracebackType
from typing import Any, Literal, Self, cast

from netem.link.event import Direction, Event
from netem.link.lane import UDP
from netem.link.link import Link
from netem.link.stream import Stream
from netem.packets import flip_bit
from netem.scenario import Scenario
from netem.topology import Topology

Address = tuple[str, int]
MAX_INSIDE = 1_000_000
"""Bytes of one TCP direction inside a line before its sender is made to wait."""
_UDP_HEADERS = 28
_log = logging.getLogger(__name__)


class RelayLab:
    """`async with RelayLab(scenario, {"provider": (host, port)}) as lab:`, then connect to `lab.address(…)`."""

    def __init__(self, scenario: Scenario, targets: Mapping[str, Address]) -> None:
        self._scenario = scenario
        self._targets = targets
        self._links = {spec.id: spec.link(scenario.seed) for spec in scenario.lines}
        self._addresses: dict[tuple[str, str, str], Address] = {}
        self._servers: list[asyncio.Server] = []
        self._transports: set[asyncio.BaseTransport] = set()
        self._tasks: set[asyncio.Task[None]] = set()
        self._origin = 0.0
        self.failures = 0

    async def __aenter__(self) -> Self:
        self._origin = asyncio.get_running_loop().time()
        for host, target in self._targets.items():
            Topology(self._scenario).address(host)
            for id, link in self._links.items():
                self._addresses[host, id, "udp"] = await self._listen_udp(link, target)
                self._addresses[host, id, "tcp"] = await self._listen_tcp(link, target)
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for server in self._servers:
            server.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for transport in list(self._transports):
            _reset(transport)
        await asyncio.sleep(0)  # connection_lost is called in the next turn of the loop

    def address(self, host: str, line: str, protocol: Literal["tcp", "udp"]) -> Address:
        """Where to send to reach `host` over `line`."""
        return self._addresses[host, line, protocol]

    def link(self, line: str) -> Link:
        """The model of a line, for its tallies and to set its profile."""
        return self._links[line]

    def now(self) -> float:
        """Lab time."""
        return asyncio.get_running_loop().time() - self._origin

    def event(self, line: str, kind: str, **settings: Any) -> None:
        """Let an `Event` begin now, or at lab time `at`."""
        self._links[line].add([Event(kind, **{"at": self.now(), **settings})])

    def at(self, moment: float, call: Callable[..., object], *values: object) -> asyncio.TimerHandle:
        """Call at a moment of lab time."""
        return asyncio.get_running_loop().call_at(self._origin + moment, call, *values)

    def adopt(self, transport: asyncio.BaseTransport) -> None:
        """Close this transport with the lab."""
        self._transports.add(transport)

    def disown(self, transport: asyncio.BaseTransport) -> None:
        """It is closed already."""
        self._transports.discard(transport)

    def spawn(self, work: Coroutine[Any, Any, None]) -> None:
        """Run until done or until the lab closes; failures are logged and counted."""
        task = asyncio.get_running_loop().create_task(work)
        self._tasks.add(task)
        task.add_done_callback(self._done)

    def _done(self, task: asyncio.Task[None]) -> None:
        self._tasks.discard(task)
        if not task.cancelled() and (fault := task.exception()) is not None:
            self.failures += 1
            _log.warning("relay: %s", fault)

    async def _listen_udp(self, link: Link, target: Address) -> Address:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: _UdpIn(self, link, target), ("127.0.0.1", 0))
        self.adopt(transport)
        name: Address = transport.get_extra_info("sockname")
        return name

    async def _listen_tcp(self, link: Link, target: Address) -> Address:
        loop = asyncio.get_running_loop()
        server = await loop.create_server(lambda: _TcpEnd(self, link, "up", target), "127.0.0.1", 0)
        self._servers.append(server)
        name: Address = server.sockets[0].getsockname()
        return name


def _reset(transport: asyncio.BaseTransport) -> None:
    end = transport.get_extra_info("socket")
    if isinstance(transport, asyncio.Transport) and end is not None and end.fileno() >= 0:
        end.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))  # close with RST, not with FIN
        transport.abort()
    else:
        transport.close()


class _UdpIn(asyncio.DatagramProtocol):
    """The client's side of a UDP relay: one outside socket for each client address."""

    def __init__(self, lab: RelayLab, link: Link, target: Address) -> None:
        self._lab = lab
        self._link = link
        self._target = target
        self._out: dict[Address, _UdpOut] = {}
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        out = self._out.get(addr)
        if out is None:
            out = self._out[addr] = _UdpOut(self, addr)
            self._lab.spawn(self._open(out))
        self.carry("up", data, addr, out.send)

    def carry(self, direction: Direction, data: bytes, client: Address, send: Callable[[bytes], None]) -> None:
        """Through the model, then `send`."""
        now = self._lab.now()
        flow = bytes([UDP]) + repr(client).encode()
        for at, flip in self._link.offer(direction, len(data) + _UDP_HEADERS, flow, now):
            changed = data if flip < 0 or not data else flip_bit(data, flip % (len(data) * 8))
            self._lab.at(at, send, changed)

    def reply(self, data: bytes, client: Address) -> None:
        """To the client; nothing happens once the lab is closed."""
        if self._transport is not None and not self._transport.is_closing():
            self._transport.sendto(data, client)

    async def _open(self, out: "_UdpOut") -> None:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(lambda: out, remote_addr=self._target)
        self._lab.adopt(transport)


class _UdpOut(asyncio.DatagramProtocol):
    """The target's side, for one client."""

    def __init__(self, inner: _UdpIn, client: Address) -> None:
        self._inner = inner
        self._client = client
        self._held: list[bytes] = []
        self._transport: asyncio.DatagramTransport | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.DatagramTransport", transport)
        for data in self._held:
            self._transport.sendto(data)
        self._held.clear()

    def send(self, data: bytes) -> None:
        """To the target, at once or as soon as the socket is open."""
        if self._transport is None:
            self._held.append(data)
        elif not self._transport.is_closing():
            self._transport.sendto(data)

    def datagram_received(self, data: bytes, addr: Address) -> None:
        self._inner.carry("down", data, self._client, lambda ready: self._inner.reply(ready, self._client))

    def error_received(self, exc: Exception) -> None:
        _log.debug("udp relay: %s", exc)  # the target's port is closed: as on a real line, the client hears nothing


class _TcpEnd(asyncio.Protocol):
    """One end of a relayed connection: what it reads goes through the model to its peer."""

    def __init__(self, lab: RelayLab, link: Link, direction: Direction, target: Address | None) -> None:
        self._lab = lab
        self._link = link
        self._target = target
        self._stream = Stream(link, direction)
        self._direction: Direction = direction
        self._peer: _TcpEnd | None = None
        self._timer: asyncio.TimerHandle | None = None
        self._transport: asyncio.Transport | None = None
        self._has_ended = False
        self._is_drained = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)
        self._lab.adopt(transport)
        if self._target is not None:
            self._transport.pause_reading()
            self._lab.spawn(self._connect(self._target))

    def join(self, peer: "_TcpEnd") -> None:
        """From now on what is read here comes out there."""
        self._peer = peer
        if self._transport is not None and not self._transport.is_closing():
            self._transport.resume_reading()

    def data_received(self, data: bytes) -> None:
        now = self._lab.now()
        self._link.advance(now)
        if self._link.lane(self._direction).conditions.tcp_reset:
            self.abort()
            return
        self._stream.push(data, now)
        if self._stream.bytes_inside > MAX_INSIDE and self._transport is not None:
            self._transport.pause_reading()
        self._arm()

    def eof_received(self) -> bool:
        self._has_ended = True
        self._deliver()
        return True

    def connection_lost(self, exc: Exception | None) -> None:
        if self._transport is not None:
            self._lab.disown(self._transport)
        if exc is not None or not self._has_ended:
            self.abort()

    def abort(self) -> None:
        """Both connections end at once, with RST."""
        for end in (self, self._peer):
            if end is not None and end._transport is not None:
                _reset(end._transport)
            if end is not None and end._timer is not None:
                end._timer.cancel()

    async def _connect(self, target: Address) -> None:
        outer = _TcpEnd(self._lab, self._link, "down", None)
        try:
            await asyncio.get_running_loop().create_connection(lambda: outer, *target)
        except OSError:
            self.abort()
            return
        outer.join(self)
        self.join(outer)
        if self._transport is None or self._transport.is_closing():
            self.abort()

    def _arm(self) -> None:
        if self._timer is not None:
            self._timer.cancel()
        due = self._stream.timer()
        self._timer = self._lab.at(due, self._deliver) if due < inf else None

    def _deliver(self) -> None:
        peer = self._peer._transport if self._peer is not None else None
        if peer is None or peer.is_closing():
            return
        for data in self._stream.poll(self._lab.now()):
            peer.write(data)
        if self._transport is not None and self._stream.bytes_inside <= MAX_INSIDE and not self._has_ended:
            self._transport.resume_reading()
        if self._has_ended and not self._is_drained and not self._stream.bytes_inside:
            self._end(peer)
        self._arm()

    def _end(self, peer: asyncio.Transport) -> None:
        self._is_drained = True
        if self._peer is not None and self._peer._is_drained and self._transport is not None:
            self._transport.close()
            peer.close()
        else:
            peer.write_eof()
