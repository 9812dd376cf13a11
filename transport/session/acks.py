"""Packet numbers of one carrier: what arrived (for the peer), what the peer has, what is lost, how long it takes.

Loss is found as in RACK (RFC 8985): a packet is lost once one sent after it is acknowledged and it is overdue by an
eighth of the shortest round trip. The timeout of what isn't even followed by an acknowledged packet is

    PTO = smoothed round trip + max(4 · variation, 10 ms) + 10 ms

and does not back off: a token that waits is worth a packet.
"""

from __future__ import annotations

from math import inf
from typing import Any, cast

from aioquic.quic.packet_builder import QuicSentPacket

from transport.session.frames import Ack
from transport.session.pacing import BulkRate
from transport.session.risk import Losses
from transport.session.values import Code
from transport.session.wire import BITMAP_BITS, WireError, encode_ack, expand

FIRST_ROUND_TRIP = 0.25
ACK_AT_ONCE = 32
"""So many packets received are acknowledged without delay: four ACKs in a row may be lost before a bit is."""
MASK = (1 << (BITMAP_BITS + 1)) - 1


class Incoming:
    """What arrived of one carrier. `due`: when an ACK has to go at the latest (inf: none is wanted).

    `received` of the `largest` + 1 packets have come.
    """

    __slots__ = ("_bits", "_delay", "_unacked", "due", "largest", "largest_at", "received")

    def __init__(self, delay: float) -> None:
        self._delay = delay
        self._bits = 0
        self._unacked = 0
        self.largest = -1
        self.largest_at = 0.0
        self.received = 0
        self.due = inf

    def receive(self, low: int, *, is_eliciting: bool, now: float) -> bool:
        """False for a packet that came before, or so late that it can't be told from one."""
        ahead = (number := expand(low, max(self.largest, 0))) - self.largest
        if ahead > 0:
            self._bits = ((self._bits << ahead) | 1) & MASK if ahead <= BITMAP_BITS else 1
            self.largest, self.largest_at = number, now
        elif ahead < -BITMAP_BITS or self._bits >> -ahead & 1:
            return False
        else:
            self._bits |= 1 << -ahead
        self.received += 1
        if is_eliciting:
            self._unacked += 1
            if self._unacked >= ACK_AT_ONCE:
                self.due = now
            elif self.due == inf:
                self.due = now + self._delay
        return True

    def frame(self, carrier: int, now: float) -> bytes:
        """An ACK frame of all that is remembered, as the one that is due."""
        self._unacked = 0
        self.due = inf
        return self.peek(carrier, now)

    def peek(self, carrier: int, now: float) -> bytes:
        """The same, sent over another carrier: the one that is due remains so. Something must have arrived."""
        before = self._bits >> 1
        run = (~before & (before + 1)).bit_length() - 1
        return encode_ack(carrier, self.largest, now - self.largest_at, run, before >> (run + 1))


class Shortest:
    """The smallest of the values of the last `span` to `span` / 2 seconds."""

    __slots__ = ("_before", "_half", "_now", "_since")

    def __init__(self, span: float) -> None:
        self._half = span / 2
        self._since = -inf
        self._before = self._now = inf

    @property
    def value(self) -> float:
        """inf before the first."""
        return min(self._before, self._now)

    def add(self, value: float, now: float) -> None:
        if now - self._since >= self._half:
            self._before = self._now if now - self._since < 2 * self._half else inf
            self._now, self._since = value, now
        elif value < self._now:
            self._now = value


class RoundTrip:
    """Smoothed as RFC 9002 §5 does it; `shortest` is of the last 30 seconds.

    `standing`: seconds by which even the quickest packets of the last two seconds were slower than that.
    """

    __slots__ = ("_recent", "_shortest", "has_sample", "latest", "shortest", "smoothed", "standing", "variation")

    def __init__(self) -> None:
        self.smoothed = self.latest = self.shortest = FIRST_ROUND_TRIP
        self.variation = FIRST_ROUND_TRIP / 4
        self.standing = 0.0
        self.has_sample = False
        self._shortest = Shortest(30.0)
        self._recent = Shortest(2.0)

    @property
    def timeout(self) -> float:
        """PTO."""
        return self.smoothed + max(4 * self.variation, 0.01) + 0.01

    def add(self, sample: float, now: float) -> None:
        self.latest = sample
        if not self.has_sample:
            self.has_sample = True
            self.smoothed, self.variation = sample, sample / 8
        else:
            self.variation += (abs(sample - self.smoothed) - self.variation) / 4
            self.smoothed += (sample - self.smoothed) / 8
        self._shortest.add(sample, now)
        self._recent.add(sample, now)
        self.shortest = self._shortest.value
        self.standing = self._recent.value - self.shortest


