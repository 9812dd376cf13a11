"""Replies and the provider's records → figures and verdicts. Times are seconds of the window."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import pairwise
from typing import Any

from netem.bench.record import Reply
from netem.bench.stats import quantile
from tests.bench.failover.judging import Fates, doubled, fates

Quantiles = tuple[float, float, float, float]
"""p50, p95, p99 and the largest."""


def quantiles(values: Sequence[float]) -> Quantiles | None:
    """None of nothing."""
    if not values:
        return None
    return quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0.99), max(values)


@dataclass(frozen=True, slots=True)
class Gap:
    """One stream that was under way: its longest silence in a span of time, and its longest one outside of it."""

    longest: float
    usual: float

    @property
    def extra(self) -> float:
        """What the span cost it."""
        return max(self.longest - self.usual, 0.0)


def gaps(replies: Iterable[Reply], begins: float, ends: float) -> list[Gap]:
    """Of the streams that had begun to speak when the span began. A silence counts if it touches the span."""
    found = []
    for reply in replies:
        if not reply.arrivals or not reply.arrivals[0] < begins <= reply.arrivals[-1]:
            continue
        moments = reply.arrivals if reply.is_clean else (*reply.arrivals, reply.ended)
        inside = [after - before for before, after in pairwise(moments) if before < ends and after > begins]
        outside = [after - before for before, after in pairwise(moments) if before >= ends or after <= begins]
        found.append(Gap(max(inside, default=0.0), max(outside, default=0.0)))
    return found


def altered(replies: Iterable[Reply], records: Iterable[Mapping[str, Any]], tokens: int) -> int:
    """Complete replies whose bytes aren't those of any reply that the provider sent, each counted for one."""
    sent = Counter((int(each["bytes_written"]), int(each["crc_written"])) for each in records if each["executed"])
    found = 0
    for reply in replies:
        if reply.outcome(tokens) != "complete" or not reply.body_bytes:
            continue
        key = (reply.body_bytes, reply.body_crc)
        if sent[key]:
            sent[key] -= 1
        else:
            found += 1
    return found


def executions(records: Iterable[Mapping[str, Any]]) -> dict[str, int]:
    """How often each request was executed, by its id at the provider."""
    return dict(Counter(str(each["id"]) for each in records if each["executed"]))


@dataclass(frozen=True, slots=True)
class Outcome:
    """A turn's replies, judged."""

    name: str
    fates: Fates = field(default_factory=Fates)
    altered: int = 0
    doubled: int = 0
    ttft: Quantiles | None = None
    gap: Quantiles | None = None  # longest of each stream under way at the event
    extra: Quantiles | None = None
    met: tuple[Gap, ...] = ()  # of the streams under way at the event
    done: tuple[str, ...] = ()  # what was done, in words
    troubles: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""
    may_fail: bool = False

    @property
    def under_way(self) -> int:
        """How many streams the event met."""
        return len(self.met)

    @property
    def is_right(self) -> bool:
        """Nothing lost, repeated, altered or executed twice, and nothing failed that needn't."""
        told = self.fates
        wrong = self.altered + self.doubled + told.truncated + told.lost + told.repeated
        failed = 0 if self.may_fail else told.refused + told.cut
        return not wrong and not failed and not self.fault


def outcome(
    name: str,
    replies: Sequence[Reply],
    records: Sequence[Mapping[str, Any]],
    tokens: int,
    span: tuple[float, float] | None = None,
    *,
    done: Sequence[str] = (),
    troubles: Mapping[str, float] | None = None,
    fault: str = "",
    may_fail: bool = False,
) -> Outcome:
    """`span`: when it happened; None: nothing did."""
    met = gaps(replies, *span) if span else []
    touched = [reply for reply in replies if span is None or span[0] - 0.5 <= reply.planned < span[1]]
    return Outcome(
        name,
        fates(replies, tokens),
        altered(replies, records, tokens),
        doubled(executions(records)),
        quantiles([reply.ttft() for reply in touched]),
        quantiles([each.longest for each in met])
        if span
        else quantiles([max(reply.gaps(), default=0.0) for reply in replies]),
        quantiles([each.extra for each in met]),
        tuple(met),
        tuple(done),
        dict(troubles or {}),
        fault,
        may_fail,
    )


@dataclass(frozen=True, slots=True)
class Pooled:
    """What an event cost all the streams that it met in several turns."""

    name: str
    streams: int
    longest: Quantiles | None
    extra: Quantiles | None
    lost: int
    repeated: int
    doubled: int


def pooled(name: str, turns: Sequence[Outcome]) -> Pooled:
    """Of turns that are alike but for their luck."""
    met = [gap for turn in turns for gap in turn.met]
    return Pooled(
        name,
        len(met),
        quantiles([gap.longest for gap in met]),
        quantiles([gap.extra for gap in met]),
        sum(turn.fates.lost for turn in turns),
        sum(turn.fates.repeated for turn in turns),
        sum(turn.doubled for turn in turns),
    )


@dataclass(frozen=True, slots=True)
class Mixed:
    """Voice calls and uploads of a chaos run. `wrong_audio`: pieces that came back other than they were sent."""

    calls: int = 0
    calls_broken: int = 0
    audio_sent: int = 0
    audio_back: int = 0
    wrong_audio: int = 0
    round_trip: Quantiles | None = None
    uploads: int = 0
    uploads_failed: int = 0
    uploads_altered: int = 0
    uploads_twice: int = 0
    upload_seconds: Quantiles | None = None
    faults: Mapping[str, int] = field(default_factory=dict)

    @property
    def is_right(self) -> bool:
        return not self.wrong_audio + self.uploads_altered + self.uploads_twice


def mixed(said: Mapping[str, Any], records: Iterable[Mapping[str, Any]]) -> Mixed:
    """`said` by `mixed.py`; the records hold what the provider received."""
    calls, uploads = said["calls"], said["uploads"]
    arrived = Counter(str(each["body_sha256"]) for each in records if each["executed"])
    well = [each for each in uploads if each["status"] == 200]
    faults = Counter(each["fault"] for each in (*calls, *uploads) if each["fault"])
    return Mixed(
        len(calls),
        sum(bool(each["fault"]) for each in calls),
        sum(each["sent"] for each in calls),
        sum(each["back"] for each in calls),
        sum(each["wrong"] for each in calls),
        quantiles([trip for each in calls for trip in each["trips"]]),
        len(uploads),
        len(uploads) - len(well),
        sum(not arrived[each["sha256"]] for each in well),
        sum(max(arrived[each["sha256"]] - 1, 0) for each in uploads),
        quantiles([each["seconds"] for each in well]),
        dict(faults),
    )


def success(outcomes: Iterable[Outcome], other: Iterable[Mixed]) -> float:
    """Requests, calls and uploads that went well, in parts of one."""
    good = total = 0
    for each in outcomes:
        total += each.fates.requests
        good += each.fates.requests - each.fates.refused - each.fates.cut - each.fates.truncated
    for one in other:
        total += one.calls + one.uploads
        good += one.calls - one.calls_broken + one.uploads - one.uploads_failed
    return good / total if total else 1.0


@dataclass(frozen=True, slots=True)
class Premium:
    """A relay against going direct over the same line: ratios of TTFT p50, gap p99 and bytes."""

    ratios: Mapping[str, float]
    allowed: float = 1.03

    @property
    def is_right(self) -> bool:
        return all(ratio <= self.allowed for ratio in self.ratios.values())
