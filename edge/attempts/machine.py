"""The decision core of one request: which connection to ask for, where to send, when to fail over, what to commit.

Pure: events in, commands out, `now` an argument. The shell (`runner.py`) performs the commands and reports back.

    >> Start                     << Dial(path)
    >> Connected(path)           << Send(1, path)           (rival dials are left to join the pool)
    >> BodyArrived(1)            << Commit(1)               exactly once; after it only the runner speaks

    >> AttemptFailed(1, …)       << Dial(next path)         if the failure's verdict, the request's own nature
                                                            (Repeat), the attempt limit and the retry budget agree
    >> HeadArrived(1, 429, …)    << Dial(other endpoint)    the reply is held: if nothing better comes, it is committed
    >> LineDark(line)            << Dial(other line)        a second attempt *beside* the first, which stays: whichever
    >> TimerFired (overdue)                                 answers first is committed, the other is cancelled

What may be repeated
- SAFE failures (nothing can have run) always may.
- Otherwise a FREE request may, a BILLED one at most `max_billed_replays` times, an EFFECT one never.
- A refusal by the provider (429, 503, 529) was not executed, so repeating is safe, but only *another endpoint* helps.
- 500, 502 and 504 are answers of unknown fate: another endpoint, under the rule for UNKNOWN.
- A second attempt beside a live one is a repeat of unknown fate. It is made when the line of the first is suspected
  (BILLED ones may be told to wait until it is down), when the reply is overdue by this model's own measure, and for
  speed alone if hedging is on.
- Nothing may once the body can't be replayed or the reply is committed.
- All of that draws on the node's retry budget (hedges: on their own); what an ending connection or a dying line takes
  with it, on what good replies earned.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from math import inf

from edge.attempts.attempt import (
    ERRORS,
    REFUSALS,
    Attempt,
    AttemptPolicy,
    Outcome,
    is_collateral,
    may_be_its_connection,
    may_have_run,
)
from edge.attempts.budget import RetryBudget
from edge.attempts.deadlines import NO_PATIENCE, Patience
from edge.attempts.events import (
    AttemptFailed,
    BodyArrived,
    BodyDropped,
    Cancel,
    ClientLeft,
    Command,
    Commit,
    Connected,
    Dial,
    DialFailed,
    Event,
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
from edge.dialects.facts import Repeat
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

ANSWERED_NO = REFUSALS | ERRORS
WAYS_FAULT = (Origin.LINE, Origin.RELAY)
BROKEN_OFF = frozenset((Code.CONNECTION_TERMINATED, Code.STREAM_RESET))
OVERDUE, HEDGE, SUSPECTED = "overdue", "hedge", "line_suspected"  # reasons of a second attempt; else a failure's code


def _way_of(path: Path) -> Origin:
    """Who is to blame when it isn't the endpoint."""
    return Origin.LINE if path.relay is None else Origin.RELAY


