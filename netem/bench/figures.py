"""Turns → the figures of each cell (a system under a condition), and ratios to the baseline.

All times in milliseconds. What each figure means is said in docs/benchmark.md.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from math import nan
from typing import TypeVar

from netem.bench.plan import Condition, Load
from netem.bench.record import Reply, Turn
from netem.bench.stats import Interval, Rounds, quantile_of_rounds, ratio_of_rounds
from netem.profiles import profile

_Item = TypeVar("_Item")
STALL = 0.5
"""A gap between tokens longer than this is a stall, in seconds: a voice pauses audibly."""
QUANTILES = (
    ("ttft_p50", "ttft", 0.5),
    ("ttft_p95", "ttft", 0.95),
    ("ttft_p99", "ttft", 0.99),
    ("gap_p50", "gap", 0.5),
    ("gap_p99", "gap", 0.99),
    ("gap_p999", "gap", 0.999),
    ("late_p99", "late", 0.99),
)
RATIOS = ("ttft_p50", "ttft_p99", "gap_p99", "gap_p999", "late_p99")


@dataclass(frozen=True, slots=True)
class Figure:
    """The median over the rounds and its 95 % interval."""

    value: float
    interval: Interval


@dataclass(frozen=True, slots=True)
class Cell:
    """One system under one condition. `fault`: why there is nothing, or what is wrong with what there is."""

    system: str
    condition: Condition
    rounds: int = 0
    requests: int = 0
    complete: int = 0
    failed: int = 0
    truncated: int = 0
    lost: int = 0
    repeated: int = 0
    executions: int = 0
    stalls: int = 0
    stalls_per_minute: float = nan
    stall_ratio: float = nan
    wire_kb_per_request: float = nan
    cpu_ms_per_request: float | None = None
    over_p50_ms: float = nan
    over_p99_ms: float = nan
    figures: dict[str, Figure] = field(default_factory=dict)
    ratios: dict[str, Figure] = field(default_factory=dict)
    faults: tuple[str, ...] = ()
    troubles: dict[str, float] = field(default_factory=dict)
    fault: str = ""


def cells(turns: Sequence[Turn], load: Load, *, baseline: str, seed: int) -> list[Cell]:
    """The cells of a benchmark in the order in which they first appear."""
    found: list[Cell] = []
    for condition in _unique(_condition(turn) for turn in turns):
        here = [turn for turn in turns if _condition(turn) == condition]
        floor = shortest_way(here)
        base = [turn for turn in here if turn.system == baseline]
        for system in _unique(turn.system for turn in here):
            mine = [turn for turn in here if turn.system == system]
            found.append(_cell(system, condition, mine, [] if system == baseline else base, load, floor, seed))
    return found


def shortest_way(turns: Iterable[Turn]) -> float:
    """The shortest time any token took under a condition, in seconds: what lateness is counted from."""
    return min((delay for turn in turns for reply in turn.replies for delay in reply.delays()), default=0.0)


def values_of(turn: Turn, kind: str, floor: float) -> list[list[float]]:
    """The values of one kind of each reply: ttft, gap or late, in milliseconds."""
    return [_values(reply, kind, floor) for reply in turn.replies]


def _values(reply: Reply, kind: str, floor: float) -> list[float]:
    if kind == "ttft":
        return [1000.0 * reply.ttft()]
    if kind == "gap":
        return [1000.0 * gap for gap in reply.gaps()]
    return [1000.0 * (delay - floor) for delay in reply.delays()]


def _cell(
    system: str, condition: Condition, all_turns: list[Turn], base: list[Turn], load: Load, floor: float, seed: int
) -> Cell:
    faults = _unique(turn.fault for turn in all_turns if turn.fault)
    turns = [turn for turn in all_turns if turn.replies]
    replies = [reply for turn in turns for reply in turn.replies]
    if not replies:
        return Cell(system, condition, fault="; ".join(faults) or "no requests")
    outcomes = [reply.outcome(load.tokens) for reply in replies]
    kinds = {kind: [values_of(turn, kind, floor) for turn in turns] for kind in ("ttft", "gap", "late")}
    figures = {name: Figure(*quantile_of_rounds(kinds[kind], part, seed)) for name, kind, part in QUANTILES}
    floor_ms = expected_ttft_ms(condition, load)
    stalls, stream_seconds, stalled_seconds = _stalls(replies)
    cpu = [turn.system_cpu_seconds for turn in turns if turn.system_cpu_seconds is not None]
    return Cell(
        system,
        condition,
        rounds=len(turns),
        requests=len(replies),
        complete=outcomes.count("complete"),
        failed=outcomes.count("failed"),
        truncated=outcomes.count("truncated"),
        lost=sum(reply.lost() for reply in replies),
        repeated=sum(reply.repeated() for reply in replies),
        executions=sum(turn.executions for turn in turns),
        stalls=stalls,
        stalls_per_minute=60.0 * stalls / stream_seconds if stream_seconds else nan,
        stall_ratio=stalled_seconds / stream_seconds if stream_seconds else nan,
        wire_kb_per_request=sum(turn.wire_up_bytes + turn.wire_down_bytes for turn in turns) / len(replies) / 1000.0,
        cpu_ms_per_request=1000.0 * sum(cpu) / len(replies) if cpu else None,
        over_p50_ms=figures["ttft_p50"].value - floor_ms,
        over_p99_ms=figures["ttft_p99"].value - floor_ms,
        figures=figures,
        ratios=_ratios(turns, base, floor, seed),
        faults=tuple(_unique(reply.fault for reply in replies if reply.fault)),
        troubles=_troubles(turns),
        fault="; ".join(faults),
    )


def expected_ttft_ms(condition: Condition, load: Load) -> float:
    """One mean round trip of the profile and the provider's think time."""
    wanted = profile(condition.profile)
    return wanted.up.delay_ms + wanted.down.delay_ms + load.think_ms


