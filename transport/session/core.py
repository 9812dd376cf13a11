"""A session between an edge and a relay over several carriers, sans-IO: packets in, packets and events out.

    carrier_up / carrier_down / receive / handle_timer     what happened (`now`: monotonic seconds, never backwards)
    open / write / message / consumed / reset              what the application wants
    packets(now)                                           to be sent at once: call it after any of the above
    events()                                               what the application has to know
    timer()                                                when to call handle_timer, and then packets

Nothing a peer sends raises: a breach of the protocol closes the session with a code. Both roles run this code; only an
edge opens streams. When all carriers are gone the session lives on for `linger` seconds; a carrier that joins meanwhile
finds everything as it was.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from heapq import heappop, heappush
from hmac import compare_digest
from math import inf
from typing import cast

from transport.session.acks import Sent, Shortest
from transport.session.carrier import Carrier
from transport.session.control import ControlFrames
from transport.session.flow import SessionFlow
from transport.session.messages import Queued
from transport.session.ranges import Ranges
from transport.session.scheduler import Scheduler
from transport.session.stream import Stream, StreamPart
from transport.session.values import (
    FIRST_LIMITS,
    VERSION,
    Acked,
    CannotOpen,
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
    Limits,
    Message,
    Priority,
    Redundancy,
    Reset,
    Role,
    SessionClosed,
    SessionConfig,
    StreamOpened,
    Tally,
)
from transport.session.wire import (
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
    WireError,
    decode,
    encode,
    encode_header,
)

MIN_PACKET = 1100
LIVELY_AFTER = 1.0
"""Seconds that heartbeats go on after the last stream ended."""
JOINING_HEARTBEAT = 0.05
STALL = 0.02
"""A timer that is served later than this was late because we stood still, and the lines weren't."""
CLOSE_COPIES = 3
CLOSE_EVERY = 0.1
OFFSETS_PER_FRAME = 50
NO_REQUEST = bytes(16)