@dataclass(slots=True)
class AttemptMachine:
    """One request's attempts. `handle` every event; when `timer()` has come, handle `TimerFired`.

    `dark` is shared by all requests: lines and relays (`Path.way`) that are down (True) or suspected (False). `hedges`
    is the budget for attempts made for speed alone.
    """

    candidates: tuple[Path, ...]
    policy: AttemptPolicy
    budget: RetryBudget
    dark: Mapping[str, bool] = field(default_factory=dict)
    patience: Patience = NO_PATIENCE
    hedges: RetryBudget | None = None
    attempts: list[Attempt] = field(default_factory=list)
    failovers: list[str] = field(default_factory=list)  # why each further attempt or path was tried
    is_over: bool = False  # committed, given up or left
    _dialing: list[Path] = field(default_factory=list)
    _tried: dict[Path, int] = field(default_factory=dict)  # 0: dialed, but a rival was up first
    _live: list[Attempt] = field(default_factory=list)
    _held: Attempt | None = None  # a refusal kept in case nothing better comes
    _last_failure: Failure | None = None
    _race_at: float = inf
    _dials_end: float = inf
    _hedge_at: float = inf
    _overdue_at: float = inf
    _deadline: float = 0.0
    _can_replay: bool = True

    def timer(self) -> float | None:
        """When to handle `TimerFired` next, monotonic seconds; None once over."""
        if self.is_over:
            return None
        at = min(self._deadline, self._hedge_at, self._overdue_at, self._race_at, self._dials_end)
        for live in self._live:
            due = live.due_at()
            if due < at:
                at = due
        return at

    def handle(self, event: Event, now: float) -> list[Command]:
        """The only entry: returns what is to be done, in order. Late events about the past are ignored."""
        if self.is_over:
            return self._too_late(event)
        match event:
            case Connected(path, warm):
                return self._connected(path, warm)
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
            case LineDark(line):
                return self._rescue(line, now)
            case BodyDropped():
                self._can_replay = False
                return []
            case UploadStalled(number, stalled):
                self._stalled(number, stalled, now)
                return []
            case ClientLeft():  # pragma: no branch - the last of the union
                return self._finish(Outcome.CANCELLED)

    # --- dialing ---

    def _begin_dialing(self, now: float) -> list[Command]:
        self._dials_end = now + self.policy.dial_deadline
        return self._dial_next(now)

    def _dial_next(self, now: float) -> list[Command]:
        """One more dial, if there is a candidate left; a rival of those under way. Beside a live attempt only a path
        that promises better will do."""
        path = self._better_candidate() if self._live else self._next_candidate()
        if path is None:
            self._race_at = inf
            return []
        tries = self._tried[path] = self._tried.get(path, 0) + 1
        self._dialing.append(path)
        self._race_at = now + self.policy.race_after
        return [Dial(path, again=tries > 1)]

    def _next_candidate(self) -> Path | None:
        """Untried paths first, in rank order, those that avoid dark lines and the last blame before the others; then,
        once more, the best path where only a connection failed: a reused one, or one that took no more requests."""
        if not self._tried and not self.dark:
            return self.candidates[0] if self.candidates else None
        better = self._better_candidate()
        if better is not None:
            return better
        untried = self._untried()
        if untried:
            return next((path for path in untried if path.way not in self.dark), untried[0])
        for attempt in self.attempts:
            if may_be_its_connection(attempt) and self._tried[attempt.path] == 1:
                return attempt.path
        return None

    def _better_candidate(self) -> Path | None:
        """An untried path on a line that is neither dark nor in use nor to blame for anything yet. Those never dialed
        come before those that lost a race. A connection that was broken off may have been so by its far end: then
        other endpoints come first."""
        good = [path for path in self._untried() if path.way not in self.dark and not self._shares_blame(path.way)]
        broke = {a.path.endpoint for a in self.attempts if a.failure is not None and a.failure.code in BROKEN_OFF}
        if broke:
            good.sort(key=lambda path: path.endpoint in broke)
        return next((path for path in good if path not in self._tried), good[0] if good else None)

    def _untried(self) -> list[Path]:
        return [path for path in self.candidates if not self._tried.get(path) and not self._endpoint_refused(path)]

    def _shares_blame(self, way: str) -> bool:
        """Is this line or relay being dialed or waited for already, or did an attempt just fail by its fault?"""
        if any(way == other.way for other in self._dialing):
            return True
        return any(
            attempt.path.way == way
            and (attempt.outcome is Outcome.LIVE or (attempt.failure and attempt.failure.origin in WAYS_FAULT))
            for attempt in self.attempts
        )

    def _endpoint_refused(self, path: Path) -> bool:
        """Has this endpoint answered, with a status that another attempt there wouldn't change?"""
        return any(a.status in ANSWERED_NO and a.path.endpoint == path.endpoint for a in self.attempts)

    def _connected(self, path: Path, warm: bool) -> list[Command]:
        if path not in self._dialing:
            return [Undial(path)]
        self._dialing.remove(path)
        rivals = self._stop_dialing()
        live = Attempt(len(self.attempts) + 1, path, warm)
        self._live.append(live)
        self.attempts.append(live)
        return [*rivals, Send(live.number, path)]

    def _stop_dialing(self) -> list[Command]:
        """Those that lost the race did nothing wrong: they may be dialed again."""
        self._race_at = self._dials_end = inf
        if not self._dialing:
            return []
        stopped: list[Command] = [Undial(path) for path in self._dialing]
        for path in self._dialing:
            self._tried[path] -= 1
        self._dialing.clear()
        return stopped

    def _dial_failed(self, path: Path, failure: Failure, now: float) -> list[Command]:
        if path not in self._dialing:
            return []
        self._dialing.remove(path)
        self._last_failure = failure
        more = self._dial_next(now)
        if more:
            self.failovers.append(failure.code)
        if self._dialing:
            return more
        self._race_at = self._dials_end = inf
        return [] if self._live else self._give_up()

    # --- live attempts ---

    def _find(self, number: int) -> Attempt | None:
        for live in self._live:
            if live.number == number:
                return live
        return None

    def _sent(self, number: int, now: float) -> None:
        live = self._find(number)
        if live is None:
            return
        live.sent_at, live.flow_by = now, None
        if live.status is None:
            live.first_byte_at = now + self.policy.first_byte
        if len(self._live) == 1 and live.status not in REFUSALS:
            if self.patience.hedge_after is not None:
                self._hedge_at = now + self.patience.hedge_after
            if self.patience.overdue_after is not None:
                self._overdue_at = now + self.patience.overdue_after

    def _stalled(self, number: int, stalled: bool, now: float) -> None:
        live = self._find(number)
        if live is not None and live.sent_at is None:
            live.flow_by = now + self.policy.upload_stall if stalled else None

    def _head(self, number: int, status: int, now: float) -> list[Command]:
        live = self._find(number)
        if live is None:
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
        """The provider said no. Wait for the other attempt if there is one, ask another endpoint if there is one;
        otherwise this answer is the answer."""
        is_alone = len(self._live) == 1 and not self._dialing
        if is_alone and (self._next_candidate() is None or not self._may_repeat(verdict, now)):
            return self._commit(live.number, now)
        live.outcome = outcome
        released: list[Command] = []
        if self._held is not None:
            released.append(Cancel(self._held.number))
        self._held = live
        self._no_longer_live(live)
        if not is_alone:
            return released
        self.failovers.append(f"status_{live.status}")
        return [*released, *self._begin_dialing(now)]

    def _no_longer_live(self, live: Attempt) -> None:
        self._live.remove(live)
        if not self._live:
            self._hedge_at = self._overdue_at = inf

    def _attempt_failed(self, number: int, failure: Failure, outcome: Outcome, now: float) -> list[Command]:
        if self._held is not None and self._held.number == number:
            self._held = None
            return []
        live = self._find(number)
        if live is None:
            return []
        live.outcome, live.failure = outcome, failure
        self._no_longer_live(live)
        self._last_failure = failure
        cut: list[Command] = [Cancel(number)] if outcome is Outcome.TIMEOUT else []
        if self._live:
            return cut + self._rescue(self._live[0].path.way, now)
        if self._dialing:
            return cut
        collateral = is_collateral(failure, live)
        if self._next_candidate() is not None and self._may_repeat(failure.verdict, now, collateral=collateral):
            self.failovers.append(failure.code)
            return cut + self._begin_dialing(now)
        return cut + self._give_up()

    def _may_repeat(self, verdict: Verdict, now: float, *, collateral: bool = False) -> bool:
        """The replay rules of this module's head, and the budget's word. Counts what it allows."""
        return self._is_repeatable(verdict) and self.budget.withdraw(now, collateral=collateral)

    def _is_repeatable(self, verdict: Verdict) -> bool:
        if not self._can_replay or len(self.attempts) >= self.policy.max_attempts:
            return False
        if verdict is Verdict.SAFE or self.policy.repeat is Repeat.FREE:
            return True
        if self.policy.repeat is Repeat.EFFECT:
            return False
        return sum(map(may_have_run, self.attempts)) <= self.policy.max_billed_replays

    # --- a second attempt beside a live one ---

    def _rescue(self, line: str, now: float) -> list[Command]:
        """A line or relay went dark. If all that is under way is on dark ones, something else must be begun; what is
        under way stays, for the line may come back first. What goes through a relay is never on a dark line: its
        session moves it to another one by itself."""
        used = [path.way for path in self._dialing] + [live.path.way for live in self._live]
        if line not in used or any(other not in self.dark for other in used) or self._better_candidate() is None:
            return []
        if not self._live:
            return self._dial_next(now)  # a rival, at once
        are_down = all(self.dark[live.path.way] for live in self._live)
        if not are_down and self.policy.repeat is not Repeat.FREE and not self.policy.rescue_early:
            return []  # paid for: only once it is certain
        unsent = [live for live in self._live if live.sent_at is None]
        if (unsent and not are_down) or not self._may_repeat(Verdict.UNKNOWN, now, collateral=True):
            return []
        self.failovers.append(Code.LINE_DOWN if are_down else SUSPECTED)
        return [*map(self._abandon, unsent), *self._begin_dialing(now)]

    def _abandon(self, live: Attempt) -> Command:
        """Its body is still on the way and can feed one attempt at a time: this one makes room."""
        live.outcome = Outcome.FAILED
        silent = f"{'line ' if live.path.relay is None else ''}{live.path.way} went silent"
        live.failure = Failure(_way_of(live.path), Verdict.UNKNOWN, Code.LINE_DOWN, silent)
        self._last_failure = live.failure
        self._no_longer_live(live)
        return Cancel(live.number)

    def _beside(self, reason: str, budget: RetryBudget, now: float) -> list[Command]:
        """One more attempt while the only one is silent, if the rules, a better path and the budget allow it."""
        if self._dialing or len(self._live) != 1 or self._better_candidate() is None:
            return []
        if not self._is_repeatable(Verdict.UNKNOWN) or not budget.withdraw(now):
            return []
        self.failovers.append(reason)
        return self._begin_dialing(now)

    # --- time ---

    def _timer_fired(self, now: float) -> list[Command]:
        if now >= self._deadline:
            self._last_failure = Failure(Origin.EDGE, Verdict.UNKNOWN, Code.DEADLINE, "the request's deadline passed")
            return self._give_up()
        for live in self._live:
            if now >= live.due_at():
                return self._late(live, now)
        if now >= self._dials_end:
            return self._dials_late()
        if now >= self._race_at:
            return self._dial_next(now)
        if now >= self._overdue_at:
            self._overdue_at = inf
            return self._beside(OVERDUE, self.budget, now)
        if now >= self._hedge_at:
            self._hedge_at = inf
            return self._beside(HEDGE, self.hedges or self.budget, now)
        return []

    def _late(self, live: Attempt, now: float) -> list[Command]:
        """Whose fault? The line's if it is dark; else it carries other things well, so the far end's."""
        if live.hold_until is not None:
            return self._commit(live.number, now)
        origin = _way_of(live.path) if live.path.way in self.dark else Origin.ENDPOINT
        if live.first_byte_at is None:
            late = Failure(origin, Verdict.UNKNOWN, Code.CONNECTION_WRITE_TIMEOUT, "the request body was not taken")
        else:
            late = Failure(origin, Verdict.UNKNOWN, Code.HTTP_RESPONSE_TIMEOUT, "no reply in time")
        return self._attempt_failed(live.number, late, Outcome.TIMEOUT, now)

    def _dials_late(self) -> list[Command]:
        if self._live:
            return self._stop_dialing()
        self._last_failure = Failure(
            Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT, "no path could be dialed in time"
        )
        return self._give_up()

    # --- ends ---

    def _commit(self, number: int, now: float) -> list[Command]:
        live = self._find(number)
        if live is None:
            return []
        if live.status not in ANSWERED_NO:
            self.budget.earn(now)
        live.outcome = Outcome.COMMITTED
        self._live.remove(live)
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
        loose = self._stop_dialing()
        for live in self._live:
            live.outcome = outcome
            loose.append(Cancel(live.number))
        if self._held is not None:
            loose.append(Cancel(self._held.number))
        self._live.clear()
        self._held = None
        return loose

    def _too_late(self, event: Event) -> list[Command]:
        return [Undial(event.path)] if isinstance(event, Connected) else []
