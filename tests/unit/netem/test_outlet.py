from math import inf

from hypothesis import given
from hypothesis import strategies as st

from netem.aio.forwarder import Outlet


def drain(outlet: Outlet) -> list[tuple[float, bytes]]:
    out = []
    while (now := outlet.due_at()) < inf:
        assert outlet.take(now - 0.001) is None
        taken = outlet.take(now)
        assert taken is not None
        out.append(taken)
    return out


@given(st.lists(st.integers(0, 20)))
def test_packets_leave_in_the_order_of_their_times_and_all_of_them(times) -> None:
    outlet = Outlet(3)
    for number, at in enumerate(times):
        outlet.hold(at, bytes([number % 256]))
    left = drain(outlet)
    assert [at for at, _ in left] == sorted(times)
    assert sorted(packet for _, packet in left) == sorted(bytes([number % 256]) for number in range(len(times)))


def test_packets_of_one_time_keep_their_order() -> None:
    outlet = Outlet(3)
    for name in (b"a", b"b", b"c"):
        outlet.hold(1.0, name)
    assert [packet for _, packet in drain(outlet)] == [b"a", b"b", b"c"]
    assert outlet.take(9.0) is None


@given(st.lists(st.integers(0, 20)), st.integers(0, 30))
def test_packets_on_their_way_take_as_long_when_time_begins_anew(times, moved) -> None:
    outlet, moving = Outlet(3), Outlet(3)
    for at in times:
        outlet.hold(at, b"x")
        moving.hold(at, b"x")
    moving.shift(moved)
    assert [at + moved for at, _ in drain(moving)] == [at for at, _ in drain(outlet)]
    moving.hold(0.0, b"first of the new time")
    assert moving.due_at() == 0.0
