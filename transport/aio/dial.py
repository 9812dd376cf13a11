"""Dialing over a line: Happy Eyeballs, the line's proxy, TLS, and the protocol that ALPN chose."""

from __future__ import annotations

import asyncio
import socket
import ssl
import time
from collections.abc import Awaitable, Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Generic, TypeVar, cast

from transport.aio.line import SocketPolicy, tcp_socket, udp_socket
from transport.aio.openers import Openers
from transport.aio.resolver import Resolver
from transport.aio.tls import Contexts, ResumingContext, handshake_fault, offer_session, ssl_object
from transport.connector import ConnectionOwner
from transport.dialing import endpoint_fault, errno_fault, line_fault, most_telling, proxy_fault
from transport.exchange import Connection
from transport.eyeballs import Schedule, arrange
from transport.failure import Code, Failure, TransportError
from transport.path import Line, Path, Protocol, Target
from transport.proxying import Proxy, ProxyRefused, parse_proxy

T = TypeVar("T")


@dataclass(frozen=True, slots=True)
class Dialed:
    """A connection that is up. `seconds` from its first packet to readiness; `tls` None on plain TCP and for h3."""

    connection: Connection
    seconds: float
    resumed: bool
    tls: ssl.SSLObject | None
    context: ResumingContext | None


@dataclass(frozen=True, slots=True)
class Reached:
    """A TCP connection to a target, or a tunnel to it. `began`: when its first packet left; `asked`: when the first
    that the target itself has to answer did (behind a proxy: the request for the tunnel). Monotonic seconds."""

    sock: socket.socket
    began: float
    asked: float


