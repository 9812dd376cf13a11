"""How long to wait for a reply's first byte, and between two chunks, by what this kind of request took lately.

    patience     when a reply is overdue (a second attempt may be made beside it) and when a hedge pays
    idle_limit   the longest silence inside a reply that isn't taken for its end

A kind is whatever the caller keys by: provider, model, streamed or not, size of the prompt. Where little is known of a
kind, the configured timeouts alone hold; they are the upper bound in any case.

Waits that were cut short enter the estimate as what they are, "at least so long" (right-censored samples: Kaplan and
Meier, JASA 1958, treat them exactly; here they count only if they are longer than most, so that they can raise an
estimate that has become too low and never lower one).
"""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass

from msgspec import Struct

from health.quantiles import Quantiles

MOST_KINDS = 1024  # kept; clients name the models, so there is no end to them
REFRESH = 1.0  # seconds for which the figures of a kind are used again


class Patience(Struct, frozen=True, gc=False):
    """Seconds after the request was sent. None: never."""

    hedge_after: float | None = None
    overdue_after: float | None = None


NO_PATIENCE = Patience()


@dataclass(frozen=True, slots=True)
class DeadlineRules:
    """Overdue: `factor` times the 99th percentile and `margin` seconds more, at least `floor`. Where the slowest in a
    hundred needs 5 s, nobody is called late before 11 s: what is merely slow must not be paid for twice."""

    enough: float = 30.0  # samples, the old ones faded
    factor: float = 2.0
    margin: float = 1.0
    floor: float = 3.0
    idle_factor: float = 4.0
    idle_margin: float = 10.0
    idle_floor: float = 30.0


RULES = DeadlineRules()


class _Kind:
    __slots__ = ("fresh_until", "p95", "p99", "samples")

    def __init__(self, half_life: float, now: float) -> None:
        self.samples = Quantiles(half_life, now)
        self.fresh_until = now
        self.p95: float | None = None
        self.p99: float | None = None


class Durations:
    """Durations by kind, in seconds; old ones fade with `half_life`. `now` must not go back."""

    def __init__(self, rules: DeadlineRules = RULES, half_life: float = 600.0) -> None:
        self.rules = rules
        self._half_life = half_life
        self._kinds: dict[Hashable, _Kind] = {}

    def took(self, kind: Hashable, seconds: float, now: float) -> None:
        """It took so long."""
        found = self._kinds.get(kind)
        if found is None:
            if len(self._kinds) >= MOST_KINDS:
                del self._kinds[next(iter(self._kinds))]
            found = self._kinds[kind] = _Kind(self._half_life, now)
        found.samples.add(seconds, now)

    def waited(self, kind: Hashable, seconds: float, now: float) -> None:
        """It was cut short after so long."""
        p95, _ = self.figures(kind, now)
        if p95 is not None and seconds > p95:
            self.took(kind, seconds, now)

    def figures(self, kind: Hashable, now: float) -> tuple[float | None, float | None]:
        """The 95th and 99th percentile; None while too little is known."""
        found = self._kinds.get(kind)
        if found is None:
            return None, None
        if now >= found.fresh_until:
            found.fresh_until = now + REFRESH
            is_enough = found.samples.count(now) >= self.rules.enough
            found.p95 = found.samples.quantile(0.95, now) if is_enough else None
            found.p99 = found.samples.quantile(0.99, now) if is_enough else None
        return found.p95, found.p99


def patience(
    known: Durations, kind: Hashable, now: float, *, is_hedged: bool, is_adaptive: bool, floor: float
) -> Patience:
    """When this request is overdue and when it is hedged. `floor`: nothing is overdue sooner, in seconds."""
    p95, p99 = known.figures(kind, now)
    if p95 is None or p99 is None:
        return NO_PATIENCE
    rules = known.rules
    overdue = max(floor, p99 * rules.factor + rules.margin) if is_adaptive else None
    return Patience(p95 if is_hedged else None, overdue)


def idle_limit(known: Durations, kind: Hashable, configured: float, now: float) -> float:
    """The longest silence inside a reply, from the longest silences of replies that went well."""
    _, p99 = known.figures(kind, now)
    if p99 is None:
        return configured
    rules = known.rules
    return min(configured, max(rules.idle_floor, p99 * rules.idle_factor + rules.idle_margin))


def size_class(body_bytes: int) -> int:
    """Requests of about the same length: a class spans a factor of four, the first ends at 4 KiB."""
    return max(0, (body_bytes >> 12).bit_length() + 1) // 2
