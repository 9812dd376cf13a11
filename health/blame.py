"""Whose fault is it? A failure's origin says who may be asked; the answer is where else it works.

- A line is ejected when it fails wherever it was tried lately; while another far end was reached over it, only the path
  is, and the line is probed faster until that is clear.
- A far end is ejected when it fails over all lines it was tried with, two at least, while these work elsewhere: then
  its paths and lines are acquitted.
- What fails while its line and its far end both work elsewhere is the path: it is ejected alone.
- When all lines are out that is more likely one fault than many: it ends for all when it ends for one.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from health.probe import ProbeKind, ProbeResult
from health.standing import Record, Standing
from health.states import RELIABLE, EndpointState, LineState, PathState
from health.subjects import Subjects
from transport.failure import Code, Failure, Origin

LATELY = 60.0  # seconds for which an outcome says whether a far end can be reached over a line
JUST_NOW = 10.0  # seconds for which another success acquits
HEARD = 2.5  # seconds: a line that answered what was asked so lately isn't dead
PROBES_LOST = 6  # in a row, that retransmit by themselves, while the line is heard: the path is dead
BAD_REPLIES = 5  # in a row, until others are asked first: one caller's bad request may be sent again a few times
FAR_END = "fails over all lines, and they work elsewhere"
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
SILENT = "silent"  # begins the reason of who was ejected for silence


class Blame:
    """Judges what observations say about the records of lines, paths and far ends."""

    def __init__(self, subjects: Subjects) -> None:
        self._all = subjects
        self._failing: set[str] = set()  # far ends with a path that fails

    # --- evidence for ---

    def worked(self, state: PathState, now: float) -> None:
        """Something of TCP's or above has worked on this path."""
        state.worked(now)
        line, endpoint, rules = state.line, state.endpoint, self._all.rules
        line.heard(now, now)
        if state.record.has_history:
            state.record.succeed(now, rules)
            self._all.settle_path(state, now)
        if line.record.has_history:
            self._pardon(line, now)
            line.record.succeed(now, rules)
            self._all.settle_line(line, now)
        if endpoint.reach.has_history:
            endpoint.reach.succeed(now, rules)
            self._all.settle_endpoint(endpoint, now)

    def answered(self, state: PathState, result: ProbeResult, now: float) -> None:
        """A probe was answered. An echo shows that packets pass: that is all a line ejected for silence lacked."""
        line = state.line
        line.heard(result.sent_at, now)
        line.answered_at = now
        if result.kind is not ProbeKind.ICMP:
            for record in (line.record, state.record, state.endpoint.reach):
                self._shorten(record, result.sent_at, now)
            self.worked(state, now)
        elif line.record.reason.startswith(SILENT):
            line.record.succeed(now, self._all.rules)
            self._all.settle_line(line, now)

    def _shorten(self, record: Record, sent_at: float, now: float) -> None:
        """An answer to a question asked after the ejection ends it early; flapping makes that later."""
        rules = self._all.rules
        penance = rules.base_ejection * 2.0 ** max(0, record.flaps(now, rules) - 1)
        if record.standing(now) is Standing.EJECTED and sent_at > record.ejected_at + penance:
            record.try_again(now)

    def _pardon(self, line: LineState, now: float) -> None:
        if line.record.is_common:
            for each in self._all.lines.values():
                if each.record.is_common:
                    each.record.is_common = False
                    each.record.try_again(now)

    # --- evidence against ---

    def failed(self, state: PathState, failure: Failure, now: float) -> None:
        """A dial, a connection or a probe failed, by the line's or the far end's fault."""
        state.broke(now)
        self._failing.add(state.path.endpoint)
        if failure.origin is Origin.LINE:
            state.line.outcomes.add(now, 1, 1)
            self._line_failed(state, failure.code, now)
        else:
            self._far_end_failed(state, failure.code, now)
        self._all.settle_line(state.line, now)
        self._all.settle_path(state, now)
        self._all.settle_endpoint(state.endpoint, now)

    def _line_failed(self, state: PathState, reason: str, now: float) -> None:
        line, rules = state.line, self._all.rules
        if line.record.standing(now) is Standing.EJECTED:
            return
        if reason in TIMEOUTS and _is_heard(state, now):
            return  # that connection has lost its packets: the line and the path carry others'
        if self._is_far_ends_fault(state.endpoint, now):
            self._far_end_bears_it(state.endpoint, now)
        elif line.record.fail(now, rules, reason, may_eject=not _works_elsewhere(line.paths.values(), state, now)):
            self._line_bears_it(line, now)
            self._note_common(now)
        else:
            state.record.fail(now, rules, reason)
            if line.record.failures >= rules.consecutive_failures:
                line.silence.doubt(now)  # fast probes will tell whether it is the line after all

    def _far_end_failed(self, state: PathState, reason: str, now: float) -> None:
        """Something that only the far end can do, a refusal say: over one line it may still be somebody on the way."""
        endpoint, rules = state.endpoint, self._all.rules
        works = _works_elsewhere(endpoint.paths.values(), state, now)
        if not endpoint.reach.fail(now, rules, reason, may_eject=not works):
            state.record.fail(now, rules, reason)

    def probe_lost(self, state: PathState, result: ProbeResult, now: float) -> None:
        """A probe was not answered in time. One of those that retransmit tells of the path, if the line is heard."""
        if result.kind not in RELIABLE or state.line.silence.alive_at <= result.sent_at:
            return
        state.lost_in_a_row += 1
        if state.lost_in_a_row >= PROBES_LOST and state.record.standing(now) is not Standing.EJECTED:
            state.lost_in_a_row = 0
            state.broke(now)
            self._failing.add(state.path.endpoint)
            state.record.eject(now, self._all.rules, f"{PROBES_LOST} probes lost while the line works")
            self._all.settle_path(state, now)

    def replied(self, endpoint: EndpointState, status: int, now: float) -> None:
        """5xx in a row: others first. Half of all replies being 5xx: the same."""
        rules = self._all.rules
        is_bad = status >= 500
        endpoint.replies.add(now, 1, int(is_bad))
        if is_bad:
            endpoint.answers.fail(now, replace(rules, consecutive_failures=BAD_REPLIES), f"replies {status}")
        elif endpoint.answers.has_history:
            endpoint.answers.succeed(now, rules)
        else:
            return
        self._all.settle_endpoint(endpoint, now)

    # --- who bears it ---

    def judge(self, now: float) -> None:
        """Far ends that fail, in the light of what was learnt since."""
        for name in list(self._failing):
            endpoint = self._all.endpoints.get(name)
            if endpoint is None or all(path.failing_since is None for path in endpoint.paths.values()):
                self._failing.discard(name)
            elif endpoint.reach.ejected_until is None and self._is_far_ends_fault(endpoint, now):
                self._far_end_bears_it(endpoint, now)

    def _is_far_ends_fault(self, endpoint: EndpointState, now: float) -> bool:
        paths = endpoint.paths.values()
        tried = [path for path in paths if path.failing_since is not None or path.worked_at > now - LATELY]
        return (
            len(tried) > 1
            and sum(path.failures for path in tried) >= self._all.rules.consecutive_failures
            and all(
                path.failing_since is not None and path.line.works_since(path.failing_since, path) for path in tried
            )
        )

    def _far_end_bears_it(self, endpoint: EndpointState, now: float) -> None:
        """It is ejected; its paths, and the lines that were taken for dead because of it, are not."""
        endpoint.reach.fail(now, replace(self._all.rules, consecutive_failures=1), FAR_END)
        for path in endpoint.paths.values():
            path.record.acquit()
            path.line.record.failures = 0
            if not path.line.record.reason.startswith(SILENT):
                path.line.record.try_again(now)
            self._all.settle_path(path, now)
            self._all.settle_line(path.line, now)
        self._all.settle_endpoint(endpoint, now)

    def _line_bears_it(self, line: LineState, now: float) -> None:
        for path in line.paths.values():
            path.record.acquit()
            self._all.settle_path(path, now)

    def _note_common(self, now: float) -> None:
        records = [line.record for line in self._all.lines.values()]
        if len(records) > 1 and all(record.ejected_until is not None for record in records):
            for record in records:
                record.is_common = True

    def eject_line(self, line: LineState, reason: str, now: float) -> None:
        """For its silence, or its quality."""
        line.record.eject(now, self._all.rules, reason)
        self._line_bears_it(line, now)
        self._all.settle_line(line, now)


def _is_heard(state: PathState, now: float) -> bool:
    """Was the line heard at this moment, and has this path worked just now?"""
    return state.line.silence.alive_at > now - HEARD and state.worked_at > now - JUST_NOW


def _works_elsewhere(paths: Iterable[PathState], but: PathState, now: float) -> bool:
    """Did another of these paths work just now, and hasn't failed since?"""
    return any(path is not but and path.failing_since is None and path.worked_at > now - JUST_NOW for path in paths)
