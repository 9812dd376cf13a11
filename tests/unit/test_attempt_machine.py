"""The attempt machine as a playbook: >> events, << commands."""

from __future__ import annotations

import pytest

from edge.attempts.attempt import AttemptPolicy, Outcome
from edge.attempts.budget import RetryBudget
from edge.attempts.deadlines import NO_PATIENCE, Patience
from edge.attempts.events import (
    AttemptFailed,
    BodyArrived,
    BodyDropped,
    Cancel,
    ClientLeft,
    Commit,
    Connected,
    Dial,
    DialFailed,
    GiveUp,
    HeadArrived,
    LineDark,
    RequestSent,
    Send,
    Start,
    TimerFired,
    Undial,
    UploadStalled,
)
from edge.attempts.machine import AttemptMachine
from edge.dialects.facts import Repeat
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

A1, B1, C1 = Path("a", "one"), Path("b", "one"), Path("c", "one")
A2, B2 = Path("a", "two"), Path("b", "two")

RESET = Failure(Origin.LINE, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)
REFUSED_STREAM = Failure(Origin.ENDPOINT, Verdict.SAFE, Code.STREAM_REFUSED)
UNREACHABLE = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)


def policy(repeat: Repeat = Repeat.BILLED, **changes: float) -> AttemptPolicy:
    values = {
        "max_attempts": 4,
        "max_billed_replays": 1,
        "race_after": 0.25,
        "dial_deadline": 5.0,
        "first_byte": 60.0,
        "commit_hold": 30.0,
        "total": 600.0,
    }
    return AttemptPolicy(repeat=repeat, **(values | changes))  # type: ignore[arg-type]  # ints and floats mixed


def machine(
    *paths: Path,
    repeat: Repeat = Repeat.BILLED,
    budget: float = 100.0,
    dark: dict[str, bool] | None = None,
    patience: Patience = NO_PATIENCE,
    hedges: RetryBudget | None = None,
    **changes: float,
) -> AttemptMachine:
    retries = RetryBudget(0.0, budget, 0.0)
    return AttemptMachine(paths, policy(repeat, **changes), retries, {} if dark is None else dark, patience, hedges)


def waiting(m: AttemptMachine, path: Path = A1) -> AttemptMachine:
    """Its request is out on `path`, all of it, since 0.0."""
    assert m.handle(Start(), 0.0) == [Dial(path)]
    m.handle(Connected(path, warm=True), 0.0)
    m.handle(RequestSent(1), 0.0)
    return m


def test_a_warm_connection_serves_at_once() -> None:
    m = machine(A1, B1)
    assert m.handle(Start(), 0.0) == [Dial(A1)]
    assert m.handle(Connected(A1, warm=True), 0.0) == [Send(1, A1)]
    assert m.handle(RequestSent(1), 0.0) == []
    assert m.timer() == 60.0
    assert m.handle(HeadArrived(1, 200), 0.2) == []
    assert m.timer() == pytest.approx(30.2)
    assert m.handle(BodyArrived(1), 0.3) == [Commit(1)]
    assert m.is_over
    assert m.timer() is None
    assert [a.outcome for a in m.attempts] == [Outcome.COMMITTED]


def test_cold_dials_race_and_the_loser_is_left_to_join_the_pool() -> None:
    m = machine(A1, B1, C1)
    assert m.handle(Start(), 0.0) == [Dial(A1)]
    assert m.timer() == 0.25
    assert m.handle(TimerFired(), 0.25) == [Dial(B1)]
    assert m.handle(TimerFired(), 0.3) == []
    assert m.handle(Connected(B1, warm=False), 0.4) == [Undial(A1), Send(1, B1)]
    assert m.handle(Connected(A1, warm=False), 0.5) == [Undial(A1)]
    assert m.handle(DialFailed(A1, UNREACHABLE), 0.6) == []
    m.handle(HeadArrived(1, 200), 0.7)
    assert m.handle(BodyArrived(1), 0.7) == [Commit(1)]
    assert m.handle(Connected(C1, warm=False), 0.8) == [Undial(C1)]


