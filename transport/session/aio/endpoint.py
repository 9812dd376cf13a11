"""Drives one SessionCore: packets of its carriers in and out, one timer, events to those they concern.

Whatever comes in one turn of the event loop (packets of several carriers, writes of many streams) is answered once, at
its end: so streams share packets and acknowledgements, and a token costs no more than its share of that.
"""

from __future__ import annotations

import asyncio
import logging
from collections.abc import Callable, Mapping, Sequence
from time import monotonic
from typing import Protocol as Interface

from transport.session.carrier import Carrier
from transport.session.core import NO_REQUEST, STALL, SessionCore
from transport.session.live import LiveSession, SessionListener, StreamSink
from transport.session.traffic import Traffic
from transport.session.values import (
    Acked,
    AllSilent,
    CarrierKind,
    CarrierLost,
    CarrierRelieved,
    CarrierSuspected,
    Code,
    Credit,
    Data,
    Event,
    GoneAway,
    Joined,
    Message,
    Priority,
    Redundancy,
    Reset,
    SessionClosed,
    StreamOpened,
    Tally,
)

ROUNDING = 0.0005
"""Event loops round timers to milliseconds: a timer never fires before it is due."""

_log = logging.getLogger(__name__)


class CarrierSocket(Interface):
    """What moves a carrier's packets. `line` is its line's id, `max_packet` how many bytes fit a packet."""

    kind: CarrierKind
    line: str
    max_packet: int

    def send(self, packets: Sequence[bytes]) -> None:
        """Hands packets to the network, or loses them; never waits and never raises."""

    def release(self) -> None:
        """The session is done with it. It calls the session no more."""


