from math import inf

from netem.link.conditions import Conditions, Profile
from netem.link.event import Event
from netem.link.link import Link

CLEAN = Profile(Conditions(delay_ms=10), Conditions(delay_ms=20))
FAR = Profile(Conditions(delay_ms=100), Conditions(delay_ms=200))


def arrives(link: Link, now: float, direction="down") -> float | None:
    fate = link.offer(direction, 100, b"", now)
    return round(fate[0].at - now, 6) if fate else None


def test_each_direction_has_its_own_conditions() -> None:
    link = Link(CLEAN, 1)
    assert (arrives(link, 1.0, "up"), arrives(link, 1.0, "down")) == (0.01, 0.02)
    assert link.advance(1.0) == inf


def test_events_come_and_go() -> None:
    link = Link(CLEAN, 1)
    link.add([Event("blackhole", at=1, seconds=1, scope="down"), Event("rtt-step", at=3, seconds=1, rtt_ms=100)])
    assert [arrives(link, now) for now in (0.5, 1.5, 2.5, 3.5, 4.5)] == [0.02, None, 0.02, 0.07, 0.02]


def test_an_event_added_late_has_already_begun() -> None:
    link = Link(CLEAN, 1)
    assert arrives(link, 5.0)
    link.add([Event("blackhole", at=1)])
    assert arrives(link, 5.1) is None
    link.clear_events()
    assert arrives(link, 5.2)


def test_events_apply_to_a_new_profile_too() -> None:
    link = Link(CLEAN, 1)
    link.add([Event("rtt-step", rtt_ms=100)])
    link.set_profile(FAR)
    assert arrives(link, 0.0) == 0.25


def test_a_trace_is_followed_until_a_profile_takes_its_place() -> None:
    link = Link(CLEAN, 1, trace=((1.0, FAR), (2.0, CLEAN)))
    assert [arrives(link, now) for now in (0.0, 1.5)] == [0.02, 0.2]
    assert link.advance(1.5) == 2.0
    assert arrives(link, 2.5) == 0.02
    assert link.advance(2.5) == inf
    link.set_profile(FAR)
    assert arrives(link, 3.0) == 0.2


def test_the_link_says_when_packets_are_to_be_answered() -> None:
    link = Link(CLEAN, 1)
    link.add([Event("tcp-reset", at=1, seconds=1), Event("nat-rebind", at=3), Event("nat-rebind", at=4)])
    seen = []
    for now in (0.0, 1.0, 2.0, 3.0, 4.0):
        link.advance(now)
        seen.append((link.meddles, link.rebinds))
    assert seen == [(False, 0), (True, 0), (False, 0), (True, 1), (True, 2)]
    answering = Link(Profile(Conditions(mtu=1400, mtu_icmp=True), Conditions()), 1)
    answering.advance(0.0)
    assert answering.meddles


def test_a_link_that_begins_anew_lets_its_events_happen_again() -> None:
    link = Link(Profile(Conditions(), Conditions()), 1)
    link.add([Event("blackhole", at=1.0, seconds=1.0)])
    for _ in range(2):
        assert [bool(link.offer("up", 100, b"", at)) for at in (0.5, 1.5, 2.5)] == [True, False, True]
        link.restart()
