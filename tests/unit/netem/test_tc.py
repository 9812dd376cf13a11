import pytest

from netem.link.conditions import Bursts, Conditions, PacketBursts, Police
from netem.tc import beyond_tc, needs_netem, tc_commands


def text(conditions: Conditions) -> list[str]:
    return [" ".join(command) for command in tc_commands("cn2", conditions)]


def test_a_perfect_line_is_a_plain_queue() -> None:
    assert text(Conditions()) == ["qdisc replace dev cn2 root pfifo"]
    assert not needs_netem(Conditions())


def test_a_rate_alone_is_tbf_alone() -> None:
    assert text(Conditions(rate_mbit=10, queue_bytes=60_000)) == [
        "qdisc replace dev cn2 root handle 1: tbf rate 10mbit burst 5000 limit 65000"
    ]
    assert "burst 3000 " in text(Conditions(rate_mbit=1))[0]


def test_all_that_netem_has() -> None:
    conditions = Conditions(
        delay_ms=80,
        jitter_ms=5,
        ordered=False,
        jitter_shape="pareto",
        loss=0.0035,
        duplicate=0.01,
        corrupt=0.02,
        rate_mbit=5,
    )
    assert text(conditions) == [
        "qdisc replace dev cn2 root handle 1: netem limit 100000 delay 80ms 5ms distribution pareto "
        "loss random 0.35% duplicate 1% corrupt 2%",
        "qdisc replace dev cn2 parent 1:1 handle 2: tbf rate 5mbit burst 3000 limit 253000",
    ]


def test_distance_alone_has_no_loss() -> None:
    assert text(Conditions(delay_ms=80)) == ["qdisc replace dev cn2 root handle 1: netem limit 100000 delay 80ms"]


def test_a_chain_is_gemodel_by_loss_ratios() -> None:
    assert text(Conditions(packet_bursts=PacketBursts(0.01, 0.3, bad_loss=0.9, good_loss=0.001)))[0].endswith(
        "delay 0ms loss gemodel 1% 30% 90% 0.1%"
    )


@pytest.mark.parametrize(
    ("conditions", "lacking"),
    [
        (Conditions(bursts=(Bursts(0.1, 10),)), "bursts"),
        (Conditions(jitter_ms=1, jitter_corr_ms=10, ordered=False), "jitter_corr_ms"),
        (Conditions(jitter_ms=1), "ordered jitter"),
        (Conditions(mtu=1400), "mtu"),
        (Conditions(udp_blocked=True), "udp_blocked"),
        (Conditions(udp_police=Police(1)), "udp_police"),
        (Conditions(tcp_reset=True), "tcp_reset"),
        (Conditions(reorder=0.1), "reorder"),
        (Conditions(loss=0.1, packet_bursts=PacketBursts(0.1, 0.1)), "loss beside packet_bursts"),
    ],
)
def test_what_tc_lacks_is_refused_by_name(conditions, lacking) -> None:
    assert beyond_tc(conditions) == (lacking,)
    with pytest.raises(ValueError, match=lacking):
        tc_commands("cn2", conditions)
