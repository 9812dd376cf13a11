"""Times of day as the file writes them: "19:00-23:00", "Mon-Fri 09:00-18:00", "Sat,Sun 00:00-24:00"; time zones."""

from __future__ import annotations

import re
from datetime import UTC, date, timedelta, tzinfo
from datetime import timezone as fixed
from zoneinfo import ZoneInfo

from edge.config.fault import KeyPath, kind, shown
from edge.config.reading import Reading, Wrong
from transport.schedule import DAY_MINUTES, EVERY_DAY, Window

DAYS = ("Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun")
_DAY = "|".join(DAYS)
_WINDOW = re.compile(rf"(?:({_DAY})(?:-({_DAY})|((?:,(?:{_DAY}))+))? )?(\d\d):(\d\d)-(\d\d):(\d\d)")
_OFFSET = re.compile(r"([+-])(\d\d):(\d\d)")
_WANTED = '"19:00-23:00" or "Mon-Fri 09:00-18:00"'
_ZONE_WANTED = '"Asia/Shanghai", "UTC", or an offset such as "+08:00"'


def window(reading: Reading, path: KeyPath, value: object) -> Window:
    """A span of local time, every day or on some days of the week."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _WANTED)
    parts = _WINDOW.fullmatch(value)
    if parts is None:
        raise Wrong(f"{shown(value)} is not a span of time", _WANTED)
    begins, ends = (_minutes(parts[n], parts[n + 1], value) for n in (4, 6))
    if begins in (ends, DAY_MINUTES):
        raise Wrong(f"{shown(value)} is no time at all", _WANTED)
    return Window(begins, ends, _days(parts[1], parts[2], parts[3]))


def _minutes(hours: str, minutes: str, value: str) -> int:
    total = int(hours) * 60 + int(minutes)
    if int(minutes) > 59 or total > DAY_MINUTES:
        raise Wrong(f"{shown(value)} has a time that isn't one", _WANTED)
    return total


def _days(first: str | None, last: str | None, others: str | None) -> frozenset[int]:
    if first is None:
        return EVERY_DAY
    start = DAYS.index(first)
    if last is not None:
        return frozenset((start + step) % 7 for step in range((DAYS.index(last) - start) % 7 + 1))
    return frozenset({start, *(DAYS.index(name) for name in (others or "").split(",") if name)})


def timezone(reading: Reading, path: KeyPath, value: object) -> str:
    """An IANA time zone's name that this machine knows, or an offset from UTC."""
    if not isinstance(value, str):
        raise Wrong(f"is {kind(value)}", _ZONE_WANTED)
    try:
        zone(value)
    except (ValueError, OSError, LookupError):
        raise Wrong(f"{shown(value)} is no time zone that this machine knows", _ZONE_WANTED) from None
    return value


def day(reading: Reading, path: KeyPath, value: object) -> str:
    """A day as TOML's local date, or as a string."""
    try:
        if type(value) is date:
            return value.isoformat()
        return date.fromisoformat(str(value) if isinstance(value, str) else "").isoformat()
    except ValueError:
        raise Wrong(f"{shown(value)} is no day", "2026-11-22") from None


def zone(name: str) -> tzinfo:
    """The time zone of that name.

    Raises:
        ValueError, OSError, LookupError: there is none.
    """
    offset = _OFFSET.fullmatch(name)
    if offset is not None:
        minutes = int(offset[2]) * 60 + int(offset[3])
        return fixed(timedelta(minutes=minutes if offset[1] == "+" else -minutes))
    return UTC if name == "UTC" else ZoneInfo(name)