def _ratios(turns: list[Turn], base: list[Turn], floor: float, seed: int) -> dict[str, Figure]:
    pairs = _paired(turns, base)
    if not pairs:
        return {}
    found = {}
    for name, kind, part in QUANTILES:
        if name in RATIOS:
            mine, other = (_of(side, kind, floor) for side in zip(*pairs, strict=True))
            found[name] = Figure(*ratio_of_rounds(mine, other, part, seed))
    return found


def _paired(turns: list[Turn], base: list[Turn]) -> list[tuple[Turn, Turn]]:
    by_round = {turn.round: turn for turn in base}
    pairs = [(turn, by_round[turn.round]) for turn in turns if turn.round in by_round]
    return [(turn, other) for turn, other in pairs if len(turn.replies) == len(other.replies)]


def _of(turns: Sequence[Turn], kind: str, floor: float) -> Rounds:
    return [values_of(turn, kind, floor) for turn in turns]


def _stalls(replies: Iterable[Reply]) -> tuple[int, float, float]:
    """Their number, the seconds of streaming, and the seconds of it spent in stalls."""
    gaps = [gap for reply in replies for gap in reply.gaps()]
    stalled = [gap for gap in gaps if gap > STALL]
    return len(stalled), sum(gaps), sum(stalled)


def _troubles(turns: Sequence[Turn]) -> dict[str, float]:
    """The worst of each over the turns; zeroes aren't told."""
    names = _unique(name for turn in turns for name in turn.troubles)
    worst = {name: max(turn.troubles.get(name, 0.0) for turn in turns) for name in names}
    return {name: value for name, value in worst.items() if value}


def _condition(turn: Turn) -> Condition:
    return Condition(turn.profile, turn.event, turn.traffic)


def _unique(items: Iterable[_Item]) -> list[_Item]:
    return list(dict.fromkeys(items))
