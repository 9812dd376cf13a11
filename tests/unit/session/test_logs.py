"""Ranges, send logs, receive logs, flow control, control frames."""

from __future__ import annotations

from math import inf

import pytest

from transport.session.acks import Shortest
from transport.session.control import ControlFrames
from transport.session.flow import SessionFlow
from transport.session.frames import CreditFrame, Opening
from transport.session.ranges import Ranges
from transport.session.receive_log import ReceiveLog
from transport.session.repeats import Repeats
from transport.session.send_log import SendLog
from transport.session.stream import Stream
from transport.session.values import FIRST_LIMITS, Code, Priority, Redundancy
from transport.session.wire import WireError, encode


class TestRanges:
    def test_adding_merges_what_touches(self) -> None:
        ranges = Ranges()
        for start, end in ((10, 20), (30, 40), (5, 5), (20, 25), (1, 2), (24, 31)):
            ranges.add(start, end)
        assert list(ranges) == [(1, 2), (10, 40)] and len(ranges) == 2
        assert ranges.first() == (1, 2)
        assert 10 in ranges and 39 in ranges and 40 not in ranges and 0 not in ranges

    def test_removing_cuts(self) -> None:
        ranges = Ranges()
        ranges.remove(0, 5)
        ranges.add(0, 10)
        ranges.add(20, 30)
        ranges.remove(4, 4)
        ranges.remove(12, 15)
        ranges.remove(8, 22)
        ranges.remove(3, 5)
        assert list(ranges) == [(0, 3), (5, 8), (22, 30)]


class TestSendLog:
    def log(self) -> SendLog:
        log = SendLog(100)
        log.append(b"0123456789", end=False)
        log.sent = 10
        return log

    def test_acknowledged_bytes_are_forgotten(self) -> None:
        log = self.log()
        assert log.read(2, 4) == b"23" and log.is_outstanding
        log.ack(0, 4, is_end=False)
        assert (log.base, log.end, log.read(4, 6)) == (4, 10, b"45")
        log.ack(2, 3, is_end=False)
        assert log.base == 4

    def test_a_gap_waits_for_what_is_before_it(self) -> None:
        log = self.log()
        log.ack(6, 8, is_end=False)
        assert log.base == 0
        log.ack(0, 6, is_end=False)
        assert log.base == 8
        log.ack(8, 10, is_end=False)
        assert log.base == 10 and not log.is_outstanding and not log.is_finished

    def test_lost_bytes_but_for_known_ones(self) -> None:
        log = self.log()
        log.ack(4, 6, is_end=False)
        log.lose(0, 8, is_end=False)
        assert list(log.lost) == [(0, 4), (6, 8)]
        log.ack(6, 7, is_end=False)
        assert list(log.lost) == [(0, 4), (7, 8)]
        log.ack(0, 4, is_end=False)
        assert list(log.lost) == [(7, 8)]
        log.lose(0, 5, is_end=False)
        assert list(log.lost) == [(7, 8)]

    def test_the_end(self) -> None:
        log = self.log()
        log.append(b"", end=True)
        assert log.owes_end
        log.end_sent = True
        assert not log.owes_end and log.is_outstanding
        log.lose(0, 10, is_end=True)
        assert log.owes_end
        log.end_sent = True
        log.ack(0, 10, is_end=True)
        log.lose(0, 10, is_end=True)
        assert log.is_finished and log.end_sent and not log.is_outstanding


