from math import isclose

import pytest

from netem.link.conditions import Bursts, Conditions, PacketBursts, Police, Profile


@pytest.mark.parametrize(
    ("make", "named"),
    [
        (lambda: Conditions(delay_ms=-1), "delay_ms"),
        (lambda: Conditions(rate_mbit=-1), "rate_mbit"),
        (lambda: Conditions(loss=1.1), "loss"),
        (lambda: Conditions(duplicate=-0.1), "duplicate"),
        (lambda: Conditions(queue_bytes=0), "queue_bytes"),
        (lambda: Conditions(jitter_shape="square"), "jitter_shape"),
        (lambda: Bursts(0.0, 100), "bursts.share"),
        (lambda: Bursts(0.1, 0), "bursts.mean_ms"),
        (lambda: Bursts(0.1, 10, bad_loss=2), "bursts.bad_loss"),
        (lambda: Bursts(0.1, 10, spread=1.0), "bursts.spread"),
        (lambda: PacketBursts(0.1, 1.5), "packet_bursts.leave"),
        (lambda: Police(0), "udp_police.rate_mbit"),
        (lambda: Police(1, burst_bytes=0), "udp_police.burst_bytes"),
        (lambda: Police(1, later_mbit=-1), "udp_police.later_mbit"),
        (lambda: Police(1, later_after=-1), "udp_police.later_after"),
    ],
)
def test_a_wrong_value_is_refused_by_name(make, named) -> None:
    with pytest.raises(ValueError, match=named):
        make()


def test_mean_loss_takes_all_causes_together() -> None:
    conditions = Conditions(loss=0.1, bursts=(Bursts(0.2, 10, bad_loss=0.5),), packet_bursts=PacketBursts(0.1, 0.3))
    assert isclose(conditions.mean_loss, 1 - 0.9 * 0.9 * 0.75)
    assert Conditions().mean_loss == 0.0
    assert Conditions(packet_bursts=PacketBursts(0.0, 0.0, good_loss=0.25)).mean_loss == 0.25


def test_a_round_trip_is_both_ways() -> None:
    assert Profile(Conditions(delay_ms=70), Conditions(delay_ms=80)).rtt_ms == 150