def test_a_failed_dial_moves_on_at_once_and_the_last_one_gives_up() -> None:
    m = machine(A1, B1)
    m.handle(Start(), 0.0)
    assert m.handle(DialFailed(A1, UNREACHABLE), 0.01) == [Dial(B1)]
    assert m.handle(DialFailed(B1, UNREACHABLE), 0.02) == [GiveUp(UNREACHABLE)]
    assert m.failovers == [Code.CONNECTION_TIMEOUT]


def test_a_failed_dial_waits_for_rivals_under_way() -> None:
    m = machine(A1, B1)
    m.handle(Start(), 0.0)
    m.handle(TimerFired(), 0.25)
    assert m.handle(DialFailed(A1, UNREACHABLE), 0.3) == []
    assert m.handle(Connected(B1, warm=False), 0.4) == [Send(1, B1)]


def test_dials_have_one_deadline_together() -> None:
    m = machine(A1, dial_deadline=1.0)
    m.handle(Start(), 0.0)
    m.handle(TimerFired(), 0.25)
    assert m.timer() == 1.0
    (undial, give_up) = m.handle(TimerFired(), 1.0)
    assert undial == Undial(A1)
    assert isinstance(give_up, GiveUp)
    assert give_up.failure.code == Code.CONNECTION_TIMEOUT


def test_no_path_at_all() -> None:
    m = machine()
    m.handle(Start(), 0.0)
    # nothing to dial: the deadline for dials ends it
    (give_up,) = m.handle(TimerFired(), 5.0)
    assert isinstance(give_up, GiveUp)


@pytest.mark.parametrize(
    ("repeat", "failure", "moves_on"),
    [
        (Repeat.FREE, RESET, True),
        (Repeat.BILLED, RESET, True),
        (Repeat.EFFECT, RESET, False),
        (Repeat.FREE, REFUSED_STREAM, True),
        (Repeat.BILLED, REFUSED_STREAM, True),
        (Repeat.EFFECT, REFUSED_STREAM, True),
    ],
)
def test_what_may_be_repeated(repeat: Repeat, failure: Failure, moves_on: bool) -> None:
    m = machine(A1, B1, repeat=repeat)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    commands = m.handle(AttemptFailed(1, failure), 0.2)
    assert commands == ([Dial(B1)] if moves_on else [GiveUp(failure)])


