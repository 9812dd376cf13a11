"""The state machine of alert rules, and the gathering of notices."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from health.alert_rules import DEFAULTS, changed, default
from health.alerts import AlertBook, Measure, Notice, Outbox, Rule, Sample, Severity, Silence, Told

RTT = Rule("rtt", Measure.LINE_RTT, 2.0, 1.5, for_seconds=30.0, clear_seconds=60.0, repeat_seconds=600.0)
FLOOR = Rule("success", Measure.SUCCESS, 0.95, 0.97, for_seconds=0.0, clear_seconds=0.0)


def told(book: AlertBook, value: float | None, now: float, subject: str = "cn2") -> list[Told]:
    return [notice.told for notice in book.judge([Sample(Measure.LINE_RTT, subject, value)], now)]


def test_a_condition_must_last() -> None:
    book = AlertBook((RTT,))
    assert [told(book, 2.5, at) for at in (0.0, 29.0, 30.0, 31.0)] == [[], [], [Told.FIRED], []]
    assert [alert.subject for alert in book.firing()] == ["cn2"]


def test_a_value_between_clear_and_threshold_changes_nothing() -> None:
    book = AlertBook((RTT,))
    told(book, 2.5, 0.0)
    assert told(book, 1.8, 20.0) == []  # the condition is interrupted
    assert told(book, 2.5, 30.0) == []
    assert told(book, 2.5, 60.0) == [Told.FIRED]
    assert told(book, 1.8, 70.0) == []
    assert told(book, 1.8, 500.0) == []
    assert book.firing()


def test_clear_must_last_and_starts_anew_when_the_condition_is_back() -> None:
    book = AlertBook((RTT,))
    told(book, 2.5, 0.0)
    told(book, 2.5, 30.0)
    assert told(book, 1.0, 40.0) == []
    assert told(book, 2.5, 90.0) == []
    assert told(book, 1.0, 100.0) == []
    assert told(book, 1.8, 130.0) == []
    assert told(book, 1.0, 159.0) == []
    assert told(book, 1.0, 160.0) == [Told.RESOLVED]
    assert not book.firing()


def test_it_is_told_again_while_it_lasts() -> None:
    book = AlertBook((RTT,))
    notices = [told(book, 3.0, at) for at in (0.0, 30.0, 629.0, 630.0, 631.0, 1230.0)]
    assert notices == [[], [Told.FIRED], [], [Told.STILL], [], [Told.STILL]]


def test_the_unknown_changes_nothing() -> None:
    book = AlertBook((RTT,))
    told(book, 2.5, 0.0)
    assert told(book, None, 10.0) == []
    assert told(book, 2.5, 30.0) == [Told.FIRED]
    assert told(book, None, 2000.0) == []
    assert book.firing()[0].value == 2.5


def test_a_subject_that_is_gone_is_resolved() -> None:
    book = AlertBook((RTT,))
    told(book, 2.5, 0.0)
    told(book, 2.5, 30.0)
    (notice,) = book.judge([], 40.0)
    assert (notice.told, notice.subject, notice.value, notice.since) == (Told.RESOLVED, "cn2", None, 0.0)


def test_a_quiet_subject_that_is_gone_is_not_told_of() -> None:
    book = AlertBook((RTT,))
    told(book, 1.0, 0.0)
    assert book.judge([], 40.0) == []


def test_too_little() -> None:
    book = AlertBook((FLOOR,))
    values = (0.96, 0.94, 0.96, 0.97)
    notices = [book.judge([Sample(Measure.SUCCESS, "", value)], float(at)) for at, value in enumerate(values)]
    assert [[notice.told for notice in each] for each in notices] == [[], [Told.FIRED], [], [Told.RESOLVED]]
    assert notices[3][0].since == 1.0


def test_a_rule_for_a_subject_takes_it_from_the_general_one() -> None:
    own = replace(RTT, id="rtt-internet", threshold=5.0, clear=4.0, for_seconds=0.0, subjects=("internet",))
    general = replace(RTT, for_seconds=0.0)
    book = AlertBook((general, own))
    samples = [Sample(Measure.LINE_RTT, name, 3.0) for name in ("cn2", "internet")]
    assert [(notice.rule.id, notice.subject) for notice in book.judge(samples, 0.0)] == [("rtt", "cn2")]


def test_a_silence_keeps_it_quiet_and_ends() -> None:
    book = AlertBook((replace(RTT, for_seconds=0.0, repeat_seconds=100.0),))
    book.silences.append(Silence("rtt", "cn2", until=150.0))
    book.silences.append(Silence("other", "*", until=1000.0))
    assert told(book, 3.0, 0.0) == []
    assert book.firing()
    assert told(book, 3.0, 100.0) == []
    assert told(book, 3.0, 200.0) == [Told.STILL]
    assert [silence.rule for silence in book.silences] == ["other"]


def test_silences_cover_what_they_name() -> None:
    assert Silence("*", "*", 10.0).covers("a", "b", 9.0)
    assert not Silence("*", "*", 10.0).covers("a", "b", 10.0)
    assert not Silence("a", "c", 10.0).covers("a", "b", 9.0)


def test_new_rules_keep_what_is_the_same() -> None:
    book = AlertBook((replace(RTT, for_seconds=0.0), FLOOR))
    told(book, 3.0, 0.0)
    book.configure((replace(RTT, for_seconds=0.0),))
    assert book.firing()
    book.configure((replace(RTT, for_seconds=0.0, threshold=9.0),))
    assert not book.firing()


@given(st.lists(st.tuples(st.floats(0.1, 50.0), st.none() | st.floats(0.0, 4.0)), max_size=60))
def test_fired_and_resolved_take_turns(steps: list[tuple[float, float | None]]) -> None:
    book, now, words = AlertBook((RTT,)), 0.0, []
    for pause, value in steps:
        now += pause
        words += [word for word in told(book, value, now) if word is not Told.STILL]
    assert words == [Told.FIRED, Told.RESOLVED] * (len(words) // 2) + [Told.FIRED] * (len(words) % 2)
    assert bool(book.firing()) == bool(len(words) % 2)


def notice(word: Told, subject: str = "cn2") -> Notice:
    return Notice(word, RTT, subject, 2.5, 0.0, 0.0)


def test_what_comes_together_is_told_together() -> None:
    box = Outbox(wait=5.0, interval=60.0)
    assert box.due(0.0) == []
    box.add([notice(Told.FIRED)], 0.0)
    assert box.due(4.9) == []
    box.add([notice(Told.FIRED, "cu2")], 4.9)
    assert [each.subject for each in box.due(5.0)] == ["cn2", "cu2"]
    assert box.due(100.0) == []


def test_messages_keep_their_distance_and_only_the_latest_of_an_alert_is_told() -> None:
    box = Outbox(wait=5.0, interval=60.0)
    box.add([notice(Told.FIRED)], 0.0)
    box.due(5.0)
    box.add([notice(Told.RESOLVED)], 10.0)
    box.add([notice(Told.FIRED)], 20.0)
    assert box.due(64.0) == []
    assert [each.told for each in box.due(65.0)] == [Told.FIRED]


@given(st.lists(st.floats(0.0, 30.0), max_size=80))
def test_no_storm(pauses: list[float]) -> None:
    box, now, sent = Outbox(wait=5.0, interval=60.0), 0.0, []
    for number, pause in enumerate(pauses):
        now += pause
        box.add([notice(Told.FIRED, str(number))], now)
        if box.due(now):
            sent.append(now)
    assert all(later - earlier > 59.999 for earlier, later in pairwise(sent))


def test_the_built_in_rules() -> None:
    assert len({rule.id for rule in DEFAULTS}) == len(DEFAULTS)
    assert default("nothing") is None
    for rule in DEFAULTS:
        assert not (rule.holds(rule.clear) or (rule.is_clear(rule.threshold) and rule.clear != rule.threshold))
    success = default("success")
    assert success is not None
    assert success.is_floor
    assert success.severity is Severity.CRITICAL


def test_clear_follows_a_changed_threshold() -> None:
    rule = default("line-loss")
    assert rule is not None
    assert changed(rule, {"threshold": 0.1}).clear == 0.05
    assert changed(rule, {"threshold": 0.1, "clear": 0.09}).clear == 0.09
    assert changed(rule, {"for_seconds": 1.0}).clear == rule.clear
    none = default("pool-in-use")
    assert none is not None
    assert changed(none, {"threshold": 3.0}).clear == 0.0
