"""Which bytes go over which carriers in which packet.

A packet is filled with frames of several streams for one *group* of carriers and then goes to each of them under its
own packet number. A thin stream's frame holds its new bytes and, before them, what isn't acknowledged, up to
`bundle_bytes`: one such packet that arrives makes the lost ones before it good. How far back it reaches is a question
of what the lines lose (`risk`): over one line it holds all of it; over several what may well be lost on each of them,
and all of it once every `COVER_EVERY` seconds.
Order: control frames, then streams by priority, bulk last. Bulk goes over whichever carrier has room, paced.
"""

from __future__ import annotations

from math import inf
from typing import Any

from transport.session.acks import FIRST_ROUND_TRIP, Load, Sent
from transport.session.carrier import Carrier
from transport.session.messages import Queued
from transport.session.risk import FEWEST, SHORTEST, Together, reach, sendings
from transport.session.stream import ECHO, Stream
from transport.session.values import CarrierKind, Redundancy, SessionConfig, Tally
from transport.session.wire import HEADER_BYTES, STREAM_OVERHEAD, encode_header, encode_stream_head

ACK_ROOM = 34
LEAST_ROOM = 128
RANKED_FOR = 0.02
PACING_BURST = 0.005
BUNDLE_CHANCE = 0.0002
"""Bytes are sent again with a stream's new ones while it is likelier than this that all copies of them were lost."""
START_CHANCE = 0.0005
"""The same for the quick repeats of a stream that has nothing new to send."""
LATE = 0.01
"""Seconds by which a repeat may come late."""
COVER_EVERY = 0.16
BULK_LEAVES = 262_144
"""Bytes of the session's credit that bulk doesn't touch: a peer that takes none of it must not silence thin streams."""
TAIL_PART = 2
"""Of what may be under way when bulk has sent its end, one in so many bytes, the last ones, go once more: nothing comes
after them by which their loss could be noticed sooner than a round trip later."""
MOST_TAIL = 262_144
EVERYWHERE = 1.0
"""Seconds after a suspicion during which thin streams go over all carriers."""
ECHO_BURST = 2 * ECHO
"""Losses in a row last no longer than this, in the mean, where an echo is worth its bytes."""


class Packet:
    """Frames for a group of carriers; `parts` are notes on them for when the packet is acknowledged or lost."""

    __slots__ = ("carriers", "frames", "parts", "room")

    def __init__(self, carriers: tuple[Carrier, ...], room: int) -> None:
        self.carriers = carriers
        self.frames: list[bytes] = []
        self.parts: list[Any] = []
        self.room = room

    def add(self, frame: bytes, part: Any) -> None:
        self.frames.append(frame)
        self.parts.append(part)
        self.room -= len(frame)


