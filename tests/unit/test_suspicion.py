"""Round trip 200 ms, jitter 10 ms: a question is late after 290 ms, and suspicion needs 540 ms."""

from __future__ import annotations

import pytest

from health.suspicion import Bursts, Silence, Stage, SuspicionRules

RULES = SuspicionRules()
RTT, JITTER = 0.2, 0.01


def known(watched: float = 0.0) -> Silence:
    """A line that was heard at 0, and watched for so long before."""
    silence = Silence(RULES)
    for second in range(-int(watched), 0, 10):
        silence.judge(float(second), RTT, JITTER)
        silence.heard(float(second), float(second), RTT, JITTER)
    silence.heard(0.0, 0.0, RTT, JITTER)
    return silence


def ask(silence: Silence, *times: float) -> None:
    for at in times:
        silence.asked(at)


def judge(silence: Silence, now: float) -> Stage:
    return silence.judge(now, RTT, JITTER)


def test_what_was_never_heard_proves_nothing_by_its_silence() -> None:
    silence = Silence(RULES)
    ask(silence, 0.0, 1.0, 2.0, 3.0, 4.0, 5.0)
    assert silence.judge(100.0, None, 0.0) is Stage.HEARD


def test_one_late_question_is_doubt_two_are_suspicion() -> None:
    silence = known()
    ask(silence, 1.0)
    assert judge(silence, 1.28) is Stage.HEARD
    assert not silence.wants_fast_probes(1.28)
    assert judge(silence, 1.3) is Stage.DOUBTED
    assert silence.wants_fast_probes(1.3)
    assert judge(silence, 9.0) is Stage.DOUBTED
    ask(silence, 1.2)
    assert judge(silence, 1.53) is Stage.DOUBTED
    assert judge(silence, 1.55) is Stage.SUSPECTED
    assert silence.silent_for(1.55) == pytest.approx(0.55)
    assert silence.late(1.55, RTT, JITTER) == 2


def test_an_unknown_round_trip_is_taken_to_be_long() -> None:
    silence = known()
    ask(silence, 1.0, 1.1)
    assert silence.judge(1.8, None, 0.0) is Stage.DOUBTED
    assert silence.judge(1.9, None, 0.0) is Stage.SUSPECTED


def test_a_watched_line_without_bursts_is_down_after_five_questions_in_less_than_a_second() -> None:
    silence = known(watched=3600.0)
    ask(silence, *(1.0 + n / 10 for n in range(12)))
    assert silence.needed(RTT, JITTER) == pytest.approx(0.79, abs=0.02)
    assert judge(silence, 1.9) is Stage.SUSPECTED
    assert judge(silence, 2.2) is Stage.DOWN


def test_five_questions_are_needed_however_long_it_lasts() -> None:
    silence = known(watched=3600.0)
    ask(silence, 1.0, 3.0, 5.0, 7.0)
    assert judge(silence, 16.0) is Stage.SUSPECTED
    ask(silence, 15.0)
    assert judge(silence, 16.0) is Stage.DOWN


def test_a_new_line_gets_more_time_and_the_longest_silence_is_bounded() -> None:
    silence = known()
    assert 3.0 < silence.needed(RTT, JITTER) < 5.0
    for _ in range(20):
        silence.bursts.healed(3.0, 1.0)
    assert silence.needed(RTT, JITTER) == RULES.longest_silence


def test_an_answer_settles_what_was_asked_before_it() -> None:
    silence = known()
    ask(silence, 1.0, 1.1, 1.2)
    silence.heard(1.1, 1.35, RTT, JITTER)
    assert judge(silence, 1.45) is Stage.HEARD
    assert judge(silence, 1.5) is Stage.DOUBTED
    ask(silence, 1.05)  # a loss reported late: settled already
    assert silence.late(1.5, RTT, JITTER) == 1
    silence.heard(1.0, 1.5, RTT, JITTER)  # late, and older than what is known
    assert judge(silence, 1.5) is Stage.DOUBTED
    silence.heard(1.2, 1.5, RTT, JITTER)
    assert judge(silence, 1.5) is Stage.HEARD


def test_probes_stay_fast_for_a_second_after_a_doubt() -> None:
    silence = known()
    ask(silence, 1.0)
    judge(silence, 1.3)
    silence.heard(1.0, 1.4, RTT, JITTER)
    assert silence.stage is Stage.HEARD
    assert silence.wants_fast_probes(2.39)
    assert not silence.wants_fast_probes(2.41)
    silence.doubt(5.0)
    assert silence.wants_fast_probes(5.9)
    assert not silence.wants_fast_probes(6.1)


def test_questions_close_together_are_one_and_come_in_any_order() -> None:
    silence = known()
    ask(silence, 1.0, 1.005, 0.996, 0.5, 0.505)
    assert silence.late(5.0, RTT, JITTER) == 2
    assert silence.silent_for(5.0) == 4.5