def test_a_billed_request_of_unknown_fate_is_repeated_once_only() -> None:
    m = machine(A1, B1, C1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    assert m.handle(AttemptFailed(1, RESET), 0.2) == [Dial(B1)]
    m.handle(Connected(B1, warm=False), 0.3)
    assert m.handle(AttemptFailed(2, RESET), 0.4) == [GiveUp(RESET)]


def test_the_retry_budget_bounds_repeats() -> None:
    m = machine(A1, B1, repeat=Repeat.FREE, budget=0.0)
    m.budget.withdraw(0.0)  # a floor of zero starts with one
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    assert m.handle(AttemptFailed(1, RESET), 0.2) == [GiveUp(RESET)]


def test_attempts_are_bounded() -> None:
    m = machine(A1, B1, C1, repeat=Repeat.FREE, max_attempts=2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    m.handle(AttemptFailed(1, RESET), 0.2)
    m.handle(Connected(B1, warm=False), 0.3)
    assert m.handle(AttemptFailed(2, RESET), 0.4) == [GiveUp(RESET)]


def test_a_body_that_is_gone_cannot_be_sent_again() -> None:
    m = machine(A1, B1, repeat=Repeat.FREE)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    assert m.handle(BodyDropped(), 0.15) == []
    assert m.handle(AttemptFailed(1, REFUSED_STREAM), 0.2) == [GiveUp(REFUSED_STREAM)]


def test_a_line_fault_prefers_another_line_even_for_the_next_endpoint() -> None:
    m = machine(A1, A2, B1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    assert m.handle(AttemptFailed(1, RESET), 0.2) == [Dial(B1)]


def test_the_same_line_is_used_when_there_is_no_other() -> None:
    m = machine(A1, A2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.1)
    assert m.handle(AttemptFailed(1, RESET), 0.2) == [Dial(A2)]


def test_a_reused_connection_that_fails_earns_its_only_path_one_fresh_try() -> None:
    m = machine(A1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    assert m.handle(AttemptFailed(1, RESET), 0.1) == [Dial(A1, again=True)]
    m.handle(Connected(A1, warm=True), 0.2)
    assert m.handle(AttemptFailed(2, REFUSED_STREAM), 0.3) == [GiveUp(REFUSED_STREAM)]


def test_a_fresh_connection_that_fails_does_not() -> None:
    m = machine(A1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.0)
    assert m.handle(AttemptFailed(1, RESET), 0.1) == [GiveUp(RESET)]


@pytest.mark.parametrize("status", [429, 503, 529])
def test_a_refusal_asks_another_endpoint_and_never_the_same(status: int) -> None:
    m = machine(A1, B1, A2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    assert m.handle(HeadArrived(1, status), 0.1) == [Dial(A2)]
    assert m.attempts[0].outcome is Outcome.REFUSED
    m.handle(Connected(A2, warm=True), 0.1)
    m.handle(HeadArrived(2, 200), 0.2)
    assert m.handle(BodyArrived(2), 0.3) == [Cancel(1), Commit(2)]


def test_a_refusal_without_another_endpoint_is_the_answer() -> None:
    m = machine(A1, B1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    assert m.handle(HeadArrived(1, 429), 0.1) == [Commit(1)]


def test_a_held_refusal_is_better_than_nothing() -> None:
    m = machine(A1, A2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 503), 0.1)
    assert m.handle(BodyArrived(1), 0.1) == []  # the held reply's body: not the live attempt's
    assert m.handle(DialFailed(A2, UNREACHABLE), 0.2) == [Commit(1)]


def test_a_held_refusal_that_breaks_is_forgotten() -> None:
    m = machine(A1, A2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 503), 0.1)
    assert m.handle(AttemptFailed(1, RESET), 0.15) == []
    assert m.handle(DialFailed(A2, UNREACHABLE), 0.2) == [GiveUp(UNREACHABLE)]


def test_a_second_refusal_replaces_the_first() -> None:
    m = machine(A1, A2, Path("a", "three"))
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 503), 0.1)
    m.handle(Connected(A2, warm=True), 0.1)
    assert m.handle(HeadArrived(2, 429), 0.2) == [Cancel(1), Dial(Path("a", "three"))]


@pytest.mark.parametrize(("repeat", "moves_on"), [(Repeat.FREE, True), (Repeat.BILLED, True), (Repeat.EFFECT, False)])
def test_a_server_error_is_repeated_elsewhere_under_the_rule_for_unknown(repeat: Repeat, moves_on: bool) -> None:
    m = machine(A1, A2, repeat=repeat)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    assert m.handle(HeadArrived(1, 500), 0.1) == ([Dial(A2)] if moves_on else [Commit(1)])


def test_a_switch_of_protocols_is_committed_on_its_head() -> None:
    m = machine(A1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.0)
    assert m.handle(HeadArrived(1, 101), 0.1) == [Commit(1)]


def test_silence_before_the_first_byte_fails_over() -> None:
    m = machine(A1, B1, first_byte=10.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(RequestSent(1), 1.0)
    assert m.timer() == 11.0
    assert m.handle(TimerFired(), 10.9) == []
    assert m.handle(TimerFired(), 11.0) == [Cancel(1), Dial(B1)]
    assert m.attempts[0].outcome is Outcome.TIMEOUT


def test_a_head_without_a_body_is_committed_in_the_end() -> None:
    m = machine(A1, commit_hold=3.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 200), 1.0)
    assert m.timer() == 4.0
    assert m.handle(TimerFired(), 3.9) == []
    assert m.handle(TimerFired(), 4.0) == [Commit(1)]


def test_a_head_that_comes_before_the_body_is_all_sent_stops_the_first_byte_clock() -> None:
    m = machine(A1, first_byte=5.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 413), 1.0)
    m.handle(RequestSent(1), 2.0)
    assert m.attempts[0].first_byte_at is None


def test_the_requests_own_deadline() -> None:
    m = machine(A1, B1, total=7.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(RequestSent(1), 0.0)
    assert m.timer() == 7.0
    (cancel, give_up) = m.handle(TimerFired(), 7.0)
    assert cancel == Cancel(1)
    assert isinstance(give_up, GiveUp)
    assert give_up.failure.code == Code.DEADLINE


def test_the_client_leaving_lets_go_of_everything() -> None:
    m = machine(A1, B1, A2)
    m.handle(Start(), 0.0)
    m.handle(TimerFired(), 0.25)
    assert m.handle(ClientLeft(), 0.3) == [Undial(A1), Undial(B1)]
    assert m.handle(ClientLeft(), 0.4) == []
    m = machine(A1, A2)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 503), 0.1)
    m.handle(Connected(A2, warm=True), 0.1)
    assert m.handle(ClientLeft(), 0.2) == [Cancel(2), Cancel(1)]
    assert [a.outcome for a in m.attempts] == [Outcome.REFUSED, Outcome.CANCELLED]


