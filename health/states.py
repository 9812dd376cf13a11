"""What is kept of each line, path and far end: counts, estimates, records. The board feeds them and reads them.

Which figures are believed: real traffic outranks probes when it is plentiful (three samples in five seconds); else the
kind of probe that has been answered most speaks for the path.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from health.loss import ProbeLoss, loss_figures
from health.probe import ProbeKind, ProbeResult
from health.quantiles import Quantiles
from health.round_trips import PeakEwma, RoundTrips
from health.standing import Record, Standing, StandingRules
from health.suspicion import Silence, SuspicionRules
from health.view import EndpointHealth, LineHealth, LossFigures, PathHealth, RttFigures
from health.windows import Rate, RatioWindow
from transport.failure import Origin
from transport.path import Path
from transport.sample import TransportSample

PLENTY, PLENTY_SECONDS = 3, 5.0  # samples of real traffic that outrank probes
FRESH = 15.0  # seconds; a kind of probe that was answered longer ago speaks only when no other does
MUTE_AFTER = 20  # probes in a row without an answer, while the line works: that kind is filtered here
STALE_RTT = 1.0  # seconds since the last acknowledgement, after which a kernel's estimate is old news
RELIABLE = frozenset((ProbeKind.TCP, ProbeKind.TLS, ProbeKind.HTTP))  # retransmitted by themselves
TIMED = frozenset((ProbeKind.ICMP, ProbeKind.TCP, ProbeKind.TLS, ProbeKind.QUIC, ProbeKind.SESSION))
RECKONED_EVERY, AGED = 0.4, 5.0  # seconds
_FIRST_BYTE_HALF_LIFE = 300.0


class Source:
    """One kind of probe on one path."""

    __slots__ = ("has_answered", "loss", "lost_in_a_row", "round_trips")

    def __init__(self) -> None:
        self.round_trips = RoundTrips()
        self.loss = ProbeLoss()
        self.has_answered = False
        self.lost_in_a_row = 0

    def add(self, result: ProbeResult, now: float) -> None:
        """One result. What couldn't be sent says nothing about who answers."""
        if result.failure is not None and result.failure.origin is not Origin.ENDPOINT:
            return
        is_lost = result.rtt is None and result.failure is None
        self.lost_in_a_row = self.lost_in_a_row + 1 if is_lost else 0
        if not is_lost:
            self.has_answered = True
        if self.has_answered:
            self.loss.add(result, now)
        is_timely = not (result.is_late or result.is_duplicate)
        if result.rtt is not None and is_timely and result.kind in TIMED:
            self.round_trips.add(result.rtt, now)

    @property
    def is_mute(self) -> bool:
        """Does its silence say nothing? It never answered, or hasn't for long: somebody filters it."""
        return not self.has_answered or self.lost_in_a_row >= MUTE_AFTER