class Scheduler:
    """Owns the carriers. `credit` is how many first copies the session's flow control still allows."""

    def __init__(self, config: SessionConfig, tally: Tally) -> None:
        self.carriers: dict[int, Carrier] = {}
        self.credit = 0
        self._config = config
        self._tally = tally
        self._ranked: tuple[Carrier, ...] = ()
        self._ranked_at = -inf
        self._timeout = FIRST_ROUND_TRIP
        self._everywhere_until = -inf
        self._is_hot = False
        self._is_alone = False
        self._is_only = False
        self._together = Together()
        self._reach: tuple[tuple[float, int, float], ...] = ()
        self._packets: dict[tuple[Carrier, ...], Packet] = {}
        self._pace: dict[int, float] = {}
        self._doubtful: tuple[Carrier, ...] = ()
        self._out: list[tuple[int, bytes]] = []

    # ----------------------------------------------------------------------------------------------------- carriers

    def changed(self) -> None:
        """Carriers came, went, or are seen otherwise: rank them anew."""
        self._ranked_at = -inf
        self._pace = {number: at for number, at in self._pace.items() if number in self.carriers}

    def duplicate_everything(self, now: float) -> None:
        """Thin streams go over all carriers for a while."""
        self._everywhere_until = now + EVERYWHERE

    def ranked(self, now: float) -> tuple[Carrier, ...]:
        """Best first (there must be one); the order stands for a moment, so that streams share packets. The best is
        changed only for one that is better by a tenth and 5 ms."""
        if now - self._ranked_at < RANKED_FOR:
            return self._ranked
        costs = {carrier: carrier.cost(now) for carrier in self.carriers.values()}
        if self._ranked and self._ranked[0] in costs:
            costs[self._ranked[0]] = costs[self._ranked[0]] * 0.9 - 0.005
        self._ranked = tuple(sorted(costs, key=costs.__getitem__))
        self._ranked_at = now
        self._doubtful = tuple(carrier for carrier in self._ranked if carrier.suspected_at is not None)
        self._is_alone = len(self._ranked) - len(self._doubtful) == 1 < len(self._ranked)
        self._timeout = self._ranked[0].outgoing.trip.timeout
        loss = self._ranked[0].outgoing.loss_ratio
        self._is_hot = loss >= self._config.hot_loss * (0.5 if self._is_hot else 1.0)
        self._is_only = loss >= self._config.hot_loss / 2 and self._loses_singly()
        self._measure(now)
        return self._ranked

    def _loses_singly(self) -> bool:
        """There is one line, whose datagrams are lost one by one."""
        best = self._ranked[0]
        is_one = all(carrier.line == best.line for carrier in self._ranked)
        return is_one and best.kind is CarrierKind.QUIC and best.outgoing.losses.seen_burst <= ECHO_BURST

    def _measure(self, now: float) -> None:
        """How far back bundles reach over the best carrier, the two best…: seconds, sendings; and until when quick
        repeats are worth it."""
        together = self._together.ratio(now)
        self._reach = tuple(self._reach_of(self._ranked[:count], together) for count in range(1, len(self._ranked) + 1))

    @staticmethod
    def _reach_of(carriers: tuple[Carrier, ...], together: float) -> tuple[float, int, float]:
        losses = [carrier.outgoing.losses for carrier in carriers if carrier.suspected_at is None]
        if not losses:
            return inf, FEWEST, inf
        return (
            max(reach(losses, together, BUNDLE_CHANCE), SHORTEST) if len(losses) > 1 else inf,  # alone, all of it
            sendings(losses, BUNDLE_CHANCE),
            reach(losses, together, START_CHANCE),
        )

    def group(self, stream: Stream, now: float) -> tuple[Carrier, ...]:
        """The carriers for a thin stream's next bytes, the best first. There must be a carrier."""
        ranked = self.ranked(now)
        if len(ranked) == 1 or stream.redundancy is Redundancy.SINGLE:
            return ranked[:1] if now >= self._everywhere_until else ranked
        if now < self._everywhere_until or (stream.wants_repeat and stream.is_overdue):
            return ranked
        if stream.redundancy is Redundancy.HOT or self._is_hot or not stream.is_proven:
            return ranked[:2] if ranked[1].may_repeat(now) else ranked[:1]
        return ranked[:1]

    def _has_echo(self, stream: Stream) -> bool:
        """Its bytes go once more over the same line, soon: there is no other that could make good a single loss."""
        if self._is_alone:
            return stream.redundancy is Redundancy.HOT
        return self._is_only and stream.redundancy is not Redundancy.SINGLE

    def timeout(self) -> float:
        """PTO of the best carrier, as it was when they were ranked."""
        return self._timeout

    # ------------------------------------------------------------------------------------------------------ filling

    def put(self, frame: bytes, part: Any, carriers: tuple[Carrier, ...], now: float) -> None:
        """A frame that isn't a stream's bytes."""
        self._packet(carriers, len(frame), now).add(frame, part)

    def put_messages(self, stream: Stream, messages: list[Queued], now: float) -> None:
        """Droppable messages of a stream, each whole."""
        carriers = self.group(stream, now)
        for message in messages:
            message.is_due = False
            self.put(message.frame, (message, stream), carriers, now)

    def put_stream(self, stream: Stream, now: float) -> None:
        """All that a thin stream has to send; it must have something (`has_work`)."""
        carriers = self.group(stream, now)
        log = stream.out
        bundle = 0
        if _loses(carriers) and carriers[0].may_repeat(now):
            bundle = self._bundle(stream, carriers, now)
        while True:
            wanted = min(max(bundle, log.end - log.sent), log.end - log.base, 1000)
            self._put_frame(stream, self._packet(carriers, STREAM_OVERHEAD + wanted, now), bundle, now)
            if not self.has_work(stream):
                return

    def _bundle(self, stream: Stream, carriers: tuple[Carrier, ...], now: float) -> int:
        """How many bytes of a stream a frame with new ones holds, these included."""
        log, marks = stream.out, stream.marks
        seconds, count, _ = self._reach[len(carriers) - 1]
        if log.sent < log.end:
            if seconds == inf:
                marks.clear()
            marks.append((now, log.sent))
        if seconds == inf:
            return self._config.bundle_bytes
        while len(marks) > count and marks[0][0] < now - seconds:
            marks.popleft()
        if not marks or now - stream.covered_at >= COVER_EVERY:
            return self._config.bundle_bytes
        return min(log.end - marks[0][1], self._config.bundle_bytes)

    def is_worth_repeating(self, stream: Stream, now: float) -> bool:
        """Without news from its peer: it isn't unlikely that all copies so far were lost."""
        if not stream.marks or not stream.steps:
            return True
        seconds = self._reach[len(self.group(stream, now)) - 1][2]
        return now - stream.marks[-1][0] <= seconds + stream.steps[0] + LATE

    def put_bulk(self, stream: Stream, now: float) -> float:
        """As much of a bulk stream as carriers have room for. Returns when to come again (inf: after an ACK)."""
        if stream.wants_repeat:
            self._put_frame(stream, self._packet(self.ranked(now), LEAST_ROOM, now), self._config.bundle_bytes, now)
        log = stream.out
        while self.has_work(stream):
            if self.credit <= BULK_LEAVES and not log.lost.starts and not log.owes_end:
                return inf
            carrier, at = self._roomiest(now)
            if carrier is None:
                return at
            packet = self._packet((carrier,), STREAM_OVERHEAD + 1000, now)
            size = packet.room
            self._put_frame(stream, packet, 0, now)
            self._flush(packet, now)
            self._pace[carrier.number] += (size - packet.room) / self._pacing(carrier)
            if log.sent == log.end and log.is_ended and not stream.is_tail_covered and not log.lost.starts:
                stream.is_tail_covered = True
                tail = sum(each.window() for each in self.ranked(now) if each.suspected_at is None) // TAIL_PART
                log.lose(max(log.base, log.end - min(tail, MOST_TAIL)), log.end, is_end=True)
        return inf

    def has_work(self, stream: Stream) -> bool:
        """There are bytes, an end or a repeat to send that flow control allows."""
        log = stream.out
        if log.sent < log.end and log.sent < log.limit and self.credit > 0:
            return True
        if stream.wants_repeat or log.lost.starts:
            return True
        return log.is_ended and log.owes_end

    def _put_frame(self, stream: Stream, packet: Packet, bundle: int, now: float) -> None:
        """One STREAM frame: new bytes with what comes before them, or lost ones, or a repeat of the last ones. Without
        bundles lost bytes go before new ones: those that wait for them hold credit."""
        log, tally, traffic = stream.out, self._tally, packet.carriers[0].traffic
        room = packet.room - STREAM_OVERHEAD
        fresh = min(min(log.end, log.limit) - log.sent, self.credit, room)
        is_new = fresh > 0 or (log.is_ended and log.owes_end)
        if is_new and (bundle or not log.lost.starts):
            start, end = max(log.base, log.sent - max(min(bundle, room) - fresh, 0)), log.sent + fresh
            tally.first_bytes += fresh
            tally.bundled_bytes += log.sent - start
            traffic.first += fresh
            traffic.bundled += log.sent - start
            self.credit -= fresh
            log.sent = end
            if log.lost.starts:
                log.lost.remove(start, end)
            stream.sent_new(now, self._timeout, has_echo=self._has_echo(stream))
        elif log.lost.starts:
            start, end = log.lost.first()
            end = min(end, start + room)
            tally.resent_bytes += end - start
            traffic.resent += end - start
            log.lost.remove(start, end)
            stream.due = min(stream.due, now + self.timeout())
        else:
            start, end = max(log.base, log.sent - min(self._config.bundle_bytes, room)), log.sent
            if stream.is_echo and stream.marks:
                start = max(start, stream.marks[-1][1])  # what came before goes with the next new bytes anyway
            tally.repeated_bytes += end - start
            traffic.repeated += end - start
            stream.sent_again(now, self.timeout())
        stream.wants_repeat = False
        is_end = log.is_ended and end == log.end
        log.end_sent = log.end_sent or is_end
        if start <= log.base and end == log.sent:
            stream.covered_at = now
        head = encode_stream_head(stream.id, start, end - start, is_end, stream.opening)
        packet.add(head + log.read(start, end), (stream, start, end, is_end))

    def _packet(self, carriers: tuple[Carrier, ...], wanted: int, now: float) -> Packet:
        """The group's packet that is being filled, if it has room for `wanted` bytes, else a new one."""
        packet = self._packets.get(carriers)
        if packet is not None and packet.room < max(wanted, LEAST_ROOM):
            self._flush(packet, now)
            packet = None
        if packet is None:
            room = min(carrier.max_packet - len(carrier.greeting) for carrier in carriers) - HEADER_BYTES
            packet = self._packets[carriers] = Packet(carriers, room - ACK_ROOM * (1 + len(self._doubtful)))
        return packet

    # ----------------------------------------------------------------------------------------------------- sending

    def finish(self, now: float, heartbeat: float) -> list[tuple[int, bytes]]:
        """Everything that was put, with the ACKs and heartbeats that are due: (carrier, packet)."""
        if self._packets:
            for packet in list(self._packets.values()):
                self._flush(packet, now)
        for carrier in self.carriers.values():
            if now >= carrier.beat_at + heartbeat:
                self._emit(carrier, b"", Load([], 1), now)
            elif now >= carrier.incoming.due:
                self._emit(carrier, b"", None, now)
        out, self._out = self._out, []
        return out

    def _flush(self, packet: Packet, now: float) -> None:
        del self._packets[packet.carriers]
        body = b"".join(packet.frames)
        load = Load(packet.parts, len(packet.carriers))
        for carrier in packet.carriers:
            self._emit(carrier, body, load, now)
        for carrier in packet.carriers[1:]:
            carrier.traffic.copied += len(body)
            self._tally.copied_bytes += len(body)
        self._together.sent += load.copies > 1

    def count_lost(self, load: Load) -> None:
        """One more copy of it is lost."""
        load.left -= 1
        if not load.left and load.copies > 1:
            self._together.lost += 1

    def _emit(self, carrier: Carrier, body: bytes, load: Load | None, now: float) -> None:
        """One packet. Without `load` it doesn't ask to be acknowledged and isn't remembered."""
        incoming, outgoing = carrier.incoming, carrier.outgoing
        pieces = [encode_header(outgoing.next_number, load is not None), carrier.greeting]
        if incoming.due < inf:
            pieces.append(incoming.frame(carrier.number, now))
        for other in self._doubtful:
            if other is not carrier and other.incoming.largest >= 0:
                pieces.append(other.incoming.peek(other.number, now))  # noqa: PERF401 - seldom any
        pieces.append(body)
        packet = b"".join(pieces)
        size = len(packet)
        if load is None:
            outgoing.next_number += 1
        else:
            outgoing.send(Sent(load, size, now))
            carrier.beat_at = now
        carrier.spend(size, now)
        carrier.traffic.sent += size + carrier.underneath
        if not body:
            carrier.traffic.idle += size + carrier.underneath
        self._tally.packets += 1
        self._tally.bytes += size
        self._out.append((carrier.number, packet))

    # ------------------------------------------------------------------------------------------------------ pacing

    def _pacing(self, carrier: Carrier) -> float:
        return carrier.window() / carrier.outgoing.trip.smoothed

    def _roomiest(self, now: float) -> tuple[Carrier | None, float]:
        """The carrier for the next bulk packet, or when the first of them may send again."""
        soonest = inf
        for carrier in self.ranked(now):
            if carrier.suspected_at is not None or not carrier.has_room():
                continue
            at = self._pace[carrier.number] = max(self._pace.get(carrier.number, now), now - PACING_BURST)
            if at <= now:
                return carrier, now
            soonest = min(soonest, at)
        return None, soonest


def _loses(carriers: tuple[Carrier, ...]) -> bool:
    """TCP delivers what it took: carrying bytes again over the same connection is no use."""
    return carriers[0].kind is CarrierKind.QUIC or CarrierKind.QUIC in [carrier.kind for carrier in carriers]