def test_late_news_is_ignored() -> None:
    m = machine(A1, B1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(AttemptFailed(1, RESET), 0.1)
    assert m.handle(HeadArrived(1, 200), 0.2) == []
    assert m.handle(BodyArrived(1), 0.2) == []
    assert m.handle(AttemptFailed(1, RESET), 0.2) == []
    assert m.handle(RequestSent(1), 0.2) == []
    assert m.handle(Connected(C1, warm=True), 0.2) == [Undial(C1)]


def test_a_stream_that_was_refused_earns_its_only_path_another_try() -> None:
    m = machine(A1, repeat=Repeat.EFFECT)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.0)
    assert m.handle(AttemptFailed(1, REFUSED_STREAM), 0.1) == [Dial(A1, again=True)]
    m.handle(Connected(A1, warm=False), 0.2)
    assert m.handle(AttemptFailed(2, REFUSED_STREAM), 0.3) == [GiveUp(REFUSED_STREAM)]


def test_a_reply_lost_before_its_first_byte_may_be_had_elsewhere() -> None:
    m = machine(A1, B1)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    m.handle(HeadArrived(1, 200), 0.1)
    lost = Failure(Origin.LINE, Verdict.UNSAFE, Code.CONNECTION_TERMINATED)
    assert m.handle(AttemptFailed(1, lost), 0.2) == [Dial(B1)]


@pytest.mark.parametrize(
    ("code", "warm", "is_free"),
    [
        (Code.CONNECTION_TIMEOUT, False, True),
        (Code.CONNECTION_TERMINATED, True, True),
        (Code.CONNECTION_TERMINATED, False, False),
        (Code.STREAM_RESET, True, False),
    ],
)
def test_what_an_ending_connection_takes_with_it_draws_on_good_replies(code: str, warm: bool, is_free: bool) -> None:
    m = machine(A1, B1, budget=1.0)
    m.budget.withdraw(0.0)
    m.budget.earn(0.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm), 0.0)
    (command,) = m.handle(AttemptFailed(1, Failure(Origin.LINE, Verdict.UNKNOWN, code)), 0.0)
    assert isinstance(command, Dial) is is_free


# --- a line goes dark ---


@pytest.mark.parametrize(
    ("repeat", "is_down", "moves"),
    [
        (Repeat.FREE, False, True),
        (Repeat.FREE, True, True),
        (Repeat.BILLED, False, True),
        (Repeat.BILLED, True, True),
        (Repeat.EFFECT, False, False),
        (Repeat.EFFECT, True, False),
    ],
)
def test_what_leaves_a_dark_line(repeat: Repeat, is_down: bool, moves: bool) -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, repeat=repeat, dark=dark))
    dark["a"] = is_down
    assert m.handle(LineDark("a"), 1.0) == ([Dial(B1)] if moves else [])
    assert m.failovers == (["line_down" if is_down else "line_suspected"] if moves else [])


