"""What an answer means, or its absence."""

from __future__ import annotations

import pytest

from health.lag import MEMORY, LoopLag
from health.ledger import FORGOTTEN, MUTE_AFTER, MUTE_INTERVAL, REMEMBERED, Ledger
from health.probe import Outcome, ProbeKind, ProbeResult
from health.probing import Check
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

PATH = Path("cn2", "openai")
PING, CONNECT, REQUEST = Check(PATH, ProbeKind.ICMP), Check(PATH, ProbeKind.TCP), Check(PATH, ProbeKind.HTTP)
REFUSED = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.CONNECTION_REFUSED)


def outcomes(results: list[ProbeResult]) -> list[Outcome]:
    return [result.outcome for result in results]


def learned(check: Check = PING, rtt: float = 0.2, times: int = 20) -> Ledger:
    """A ledger that knows the check's round trip."""
    ledger = Ledger(5.0)
    for number in range(times):
        assert ledger.answered(check, ledger.begin(check, number), rtt, now=number + rtt)
    return ledger


def test_an_answer_in_time() -> None:
    ledger = Ledger(5.0)
    sequence = ledger.begin(PING, 10.0)
    assert len(ledger) == 1
    result = ledger.answered(PING, sequence, 0.17, now=10.17, seconds=0.17)
    assert result == ProbeResult(PATH, ProbeKind.ICMP, 0, 10.0, 0.17, seconds=0.17)
    assert result.outcome is Outcome.ANSWERED
    assert len(ledger) == 0
    assert ledger.expired(99.0) == []


def test_sequences_count_per_check() -> None:
    ledger = Ledger(5.0)
    assert [ledger.begin(PING, 0), ledger.begin(PING, 0), ledger.begin(CONNECT, 0)] == [0, 1, 0]


def test_silence_is_a_loss_after_a_second() -> None:
    ledger = Ledger(5.0)
    ledger.begin(PING, 10.0)
    assert ledger.expired(10.9) == []
    (result,) = ledger.expired(11.0)
    assert (result.outcome, result.sequence, result.rtt) == (Outcome.LOST, 0, None)
    assert ledger.expired(99.0) == []
    assert len(ledger) == 0


def test_how_long_to_wait() -> None:
    assert learned(rtt=0.2).limit(PING) == 1.0
    assert learned(rtt=0.6).limit(PING) == pytest.approx(2.4)
    assert learned(rtt=2.0).limit(PING) == 5.0
    assert learned(rtt=0.2).limit(PING, fast=True) == pytest.approx(0.5, abs=0.01)
    assert Ledger(5.0).limit(PING, fast=True) == 1.0
    assert Ledger(0.5).limit(PING) == 0.5
    assert learned(REQUEST, 0.2).limit(REQUEST, fast=True) == 5.0


def test_jitter_lengthens_the_fast_limit() -> None:
    ledger = Ledger(5.0)
    for number in range(40):
        ledger.answered(PING, ledger.begin(PING, number), 0.1 if number % 2 else 0.5, now=number + 0.5)
    assert 0.7 < ledger.limit(PING, fast=True) <= 1.3


def test_a_late_answer_takes_the_loss_back_once() -> None:
    ledger = Ledger(5.0)
    sequence = ledger.begin(PING, 10.0)
    assert outcomes(ledger.expired(11.0)) == [Outcome.LOST]
    late = ledger.answered(PING, sequence, 1.3, now=11.3)
    assert late
    assert (late.outcome, late.is_duplicate, late.rtt) == (Outcome.LATE, False, 1.3)
    again = ledger.answered(PING, sequence, 1.4, now=11.4)
    assert again
    assert again.outcome is Outcome.DUPLICATE
    assert len(ledger) == 0
    assert ledger.limit(PING) == 5.0  # it has learned that the way is long


def test_a_second_answer_is_a_duplicate() -> None:
    ledger = Ledger(5.0)
    sequence = ledger.begin(PING, 10.0)
    ledger.answered(PING, sequence, 0.1, now=10.1)
    assert ledger.answered(PING, sequence, 0.2, now=10.2).outcome is Outcome.DUPLICATE  # type: ignore[union-attr]
    assert ledger.failed(PING, sequence, REFUSED) is None


def test_an_answer_overtaken_by_a_later_probes() -> None:
    ledger = Ledger(5.0)
    first, second = ledger.begin(PING, 10.0), ledger.begin(PING, 10.1)
    assert not ledger.answered(PING, second, 0.1, now=10.2).is_reordered  # type: ignore[union-attr]
    assert ledger.answered(PING, first, 0.3, now=10.3).is_reordered  # type: ignore[union-attr]