def test_memory_is_bounded_and_keeps_the_oldest_and_the_newest() -> None:
    silence = known()
    ask(silence, *(1.0 + n / 10 for n in range(500)))
    assert silence.late(1000.0, RTT, JITTER) == 64
    assert silence.silent_for(60.0) == 59.0
    silence.heard(50.9, 61.0, RTT, JITTER)
    assert silence.silent_for(61.0) == 0.0


def test_our_own_stall_is_excused() -> None:
    silence = known()
    ask(silence, 1.0, 1.2)
    silence.excuse(3.0)
    assert judge(silence, 4.2) is Stage.HEARD
    assert judge(silence, 4.6) is Stage.SUSPECTED


def test_settling_forgets_the_questions_but_asks_on() -> None:
    silence = known()
    ask(silence, 1.0, 1.2)
    judge(silence, 2.0)
    silence.settle(2.0)
    assert (silence.stage, silence.silent_for(2.0)) == (Stage.HEARD, 0.0)
    assert silence.wants_fast_probes(2.5)


def test_a_line_that_spoke_all_the_time_and_stops_is_asked_at_once() -> None:
    silence = known()
    for n in range(1, 60):
        silence.heard(n / 20, n / 20, RTT, JITTER)
    assert not silence.wants_fast_probes(3.05)
    assert silence.wants_fast_probes(3.2)


def test_healed_silences_teach_and_outages_do_not() -> None:
    silence = known(watched=600.0)
    before = silence.needed(RTT, JITTER)
    ask(silence, *(1.0 + n / 10 for n in range(9)))
    judge(silence, 2.0)
    silence.heard(2.0, 2.1, RTT, JITTER)
    taught = silence.needed(RTT, JITTER)
    assert taught > before
    ask(silence, *(10.0 + n / 10 for n in range(60)))
    judge(silence, 17.0)
    silence.heard(17.0, 17.1, RTT, JITTER)
    assert silence.needed(RTT, JITTER) == pytest.approx(taught, rel=0.02)


def test_questions_asked_after_the_answered_one_keep_the_doubt() -> None:
    silence = known()
    ask(silence, 1.0, 1.1)
    judge(silence, 1.6)
    ask(silence, 1.58)
    silence.heard(1.1, 1.65, RTT, JITTER)
    assert silence.stage is Stage.SUSPECTED
    assert judge(silence, 1.7) is Stage.HEARD
    assert judge(silence, 1.9) is Stage.DOUBTED


def test_a_stage_without_questions_ends() -> None:
    silence = known()
    ask(silence, 1.0)
    judge(silence, 1.5)
    silence._asked.clear()
    assert judge(silence, 1.6) is Stage.HEARD
    assert silence.wants_fast_probes(2.5)


def test_bursts_know_little_at_first_and_fade() -> None:
    bursts = Bursts()
    fresh = bursts.longest(0.01)
    for second in range(0, 1200, 5):
        bursts.watched(float(second))
    quiet = bursts.longest(0.01)
    assert quiet < fresh / 3
    for _ in range(10):
        bursts.healed(0.3, 1200.0)
    noisy = bursts.longest(0.01)
    assert noisy > 4 * quiet
    bursts.watched(1100.0)  # never back
    for second in range(1200, 30_000, 5):
        bursts.watched(float(second))
    assert bursts.longest(0.01) < noisy / 3


def test_few_bursts_are_not_believed_to_be_short() -> None:
    one, many = Bursts(), Bursts()
    for bursts, number in ((one, 4), (many, 100)):
        bursts.watched(0.0)
        for second in range(0, 3600, 5):
            bursts.watched(float(second))
        for _ in range(number):
            bursts.healed(0.3, 3600.0)
    assert one._excess / one._number == pytest.approx(many._excess / many._number)
    assert one.longest(1e-9) / many.longest(1e-9) > 0.9


def test_however_rare_bursts_are_their_length_counts() -> None:
    bursts = Bursts()
    assert bursts.longest(1e9) == pytest.approx(0.3 * 0.693, rel=0.01)


def test_a_question_that_nobody_repeats_is_forgotten() -> None:
    silence = Silence(SuspicionRules())
    silence.heard(0.0, 0.2, 0.2, 0.0)
    silence.asked(1.0)
    silence.asked(1.1)
    assert silence.judge(2.5, 0.2, 0.0) is Stage.SUSPECTED
    assert silence.judge(11.0, 0.2, 0.0) is Stage.SUSPECTED
    assert silence.judge(11.2, 0.2, 0.0) is Stage.HEARD


def test_a_line_that_spoke_all_the_time_is_suspected_sooner() -> None:
    busy, idle = Silence(SuspicionRules()), Silence(SuspicionRules())
    for number in range(100):
        busy.heard(number * 0.05, number * 0.05 + 0.2, 0.2, 0.0)
    idle.heard(4.95, 5.15, 0.2, 0.0)
    for silence in (busy, idle):
        silence.asked(5.0)
        silence.asked(5.05)
    assert (busy.judge(5.31, 0.2, 0.0), idle.judge(5.31, 0.2, 0.0)) == (Stage.SUSPECTED, Stage.DOUBTED)
