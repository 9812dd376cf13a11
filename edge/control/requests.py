"""Requests that have ended, as the API shows them: filters, and when each step was reached."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from itertools import islice
from typing import Any

from edge.control.times import rfc3339
from edge.observe.record import RequestRecord

MOST = 500  # requests in one answer
MOST_MS = 86_400_000
RECENT_SECONDS = 60.0
_KNOWN = ("limit", "line", "provider", "principal", "model", "status", "failed", "slower_than_ms")


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which requests; "" or None: any. `failed`: those with a failure or a status of 400 and more. `slower_than_ms`:
    those whose first byte, or end if there was none, came later than that."""

    limit: int = 50
    line: str = ""
    provider: str = ""
    principal: str = ""
    model: str = ""
    status: int | None = None
    failed: bool = False
    slower_than_ms: int | None = None

    def has(self, record: RequestRecord) -> bool:
        """Is it one of them? A line counts if any attempt was made on it."""
        facts = record.facts
        ways = [attempt.path.line for attempt in record.attempts] + ([record.path.line] if record.path else [])
        lines = {line for way in ways for line in way.split("+")}  # through a relay: all that its session may use
        return (
            (not self.line or self.line in lines)
            and (not self.provider or record.provider == self.provider)
            and (not self.principal or record.principal == self.principal)
            and (not self.model or (facts is not None and facts.model == self.model))
            and (self.status is None or record.status == self.status)
            and (not self.failed or record.failure is not None or record.status >= 400)
            and (self.slower_than_ms is None or _waited_ms(record) > self.slower_than_ms)
        )


def _waited_ms(record: RequestRecord) -> float:
    """Until the first byte of its reply, or the end if there was none."""
    heard = record.ended_at if record.first_byte_at is None else record.first_byte_at
    return (heard - record.received_at) * 1000


def wanted(query: Mapping[str, str]) -> Wanted:
    """From a query string.

    Raises:
        ValueError: an unknown parameter, or a value that doesn't fit; the text says which and what is expected.
    """
    unknown = query.keys() - set(_KNOWN)
    if unknown:
        raise ValueError(f"{min(unknown)}: unknown; expected {', '.join(_KNOWN)}")
    words = {name: query[name] for name in ("line", "provider", "principal", "model") if name in query}
    status = number(query, "status", 0, 0, 599) if "status" in query else None
    slower = number(query, "slower_than_ms", 0, 0, MOST_MS) if "slower_than_ms" in query else None
    return Wanted(
        number(query, "limit", 50, 1, MOST),
        **words,
        status=status,
        failed=flag(query, "failed"),
        slower_than_ms=slower,
    )


def number(query: Mapping[str, str], name: str, default: int, low: int, high: int) -> int:
    """An integer of a query string. Raises ValueError."""
    text = query.get(name)
    if text is None:
        return default
    if not (text.isascii() and text.isdigit() and len(text) <= 20 and low <= int(text) <= high):
        raise ValueError(f"{name}: expected an integer from {low} to {high}")
    return int(text)


def flag(query: Mapping[str, str], name: str) -> bool:
    """`true` or `false` of a query string; false if it isn't there. Raises ValueError."""
    if query.get(name, "false") not in ("true", "false"):
        raise ValueError(f"{name}: expected true or false")
    return query.get(name) == "true"


def documents(records: Iterable[RequestRecord], which: Wanted, utc_offset: float) -> list[dict[str, Any]]:
    """The newest of those wanted. `utc_offset`: what to add to monotonic seconds for seconds since the epoch."""
    found = islice((record for record in records if which.has(record)), which.limit)
    return [document(record, utc_offset) for record in found]


def document(record: RequestRecord, utc_offset: float) -> dict[str, Any]:
    """One request. `at`: when its head had come in."""
    return {
        "at": rfc3339(round(record.received_at + utc_offset, 3)),
        **record.summary(),
        "priority": record.priority,
        "times_ms": times(record),
    }


def times(record: RequestRecord) -> dict[str, Any]:
    """When each step was reached, milliseconds after the request's head had come in; null: never. `attempts`: when each
    had been sent whole."""

    def after(at: float | None) -> float | None:
        return None if at is None else round((at - record.received_at) * 1000, 2)

    return {
        "routed": after(record.routed_at),
        "sent": after(record.sent_at),
        "first_byte": after(record.first_byte_at),
        "ended": after(record.ended_at),
        "attempts": [after(attempt.sent_at) for attempt in record.attempts],
    }


def recent_by_line(records: Iterable[RequestRecord], now: float) -> Counter[str]:
    """How many requests each line answered in the last minute; through a relay, each counts for one of its lines.
    `records`: newest first."""
    counts: Counter[str] = Counter()
    for record in records:
        if record.ended_at < now - RECENT_SECONDS:
            break
        if record.path is not None:
            counts[record.line or record.path.line] += 1
    return counts