class PathState:
    """One line to one far end."""

    __slots__ = (
        "_health",
        "_health_at",
        "arrivals",
        "endpoint",
        "failing_since",
        "failures",
        "first_byte",
        "in_flight",
        "is_dirty",
        "line",
        "lost_in_a_row",
        "passive",
        "path",
        "record",
        "segments",
        "sources",
        "throughput",
        "told",
        "told_since",
        "worked_at",
    )

    def __init__(self, path: Path, line: LineState, endpoint: EndpointState, now: float) -> None:
        self.path = path
        self.line = line
        self.endpoint = endpoint
        self.record = Record(admitted_at=now)
        self.told, self.told_since = Standing.ADMITTED, now
        self.sources: dict[ProbeKind, Source] = {}
        self.passive = RoundTrips()
        self.segments = RatioWindow()  # sent by real traffic, and sent again
        self.arrivals = RatioWindow()  # received by real traffic, and after a gap
        self.throughput = PeakEwma(60.0)
        self.first_byte = Quantiles(_FIRST_BYTE_HALF_LIFE, now)
        self.in_flight = 0
        self.worked_at = float("-inf")
        self.failing_since: float | None = None  # the first failure since it last worked
        self.failures = 0  # since it last worked
        self.lost_in_a_row = 0  # probes that are retransmitted by themselves
        self.is_dirty = True
        self._health = PathHealth()
        self._health_at = float("-inf")

    def source(self, kind: ProbeKind) -> Source:
        source = self.sources.get(kind)
        if source is None:
            source = self.sources[kind] = Source()
        return source

    def worked(self, now: float) -> None:
        self.worked_at = now
        self.failing_since = None
        self.failures = self.lost_in_a_row = 0

    def broke(self, now: float) -> None:
        self.failures += 1
        if self.failing_since is None:
            self.failing_since = now

    def sampled(self, sample: TransportSample, now: float) -> None:
        """One look at one of its connections."""
        if sample.srtt > 0.0 and sample.heard_ago < STALE_RTT:
            self.passive.add_smoothed(sample.srtt, sample.rttvar, now)
        if sample.segments > 0:
            self.segments.add(now, sample.segments, sample.retransmits)
        if sample.segments_received > 0:
            self.arrivals.add(now, sample.segments_received, sample.out_of_order)
        rate = sample.delivery_rate_bps
        if rate > 0.0 and (not sample.is_app_limited or rate > self.throughput.value):
            self.throughput.add(rate, now)

    def speaker(self, now: float) -> RoundTrips | None:
        """The round trips to believe."""
        if self.passive.is_plentiful(PLENTY, PLENTY_SECONDS, now):
            return self.passive
        probes = [source.round_trips for source in self.sources.values()]
        known = [each for each in (self.passive, *probes) if each.samples]
        return max(known, key=lambda each: (each.newest_at > now - FRESH, each.samples), default=None)

    def lossy(self) -> list[ProbeLoss]:
        """The probes whose losses count: of all kinds that are answered, the one sent most often."""
        speaking = [source.loss for source in self.sources.values() if not source.is_mute]
        return [max(speaking, key=lambda loss: loss.counted)] if speaking else []

    def health(self, now: float) -> PathHealth:
        """Its picture. Windows and quantiles are reckoned anew at most every 0.4 s, and after 5 s without news."""
        age = now - self._health_at
        if age >= (RECKONED_EVERY if self.is_dirty else AGED):
            self._health, self._health_at, self.is_dirty = self._figures(now), now, False
        elif self.is_dirty:
            record = self.record
            self._health = replace(
                self._health,
                standing=record.standing(now),
                reason=record.reason,
                since=record.since(now),
                in_flight=self.in_flight,
            )
        return self._health

    def _figures(self, now: float) -> PathHealth:
        speaker = self.speaker(now)
        return PathHealth(
            standing=self.record.standing(now),
            reason=self.record.reason,
            since=self.record.since(now),
            rtt=speaker.figures(now) if speaker is not None else None,
            loss=loss_figures(self.lossy(), [self.segments], [self.arrivals], now),
            first_byte_p50=self.first_byte.quantile(0.5, now),
            first_byte_p95=self.first_byte.quantile(0.95, now),
            throughput_bps=self.throughput.value or None,
            in_flight=self.in_flight,
        )


