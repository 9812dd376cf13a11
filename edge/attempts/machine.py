"""The decision core of one request: which connection to ask for, where to send, when to fail over, what to commit.

Pure: events in, commands out, `now` an argument. The shell (`runner.py`) performs the commands and reports back.

    >> Start                     << Dial(path)
    >> Connected(path)           << Send(1, path)           (rival dials are left to join the pool)
    >> BodyArrived(1)            << Commit(1)               exactly once; after it only the runner speaks

    >> AttemptFailed(1, …)       << Dial(next path)         if the failure's verdict, the request's own nature
                                                            (Repeat), the attempt limit and the retry budget agree
    >> HeadArrived(1, 429, …)    << Dial(other endpoint)    the reply is held: if nothing better comes, it is committed

What may be repeated
- SAFE failures (nothing can have run) always may.
- Otherwise a FREE request may, a BILLED one at most `max_billed_replays` times, an EFFECT one never.
- A refusal by the provider (429, 503, 529) was not executed, so repeating is safe, but only *another endpoint* helps.
- 500, 502 and 504 are answers of unknown fate: another endpoint, under the rule for UNKNOWN.
- Nothing may once the body can't be replayed or the reply is committed.
- All of that draws on the node's retry budget; what an ending connection takes with it, on what good replies earned.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from enum import Enum
from math import inf

from msgspec import Struct

from edge.attempts.budget import RetryBudget
from edge.dialects.facts import Repeat
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

REFUSALS = frozenset((429, 503, 529))
ERRORS = frozenset((500, 502, 504))


@dataclass(frozen=True, slots=True)
class AttemptPolicy:
    """Limits of one request; times in seconds."""

    repeat: Repeat
    max_attempts: int
    max_billed_replays: int
    race_after: float
    dial_deadline: float  # for all dials of one attempt together
    first_byte: float  # from the request's last byte to the reply's first body byte
    commit_hold: float  # longest wait between a reply's head and its first body byte
    total: float


# --- events -----------------------------------------------------------------------------------------------------------


class Start(Struct, frozen=True, gc=False):
    """The request is ready to go."""


class Connected(Struct, frozen=True, gc=False):
    """A connection on `path` has a slot reserved for us; `warm`: it carried requests before."""

    path: Path
    warm: bool


class DialFailed(Struct, frozen=True, gc=False):
    path: Path
    failure: Failure


class RequestSent(Struct, frozen=True, gc=False):
    """The last byte of the request body was handed to the connection."""

    attempt: int


class HeadArrived(Struct, frozen=True, gc=False):
    attempt: int
    status: int


class BodyArrived(Struct, frozen=True, gc=False):
    """The first body byte, or the end of an empty reply."""

    attempt: int


class AttemptFailed(Struct, frozen=True, gc=False):
    attempt: int
    failure: Failure


class BodyDropped(Struct, frozen=True, gc=False):
    """Part of the request body is no longer held: it can't be sent again."""


class ClientLeft(Struct, frozen=True, gc=False):
    """The client is gone (before commit; after it the stream's own rules hold)."""


class TimerFired(Struct, frozen=True, gc=False):
    """The time that `timer()` named has come."""


Event = (
    Start
    | Connected
    | DialFailed
    | RequestSent
    | HeadArrived
    | BodyArrived
    | AttemptFailed
    | BodyDropped
    | ClientLeft
    | TimerFired
)


# --- commands ---------------------------------------------------------------------------------------------------------


class Dial(Struct, frozen=True, gc=False):
    """Ask the pool for a connection on `path`. `again`: one of it has just failed; let the pool hear of that first, or
    it hands out the next that is dead."""

    path: Path
    again: bool = False


class Undial(Struct, frozen=True, gc=False):
    """`path` isn't needed any more; a dial under way may finish and join the pool."""

    path: Path


