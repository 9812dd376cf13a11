from dataclasses import replace
from math import inf

import pytest

from netem.link.conditions import Conditions
from netem.link.event import KINDS, Event

BASE = Conditions(delay_ms=50, loss=0.5)


@pytest.mark.parametrize(
    ("event", "wanted"),
    [
        (Event("blackhole"), replace(BASE, loss=1.0)),
        (Event("flap"), replace(BASE, loss=1.0)),
        (Event("brown-out", loss=0.2), replace(BASE, loss=0.6)),
        (Event("rtt-step", rtt_ms=80), replace(BASE, delay_ms=90)),
        (Event("rtt-step", rtt_ms=80, scope="up"), replace(BASE, delay_ms=130)),
        (Event("rate", rate_mbit=3), replace(BASE, rate_mbit=3)),
        (Event("udp-blocked"), replace(BASE, udp_blocked=True)),
        (Event("mtu", mtu=1300), replace(BASE, mtu=1300)),
        (Event("tcp-reset"), replace(BASE, tcp_reset=True)),
        (Event("nat-rebind"), BASE),
    ],
)
def test_each_kind_bends_what_it_says(event, wanted) -> None:
    assert event.bend(BASE) == wanted


def test_every_kind_is_explained() -> None:
    assert all(kind in (Event.__doc__ or "") for kind in KINDS)


def test_active_from_its_beginning_up_to_its_end() -> None:
    event = Event("blackhole", at=10, seconds=3, scope="down")
    assert [event.is_active("down", now) for now in (9.9, 10, 12.9, 13)] == [False, True, True, False]
    assert not event.is_active("up", 11)
    assert [event.next_change(now) for now in (0, 10, 12, 13)] == [10, 13, 13, inf]


def test_a_flap_changes_every_half_period() -> None:
    event = Event("flap", at=1, seconds=5, period=2)
    assert [event.is_active("up", now) for now in (0, 1, 1.9, 2, 3, 4, 5, 6)] == [
        False, True, True, False, True, False, True, False,
    ]  # fmt: skip
    assert [event.next_change(now) for now in (0, 1, 2, 3.5, 5.5, 6)] == [1, 2, 3, 4, 6, inf]


@pytest.mark.parametrize(
    ("settings", "said"),
    [
        ({"kind": "earthquake"}, "earthquake"),
        ({"kind": "flap", "scope": "left"}, "scope"),
        ({"kind": "flap", "at": -1}, "at must"),
        ({"kind": "flap", "seconds": 0}, "seconds"),
        ({"kind": "flap", "period": 0}, "period"),
    ],
)
def test_a_wrong_event_is_refused(settings, said) -> None:
    with pytest.raises(ValueError, match=said):
        Event(**settings)