class TestReceiveLog:
    def test_segments_in_any_order_and_overlapping(self) -> None:
        log = ReceiveLog(100)
        assert log.receive(4, b"4567", is_end=False) == b""
        assert log.receive(2, b"2345678", is_end=False) == b""
        assert log.receive(5, b"56", is_end=False) == b""
        assert log.receive(1, b"1", is_end=False) == b""
        assert log.receive(10, b"ab", is_end=False) == b""
        assert log.receive(12, b"", is_end=False) == b""
        assert log.receive(13, b"d", is_end=False) == b""
        assert log.receive(9, b"9abcde", is_end=False) == b""
        assert log.receive(0, b"0123", is_end=False) == b"0123456789abcde"
        assert log.receive(0, b"0123", is_end=False) == b""
        assert log.receive(14, b"efg", is_end=True) == b"fg"
        assert log.is_done and log.base == log.final == 17

    def test_an_end_that_comes_first(self) -> None:
        log = ReceiveLog(100)
        assert log.receive(3, b"", is_end=True) == b"" and not log.is_done
        assert log.receive(0, b"abc", is_end=False) == b"abc" and log.is_done

    @pytest.mark.parametrize(
        ("frames", "code"),
        [
            ([(90, b"x" * 11, False)], Code.FLOW_CONTROL),
            ([(0, b"abc", True), (0, b"abcd", False)], Code.FINAL_SIZE),
            ([(0, b"abc", True), (0, b"ab", True)], Code.FINAL_SIZE),
            ([(0, b"abc", False), (0, b"ab", True)], Code.FINAL_SIZE),
        ],
    )
    def test_breaches(self, frames: list[tuple[int, bytes, bool]], code: Code) -> None:
        log = ReceiveLog(100)
        for offset, data, end in frames[:-1]:
            log.receive(offset, data, is_end=end)
        offset, data, end = frames[-1]
        with pytest.raises(WireError) as caught:
            log.receive(offset, data, is_end=end)
        assert caught.value.code is code

    def test_credit_is_told_by_quarters_and_not_after_the_end(self) -> None:
        log = ReceiveLog(100)
        log.receive(0, b"x" * 80, is_end=False)
        assert log.consume(24) is None
        assert log.consume(1) == 125
        log.receive(80, b"x" * 20, is_end=True)
        assert log.consume(50) is None


class TestFlow:
    def test_credit_of_the_session(self) -> None:
        flow = SessionFlow(100)
        flow.receive(100)
        with pytest.raises(WireError) as caught:
            flow.receive(1)
        assert caught.value.code is Code.FLOW_CONTROL
        assert flow.consume(49) is None
        assert flow.consume(1) == 150

    def test_grants_never_fall(self) -> None:
        flow = SessionFlow(100)
        assert flow.grant(FIRST_LIMITS.session_window + 5) == 5
        assert flow.grant(7) == 0
        assert flow.granted == FIRST_LIMITS.session_window + 5


class TestRepeats:
    def stream(self, number: int) -> Stream:
        opening = Opening(Priority.INTERACTIVE, Redundancy.STANDBY, bytes(16))
        return Stream(number, opening, credit=100, window=100, passage=Shortest(60.0), is_opener=False)

    def test_entries_are_put_right_when_their_time_comes(self) -> None:
        one, two, gone = self.stream(1), self.stream(2), self.stream(3)
        live = {1: one, 2: two, 3: gone}
        repeats = Repeats(live)
        assert repeats.next_at == inf
        for stream in live.values():
            stream.out.append(b"x", end=False)
            stream.out.sent = 1
            stream.due = 1.0
            repeats.arm(stream)
        one.due = 2.0
        repeats.arm(one)
        two.due = 0.5
        repeats.arm(two)
        del live[3]
        assert repeats.next_at == 0.5
        assert repeats.take_due(1.5) == [two]
        assert repeats.next_at == 2.0
        one.out.ack(0, 1, is_end=False)
        assert repeats.take_due(3.0) == [] and repeats.next_at == inf


class TestControlFrames:
    def test_until_acknowledged(self) -> None:
        control = ControlFrames()
        control.put(("credit", 1), CreditFrame(1, 5))
        ((key, frame),) = control.take_due()
        assert frame == encode(CreditFrame(1, 5)) and control.take_due() == []
        control.lose(key, frame)
        assert control.take_due() == [(key, frame)]
        control.lose(key, frame)
        control.ack(key, frame)
        assert len(control) == 0 and control.take_due() == []
        control.ack(key, frame)

    def test_a_newer_one_replaces_it(self) -> None:
        control = ControlFrames()
        control.put(("credit", 1), CreditFrame(1, 5))
        ((key, old),) = control.take_due()
        control.put(("credit", 1), CreditFrame(1, 6))
        control.take_due()
        control.ack(key, old)
        control.lose(key, old)
        assert len(control) == 1 and control.take_due() == []
        control.drop(key)
        assert len(control) == 0
