"""Alert rules: samples in, notices out, `now` an argument.

    quiet    --condition holds for `for_seconds`-->             firing   (notice FIRED)
    firing   --value back over `clear` for `clear_seconds`-->   quiet    (notice RESOLVED)
    firing   --`repeat_seconds` since it was last told-->       firing   (notice STILL)

A value between `threshold` and `clear` changes nothing: that gap and the two waits keep a value that swings around
its threshold from storming. An unknown value (None) changes nothing either. A subject that isn't sampled any more
is gone: its alert is resolved.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import Enum

from msgspec import Struct


class Measure(Enum):
    """What a rule looks at; the unit of its values."""

    LINE_RTT = "line_rtt"  # seconds, expected now
    LINE_LOSS = "line_loss"  # ratio, over 60 s
    LINE_UTILISATION = "line_utilisation"  # ratio of the line's capacity, the busier direction
    LINE_DOWN = "line_down"  # 1 while the line is ejected
    LINE_FLAPS = "line_flaps"  # ejections in 10 min
    LINES_USABLE = "lines_usable"  # how many lines may carry requests
    SUCCESS = "success"  # ratio of good replies, over 5 min
    AVAILABILITY = "availability"  # ratio of good replies, over 24 h
    TTFT_P95 = "ttft_p95"  # seconds, over about 5 min
    SESSIONS = "sessions"  # requests in flight, WebSockets too
    POOL_REQUESTS = "pool_requests"  # answered by the local pool in the last minute


class Severity(Enum):
    """How soon somebody should look."""

    INFO = "info"
    WARNING = "warning"
    CRITICAL = "critical"


class Sample(Struct, frozen=True, gc=False):
    """One value. `subject` is a line's id, or "" for the node. None: not known."""

    measure: Measure
    subject: str
    value: float | None


@dataclass(frozen=True, slots=True)
class Rule:
    """`threshold` is crossed upwards, or downwards if `clear` lies above it. Waits in seconds.

    `subjects` empty: all. A rule that names a subject takes it from rules of the same measure that name none.
    """

    id: str
    measure: Measure
    threshold: float
    clear: float
    severity: Severity = Severity.WARNING
    for_seconds: float = 60.0
    clear_seconds: float = 60.0
    repeat_seconds: float = 14_400.0
    subjects: tuple[str, ...] = ()

    def holds(self, value: float) -> bool:
        """Is the condition met?"""
        return value < self.threshold if self.is_floor else value > self.threshold

    def is_clear(self, value: float) -> bool:
        """Is the value back where nobody needs to worry?"""
        return value >= self.clear if self.is_floor else value <= self.clear

    @property
    def is_floor(self) -> bool:
        """Does it warn of too little?"""
        return self.clear > self.threshold


class Told(Enum):
    """Why a notice is given."""

    FIRED = "fired"
    STILL = "still firing"
    RESOLVED = "resolved"


class Notice(Struct, frozen=True, gc=False):
    """Something for people to read. `since`: when the condition began, monotonic seconds."""

    told: Told
    rule: Rule
    subject: str
    value: float | None
    since: float
    at: float


class Silence(Struct, frozen=True, gc=False):
    """No notices of `rule` ("*": all) on `subject` ("*": all) until `until`, monotonic seconds. The state goes on."""

    rule: str
    subject: str
    until: float

    def covers(self, rule: str, subject: str, now: float) -> bool:
        """Does it keep this alert quiet?"""
        return now < self.until and self.rule in ("*", rule) and self.subject in ("*", subject)


