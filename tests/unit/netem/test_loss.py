from itertools import pairwise
from math import isclose

from netem.link.chance import stream_key
from netem.link.conditions import Bursts, Conditions, PacketBursts
from netem.link.loss import BurstClock, LossRatio, PacketChain, sources
from netem.link.loss import loss_ratio as of_sources


def loss_ratio(conditions: Conditions, seed: int, name: str) -> LossRatio | None:
    return of_sources(conditions.loss, sources(conditions, seed, name))


def bad_periods(clock: BurstClock, seconds: float, step: float = 0.001) -> list[float]:
    lengths, began = [], None
    for n in range(int(seconds / step)):
        now = n * step
        is_bad = clock.is_bad(now)
        if is_bad and began is None:
            began = now
        elif not is_bad and began is not None:
            lengths.append(now - began)
            began = None
    return lengths


def test_bad_periods_have_the_share_and_the_mean_asked_for() -> None:
    lengths = bad_periods(BurstClock(Bursts(0.2, 100.0), stream_key(3, "x")), 400.0)
    assert isclose(sum(lengths) / 400.0, 0.2, rel_tol=0.12)
    assert isclose(sum(lengths) / len(lengths), 0.1, rel_tol=0.12)
    assert max(lengths) > 0.3


def test_spread_lengths_stay_within_their_limits() -> None:
    lengths = bad_periods(BurstClock(Bursts(0.3, 100.0, spread=0.5), stream_key(3, "x")), 100.0)
    assert min(lengths) > 0.047
    assert max(lengths) < 0.153


def test_a_clock_may_begin_in_a_bad_period() -> None:
    begins = [BurstClock(Bursts(0.5, 100.0), stream_key(seed, "x")).is_bad(0.0) for seed in range(200)]
    assert 70 < sum(begins) < 130


def test_how_often_one_looks_changes_nothing() -> None:
    bursts, key = Bursts(0.3, 50.0), stream_key(1, "x")
    busy, idle = BurstClock(bursts, key), BurstClock(bursts, key)
    seen = [busy.is_bad(n * 0.01) for n in range(1000)]
    assert [idle.is_bad(n * 0.1) for n in range(100)] == seen[::10]


def test_a_chain_has_runs_of_the_length_of_its_leave() -> None:
    chain = PacketChain(PacketBursts(0.05, 0.25, bad_loss=0.9, good_loss=0.01), stream_key(1, "c"))
    ratios = [chain.ratio(n) for n in range(20_000)]
    assert set(ratios) == {0.9, 0.01}
    runs = sum(a == 0.9 != b for a, b in pairwise(ratios))
    assert isclose(ratios.count(0.9) / runs, 4.0, rel_tol=0.15)
    assert isclose(ratios.count(0.9) / 20_000, 1 / 6, rel_tol=0.15)


def test_without_loss_there_is_nothing_to_ask() -> None:
    assert loss_ratio(Conditions(), 1, "x") is None


def test_causes_of_loss_add_up_to_one_ratio() -> None:
    plain = loss_ratio(Conditions(loss=0.25), 1, "x")
    assert plain is not None
    assert plain(0, 0.0) == 0.25
    both = loss_ratio(Conditions(loss=0.5, bursts=(Bursts(0.5, 50.0, bad_loss=0.5),)), 1, "x")
    assert both is not None
    assert {both(n, n / 10) for n in range(100)} == {0.5, 0.75}
    dead = loss_ratio(Conditions(loss=1.0, bursts=(Bursts(0.5, 50.0),)), 1, "x")
    assert dead is not None
    assert dead(0, 1e9) == 1.0
    chained = loss_ratio(Conditions(loss=0.5, packet_bursts=PacketBursts(1.0, 1.0)), 1, "x")
    assert chained is not None
    assert [chained(n, 0.0) for n in range(4)] == [1.0, 0.5, 1.0, 0.5]


def states(group: str, name: str, seed: int = 1) -> list[float]:
    ratio = loss_ratio(Conditions(bursts=(Bursts(0.3, 100.0, group=group),)), seed, name)
    assert ratio is not None
    return [ratio(n, n / 50) for n in range(1000)]


def test_only_a_group_shares_its_fate() -> None:
    assert states("g", "a") == states("g", "b")
    assert states("g", "a") != states("g", "a", seed=2)
    assert states("", "a") != states("", "b")
    assert states("g", "a") != states("h", "a")
