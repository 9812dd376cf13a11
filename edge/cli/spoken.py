"""What people type: durations, times of day, `weight=50`."""

from __future__ import annotations

import argparse
import re
from collections.abc import Sequence
from datetime import datetime, timedelta
from typing import Any

_DURATION = re.compile(r"(?=.)(?:(\d+)d)?(?:(\d+)h)?(?:(\d+)m)?(?:(\d+(?:\.\d+)?)s?)?")
_UNITS = (86_400.0, 3600.0, 60.0, 1.0)
_SWITCHES = ("on", "draining", "off")


def duration(text: str) -> float:
    """Seconds of `90`, `90s`, `5m`, `1h30m`, `2d`. Raises ArgumentTypeError."""
    found = _DURATION.fullmatch(text.strip())
    if found is None:
        raise argparse.ArgumentTypeError(f"{text!r} is no duration; expected 300, 5m, 2h or 1h30m")
    return sum(float(part) * unit for part, unit in zip(found.groups(), _UNITS, strict=True) if part)


def moment(text: str, after: datetime) -> datetime:
    """`22:30` (the next one after `after`), `2026-11-23 22:30` in this machine's time, or RFC 3339.

    Raises:
        ValueError: it is none of these.
    """
    clock = re.fullmatch(r"(\d{1,2}):(\d{2})", text.strip())
    try:
        if clock is not None:
            at = after.replace(hour=int(clock[1]), minute=int(clock[2]), second=0, microsecond=0)
            return at if at > after else at + timedelta(days=1)
        return datetime.fromisoformat(text.strip()).astimezone()
    except ValueError:
        raise ValueError(f"{text!r} is no time; expected 22:30, 2026-11-23 22:30 or RFC 3339") from None


def change_of(words: Sequence[str]) -> dict[str, Any]:
    """`["weight=50", "switch=on"]` as the body of a PATCH.

    Raises:
        ValueError: a word isn't one of these.
    """
    change: dict[str, Any] = {}
    for word in words:
        name, _, value = word.partition("=")
        if name == "weight":
            change[name] = _number(value)
        elif name == "switch" and value in _SWITCHES:
            change[name] = value
        else:
            raise ValueError(f"{word!r}: expected weight=N or switch={'|'.join(_SWITCHES)}")
    if not change:
        raise ValueError("nothing to change: expected weight=N, switch=on|draining|off or --reset")
    return change


def weight_of(word: str) -> tuple[str, dict[str, Any]]:
    """`cn2=50` as a line and the body of its PATCH.

    Raises:
        ValueError: it isn't LINE=N.
    """
    line, equals, value = word.partition("=")
    if not line or not equals:
        raise ValueError(f"{word!r}: expected LINE=N")
    return line, {"weight": _number(value)}


def _number(text: str) -> float:
    if not re.fullmatch(r"\d+(\.\d+)?", text):
        raise ValueError(f"weight={text}: expected a number ≥ 0")
    return float(text)
