"""The health board: takes observations, gives out immutable views.

Who is blamed for a failure, `health.blame` says; who has gone silent or is too bad, `health.outliers`. A reply,
whatever its status, shows that the line works: 5xx count against the far end, 429/503/529 are a penalty that passes,
never an ejection. While this process stood still silence is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator

from health.blame import TIMEOUTS, Blame
from health.change import Change
from health.first_bytes import FirstBytes
from health.outliers import Outliers
from health.probe import ProbeKind, ProbeResult
from health.relays import Relays
from health.rules import HealthRules
from health.standing import Standing, StandingRules
from health.subjects import Subjects
from health.view import HealthView
from transport.failure import Failure, Origin
from transport.path import LOCAL, Path, relay_end
from transport.sample import TransportSample

FIGURES_EVERY = 0.15  # seconds between two pictures that differ in figures only
NOTICEABLE_LAG = 0.1  # seconds that this process stood still, from which on silence is its own fault
AFTER = 0.001  # seconds: what waits since the last acknowledgement wasn't answered by it
NEUTRAL = frozenset((429, 501, 503, 505, 529))  # statuses that don't say whether the far end is well


class HealthBoard:
    """One per process; only the event loop's thread touches it. Whoever owns it calls `tick` about every 50 ms, because
    silence is noticed by looking at the clock. Paths of the local pool are not its business."""

    def __init__(self, rules: StandingRules | None = None) -> None:
        self._all = Subjects(rules or HealthRules().standing)
        self._blame = Blame(self._all)
        self._outliers = Outliers(self._all, self._blame)
        self._relays = Relays(self._all)
        self.first_bytes = FirstBytes()
        self._blind_until = float("-inf")
        self._judged_at = float("-inf")
        self._view = HealthView()
        self._made_at = float("-inf")
        self._valid_until = float("inf")

    # --- who there is, who listens ---

    @property
    def rules(self) -> StandingRules:
        """When to eject and for how long."""
        return self._all.rules

    @rules.setter
    def rules(self, rules: StandingRules) -> None:
        self._all.rules = rules

    @property
    def on_change(self) -> Callable[[Change], None]:
        """Called at once with every change of a standing or a suspicion."""
        return self._all.on_change

    @on_change.setter
    def on_change(self, listener: Callable[[Change], None]) -> None:
        self._all.on_change = listener

    def configure(
        self,
        rules: HealthRules,
        lines: Iterable[str],
        now: float,
        endpoints: Iterable[str] | None = None,
        relays: Iterable[str] = (),
    ) -> None:
        """The configuration's numbers, and all lines, far ends and relays there are: others are forgotten."""
        everything, ids, relay_ids = self._all, list(lines), list(relays)
        ends = None if endpoints is None else [*endpoints, *map(relay_end, relay_ids)]
        everything.rules, everything.quality, everything.suspicion = rules.standing, rules.quality, rules.suspicion
        for line in everything.lines.values():
            line.silence.rules = rules.suspicion
        everything.keep(ids, ends)
        self._relays.keep(relay_ids, ends, now)
        self.first_bytes.forget({*ids, LOCAL}, set(relay_ids))
        for each in ids:
            everything.line(each, now)

    # --- what dials, connections and requests tell ---

    def succeeded(self, path: Path, now: float) -> None:
        """The line or relay of `path` carried something: a finished dial, a reply's head."""
        if path.relay is not None:
            self._relays.worked(path, now)
        elif path.line != LOCAL:
            state = self._all.path(path, now)
            self._blame.worked(state, now)
            state.line.outcomes.add(now)
            self._all.touch(state)

    def failed(self, path: Path, failure: Failure, now: float) -> None:
        """A dial or a connection on `path` failed; through a relay, a request."""
        if path.line == LOCAL or failure.origin in (Origin.CLIENT, Origin.EDGE):
            return
        if now < self._blind_until and failure.code in TIMEOUTS:
            return
        if path.relay is not None:
            self._relays.failed(path, failure, now)
            return
        state = self._all.path(path, now)
        self._blame.failed(state, failure, now)
        self._all.touch(state)

    def replied(self, path: Path, status: int, now: float) -> None:
        """A reply's head came."""
        self.succeeded(path, now)
        if status not in NEUTRAL and path.line != LOCAL:
            self._blame.replied(self._all.endpoint(path.endpoint, now), status, now)

    def penalise(self, endpoint: str, seconds: float, now: float) -> None:
        """The endpoint refused a request (429, 503, 529) and may have said for how long (Retry-After)."""
        state = self._all.endpoint(endpoint, now)
        state.penalised_until = max(state.penalised_until, now + seconds)
        self._all.is_urgent = True

    def began(self, path: Path) -> None:
        """A request was sent on `path`: `ended` must follow."""
        if path.relay is not None:
            self._relays.began(path)
            return
        state = self._all.paths.get(path)
        if state is not None:
            state.in_flight += 1
            state.line.in_flight += 1
            self._all.touch(state)

    def ended(self, path: Path, ok: bool, now: float) -> None:
        """It is over. `ok` False: the line broke under it after its reply had begun."""
        if path.relay is not None:
            self._relays.ended(path)
            return
        state = self._all.paths.get(path)
        if state is not None:
            state.in_flight = max(0, state.in_flight - 1)
            state.line.in_flight = max(0, state.line.in_flight - 1)
            if not ok:
                state.line.outcomes.add(now, 1, 1)
            self._all.touch(state)

    def carried(self, path: Path, up_bytes: int, down_bytes: int, now: float) -> None:
        """Bytes of bodies that the line carried since this was last told."""
        self.transferred(path.line, up_bytes, down_bytes, now)

    def transferred(self, line_id: str, up_bytes: int, down_bytes: int, now: float) -> None:
        """Bytes that went over a line since this was last told, for whomever."""
        line = self._all.lines.get(line_id)
        if line is not None:
            line.up.add(up_bytes, now)
            line.down.add(down_bytes, now)
            line.is_dirty = self._all.is_dirty = True

    def first_byte(self, path: Path, model: str, seconds: float, now: float) -> None:
        """A streamed reply began `seconds` after its request had gone out."""
        self.first_bytes.add(path, model, seconds, now)
        if path.relay is not None:
            self._relays.first_byte(path, seconds, now)
            return
        state = self._all.paths.get(path)
        if state is not None:
            state.first_byte.add(seconds, now)
            self._all.touch(state)

    # --- what asking tells ---

    def round_trip(self, path: Path, seconds: float, now: float) -> None:
        """A PING of real traffic was answered."""
        if path.line != LOCAL:
            state = self._all.path(path, now)
            state.passive.add(seconds, now)
            state.line.heard(now - seconds, now)
            self._all.touch(state)

    def kernel(self, path: Path, sample: TransportSample, now: float) -> None:
        """One look at one connection in use."""
        if path.line == LOCAL:
            return
        state = self._all.path(path, now)
        state.sampled(sample, now)
        heard_at = now - sample.heard_ago
        state.line.heard(heard_at, now)
        if sample.silent_for > 0.0:
            state.line.silence.asked(max(now - sample.silent_for, heard_at + AFTER))
            if sample.retransmits:
                state.line.silence.asked(now)
        self._all.touch(state)

    def asked(self, path: Path, kind: ProbeKind, now: float) -> None:
        """A probe is sent now. Without this call a loss is known only when the probe's time is up."""
        state = self._all.paths.get(path)
        source = state.sources.get(kind) if state is not None else None
        if state is not None and source is not None and not source.is_mute:
            state.line.silence.asked(now)

    def probed(self, result: ProbeResult, now: float) -> None:
        """A probe was answered, refused or lost."""
        path = result.path
        if path.line == LOCAL:
            return
        state = self._all.path(path, now)
        source = state.source(result.kind)
        source.add(result, now)
        if result.is_duplicate:
            return
        if result.rtt is not None:
            self._blame.answered(state, result, now)
        elif result.failure is not None:
            self.failed(path, result.failure, now)
        elif source.has_answered and result.loop_lag < NOTICEABLE_LAG:
            if not source.is_mute:
                state.line.silence.asked(result.sent_at)
            self._blame.probe_lost(state, result, now)
        self._all.touch(state)

    # --- what sessions with relays tell ---

    def relay(self, relay: str, why_not: str, now: float, *, is_draining: bool = False) -> None:
        """A relay takes new requests (`why_not` empty), or doesn't any more."""
        self._relays.ready(relay, why_not, is_draining, now)

    def suspect_relay(self, relay: str, reason: str, now: float) -> None:
        """Nothing is heard of it over any line; "": it is heard again."""
        self._relays.suspect(relay, reason, now)

    def relay_broke(self, relay: str, reason: str, now: float) -> None:
        """The session with it has ended, and not in order."""
        self._relays.broke(relay, reason, now)

    def relay_round_trip(self, relay: str, seconds: float, now: float) -> None:
        """Over the line that the session goes by now."""
        self._relays.round_trip(relay, seconds, now)

    def carrier(self, line: str, relay: str, sample: TransportSample, now: float) -> None:
        """One look at a carrier of a session: the line to the relay, as a far end of its own. What is silent there says
        nothing here, since sessions judge silence themselves and `suspect`; what is heard acquits the line."""
        state = self._all.path(Path(line, relay_end(relay)), now)
        state.sampled(sample, now)
        heard_at = now - sample.heard_ago
        state.line.heard(heard_at, now)
        if heard_at > state.worked_at:
            state.worked(heard_at)
        self._all.touch(state)

    def suspect(self, line: str, reason: str, now: float) -> None:
        """Somebody else (a session, say) has reason to think that the line fails: suspected until `relieve`."""
        state = self._all.line(line, now)
        state.forced = reason
        self._outliers.suspect(state, now)

    def relieve(self, line: str, now: float) -> None:
        """The reason is gone."""
        self.suspect(line, "", now)

    def wants_fast_probes(self, line: str, now: float) -> bool:
        """Should the line be asked ten times a second for a while?"""
        state = self._all.lines.get(line)
        return state is not None and (state.is_suspected or state.silence.wants_fast_probes(now))

    # --- what time tells ---

    def tick(self, now: float, lag: float = 0.0) -> None:
        """Looks at the clock. `lag`: for how long this process stood still since the last call, beyond the interval."""
        if lag >= NOTICEABLE_LAG:
            self._blind_until = now + NOTICEABLE_LAG
            self._outliers.excuse(lag)
        self._outliers.judge_silence(now)
        self._blame.judge(now)
        if now - self._judged_at >= 1.0:
            self._judged_at = now
            self._outliers.judge_quality(now)
        self._all.settle(now)
        self._relays.settle(now)

    def view(self, now: float) -> HealthView:
        """The current picture; the same object until something changes, and while only figures change for 150 ms."""
        everything = self._all
        is_due = everything.is_dirty and now >= self._made_at + FIGURES_EVERY
        if everything.is_urgent or is_due or now >= self._valid_until:
            self._make(now)
        return self._view

    def _make(self, now: float) -> None:
        everything = self._all
        lines = {each.line: each.health(now, everything.rules) for each in everything.lines.values()}
        are_out = bool(lines) and all(each.standing is Standing.EJECTED for each in lines.values())
        self._view = HealthView(
            lines=lines,
            paths={path: state.health(now) for path, state in everything.paths.items()} | self._relays.paths(now),
            endpoints={each.endpoint: each.health(now) for each in everything.endpoints.values()},
            relays=self._relays.health(now),
            is_panic=are_out or self._outliers.all_silent,
        )
        self._made_at, everything.is_dirty, everything.is_urgent = now, False, False
        longest = now + 1.0 if everything.paths else float("inf")  # figures age
        self._valid_until = min((at for at in self._deadlines() if at > now), default=longest)
        self._valid_until = min(self._valid_until, longest)

    def _deadlines(self) -> Iterator[float]:
        """When a standing or a penalty ends by itself."""
        records = [line.record for line in self._all.lines.values()]
        records += [path.record for path in self._all.paths.values()]
        records += self._relays.records()
        for endpoint in self._all.endpoints.values():
            records += (endpoint.reach, endpoint.answers)
            yield endpoint.penalised_until
        yield from (record.ejected_until for record in records if record.ejected_until is not None)
