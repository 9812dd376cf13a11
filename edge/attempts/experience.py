"""What requests of each kind took, and what that means for the next one: when it is overdue, hedged, or gone silent."""

from __future__ import annotations

from collections.abc import Iterable

from edge.attempts.attempt import Attempt, Outcome
from edge.attempts.deadlines import NO_PATIENCE, Durations, Patience, idle_limit, patience, size_class
from edge.config.model import Routing, Timeouts
from edge.dialects.facts import Facts, Repeat

Kind = tuple[str, str, bool, int]
"""Provider, model (or operation), streamed or not, size class of the request's body."""


class Experience:
    """One per node. `now` is monotonic seconds."""

    def __init__(self) -> None:
        self.first_bytes = Durations()  # from a request's last byte to its reply's first
        self.silences = Durations()  # the longest in each reply, by provider and model

    def kind(self, provider: str, facts: Facts, body_bytes: int) -> Kind:
        """Requests that should take about as long."""
        return (provider, facts.model or facts.operation, facts.streaming, size_class(body_bytes))

    def patience(self, kind: Kind, repeat: Repeat, routing: Routing, timeouts: Timeouts, now: float) -> Patience:
        """When a second attempt may be made beside the first."""
        is_hedged = routing.hedge == "all" or (routing.hedge == "free" and repeat is Repeat.FREE)
        if repeat is Repeat.EFFECT or not (is_hedged or timeouts.first_byte_adaptive):
            return NO_PATIENCE
        return patience(
            self.first_bytes,
            kind,
            now,
            is_hedged=is_hedged,
            is_adaptive=timeouts.first_byte_adaptive,
            floor=timeouts.first_byte_floor,
        )

    def idle(self, kind: Kind, timeouts: Timeouts, now: float) -> float:
        """The longest silence inside a committed reply, in seconds."""
        return idle_limit(self.silences, kind[:2], timeouts.idle, now) if timeouts.idle_adaptive else timeouts.idle

    def learn(self, kind: Kind, attempts: Iterable[Attempt], first_byte_at: float | None, now: float) -> None:
        """The attempts of a request are over; `first_byte_at`: when its reply was committed, if one was."""
        until = now if first_byte_at is None else first_byte_at
        for attempt in attempts:
            if attempt.sent_at is None:
                continue
            if attempt.outcome is Outcome.COMMITTED and attempt.status == 200:
                self.first_bytes.took(kind, until - attempt.sent_at, now)
            elif attempt.outcome in (Outcome.TIMEOUT, Outcome.CANCELLED) and attempt.status is None:
                self.first_bytes.waited(kind, until - attempt.sent_at, now)

    def learn_silence(self, kind: Kind, longest: float, now: float, *, was_cut: bool) -> None:
        """A reply is over; `longest` silence in it, in seconds. `was_cut`: because of that silence."""
        (self.silences.waited if was_cut else self.silences.took)(kind[:2], longest, now)
