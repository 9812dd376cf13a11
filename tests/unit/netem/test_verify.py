from netem.link.conditions import Bursts, Conditions, Profile
from netem.link.link import Link
from netem.verify import Check, Probe, compare, mean, quantile, replay, sigma

SENT = [n / 10 for n in range(10)]


def test_a_probe_that_lost_nothing() -> None:
    probe = Probe(SENT, [(n, at + 0.05) for n, at in enumerate(SENT)])
    assert {round(delay, 6) for delay in probe.delays()} == {0.05}
    assert (probe.loss_ratio(), probe.duplicate_ratio(), probe.late_ratio(), probe.burst_seconds()) == (0, 0, 0, 0)


def test_losses_copies_and_overtaking_are_counted() -> None:
    came = [0, 1, 3, 2, 2, 7, 8, 9]
    probe = Probe(SENT, [(n, 2.0 + i) for i, n in enumerate(came)])
    assert probe.loss_ratio() == 0.3
    assert probe.duplicate_ratio() == 0.1
    assert probe.late_ratio() == 0.2
    assert round(probe.burst_seconds(), 6) == 0.3
    assert probe.delays()[-1] == 2.0 - SENT[0]


def test_an_empty_probe_is_all_zero() -> None:
    probe = Probe()
    assert (probe.loss_ratio(), probe.duplicate_ratio(), probe.late_ratio(), probe.burst_seconds()) == (0, 0, 0, 0)
    assert (mean([]), sigma([]), quantile([], 0.5)) == (0, 0, 0)


def test_statistics() -> None:
    assert (mean([1, 3]), sigma([1, 3])) == (2, 1)
    assert [quantile([3, 1, 2], part) for part in (0, 0.5, 1)] == [1, 2, 3]


ALL = Conditions(
    delay_ms=50, jitter_ms=5, ordered=False, loss=0.1, bursts=(Bursts(0.2, 50),), reorder=0.1, duplicate=0.1
)


def model() -> Link:
    return Link(Profile(ALL, ALL), 3)


def test_the_model_agrees_with_itself() -> None:
    sent = [n / 100 for n in range(2000)]
    checks = compare("x", ALL, replay(sent, model(), "down", 100), replay(sent, model(), "down", 100))
    assert [check.what for check in checks] == [
        "x: delay", "x: jitter σ", "x: loss", "x: burst", "x: reordered", "x: duplicated",
    ]  # fmt: skip
    assert all(check.is_good for check in checks)


def test_a_different_line_is_noticed() -> None:
    sent = [n / 100 for n in range(2000)]
    other = Link(Profile(Conditions(), Conditions(delay_ms=55)), 3)
    checks = compare("x", ALL, replay(sent, other, "down", 100), replay(sent, model(), "down", 100))
    assert not any(check.is_good for check in checks)


def test_only_what_the_line_has_is_checked() -> None:
    perfect = Link(Profile(Conditions(), Conditions()), 1)
    checks = compare("x", Conditions(), replay([0.0], perfect, "up", 9), replay([0.0], perfect, "up", 9))
    assert [check.what for check in checks] == ["x: delay"]


def test_a_probe_of_one_packet_has_no_spacing() -> None:
    bursty = Conditions(bursts=(Bursts(0.5, 10),))
    one = replay([0.0], Link(Profile(bursty, bursty), 1), "up", 9)
    assert compare("x", bursty, one, one)[2].tolerance == 3.0


def test_the_edge_of_tolerance_is_good() -> None:
    assert Check("x", "ms", 1, 1, 2, 1).is_good
    assert not Check("x", "ms", 1, 1, 2.001, 1).is_good