class LineState:
    """One line over all its far ends."""

    __slots__ = (
        "_health",
        "_health_at",
        "answered_at",
        "down",
        "forced",
        "in_flight",
        "is_dirty",
        "is_suspected",
        "jitter",
        "line",
        "outcomes",
        "paths",
        "record",
        "rtt",
        "silence",
        "suspected_since",
        "told",
        "told_since",
        "up",
        "why",
    )

    def __init__(self, line: str, rules: SuspicionRules, now: float) -> None:
        self.line = line
        self.record = Record(admitted_at=now)
        self.told, self.told_since = Standing.ADMITTED, now
        self.silence = Silence(rules)
        self.forced = ""  # why somebody else suspects it
        self.is_suspected = False
        self.why = ""
        self.suspected_since = 0.0
        self.paths: dict[Path, PathState] = {}
        self.outcomes = RatioWindow()  # what it was asked to carry, and failed to
        self.up, self.down = Rate(), Rate()
        self.in_flight = 0
        self.answered_at = float("-inf")  # a probe of any kind was answered
        self.rtt: float | None = None  # of its farthest far end: the patience to have with it
        self.jitter = 0.0
        self.is_dirty = True
        self._health = LineHealth()
        self._health_at = float("-inf")

    def works_since(self, moment: float, but: PathState) -> bool:
        """Did another far end, or a probe, answer over this line after `moment`?"""
        return self.answered_at > moment or any(
            other is not but and other.worked_at > moment for other in self.paths.values()
        )

    def heard(self, at: float, now: float) -> None:
        self.silence.heard(at, now, self.rtt, self.jitter)

    def health(self, now: float, rules: StandingRules) -> LineHealth:
        """Its picture, reckoned as seldom as those of its paths."""
        age = now - self._health_at
        if age >= (RECKONED_EVERY if self.is_dirty else AGED):
            self._health, self._health_at, self.is_dirty = self._figures(now, rules), now, False
        elif self.is_dirty:
            record = self.record
            self._health = replace(
                self._health,
                standing=record.standing(now),
                is_suspected=self.is_suspected,
                reason=self.why or record.reason,
                since=record.since(now),
                in_flight=self.in_flight,
                flaps=record.flaps(now, rules),
            )
        return self._health

    def _figures(self, now: float, rules: StandingRules) -> LineHealth:
        known = [figures for path in self.paths.values() if (figures := path.health(now).rtt) is not None]
        farthest = max(known, key=lambda figures: figures.median, default=None)
        self.rtt, self.jitter = (farthest.median, farthest.jitter) if farthest is not None else (None, 0.0)
        bad = self.outcomes.ratio(300.0, now)
        return LineHealth(
            standing=self.record.standing(now),
            is_suspected=self.is_suspected,
            reason=self.why or self.record.reason,
            since=self.record.since(now),
            rtt=_nearest(known),
            loss=self._loss(now),
            in_flight=self.in_flight,
            up_bps=self.up.per_second(now) * 8.0,
            down_bps=self.down.per_second(now) * 8.0,
            success_ratio=None if bad is None else 1.0 - bad,
            flaps=self.record.flaps(now, rules),
        )

    def _loss(self, now: float) -> LossFigures | None:
        paths = self.paths.values()
        return loss_figures(
            [loss for path in paths for loss in path.lossy()],
            [path.segments for path in paths],
            [path.arrivals for path in paths],
            now,
        )


def _nearest(known: Iterable[RttFigures]) -> RttFigures | None:
    """A line's round trip is that to its nearest far end: the rest of the way isn't the line's."""
    return min(known, key=lambda figures: figures.median, default=None)


class EndpointState:
    """One far end over all lines: can it be reached, and does it answer?"""

    __slots__ = (
        "answers",
        "endpoint",
        "is_dirty",
        "paths",
        "penalised_until",
        "reach",
        "replies",
        "told",
        "told_since",
    )

    def __init__(self, endpoint: str, now: float) -> None:
        self.endpoint = endpoint
        self.reach = Record(admitted_at=now)
        self.answers = Record(admitted_at=now)
        self.told, self.told_since = Standing.ADMITTED, now
        self.replies = RatioWindow()
        self.penalised_until = 0.0
        self.is_dirty = False
        self.paths: dict[Path, PathState] = {}

    def worse(self, now: float) -> Record:
        """The record that says what it is worth now."""
        return max(self.reach, self.answers, key=lambda record: (_SEVERITY[record.standing(now)], record.since(now)))

    def health(self, now: float) -> EndpointHealth:
        record = self.worse(now)
        bad = self.replies.ratio(300.0, now)
        return EndpointHealth(
            standing=record.standing(now),
            reason=record.reason,
            since=record.since(now),
            penalised_until=self.penalised_until if self.penalised_until > now else None,
            success_ratio=None if bad is None else 1.0 - bad,
        )


_SEVERITY = {Standing.ADMITTED: 0, Standing.PROBATION: 1, Standing.EJECTED: 2}