def test_a_billed_request_may_be_told_to_wait_for_certainty() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, dark=dark, rescue_early=False))
    dark["a"] = False
    assert m.handle(LineDark("a"), 1.0) == []
    dark["a"] = True
    assert m.handle(LineDark("a"), 1.2) == [Dial(B1)]


def test_whichever_answers_first_is_committed_and_the_other_cancelled() -> None:
    for winner, loser in ((1, 2), (2, 1)):
        dark: dict[str, bool] = {}
        m = waiting(machine(A1, B1, dark=dark))
        dark["a"] = True
        assert m.handle(LineDark("a"), 1.0) == [Dial(B1)]
        assert m.handle(Connected(B1, warm=True), 1.1) == [Send(2, B1)]
        m.handle(RequestSent(2), 1.1)
        m.handle(HeadArrived(winner, 200), 1.2)
        assert m.handle(BodyArrived(winner), 1.3) == [Cancel(loser), Commit(winner)]
        assert m.attempts[loser - 1].outcome is Outcome.CANCELLED
        assert m.handle(BodyArrived(loser), 1.3) == []


def test_a_rival_dial_starts_at_once_and_the_first_may_still_win() -> None:
    dark: dict[str, bool] = {}
    m = machine(A1, B1, C1, dark=dark)
    m.handle(Start(), 0.0)
    dark["a"] = False
    assert m.handle(LineDark("a"), 0.1) == [Dial(B1)]
    assert m.handle(LineDark("a"), 0.1) == []  # b is under way
    assert m.handle(Connected(A1, warm=False), 0.2) == [Undial(B1), Send(1, A1)]


def test_requests_that_have_not_begun_choose_others() -> None:
    assert machine(A1, B1, dark={"a": False}).handle(Start(), 0.0) == [Dial(B1)]
    assert machine(A1, A2, B1, dark={"a": True}).handle(Start(), 0.0) == [Dial(B1)]


def test_a_dark_line_is_better_than_none() -> None:
    m = machine(A1, B1, dark={"a": True, "b": True})
    assert m.handle(Start(), 0.0) == [Dial(A1)]
    assert m.handle(DialFailed(A1, UNREACHABLE), 0.1) == [Dial(B1)]
    m = machine(A1, B1, C1, dark={"a": True, "b": True})
    m.handle(Start(), 0.0)
    m.handle(DialFailed(C1, UNREACHABLE), 0.1)
    assert m.handle(DialFailed(C1, UNREACHABLE), 0.1) == []


def test_between_dark_and_blamed_lines_the_blamed_one_is_tried() -> None:
    m = machine(A1, A2, B1, dark={"b": True}, repeat=Repeat.FREE)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.0)
    assert m.handle(AttemptFailed(1, RESET), 0.1) == [Dial(A2)]


def test_with_no_better_line_one_stays() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, dark=dark))
    dark |= {"a": True, "b": True}
    assert m.handle(LineDark("a"), 1.0) == []
    assert m.failovers == []


def test_other_lines_are_nobodys_business() -> None:
    m = waiting(machine(A1, B1, dark={"b": True}))
    assert m.handle(LineDark("b"), 1.0) == []


def test_the_second_line_goes_dark_too() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, C1, dark=dark, repeat=Repeat.FREE))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    m.handle(Connected(B1, warm=True), 1.0)
    m.handle(RequestSent(2), 1.0)
    dark["b"] = False
    assert m.handle(LineDark("b"), 2.0) == [Dial(C1)]
    assert m.failovers == ["line_down", "line_suspected"]


def test_the_budget_bounds_what_leaves_a_line() -> None:
    dark = {"a": False}
    m = machine(B1, A1, budget=0.0, repeat=Repeat.FREE, dark=dark)
    m.budget.withdraw(0.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(B1, warm=True), 0.0)
    m.handle(RequestSent(1), 0.0)
    dark.clear()
    dark["b"] = True
    assert m.handle(LineDark("b"), 0.0) == []
    m.budget.earn(0.0)
    assert m.handle(LineDark("b"), 0.0) == [Dial(A1)]  # what others earned pays for it


