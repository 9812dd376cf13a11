"""transport.session.racing: datagrams or TLS, and when to dial again."""

from __future__ import annotations

import pytest

from transport.session import racing
from transport.session.racing import Backoff, Race, Wanted, Way

BOTH, ONLY_DATAGRAMS, ONLY_TLS = Wanted(True, True), Wanted(True, False), Wanted(False, True)


def way(now: float, *, since: float = 0.0, joined: bool = True, silent: float = 0.0, loss: float = 0.0) -> Way:
    return Way(since, joined, now - silent, 0.2, loss)


def test_both_until_datagrams_have_joined() -> None:
    race = Race()
    assert race.decide(None, None, is_lively=False, now=0.0) == BOTH
    assert race.decide(way(0.1, joined=False), None, is_lively=False, now=0.1) == BOTH
    assert race.decide(way(0.5, joined=False), way(0.5), is_lively=False, now=0.5) == BOTH
    assert race.decide(way(0.6), way(0.6), is_lively=False, now=0.6) == ONLY_DATAGRAMS


def test_blocked_datagrams_are_tried_again_at_growing_intervals() -> None:
    race = Race()
    now = 0.0
    for pause in (10, 20, 40, 80, 160, 320, 600, 600):
        since = now
        assert race.decide(None, way(now), is_lively=False, now=now) == BOTH
        now += 2.2
        assert race.decide(way(now, since=since, joined=False), way(now), is_lively=False, now=now) == BOTH
        now += 0.2
        assert race.decide(way(now, since=since, joined=False), way(now), is_lively=False, now=now) == ONLY_TLS
        assert race.decide(None, way(now), is_lively=False, now=now + pause - 0.1) == ONLY_TLS
        now += pause


def test_a_line_over_which_nothing_joins_is_not_blocked() -> None:
    race = Race()
    assert race.decide(way(60, joined=False), None, is_lively=False, now=60.0) == BOTH
    assert race.decide(way(60, joined=False), way(60, joined=False), is_lively=False, now=60.0) == BOTH


@pytest.mark.parametrize(("lively", "silence"), [(True, 1.1), (False, 4.0)])
def test_silence_calls_for_tls_and_tls_tells_whose_it_was(lively: bool, silence: float) -> None:
    race = Race()
    assert race.decide(way(5, silent=silence - 0.2), None, is_lively=lively, now=5.0) == ONLY_DATAGRAMS
    assert race.decide(way(5, silent=silence), None, is_lively=lively, now=5.0) == BOTH
    assert race.decide(way(9, silent=silence + 4), way(9, joined=False), is_lively=lively, now=9.0) == BOTH
    assert race.decide(way(9, silent=silence + 4), way(9), is_lively=lively, now=9.0) == ONLY_TLS
    again = Race()
    assert again.decide(way(5, silent=silence), way(5, silent=silence - 1), is_lively=lively, now=5.0) == BOTH
    unheard = way(5.1, silent=silence + 0.1)
    told = way(5.1, silent=silence - 0.9)
    assert again.decide(unheard, told, is_lively=False, now=5.1) == BOTH  # until it is heard, not until it is idle
    assert again.decide(way(6), way(6), is_lively=lively, now=6.0) == ONLY_DATAGRAMS


def test_much_loss_keeps_both_for_longer_each_time() -> None:
    race = Race()
    now = 0.0
    for pause in (10, 20, 40):
        assert race.decide(way(now, loss=0.35), None, is_lively=True, now=now) == BOTH
        assert race.decide(way(now, loss=0.0), way(now), is_lively=True, now=now + pause - 0.1) == BOTH
        now += pause
        assert race.decide(way(now, loss=0.2), way(now), is_lively=True, now=now) == BOTH  # not much better yet
        assert race.decide(way(now, loss=0.2), None, is_lively=True, now=now) == ONLY_DATAGRAMS
        assert race.decide(way(now, loss=0.05), way(now), is_lively=True, now=now) == ONLY_DATAGRAMS
    race.decide(way(now + racing.GOOD_FOR), None, is_lively=True, now=now + racing.GOOD_FOR)
    now += racing.GOOD_FOR + 1
    assert race.decide(way(now, loss=0.35), None, is_lively=True, now=now) == BOTH
    assert race.decide(way(now + 11), way(now + 11), is_lively=True, now=now + 11) == ONLY_DATAGRAMS


def test_an_alarm_calls_for_tls_at_once_and_for_a_while() -> None:
    race = Race()
    assert race.decide(way(5), None, is_lively=True, now=5.0) == ONLY_DATAGRAMS
    race.alarm(5.1)
    assert race.decide(way(5.1, silent=0.1), None, is_lively=True, now=5.1) == BOTH
    assert race.decide(way(8.0), way(8.0), is_lively=True, now=8.0) == BOTH
    assert race.decide(way(8.2), way(8.2), is_lively=True, now=8.2) == ONLY_DATAGRAMS
    race.alarm(9.0)
    assert race.decide(way(12, silent=3.0), way(12), is_lively=True, now=12.0) == ONLY_TLS
    only = Race(may_tls=False)
    only.alarm(0.0)
    assert only.decide(way(0), None, is_lively=True, now=0.0) == ONLY_DATAGRAMS


def test_only_one_kind_is_allowed() -> None:
    assert Race(may_tls=False).decide(None, None, is_lively=True, now=0.0) == ONLY_DATAGRAMS
    assert Race(may_datagram=False).decide(way(0), None, is_lively=True, now=0.0) == ONLY_TLS
    with pytest.raises(ValueError, match="one of them"):
        Race(may_tls=False, may_datagram=False)


def test_backoff_grows_and_starts_over_after_a_good_while() -> None:
    backoff = Backoff()
    assert [round(backoff.failed(0.5), 2) for _ in range(6)] == [0.1, 0.2, 0.4, 0.8, 1.0, 1.0]
    assert backoff.failed(0.5, stood=1.0) == 1.0
    assert backoff.failed(0.0, stood=11.0) == pytest.approx(0.075)
    assert backoff.failed(1.0) == pytest.approx(0.25)