def test_a_refusal_is_an_answer_of_its_kind() -> None:
    ledger = Ledger(5.0)
    result = ledger.failed(CONNECT, ledger.begin(CONNECT, 10.0), REFUSED)
    assert result
    assert (result.outcome, result.failure) == (Outcome.FAILED, REFUSED)
    lost = ledger.failed(CONNECT, ledger.begin(CONNECT, 10.0), None)
    assert lost
    assert lost.outcome is Outcome.LOST
    assert ledger.expired(99.0) == []


def test_strangers_answers_mean_nothing() -> None:
    ledger = Ledger(5.0)
    assert ledger.answered(PING, 0, 0.1, now=1.0) is None
    ledger.begin(PING, 1.0)
    assert ledger.answered(PING, 7, 0.1, now=1.0) is None
    assert ledger.failed(CONNECT, 0, REFUSED) is None


def test_what_is_remembered_is_bounded() -> None:
    ledger = learned(times=3 * REMEMBERED)
    assert ledger.answered(PING, 0, 0.1, now=500.0) is None
    assert ledger.answered(PING, 3 * REMEMBERED - 1, 0.1, now=500.0) is not None
    waiting = Ledger(5.0)
    for _ in range(2 * REMEMBERED):
        waiting.begin(PING, 0.0)
    assert len(waiting.expired(5.0)) == 2 * REMEMBERED  # those under way are never forgotten


def test_silence_proves_nothing_where_nobody_has_ever_answered() -> None:
    ledger = Ledger(5.0)
    ledger.begin(PING, 0.0)
    assert not ledger.is_proven(PING, 1.0)
    assert not ledger.is_proven(Check(PATH, ProbeKind.QUIC), 1.0)
    assert ledger.is_proven(CONNECT, 1.0)
    ledger.answered(PING, 0, 0.1, now=0.1)
    assert ledger.is_proven(PING, 1.0)
    assert not ledger.is_proven(PING, 1.0 + FORGOTTEN)


def test_a_check_that_nobody_answers_rests_and_is_tried_again() -> None:
    ledger = Ledger(5.0)
    now = 0.0
    for _ in range(MUTE_AFTER):
        assert not ledger.is_resting(PING, now)
        ledger.begin(PING, now)
        now += 1.0
        ledger.expired(now)
    assert ledger.is_resting(PING, now)
    assert not ledger.is_resting(PING, now + MUTE_INTERVAL)
    sequence = ledger.begin(PING, now + MUTE_INTERVAL)
    assert ledger.is_resting(PING, now + MUTE_INTERVAL + 1)
    ledger.answered(PING, sequence, 0.2, now=now + MUTE_INTERVAL + 0.2)
    assert not ledger.is_resting(PING, now + MUTE_INTERVAL + 1)


def test_a_dead_line_is_asked_on_although_it_is_silent() -> None:
    ledger = learned()
    for number in range(20, 200):
        ledger.begin(PING, number)
    assert len(ledger.expired(300.0)) == 180
    assert not ledger.is_resting(PING, 300.0)
    assert ledger.is_proven(PING, 300.0)


def test_checks_that_are_gone_are_forgotten() -> None:
    ledger = Ledger(5.0)
    ledger.begin(PING, 0.0)
    ledger.begin(CONNECT, 0.0)
    ledger.keep([CONNECT])
    assert len(ledger) == 1
    assert [result.kind for result in ledger.expired(9.0)] == [ProbeKind.TCP]
    assert ledger.answered(PING, 0, 0.1, now=9.0) is None


def test_a_check_that_comes_back_isnt_judged_by_its_forerunners_time() -> None:
    ledger = Ledger(5.0)
    ledger.begin(PING, 0.0)
    ledger.keep([])
    ledger.begin(PING, 0.9)
    assert ledger.expired(1.5) == []
    assert len(ledger.expired(1.9)) == 1


def test_our_own_stalls_are_told() -> None:
    lag = LoopLag()
    ledger = Ledger(5.0, lag.worst)
    sequence = ledger.begin(PING, 10.0)
    ledger.begin(PING, 10.6)
    lag.beat(10.1, 10.5)
    assert ledger.answered(PING, sequence, 0.5, now=10.5).loop_lag == pytest.approx(0.4)  # type: ignore[union-attr]
    assert ledger.expired(12.0)[0].loop_lag == 0.0


def test_lag_is_the_worst_of_the_last_half_minute() -> None:
    lag = LoopLag()
    assert lag.beat(1.0, 0.99) == 0.0
    assert lag.beat(2.0, 2.001) == pytest.approx(0.001)
    assert lag.worst(0.0) == 0.0
    lag.beat(3.0, 3.2)
    lag.beat(4.0, 4.1)
    assert lag.worst(0.0) == pytest.approx(0.2)
    assert lag.worst(3.5) == pytest.approx(0.1)
    lag.beat(4.2 + MEMORY, 4.2 + MEMORY)
    assert lag.worst(0.0) == 0.0
