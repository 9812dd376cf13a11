"""transport.session.pacing: where bulk starts, when it stops growing, and how it gets rid of a queue."""

from __future__ import annotations

from collections import deque

from transport.session.acks import Sent
from transport.session.pacing import START_RATE, BulkRate

SIZE = 1000
SHORTEST = 0.1


class Line:
    """Takes `rate` bytes/s and keeps what is too much in a queue. The sender fills its window at once."""

    def __init__(self, rate: float) -> None:
        self.rate = rate
        self.now = 1.0
        self.free_at = 0.0
        self.control = BulkRate(max_datagram_size=SIZE)
        self.under_way: deque[tuple[float, Sent]] = deque()
        self.longest = 0.0

    def run(self, seconds: float) -> None:
        end = self.now + seconds
        while self.now < end:
            while self.control.bytes_in_flight + SIZE <= self.control.congestion_window:
                packet = Sent([], SIZE, self.now)
                self.control.on_packet_sent(packet=packet)
                self.free_at = max(self.free_at, self.now) + SIZE / self.rate
                self.under_way.append((self.free_at + SHORTEST, packet))
            self.now, packet = self.under_way.popleft()
            trip = self.now - packet.sent_time
            self.longest = max(self.longest, trip)
            self.control.on_rtt_measurement(now=self.now, rtt=trip)
            self.control.on_packet_acked(now=self.now, packet=packet)


def test_it_starts_at_a_rate_of_its_own() -> None:
    line = Line(100e6)
    line.run(0.25)
    assert line.control.congestion_window >= START_RATE * SHORTEST


def test_a_quick_line_is_found_out() -> None:
    line = Line(10e6)
    line.run(3.0)
    assert 7e6 < line.control.bandwidth < 11e6


def test_a_queue_ends_the_start_and_is_drained_in_every_other_round() -> None:
    line = Line(1e6)
    line.run(2.0)
    assert not line.control._is_starting
    assert line.longest < 0.5
    line.longest = 0.0
    gains = set()
    for _ in range(60):
        line.run(0.05)
        gains.add(line.control._gain())
    assert 1.0 in gains and max(gains) > 1.0
    assert line.longest < 0.25
    assert 0.8e6 < line.control.bandwidth < 1.2e6


def test_too_much_loss_halves_a_rate_and_doesnt_forget_it() -> None:
    line = Line(1e6)
    line.run(3.0)
    before = line.control.bandwidth
    packets = [Sent([], SIZE, line.now) for _ in range(400)]
    for packet in packets:
        line.control.on_packet_sent(packet=packet)
    line.control.on_packets_lost(now=line.now, packets=packets)
    line.run(0.3)
    assert 0.05 * before < line.control.bandwidth <= 1.1 * before
