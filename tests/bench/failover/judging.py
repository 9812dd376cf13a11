"""Replies, routes and sightings of a turn → one row of figures, held against the turn without an event.

A request is *committed* once the reply's head reached its client: from then on nobody can try again unseen. Requests
that *met* the event are those that started while it lasted, and those still without a first token when it began (the
*caught* ones). Under one seed request k starts at the same moment in both turns, so what the event cost a request is
its time to first token minus that of its twin.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from netem.bench.record import Reply
from netem.bench.stats import quantile
from tests.bench.failover.plan import Happening
from tests.bench.failover.watching import (
    EJECTED,
    SUSPECTED,
    Detection,
    Route,
    Sighting,
    carried_again,
    detection,
    returned,
    share,
    wrong,
)

GRACE = 0.3
"""What a caught request may take beyond a round trip and what it would have taken, in seconds."""
Quantiles = tuple[float, float, float]
"""p50, p95, p99."""


@dataclass(frozen=True, slots=True)
class Played:
    """What a turn gave. `struck`: the lines to which it happened; `executions` by request id at the provider."""

    happening: Happening
    round: int
    replies: tuple[Reply, ...] = ()
    routes: tuple[Route, ...] = ()
    sightings: tuple[Sighting, ...] = ()
    struck: tuple[str, ...] = ()
    executions: Mapping[str, int] = field(default_factory=dict)
    until: float = 0.0  # when looking at the lines ended
    others: Mapping[str, int] = field(default_factory=dict)  # changes of paths and endpoints
    troubles: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


@dataclass(frozen=True, slots=True)
class Fates:
    """How requests ended. `refused`: failed before commit; `cut`: after it; `truncated`: it only looked complete."""

    requests: int = 0
    refused: int = 0
    cut: int = 0
    truncated: int = 0
    lost: int = 0
    repeated: int = 0
    faults: Mapping[str, int] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class Row:
    """One turn's figures. Times in seconds; None: it didn't happen, or there is nothing to say."""

    name: str
    round: int
    struck: tuple[str, ...]
    fates: Fates
    refused_after: Quantiles | None = None  # of those that failed before commit
    doubled: int = 0  # executions beyond one for each request
    detection: Detection = field(default_factory=Detection)
    met: int = 0
    ttft: Quantiles | None = None  # of those that met the event
    twins: Quantiles | None = None  # of the same requests without it
    caught: int = 0
    extra: Quantiles | None = None  # p50, p95 and the longest extra wait of the caught
    goal: float = 0.0
    share_before: float | None = None
    share_during: float | None = None
    share_after: float | None = None
    returned: float | None = None
    carried: float | None = None
    wrong_ejections: int = 0
    wrong_suspicions: int = 0
    failovers: Mapping[str, int] = field(default_factory=dict)
    changes: tuple[str, ...] = ()  # of lines: when, which, to what, why
    others: Mapping[str, int] = field(default_factory=dict)
    may_fail: bool = False
    troubles: Mapping[str, float] = field(default_factory=dict)
    fault: str = ""


def is_committed(reply: Reply) -> bool:
    return reply.status == 200


def fates(replies: Iterable[Reply], tokens: int) -> Fates:
    """Counts over all replies."""
    replies = tuple(replies)
    ends = [(reply.outcome(tokens), is_committed(reply)) for reply in replies]
    return Fates(
        requests=len(ends),
        refused=ends.count(("failed", False)),
        cut=ends.count(("failed", True)),
        truncated=sum(outcome == "truncated" for outcome, _ in ends),
        lost=sum(reply.lost() for reply in replies),
        repeated=sum(reply.repeated() for reply in replies),
        faults=dict(Counter(reply.fault for reply in replies if reply.fault)),
    )


def answered(reply: Reply) -> float:
    """When its first token came; its end, if none did."""
    return reply.arrivals[0] if reply.arrivals else reply.ended


def caught(replies: Iterable[Reply], begins: float) -> list[int]:
    """Requests under way and still without a token at that moment, by index."""
    return [reply.index for reply in replies if reply.planned < begins <= answered(reply)]


def met(replies: Iterable[Reply], begins: float, ends: float) -> list[int]:
    """The caught, and those that started while it lasted."""
    return [reply.index for reply in replies if reply.planned < ends and answered(reply) >= begins]


def extra_waits(replies: Sequence[Reply], twins: Sequence[Reply], indices: Iterable[int]) -> list[float]:
    """What the event cost each of them, in seconds; those without a twin that was answered are left out."""
    other = {reply.index: reply for reply in twins if reply.arrivals}
    mine = {reply.index: reply for reply in replies}
    return [mine[index].ttft() - other[index].ttft() for index in indices if index in other]


def doubled(executions: Mapping[str, int]) -> int:
    """How often the provider executed a request that it had executed before."""
    return sum(max(0, times - 1) for times in executions.values())


def row(turn: Played, twin: Played, tokens: int, round_trip: float) -> Row:
    """`twin` is the turn without an event; `round_trip` that of the slowest line that could take over, in seconds."""
    happening, struck = turn.happening, turn.struck
    begins, ends = happening.begins, max(happening.ends, happening.begins + 0.001)
    met_it, caught_by_it = met(turn.replies, begins, ends), caught(turn.replies, begins)
    is_event = happening.strikes != "nothing"
    return Row(
        happening.name,
        turn.round,
        struck,
        fates(turn.replies, tokens),
        refused_after=_quantiles([r.ended - r.planned for r in turn.replies if _is_refused(r, tokens)]),
        doubled=doubled(turn.executions),
        detection=detection(turn.sightings, struck, begins),
        met=len(met_it) if is_event else 0,
        ttft=_ttft(turn.replies, met_it) if is_event else _ttft(turn.replies, range(len(turn.replies))),
        twins=_ttft(twin.replies, met_it) if is_event else None,
        caught=len(caught_by_it) if is_event else 0,
        extra=_extra(extra_waits(turn.replies, twin.replies, caught_by_it)) if is_event else None,
        goal=round_trip + GRACE,
        share_before=share(turn.routes, struck, 0.0, begins),
        share_during=share(turn.routes, struck, begins, ends) if happening.seconds else None,
        share_after=share(turn.routes, struck, ends, happening.window),
        returned=returned(turn.sightings, struck[0], begins, ends, turn.until) if struck else None,
        carried=carried_again(turn.routes, struck[0], ends) if struck else None,
        wrong_ejections=len(wrong(turn.sightings, EJECTED, struck, begins)),
        wrong_suspicions=len(wrong(turn.sightings, SUSPECTED, struck, begins)),
        failovers=dict(Counter(reason for route in turn.routes for reason in route.failovers)),
        changes=tuple(f"{each.at:.3f} {each.line} {each.word} {each.reason}".strip() for each in turn.sightings),
        others=turn.others,
        may_fail=happening.may_fail,
        troubles=turn.troubles,
        fault=turn.fault,
    )


def _ttft(replies: Sequence[Reply], indices: Iterable[int]) -> Quantiles | None:
    wanted = set(indices)
    values = [reply.ttft() for reply in replies if reply.index in wanted]
    return _quantiles(values)


def _quantiles(values: Sequence[float]) -> Quantiles | None:
    return (quantile(values, 0.5), quantile(values, 0.95), quantile(values, 0.99)) if values else None


def _is_refused(reply: Reply, tokens: int) -> bool:
    return reply.outcome(tokens) == "failed" and not is_committed(reply)


def _extra(waits: Sequence[float]) -> Quantiles | None:
    return (quantile(waits, 0.5), quantile(waits, 0.95), max(waits)) if waits else None


def misses(row: Row) -> list[str]:
    """What isn't as it must be, in words."""
    found = []
    if row.fault:
        found.append(row.fault)
    if row.fates.refused and not row.may_fail:
        found.append(f"{row.fates.refused} requests failed before commit")
    if row.fates.truncated or row.fates.lost or row.fates.repeated:
        found.append(
            f"{row.fates.truncated} truncated replies, {row.fates.lost} lost and {row.fates.repeated} repeated tokens"
        )
    if row.wrong_ejections:
        found.append(f"{row.wrong_ejections} wrong ejections")
    if row.extra is not None and row.extra[1] > row.goal and not row.may_fail:
        found.append(f"caught requests wait {1000 * row.extra[1]:.0f} ms longer at p95, goal {1000 * row.goal:.0f}")
    return found
