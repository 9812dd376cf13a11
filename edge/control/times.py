"""Points in time as people and machines write them: RFC 3339 in UTC."""

from __future__ import annotations

from datetime import UTC, datetime


def rfc3339(utc: float) -> str:
    """`2026-11-22T19:00:00Z`; with milliseconds if there are any. `utc`: seconds since the epoch."""
    moment = datetime.fromtimestamp(utc, UTC)
    precision = "milliseconds" if round(utc * 1000) % 1000 else "seconds"
    return moment.isoformat(timespec=precision).replace("+00:00", "Z")


def parsed(text: str) -> float:
    """Seconds since the epoch, whole ones: what is below a second is cut off.

    Raises:
        ValueError: it isn't RFC 3339, or doesn't say its offset from UTC.
    """
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError("has no offset from UTC")
    return float(moment.timestamp() // 1)
