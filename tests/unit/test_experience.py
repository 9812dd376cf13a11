from __future__ import annotations

from dataclasses import replace

import pytest

from edge.attempts.attempt import Attempt, Outcome
from edge.attempts.deadlines import NO_PATIENCE
from edge.attempts.experience import Experience
from edge.config.model import Routing, Timeouts
from edge.dialects.facts import Facts, Repeat
from transport.path import Path

A = Path("a", "one")
FACTS = Facts("chat", "gpt-4.1", streaming=True)
ROUTING, TIMES = Routing(), Timeouts()


def attempt(outcome: Outcome, status: int | None = None, sent_at: float | None = 0.0) -> Attempt:
    return Attempt(1, A, True, outcome, status, None, sent_at)


def experienced(seconds: float = 4.0, number: int = 30) -> tuple[Experience, tuple[str, str, bool, int]]:
    experience = Experience()
    kind = experience.kind("openai", FACTS, 900)
    for _ in range(number):
        experience.learn(kind, [attempt(Outcome.COMMITTED, 200)], seconds, 10.0)
    return experience, kind


def test_kinds_are_by_model_and_size_or_by_operation() -> None:
    experience = Experience()
    assert experience.kind("openai", FACTS, 900) == ("openai", "gpt-4.1", True, 0)
    assert experience.kind("openai", Facts("models"), 0) == ("openai", "models", False, 0)


def test_patience_is_learnt_from_good_replies() -> None:
    experience, kind = experienced()
    found = experience.patience(kind, Repeat.BILLED, ROUTING, TIMES, 10.0)
    assert found.overdue_after == pytest.approx(9.0, rel=0.05)
    assert found.hedge_after is None


@pytest.mark.parametrize(
    ("hedge", "repeat", "is_hedged"),
    [("off", Repeat.FREE, False), ("free", Repeat.FREE, True), ("free", Repeat.BILLED, False),
     ("all", Repeat.BILLED, True), ("all", Repeat.EFFECT, False)],
)  # fmt: skip
def test_who_is_hedged(hedge: str, repeat: Repeat, is_hedged: bool) -> None:
    experience, kind = experienced()
    routing, times = replace(ROUTING, hedge=hedge), replace(TIMES, first_byte_adaptive=False)
    found = experience.patience(kind, repeat, routing, times, 10.0)
    assert (found.hedge_after is not None) is is_hedged
    assert found.overdue_after is None
    if not is_hedged:
        assert found == NO_PATIENCE


@pytest.mark.parametrize(
    "other",
    [attempt(Outcome.COMMITTED, 404), attempt(Outcome.FAILED), attempt(Outcome.CANCELLED, 200),
     attempt(Outcome.COMMITTED, 200, sent_at=None), attempt(Outcome.REFUSED, 429)],
)  # fmt: skip
def test_what_says_nothing_about_the_model(other: Attempt) -> None:
    experience, kind = experienced(number=29)
    experience.learn(kind, [other], 4.0, 10.0)
    assert experience.patience(kind, Repeat.FREE, ROUTING, TIMES, 10.0) == NO_PATIENCE


def test_waits_in_vain_let_the_estimate_grow() -> None:
    experience, kind = experienced(number=40)
    for _ in range(40):
        experience.learn(kind, [attempt(Outcome.TIMEOUT), attempt(Outcome.CANCELLED)], None, 30.0)
    found = experience.patience(kind, Repeat.BILLED, ROUTING, TIMES, 32.0)
    assert (found.overdue_after or 0.0) > 50.0


def test_idle_limits_are_learnt_if_wanted() -> None:
    experience, kind = experienced()
    for _ in range(40):
        experience.learn_silence(kind, 10.0, 10.0, was_cut=False)
    assert experience.idle(kind, TIMES, 10.0) == TIMES.idle
    adaptive = replace(TIMES, idle_adaptive=True)
    assert experience.idle(kind, adaptive, 10.0) == pytest.approx(50.0, rel=0.05)
    for _ in range(40):
        experience.learn_silence(kind, 50.0, 20.0, was_cut=True)
    assert experience.idle(kind, adaptive, 22.0) == TIMES.idle
