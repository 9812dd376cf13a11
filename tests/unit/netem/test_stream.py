from math import inf, isclose

from netem.link.conditions import Conditions, Profile
from netem.link.event import Event
from netem.link.link import Link
from netem.link.stream import Stream


def stream(conditions: Conditions, *events: Event) -> Stream:
    link = Link(Profile(conditions, conditions), 1)
    link.add(events)
    return Stream(link, "down")


def drain(line: Stream) -> list[tuple[float, bytes]]:
    out = []
    while (now := line.timer()) < inf:
        out += [(now, data) for data in line.poll(now)]
    return out


def test_bytes_come_whole_and_in_order_after_the_delay() -> None:
    line = stream(Conditions(delay_ms=50))
    line.push(b"a" * 2000, 1.0)
    assert line.bytes_inside == 2000
    assert line.poll(1.04) == []
    assert [(round(at, 3), len(data)) for at, data in drain(line)] == [(1.05, 1448), (1.05, 552)]
    assert line.bytes_inside == 0
    assert line.timer() == inf


def test_a_lost_segment_costs_its_repair_and_holds_up_the_rest() -> None:
    line = stream(Conditions(delay_ms=50), Event("blackhole", at=1, seconds=0.01))
    line.push(b"lost", 1.0)
    line.push(b"behind", 1.02)
    (first, one), (second, other) = drain(line)
    assert (one, other) == (b"lost", b"behind")
    assert first == second
    assert isclose(first, 1.0 + 0.125 + 0.05)


def test_an_outage_ends_with_a_doubled_timeout() -> None:
    line = stream(Conditions(delay_ms=50), Event("blackhole", at=1, seconds=1))
    line.push(b"x", 1.0)
    ((at, _),) = drain(line)
    assert isclose(at, 1.0 + 0.125 + 0.2 + 0.4 + 0.8 + 0.05)


def test_a_lossy_line_loses_nothing() -> None:
    line = stream(Conditions(delay_ms=20, loss=0.4, jitter_ms=10))
    sent = bytes(range(256)) * 200
    line.push(sent, 0.0)
    assert b"".join(data for _, data in drain(line)) == sent
