"""Days, weeks and months on the node's own clock, by their ISO 8601 names: 2026-11-21, 2026-W47, 2026-11."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import date, datetime, time, timedelta, tzinfo

WORDS = ("yesterday", "this-week", "last-week", "this-month", "last-month")
WANTED = f"2026-11-21, 2026-W47, 2026-11 or one of {', '.join(WORDS)}"
_NAME = re.compile(r"(\d{4})-(?:W(\d{2})|(\d{2})(?:-(\d{2}))?)")
_DAY = timedelta(days=1)


@dataclass(frozen=True, slots=True)
class Period:
    """`begins`, `ends`: seconds since the epoch. `name` is ISO 8601's, `before` that of the period before it, `months`
    those in which it lies."""

    name: str
    kind: str  # day | week | month
    begins: int
    ends: int
    before: str
    months: tuple[str, ...]


def period(name: str, utc: float, zone: tzinfo) -> Period:
    """`utc`: now, which `WORDS` go by.

    Raises:
        ValueError: there is no such period.
    """
    try:
        kind, first = _spelled(name, datetime.fromtimestamp(utc, zone).date())
        after = _after(kind, first)
        last, before = after - _DAY, _begin(kind, first - _DAY)
        months = tuple(dict.fromkeys(_name("month", day) for day in (first, last)))
        return Period(_name(kind, first), kind, _at(first, zone), _at(after, zone), _name(kind, before), months)
    except (ValueError, OverflowError):
        raise ValueError(f"period: expected {WANTED}") from None


def _spelled(name: str, today: date) -> tuple[str, date]:
    """What kind it is, and its first day."""
    if name == "yesterday":
        return "day", today - _DAY
    when, _, kind = name.partition("-")
    if name in WORDS:
        begin = _begin(kind, today)
        return kind, begin if when == "this" else _begin(kind, begin - _DAY)
    found = _NAME.fullmatch(name)
    if found is None:
        raise ValueError(name)
    year, week, month, day = (int(part) if part else 0 for part in found.groups())
    if week:
        return "week", date.fromisocalendar(year, week, 1)
    return ("day", date(year, month, day)) if day else ("month", date(year, month, 1))


def _begin(kind: str, day: date) -> date:
    """The first day of the period in which a day lies."""
    if kind == "month":
        return day.replace(day=1)
    return day - timedelta(days=day.weekday()) if kind == "week" else day


def _after(kind: str, first: date) -> date:
    if kind == "month":
        return (first + 31 * _DAY).replace(day=1)
    return first + (7 * _DAY if kind == "week" else _DAY)


def _name(kind: str, first: date) -> str:
    if kind == "week":
        year, week, _ = first.isocalendar()
        return f"{year:04}-W{week:02}"
    return f"{first:%Y-%m}" if kind == "month" else first.isoformat()


def _at(day: date, zone: tzinfo) -> int:
    """Its midnight."""
    return int(datetime.combine(day, time(), zone).timestamp())