def test_a_body_on_its_way_feeds_one_attempt_so_the_first_makes_room() -> None:
    dark: dict[str, bool] = {}
    m = machine(A1, B1, dark=dark, repeat=Repeat.FREE)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=False), 0.0)
    dark["a"] = False
    assert m.handle(LineDark("a"), 1.0) == []  # a mere suspicion is no reason to throw it away
    dark["a"] = True
    assert m.handle(LineDark("a"), 1.0) == [Cancel(1), Dial(B1)]
    assert m.attempts[0].failure is not None
    assert m.attempts[0].failure.code == Code.LINE_DOWN
    assert m.handle(DialFailed(B1, UNREACHABLE), 2.0) == [GiveUp(UNREACHABLE)]


def test_the_rescue_fails_and_the_first_goes_on() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, dark=dark))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    assert m.handle(DialFailed(B1, UNREACHABLE), 2.0) == []
    assert m.timer() == 60.0
    m.handle(HeadArrived(1, 200), 3.0)
    assert m.handle(BodyArrived(1), 3.0) == [Commit(1)]


def test_the_rescue_is_not_up_in_time_and_the_first_goes_on() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, dark=dark, dial_deadline=2.0))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    assert m.handle(TimerFired(), 1.25) == []  # no third line to race
    assert m.timer() == 3.0
    assert m.handle(TimerFired(), 3.0) == [Undial(B1)]
    assert m.timer() == 60.0


def test_a_failed_rescue_dial_is_followed_by_the_next_good_line() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, C1, dark=dark))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    assert m.handle(DialFailed(B1, UNREACHABLE), 1.1) == [Dial(C1)]


def test_the_rescuing_attempt_fails_and_the_first_is_rescued_again() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, C1, dark=dark, repeat=Repeat.FREE))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    m.handle(Connected(B1, warm=True), 1.0)
    m.handle(RequestSent(2), 1.0)
    assert m.handle(AttemptFailed(2, RESET), 1.1) == [Dial(C1)]


def test_the_first_fails_while_its_rescue_is_under_way() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, dark=dark))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    assert m.handle(AttemptFailed(1, RESET), 1.1) == []
    assert m.handle(Connected(B1, warm=True), 1.2) == [Send(2, B1)]


def test_a_billed_request_is_rescued_once_only() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(A1, B1, C1, dark=dark))
    dark["a"] = True
    m.handle(LineDark("a"), 1.0)
    m.handle(Connected(B1, warm=True), 1.0)
    m.handle(RequestSent(2), 1.0)
    dark["b"] = True
    assert m.handle(LineDark("b"), 2.0) == []


def test_a_late_reply_on_a_dark_line_is_the_lines_fault() -> None:
    for dark, origin in (({"a": False}, Origin.LINE), ({}, Origin.ENDPOINT)):
        m = waiting(machine(A1, first_byte=10.0, dark=dark))
        (cancel, give_up) = m.handle(TimerFired(), 10.0)
        assert cancel == Cancel(1)
        assert isinstance(give_up, GiveUp)
        assert give_up.failure.origin is origin


# --- overdue and hedges ---


def test_an_overdue_reply_gets_a_second_attempt_beside_it() -> None:
    m = waiting(machine(A1, B1, patience=Patience(overdue_after=4.0)))
    assert m.timer() == 4.0
    assert m.handle(TimerFired(), 4.0) == [Dial(B1)]
    assert m.failovers == ["overdue"]
    m.handle(Connected(B1, warm=False), 4.5)
    m.handle(RequestSent(2), 4.5)
    assert m.timer() == 60.0  # nothing more of the kind
    m.handle(HeadArrived(1, 200), 5.0)
    assert m.handle(BodyArrived(1), 5.0) == [Cancel(2), Commit(1)]


