"""Packet numbers, ACKs, round trips, loss; and what a carrier is believed to be."""

from __future__ import annotations

from math import inf

import pytest

from tests.support.session_pair import config
from transport.session.acks import FIRST_ROUND_TRIP, Incoming, Outgoing, RoundTrip, Sent, Shortest
from transport.session.carrier import BURST, Carrier
from transport.session.frames import Ack
from transport.session.values import CarrierKind, Code
from transport.session.wire import WireError, decode, encode_header


def ack_of(incoming: Incoming, now: float) -> Ack:
    (frame,) = decode(encode_header(0, False) + incoming.frame(1, now))[2]
    assert isinstance(frame, Ack)
    return frame


def outgoing(*times: float) -> Outgoing:
    made = Outgoing(1200, 0.0)
    for at in times:
        made.send(Sent([], 100, at))
    return made


class TestIncoming:
    def test_what_arrived_is_acknowledged_in_time(self) -> None:
        incoming = Incoming(0.008)
        assert incoming.due == inf
        assert incoming.receive(0, is_eliciting=False, now=1.0) and incoming.due == inf
        assert incoming.receive(1, is_eliciting=True, now=1.0) and incoming.due == 1.008
        assert incoming.receive(2, is_eliciting=True, now=1.004) and incoming.due == 1.008
        assert ack_of(incoming, 1.008) == Ack(1, 2, 0.004, 2, 0)
        assert incoming.due == inf

    def test_gaps_and_packets_out_of_order(self) -> None:
        incoming = Incoming(0.008)
        for number in (0, 1, 5, 3, 9):
            assert incoming.receive(number, is_eliciting=True, now=0.0)
        assert not incoming.receive(3, is_eliciting=True, now=0.0)
        assert ack_of(incoming, 0.0) == Ack(1, 9, 0.0, 0, 0b11010100)
        assert incoming.receive(500, is_eliciting=True, now=0.0)
        assert ack_of(incoming, 0.0) == Ack(1, 500, 0.0, 0, 0)
        assert not incoming.receive(9, is_eliciting=True, now=0.0)

    def test_many_packets_are_acknowledged_at_once(self) -> None:
        incoming = Incoming(0.008)
        for number in range(32):
            incoming.receive(number, is_eliciting=True, now=2.0)
        assert incoming.due == 2.0


class TestShortest:
    def test_old_values_go(self) -> None:
        shortest = Shortest(10.0)
        assert shortest.value == inf
        shortest.add(1.0, 0.0)
        shortest.add(3.0, 4.0)
        shortest.add(0.5, 4.5)
        assert shortest.value == 0.5
        shortest.add(2.0, 5.0)
        assert shortest.value == 0.5
        shortest.add(4.0, 10.0)
        assert shortest.value == 2.0
        shortest.add(4.0, 30.0)
        assert shortest.value == 4.0


class TestRoundTrip:
    def test_smoothing(self) -> None:
        trip = RoundTrip()
        assert trip.shortest == FIRST_ROUND_TRIP and trip.standing == 0.0
        trip.add(0.1, 0.0)
        assert trip.smoothed == 0.1 and trip.timeout == pytest.approx(0.1 + 4 * 0.0125 + 0.01)
        for count in range(100):
            trip.add(0.1, count * 0.01)
        assert trip.timeout == pytest.approx(0.12)
        for count in range(100):
            trip.add(0.4, 2.0 + count * 0.1)
        assert trip.shortest == 0.1 and trip.standing == pytest.approx(0.3)


class TestOutgoing:
    def test_acknowledged_packets_leave_and_time_the_line(self) -> None:
        out = outgoing(0.0, 0.01, 0.02)
        acked = out.acknowledge(Ack(1, 1, 0.005, 1, 0), 0.115, is_own=True)
        assert [packet.sent_time for packet in acked] == [0.0, 0.01]
        assert out.trip.latest == pytest.approx(0.1) and out.acked_at == 0.115
        assert out.oldest_sent() == 0.02
        assert out.acknowledge(Ack(1, 1, 0.005, 1, 0), 0.2, is_own=True) == []
        assert out.rate.bytes_in_flight == 100

    def test_over_another_carrier_it_says_nothing_of_time(self) -> None:
        out = outgoing(0.0)
        assert len(out.acknowledge(Ack(1, 0, 0.0, 0, 0), 5.0, is_own=False)) == 1
        assert not out.trip.has_sample
        assert out.oldest_sent() == inf

    def test_the_bitmap(self) -> None:
        out = outgoing(*[count / 100 for count in range(8)])
        acked = out.acknowledge(Ack(1, 6, 0.0, 1, 0b101), 1.0, is_own=True)
        assert [round(packet.sent_time * 100) for packet in acked] == [1, 3, 5, 6]

    @pytest.mark.parametrize("largest", [3, 0xFFFF_FFFF])
    def test_packets_never_sent(self, largest: int) -> None:
        with pytest.raises(WireError) as caught:
            outgoing(0.0, 0.1).acknowledge(Ack(1, largest, 0.0, 0, 0), 1.0, is_own=True)
        assert caught.value.code is Code.MALFORMED

    def test_lost_after_an_eighth_more(self) -> None:
        out = outgoing(0.0, 0.001, 0.002)
        out.acknowledge(Ack(1, 2, 0.0, 0, 0), 0.082, is_own=True)
        assert out.find_lost(0.0895) == []
        assert out.overdue_at == pytest.approx(0.09)
        assert [packet.sent_time for packet in out.find_lost(0.0905)] == [0.0]
        assert out.overdue_at == pytest.approx(0.091)
        assert len(out.find_lost(0.1)) == 1 and out.overdue_at == inf
        assert 0.0035 < out.loss_ratio < 0.0045 and out.rate.bytes_in_flight == 0

    def test_nothing_newer_acknowledged_nothing_lost(self) -> None:
        out = outgoing(0.0, 0.1)
        out.acknowledge(Ack(1, 0, 0.0, 0, 0), 0.2, is_own=True)
        assert out.find_lost(9.0) == [] and out.overdue_at == inf
        assert len(out.abandon()) == 1 and not out.outstanding


