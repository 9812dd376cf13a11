from math import isclose

from netem.link import queue
from netem.link.conditions import Police
from netem.link.queue import Droptail, Policer


def test_a_packet_takes_its_time_on_the_wire() -> None:
    line = Droptail(8.0, 10_000)  # 1 byte per µs
    assert line.leaves_at(1000, 5.0) == 5.001
    assert isclose(line.leaves_at(1000, 5.0) or 0, 5.002)
    assert isclose(line.leaves_at(500, 6.0) or 0, 6.0005)


def test_what_does_not_fit_is_dropped_and_takes_no_room() -> None:
    line = Droptail(8.0, 3000)
    assert [line.leaves_at(1000, 0.0) is not None for _ in range(5)] == [True, True, True, False, False]
    assert line.leaves_at(1000, 0.001) is not None


def test_each_flow_has_its_own_tokens() -> None:
    policer = Policer(Police(8.0, burst_bytes=2000))
    assert [policer.takes(b"a", 1000, 0.0) for _ in range(3)] == [True, True, False]
    assert policer.takes(b"b", 1000, 0.0)
    assert policer.takes(b"a", 1000, 0.001)
    assert not policer.takes(b"a", 1000, 0.001)


def test_tokens_never_exceed_the_burst() -> None:
    policer = Policer(Police(8.0, burst_bytes=1000))
    assert policer.takes(b"a", 1000, 0.0)
    assert policer.takes(b"a", 1000, 100.0)
    assert not policer.takes(b"a", 1, 100.0)


def test_an_old_flow_gets_the_later_rate() -> None:
    policer = Policer(Police(8.0, burst_bytes=1000, later_mbit=0.8, later_after=10.0))
    assert policer.takes(b"a", 1000, 0.0)
    assert policer.takes(b"a", 1000, 9.0)
    assert policer.takes(b"a", 1000, 10.0)
    assert not policer.takes(b"a", 1000, 10.005)
    assert policer.takes(b"a", 1000, 10.011)


def test_the_oldest_flow_is_forgotten(monkeypatch) -> None:
    monkeypatch.setattr(queue, "MAX_FLOWS", 2)
    policer = Policer(Police(1.0, burst_bytes=100))
    assert all(policer.takes(flow, 100, 0.0) for flow in (b"a", b"b", b"c"))
    assert not policer.takes(b"c", 100, 0.0)
    assert policer.takes(b"a", 100, 0.0)