def test_an_overdue_reply_that_must_not_be_asked_for_twice_is_waited_for() -> None:
    m = waiting(machine(A1, B1, repeat=Repeat.EFFECT, patience=Patience(overdue_after=4.0)))
    assert m.handle(TimerFired(), 4.0) == []
    assert m.timer() == 60.0


def test_hedges_have_their_own_budget() -> None:
    hedges = RetryBudget(0.0, 0.0, 0.0)
    for commands in ([Dial(B1)], []):  # it starts with one
        m = waiting(machine(A1, B1, patience=Patience(hedge_after=1.0), hedges=hedges))
        assert m.timer() == 1.0
        assert m.handle(TimerFired(), 1.0) == commands
        assert m.failovers == ["hedge"] * len(commands)
        assert (m.timer() or 0) > 1.0
    m = waiting(machine(A1, B1, patience=Patience(hedge_after=1.0)))
    assert m.handle(TimerFired(), 1.0) == [Dial(B1)]


def test_no_hedge_while_another_is_under_way_or_without_a_better_path() -> None:
    m = waiting(machine(A1, B1, C1, patience=Patience(hedge_after=1.0, overdue_after=1.5)))
    m.handle(TimerFired(), 1.0)
    assert m.handle(TimerFired(), 1.25) == [Dial(C1)]  # a race for the hedge
    assert m.handle(TimerFired(), 1.5) == []
    assert m.handle(TimerFired(), 1.5) == []
    m.handle(Connected(C1, warm=False), 1.6)
    m = waiting(machine(A1, A2, patience=Patience(overdue_after=1.5)))
    assert m.handle(TimerFired(), 1.5) == []


def test_the_first_attempts_clocks_do_not_run_for_the_next_one() -> None:
    m = waiting(machine(A1, B1, patience=Patience(overdue_after=9.0)))
    m.handle(AttemptFailed(1, RESET), 1.0)
    m.handle(Connected(B1, warm=True), 1.0)
    assert m.timer() == 600.0
    m.handle(RequestSent(2), 2.0)
    assert m.timer() == 11.0


def test_a_refusal_waits_for_the_other_attempt() -> None:
    m = waiting(machine(A1, B1, A2, patience=Patience(overdue_after=1.0)))
    m.handle(TimerFired(), 1.0)
    assert m.handle(HeadArrived(1, 503), 1.1) == []  # the dial goes on
    m.handle(Connected(B1, warm=True), 1.2)
    m.handle(RequestSent(2), 1.2)
    assert m.handle(HeadArrived(2, 429), 1.3) == [Cancel(1), Dial(A2)]


def test_a_lost_race_does_not_spoil_a_path() -> None:
    m = machine(A1, B1, repeat=Repeat.FREE)
    m.handle(Start(), 0.0)
    m.handle(TimerFired(), 0.25)
    m.handle(Connected(B1, warm=False), 0.3)
    assert m.handle(AttemptFailed(1, RESET), 0.4) == [Dial(A1)]


# --- uploads ---


def test_a_stalled_upload_has_a_deadline() -> None:
    m = machine(A1, B1, upload_stall=5.0)
    m.handle(Start(), 0.0)
    m.handle(Connected(A1, warm=True), 0.0)
    assert m.handle(UploadStalled(1, True), 1.0) == []
    assert m.timer() == 6.0
    m.handle(UploadStalled(1, False), 2.0)
    assert m.timer() == 600.0
    m.handle(UploadStalled(1, True), 3.0)
    assert m.handle(TimerFired(), 8.0) == [Cancel(1), Dial(B1)]
    assert m.failovers == [Code.CONNECTION_WRITE_TIMEOUT]
    assert m.handle(UploadStalled(1, True), 9.0) == []


def test_a_body_that_is_sent_is_not_stalled() -> None:
    m = waiting(machine(A1, upload_stall=5.0))
    m.handle(UploadStalled(1, True), 1.0)
    assert m.timer() == 60.0


