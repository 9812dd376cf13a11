"""What only time shows: lines that have gone silent, and lines that are too bad to be used."""

from __future__ import annotations

from health.blame import SILENT, Blame
from health.change import Change
from health.standing import Standing
from health.states import LineState
from health.subjects import Subjects
from health.suspicion import Stage

FRESH_RTT = 15.0  # seconds; an older round trip ejects nobody


class Outliers:
    """Looks at all lines when the clock ticks."""

    def __init__(self, subjects: Subjects, blame: Blame) -> None:
        self._all = subjects
        self._blame = blame
        self.all_silent = False

    def excuse(self, lag: float) -> None:
        """This process stood still for so long."""
        for line in self._all.lines.values():
            line.silence.excuse(lag)

    # --- silence ---

    def judge_silence(self, now: float) -> None:
        lines = list(self._all.lines.values())
        for line in lines:
            line.silence.judge(now, line.rtt, line.jitter)
        self._judge_all(lines, now)
        for line in lines:
            if line.silence.stage is Stage.DOWN and not self.all_silent:
                self._down(line, now)
            self.suspect(line, now)

    def _judge_all(self, lines: list[LineState], now: float) -> None:
        """When all are silent at once it is the far side, or ourselves: nobody is ejected for it."""
        watched = [each for each in lines if each.silence.is_known and each.told is not Standing.EJECTED]
        are_silent = len(watched) > 1 and all(line.silence.stage is not Stage.HEARD for line in watched)
        was = self.all_silent
        if was and not are_silent:
            for line in watched:
                line.silence.settle(now)
        self.all_silent = are_silent and (was or any(line.silence.stage is Stage.DOWN for line in watched))
        self._all.is_urgent |= was is not self.all_silent

    def _down(self, line: LineState, now: float) -> None:
        """Ejected, and as long as it stays silent; that counts as one ejection."""
        record = line.record
        if record.standing(now) is Standing.EJECTED or record.reason.startswith(SILENT):
            record.prolong(now + self._all.rules.base_ejection)
            return
        late, silent = line.silence.late(now, line.rtt, line.jitter), line.silence.silent_for(now)
        self._blame.eject_line(line, f"{SILENT}: no answer to {late} questions in {silent * 1000:.0f} ms", now)

    def suspect(self, line: LineState, now: float) -> None:
        """Tells when a suspicion begins or ends."""
        is_suspected = bool(line.forced) or line.silence.stage >= Stage.SUSPECTED
        if is_suspected is line.is_suspected:
            return
        line.is_suspected = is_suspected
        line.is_dirty = self._all.is_urgent = True
        silent = f"silent for {line.silence.silent_for(now) * 1000:.0f} ms"
        line.why = (line.forced or silent) if is_suspected else ""
        before, after = ("relieved", "suspected") if is_suspected else ("suspected", "relieved")
        self._all.on_change(Change(now, "line", line.line, before, after, line.why or "heard again"))

    # --- quality ---

    def judge_quality(self, now: float) -> None:
        """Too slow, or too many failures: out, as long as enough lines are left."""
        lines = self._all.lines.values()
        out = sum(line.record.ejected_until is not None for line in lines)
        for line in lines:
            reason = self._fault(line, now)
            if not reason or line.record.standing(now) is Standing.EJECTED:
                continue
            is_new = line.record.ejected_until is None
            if is_new and out + 1 > self._all.quality.most_ejected * len(lines):
                continue
            out += is_new
            line.outcomes.clear()
            self._blame.eject_line(line, reason, now)
        self._judge_answers(now)

    def _fault(self, line: LineState, now: float) -> str:
        """Why the line is too bad; empty: it isn't, or too little is known."""
        rules = self._all.quality
        rtt = line.health(now, self._all.rules).rtt
        if rtt is not None and rtt.median > rules.highest_rtt and rtt.at > now - FRESH_RTT:
            return f"round trip {rtt.median * 1000:.0f} ms"
        count, bad = line.outcomes.totals(rules.success_window, now)
        if count >= rules.least_volume and 1.0 - bad / count < rules.least_success:
            return f"{bad} of {count} failed in {rules.success_window:.0f} s"
        return ""

    def _judge_answers(self, now: float) -> None:
        """A far end of whose replies most are 5xx is not the one to ask first."""
        rules = self._all.quality
        for endpoint in self._all.endpoints.values():
            count, bad = endpoint.replies.totals(rules.success_window, now)
            if count < rules.least_volume or 1.0 - bad / count >= rules.least_answered:
                continue
            if endpoint.answers.standing(now) is not Standing.EJECTED:
                endpoint.replies.clear()
                endpoint.answers.eject(now, self._all.rules, f"{bad} of {count} replies 5xx")
                self._all.settle_endpoint(endpoint, now)