class Dialer:
    """Dials targets over lines. `timeout` seconds bound everything from name resolution to a ready connection."""

    def __init__(
        self, openers: Openers, resolver: Resolver, timeout: float, policy: SocketPolicy | None = None
    ) -> None:
        self.openers = openers
        self.timeout = timeout
        self._resolver = resolver
        self._policy = policy or SocketPolicy()
        self._contexts = Contexts()

    async def prepare(self, target: Target, offer: tuple[Protocol, ...]) -> None:
        """Loads the target's trust store now, so that the first dial needn't. A bad one is that dial's failure."""
        if offer:
            with suppress(TransportError):
                await self.context(target, offer)

    async def dial_tcp(
        self,
        line: Line,
        target: Target,
        offer: tuple[Protocol, ...],
        owner: ConnectionOwner,
        sessions: dict[ResumingContext, ssl.SSLSession],
    ) -> Dialed:
        """An HTTP/2 or HTTP/1.1 connection, whichever of `offer` the far end picks. `sessions`: TLS sessions to resume.

        Raises:
            TransportError: verdict SAFE.
        """
        try:
            async with asyncio.timeout(self.timeout):
                context = await self.context(target, offer) if target.tls else None
                reached = await self.reach(line, target)
                session = None if context is None else sessions.get(context)
                path = Path(line.id, target.id)
                return await self._set_up(reached.sock, reached.began, path, target, offer, owner, context, session)
        except TimeoutError:
            raise TransportError(line_fault(Code.CONNECTION_TIMEOUT, f"not up in {self.timeout:g} s")) from None

    async def dial_quic(
        self, line: Line, target: Target, owner: ConnectionOwner, ticket: object | None, keep: Callable[[object], None]
    ) -> Dialed:
        """An HTTP/3 connection; `keep` is called with every session ticket that comes.

        Raises:
            TransportError: verdict SAFE.
        """
        open_h3 = self.openers.h3
        if open_h3 is None or line.proxy is not None:
            raise TransportError(line_fault(Code.DESTINATION_UNAVAILABLE, "no HTTP/3 on this line"))

        async def attempt(address: str) -> Connection:
            try:
                sock = udp_socket(line, address, self._policy)
            except OSError as error:
                raise TransportError(errno_fault(error.errno, str(error))) from error
            return await open_h3(
                sock=sock,
                address=(address, target.port),
                target=target,
                path=Path(line.id, target.id),
                owner=owner,
                ticket=ticket,
                on_ticket=keep,
                timeout=self.timeout,
            )

        try:
            async with asyncio.timeout(self.timeout):
                addresses = await self.addresses(line, target.host)
                began = time.monotonic()
                connection = await Race(attempt, Connection.abort).run(addresses)
        except TimeoutError:
            raise TransportError(line_fault(Code.CONNECTION_TIMEOUT, f"not up in {self.timeout:g} s")) from None
        return Dialed(connection, time.monotonic() - began, False, None, None)

    async def context(self, target: Target, offer: tuple[Protocol, ...]) -> ResumingContext:
        """What TLS to the target is made with.

        Raises:
            TransportError: its trust store can't be read.
        """
        try:
            return await self._contexts.get(target.ca_file, offer)
        except OSError as error:
            detail = f"trust store {target.ca_file}: {error.strerror or error}"
            raise TransportError(endpoint_fault(Code.PROXY_CONFIGURATION_ERROR, detail)) from error

    async def reach(self, line: Line, target: Target) -> Reached:
        """A connection to the target, through the line's proxy if it has one. It is the caller's, who also limits the
        time.

        Raises:
            TransportError: verdict SAFE.
        """
        if line.proxy is None:
            addresses = await self.addresses(line, target.host)
            began = time.monotonic()
            return Reached(await self._race_tcp(line, addresses, target.port), began, began)
        try:
            proxy = parse_proxy(line.proxy)
            addresses = await self.addresses(line, proxy.host)
            began = time.monotonic()
            sock = await self._race_tcp(line, addresses, proxy.port)
        except ValueError as error:
            raise TransportError(proxy_fault(str(error))) from None
        except TransportError as error:
            raise TransportError(proxy_fault(f"{error.failure.code}: {error.failure.detail}")) from None
        asked = time.monotonic()
        await _tunnel(sock, proxy, target)
        return Reached(sock, began, asked)

    async def addresses(self, line: Line, host: str) -> tuple[str, ...]:
        """The host's addresses that the line can reach, in the order to try them.

        Raises:
            TransportError: there is none.
        """
        addresses = arrange(await self._resolver.resolve(host), line.source)
        if not addresses:
            raise TransportError(
                line_fault(Code.DESTINATION_IP_UNROUTABLE, f"{host} has no address of the family of {line.source}")
            )
        return addresses

    async def _race_tcp(self, line: Line, addresses: Sequence[str], port: int) -> socket.socket:
        async def attempt(address: str) -> socket.socket:
            try:
                sock = tcp_socket(line, address, self._policy)
            except OSError as error:
                raise TransportError(errno_fault(error.errno, f"line {line.id}: {error}")) from error
            try:
                await asyncio.get_running_loop().sock_connect(sock, (address, port))
            except OSError as error:
                sock.close()
                raise TransportError(errno_fault(error.errno, f"{address} port {port}: {error.strerror}")) from error
            except BaseException:
                sock.close()
                raise
            return sock

        return await Race(attempt, socket.socket.close).run(addresses)

    async def _set_up(
        self,
        sock: socket.socket,
        began: float,
        path: Path,
        target: Target,
        offer: tuple[Protocol, ...],
        owner: ConnectionOwner,
        context: ResumingContext | None,
        session: ssl.SSLSession | None,
    ) -> Dialed:
        scheme = b"http" if context is None else b"https"

        def make(chosen: str | None) -> asyncio.Protocol:
            if chosen == Protocol.H2.value or (context is None and offer == (Protocol.H2,)):
                assert self.openers.h2 is not None
                return self.openers.h2(path, owner, target.authority, scheme)
            return self.openers.h1(path, owner, target.authority)

        offer_session(session)
        try:
            transport, chooser = await asyncio.get_running_loop().create_connection(
                lambda: _Chooser(make),
                sock=sock,
                ssl=context,
                server_hostname=None if context is None else target.host,
                ssl_handshake_timeout=None if context is None else self.timeout,
            )
        except OSError as error:
            disown(sock)
            raise TransportError(handshake_fault(error)) from error
        except BaseException:
            disown(sock)
            raise
        connection = cast(Connection, chooser.connection)
        if connection.protocol not in offer:
            transport.abort()
            raise TransportError(endpoint_fault(Code.TLS_PROTOCOL_ERROR, "the peer chose none of our HTTP versions"))
        tls = ssl_object(transport)
        resumed = tls is not None and bool(tls.session_reused)
        return Dialed(connection, time.monotonic() - began, resumed, tls, context)


