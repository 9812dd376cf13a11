"""All streams of a session: opened, written, received, acknowledged, reset; their credit and that of the session."""

from __future__ import annotations

from math import inf

from transport.session.acks import Shortest
from transport.session.control import ControlFrames
from transport.session.flow import SessionFlow
from transport.session.frames import CreditFrame, GoAway, MessageFrame, Offsets, Opening, ResetFrame, StreamFrame
from transport.session.ranges import Ranges
from transport.session.scheduler import Scheduler
from transport.session.stream import Stream, StreamPart
from transport.session.values import (
    FIRST_LIMITS,
    Acked,
    CannotOpen,
    Code,
    Credit,
    Data,
    Event,
    Limits,
    Message,
    Reset,
    Role,
    SessionConfig,
    StreamOpened,
    Tally,
)
from transport.session.wire import WireError

LIVELY_AFTER = 1.0
"""Seconds that heartbeats go on after the last stream ended."""
OFFSETS_PER_FRAME = 50


class Streams:
    """`ready` are the streams that may have something to send, by priority; `events` is the session's own list.

    Methods that take a frame raise WireError for what breaks the protocol.
    """

    def __init__(self, role: Role, config: SessionConfig, scheduler: Scheduler, tally: Tally) -> None:
        self.live: dict[int, Stream] = {}
        self.ready: tuple[dict[Stream, None], ...] = ({}, {}, {}, {})
        self.control = ControlFrames()
        self.events: list[Event] = []
        self.peer_limits = FIRST_LIMITS
        self.is_draining = False
        self._role = role
        self._config = config
        self._scheduler = scheduler
        self._tally = tally
        self._flow = SessionFlow(config.limits.session_window)
        scheduler.credit = self._flow.granted
        self._gone = Ranges()
        self._awaited_finals: dict[int, int] = {}
        self._next_id = 1
        self._lively_until = -inf
        self._passage = Shortest(60.0)

    def is_lively(self, now: float) -> bool:
        """There are streams or control frames under way, or there were until a moment ago."""
        return bool(self.live) or len(self.control) > 0 or now < self._lively_until

    def wake(self, stream: Stream) -> None:
        """It may have something to send."""
        self.ready[stream.priority][stream] = None

    # ------------------------------------------------------------------------------------------------- application

    def open(self, opening: Opening) -> int:
        """Raises CannotOpen."""
        if self._role is Role.RELAY or self.is_draining or len(self.live) >= self.peer_limits.max_streams:
            raise CannotOpen(Code.STREAM_STATE if self._role is Role.RELAY else self._refusal(self.is_draining))
        number = self._next_id
        self._next_id += 1
        self.wake(self._add(number, opening))
        return number

    def write(self, number: int, data: bytes, *, end: bool) -> None:
        """As SessionCore.write."""
        stream = self.live.get(number)
        if stream is not None and not stream.out.is_ended:
            stream.out.append(data, end=end)
            self.ready[stream.priority][stream] = None

    def writable(self, number: int) -> int:
        """As SessionCore.writable."""
        stream = self.live.get(number)
        if stream is None:
            return 0
        log = stream.out
        buffered = self._config.send_buffer_bytes - (log.end - log.base)
        room = max(min(log.limit - log.end, buffered, self._scheduler.credit), 0)
        stream.is_blocked = room == 0
        return room

    def message(self, number: int, data: bytes, lifetime: float, now: float) -> None:
        """As SessionCore.message."""
        stream = self.live.get(number)
        if stream is not None:
            stream.messages_out.append(number, data, lifetime, now)
            self.wake(stream)

    def consumed(self, number: int, size: int) -> None:
        """As SessionCore.consumed."""
        stream = self.live.get(number)
        if stream is None:
            return
        limit = stream.into.consume(size)
        if limit is not None:
            self.control.put(("credit", number), CreditFrame(number, limit))
        self._give_back(size)

    def reset(self, number: int, code: int, reason: str, now: float) -> None:
        """As SessionCore.reset."""
        stream = self.live.get(number)
        if stream is not None:
            if stream.into.final is None:
                self._awaited_finals[number] = stream.into.highest
            self._put_reset(number, code, stream.out.sent, reason)
            self._remove(stream, now)

    def drain(self, reason: str) -> None:
        """As SessionCore.drain."""
        self.is_draining = True
        self.control.put(("goaway", 0), GoAway(max(self.live, default=0), Code.DRAINING, reason))

    # --------------------------------------------------------------------------------------------------------- peer

    def meet(self, limits: Limits) -> None:
        """The peer has told its limits."""
        self.peer_limits = limits
        for stream in self.live.values():
            stream.out.limit = max(stream.out.limit, limits.stream_window)
        self._grant(limits.session_window)

    def on_stream(self, frame: StreamFrame, now: float) -> int:
        """Bytes, an end, or the opening of a stream. Returns how many bytes further it went than any before."""
        stream = self.live.get(frame.stream) or self._accept(frame)
        if stream is None or stream.into.is_done:
            return 0
        into = stream.into
        before = into.highest
        data = into.receive(frame.offset, frame.data, is_end=frame.end)
        fresh = into.highest - before
        if fresh:
            self._flow.receive(fresh)
        if data or into.is_done:
            self.events.append(Data(stream.id, data, into.is_done))
            if stream.is_done:
                self._remove(stream, now)
        return fresh

    def on_message(self, frame: MessageFrame, now: float) -> None:
        stream = self.live.get(frame.stream)
        if stream is None:
            return
        data, is_late = stream.messages_in.receive(frame, now)
        self._tally.late_messages += is_late
        if data is not None:
            self.events.append(Message(frame.stream, data))

    def on_credit(self, frame: CreditFrame) -> None:
        if frame.stream == 0:
            self._grant(frame.limit)
        elif (stream := self.live.get(frame.stream)) is not None:
            stream.out.limit = max(stream.out.limit, frame.limit)
            self._resume(stream)

    def on_reset(self, frame: ResetFrame, now: float) -> None:
        number = frame.stream
        stream = self.live.get(number)
        if stream is not None:
            self._count_final(frame.sent, stream.into.highest)
            self._put_reset(number, frame.code, stream.out.sent, "")
            self._remove(stream, now)
            self.events.append(Reset(number, frame.code, frame.reason))
        elif number in self._awaited_finals:
            self._count_final(frame.sent, self._awaited_finals.pop(number))
        elif number not in self._gone and self._role is Role.RELAY:
            self._gone.add(number, number + 1)
            self._count_final(frame.sent, 0)
            self._put_reset(number, frame.code, 0, "")

    def put_offsets(self) -> None:
        """After a resume: what has arrived of each stream."""
        received = [(stream.id, stream.into.base) for stream in self.live.values()]
        for at in range(0, len(received), OFFSETS_PER_FRAME):
            self.control.put(("offsets", at), Offsets(tuple(received[at : at + OFFSETS_PER_FRAME])))

    def on_offsets(self, frame: Offsets, now: float) -> None:
        for number, offset in frame.received:
            stream = self.live.get(number)
            if stream is None:
                continue
            if offset > stream.out.sent:
                raise WireError(Code.STREAM_STATE, f"the peer has bytes of stream {number} that were never sent")
            if offset:
                self.on_acked((stream, 0, offset, False), now)

    # ----------------------------------------------------------------------------------------- acknowledged or lost

    def on_acked(self, part: StreamPart, now: float) -> None:
        """The peer has this part of a stream."""
        stream, start, end, is_end = part
        if self.live.get(stream.id) is not stream:
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
            self.events.append(Acked(stream.id, log.base))
            if stream.is_done:
                self._remove(stream, now)

    def on_lost(self, part: StreamPart, sent_at: float) -> None:
        """A packet of `sent_at` with this part is lost: what no later packet has carried is to be sent again."""
        stream, start, end, is_end = part
        if self.live.get(stream.id) is stream and stream.covered_at <= sent_at:
            stream.out.lose(start, end, is_end=is_end)
            stream.wants_repeat = stream.wants_repeat or not stream.is_proven
            self.wake(stream)

    # ------------------------------------------------------------------------------------------------------ private

    def _add(self, number: int, opening: Opening) -> Stream:
        stream = self.live[number] = Stream(
            number,
            opening,
            credit=self.peer_limits.stream_window,
            window=self._config.limits.stream_window,
            passage=self._passage,
            is_opener=self._role is Role.EDGE,
        )
        return stream

    def _accept(self, frame: StreamFrame) -> Stream | None:
        """The stream that the frame opens; None if it belongs to one that is over or refused."""
        number, opening = frame.stream, frame.opening
        if number in self._gone:
            return None
        if self._role is Role.EDGE or opening is None:
            raise WireError(Code.STREAM_STATE, f"bytes of stream {number}, which was never opened")
        if self.is_draining or len(self.live) >= self._config.limits.max_streams:
            code = self._refusal(self.is_draining)
            self._gone.add(number, number + 1)
            self._awaited_finals[number] = 0
            self._put_reset(number, code, 0, code.name)
            return None
        self.events.append(StreamOpened(number, opening.priority, opening.redundancy, opening.request))
        return self._add(number, opening)

    @staticmethod
    def _refusal(is_draining: bool) -> Code:
        return Code.DRAINING if is_draining else Code.STREAM_LIMIT

    def _remove(self, stream: Stream, now: float) -> None:
        del self.live[stream.id]
        self._gone.add(stream.id, stream.id + 1)
        self.ready[stream.priority].pop(stream, None)
        self.control.drop(("credit", stream.id))
        self._give_back(stream.into.highest - stream.into.consumed)
        self._lively_until = now + LIVELY_AFTER

    def _put_reset(self, number: int, code: int, sent: int, reason: str) -> None:
        self.control.put(("reset", number), ResetFrame(number, code, sent, reason))

    def _give_back(self, size: int) -> None:
        limit = self._flow.consume(size)
        if limit is not None:
            self.control.put(("credit", 0), CreditFrame(0, limit))

    def _count_final(self, sent: int, highest: int) -> None:
        """A stream ends at byte `sent`, of which `highest` are accounted for."""
        if sent > highest:
            self._flow.receive(sent - highest)
            self._give_back(sent - highest)

    def _grant(self, limit: int) -> None:
        more = self._flow.grant(limit)
        if more:
            self._scheduler.credit += more
            for stream in self.live.values():
                self._resume(stream)

    def _resume(self, stream: Stream) -> None:
        """There is credit, or room in the buffer."""
        self.wake(stream)
        if stream.is_blocked and self.writable(stream.id):
            self.events.append(Credit(stream.id))
