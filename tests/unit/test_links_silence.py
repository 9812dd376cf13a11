from __future__ import annotations

import pytest

from edge.links.silence import LISTEN_EVERY, Silence
from transport.session.carrier import Carrier
from transport.session.values import CarrierKind, SessionConfig


def carriers(*heard_at: float, rtt: float = 0.2) -> dict[int, Carrier]:
    found = {}
    for number, at in enumerate(heard_at):
        made = Carrier(number, CarrierKind.QUIC, "line", 1200, SessionConfig(bytes(16), bytes(32)), 0.0)
        made.outgoing.trip.add(rtt, 0.0)
        made.heard_at = at
        made.is_confirmed = True
        found[number] = made
    return found


def judged(silence: Silence, seen: dict[int, Carrier], begin: float, end: float, *, is_busy: bool = True):
    answer = None
    steps = round((end - begin) / LISTEN_EVERY)
    for step in range(steps + 1):
        answer = silence.judge(seen, is_busy, begin + step * LISTEN_EVERY)
    return answer


def test_silent_over_all_lines() -> None:
    silence = Silence()
    seen = carriers(10.0, 9.5)
    assert judged(silence, seen, 10.0, 11.3) is None
    assert judged(silence, seen, 11.4, 11.6) == pytest.approx(1.6)
    seen[1].heard_at = 11.65
    assert silence.judge(seen, True, 11.7) is None


def test_silent_until_it_is_heard() -> None:
    silence = Silence()
    seen = carriers(10.0)
    judged(silence, seen, 10.0, 12.0)
    assert judged(silence, seen, 12.1, 30.0, is_busy=False) == pytest.approx(20.0)
    fresh = carriers(30.0)
    fresh[0].is_confirmed = False  # what was just dialed wasn't heard yet
    assert silence.judge(fresh, False, 30.1) is not None
    fresh[0].is_confirmed = True
    assert silence.judge(fresh, False, 30.2) is None


def test_one_line_is_heard() -> None:
    silence = Silence()
    for step in range(30):
        now = 10.0 + step * LISTEN_EVERY
        assert silence.judge(carriers(0.0, now), True, now) is None


def test_nothing_is_expected_while_nothing_is_under_way() -> None:
    silence = Silence()
    assert judged(silence, carriers(0.0), 10.0, 20.0, is_busy=False) is None
    assert judged(silence, carriers(0.0), 20.1, 21.0) is None
    assert judged(silence, carriers(0.0), 21.1, 21.6) is not None


def test_all_carriers_lost() -> None:
    silence = Silence()
    assert judged(silence, {}, 10.0, 11.0) is None
    assert silence.judge({}, True, 11.1) == pytest.approx(1.1)


def test_our_own_standing_still_is_not_its_silence() -> None:
    silence = Silence()
    assert judged(silence, carriers(10.0), 10.0, 10.5) is None
    assert silence.judge(carriers(10.0), True, 15.0) is None
    assert judged(silence, carriers(10.0), 15.1, 16.4) is None
    assert judged(silence, carriers(10.0), 16.5, 16.6) is not None