class Alert(Struct, gc=False):
    """The state of one rule on one subject."""

    rule: Rule
    subject: str
    value: float | None = None
    since: float | None = None  # the condition holds since then
    fired_at: float | None = None
    clear_since: float | None = None
    told_at: float = 0.0

    @property
    def is_firing(self) -> bool:
        return self.fired_at is not None

    def judge(self, value: float | None, now: float) -> Told | None:
        """One more sample."""
        if value is None:
            return None
        self.value = value
        if not self.is_firing:
            return self._watch(value, now)
        if self.rule.is_clear(value):
            self.clear_since = now if self.clear_since is None else self.clear_since
            if now - self.clear_since >= self.rule.clear_seconds:
                self.since = self.fired_at = self.clear_since = None
                return Told.RESOLVED
            return None
        if self.rule.holds(value):
            self.clear_since = None
        return Told.STILL if now - self.told_at >= self.rule.repeat_seconds else None

    def _watch(self, value: float, now: float) -> Told | None:
        if not self.rule.holds(value):
            self.since = None
            return None
        self.since = now if self.since is None else self.since
        if now - self.since < self.rule.for_seconds:
            return None
        self.fired_at = now
        return Told.FIRED


@dataclass(slots=True)
class AlertBook:
    """All rules on all subjects."""

    rules: tuple[Rule, ...]
    silences: list[Silence] = field(default_factory=list)
    _alerts: dict[tuple[str, str], Alert] = field(default_factory=dict)

    def configure(self, rules: tuple[Rule, ...]) -> None:
        """New rules from now on. Alerts of rules that are as they were go on."""
        self.rules = rules
        kept = {rule.id: rule for rule in rules}
        self._alerts = {key: each for key, each in self._alerts.items() if kept.get(key[0]) == each.rule}

    def firing(self) -> list[Alert]:
        """What is wrong now, silenced or not; the longest first."""
        return sorted((each for each in self._alerts.values() if each.is_firing), key=lambda each: each.fired_at or 0.0)

    def judge(self, samples: Iterable[Sample], now: float) -> list[Notice]:
        """One round of samples: what is to be told."""
        self.silences = [silence for silence in self.silences if now < silence.until]
        notices: list[Notice] = []
        seen: set[tuple[str, str]] = set()
        for sample in samples:
            for rule in self._rules_for(sample):
                key = (rule.id, sample.subject)
                seen.add(key)
                alert = self._alerts.setdefault(key, Alert(rule, sample.subject))
                since = alert.since
                told = alert.judge(sample.value, now)
                if told is not None:
                    self._tell(notices, alert, told, alert.since if alert.since is not None else since, now)
        self._forget(seen, notices, now)
        return notices

    def _rules_for(self, sample: Sample) -> list[Rule]:
        same = [rule for rule in self.rules if rule.measure is sample.measure]
        own = [rule for rule in same if sample.subject in rule.subjects]
        return own or [rule for rule in same if not rule.subjects]

    def _tell(self, notices: list[Notice], alert: Alert, told: Told, since: float | None, now: float) -> None:
        alert.told_at = now
        if not any(silence.covers(alert.rule.id, alert.subject, now) for silence in self.silences):
            notices.append(Notice(told, alert.rule, alert.subject, alert.value, now if since is None else since, now))

    def _forget(self, seen: set[tuple[str, str]], notices: list[Notice], now: float) -> None:
        """Subjects that are gone."""
        for key in [key for key in self._alerts if key not in seen]:
            alert = self._alerts.pop(key)
            if alert.is_firing:
                alert.value = None
                self._tell(notices, alert, Told.RESOLVED, alert.since, now)


@dataclass(slots=True)
class Outbox:
    """Gathers notices into few messages: the first after `wait` seconds, further ones at least `interval` apart.

    Of an alert that fired and was resolved meanwhile only the latest notice is told.
    """

    wait: float = 5.0
    interval: float = 60.0
    _held: dict[tuple[str, str], Notice] = field(default_factory=dict)
    _first_at: float = 0.0
    _sent_at: float = float("-inf")

    def add(self, notices: Iterable[Notice], now: float) -> None:
        """Takes notices in."""
        for notice in notices:
            if not self._held:
                self._first_at = now
            key = (notice.rule.id, notice.subject)
            self._held.pop(key, None)
            self._held[key] = notice

    def due(self, now: float) -> list[Notice]:
        """What is to be sent now, as one message; mostly nothing."""
        if not self._held or now < max(self._first_at + self.wait, self._sent_at + self.interval):
            return []
        notices, self._held, self._sent_at = list(self._held.values()), {}, now
        return notices
