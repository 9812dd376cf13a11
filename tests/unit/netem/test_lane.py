from dataclasses import replace
from math import isclose

from netem.link.conditions import Bursts, Conditions, Police
from netem.link.lane import NO_FLIP, UDP, Delivery, Lane
from netem.verify import mean, sigma

UDP_FLOW = bytes([UDP]) + b"somebody"
TCP_FLOW = bytes([6]) + b"somebody"


def outcomes(
    conditions: Conditions, *, seed: int = 1, count: int = 2000, size: int = 100
) -> list[tuple[Delivery, ...]]:
    lane = Lane(conditions, seed, "x")
    return [lane.offer(size, UDP_FLOW, n * 0.01) for n in range(count)]


def test_a_perfect_lane_delivers_at_once() -> None:
    assert Lane(Conditions(), 1, "x").offer(100, b"", 2.5) == (Delivery(2.5, NO_FLIP),)


def test_delay_is_added() -> None:
    assert Lane(Conditions(delay_ms=80), 1, "x").offer(100, b"", 2.0)[0].at == 2.08


def test_jitter_never_makes_a_packet_early() -> None:
    lane = Lane(Conditions(delay_ms=1, jitter_ms=50, ordered=False), 1, "x")
    assert all(lane.offer(1, b"", float(n))[0].at >= n for n in range(500))


def test_unordered_jitter_has_its_spread() -> None:
    lane = Lane(Conditions(delay_ms=100, jitter_ms=10, ordered=False), 1, "x")
    delays = [lane.offer(1, b"", n * 0.001)[0].at - n * 0.001 for n in range(5000)]
    assert isclose(mean(delays), 0.1, abs_tol=0.001)
    assert isclose(sigma(delays), 0.01, rel_tol=0.05)


def test_jitter_keeps_the_order_unless_told_otherwise() -> None:
    def times(*, ordered: bool) -> list[float]:
        lane = Lane(Conditions(delay_ms=100, jitter_ms=30, ordered=ordered), 1, "x")
        return [lane.offer(1, b"", n * 0.001)[0].at for n in range(500)]

    assert times(ordered=True) == sorted(times(ordered=True))
    assert times(ordered=False) != sorted(times(ordered=False))


def test_the_same_seed_drops_the_same_packets() -> None:
    lossy = Conditions(delay_ms=10, loss=0.2)
    drops = [not fate for fate in outcomes(lossy)]
    assert drops == [not fate for fate in outcomes(lossy)]
    assert drops != [not fate for fate in outcomes(lossy, seed=2)]


def test_other_features_do_not_move_the_drops() -> None:
    lossy = Conditions(loss=0.2)
    busy = replace(lossy, jitter_ms=5, duplicate=0.3, corrupt=0.3, reorder=0.3, rate_mbit=100)
    assert [not fate for fate in outcomes(lossy)] == [not fate for fate in outcomes(busy)]


def test_rarities_happen_as_often_as_asked() -> None:
    lane = Lane(Conditions(delay_ms=10, duplicate=0.1, corrupt=0.2, reorder=0.3, reorder_ms=50), 1, "x")
    fates = [lane.offer(100, b"", n * 0.01) for n in range(5000)]
    assert isclose(sum(len(fate) == 2 for fate in fates) / 5000, 0.1, abs_tol=0.02)
    flips = [fate[0].flip for fate in fates if fate[0].flip != NO_FLIP]
    assert isclose(len(flips) / 5000, 0.2, abs_tol=0.02)
    assert 0 <= min(flips) < max(flips) < 800
    late = [fate for n, fate in enumerate(fates) if fate[0].at > n * 0.01 + 0.055]
    assert isclose(len(late) / 5000, 0.3, abs_tol=0.02)
    assert (lane.tally.duplicated, lane.tally.corrupted, lane.tally.reordered) == (
        sum(len(fate) == 2 for fate in fates),
        len(flips),
        len(late),
    )