def test_after_a_broken_connection_another_endpoint_comes_first() -> None:
    """It may have been the far end that broke it."""
    for code, path in ((Code.CONNECTION_TERMINATED, B2), (Code.STREAM_RESET, B2), (Code.CONNECTION_TIMEOUT, B1)):
        m = waiting(machine(A1, B1, A2, B2))
        assert m.handle(AttemptFailed(1, Failure(Origin.LINE, Verdict.UNKNOWN, code)), 1.0) == [Dial(path)]


# --- through relays ---

SJC, FRA = Path("a+b", "one", "sjc"), Path("a+b", "one", "fra")
LOST = Failure(Origin.RELAY, Verdict.UNKNOWN, Code.CONNECTION_TERMINATED)


def test_a_dark_line_moves_nothing_that_goes_through_a_relay() -> None:
    dark = {"a": True}
    m = waiting(machine(SJC, A1, B1, dark=dark), SJC)
    assert m.handle(LineDark("a"), 0.1) == []
    dark["b"] = True
    assert m.handle(LineDark("b"), 0.2) == []
    assert m.timer() == 60.0


def test_a_lost_relay_leads_to_another_one_over_the_same_lines() -> None:
    m = waiting(machine(SJC, FRA, A1), SJC)
    assert m.handle(AttemptFailed(1, LOST), 0.1) == [Dial(FRA)]
    m.handle(Connected(FRA, warm=True), 0.1)
    m.handle(RequestSent(2), 0.1)
    assert m.handle(AttemptFailed(2, LOST), 0.2) == [GiveUp(LOST)]  # billed once more already


def test_a_relay_that_is_not_there_costs_no_time() -> None:
    gone = Failure(Origin.RELAY, Verdict.SAFE, Code.DESTINATION_UNAVAILABLE)
    m = machine(SJC, A1)
    assert m.handle(Start(), 0.0) == [Dial(SJC)]
    assert m.handle(DialFailed(SJC, gone), 0.0) == [Dial(A1)]


def test_late_through_a_relay_is_the_endpoints_fault() -> None:
    m = waiting(machine(SJC, A1, dark={"a": True, "b": True}), SJC)
    assert m.handle(TimerFired(), 60.0) == [Cancel(1), Dial(A1)]
    assert m.attempts[0].failure is not None
    assert m.attempts[0].failure.origin is Origin.ENDPOINT


def test_overdue_through_a_relay_is_asked_for_directly_within_the_budget() -> None:
    m = waiting(machine(SJC, FRA, A1, patience=Patience(overdue_after=3.0)), SJC)
    assert m.handle(TimerFired(), 3.0) == [Dial(FRA)]
    assert m.failovers == ["overdue"]
    poor = waiting(machine(SJC, FRA, A1, patience=Patience(overdue_after=3.0), max_attempts=1), SJC)
    assert poor.handle(TimerFired(), 3.0) == []


def test_a_relay_that_is_silent_over_all_lines_is_a_dark_one() -> None:
    dark: dict[str, bool] = {}
    m = waiting(machine(SJC, FRA, A1, dark=dark), SJC)
    dark["relay:sjc"] = False
    assert m.handle(LineDark("relay:sjc"), 1.5) == [Dial(FRA)]
    assert m.failovers == ["line_suspected"]
    late = waiting(machine(SJC, dark=dark), SJC)
    late.handle(TimerFired(), 60.0)
    assert late.attempts[0].failure is not None
    assert late.attempts[0].failure.origin is Origin.RELAY


def test_a_body_on_its_way_to_a_silent_relay_makes_room() -> None:
    dark = {"relay:sjc": True}
    m = machine(SJC, A1, dark=dark)
    m.handle(Start(), 0.0)
    m = machine(SJC, A1, dark={})
    m.handle(Start(), 0.0)
    m.handle(Connected(SJC, warm=True), 0.0)
    m.dark = dark
    assert m.handle(LineDark("relay:sjc"), 1.5) == [Cancel(1), Dial(A1)]
    failure = m.attempts[0].failure
    assert failure is not None
    assert (failure.origin, failure.detail) == (Origin.RELAY, "relay:sjc went silent")
