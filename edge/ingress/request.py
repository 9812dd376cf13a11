"""One request on an ingress connection: the `ClientExchange` that the pipeline sees."""

from __future__ import annotations

import asyncio
import logging
from collections import deque
from typing import Protocol as Interface

from edge.ingress.chunked import last_chunk
from edge.ingress.head import Head
from edge.ingress.reply import CONTINUE, Framing, choose_framing, render_head
from edge.serve.client import BodySink, ClientFault, ClientGone, ClientWatcher
from transport.message import Headers

logger = logging.getLogger("farline.ingress")

BUFFER_BYTES = 64 * 1024
"""Body bytes, or pipelined bytes, kept for a consumer that hasn't asked yet; beyond it the socket isn't read."""


class Wire(Interface):
    """What a request needs of its connection."""

    peer: str
    is_slow: bool

    def write(self, data: bytes) -> None: ...

    def adjust_reading(self) -> None:
        """The request's appetite has changed: reads the socket, or stops."""

    def may_stay_open(self) -> bool:
        """False while the server drains."""

    def current_date(self) -> bytes: ...

    def tunnel_began(self) -> None:
        """From now on bytes come and go raw, those that are in the buffer first."""

    def reply_ended(self, *, close: bool) -> None: ...

    def break_off(self, *, reset: bool) -> None:
        """Closes once what was written has left; `reset`: with RST, so that it can't be taken for an orderly end."""

    def refuse(self, status: int, detail: str, target: bytes) -> None:
        """Sends an error reply of the ingress's own and closes."""


