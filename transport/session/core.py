"""A session between an edge and a relay over several carriers, sans-IO: packets in, packets and events out.

    carrier_up / _resized / _down, receive, handle_timer   what happened (`now`: monotonic seconds, never backwards)
    open / write / message / consumed / reset              what the application wants
    packets(now)                                           to be sent at once: call it after any of the above
    events()                                               what the application has to know
    timer()                                                when to call handle_timer, and then packets

Nothing a peer sends raises: a breach of the protocol closes the session with a code. Both roles run this code; only an
edge opens streams. When all carriers are gone the session lives on for `linger` seconds; a carrier that joins meanwhile
finds everything as it was.
"""

from __future__ import annotations

from collections.abc import Mapping
from hmac import compare_digest
from math import inf

from transport.session.belief import Belief
from transport.session.carrier import Carrier
from transport.session.frames import (
    Ack,
    Close,
    CreditFrame,
    Frame,
    GoAway,
    Hello,
    MessageFrame,
    Offsets,
    Opening,
    ResetFrame,
    StreamFrame,
    Welcome,
)
from transport.session.repeats import Repeats
from transport.session.scheduler import Scheduler
from transport.session.stream import Stream
from transport.session.streams import Streams
from transport.session.traffic import Traffic
from transport.session.values import (
    VERSION,
    CannotOpen,
    CarrierKind,
    CarrierLost,
    Code,
    Event,
    GoneAway,
    Joined,
    Limits,
    Priority,
    Redundancy,
    Role,
    SessionClosed,
    SessionConfig,
    Tally,
)
from transport.session.wire import WireError, decode, encode, encode_header

MIN_PACKET = 1100
JOINING_HEARTBEAT = 0.05
STALL = 0.02
"""A timer that is served later than this was late because we stood still, and the lines weren't."""
MOST_LINES = 64
"""Whose traffic is kept: what lines are called, the edge says."""
ROUNDING = 0.0002
"""A flush comes as much too early rather than wait for a timer once more."""
CLOSE_COPIES = 3
CLOSE_EVERY = 0.1
NO_REQUEST = bytes(16)


