"""Step 8: a committed reply goes to the client chunk by chunk, as it arrives.

The chain is upstream socket → `ReplyStream.on_data` → client socket: no task, future, queue or lock in between. The
client's write buffer is the back-pressure: when it is full the upstream exchange is paused. Idle replies are found by
one shared sweep (`Sweep`), not by a timer per stream.

A reply that is cut short never looks complete: between two events the dialect's own error event is sent, then the
connection is broken without the last chunk (all SDKs take a clean early end for success).
"""

from __future__ import annotations

import asyncio
from time import monotonic
from typing import Protocol as Interface

from msgspec import Struct

from edge.dialects.facts import Dialect, Meter
from edge.serve.client import ClientExchange
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead, header


class GapObserver(Interface):
    """Takes the time between two chunks of a stream, in seconds (a histogram; on the hot path)."""

    def observe(self, gap: float) -> None: ...


class Source(Interface):
    """Where a reply comes from: an exchange, or a flight that several share."""

    def pause(self) -> None: ...

    def resume(self) -> None: ...

    def cancel(self) -> None: ...


class StreamPolicy(Struct, frozen=True, gc=False):
    """Seconds."""

    idle: float
    keepalive: float
    drain_when_gone: bool


class ReplyStream:
    """Receives the committed reply (a ResponseSink) and watches the client (a ClientWatcher)."""

    __slots__ = (
        "_client",
        "_done",
        "_exchange",
        "_gaps",
        "_is_event_stream",
        "_may_insert",
        "_paused",
        "_pinged_at",
        "bytes_out",
        "client_left",
        "dialect",
        "failure",
        "first_at",
        "has_begun",
        "last_at",
        "longest_gap",
        "meter",
        "policy",
        "request_id",
        "tokens_when_left",
    )

    def __init__(
        self,
        client: ClientExchange,
        dialect: Dialect,
        policy: StreamPolicy,
        request_id: str,
        loop: asyncio.AbstractEventLoop,
        gaps: GapObserver,
    ) -> None:
        self._client = client
        self._done: asyncio.Future[None] = loop.create_future()
        self._gaps = gaps
        self._exchange: Source
        self._is_event_stream = False
        self._may_insert = False
        self._paused = False
        self.last_at = self._pinged_at = 0.0
        self.meter: Meter
        self.dialect = dialect
        self.policy = policy
        self.request_id = request_id
        self.first_at: float | None = None
        self.bytes_out = 0
        self.failure: Failure | None = None
        self.client_left = False
        self.has_begun = False
        self.longest_gap = 0.0  # between two chunks, in seconds
        self.tokens_when_left = 0

    def begin(self, exchange: Source, status: int, headers: Headers, meter: Meter) -> None:
        """Step 7, commit: the head goes to the client; `exchange` delivers to this object from now on."""
        self._exchange = exchange
        self.has_begun = True
        self._is_event_stream = (header(headers, b"content-type") or b"").startswith(b"text/event-stream")
        self._may_insert = self._is_event_stream and header(headers, b"content-encoding") is None
        self.last_at = monotonic()
        self.meter = meter
        self._client.start(status, headers)

    async def finished(self) -> None:
        """Returns when the reply was delivered, broken off, or abandoned by the client."""
        if not self._done.done():
            await self._done

    @property
    def is_done(self) -> bool:
        return self._done.done()

    # --- from upstream ---

    def on_data(self, data: bytes) -> None:
        self._client.write(data)
        now = monotonic()
        if self.first_at is None:
            self.first_at = now
        else:
            gap = now - self.last_at
            self._gaps.observe(gap)
            if gap > self.longest_gap:
                self.longest_gap = gap
        self.last_at = now
        self.bytes_out += len(data)
        self.meter.feed(data)

    def on_end(self, trailers: Headers) -> None:
        if self._is_event_stream and not self.meter.is_complete():
            cut = Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.HTTP_RESPONSE_INCOMPLETE, "the stream ended early")
            self._break_off(cut)
            return
        self._client.end(trailers)
        self._finish()

    def on_failure(self, failure: Failure) -> None:
        self._break_off(failure)

    def on_head(self, head: ResponseHead) -> None:
        """The head was seen before commit; there is no second one."""

    def on_writable(self) -> None:
        """The upload is the runner's business."""

    # --- from the client ---

    def on_client_slow(self) -> None:
        self._paused = True
        self._exchange.pause()

    def on_client_ready(self) -> None:
        self._paused = False
        self.last_at = monotonic()
        self._exchange.resume()

    def on_client_gone(self) -> None:
        self.client_left = True
        self.tokens_when_left = self.meter.tokens_seen()
        if self.policy.drain_when_gone:
            self.on_client_ready()
            return
        self.give_up()

    def give_up(self) -> None:
        """Nobody wants the rest of it."""
        self._exchange.cancel()
        self._finish()

    # --- from the sweep ---

    def check(self, now: float) -> None:
        """Breaks off a reply that went silent; keeps the client's side alive through long thinking."""
        silence = now - self.last_at
        if self._paused:
            return  # the client is the slow one; its own write deadline is the ingress's business
        if silence > self.policy.idle:
            self._exchange.cancel()
            self._break_off(Failure(Origin.ENDPOINT, Verdict.UNSAFE, Code.IDLE_TIMEOUT, f"silent for {silence:.0f} s"))
        elif self._may_insert and min(silence, now - self._pinged_at) > self.policy.keepalive:
            self._keep_alive(now)

    def _keep_alive(self, now: float) -> None:
        ping = self.dialect.keepalive()
        if ping is not None and self.meter.at_boundary():
            self._pinged_at = now
            self._client.write(ping)

    def _break_off(self, failure: Failure) -> None:
        if self._is_event_stream and self.meter.is_complete() and self.meter.at_boundary():
            self._client.end()  # the reply's own end has been passed on: only the connection's was missing
            self._finish()
            return
        self.failure = failure
        if self._may_insert and self.meter.at_boundary():
            self._client.write(self.dialect.stream_error(failure, self.request_id))
        self._client.abort()
        self._finish()

    def _finish(self) -> None:
        if not self._done.done():
            self._done.set_result(None)


class Sweep:
    """Looks at every live stream once a second: one timer for all of them."""

    def __init__(self, loop: asyncio.AbstractEventLoop, interval: float = 1.0) -> None:
        self._loop = loop
        self._interval = interval
        self._streams: set[ReplyStream] = set()
        self._timer: asyncio.TimerHandle | None = None

    def add(self, stream: ReplyStream) -> None:
        self._streams.add(stream)
        if self._timer is None:
            self._timer = self._loop.call_later(self._interval, self._look)

    def remove(self, stream: ReplyStream) -> None:
        self._streams.discard(stream)

    def _look(self) -> None:
        self._timer = None
        now = monotonic()
        for stream in list(self._streams):
            stream.check(now)
        if self._streams:
            self._timer = self._loop.call_later(self._interval, self._look)