class ClientRequest:
    """Implements `edge.serve.client.ClientExchange`. Methods without a word here are explained there.

    `fault` is what the client did wrong, None as long as it did nothing: after `on_client_gone` it tells a client that
    left (`ClientGone`) from one whose body was too large or malformed while it streamed (then the ingress has
    answered with the fault's status already, if no reply had begun).
    """

    __slots__ = (
        "_asked",
        "_awaits_continue",
        "_buffered",
        "_chunks",
        "_close",
        "_ended",
        "_framing",
        "_handover",
        "_held",
        "_is_http11",
        "_keep_alive",
        "_left",
        "_open",
        "_paused",
        "_sink",
        "_started",
        "_waiter",
        "_watcher",
        "_wire",
        "expects_body",
        "fault",
        "headers",
        "method",
        "peer",
        "received_at",
        "target",
        "upgrade",
    )

    def __init__(self, wire: Wire, head: Head, received_at: float) -> None:
        self.method = head.method
        self.target = head.target
        self.headers = head.headers
        self.peer = wire.peer
        self.received_at = received_at
        self.upgrade = head.upgrade
        self.expects_body = head.length != 0
        self.fault: ClientFault | None = None
        self._wire = wire
        self._is_http11 = head.is_http11
        self._keep_alive = head.keep_alive
        self._awaits_continue = head.expects_continue and self.expects_body
        # the body, coming in
        self._open = self.expects_body
        self._chunks: deque[bytes] | None = None
        self._buffered = 0
        self._asked = 0
        self._waiter: asyncio.Future[None] | None = None
        self._sink: BodySink | None = None
        self._paused = False
        self._handover: asyncio.Handle | None = None
        # the reply, going out
        self._watcher: ClientWatcher | None = None
        self._framing = Framing.NONE
        self._held = b""  # the head, until the first bytes of the body join it or the loop turns
        self._left = 0
        self._started = False
        self._ended = False
        self._close = False

    # -- the body, as the pipeline asks for it

    async def read_body(self, limit: int) -> tuple[bytes, bool]:
        self._invite_body()
        while self._open and self._buffered < limit and self.fault is None:
            self._waiter = asyncio.get_running_loop().create_future()
            self._asked = limit
            self._wire.adjust_reading()
            try:
                await self._waiter
            finally:
                self._waiter = None
        if self.fault is not None:
            raise self.fault
        data = b"".join(self._chunks or ())
        self._chunks = None
        self._buffered = 0
        self._wire.adjust_reading()
        return data, not self._open

    def stream_body(self, sink: BodySink) -> None:
        self._invite_body()
        self._sink = sink
        if self._chunks or not self._open or self.fault is not None:
            self._handover = asyncio.get_running_loop().call_soon(self._hand_over)
        self._wire.adjust_reading()

    def pause_body(self) -> None:
        self._paused = True
        self._wire.adjust_reading()

    def resume_body(self) -> None:
        if self._paused:
            self._paused = False
            if self._sink is not None and self._handover is None and (self._chunks or not self._open):
                self._hand_over()
            self._wire.adjust_reading()

    def _invite_body(self) -> None:
        if self._awaits_continue and not self._started:
            self._awaits_continue = False
            if not self._buffered and self.fault is None:
                self._wire.write(CONTINUE)

    def _hand_over(self) -> None:
        """Gives the sink what came before it did, and the end of the body if that has come too."""
        self._handover = None
        sink = self._sink
        if sink is None:
            return
        if self.fault is not None:
            if not isinstance(self.fault, ClientGone):
                self._give_up()
            return
        while self._chunks and not self._paused:
            chunk = self._chunks.popleft()
            self._buffered -= len(chunk)
            sink.on_body(chunk)
        if not self._open and not self._chunks and not self._paused:
            self._sink = None
            sink.on_body_end()
        elif not self._ended:
            self._wire.adjust_reading()

    # -- the body, as the connection delivers it

    @property
    def wants_bytes(self) -> bool:
        """May the socket be read for this request's body (or tunnel)?"""
        if self._waiter is not None:
            return True
        if self._paused:
            return False
        return (self._sink is not None and not self._chunks) or self._buffered < BUFFER_BYTES

    @property
    def is_waiting(self) -> bool:
        """Is somebody waiting for body bytes now? Then silence is the client's fault."""
        return self._waiter is not None or (self._sink is not None and self._framing is not Framing.RAW)

    def take(self, data: bytes) -> None:
        """Body bytes have come."""
        if self._sink is not None and not self._paused and not self._chunks:
            self._sink.on_body(data)
            return
        if self._chunks is None:
            self._chunks = deque()
        self._chunks.append(data)
        self._buffered += len(data)
        if self._waiter is not None and self._buffered >= self._asked:
            self._wake()

    def body_ended(self) -> None:
        """The body is complete (a tunnel: the client has closed its direction)."""
        self._open = False
        self._awaits_continue = False
        self._wake()
        if self._sink is not None and not self._paused and not self._chunks:
            sink, self._sink = self._sink, None
            sink.on_body_end()

    def body_failed(self, fault: ClientFault) -> None:
        """The body is too large or malformed: `read_body` raises it; a streaming reader's request is given up."""
        if self.fault is None:
            self.fault = fault
            self._wake()
            if self._sink is not None:
                self._give_up()

    def reject_body(self, fault: ClientFault) -> None:
        if not self._ended:
            self.fault = self.fault or fault
            self._give_up()

    def _give_up(self) -> None:
        fault = self.fault or ClientGone()
        self._leave(fault)
        if self._started:
            self._wire.break_off(reset=True)
        else:
            self._wire.refuse(fault.status, str(fault), self.target)

    def client_left(self) -> None:
        """The connection is gone."""
        self._leave(ClientGone("the client closed the connection"))

    def timed_out(self) -> None:
        """The client was silent in its body, or didn't read, for too long: as if it had left."""
        if self._started:
            self._leave(ClientGone("the client didn't read"))
            self._wire.break_off(reset=True)
        else:
            self._leave(ClientGone("the client went silent in its request"))
            self._wire.refuse(408, "the request's body didn't come in time", self.target)

    def _leave(self, fault: ClientFault) -> None:
        if self._ended:
            return
        self._ended = True
        if self.fault is None:
            self.fault = fault
        self._sink = None
        self._chunks = None
        self._buffered = 0
        self._wake()
        watcher, self._watcher = self._watcher, None
        if watcher is not None:
            watcher.on_client_gone()

    def _wake(self) -> None:
        if self._waiter is not None and not self._waiter.done():
            self._waiter.set_result(None)

    # -- the reply

    @property
    def started(self) -> bool:
        return self._started

    @property
    def is_gone(self) -> bool:
        return self._ended and self.fault is not None

    def watch(self, watcher: ClientWatcher | None) -> None:
        """`watcher` hears at once that the client is slow, and soon that it has left, if that is so already."""
        if self.is_gone:
            if watcher is not None:
                asyncio.get_running_loop().call_soon(watcher.on_client_gone)
            return
        self._watcher = watcher
        if watcher is not None and self._wire.is_slow:
            watcher.on_client_slow()

    def client_slow(self) -> None:
        if self._watcher is not None:
            self._watcher.on_client_slow()

    def client_ready(self) -> None:
        if self._watcher is not None:
            self._watcher.on_client_ready()

    def start(self, status: int, headers: Headers) -> None:
        if self._ended:
            return
        if self._started:
            raise RuntimeError("the reply has been started already")
        framing, self._left = choose_framing(self.method, self._is_http11, status, headers)
        # A request whose body is still coming can't be followed by another: the client may never send the rest.
        self._close = not self._keep_alive or self._open or framing is Framing.CLOSE or not self._wire.may_stay_open()
        connection = b"close" if self._close else (None if self._is_http11 else b"keep-alive")
        self._held = render_head(status, headers, framing, connection, self._wire.current_date())
        self._started = True
        self._framing = framing
        asyncio.get_running_loop().call_soon(self._release_head)

    def _release_head(self) -> None:
        """The head goes out by itself: nothing was written right after it."""
        if self._held:
            head, self._held = self._held, b""
            if not self.is_gone:
                self._wire.write(head)

    def write(self, data: bytes) -> None:
        framing = self._framing
        if self._ended or not data:
            return
        if self._held:
            self._write_first(data)
            return
        if framing is Framing.CHUNKED:
            self._wire.write(b"%x\r\n%b\r\n" % (len(data), data))
        elif framing is Framing.LENGTH:
            self._left -= len(data)
            if self._left < 0:
                logger.error("a reply is longer than its content-length: connection reset")
                self.abort()
                return
            self._wire.write(data)
        elif framing is not Framing.NONE:
            self._wire.write(data)

    def _write_first(self, data: bytes) -> None:
        """One write for the head and the body's first bytes: half the cost of two."""
        head, self._held = self._held, b""
        if self._framing is Framing.CHUNKED:
            self._wire.write(b"%b%x\r\n%b\r\n" % (head, len(data), data))
        elif self._framing is Framing.LENGTH and len(data) <= self._left:
            self._left -= len(data)
            self._wire.write(head + data)
        else:
            self._wire.write(head)
            self.write(data)

    def end(self, trailers: Headers | None = None) -> None:
        if self._ended:
            return
        if not self._started:
            raise RuntimeError("the reply hasn't been started")
        if self._framing is Framing.LENGTH and self._left > 0:
            logger.error("a reply is shorter than its content-length: connection reset")
            self.abort()
            return
        self._release_head()
        self._ended = True
        if self._framing is Framing.CHUNKED:
            self._wire.write(last_chunk(trailers))
        self._forget_body()
        self._wire.reply_ended(close=self._close)

    def abort(self) -> None:
        if self._ended:
            return
        self._release_head()
        self._ended = True
        self._forget_body()
        # Where the framing shows that the end is missing, a plain close is enough, and kinder: many clients throw
        # away what they have read but not yet looked at (the error event) when a reset comes.
        is_cut_visible = self._framing is Framing.CHUNKED or (self._framing is Framing.LENGTH and self._left > 0)
        self._wire.break_off(reset=not is_cut_visible)

    def _forget_body(self) -> None:
        self._sink = None
        self._watcher = None
        self._chunks = None
        self._buffered = 0

    def tunnel(self, headers: Headers) -> None:
        if self._ended:
            return
        if self._started or self._open or self.upgrade is None:
            raise RuntimeError("only an upgrade request without a body can become a tunnel")
        extra: Headers = [] if any(name == b"upgrade" for name, _ in headers) else [(b"upgrade", self.upgrade)]
        head = render_head(101, headers + extra, Framing.RAW, b"upgrade")
        self._started = self._open = self._close = True
        self._framing = Framing.RAW
        self._wire.write(head)
        self._wire.tunnel_began()

    @property
    def is_tunnel(self) -> bool:
        return self._framing is Framing.RAW

    def handler_returned(self) -> None:
        """The handler is done: a reply that it left unfinished becomes a 500, or a broken connection."""
        if self._ended:
            return
        if self._started:
            self.abort()
            return
        self._ended = True
        self._forget_body()
        self._wire.refuse(500, "the request could not be handled", self.target)
