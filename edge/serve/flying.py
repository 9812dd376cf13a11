"""One exchange for several clients: what stands between an exchange and a flight, and between a flight and a client.

    exchange ──► Lead ──► Flight ──► Passenger = the leader's client
                  │                ├► Passenger = a follower's
                  └► Recorder      └► …

No client is special once the reply has begun: each reads at its own pace, and the exchange goes on while one is left.
All of it runs inside the exchange's callbacks: no task, future or queue per chunk.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from time import monotonic

from cache.entry import Recorder
from cache.flight import Flight, Seat
from edge.dialects.facts import Meter
from edge.serve.client import ClientExchange, ClientGone, Leaver
from edge.serve.streaming import ReplyStream, Source, Sweep
from transport.failure import Code, Failure, Origin, Verdict
from transport.message import Headers, ResponseHead

_LAGGED = Failure(Origin.CLIENT, Verdict.UNSAFE, Code.CLIENT_GONE, "too slow for a reply that others share")
_ABANDONED = Failure(Origin.CLIENT, Verdict.UNKNOWN, Code.CLIENT_GONE, "everybody has left")

Begin = Callable[[int, Headers], tuple[Headers, Meter]]
"""A reply's status and shared headers → the headers for this client, and the meter of its copy."""


class Lead:
    """The ResponseSink of an exchange that belongs to a flight. `ended` is called once, with it, when the reply is
    over; `is_whole` says whether it came to its end. `recorder` None: the reply is not to be stored."""

    __slots__ = ("_done", "_ended", "_exchange", "_flight", "is_whole", "meter", "recorder")

    def __init__(
        self, flight: Flight, exchange: Source, meter: Meter, recorder: Recorder | None, ended: Callable[[Lead], None]
    ) -> None:
        self._flight = flight
        self._exchange = exchange
        self._ended = ended
        self._done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self.meter = meter
        self.recorder = recorder
        self.is_whole = False
        flight.on_abandoned = self._abandon
        flight.on_flow = self._flow

    async def finished(self) -> None:
        """Returns when the reply is over: whole, broken, or wanted by nobody any more."""
        await self._done

    # --- from upstream ---

    def on_data(self, data: bytes) -> None:
        self.meter.feed(data)
        if self.recorder is not None:
            self.recorder.feed(data, monotonic())
        self._flight.feed(data)

    def on_end(self, trailers: Headers) -> None:
        self.is_whole = True
        self._land()
        self._flight.end()

    def on_failure(self, failure: Failure) -> None:
        if self.meter.is_complete() and self.meter.at_boundary():  # the reply's own end came, only the connection's not
            self.on_end([])
            return
        self._land()
        self._flight.fail(failure)

    def on_head(self, head: ResponseHead) -> None:
        """The head was seen before commit; there is no second one."""

    def on_writable(self) -> None:
        """The upload is the runner's business."""

    # --- from the flight ---

    def _abandon(self) -> None:
        self._exchange.cancel()
        self._land()
        self._flight.fail(_ABANDONED)

    def _flow(self, flows: bool) -> None:
        if flows:
            self._exchange.resume()
        else:
            self._exchange.pause()

    def _land(self) -> None:
        flight = self._flight
        flight.on_abandoned = flight.on_flow = None
        self._ended(self)
        if not self._done.done():
            self._done.set_result(None)


class _Along:
    """The Meter of a client's copy of a reply that is metered once for all."""

    __slots__ = ("_meter", "_passenger", "is_complete", "tokens_seen", "usage")

    def __init__(self, meter: Meter, passenger: Passenger) -> None:
        self._meter = meter
        self._passenger = passenger
        self.is_complete, self.usage, self.tokens_seen = meter.is_complete, meter.usage, meter.tokens_seen

    def feed(self, data: bytes) -> None:
        """It has been fed already."""

    def at_boundary(self) -> bool:
        return not self._passenger.is_paused and self._meter.at_boundary()


class Passenger:
    """A client's place in a flight: the flight's Listener, and the Source of the client's ReplyStream."""

    __slots__ = ("_begin", "_client", "_head", "_seat", "_stream", "_sweep", "is_paused", "on_data")

    def __init__(self, client: ClientExchange, sweep: Sweep) -> None:
        self._client = client
        self._sweep = sweep
        self._stream: ReplyStream | None = None
        self._begin: Begin
        self._seat: Seat | None = None
        self.is_paused = False
        self._head: asyncio.Future[Failure | None] = asyncio.get_running_loop().create_future()
        self.on_data: Callable[[bytes], None]

    def ready(self, stream: ReplyStream, begin: Begin) -> None:
        """Where the reply is to go. Needed before the flight's reply begins."""
        self._stream, self._begin = stream, begin
        self.on_data = stream.on_data  # hot path: nothing in between

    def along(self, meter: Meter) -> Meter:
        """`meter` for this client's copy, which may lag behind what it has seen."""
        return _Along(meter, self)

    def board(self, flight: Flight) -> None:
        """Takes a seat. What has come so far is delivered before this returns."""
        self._seat = flight.join(self)
        if self.is_paused:
            self._seat.pause()

    async def ride(self, flight: Flight) -> Failure | None:
        """A follower's whole way, to the end of its reply. A Failure: there was none, and nothing has gone to the
        client.

        Raises:
            ClientGone: the client left before there was a reply.
        """
        self._client.watch(Leaver(self._left_early))
        try:
            self.board(flight)
            failure = await self._head
            if failure is None and self._stream is not None:
                await self._stream.finished()
            return failure
        finally:
            self.get_off()

    def get_off(self) -> None:
        """Nothing more for this client; the flight goes on if somebody else is on it."""
        self._client.watch(None)
        self.cancel()
        if self._stream is not None:
            self._sweep.remove(self._stream)
            self._stream = None  # it knows us: no cycle may keep a finished request for the collector

    def _left_early(self) -> None:
        if not self._head.done():
            self._head.set_exception(ClientGone("the client left"))
        self.cancel()

    # --- from the flight ---

    def on_begin(self, status: int, headers: Headers) -> None:
        assert self._stream is not None, "a passenger that isn't ready"
        own, meter = self._begin(status, headers)
        self._stream.begin(self, status, own, meter)
        self._client.watch(self._stream)
        self._sweep.add(self._stream)
        if not self._head.done():
            self._head.set_result(None)

    def on_end(self) -> None:
        if self._stream is not None:
            self._stream.on_end([])

    def on_failure(self, failure: Failure) -> None:
        if not self._head.done():
            self._head.set_result(failure)
        elif self._stream is not None and self._stream.has_begun:
            self._stream.on_failure(failure)

    def on_lagging(self) -> None:
        self.on_failure(_LAGGED)

    # --- from the client's stream ---

    def pause(self) -> None:
        self.is_paused = True
        if self._seat is not None:
            self._seat.pause()

    def resume(self) -> None:
        self.is_paused = False
        if self._seat is not None:
            self._seat.resume()

    def cancel(self) -> None:
        """The client has left."""
        if self._seat is not None:
            self._seat.leave()
