"""transport.congestion: the controller alone, and on a simulated line."""

from __future__ import annotations

import heapq
import random
from dataclasses import dataclass

import pytest
from aioquic.quic.congestion.base import create_congestion_control
from aioquic.quic.packet import QuicPacketType
from aioquic.quic.packet_builder import QuicSentPacket
from aioquic.tls import Epoch

from transport.congestion import FLOOR_PACKETS, NAME, DeliveryRateControl, register

SIZE = 1200
FLOOR = FLOOR_PACKETS * SIZE


def packet(number: int, sent_time: float) -> QuicSentPacket:
    return QuicSentPacket(Epoch.ONE_RTT, True, True, False, number, QuicPacketType.ONE_RTT, sent_time, SIZE)


@dataclass
class Result:
    utilization: float  # of what the loss leaves of the line
    loss: float
    queueing: float  # seconds, longest


def simulate(rate: float, round_trip: float, loss: float, buffer: float, seconds: float, seed: int) -> Result:
    """A greedy sender over one bottleneck: `rate` bytes/s, a drop-tail `buffer` in bytes, independent `loss`."""
    rng = random.Random(seed)
    control = DeliveryRateControl(max_datagram_size=SIZE)
    now = free_at = next_send = queueing = 0.0
    smoothed = round_trip
    arrivals: list[tuple[float, int]] = []
    flight: dict[int, QuicSentPacket] = {}
    number = delivered = lost_count = 0
    while now < seconds:
        while control.bytes_in_flight + SIZE <= control.congestion_window and next_send <= now:
            sent = flight[number] = packet(number, now)
            control.on_packet_sent(packet=sent)
            next_send = max(next_send, now - 0.002) + SIZE * smoothed / control.congestion_window
            if max(0.0, free_at - now) * rate <= buffer:
                free_at = max(free_at, now) + SIZE / rate
                if rng.random() >= loss:
                    heapq.heappush(arrivals, (free_at + round_trip, number))
            number += 1
        is_full = control.bytes_in_flight + SIZE > control.congestion_window
        if arrivals and (is_full or next_send >= arrivals[0][0]):
            now, acked = heapq.heappop(arrivals)
            if acked not in flight:
                continue
            sent = flight.pop(acked)
            sample = now - (sent.sent_time or 0.0)
            smoothed += (sample - smoothed) / 8
            queueing = max(queueing, sample - round_trip)
            control.on_packet_acked(now=now, packet=sent)
            control.on_rtt_measurement(now=now, rtt=sample)
            delivered += SIZE
            lost = []
            for one in flight.values():
                if one.packet_number > acked - 3 or now - (one.sent_time or 0.0) <= 1.125 * max(smoothed, sample):
                    break
                lost.append(one)
            for one in lost:
                del flight[one.packet_number]
            lost_count += len(lost)
            if lost:
                control.on_packets_lost(now=now, packets=lost)
        elif is_full:
            now += 2 * round_trip  # everything was lost: probe timeout
            control.on_packets_expired(packets=list(flight.values()))
            flight.clear()
        else:
            now = max(next_send, now + 1e-6)
    return Result(delivered / seconds / rate / (1 - loss), lost_count / number, queueing)


@pytest.mark.parametrize("loss", [0.0, 0.01, 0.05, 0.10])
@pytest.mark.parametrize("buffer", [0.2, 1.0])
def test_fills_a_lossy_line(loss: float, buffer: float) -> None:
    rate, round_trip = 250_000.0, 0.2
    result = simulate(rate, round_trip, loss, buffer * rate * round_trip, 12.0, seed=7)
    assert result.utilization > 0.7
    assert result.loss < loss + 0.15
    assert result.queueing <= buffer * round_trip + 0.02


def test_heavy_loss_neither_starves_nor_floods() -> None:
    result = simulate(250_000.0, 0.2, 0.25, 50_000.0, 12.0, seed=7)
    assert 0.4 < result.utilization <= 1.01
    assert result.loss < 0.35


def test_the_window_never_falls_below_the_floor() -> None:
    control = DeliveryRateControl(max_datagram_size=SIZE)
    assert control.congestion_window == FLOOR
    for number in range(200):  # a thin flow: one packet per round trip
        sent = packet(number, 1.0 + number)
        control.on_packet_sent(packet=sent)
        control.on_packet_acked(now=1.2 + number, packet=sent)
        control.on_rtt_measurement(now=1.2 + number, rtt=0.2)
    assert control.congestion_window == FLOOR
    assert control.bytes_in_flight == 0


def test_persistent_congestion_starts_over() -> None:
    control = DeliveryRateControl(max_datagram_size=SIZE)
    burst = [packet(number, 1.0) for number in range(40)]
    for sent in burst:
        control.on_packet_sent(packet=sent)
    for sent in burst[:20]:
        control.on_packet_acked(now=1.1, packet=sent)
    control.on_rtt_measurement(now=1.1, rtt=0.1)
    later = [packet(number, 1.2) for number in range(40, 60)]
    for sent in later:
        control.on_packet_sent(packet=sent)
        control.on_packet_acked(now=1.3, packet=sent)
    assert control.bandwidth > 0
    control.on_persistent_congestion()
    assert (control.bandwidth, control.congestion_window) == (0.0, FLOOR)
    control.on_packets_expired(packets=burst[20:])
    assert control.bytes_in_flight == 0


def test_the_shortest_round_trip_is_forgotten_in_time() -> None:
    control = DeliveryRateControl(max_datagram_size=SIZE)
    assert control.shortest_round_trip == 0.0
    for now, seconds in ((0.0, 0.2), (10.0, 0.1), (20.0, 0.3), (45.0, 0.4)):
        control.on_rtt_measurement(now=now, rtt=seconds)
    assert control.shortest_round_trip == 0.3


def test_aioquic_knows_it() -> None:
    register()
    assert isinstance(create_congestion_control(NAME, max_datagram_size=SIZE), DeliveryRateControl)