class Send(Struct, frozen=True, gc=False):
    """Send the request as attempt number `attempt` on the connection got for `path`."""

    attempt: int
    path: Path


class Cancel(Struct, frozen=True, gc=False):
    attempt: int


class Commit(Struct, frozen=True, gc=False):
    """Pass this attempt's reply to the client."""

    attempt: int


class GiveUp(Struct, frozen=True, gc=False):
    """No reply can be had."""

    failure: Failure


Command = Dial | Undial | Send | Cancel | Commit | GiveUp


class Outcome(Enum):
    """How an attempt ended, for metrics and the log."""

    LIVE = "live"
    COMMITTED = "committed"
    REFUSED = "refused"  # 429, 503, 529: penalty on the endpoint
    ERROR = "error"  # 500, 502, 504
    FAILED = "failed"  # connection or stream failure
    TIMEOUT = "timeout"
    CANCELLED = "cancelled"


class Attempt(Struct, gc=False):
    """One try of the request on one path."""

    number: int
    path: Path
    warm: bool
    outcome: Outcome = Outcome.LIVE
    status: int | None = None
    failure: Failure | None = None
    first_byte_at: float | None = None  # when patience with the first byte ends
    hold_until: float | None = None  # when a head without a body is committed anyway


@dataclass(slots=True)
class AttemptMachine:
    """One request's attempts. `handle` every event; when `timer()` has come, handle `TimerFired`."""

    candidates: tuple[Path, ...]
    policy: AttemptPolicy
    budget: RetryBudget
    attempts: list[Attempt] = field(default_factory=list)
    failovers: list[str] = field(default_factory=list)  # why each further attempt or path was tried
    is_over: bool = False  # committed, given up or left
    _dialing: list[Path] = field(default_factory=list)
    _tried: dict[Path, int] = field(default_factory=dict)
    _live: Attempt | None = None
    _held: Attempt | None = None  # a refusal kept in case nothing better comes
    _last_failure: Failure | None = None
    _race_at: float = inf
    _dials_end: float = inf
    _deadline: float = 0.0
    _billed_replays: int = 0
    _can_replay: bool = True

    def timer(self) -> float | None:
        """When to handle `TimerFired` next, monotonic seconds; None once over."""
        if self.is_over:
            return None
        at = self._deadline
        live = self._live
        if live is not None:
            if live.hold_until is not None:
                at = min(at, live.hold_until)
            if live.first_byte_at is not None:
                at = min(at, live.first_byte_at)
        else:
            at = min(at, self._dials_end, self._race_at)
        return at

    def handle(self, event: Event, now: float) -> list[Command]:
        """The only entry: returns what is to be done, in order. Late events about the past are ignored."""
        if self.is_over:
            return self._too_late(event)
        match event:
            case Connected(path, warm):
                return self._connected(path, warm, now)
            case HeadArrived(number, status):
                return self._head(number, status, now)
            case BodyArrived(number):
                return self._commit(number, now)
            case Start():
                self._deadline = now + self.policy.total
                self.budget.deposit(now)
                return self._begin_dialing(now)
            case RequestSent(number):
                self._sent(number, now)
                return []
            case AttemptFailed(number, failure):
                return self._attempt_failed(number, failure, Outcome.FAILED, now)
            case DialFailed(path, failure):
                return self._dial_failed(path, failure, now)
            case TimerFired():
                return self._timer_fired(now)
            case BodyDropped():
                self._can_replay = False
                return []
            case ClientLeft():  # pragma: no branch - the last of the union
                return self._finish(Outcome.CANCELLED)

    # --- dialing ---

    def _begin_dialing(self, now: float) -> list[Command]:
        self._dials_end = now + self.policy.dial_deadline
        return self._dial_next(now)

    def _dial_next(self, now: float) -> list[Command]:
        """One more dial, if there is a candidate left; a rival of those under way."""
        path = self._next_candidate()
        if path is None:
            self._race_at = inf
            return []
        tries = self._tried[path] = self._tried.get(path, 0) + 1
        self._dialing.append(path)
        self._race_at = now + self.policy.race_after
        return [Dial(path, again=tries > 1)]

    def _next_candidate(self) -> Path | None:
        """Untried paths first, in rank order, those that avoid the last blame before the others; then, once more,
        the best path where only a connection failed: a reused one, or one that took no more requests."""
        if not self._tried:
            return self.candidates[0] if self.candidates else None
        untried = [p for p in self.candidates if p not in self._tried and not self._endpoint_refused(p)]
        for path in untried:
            if not self._shares_blame(path.line):
                return path
        if untried:
            return untried[0]
        for attempt in self.attempts:
            if _may_be_its_connection(attempt) and self._tried[attempt.path] == 1:
                return attempt.path
        return None

    def _shares_blame(self, line: str) -> bool:
        """Is this line being dialed already, or did an attempt just fail on it?"""
        if any(line == other.line for other in self._dialing):
            return True
        return any(a.path.line == line and a.failure and a.failure.origin is Origin.LINE for a in self.attempts)

    def _endpoint_refused(self, path: Path) -> bool:
        """Has this endpoint answered, with a status that another attempt there wouldn't change?"""
        return any(a.status in REFUSALS | ERRORS and a.path.endpoint == path.endpoint for a in self.attempts)

    def _connected(self, path: Path, warm: bool, now: float) -> list[Command]:
        if path not in self._dialing:
            return [Undial(path)]
        self._dialing.remove(path)
        rivals: list[Command] = [Undial(other) for other in self._dialing]
        self._dialing.clear()
        self._race_at = self._dials_end = inf
        self._live = Attempt(len(self.attempts) + 1, path, warm)
        self.attempts.append(self._live)
        return [*rivals, Send(self._live.number, path)]

    def _dial_failed(self, path: Path, failure: Failure, now: float) -> list[Command]:
        if path not in self._dialing:
            return []
        self._dialing.remove(path)
        self._last_failure = failure
        more = self._dial_next(now)
        if more:
            self.failovers.append(failure.code)
        return more if self._dialing else self._give_up()

    # --- the live attempt ---

    def _sent(self, number: int, now: float) -> None:
        live = self._live
        if live is not None and live.number == number and live.status is None:
            live.first_byte_at = now + self.policy.first_byte

    def _head(self, number: int, status: int, now: float) -> list[Command]:
        live = self._live
        if live is None or live.number != number:
            return []
        live.status = status
        if status in REFUSALS:
            return self._refused(live, Outcome.REFUSED, Verdict.SAFE, now)
        if status in ERRORS:
            return self._refused(live, Outcome.ERROR, Verdict.UNKNOWN, now)
        if status == 101:
            return self._commit(number, now)
        live.hold_until = now + self.policy.commit_hold
        return []

    def _refused(self, live: Attempt, outcome: Outcome, verdict: Verdict, now: float) -> list[Command]:
        """The provider said no. Ask another endpoint if there is one; otherwise this answer is the answer."""
        if self._next_candidate() is None or not self._may_repeat(verdict, now):
            return self._commit(live.number, now)
        live.outcome = outcome
        self.failovers.append(f"status_{live.status}")
        released: list[Command] = []
        if self._held is not None:
            released.append(Cancel(self._held.number))
        self._held, self._live = live, None
        return [*released, *self._begin_dialing(now)]

    def _attempt_failed(self, number: int, failure: Failure, outcome: Outcome, now: float) -> list[Command]:
        if self._held is not None and self._held.number == number:
            self._held = None
            return []
        live = self._live
        if live is None or live.number != number:
            return []
        live.outcome, live.failure = outcome, failure
        self._live, self._last_failure = None, failure
        cut: list[Command] = [Cancel(number)] if outcome is Outcome.TIMEOUT else []
        collateral = _is_collateral(failure, live)
        if self._next_candidate() is not None and self._may_repeat(failure.verdict, now, collateral=collateral):
            self.failovers.append(failure.code)
            return cut + self._begin_dialing(now)
        return cut + self._give_up()

    def _may_repeat(self, verdict: Verdict, now: float, *, collateral: bool = False) -> bool:
        """The replay rules of this module's head. Counts what it allows."""
        if not self._can_replay or len(self.attempts) >= self.policy.max_attempts:
            return False
        billed = verdict is not Verdict.SAFE and self.policy.repeat is Repeat.BILLED
        if verdict is not Verdict.SAFE and self.policy.repeat is Repeat.EFFECT:
            return False
        if billed and self._billed_replays >= self.policy.max_billed_replays:
            return False
        if not self.budget.withdraw(now, collateral=collateral):
            return False
        self._billed_replays += billed
        return True

    def _timer_fired(self, now: float) -> list[Command]:
        if now >= self._deadline:
            self._last_failure = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.DEADLINE, "the request's deadline passed")
            return self._give_up()
        live = self._live
        if live is not None:
            if live.hold_until is not None and now >= live.hold_until:
                return self._commit(live.number, now)
            if live.hold_until is None and live.first_byte_at is not None and now >= live.first_byte_at:
                late = Failure(Origin.ENDPOINT, Verdict.UNKNOWN, Code.HTTP_RESPONSE_TIMEOUT, "no reply in time")
                return self._attempt_failed(live.number, late, Outcome.TIMEOUT, now)
            return []
        if now >= self._dials_end:
            late = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT, "no path could be dialed in time")
            self._last_failure = late
            return self._give_up()
        if now >= self._race_at:
            return self._dial_next(now)
        return []

    # --- ends ---

    def _commit(self, number: int, now: float) -> list[Command]:
        live = self._live
        if live is None or live.number != number:
            return []
        if live.status not in REFUSALS | ERRORS:
            self.budget.earn(now)
        live.outcome = Outcome.COMMITTED
        self._live = None
        return [*self._finish(Outcome.CANCELLED), Commit(number)]

    def _give_up(self) -> list[Command]:
        """The held refusal, if there is one, is the best answer we have."""
        if self._held is not None:
            held, self._held = self._held, None
            held.outcome = Outcome.COMMITTED
            return [*self._finish(Outcome.CANCELLED), Commit(held.number)]
        failure = self._last_failure or Failure(
            Origin.EDGE, Verdict.SAFE, Code.DESTINATION_UNAVAILABLE, "no path leads to this provider"
        )
        return [*self._finish(Outcome.CANCELLED), GiveUp(failure)]

    def _finish(self, outcome: Outcome) -> list[Command]:
        """Lets go of everything that is still open."""
        self.is_over = True
        loose: list[Command] = [Undial(path) for path in self._dialing]
        self._dialing.clear()
        for attempt in (self._live, self._held):
            if attempt is not None:
                if attempt.outcome is Outcome.LIVE:
                    attempt.outcome = outcome
                loose.append(Cancel(attempt.number))
        self._live = self._held = None
        return loose

    def _too_late(self, event: Event) -> list[Command]:
        return [Undial(event.path)] if isinstance(event, Connected) else []


def _may_be_its_connection(attempt: Attempt) -> bool:
    """Did the attempt fail in a way that leaves hope for a fresh connection on the same path?"""
    if attempt.outcome is not Outcome.FAILED or attempt.failure is None:
        return False
    return attempt.warm or attempt.failure.verdict is Verdict.SAFE


def _is_collateral(failure: Failure, attempt: Attempt) -> bool:
    """Did the request only share the end of its connection: of a dead line's, or a pooled one that had gone stale?"""
    if attempt.status is not None:
        return False
    return failure.code == Code.CONNECTION_TIMEOUT or (failure.code == Code.CONNECTION_TERMINATED and attempt.warm)
