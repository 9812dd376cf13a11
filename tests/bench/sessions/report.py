"""Figures as Markdown tables."""

from __future__ import annotations

from collections.abc import Sequence

from tests.bench.sessions.judging import Mixed, Outcome, Pooled, Quantiles

_ODD = {"client_lag_p99_ms": 10.0, "late_writes_percent": 2.0, "late_start_ms": 5.0}


def table(heads: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Markdown."""
    lines = [heads, ["---"] * len(heads), *rows]
    return "\n".join(f"| {' | '.join(cells)} |" for cells in lines)


def milliseconds(values: Quantiles | None) -> str:
    """p50/p95/p99/max."""
    return "–" if values is None else "/".join(f"{1000 * value:.0f}" for value in values)


HEADS = (
    "what", "requests", "failed before/after commit", "lost/repeated/truncated", "bytes altered", "executed twice",
    "TTFT p50/95/99/max ms", "streams under way", "longest gap p50/95/99/max ms", "extra gap p50/95/99/max ms", "right",
)  # fmt: skip


def row(outcome: Outcome) -> list[str]:
    told = outcome.fates
    return [
        outcome.name,
        str(told.requests),
        f"{told.refused}/{told.cut}",
        f"{told.lost}/{told.repeated}/{told.truncated}",
        str(outcome.altered),
        str(outcome.doubled),
        milliseconds(outcome.ttft),
        str(outcome.under_way),
        milliseconds(outcome.gap),
        milliseconds(outcome.extra),
        "yes" if outcome.is_right else "no",
    ]


POOLED_HEADS = (
    "way", "streams met", "longest gap p50/95/99/max ms", "extra gap p50/95/99/max ms", "lost/repeated tokens",
    "executed twice",
)  # fmt: skip


def pooled_row(found: Pooled) -> list[str]:
    return [
        found.name,
        str(found.streams),
        milliseconds(found.longest),
        milliseconds(found.extra),
        f"{found.lost}/{found.repeated}",
        str(found.doubled),
    ]


def notes(outcomes: Sequence[Outcome]) -> list[str]:
    """What is wrong, what was done, and what casts doubt on a row."""
    found = []
    for each in outcomes:
        if each.fault:
            found.append(f"{each.name}: {each.fault}")
        if each.fates.faults:
            found.append(f"{each.name}: {', '.join(f'{count} × {text}' for text, count in each.fates.faults.items())}")
        if odd := {name: value for name, value in each.troubles.items() if value > _ODD.get(name, 0.0)}:
            found.append(f"{each.name}: doubtful, {', '.join(f'{name} {value:.1f}' for name, value in odd.items())}")
    return found


MIXED_HEADS = (
    "voice calls", "broken", "pieces of audio sent", "back", "altered or out of order", "round trip p50/95/99/max ms",
    "uploads", "failed", "altered", "executed twice", "seconds p50/95/99/max",
)  # fmt: skip


def mixed_row(found: Mixed) -> list[str]:
    seconds = found.upload_seconds
    return [
        str(found.calls),
        str(found.calls_broken),
        str(found.audio_sent),
        str(found.audio_back),
        str(found.wrong_audio),
        milliseconds(found.round_trip),
        str(found.uploads),
        str(found.uploads_failed),
        str(found.uploads_altered),
        str(found.uploads_twice),
        "–" if seconds is None else "/".join(f"{value:.2f}" for value in seconds),
    ]