class SessionCore:
    """One side of a session. `tally` counts bytes by cause, `traffic` those of each line that carried it; `peer` is the
    other node's name once it is known."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self.role = role
        self.config = config
        self.tally = Tally()
        self.traffic: dict[str, Traffic] = {}
        self.peer = ""
        self._is_known = False
        self._scheduler = Scheduler(config, self.tally)
        self._carriers = self._scheduler.carriers
        self._streams = Streams(role, config, self._scheduler, self.tally)
        self._belief = Belief(role, self._scheduler, self._streams, self.tally)
        self._repeats = Repeats(self._streams.live)
        self._expires_at = now + config.linger
        self._interval = JOINING_HEARTBEAT
        self._bulk_at = inf
        self._flushed_at = -inf
        self._is_held = False
        self._due = inf
        self._closing: Close | None = None
        self._close_copies = 0
        self._close_at = inf

    @property
    def carriers(self) -> Mapping[int, Carrier]:
        """To look at, by number."""
        return self._carriers

    @property
    def live_streams(self) -> int:
        """Streams that aren't over in both directions."""
        return len(self._streams.live)

    @property
    def is_closed(self) -> bool:
        """The session is over; all that is left is to tell the peer."""
        return self._closing is not None

    @property
    def is_draining(self) -> bool:
        """No new streams."""
        return self._streams.is_draining

    # ---------------------------------------------------------------------------------------------------- carriers

    def carrier_up(self, carrier: int, kind: CarrierKind, line: str, max_packet: int, now: float) -> None:
        """A secure carrier stands. Its number is the edge's, never used before in this session.

        A relay calls this only when the HELLO has come (`wire.find_hello`, `table.SessionTable`) and must hand over the
        packet that it was in next. Raises ValueError for a number in use or packets below MIN_PACKET bytes.
        """
        if carrier in self._carriers or max_packet < MIN_PACKET:
            raise ValueError(f"carrier {carrier} with packets of {max_packet} bytes")
        if not self._carriers:
            self._streams.put_offsets()
        if line not in self.traffic and len(self.traffic) < MOST_LINES:
            self.traffic[line] = Traffic()
        new = Carrier(carrier, kind, line, max_packet, self.config, now, self.traffic.get(line))
        new.greeting = encode(self._greeting(new))
        self._belief.joins(now)
        self._carriers[carrier] = new
        self._scheduler.changed()

    def carrier_resized(self, carrier: int, max_packet: int, now: float) -> None:
        """The path's MTU became known, or smaller. Raises ValueError below MIN_PACKET bytes."""
        if max_packet < MIN_PACKET:
            raise ValueError(f"packets of {max_packet} bytes")
        found = self._carriers.get(carrier)
        if found is not None:
            found.max_packet = max_packet

    def carrier_down(self, carrier: int, now: float) -> None:
        """It has ended: what was under way is sent over the others, or over the next to come."""
        gone = self._carriers.pop(carrier, None)
        if gone is None:
            return
        self._scheduler.changed()
        if not self._carriers:
            self._expires_at = now + self.config.linger
        self._belief.lose(gone.outgoing.abandon())
        self._streams.events.append(CarrierLost(carrier, gone.line, len(self._carriers)))

    def _greeting(self, carrier: Carrier) -> Hello | Welcome:
        config = self.config
        if self.role is Role.RELAY:
            return Welcome(VERSION, config.name, config.limits)
        return Hello(
            (VERSION, VERSION),
            config.session,
            config.token,
            self.role,
            carrier.number,
            config.name,
            config.limits,
            int(carrier.rate),
            self._is_known,
            carrier.line,
        )

    # ------------------------------------------------------------------------------------------------- application

    def open(
        self, priority: Priority, now: float, *, redundancy: Redundancy | None = None, request: bytes = NO_REQUEST
    ) -> int:
        """A new stream (edge only); `request` is an id of 16 bytes to execute at most once. Raises CannotOpen."""
        if self._closing is not None:
            raise CannotOpen(self._closing.code)
        mode = self.config.redundancy if redundancy is None else redundancy
        return self._streams.open(Opening(priority, mode, request))

    def write(self, stream: int, data: bytes, now: float, *, end: bool = False) -> None:
        """Appends to the stream's bytes; with `end` nothing may follow. What is beyond `writable` is kept until credit
        comes: pause the source while that is 0. Does nothing if the stream is over."""
        self._streams.write(stream, data, end=end)

    def writable(self, stream: int) -> int:
        """Bytes that can be taken now. After 0 the event Credit follows when there is room again."""
        return self._streams.writable(stream)

    def message(self, stream: int, data: bytes, lifetime: float, now: float) -> None:
        """A message that may be lost, and is dropped when `lifetime` seconds late. Raises ValueError if it is larger
        than messages.MAX_MESSAGE_BYTES. Does nothing if the stream is over."""
        self._streams.message(stream, data, lifetime, now)

    def consumed(self, stream: int, size: int, now: float) -> None:
        """The application is done with so many bytes of `Data`: the peer may send more."""
        self._streams.consumed(stream, size)

    def reset(self, stream: int, code: int, reason: str, now: float) -> None:
        """Gives the stream up, both directions. Does nothing if it is over."""
        self._streams.reset(stream, code, reason, now)

    def drain(self, reason: str, now: float) -> None:
        """Takes no new streams (relay); those that exist go on."""
        self._streams.drain(reason)

    def close(self, code: int, reason: str, now: float) -> None:
        """Ends the session with all its streams; the peer is told."""
        if self._closing is None:
            self._end(Close(code, reason))
            self._close_copies, self._close_at = CLOSE_COPIES, now

    def _end(self, close: Close) -> None:
        self._closing = close
        self._streams.live.clear()
        self._streams.events.append(SessionClosed(close.code, close.reason))

    def events(self) -> list[Event]:
        """What has happened since the last call, in order."""
        events, self._streams.events = self._streams.events, []
        return events

    # --------------------------------------------------------------------------------------------------- receiving

    def receive(self, carrier: int, packet: bytes, now: float) -> None:
        """A packet came, whole. Anything may be in it."""
        found = self._carriers.get(carrier)
        if found is None or self._closing is not None:
            return
        was_silent = found.has_fallen_silent(now)
        found.traffic.received += len(packet) + found.underneath
        try:
            number, is_eliciting, frames = decode(packet)
            found.hear(now, is_busy=bool(self._streams.live))
            if not found.incoming.receive(number, is_eliciting=is_eliciting, now=now):
                self.tally.duplicate_packets += 1
                return
            for frame in frames:
                self._dispatch(frame, found, now)
        except WireError as error:
            self.close(error.code, str(error), now)
            return
        if was_silent or found.suspected_at is not None:
            self._belief.heard_again(found, was_silent, now)

    def _dispatch(self, frame: Frame, carrier: Carrier, now: float) -> None:
        match frame:
            case StreamFrame():
                fresh = self._streams.on_stream(frame, now)
                carrier.traffic.fresh += fresh
                carrier.traffic.again += len(frame.data) - fresh
            case Ack():
                self._belief.acknowledged(frame, carrier, now)
            case CreditFrame():
                self._streams.on_credit(frame)
            case MessageFrame():
                self._streams.on_message(frame, now)
            case ResetFrame():
                self._streams.on_reset(frame, now)
            case Hello():
                self._on_hello(frame, carrier)
            case Welcome():
                self._on_welcome(frame, carrier)
            case Offsets():
                self._streams.on_offsets(frame, now)
            case GoAway(last_stream, code, reason):
                self._streams.is_draining = True
                self._streams.events.append(GoneAway(last_stream, code, reason))
            case _:
                self._end(frame)

    def _on_hello(self, frame: Hello, carrier: Carrier) -> None:
        """The carrier joined by it (`table.SessionTable`); every packet until our answer is heard repeats it."""
        config = self.config
        if self.role is Role.EDGE or frame.session != config.session or not compare_digest(frame.token, config.token):
            raise WireError(Code.REFUSED, "a HELLO that doesn't belong to this session")
        if not carrier.is_met:
            if frame.rate:
                carrier.set_rate(float(frame.rate))
            self._meet(carrier, frame.name, frame.limits)

    def _on_welcome(self, frame: Welcome, carrier: Carrier) -> None:
        if self.role is Role.RELAY or frame.version != VERSION:
            raise WireError(Code.VERSION, f"WELCOME to version {frame.version}")
        if not carrier.is_met:
            carrier.confirm()
            self._meet(carrier, frame.name, frame.limits)

    def _meet(self, carrier: Carrier, name: str, limits: Limits) -> None:
        carrier.is_met = self._is_known = True
        self.peer = name
        self._streams.meet(limits)
        self._streams.events.append(Joined(carrier.number, name))

    # -------------------------------------------------------------------------------------------------------- time

    def timer(self) -> float | None:
        """When to call `handle_timer`; None: nothing is due, ever."""
        if self._closing is not None:
            return self._close_at if self._close_copies else None
        if not self._carriers:
            return self._expires_at
        flush_at = self._flushed_at + self.config.flush_every if self._is_held else self._bulk_at
        due = min(self._repeats.next_at, flush_at, self._belief.doubt_at)
        interval = self._interval
        for carrier in self._carriers.values():  # no min() here: this is asked for every token
            if carrier.beat_at + interval < due:
                due = carrier.beat_at + interval
            if carrier.incoming.due < due:
                due = carrier.incoming.due
            if carrier.outgoing.overdue_at < due:
                due = carrier.outgoing.overdue_at
        self._due = due
        return due

    def handle_timer(self, now: float, lag: float = 0.0) -> None:
        """Time has passed. `lag`: seconds for which we know that we stood still ourselves (an event loop's stall); the
        lines' silence meanwhile doesn't count against them. A timer served late is taken for such a stall too."""
        lag = max(lag, now - self._due)
        self._due = inf
        if self._closing is not None:
            return
        if not self._carriers:
            if now >= self._expires_at:
                self._end(Close(Code.EXPIRED, "no carrier came back"))
            return
        if lag > STALL:
            self.tally.stalls += 1
            for carrier in self._carriers.values():
                carrier.forgive(lag, now)
        for carrier in self._carriers.values():
            if now >= carrier.outgoing.overdue_at:
                self._belief.give_up(carrier, now)
        self._belief.judge(now)
        if now >= self._repeats.next_at:
            self._repeat(now)

    def _repeat(self, now: float) -> None:
        """Streams whose last bytes have waited long enough for an answer."""
        due = self._repeats.take_due(now)
        best = self._scheduler.ranked(now)[0]
        may_repeat = bool(due) and best.kind is CarrierKind.QUIC and best.may_repeat(now)
        for stream in due:
            if stream.is_overdue or (may_repeat and self._scheduler.is_worth_repeating(stream, now)):
                stream.wants_repeat = True
                self._streams.wake(stream)
            else:
                stream.skip_quick_repeats(now, self._scheduler.timeout())
                self._repeats.arm(stream)

    def _heartbeat(self, now: float) -> float:
        """Seconds between heartbeats."""
        if self._streams.is_lively(now):
            return self.config.heartbeat
        if all(carrier.is_confirmed for carrier in self._carriers.values()):
            return self.config.idle_heartbeat
        return JOINING_HEARTBEAT

    # ----------------------------------------------------------------------------------------------------- sending

    def packets(self, now: float) -> list[tuple[int, bytes]]:
        """What is to be sent now: (carrier, packet)."""
        if self._closing is not None:
            return self._farewell(self._closing, now)
        if not self._carriers:
            return []
        scheduler, streams = self._scheduler, self._streams
        ranked = scheduler.ranked(now)
        for key, frame in streams.control.take_due():
            scheduler.put(frame, (key, frame), ranked[:2], now)
        has_work = any(streams.ready)
        self._is_held = has_work and now < self._flushed_at + self.config.flush_every - ROUNDING
        if has_work and not self._is_held:
            self._flushed_at = now
            self._send_streams(now)
        self._interval = self._heartbeat(now)
        return scheduler.finish(now, self._interval)

    def _send_streams(self, now: float) -> None:
        bulk: list[Stream] = []
        for lane in self._streams.ready:
            for stream in lane:
                if stream.is_bulk:
                    bulk.append(stream)
                else:
                    self._send_thin(stream, now)
            lane.clear()
        self._bulk_at = inf
        for stream in bulk:
            self._send_bulk(stream, now)

    def _send_thin(self, stream: Stream, now: float) -> None:
        if len(stream.messages_out):
            self._send_messages(stream, now)
        if self._scheduler.has_work(stream):
            self._scheduler.put_stream(stream, now)
            self._repeats.arm(stream)

    def _send_bulk(self, stream: Stream, now: float) -> None:
        self._send_messages(stream, now)
        self._bulk_at = min(self._bulk_at, self._scheduler.put_bulk(stream, now))
        self._repeats.arm(stream)
        if self._scheduler.has_work(stream):
            self._streams.wake(stream)

    def _send_messages(self, stream: Stream, now: float) -> None:
        due, late = stream.messages_out.take_due(now)
        self.tally.late_messages += late
        self._scheduler.put_messages(stream, due, now)

    def _farewell(self, close: Close, now: float) -> list[tuple[int, bytes]]:
        """CLOSE over every carrier, a few times: nobody will acknowledge it."""
        if not self._close_copies or now < self._close_at:
            return []
        self._close_copies -= 1
        self._close_at = now + CLOSE_EVERY
        out = []
        for carrier in self._carriers.values():
            out.append((carrier.number, encode_header(carrier.outgoing.next_number, False) + encode(close)))
            carrier.outgoing.next_number += 1
        return out