class SessionCore:
    """One side of a session. `tally` counts bytes by cause; `peer` is the other node's name once it is known."""

    def __init__(self, role: Role, config: SessionConfig, now: float) -> None:
        self.role = role
        self.config = config
        self.tally = Tally()
        self.peer = ""
        self.peer_limits = FIRST_LIMITS
        self.is_draining = False
        self.is_closed = False
        self._scheduler = Scheduler(config, self.tally)
        self._carriers = self._scheduler.carriers
        self._flow = SessionFlow(config.limits.session_window)
        self._scheduler.credit = self._flow.granted
        self._streams: dict[int, Stream] = {}
        self._gone = Ranges()
        self._awaited_finals: dict[int, int] = {}
        self._next_stream = 1
        self._ready: tuple[dict[Stream, None], ...] = ({}, {}, {}, {})
        self._repeats: list[tuple[float, int]] = []
        self._control = ControlFrames()
        self._events: list[Event] = []
        self._passage = Shortest(60.0)
        self._lively_until = -inf
        self._expires_at = now + config.linger
        self._judged_at = now
        self._bulk_at = inf
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
        return len(self._streams)

    # ---------------------------------------------------------------------------------------------------- carriers

    def carrier_up(self, carrier: int, kind: CarrierKind, line: str, max_packet: int, now: float) -> None:
        """A secure carrier stands. Its number is the edge's, never used before in this session; the relay reads it in
        the HELLO (`wire.find_hello`). Raises ValueError for a number in use or packets below MIN_PACKET bytes."""
        if carrier in self._carriers or max_packet < MIN_PACKET:
            raise ValueError(f"carrier {carrier} with packets of {max_packet} bytes")
        if not self._carriers and self._streams:
            self._state_offsets(carrier)
        new = Carrier(carrier, kind, line, max_packet, self.config, now)
        new.greeting = encode(self._greeting(new))
        self._carriers[carrier] = new
        self._scheduler.changed()

    def carrier_down(self, carrier: int, now: float) -> None:
        """It has ended: what was under way is sent over the others, or over the next to come."""
        gone = self._carriers.pop(carrier, None)
        if gone is None:
            return
        self._scheduler.changed()
        if not self._carriers:
            self._expires_at = now + self.config.linger
        self._lose(gone.outgoing.abandon())
        self._events.append(CarrierLost(carrier, gone.line, len(self._carriers)))

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
        )

    def _state_offsets(self, carrier: int) -> None:
        received = [(stream.id, stream.into.base) for stream in self._streams.values()]
        for at in range(0, len(received), OFFSETS_PER_FRAME):
            self._control.put(("offsets", at), Offsets(tuple(received[at : at + OFFSETS_PER_FRAME])))

    # ----------------------------------------------------------------------------------------------------- streams

    def open(
        self,
        priority: Priority,
        now: float,
        *,
        redundancy: Redundancy | None = None,
        request: bytes = NO_REQUEST,
    ) -> int:
        """A new stream (edge only); `request` is an id of 16 bytes to execute at most once. Raises CannotOpen."""
        if self.is_closed or self.is_draining or len(self._streams) >= self.peer_limits.max_streams:
            code = self._closing.code if self._closing else Code.DRAINING if self.is_draining else Code.STREAM_LIMIT
            raise CannotOpen(code)
        number = self._next_stream
        self._next_stream += 1
        opening = Opening(priority, self.config.redundancy if redundancy is None else redundancy, request)
        self._wake(self._add_stream(number, opening))
        return number

    def write(self, stream: int, data: bytes, now: float, *, end: bool = False) -> None:
        """Appends to the stream's bytes; with `end` nothing may follow. What is beyond `writable` is kept until credit
        comes: pause the source while that is 0. Does nothing if the stream is over."""
        found = self._streams.get(stream)
        if found is not None and not found.out.is_ended:
            found.out.append(data, end=end)
            self._ready[found.priority][found] = None

    def writable(self, stream: int) -> int:
        """Bytes that can be taken now. After 0 the event Credit follows when there is room again."""
        found = self._streams.get(stream)
        if found is None:
            return 0
        log = found.out
        room = min(log.limit - log.end, self.config.send_buffer_bytes - (log.end - log.base), self._scheduler.credit)
        found.is_blocked = room <= 0
        return max(room, 0)

    def message(self, stream: int, data: bytes, lifetime: float, now: float) -> None:
        """A message that may be lost, and is dropped when `lifetime` seconds late. Raises ValueError if it is larger
        than messages.MAX_MESSAGE_BYTES. Does nothing if the stream is over."""
        found = self._streams.get(stream)
        if found is not None:
            found.messages_out.append(stream, data, lifetime, now)
            self._ready[found.priority][found] = None

    def consumed(self, stream: int, size: int, now: float) -> None:
        """The application is done with so many bytes of `Data`: the peer may send more."""
        found = self._streams.get(stream)
        if found is None:
            return
        limit = found.into.consume(size)
        if limit is not None:
            self._control.put(("credit", stream), CreditFrame(stream, limit))
        self._give_back(size)

    def reset(self, stream: int, code: int, reason: str, now: float) -> None:
        """Gives the stream up, both directions. Does nothing if it is over."""
        found = self._streams.get(stream)
        if found is not None:
            if found.into.final is None:
                self._awaited_finals[stream] = found.into.highest
            self._put_reset(found, code, reason)
            self._remove(found, now)

    def drain(self, reason: str, now: float) -> None:
        """Takes no new streams (relay); those that exist go on."""
        self.is_draining = True
        last = max(self._streams, default=0)
        self._control.put(("goaway", 0), GoAway(last, Code.DRAINING, reason))

    def close(self, code: int, reason: str, now: float) -> None:
        """Ends the session with all its streams; the peer is told."""
        if not self.is_closed:
            self._end(Close(code, reason))
            self._close_copies, self._close_at = CLOSE_COPIES, now

    def _end(self, close: Close) -> None:
        self.is_closed = True
        self._closing = close
        self._streams.clear()
        self._events.append(SessionClosed(close.code, close.reason))

    def _add_stream(self, number: int, opening: Opening) -> Stream:
        stream = self._streams[number] = Stream(
            number,
            opening,
            credit=self.peer_limits.stream_window,
            window=self.config.limits.stream_window,
            passage=self._passage,
            is_opener=self.role is Role.EDGE,
        )
        return stream

    def _remove(self, stream: Stream, now: float) -> None:
        del self._streams[stream.id]
        self._gone.add(stream.id, stream.id + 1)
        self._ready[stream.priority].pop(stream, None)
        self._control.drop(("credit", stream.id))
        self._give_back(stream.into.highest - stream.into.consumed)
        if not self._streams:
            self._lively_until = now + LIVELY_AFTER

    def _put_reset(self, stream: Stream, code: int, reason: str) -> None:
        self._control.put(("reset", stream.id), ResetFrame(stream.id, code, stream.out.sent, reason))

    def _give_back(self, size: int) -> None:
        limit = self._flow.consume(size)
        if limit is not None:
            self._control.put(("credit", 0), CreditFrame(0, limit))

    def _wake(self, stream: Stream) -> None:
        self._ready[stream.priority][stream] = None

    # --------------------------------------------------------------------------------------------------- receiving

    def receive(self, carrier: int, packet: bytes, now: float) -> None:
        """A packet came, whole. Anything may be in it."""
        found = self._carriers.get(carrier)
        if found is None or self.is_closed:
            return
        try:
            number, is_eliciting, frames = decode(packet)
            was_silent = not found.is_heard(now)
            found.hear(now)
            if not found.incoming.receive(number, is_eliciting=is_eliciting, now=now):
                self.tally.duplicate_packets += 1
                return
            for frame in frames:
                self._dispatch(frame, found, now)
        except WireError as error:
            self.close(error.code, str(error), now)
            return
        if was_silent or found.suspected_at is not None:
            self._reconsider(found, was_silent, now)

    def _dispatch(self, frame: Frame, carrier: Carrier, now: float) -> None:
        match frame:
            case StreamFrame():
                self._on_stream(frame, now)
            case Ack():
                self._on_ack(frame, carrier, now)
            case CreditFrame():
                self._on_credit(frame)
            case MessageFrame():
                self._on_message(frame, now)
            case ResetFrame():
                self._on_reset(frame, now)
            case Hello():
                self._on_hello(frame, carrier)
            case Welcome():
                self._on_welcome(frame, carrier)
            case Offsets():
                self._on_offsets(frame, now)
            case GoAway(last_stream, code, reason):
                self.is_draining = True
                self._events.append(GoneAway(last_stream, code, reason))
            case Close():
                self._end(frame)

    def _on_stream(self, frame: StreamFrame, now: float) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None:
            stream = self._accept(frame)
            if stream is None:
                return
        into = stream.into
        if into.is_done:
            return
        before = into.highest
        data = into.receive(frame.offset, frame.data, is_end=frame.end)
        if into.highest != before:
            self._flow.receive(into.highest - before)
        if data or into.is_done:
            self._events.append(Data(stream.id, data, into.is_done))
            if stream.is_done:
                self._remove(stream, now)

    def _accept(self, frame: StreamFrame) -> Stream | None:
        """The stream that the frame opens; None if it belongs to one that is over or refused."""
        if frame.stream in self._gone:
            return None
        opening = frame.opening
        if self.role is Role.EDGE or opening is None:
            raise WireError(Code.STREAM_STATE, f"bytes of stream {frame.stream}, which was never opened")
        if self.is_draining or len(self._streams) >= self.config.limits.max_streams:
            code = Code.DRAINING if self.is_draining else Code.STREAM_LIMIT
            self._gone.add(frame.stream, frame.stream + 1)
            self._awaited_finals[frame.stream] = 0
            self._control.put(("reset", frame.stream), ResetFrame(frame.stream, code, 0, code.name))
            return None
        stream = self._add_stream(frame.stream, opening)
        self._events.append(StreamOpened(frame.stream, opening.priority, opening.redundancy, opening.request))
        return stream

    def _on_message(self, frame: MessageFrame, now: float) -> None:
        stream = self._streams.get(frame.stream)
        if stream is None:
            return
        data, is_late = stream.messages_in.receive(frame, now)
        self.tally.late_messages += is_late
        if data is not None:
            self._events.append(Message(frame.stream, data))

    def _on_credit(self, frame: CreditFrame) -> None:
        if frame.stream == 0:
            self._grant(frame.limit)
        elif (stream := self._streams.get(frame.stream)) is not None:
            stream.out.limit = max(stream.out.limit, frame.limit)
            self._resume(stream)

    def _grant(self, limit: int) -> None:
        more = self._flow.grant(limit)
        if more:
            self._scheduler.credit += more
            for stream in self._streams.values():
                self._resume(stream)

    def _resume(self, stream: Stream) -> None:
        """There is credit, or room in the buffer."""
        self._wake(stream)
        if stream.is_blocked and self.writable(stream.id):
            self._events.append(Credit(stream.id))

    def _on_reset(self, frame: ResetFrame, now: float) -> None:
        number = frame.stream
        stream = self._streams.get(number)
        if stream is not None:
            self._count_final(frame.sent, stream.into.highest)
            self._put_reset(stream, frame.code, "")
            self._remove(stream, now)
            self._events.append(Reset(number, frame.code, frame.reason))
        elif number in self._awaited_finals:
            self._count_final(frame.sent, self._awaited_finals.pop(number))
        elif number not in self._gone and self.role is Role.RELAY:
            self._gone.add(number, number + 1)
            self._count_final(frame.sent, 0)
            self._control.put(("reset", number), ResetFrame(number, frame.code, 0, ""))

    def _count_final(self, sent: int, highest: int) -> None:
        """A stream ends at byte `sent`, of which `highest` are accounted for."""
        if sent > highest:
            self._flow.receive(sent - highest)
            self._give_back(sent - highest)

    def _on_hello(self, frame: Hello, carrier: Carrier) -> None:
        """The carrier joined by it (`table.SessionTable`); every packet until then repeats it."""
        config = self.config
        if self.role is Role.EDGE or frame.session != config.session or not compare_digest(frame.token, config.token):
            raise WireError(Code.REFUSED, "a HELLO that doesn't belong to this session")
        if frame.rate:
            carrier.set_rate(float(frame.rate))
        self._meet(carrier, frame.name, frame.limits)

    def _on_welcome(self, frame: Welcome, carrier: Carrier) -> None:
        if self.role is Role.RELAY or frame.version != VERSION:
            raise WireError(Code.VERSION, f"WELCOME to version {frame.version}")
        carrier.greeting = b""
        carrier.is_confirmed = True
        self._meet(carrier, frame.name, frame.limits)

    def _meet(self, carrier: Carrier, name: str, limits: Limits) -> None:
        if not carrier.is_met:
            carrier.is_met = True
            self.peer = name
            self._events.append(Joined(carrier.number, name))
            self.peer_limits = limits
            for stream in self._streams.values():
                stream.out.limit = max(stream.out.limit, limits.stream_window)
            self._grant(limits.session_window)

    def _on_offsets(self, frame: Offsets, now: float) -> None:
        for number, offset in frame.received:
            stream = self._streams.get(number)
            if stream is not None:
                if offset > stream.out.sent:
                    raise WireError(Code.STREAM_STATE, f"the peer has bytes of stream {number} that were never sent")
                stream.out.ack(0, offset, is_end=False)
                stream.prove()

    # ----------------------------------------------------------------------------------------- acknowledged or lost

    def _on_ack(self, frame: Ack, carrier: Carrier, now: float) -> None:
        about = carrier if frame.carrier == carrier.number else self._carriers.get(frame.carrier)
        if about is None:
            return
        acked = about.outgoing.acknowledge(frame, now, is_own=about is carrier)
        if not acked:
            return
        if not about.is_confirmed and self.role is Role.RELAY:
            about.greeting = b""
            about.is_confirmed = True
        for packet in acked:
            for part in packet.parts:
                if len(part) == 4:
                    self._on_stream_acked(part, now)
                elif isinstance(part[0], Queued):
                    part[0].is_done = True
                else:
                    self._control.ack(*part)
        self._lose(about.outgoing.find_lost(now))

    def _on_stream_acked(self, part: StreamPart, now: float) -> None:
        stream, start, end, is_end = part
        if self._streams.get(stream.id) is not stream:
            return
        log = stream.out
        was_finished = log.is_finished
        log.ack(start, end, is_end=is_end)
        if not stream.is_proven:
            stream.prove()
        if not log.is_outstanding:
            stream.due = inf
        if stream.is_blocked:
            self._resume(stream)
        if log.is_finished and not was_finished:
            self._events.append(Acked(stream.id, log.base))
            if stream.is_done:
                self._remove(stream, now)

    def _lose(self, packets: Iterable[Sent], *, is_guess: bool = False) -> None:
        """Sends again what was in these packets and has not been sent since, or with `is_guess` even then."""
        for packet in packets:
            for part in packet.parts:
                if len(part) == 4:
                    stream, start, end, is_end = cast(StreamPart, part)
                    if self._streams.get(stream.id) is stream and (is_guess or stream.covered_at <= packet.sent_time):
                        stream.out.lose(start, end, is_end=is_end)
                        stream.wants_repeat = stream.wants_repeat or not stream.is_proven
                        self._wake(stream)
                elif isinstance(part[0], Queued):
                    part[0].is_due = True
                    self._ready[part[1].priority][part[1]] = None
                else:
                    self._control.lose(*part)

    # ------------------------------------------------------------------------------------------------------- belief

    def _judge(self, now: float) -> None:
        """Suspects carriers that are silent while another one is heard. If all are, it is the peer, or we ourselves."""
        heard = [carrier for carrier in self._carriers.values() if carrier.is_heard(now)]
        for carrier in self._carriers.values():
            if carrier.suspected_at is None and now >= carrier.doubted_at() and any(c is not carrier for c in heard):
                carrier.suspect(now)
                self.tally.suspicions += 1
                self._scheduler.changed()
                self._scheduler.duplicate_everything(now)
                self._lose(list(carrier.outgoing.outstanding.values()), is_guess=True)
                self._events.append(CarrierSuspected(carrier.number, carrier.line))

    def _reconsider(self, carrier: Carrier, was_silent: bool, now: float) -> None:
        """A carrier of which nothing good was known is heard."""
        if was_silent and all(c is carrier or c.suspected_at is not None for c in self._carriers.values()):
            self._lose(list(carrier.outgoing.outstanding.values()), is_guess=True)
        if (
            carrier.suspected_at is not None
            and carrier.outgoing.acked_at > carrier.suspected_at
            and now < carrier.doubted_at()
        ):
            seconds = carrier.relieve(now)
            self._scheduler.changed()
            self._events.append(CarrierRelieved(carrier.number, carrier.line, seconds))

    # -------------------------------------------------------------------------------------------------------- time

    def timer(self) -> float | None:
        """When to call `handle_timer`; None: nothing is due, ever."""
        if self.is_closed:
            return self._close_at if self._close_copies else None
        if not self._carriers:
            return self._expires_at
        due = min(self._repeats[0][0] if self._repeats else inf, self._bulk_at)
        interval = self._interval(self._judged_at)
        for carrier in self._carriers.values():
            due = min(due, carrier.incoming.due, carrier.beat_at + interval, carrier.outgoing.overdue_at)
            doubt = carrier.doubted_at()
            if self._judged_at < doubt < due and carrier.suspected_at is None:
                due = doubt
        self._due = due
        return due

    def handle_timer(self, now: float, lag: float = 0.0) -> None:
        """Time has passed. `lag`: seconds for which we know that we stood still ourselves (an event loop's stall); the
        lines' silence meanwhile doesn't count against them. A timer served late is taken for such a stall too."""
        lag = max(lag, now - self._due)
        self._due = inf
        self._judged_at = now
        if self.is_closed:
            return
        if lag > STALL:
            self.tally.stalls += 1
            for carrier in self._carriers.values():
                carrier.forgive(lag, now)
        if not self._carriers:
            if now >= self._expires_at:
                self._end(Close(Code.EXPIRED, "no carrier came back"))
            return
        for carrier in self._carriers.values():
            if now >= carrier.outgoing.overdue_at:
                self._lose(carrier.outgoing.find_lost(now))
        if len(self._carriers) > 1 and self._is_lively(now):
            self._judge(now)
        self._repeat(now)

    def _repeat(self, now: float) -> None:
        """Streams whose last bytes have waited long enough for an answer."""
        best = self._scheduler.ranked(now)[0]
        may_repeat = best.kind is CarrierKind.QUIC and best.may_repeat(now)
        for stream in self._overdue(now):
            if may_repeat or stream.is_overdue:
                stream.wants_repeat = True
                self._wake(stream)
            else:
                stream.stage = len(stream.steps) + 1
                stream.due = now + self._scheduler.timeout()
                self._arm(stream)

    def _overdue(self, now: float) -> list[Stream]:
        """Takes streams off the heap that are due; an entry that has become too early is put where it belongs."""
        found = []
        while self._repeats and self._repeats[0][0] <= now:
            at, number = heappop(self._repeats)
            stream = self._streams.get(number)
            if stream is None or stream.queued_at != at:
                continue
            stream.queued_at = inf
            if stream.due <= now:
                if stream.is_waiting:
                    found.append(stream)
            else:
                self._arm(stream)
        return found

    def _arm(self, stream: Stream) -> None:
        if stream.due < stream.queued_at:
            stream.queued_at = stream.due
            heappush(self._repeats, (stream.due, stream.id))

    def _is_lively(self, now: float) -> bool:
        return bool(self._streams) or len(self._control) > 0 or now < self._lively_until

    def _interval(self, now: float) -> float:
        """Seconds between heartbeats."""
        if self._is_lively(now):
            return self.config.heartbeat
        if all(carrier.is_confirmed for carrier in self._carriers.values()):
            return self.config.idle_heartbeat
        return JOINING_HEARTBEAT

    # ----------------------------------------------------------------------------------------------------- sending

    def packets(self, now: float) -> list[tuple[int, bytes]]:
        """What is to be sent now: (carrier, packet)."""
        if self.is_closed:
            return self._farewell(now)
        if not self._carriers:
            return []
        scheduler = self._scheduler
        two = scheduler.ranked(now)[:2]
        for key, frame in self._control.take_due():
            scheduler.put(frame, (key, frame), two, now)
        bulk = []
        for lane in self._ready:
            for stream in lane:
                if stream.is_bulk:
                    bulk.append(stream)
                else:
                    self._send_thin(stream, now)
            lane.clear()
        self._bulk_at = inf
        for stream in bulk:
            self._send_bulk(stream, now)
        return scheduler.finish(now, self._interval(now))

    def _send_thin(self, stream: Stream, now: float) -> None:
        if len(stream.messages_out):
            self._send_messages(stream, now)
        if self._scheduler.has_work(stream):
            self._scheduler.put_stream(stream, now)
            self._arm(stream)

    def _send_bulk(self, stream: Stream, now: float) -> None:
        self._send_messages(stream, now)
        self._bulk_at = min(self._bulk_at, self._scheduler.put_bulk(stream, now))
        self._arm(stream)
        if self._scheduler.has_work(stream):
            self._wake(stream)

    def _send_messages(self, stream: Stream, now: float) -> None:
        due, late = stream.messages_out.take_due(now)
        self.tally.late_messages += late
        self._scheduler.put_messages(stream, due, now)

    def _farewell(self, now: float) -> list[tuple[int, bytes]]:
        """CLOSE over every carrier, a few times: nobody will acknowledge it."""
        if self._closing is None or not self._close_copies or now < self._close_at:
            return []
        self._close_copies -= 1
        self._close_at = now + CLOSE_EVERY
        out = []
        for carrier in self._carriers.values():
            number = carrier.outgoing.next_number
            carrier.outgoing.next_number += 1
            out.append((carrier.number, encode_header(number, False) + encode(self._closing)))
        return out

    def events(self) -> list[Event]:
        """What has happened since the last call, in order."""
        events, self._events = self._events, []
        return events