def disown(sock: socket.socket) -> None:
    """The transport that was to carry `sock` has closed it. uvloop does so by number: the object that still holds the
    number would close it once more when it is collected, and by then it may be another connection's."""
    if not isinstance(asyncio.get_running_loop(), asyncio.BaseEventLoop):
        sock.detach()


class _Chooser(asyncio.Protocol):
    """Stands in until the transport is up, then hands it to the protocol that ALPN chose: no byte can come between."""

    def __init__(self, make: Callable[[str | None], asyncio.Protocol]) -> None:
        self._make = make
        self.connection: asyncio.Protocol | None = None

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        tls = ssl_object(transport)
        self.connection = self._make(tls.selected_alpn_protocol() if tls is not None else None)
        transport.set_protocol(self.connection)
        self.connection.connection_made(transport)


class Race(Generic[T]):
    """Happy Eyeballs (RFC 8305 §5): attempts begin one after another, the first success ends the others."""

    def __init__(self, attempt: Callable[[str], Awaitable[T]], discard: Callable[[T], object]) -> None:
        """`attempt` raises TransportError and leaves nothing behind; `discard` undoes a success nobody needs."""
        self._attempt = attempt
        self._discard = discard
        self._tasks: list[asyncio.Task[None]] = []
        self._won: list[T] = []
        self._failures: list[Failure] = []
        self._news = asyncio.Event()

    async def run(self, addresses: Sequence[str]) -> T:
        """The first success.

        Raises:
            TransportError: all failed.
        """
        if len(addresses) == 1:
            return await self._attempt(addresses[0])
        try:
            async with asyncio.TaskGroup() as group:
                await self._begin_all(group, addresses)
        except BaseException:
            for result in self._won:
                self._discard(result)
            raise
        if self._won:
            return self._won[0]
        raise TransportError(most_telling(self._failures))

    async def _begin_all(self, group: asyncio.TaskGroup, addresses: Sequence[str]) -> None:
        clock = time.monotonic
        schedule = Schedule(addresses, clock())
        while not self._won and (wait := schedule.wait(clock())) is not None:
            if (address := schedule.begin(clock())) is not None:
                self._tasks.append(group.create_task(self._run(address)))
                continue
            self._news.clear()
            try:
                async with asyncio.timeout(wait):
                    await self._news.wait()
                schedule.failed(clock())
            except TimeoutError:
                pass

    async def _run(self, address: str) -> None:
        try:
            result = await self._attempt(address)
        except TransportError as error:
            self._failures.append(error.failure)
        else:
            if self._won:
                self._discard(result)
                return
            self._won.append(result)
            for task in self._tasks:
                if task is not asyncio.current_task():
                    task.cancel()
        self._news.set()


async def _tunnel(sock: socket.socket, proxy: Proxy, target: Target) -> None:
    """Makes `sock`, connected to the proxy, a tunnel to the target; closes it if that fails."""
    loop = asyncio.get_running_loop()
    steps = proxy.handshake(target.host, target.port)
    try:
        step = next(steps)
        while True:
            if isinstance(step, bytes):
                await loop.sock_sendall(sock, step)
                step = next(steps)
            else:
                step = steps.send(await _read_exactly(sock, step))
    except StopIteration:
        return
    except ProxyRefused as error:
        sock.close()
        raise TransportError(proxy_fault(str(error))) from None
    except OSError as error:
        sock.close()
        raise TransportError(proxy_fault(error.strerror or str(error))) from error
    except BaseException:
        sock.close()
        raise


async def _read_exactly(sock: socket.socket, size: int) -> bytes:
    loop = asyncio.get_running_loop()
    data = b""
    while len(data) < size:
        part = await loop.sock_recv(sock, size - len(data))
        if not part:
            raise ProxyRefused("it closed the connection")
        data += part
    return data