def test_a_late_packet_lets_later_ones_pass() -> None:
    lane = Lane(Conditions(delay_ms=10, reorder=0.2, reorder_ms=50), 1, "x")
    times = [lane.offer(100, b"", n * 0.01)[0].at for n in range(200)]
    assert times != sorted(times)


def test_unordered_rarities_do_not_wait_for_earlier_packets() -> None:
    lane = Lane(Conditions(delay_ms=50, jitter_ms=20, ordered=False), 1, "x")
    times = [lane.offer(100, b"", n * 0.001)[0].at for n in range(200)]
    assert times != sorted(times)


def test_the_queue_drops_what_does_not_fit() -> None:
    lane = Lane(Conditions(rate_mbit=8, queue_bytes=3000), 1, "x")
    assert [bool(lane.offer(1000, b"", 0.0)) for _ in range(4)] == [True, True, True, False]
    assert lane.tally.overflowed == 1


def test_too_large_is_lost_whatever_the_protocol() -> None:
    lane = Lane(Conditions(mtu=1400), 1, "x")
    assert lane.offer(1400, TCP_FLOW, 0.0)
    assert not lane.offer(1401, TCP_FLOW, 0.0)
    assert lane.offer(1400, b"", 0.0)
    assert lane.tally.oversized == 1


def test_only_udp_is_blocked() -> None:
    lane = Lane(Conditions(udp_blocked=True), 1, "x")
    assert lane.wants_flow
    assert lane.offer(100, TCP_FLOW, 0.0)
    assert not lane.offer(100, UDP_FLOW, 0.0)
    assert lane.tally.blocked == 1


def test_only_udp_is_policed() -> None:
    lane = Lane(Conditions(udp_police=Police(1.0, burst_bytes=100)), 1, "x")
    assert [bool(lane.offer(100, flow, 0.0)) for flow in (UDP_FLOW, UDP_FLOW, TCP_FLOW)] == [True, False, True]
    assert lane.tally.policed == 1


def test_a_change_leaves_what_is_not_touched() -> None:
    limited = Conditions(rate_mbit=8, queue_bytes=1000, udp_police=Police(1.0, burst_bytes=1000))
    lane = Lane(limited, 1, "x")
    assert lane.offer(1000, UDP_FLOW, 0.0)
    lane.change(limited)
    lane.change(replace(limited, delay_ms=5))
    assert lane.conditions.delay_ms == 5
    assert not lane.offer(1000, TCP_FLOW, 0.0)
    assert not lane.offer(1000, UDP_FLOW, 0.005)
    lane.change(Conditions())
    assert lane.offer(1000, UDP_FLOW, 0.01)[0].at == 0.01
    assert not lane.wants_flow


def test_bursts_go_on_through_a_change_of_something_else() -> None:
    bursty = Conditions(bursts=(Bursts(0.3, 100.0),))
    still, moved = Lane(bursty, 1, "x"), Lane(bursty, 1, "x")
    for n in range(1000):
        if n % 100 == 0:
            moved.change(replace(bursty, delay_ms=n, loss=0.0 if n % 200 else 1e-9))
        assert bool(still.offer(9, b"", n / 100)) == bool(moved.offer(9, b"", n / 100))


def test_a_lane_that_begins_anew_is_as_at_first_but_for_its_tally() -> None:
    conditions = Conditions(
        delay_ms=50,
        jitter_ms=10,
        jitter_corr_ms=100,
        loss=0.1,
        bursts=(Bursts(0.2, 100),),
        rate_mbit=1,
        queue_bytes=2000,
        udp_police=Police(1.0),
    )
    lane = Lane(conditions, 1, "x")
    first = [lane.offer(500, UDP_FLOW, n * 0.003) for n in range(500)]
    lane.restart()
    assert [lane.offer(500, UDP_FLOW, n * 0.003) for n in range(500)] == first
    assert lane.tally.offered == 1000
