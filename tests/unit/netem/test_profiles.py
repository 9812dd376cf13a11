from math import isclose

import pytest

from netem.link.link import Link
from netem.profiles import PROFILES, profile


@pytest.mark.parametrize(
    ("name", "rtt", "loss_up", "loss_down"),
    [
        ("premium", 150, 0.0001, 0.0006),
        ("cn2", 170, 0.0002, 0.0035),
        ("cmi-evening", 190, 0.001, 0.01495),
        ("internet-evening", 220, 0.001, 0.069),
        ("internet-bad", 260, 0.002, 0.184),
        ("shared-fate", 220, 0.001, 0.0683),
        ("grid-5", 200, 0.05, 0.05),
        ("ref-cn2", 150, 0.003, 0.003),
        ("ref-cu2", 170, 0.01, 0.01),
        ("ref-cmi", 190, 0.02, 0.02),
        ("ref-day", 220, 0.05, 0.05),
        ("ref-bad", 280, 0.12, 0.12),
    ],
)
def test_profiles_have_their_figures(name, rtt, loss_up, loss_down) -> None:
    found = profile(name)
    assert found.rtt_ms == rtt
    assert isclose(found.up.mean_loss, loss_up, rel_tol=0.01)
    assert isclose(found.down.mean_loss, loss_down, rel_tol=0.01)


def test_jitter_adds_up_over_the_round_trip() -> None:
    found = profile("internet-evening")
    assert isclose((found.up.jitter_ms**2 + found.down.jitter_ms**2) ** 0.5, 25)


def test_udp_is_policed_or_blocked_both_ways() -> None:
    policed, blocked = profile("udp-policed"), profile("udp-blocked")
    assert policed.up.udp_police == policed.down.udp_police is not None
    assert blocked.up.udp_blocked
    assert blocked.down.udp_blocked
    assert blocked.down.mean_loss == profile("cmi-evening").down.mean_loss


def test_every_profile_says_what_it_is_for() -> None:
    assert all(found.note for found in PROFILES.values())


def test_an_unknown_name_is_refused_with_the_known_ones() -> None:
    with pytest.raises(ValueError, match="cmi-evening"):
        profile("cmi")


def test_lines_of_shared_fate_lose_together() -> None:
    one, other = Link(profile("shared-fate"), 3, "one"), Link(profile("shared-fate"), 3, "other")
    lost = [
        (not one.offer("down", 100, b"", n / 100), not other.offer("down", 100, b"", n / 100)) for n in range(60_000)
    ]
    alone = sum(a for a, _ in lost)
    assert 0.35 < sum(a and b for a, b in lost) / alone < 0.7
