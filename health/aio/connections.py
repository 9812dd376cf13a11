"""Checks that open something: a TCP connection, a TLS session, or an HTTP request on a connection of the pools.

Connections that were opened to be measured are closed with RST, so that nothing lingers in TIME_WAIT on either side.
"""

from __future__ import annotations

import asyncio
import socket
import ssl
import struct
import time
from dataclasses import dataclass

from transport.aio.dial import Dialer, Reached
from transport.aio.line import read_tcp
from transport.aio.path_pool import tcp_offer
from transport.aio.tls import handshake_fault
from transport.connector import Connector
from transport.dialing import endpoint_fault
from transport.failure import Code, Failure, TransportError
from transport.message import Headers, RequestHead, ResponseHead
from transport.path import Line, Path, Protocol, Target

_RESET_ON_CLOSE = struct.pack("@ii", 1, 0)  # SO_LINGER, socket(7)


@dataclass(frozen=True, slots=True)
class Answer:
    """`rtt` None: the first packet was lost, for the kernel had to repeat it. Seconds."""

    rtt: float | None
    seconds: float


async def connect(dialer: Dialer, line: Line, target: Target) -> Answer:
    """One TCP connect. The kernel's own measure of the round trip, where the connection is direct.

    Raises:
        TransportError: refused, or there is no way.
    """
    reached = await dialer.reach(line, target)
    try:
        return _answer(line, reached)
    finally:
        _reset(reached.sock)


async def shake_hands(dialer: Dialer, line: Line, target: Target) -> Answer:
    """One TCP connect and full TLS handshake, certificate verified.

    Raises:
        TransportError: refused; no way; not TLS; a certificate that isn't right.
    """
    context = await dialer.context(target, tcp_offer(target.protocols) or (Protocol.H1,))
    reached = await dialer.reach(line, target)
    try:
        await _handshake(reached.sock, context, target.host)
        answer = _answer(line, reached)
        return Answer(answer.rtt if answer.rtt is not None else answer.seconds, answer.seconds)
    except OSError as error:
        raise TransportError(handshake_fault(error)) from error
    finally:
        _reset(reached.sock)


async def request(connector: Connector, path: Path, target: Target, base_path: str) -> Answer:
    """`HEAD` of the base URL, without credentials, on a pooled connection: nothing that a provider bills. Whatever
    answers below 500 is alive; 401 and 404 are what to expect.

    Raises:
        TransportError: not reached, or it answered 5xx.
    """
    head = RequestHead(
        b"HEAD",
        (base_path or "/").encode(),
        target.authority.encode(),
        [(b"user-agent", b"farline-probe"), (b"accept", b"*/*")],
        b"https" if target.tls else b"http",
    )
    connection = await connector.connect(path)
    sink = _Status()
    began = time.monotonic()
    exchange = connection.open(head, sink, None, end=True)
    try:
        status = await sink.done
    finally:
        exchange.cancel()
    if status >= 500:
        raise TransportError(endpoint_fault(Code.DESTINATION_UNAVAILABLE, f"it answered {status}"))
    return Answer(sink.began_at - began, time.monotonic() - began)


class _Status:
    """A ResponseSink that keeps the status. `done` has it when the reply is complete."""

    def __init__(self) -> None:
        self.done: asyncio.Future[int] = asyncio.get_running_loop().create_future()
        self.began_at = 0.0
        self._status = 0

    def on_head(self, head: ResponseHead) -> None:
        self.began_at = time.monotonic()
        self._status = head.status

    def on_data(self, data: bytes) -> None: ...

    def on_end(self, trailers: Headers) -> None:
        if not self.done.done():
            self.done.set_result(self._status)

    def on_failure(self, failure: Failure) -> None:
        if not self.done.done():
            self.done.set_exception(TransportError(failure))

    def on_writable(self) -> None: ...


def _answer(line: Line, reached: Reached) -> Answer:
    now = time.monotonic()
    reading = None if line.proxy is not None else read_tcp(reached.sock)
    if reading is None:  # the kernel knows the proxy's round trip only
        return Answer(now - reached.asked, now - reached.began)
    return Answer(None if reading.retransmits else reading.srtt or now - reached.asked, now - reached.began)


async def _handshake(sock: socket.socket, context: ssl.SSLContext, host: str) -> None:
    """Raises OSError (ssl.SSLError is one)."""
    loop = asyncio.get_running_loop()
    incoming, outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
    tls = context.wrap_bio(incoming, outgoing, server_hostname=host)
    while True:
        try:
            tls.do_handshake()
        except ssl.SSLWantReadError:
            await loop.sock_sendall(sock, outgoing.read())
            data = await loop.sock_recv(sock, 65_536)
            if data:
                incoming.write(data)
            else:
                incoming.write_eof()
            continue
        await loop.sock_sendall(sock, outgoing.read())
        return


def _reset(sock: socket.socket) -> None:
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, _RESET_ON_CLOSE)
    sock.close()
