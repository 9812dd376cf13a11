"""The health board: takes observations, gives out immutable views.

Who is blamed for a failure? Its origin says who *may* be: CLIENT and EDGE are nobody here, LINE or ENDPOINT is asked
whether it works elsewhere.

- A line is ejected when it fails wherever it was tried lately; a far end when it fails over all lines that work.
- What fails while its line and its far end both work elsewhere is the path: it is ejected alone.
- A reply, whatever its status, shows that the line works. 5xx count against the far end, 429/503/529 are a penalty that
  passes, never an ejection.
- While this process stood still, or all lines are silent at once, silence is nobody's fault.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace

from health.change import Change, Kind
from health.first_bytes import FirstBytes
from health.probe import ProbeKind, ProbeResult
from health.rules import HealthRules, QualityRules
from health.standing import Record, Standing, StandingRules
from health.subjects import RELIABLE, EndpointState, LineState, PathState
from health.suspicion import Stage, SuspicionRules
from health.view import HealthView
from transport.failure import Code, Failure, Origin
from transport.path import LOCAL, Path
from transport.sample import TransportSample

FIGURES_EVERY = 0.15  # seconds between two pictures that differ in figures only
PROBES_LOST = 6  # in a row, that retransmit by themselves, while the line is heard: the path is dead
NOTICEABLE_LAG = 0.1  # seconds that this process stood still, from which on silence is its own fault
BAD_REPLIES = 5  # in a row, until others are asked first: one caller's bad request may be sent again a few times
TIMEOUTS = frozenset(
    (
        Code.CONNECTION_TIMEOUT,
        Code.CONNECTION_READ_TIMEOUT,
        Code.CONNECTION_WRITE_TIMEOUT,
        Code.DNS_TIMEOUT,
        Code.HTTP_RESPONSE_TIMEOUT,
        Code.IDLE_TIMEOUT,
    )
)
LATELY = 60.0  # seconds for which an outcome says whether a far end can be reached
SILENT = "silent"
FAR_END = "fails over all lines, and they work elsewhere"
REFUSALS = frozenset((429, 503, 529))
NEUTRAL = REFUSALS | {501, 505}  # say nothing about whether the far end is well


def _nobody(change: Change) -> None:
    """Nobody listens."""


class HealthBoard:
    """One per process; only the event loop's thread touches it. Whoever owns it calls `tick` about every 50 ms, because
    silence is noticed by looking at the clock. Paths of the local pool are not its business."""

    def __init__(self, rules: StandingRules | None = None) -> None:
        defaults = HealthRules()
        self.rules = rules or defaults.standing
        self.quality: QualityRules = defaults.quality
        self.suspicion: SuspicionRules = defaults.suspicion
        self.on_change: Callable[[Change], None] = _nobody
        self.first_bytes = FirstBytes()
        self._lines: dict[str, LineState] = {}
        self._paths: dict[Path, PathState] = {}
        self._endpoints: dict[str, EndpointState] = {}
        self._failing: set[str] = set()  # far ends with a path that fails
        self._held = False  # all lines are silent at once
        self._blind_until = float("-inf")
        self._judged_at = float("-inf")
        self._view = HealthView()
        self._made_at = float("-inf")
        self._valid_until = float("inf")
        self._is_dirty = False
        self._is_urgent = False

    # --- who there is ---

    def configure(self, rules: HealthRules, lines: Iterable[str], now: float) -> None:
        """The configuration's numbers, and all lines there are: others are forgotten."""
        self.rules, self.quality, self.suspicion = rules.standing, rules.quality, rules.suspicion
        for line in self._lines.values():
            line.silence.rules = rules.suspicion
        ids = list(lines)
        self.forget(ids)
        self.first_bytes.forget(set(ids) | {LOCAL})
        for each in ids:
            self._line(each, now)

    def forget(self, keep: Iterable[str]) -> None:
        """Lines were removed from the configuration."""
        kept = set(keep)
        for line in [line for line in self._lines if line not in kept]:
            del self._lines[line]
        for path in [path for path in self._paths if path.line not in kept]:
            del self._paths[path]
            endpoint = self._endpoints[path.endpoint]
            del endpoint.paths[path]
            if not endpoint.paths:
                del self._endpoints[path.endpoint]
                self._failing.discard(path.endpoint)
        self._is_urgent = True

    # --- what dials, connections and requests tell ---

    def succeeded(self, path: Path, now: float) -> None:
        """The line of `path` carried something: a finished dial, a reply's head."""
        if path.line != LOCAL:
            state = self._path(path, now)
            self._worked(state, now)
            self._lines[path.line].outcomes.add(now)
            self._dirty(state)

    def failed(self, path: Path, failure: Failure, now: float) -> None:
        """A dial or a connection on `path` failed."""
        if path.line == LOCAL or failure.origin in (Origin.CLIENT, Origin.EDGE):
            return
        if now < self._blind_until and failure.code in TIMEOUTS:
            return
        state = self._path(path, now)
        state.broke(now)
        self._failing.add(path.endpoint)
        reason = failure.code
        if failure.origin is Origin.LINE:
            self._lines[path.line].outcomes.add(now, 1, 1)
            self._line_failed(state, reason, now)
        else:
            self._endpoint_failed(state, reason, now)
        self._dirty(state)

    def replied(self, path: Path, status: int, now: float) -> None:
        """A reply's head came."""
        if path.line == LOCAL:
            return
        self.succeeded(path, now)
        if status in NEUTRAL:
            return
        endpoint = self._endpoints[path.endpoint]
        is_bad = status >= 500
        endpoint.replies.add(now, 1, int(is_bad))
        if is_bad:
            endpoint.answers.fail(now, replace(self.rules, consecutive_failures=BAD_REPLIES), f"replies {status}")
        elif _has_history(endpoint.answers):
            endpoint.answers.succeed(now, self.rules)
        else:
            return
        self._settle_endpoint(endpoint, now)

    def penalise(self, endpoint: str, seconds: float, now: float) -> None:
        """The endpoint refused a request (429, 503, 529) and may have said for how long (Retry-After)."""
        state = self._endpoint(endpoint, now)
        state.penalised_until = max(state.penalised_until, now + seconds)
        self._is_urgent = True

    def began(self, path: Path) -> None:
        """A request was sent on `path`: `ended` must follow."""
        state = self._paths.get(path)
        if state is not None:
            state.in_flight += 1
            self._lines[path.line].in_flight += 1
            self._dirty(state)

    def ended(self, path: Path, ok: bool, now: float) -> None:
        """It is over. `ok` False: the line broke under it after its reply had begun."""
        state = self._paths.get(path)
        if state is not None:
            line = self._lines[path.line]
            state.in_flight = max(0, state.in_flight - 1)
            line.in_flight = max(0, line.in_flight - 1)
            if not ok:
                line.outcomes.add(now, 1, 1)
            self._dirty(state)

    def carried(self, path: Path, up_bytes: int, down_bytes: int, now: float) -> None:
        """Bytes of bodies that the line carried since this was last told."""
        line = self._lines.get(path.line)
        if line is not None:
            line.up.add(up_bytes, now)
            line.down.add(down_bytes, now)
            line.is_dirty = self._is_dirty = True

    def first_byte(self, path: Path, model: str, seconds: float, now: float) -> None:
        """A streamed reply began `seconds` after its request had gone out."""
        self.first_bytes.add(path, model, seconds, now)
        state = self._paths.get(path)
        if state is not None:
            state.first_byte.add(seconds, now)
            self._dirty(state)

    # --- what asking tells ---

    def round_trip(self, path: Path, seconds: float, now: float) -> None:
        """A PING of real traffic was answered."""
        if path.line != LOCAL:
            state = self._path(path, now)
            state.passive.add(seconds, now)
            self._heard(state, now - seconds, now)

    def kernel(self, path: Path, sample: TransportSample, now: float) -> None:
        """One look at one connection in use."""
        if path.line == LOCAL:
            return
        state = self._path(path, now)
        state.sampled(sample, now)
        self._heard(state, now - sample.heard_ago, now)
        if sample.silent_for > 0.0:
            self._lines[path.line].silence.asked(now - sample.silent_for)

    def asked(self, path: Path, kind: ProbeKind, now: float) -> None:
        """A probe is sent now. Optional, but without it a loss is known only when the probe's time is up."""
        state = self._paths.get(path)
        source = state.sources.get(kind) if state is not None else None
        if source is not None and not source.is_mute:
            self._lines[path.line].silence.asked(now)

    def probed(self, result: ProbeResult, now: float) -> None:
        """A probe was answered, refused or lost."""
        path = result.path
        if path.line == LOCAL or result.is_duplicate:
            return
        state = self._path(path, now)
        source = state.source(result.kind)
        source.add(result, now)
        if result.rtt is not None:
            self._answered(state, result, now)
        elif result.failure is not None:
            self.failed(path, result.failure, now)
        elif source.has_answered and result.loop_lag < NOTICEABLE_LAG:
            self._unanswered(state, source.is_mute, result, now)
        self._dirty(state)

    def suspect(self, line: str, reason: str, now: float) -> None:
        """Somebody else (a session, say) has reason to think that the line fails: suspected until `relieve`."""
        state = self._line(line, now)
        state.forced = reason
        self._judge_silence(state, now)

    def relieve(self, line: str, now: float) -> None:
        """The reason is gone."""
        state = self._line(line, now)
        state.forced = ""
        self._judge_silence(state, now)

    def wants_fast_probes(self, line: str, now: float) -> bool:
        """Should the line be asked ten times a second for a while?"""
        state = self._lines.get(line)
        return state is not None and (state.is_suspected or state.silence.wants_fast_probes(now))

    # --- what time tells ---

    def tick(self, now: float, lag: float = 0.0) -> None:
        """Looks at the clock. `lag`: for how long this process stood still since the last call, beyond the interval."""
        if lag >= NOTICEABLE_LAG:
            self._blind_until = now + NOTICEABLE_LAG
            for line in self._lines.values():
                line.silence.excuse(lag)
        for line in self._lines.values():
            line.judge(now)
        self._judge_all_silent(now)
        for line in list(self._lines.values()):
            self._judge_silence(line, now)
        for each in list(self._failing):
            self._judge_endpoint(self._endpoints[each], now)
        if now - self._judged_at >= 1.0:
            self._judged_at = now
            self._judge_quality(now)
        self._settle_all(now)

    def view(self, now: float) -> HealthView:
        """The current picture; the same object until something changes, and while only figures change for 150 ms."""
        if self._is_urgent or now >= self._valid_until or (self._is_dirty and now >= self._made_at + FIGURES_EVERY):
            self._make(now)
        return self._view

    # --- evidence ---

    def _worked(self, state: PathState, now: float) -> None:
        """Something of TCP's or above has worked on this path."""
        state.worked(now)
        line, endpoint = self._lines[state.path.line], self._endpoints[state.path.endpoint]
        line.heard(now, now)
        if _has_history(state.record):
            state.record.succeed(now, self.rules)
            self._settle("path", str(state.path), state, now)
        if _has_history(line.record):
            if line.record.is_common:
                self._pardon(now)
            line.record.succeed(now, self.rules)
            self._settle("line", line.line, line, now)
        if _has_history(endpoint.reach):
            endpoint.reach.succeed(now, self.rules)
            self._settle_endpoint(endpoint, now)

    def _heard(self, state: PathState, at: float, now: float) -> None:
        self._lines[state.path.line].heard(at, now)
        self._dirty(state)

    def _answered(self, state: PathState, result: ProbeResult, now: float) -> None:
        line = self._lines[state.path.line]
        line.heard(result.sent_at, now)
        line.seen_at = now
        if result.kind is ProbeKind.ICMP:
            if line.record.standing(now) is Standing.PROBATION and line.record.reason.startswith(SILENT):
                line.record.succeed(now, self.rules)  # it is what it was ejected for
                self._settle("line", line.line, line, now)
            return
        for record in (line.record, state.record, self._endpoints[state.path.endpoint].reach):
            if record.ejected_until is not None and result.sent_at > record.ejected_at + self._penance(record, now):
                record.try_again(now)
        self._worked(state, now)

    def _penance(self, record: Record, now: float) -> float:
        """Seconds after which a probe's answer ends an ejection early: flapping makes them long."""
        flaps = record.flaps(now, self.rules)
        return min(self.rules.longest_ejection, self.rules.base_ejection * 2.0 ** max(0, flaps - 1))

    def _unanswered(self, state: PathState, is_mute: bool, result: ProbeResult, now: float) -> None:
        line = self._lines[state.path.line]
        if not is_mute:
            line.silence.asked(result.sent_at)
        if result.kind in RELIABLE and line.silence.alive_at > result.sent_at:
            state.lost_in_a_row += 1
            if state.lost_in_a_row >= PROBES_LOST:
                state.lost_in_a_row = 0
                state.broke(now)
                self._failing.add(state.path.endpoint)
                if state.record.standing(now) is not Standing.EJECTED:
                    state.record.eject(now, self.rules, f"{PROBES_LOST} probes lost while the line works")
                    self._settle("path", str(state.path), state, now)

    # --- blame ---

    def _line_failed(self, state: PathState, reason: str, now: float) -> None:
        line, endpoint = self._lines[state.path.line], self._endpoints[state.path.endpoint]
        if line.record.standing(now) is Standing.EJECTED:
            return
        if line.record.failures + 1 >= self.rules.consecutive_failures and self._is_far_ends_fault(endpoint, now):
            endpoint.reach.fail(now, replace(self.rules, consecutive_failures=1), FAR_END)
            self._acquit(endpoint, now)
            return
        everywhere = line.fails_everywhere(state, now)
        if line.record.fail(now, self.rules, reason, may_eject=everywhere):
            self._line_bears_it(line, now)
            self._note_common(now)
        else:
            state.record.fail(now, self.rules, reason)
            if line.record.failures >= self.rules.consecutive_failures:
                line.silence.doubt(now)  # fast probes will tell whether it is the line after all
        self._settle("line", line.line, line, now)
        self._settle("path", str(state.path), state, now)

    def _note_common(self, now: float) -> None:
        """All lines are out: that is more likely one fault than many, and ends for all when it ends for one."""
        records = [line.record for line in self._lines.values()]
        if len(records) > 1 and all(record.standing(now) is not Standing.ADMITTED for record in records):
            for record in records:
                record.is_common = True

    def _pardon(self, now: float) -> None:
        """One of them works again."""
        for line in self._lines.values():
            if line.record.is_common:
                line.record.is_common = False
                line.record.try_again(now)

    def _line_bears_it(self, line: LineState, now: float) -> None:
        """A line was ejected: its paths have nothing to answer for."""
        for path in line.paths.values():
            path.record.acquit()
            self._settle("path", str(path.path), path, now)

    def _endpoint_failed(self, state: PathState, reason: str, now: float) -> None:
        """Something that only the far end can do, a refusal say: over one line it may still be somebody on the way."""
        endpoint = self._endpoints[state.path.endpoint]
        works = any(path is not state and path.failing_since is None and path.worked_at > now - 10.0
                    for path in endpoint.paths.values())  # fmt: skip
        if not endpoint.reach.fail(now, self.rules, reason, may_eject=not works):
            state.record.fail(now, self.rules, reason)
        self._settle("path", str(state.path), state, now)
        self._settle_endpoint(endpoint, now)

    def _judge_endpoint(self, endpoint: EndpointState, now: float) -> None:
        """Fails over every line it was tried with lately, while these lines work: it is the far end's fault."""
        if all(path.failing_since is None for path in endpoint.paths.values()):
            self._failing.discard(endpoint.endpoint)
        elif endpoint.reach.ejected_until is None and self._is_far_ends_fault(endpoint, now):
            endpoint.reach.eject(now, self.rules, FAR_END)
            self._acquit(endpoint, now)

    def _is_far_ends_fault(self, endpoint: EndpointState, now: float) -> bool:
        """Do all lines it was tried with fail to it, two at least, and work elsewhere?"""
        tried = [path for path in endpoint.paths.values() if path.failing_since or path.worked_at > now - LATELY]
        return len(tried) > 1 and all(
            path.failing_since is not None and self._lines[path.path.line].works_since(path.failing_since, path)
            for path in tried
        )

    def _acquit(self, endpoint: EndpointState, now: float) -> None:
        """The far end bears it: its paths, and the lines that were taken for dead because of it, don't."""
        for path in endpoint.paths.values():
            line = self._lines[path.path.line]
            path.record.acquit()
            self._settle("path", str(path.path), path, now)
            line.record.failures = 0
            if not line.record.reason.startswith(SILENT):
                line.record.try_again(now)
            self._settle("line", line.line, line, now)
        self._settle_endpoint(endpoint, now)

    # --- silence ---

    def _judge_all_silent(self, now: float) -> None:
        """When all are silent at once it is the far side, or ourselves: nobody is ejected for it."""
        watched = [line for line in self._lines.values()
                   if line.silence.is_known and line.record.standing(now) is not Standing.EJECTED]  # fmt: skip
        silent = len(watched) > 1 and all(line.silence.stage is not Stage.HEARD for line in watched)
        if self._held and not silent:
            for line in watched:
                line.silence.settle(now)
        held = silent and any(line.silence.stage is Stage.DOWN for line in watched)
        if held or not silent:
            self._is_urgent |= held is not self._held
            self._held = held

    def _judge_silence(self, line: LineState, now: float) -> None:
        stage = line.silence.stage
        if stage is Stage.DOWN and not self._held:
            self._eject_silent(line, now)
        is_suspected = bool(line.forced) or stage >= Stage.SUSPECTED
        if is_suspected is not line.is_suspected:
            line.is_suspected = is_suspected
            line.why = (
                (line.forced or f"silent for {line.silence.silent_for(now) * 1000:.0f} ms") if is_suspected else ""
            )
            words = ("relieved", "suspected") if is_suspected else ("suspected", "relieved")
            line.is_dirty = self._is_urgent = True
            self.on_change(Change(now, "line", line.line, *words, line.why or "heard again"))

    def _eject_silent(self, line: LineState, now: float) -> None:
        record = line.record
        if record.standing(now) is Standing.EJECTED or record.reason.startswith(SILENT):
            record.prolong(now + self.rules.base_ejection)
            return
        late = line.silence.late(now, line.rtt, line.jitter)
        reason = f"{SILENT}: no answer to {late} questions in {line.silence.silent_for(now) * 1000:.0f} ms"
        record.eject(now, self.rules, reason)
        self._line_bears_it(line, now)
        self._settle("line", line.line, line, now)

    # --- quality ---

    def _judge_quality(self, now: float) -> None:
        """Too slow, or too many failures: out, as long as enough lines are left."""
        out = sum(line.record.ejected_until is not None for line in self._lines.values())
        for line in self._lines.values():
            reason = self._fault(line, now)
            if not reason or line.record.standing(now) is Standing.EJECTED:
                continue
            out += line.record.ejected_until is None
            if out > self.quality.most_ejected * len(self._lines):
                return
            line.record.eject(now, self.rules, reason)
            line.outcomes.clear()
            self._settle("line", line.line, line, now)

    def _fault(self, line: LineState, now: float) -> str:
        """Why the line is too bad; empty: it isn't, or too little is known."""
        rules = self.quality
        known = line.health(now, self.rules).rtt
        if known is not None and known.median > rules.highest_rtt and known.at > now - 15.0:
            return f"round trip {known.median * 1000:.0f} ms"
        everything, bad = line.outcomes.totals(rules.success_window, now)
        if everything >= rules.least_volume and 1.0 - bad / everything < rules.least_success:
            return f"{bad} of {everything} failed in {rules.success_window:.0f} s"
        return ""

    # --- pictures ---

    def _dirty(self, state: PathState) -> None:
        state.is_dirty = self._lines[state.path.line].is_dirty = self._is_dirty = True

    def _settle(self, kind: Kind, id: str, subject: LineState | PathState, now: float) -> None:
        """Tells of a standing that has changed."""
        standing = subject.record.standing(now)
        if standing is not subject.told:
            subject.is_dirty = True
            before, subject.told = subject.told, standing
            self._tell(kind, id, before, standing, subject.record.reason, now)

    def _settle_endpoint(self, endpoint: EndpointState, now: float) -> None:
        record = endpoint.worse(now)
        standing = record.standing(now)
        self._is_urgent = True
        if standing is not endpoint.told:
            before, endpoint.told = endpoint.told, standing
            self._tell("endpoint", endpoint.endpoint, before, standing, record.reason, now)

    def _tell(self, kind: Kind, id: str, before: Standing, after: Standing, reason: str, now: float) -> None:
        self._is_urgent = True
        self.on_change(Change(now, kind, id, before.value, after.value, reason or "answers again"))

    def _settle_all(self, now: float) -> None:
        """Standings that time alone has changed."""
        for line in list(self._lines.values()):
            self._settle("line", line.line, line, now)
        for path in list(self._paths.values()):
            self._settle("path", str(path.path), path, now)
        for endpoint in list(self._endpoints.values()):
            if endpoint.told is not Standing.ADMITTED:
                self._settle_endpoint(endpoint, now)

    def _make(self, now: float) -> None:
        endpoints = self._endpoints.values()
        lines = {each.line: each.health(now, self.rules) for each in self._lines.values()}
        self._view = HealthView(
            lines=lines,
            paths={path: state.health(now) for path, state in self._paths.items()},
            endpoints={each.endpoint: each.health(now) for each in endpoints},
            is_panic=self._held or (bool(lines) and all(each.standing is Standing.EJECTED for each in lines.values())),
        )
        self._made_at, self._is_dirty, self._is_urgent = now, False, False
        self._valid_until = now + 1.0 if self._paths else float("inf")
        for until in self._deadlines():
            if now < until < self._valid_until:
                self._valid_until = until

    def _deadlines(self) -> Iterator[float]:
        """When a standing or a penalty ends by itself."""
        records = [line.record for line in self._lines.values()]
        records += [path.record for path in self._paths.values()]
        for endpoint in self._endpoints.values():
            records += (endpoint.reach, endpoint.answers)
            yield endpoint.penalised_until
        for record in records:
            if record.ejected_until is not None:
                yield record.ejected_until

    # --- states, made when they are first named ---

    def _line(self, line: str, now: float) -> LineState:
        state = self._lines.get(line)
        if state is None:
            state = self._lines[line] = LineState(line, self.suspicion, now)
            self._is_urgent = True
        return state

    def _endpoint(self, endpoint: str, now: float) -> EndpointState:
        state = self._endpoints.get(endpoint)
        if state is None:
            state = self._endpoints[endpoint] = EndpointState(endpoint, now)
        return state

    def _path(self, path: Path, now: float) -> PathState:
        state = self._paths.get(path)
        if state is None:
            state = self._paths[path] = PathState(path, now)
            self._line(path.line, now).paths[path] = state
            self._endpoint(path.endpoint, now).paths[path] = state
        return state


def _has_history(record: Record) -> bool:
    """Is there anything that a success would change?"""
    return bool(record.failures or record.ejections or record.ejected_until is not None)
