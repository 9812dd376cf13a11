"""A relay as a connection: requests go out on a session's streams, each an exchange of its own."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from hashlib import blake2b
from time import monotonic

from transport.connector import ConnectionOwner
from transport.exchange import Connection, Exchange, ResponseSink
from transport.failure import Failure
from transport.message import Call, RequestHead
from transport.path import Protocol
from transport.sample import TransportSample
from transport.session.aio.exchange import RelayExchange
from transport.session.live import LiveSession
from transport.session.values import Code, Priority

_NOBODY = Call(b"", Priority.INTERACTIVE, None, "", 3600.0)


def request_id(call: Call, endpoint: str) -> bytes:
    """Under which the relay executes the request at most once: the same for a repetition of a request whose outcome
    never came, another one for a further attempt that is meant."""
    digest = blake2b(call.id, digest_size=16)
    digest.update(b"\0%s\0%d" % (endpoint.encode(), call.answered))
    return digest.digest()


def kept(opcode: int, payload: bytes) -> float:
    """No message may be left out."""
    return 0.0


class RelayConnection(Connection):
    """One endpoint as it is reached through a relay."""

    __slots__ = (
        "_endpoint",
        "_is_closing",
        "_is_gone",
        "_on_stamp",
        "_open",
        "_owner",
        "_reserved",
        "lifetime",
        "session",
    )

    protocol = Protocol.SESSION

    def __init__(
        self,
        session: LiveSession,
        endpoint: str,
        owner: ConnectionOwner,
        on_stamp: Callable[[int, float], None] = lambda ms, now: None,
        lifetime: Callable[[int, bytes], float] = kept,
    ) -> None:
        """`on_stamp`: takes the relay's stamps and when they came. `lifetime`: how late, in seconds, a message that the
        client sends over a WebSocket may come, by its opcode and payload; 0: however late."""
        self.session = session
        self._endpoint = endpoint
        self._owner = owner
        self._on_stamp = on_stamp
        self.lifetime = lifetime
        self._open: set[RelayExchange] = set()
        self._reserved = 0
        self._is_closing = False
        self._is_gone = False

    @property
    def in_flight(self) -> int:
        return len(self._open) + self._reserved

    def has_slot(self) -> bool:
        return self.session.is_open and not self._is_closing

    def reserve(self) -> None:
        self._reserved += 1

    def release(self) -> None:
        self._reserved -= 1
        self._end_if_idle()

    def open(self, head: RequestHead, sink: ResponseSink, body: bytes | None, *, end: bool) -> Exchange:
        self._reserved -= 1
        exchange = RelayExchange(self, sink, head.call or _NOBODY)
        self._open.add(exchange)
        if self._is_gone:
            exchange.refuse(Code.NO_ERROR)
        else:
            exchange.begin(head, body, end)
        return exchange

    def id_of(self, call: Call) -> bytes:
        call.execution = request_id(call, self._endpoint)
        return call.execution

    def stamped(self, ms: int) -> None:
        self._on_stamp(ms, monotonic())

    def ended(self, exchange: RelayExchange) -> None:
        """Told by the exchange, once."""
        self._open.discard(exchange)
        self._owner.on_slot_free(self)
        self._end_if_idle()

    def _end_if_idle(self) -> None:
        if self._is_closing and not self.in_flight and not self._is_gone:
            self._is_gone = True
            self._owner.on_lost(self, None)

    def session_closed(self, failure: Failure | None) -> None:
        """The session is over; its streams have been told."""
        self._is_closing = True
        if not self._is_gone:
            self._is_gone = True
            self._owner.on_lost(self, failure)

    def doubt(self) -> None:
        """A session knows by itself which of its lines to trust."""

    def sample(self, now: float) -> TransportSample | None:
        """Carriers are sampled, not what goes over them."""
        return None

    def close(self) -> None:
        self._is_closing = True
        asyncio.get_running_loop().call_soon(self._end_if_idle)

    def abort(self) -> None:
        self._is_closing = True
        for exchange in tuple(self._open):
            exchange.cut("the connection was given up")
        self.session_closed(None)