class SessionDriver(LiveSession):
    """One side of a session, `peer` being the other node's id in the configuration, `peer_key` its key's fingerprint.

    Carriers report by `attach`, `receive`, `detach`. When the session is over and has told so, its carriers are
    released, and then `on_end` is called, once.
    """

    def __init__(
        self,
        core: SessionCore,
        peer: str,
        listener: SessionListener,
        on_end: Callable[[SessionDriver], None],
        peer_key: str = "",
    ) -> None:
        self.peer = peer
        self.peer_key = peer_key
        self.core = core
        self.tally: Tally = core.tally
        self.traffic: Mapping[str, Traffic] = core.traffic
        self._listener = listener
        self._on_end = on_end
        self._loop = asyncio.get_running_loop()
        self._sockets: dict[int, CarrierSocket] = {}
        self._sinks: dict[int, StreamSink] = {}
        self._half_over: set[int] = set()
        self._confirmed: set[int] = set()
        self._turn_is_due = False
        self._timer: asyncio.TimerHandle | None = None
        self._timer_at = 0.0
        self._due: float | None = None
        self._has_ended = False

    # ---------------------------------------------------------------------------------------------------- carriers

    def attach(self, number: int, socket: CarrierSocket) -> None:
        """A secure carrier stands (at a relay: its HELLO has come; give `receive` the packet it was in next).

        Raises ValueError as SessionCore.carrier_up does."""
        self.core.carrier_up(number, socket.kind, socket.line, socket.max_packet, monotonic())
        self._sockets[number] = socket
        self._wake()

    def receive(self, number: int, packet: bytes) -> None:
        """A packet came over a carrier."""
        now = monotonic()
        if self._due is not None and now - self._due > STALL:
            self.core.handle_timer(now)  # we stood still: that comes before what the packet tells
            self._due = None
        self.core.receive(number, packet, now)
        if not self._turn_is_due:
            self._wake()

    def detach(self, number: int) -> None:
        """The carrier has ended, or is taken out of service. Does nothing if it isn't attached."""
        socket = self._sockets.pop(number, None)
        if socket is not None:
            self.core.carrier_down(number, monotonic())
            socket.release()
            self._wake()

    def end(self) -> None:
        """At once, and without telling the peer. Streams are told."""
        if not self._has_ended:
            self.core.close(Code.NO_ERROR, "this node ends", monotonic())
            self._dispatch()
            self._finish()

    # ------------------------------------------------------------------------------------------------ LiveSession

    @property
    def is_open(self) -> bool:
        return bool(self._confirmed) and not self.core.is_draining and not self.core.is_closed

    @property
    def carriers(self) -> Mapping[int, Carrier]:
        return self.core.carriers

    def open(
        self, sink: StreamSink, priority: Priority, *, redundancy: Redundancy | None = None, request: bytes = NO_REQUEST
    ) -> int:
        number = self.core.open(priority, monotonic(), redundancy=redundancy, request=request)
        self._sinks[number] = sink
        self._wake()
        return number

    def write(self, stream: int, data: bytes, *, end: bool = False) -> None:
        self.core.write(stream, data, monotonic(), end=end)
        if not self._turn_is_due:
            self._wake()

    def writable(self, stream: int) -> int:
        return self.core.writable(stream)

    def message(self, stream: int, data: bytes, lifetime: float) -> None:
        self.core.message(stream, data, lifetime, monotonic())
        self._wake()

    def consumed(self, stream: int, size: int) -> None:
        self.core.consumed(stream, size, monotonic())
        if not self._turn_is_due:
            self._wake()

    def reset(self, stream: int, code: int, reason: str) -> None:
        self._forget(stream)
        self.core.reset(stream, code, reason, monotonic())
        self._wake()

    def drain(self, reason: str) -> None:
        self.core.drain(reason, monotonic())
        self._wake()

    def close(self, code: int, reason: str) -> None:
        self.core.close(code, reason, monotonic())
        self._wake()

    # -------------------------------------------------------------------------------------------------------- turns

    def _wake(self) -> None:
        """Something has happened: answer it when this turn of the loop is over."""
        if not self._turn_is_due and not self._has_ended:
            self._turn_is_due = True
            self._loop.call_soon(self._turn)

    def _turn(self) -> None:
        self._turn_is_due = True  # what the listeners do now is answered now
        if self._has_ended:
            return
        self._dispatch()
        packets = self.core.packets(monotonic())
        self._turn_is_due = False
        if packets:
            self._send(packets)
        self._arm()

    def _send(self, packets: list[tuple[int, bytes]]) -> None:
        if len(packets) == 1:
            self._sockets[packets[0][0]].send((packets[0][1],))
            return
        batches: dict[int, list[bytes]] = {}
        for number, packet in packets:
            batches.setdefault(number, []).append(packet)
        for number, batch in batches.items():
            self._sockets[number].send(batch)

    def _arm(self) -> None:
        """One timer. A later deadline lets it fire and look again: so most turns cost no timer."""
        self._due = due = self.core.timer()
        if due is None:
            self._finish()
            return
        if self._timer is not None:
            if self._timer_at <= due + ROUNDING:
                return
            self._timer.cancel()
        self._timer_at = due
        self._timer = self._loop.call_later(max(due - monotonic(), 0.0) + ROUNDING, self._on_time)

    def _on_time(self) -> None:
        self._timer = None
        now = monotonic()
        if self._due is not None and now < self._due:
            if not self._turn_is_due:
                self._arm()
            return
        self.core.handle_timer(now)
        if not self._turn_is_due:
            self._turn()

    def _finish(self) -> None:
        self._has_ended = True
        if self._timer is not None:
            self._timer.cancel()
        sockets, self._sockets = self._sockets, {}
        for socket in sockets.values():
            socket.release()
        self._on_end(self)

    # ------------------------------------------------------------------------------------------------------- events

    def _dispatch(self) -> None:
        while events := self.core.events():
            for event in events:
                try:
                    self._tell(event)
                except Exception:
                    _log.exception("session with %s: %s", self.peer, type(event).__name__)
                    stream = getattr(event, "stream", 0)
                    if stream:
                        self._break(stream)

    def _tell(self, event: Event) -> None:
        if isinstance(event, Data):
            sink = self._sinks.get(event.stream)
            if sink is not None:
                if event.end:
                    self._end_half(event.stream)
                sink.on_data(event.data, event.end)
        elif isinstance(event, Acked | Credit | Message | Reset | StreamOpened):
            self._tell_stream(event)
        else:
            self._tell_listener(event)

    def _tell_stream(self, event: Acked | Credit | Message | Reset | StreamOpened) -> None:
        number = event.stream
        if isinstance(event, StreamOpened):
            self._sinks[number] = _NOBODY
            sink = self._listener.on_stream(self, event)
            if number in self._sinks:
                self._sinks[number] = sink
            return
        found = self._sinks.get(number)
        if found is None:
            return
        match event:
            case Acked():
                self._end_half(number)
                found.on_acked()
            case Credit():
                found.on_writable()
            case Message():
                found.on_message(event.data)
            case Reset():
                self._forget(number)
                found.on_over(event.code, event.reason)

    def _end_half(self, stream: int) -> None:
        """Its last byte has come, or has arrived at the peer: after both nothing more will be heard of it."""
        if stream in self._half_over:
            self._forget(stream)
        else:
            self._half_over.add(stream)

    def _forget(self, stream: int) -> None:
        self._sinks.pop(stream, None)
        self._half_over.discard(stream)

    def _break(self, stream: int) -> None:
        """Whoever uses the stream failed at it."""
        found = self._sinks.get(stream)
        self.reset(stream, Code.INTERNAL, "the node failed")
        if found is not None:
            found.on_over(Code.INTERNAL, "this node failed")

    def _tell_listener(
        self, event: Joined | CarrierSuspected | CarrierRelieved | CarrierLost | AllSilent | GoneAway | SessionClosed
    ) -> None:
        listener = self._listener
        match event:
            case Joined():
                self._confirmed.add(event.carrier)
                socket = self._sockets.get(event.carrier)
                if socket is not None:
                    listener.on_joined(self, event.carrier, socket.line)
            case CarrierSuspected():
                listener.on_suspected(self, event.line)
            case CarrierRelieved():
                listener.on_relieved(self, event.line, event.seconds)
            case CarrierLost():
                self._confirmed.discard(event.carrier)
                listener.on_carrier_lost(self, event.line, event.left)
            case AllSilent():
                listener.on_all_silent(self)
            case GoneAway():
                listener.on_gone_away(self, event.reason)
            case SessionClosed():
                self._close_streams(event)
                listener.on_closed(self, event.code, event.reason)

    def _close_streams(self, event: SessionClosed) -> None:
        sinks, self._sinks = self._sinks, {}
        self._half_over.clear()
        for sink in sinks.values():
            try:
                sink.on_over(event.code, event.reason)
            except Exception:
                _log.exception("session with %s: a stream's end", self.peer)


class _Nobody(StreamSink):
    """Stands for a stream's user until the listener has named it."""

    def on_data(self, data: bytes, end: bool) -> None:
        return

    def on_message(self, data: bytes) -> None:
        return

    def on_writable(self) -> None:
        return

    def on_acked(self) -> None:
        return

    def on_over(self, code: int, reason: str) -> None:
        return


_NOBODY = _Nobody()
