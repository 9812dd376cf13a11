from __future__ import annotations

from datetime import UTC, datetime
from zoneinfo import ZoneInfo

import pytest

from edge.history.periods import period
from edge.history.spans import HOURS, MINUTES, sums_tier

SHANGHAI = ZoneInfo("Asia/Shanghai")
NOW = datetime(2026, 11, 22, 17, 0, tzinfo=UTC).timestamp()  # in Shanghai it is Monday, the 23rd


@pytest.mark.parametrize(
    ("word", "name", "begins", "days", "before", "months"),
    [
        ("2026-11-21", "2026-11-21", "2026-11-21", 1, "2026-11-20", ("2026-11",)),
        ("2026-11-01", "2026-11-01", "2026-11-01", 1, "2026-10-31", ("2026-11",)),
        ("yesterday", "2026-11-22", "2026-11-22", 1, "2026-11-21", ("2026-11",)),
        ("this-week", "2026-W48", "2026-11-23", 7, "2026-W47", ("2026-11",)),
        ("last-week", "2026-W47", "2026-11-16", 7, "2026-W46", ("2026-11",)),
        ("2026-W49", "2026-W49", "2026-11-30", 7, "2026-W48", ("2026-11", "2026-12")),
        ("2026-W01", "2026-W01", "2025-12-29", 7, "2025-W52", ("2025-12", "2026-01")),
        ("this-month", "2026-11", "2026-11-01", 30, "2026-10", ("2026-11",)),
        ("last-month", "2026-10", "2026-10-01", 31, "2026-09", ("2026-10",)),
        ("2024-02", "2024-02", "2024-02-01", 29, "2024-01", ("2024-02",)),
        ("2026-12", "2026-12", "2026-12-01", 31, "2026-11", ("2026-12",)),
    ],
)
def test_periods_on_the_nodes_clock(
    word: str, name: str, begins: str, days: int, before: str, months: tuple[str, ...]
) -> None:
    found = period(word, NOW, SHANGHAI)
    assert (found.name, found.before, found.months) == (name, before, months)
    assert datetime.fromtimestamp(found.begins, SHANGHAI).isoformat() == f"{begins}T00:00:00+08:00"
    assert found.ends - found.begins == days * 86_400
    assert period(found.name, NOW, SHANGHAI) == found
    assert period(found.before, NOW, SHANGHAI).ends == found.begins


def test_a_day_on_which_clocks_change_is_longer() -> None:
    found = period("2026-10-25", NOW, ZoneInfo("Europe/Berlin"))
    assert found.ends - found.begins == 25 * 3600


@pytest.mark.parametrize("word", ["", "today", "2026", "2026-13", "2026-02-30", "2026-W54", "next-week", "0000-01"])
def test_what_is_no_period_is_said(word: str) -> None:
    with pytest.raises(ValueError, match="period: expected 2026-11-21"):
        period(word, NOW, UTC)


def test_hours_unless_a_period_begins_within_one() -> None:
    india = period("2026-11", NOW, ZoneInfo("Asia/Kolkata"))
    assert sums_tier(india.begins, india.ends) is MINUTES
    assert sums_tier(0, 86_400) is HOURS
