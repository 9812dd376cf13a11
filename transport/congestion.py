"""Congestion control for lossy long-distance lines, for aioquic's recovery (`register`).

Loss-based control takes every lost packet for congestion; on lines that lose 1–15 % whatever we do it never leaves its
smallest window. This controller believes the delivery rate instead, in the manner of BBR (Cardwell et al., 2016):

    window = gain × bandwidth × shortest round trip
    bandwidth = the best rate of the last ten rounds in which the window was really used
    gain: 2.9 until three rounds bring no growth, then a cycle around 1.4 with one round below 1 that drains the queue

A round is one flight: it ends when a packet sent after its beginning is acknowledged. Loss matters only when of a
hundred packets or more a greater part than `TOLERATED_LOSS` is lost: then the last round's rate, and the part of the
former one that got through, are all that is believed, with a gain just above 1. aioquic paces by window / smoothed
round trip, so a queue that builds up lowers the rate by itself.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable

from aioquic.quic.congestion.base import QuicCongestionControl, register_congestion_control
from aioquic.quic.packet_builder import QuicSentPacket

NAME = "delivery-rate"
FLOOR_PACKETS = 32  # ≈ 40 kB: a thin stream of tokens is never held back
TOLERATED_LOSS = 0.15
STARTUP_GAIN = 2.9
CYCLE = (1.8, 1.25, 1.4, 1.4, 1.4, 1.4, 1.4, 0.85)
CAUTIOUS_GAIN = 1.1
CAUTIOUS_ROUNDS = 8
ROUNDS_REMEMBERED = 10
ROUND_TRIP_MEMORY = 30.0  # seconds that a shortest round trip is believed
LEAST_JUDGED = 100  # packets, over as many rounds as it takes, for their loss ratio to mean anything


class DeliveryRateControl(QuicCongestionControl):
    """One connection's window. Times are seconds on aioquic's clock, sizes are bytes.

    `packets_sent` and `packets_lost` count from the connection's beginning.
    """

    def __init__(self, *, max_datagram_size: int) -> None:
        super().__init__(max_datagram_size=max_datagram_size)
        self._floor = FLOOR_PACKETS * max_datagram_size
        self._least_judged = LEAST_JUDGED * max_datagram_size
        self.congestion_window = self._floor
        self._round_trips: deque[tuple[float, float]] = deque()  # (when, seconds), rising in both
        self._rates: deque[float] = deque(maxlen=ROUNDS_REMEMBERED)
        self._is_starting = True
        self._stale_rounds = 0
        self._phase = 0
        self._caution = 0
        self._round_began_at = 0.0
        self._delivered = 0
        self._judged = [0, 0]  # bytes delivered and lost since the last judgement
        self._is_limited = False
        self.packets_sent = 0
        self.packets_lost = 0

    @property
    def bandwidth(self) -> float:
        """Bytes per second, 0 before the first round that used the window."""
        return max(self._rates, default=0.0)

    @property
    def shortest_round_trip(self) -> float:
        return self._round_trips[0][1] if self._round_trips else 0.0

    def on_packet_sent(self, *, packet: QuicSentPacket) -> None:
        self.bytes_in_flight += packet.sent_bytes
        self.packets_sent += 1
        if self.bytes_in_flight * 5 >= self.congestion_window * 4:
            self._is_limited = True

    def on_packet_acked(self, *, now: float, packet: QuicSentPacket) -> None:
        self.bytes_in_flight -= packet.sent_bytes
        self._delivered += packet.sent_bytes
        self._judged[0] += packet.sent_bytes
        if (packet.sent_time or 0.0) >= self._round_began_at:
            self._end_round(now)

    def on_packets_expired(self, *, packets: Iterable[QuicSentPacket]) -> None:
        self.bytes_in_flight -= sum(packet.sent_bytes for packet in packets)

    def on_packets_lost(self, *, now: float, packets: Iterable[QuicSentPacket]) -> None:
        sizes = [packet.sent_bytes for packet in packets]
        lost = sum(sizes)
        self.packets_lost += len(sizes)
        self.bytes_in_flight -= lost
        self._judged[1] += lost

    def on_persistent_congestion(self) -> None:
        """The line was dead for several timeouts: what was known of it is void."""
        self._rates.clear()
        self._is_starting = True
        self._stale_rounds = 0
        self.congestion_window = self._floor

    def on_rtt_measurement(self, *, now: float, rtt: float) -> None:
        """Keeps the minimum over `ROUND_TRIP_MEMORY` as a queue of rising candidates."""
        while self._round_trips and self._round_trips[-1][1] >= rtt:
            self._round_trips.pop()
        self._round_trips.append((now, rtt))
        while self._round_trips[0][0] < now - ROUND_TRIP_MEMORY:
            self._round_trips.popleft()

    def _end_round(self, now: float) -> None:
        elapsed = now - self._round_began_at
        if self._round_began_at and elapsed > 0:
            self._learn(self._delivered / elapsed)
            self._set_window()
        self._round_began_at = now
        self._delivered = 0
        self._is_limited = False

    def _learn(self, rate: float) -> None:
        best = self.bandwidth
        lost = self._lost_too_much()
        if lost:
            self._rates.clear()
            self._rates.append(best * (1 - lost))
            self._is_starting = False
            self._caution = CAUTIOUS_ROUNDS
        elif self._is_starting and self._is_limited:
            self._stale_rounds = 0 if rate > best * 1.25 else self._stale_rounds + 1
            self._is_starting = self._stale_rounds < 3
        if self._is_limited or rate > best:
            self._rates.append(rate)
            self._phase += 1
            self._caution = max(self._caution - 1, 0)

    def _lost_too_much(self) -> float:
        """The part of the last packets that was lost, if it is more than can be tolerated, else 0."""
        delivered, lost = self._judged
        if delivered + lost < self._least_judged:
            return 0.0
        self._judged = [0, 0]
        ratio = lost / (delivered + lost)
        return ratio if ratio > TOLERATED_LOSS else 0.0

    def _gain(self) -> float:
        if self._is_starting:
            return STARTUP_GAIN
        return CAUTIOUS_GAIN if self._caution else CYCLE[self._phase % len(CYCLE)]

    def _set_window(self) -> None:
        target = int(self._gain() * self.bandwidth * self.shortest_round_trip)
        self.congestion_window = max(self._floor, target)


def register() -> None:
    """Makes the controller known to aioquic as `NAME`."""
    register_congestion_control(NAME, DeliveryRateControl)