def carrier(rate: float = 0.0, kind: CarrierKind = CarrierKind.QUIC) -> Carrier:
    return Carrier(1, kind, "cn2", 1200, config(rates={"cn2": rate}), 0.0)


class TestCarrier:
    def beating(self) -> Carrier:
        made = carrier()
        for count in range(3):
            made.hear(count * 0.025, is_busy=True)
        made.outgoing.trip.add(0.1, 0.0)
        return made

    def test_silence_is_doubted_only_of_what_was_beating(self) -> None:
        made = carrier()
        made.hear(5.0, is_busy=True)
        assert made.doubted_at() == inf
        made.hear(5.01, is_busy=False)
        assert made.doubted_at() == inf
        made = self.beating()
        assert made.doubted_at() == pytest.approx(0.05 + 0.06 + 4 * 0.0125)
        assert made.is_heard(0.1) and not made.is_heard(0.2)
        assert made.is_beating(0.1) and not made.is_beating(0.12)
        made.rest()
        assert made.doubted_at() == inf

    def test_what_is_under_way_too_long(self) -> None:
        made = carrier()
        made.outgoing.trip.add(0.1, 0.0)
        made.outgoing.send(Sent([], 100, 1.0))
        assert made.doubted_at() == pytest.approx(1.0 + made.outgoing.trip.timeout)
        made.outgoing.acked_at = 1.2
        assert made.doubted_at() == pytest.approx(1.28)

    def test_our_own_absence_is_forgiven(self) -> None:
        made = self.beating()
        made.forgive(10.0, 0.55)
        assert made.heard_at == made.outgoing.acked_at == 0.55
        made.forgive(0.1, 1.0)
        assert made.heard_at == pytest.approx(0.65)

    def test_suspected_then_avoided_then_remembered(self) -> None:
        made = self.beating()
        fine = made.cost(1.0)
        made.suspect(1.0)
        assert made.cost(1.1) == fine and made.cost(1.3) > fine + 5
        assert made.relieve(1.5) == pytest.approx(0.5)
        assert made.cost(2.0) == pytest.approx(fine + 0.05) and made.cost(12.0) == fine

    def test_loss_costs(self) -> None:
        made = self.beating()
        before = made.cost(1.0)
        made.outgoing.losses.recent = 0.1
        assert made.cost(1.0) == pytest.approx(before + 0.05)

    def test_a_budget_holds_back_repeats(self) -> None:
        made = carrier(rate=10_000)
        assert made.may_repeat(0.0)
        made.spend(int(10_000 * BURST) + 500, 0.0)
        assert not made.may_repeat(0.0) and not made.may_repeat(0.04) and made.may_repeat(0.06)
        made.spend(10**9, 0.06)
        assert not made.may_repeat(1.0) and made.may_repeat(1.07)

    def test_without_a_budget(self) -> None:
        made = carrier()
        made.spend(10**9, 0.0)
        assert made.may_repeat(0.0)

    def test_a_standing_queue_holds_back_repeats(self) -> None:
        made = carrier()
        made.outgoing.trip.add(0.1, 0.0)
        for count in range(5):
            made.outgoing.trip.add(0.25, 2.0 + count)
        assert made.is_congested and not made.may_repeat(7.0)

    def test_room_for_bulk(self) -> None:
        made = carrier()
        assert made.has_room() and made.window() == made.outgoing.rate.congestion_window
        known = carrier(rate=1_000_000)
        assert known.window() == int(1_000_000 * FIRST_ROUND_TRIP * 1.25)
        narrow = carrier(rate=1000)
        assert narrow.window() == 2 * 312
        assert not narrow.has_room()