class Load:
    """What packets over one or several carriers carry: `parts` are the sender's notes on it.

    `left` of its `copies` aren't lost; `has_arrived` once one is acknowledged: nobody asks about the others then."""

    __slots__ = ("copies", "has_arrived", "left", "parts")

    def __init__(self, parts: list[Any], copies: int) -> None:
        self.parts = parts
        self.copies = self.left = copies
        self.has_arrived = False


class Sent:
    """A packet under way."""

    __slots__ = ("load", "sent_bytes", "sent_time")

    def __init__(self, load: Load, size: int, now: float) -> None:
        self.load = load
        self.sent_bytes = size
        self.sent_time = now


class Outgoing:
    """What was sent over one carrier and isn't acknowledged, by packet number. `acked` counts what was; `rate` is its
    congestion control."""

    __slots__ = (
        "_newest_acked", "acked", "acked_at", "losses", "next_number", "outstanding", "overdue_at", "rate", "trip",
    )  # fmt: skip

    def __init__(self, max_packet: int, now: float) -> None:
        self.next_number = 0
        self.outstanding: dict[int, Sent] = {}
        self.trip = RoundTrip()
        self.rate = BulkRate(max_datagram_size=max_packet)
        self.acked = 0
        self.acked_at = now
        self.losses = Losses(now)
        self.overdue_at = inf
        self._newest_acked = -inf

    @property
    def loss_ratio(self) -> float:
        """Of the last ten seconds, or so."""
        return self.losses.recent

    def send(self, packet: Sent) -> None:
        """Remembers an ack-eliciting packet under `next_number`, which then grows."""
        self.outstanding[self.next_number] = packet
        self.rate.on_packet_sent(packet=cast(QuicSentPacket, packet))
        self.next_number += 1

    def oldest_sent(self) -> float:
        """When the oldest packet under way was sent; inf if there is none."""
        for packet in self.outstanding.values():
            return packet.sent_time
        return inf

    def acknowledge(self, ack: Ack, now: float, *, is_own: bool) -> list[Sent]:
        """The packets that `ack` tells of for the first time. `is_own`: it came over the carrier it is about, so its
        time of arrival says something. Raises WireError for a packet that was never sent."""
        largest = expand(ack.largest, self.next_number)
        if not 0 <= largest < self.next_number:
            raise WireError(Code.MALFORMED, "an ACK of a packet that was never sent")
        bits = ((ack.bitmap << 1) << (ack.run + 1)) | ((1 << (ack.run + 1)) - 1)
        numbers = []
        for number in self.outstanding:
            if number > largest:
                break
            if bits >> (largest - number) & 1:
                numbers.append(number)
        if not numbers:
            return []
        acked = [self.outstanding.pop(number) for number in numbers]
        self._learn(acked, now, ack.delay if is_own and numbers[-1] == largest else None)
        return acked

    def _learn(self, acked: list[Sent], now: float, delay: float | None) -> None:
        newest = acked[-1].sent_time
        self.acked += len(acked)
        self.acked_at = now
        self._newest_acked = max(self._newest_acked, newest)
        self.losses.arrived(len(acked), now)
        if delay is not None:
            self.trip.add(max(now - newest - delay, 0.0001), now)
            self.rate.on_rtt_measurement(now=now, rtt=self.trip.latest)
        for packet in acked:
            self.rate.on_packet_acked(now=now, packet=cast(QuicSentPacket, packet))

    def find_lost(self, now: float) -> list[Sent]:
        """Packets to be given up, oldest first. `overdue_at` is when to ask again (inf: nothing is in doubt)."""
        wait = max(self.trip.latest, self.trip.smoothed) + self.trip.shortest / 8
        numbers = []
        self.overdue_at = inf
        for number, packet in self.outstanding.items():
            if packet.sent_time >= self._newest_acked:
                break
            if packet.sent_time + wait > now:
                self.overdue_at = packet.sent_time + wait
                break
            numbers.append(number)
        lost = []
        for number in numbers:
            packet = self.outstanding.pop(number)
            self.losses.lost(number, packet.sent_time, now)
            lost.append(packet)
        if lost:
            self.rate.on_packets_lost(now=now, packets=cast("list[QuicSentPacket]", lost))
        return lost

    def abandon(self) -> list[Sent]:
        """The carrier has ended: everything under way is lost."""
        lost = list(self.outstanding.values())
        self.outstanding.clear()
        return lost
