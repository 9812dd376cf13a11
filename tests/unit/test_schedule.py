"""Spans of local time, and how the file writes them."""

from __future__ import annotations

from datetime import datetime, timedelta

import pytest

from edge.config.schedule import zone
from tests.unit.test_config_faults import faults
from tests.unit.test_config_read import accepted
from transport.schedule import EVERY_DAY, Window


def read(text: str) -> Window:
    return accepted(f'[[line]]\nid = "a"\navoid = ["{text}"]').lines[0].avoid[0]


@pytest.mark.parametrize(
    ("text", "window"),
    [
        ("19:00-23:00", Window(1140, 1380)),
        ("22:30-06:00", Window(1350, 360)),
        ("Mon-Fri 09:00-18:00", Window(540, 1080, frozenset(range(5)))),
        ("Sat-Mon 00:00-24:00", Window(0, 1440, frozenset((5, 6, 0)))),
        ("Tue 00:00-00:01", Window(0, 1, frozenset((1,)))),
        ("Sat,Sun,Wed 12:00-00:00", Window(720, 0, frozenset((5, 6, 2)))),
    ],
)
def test_how_the_file_writes_them(text: str, window: Window) -> None:
    assert read(text) == window


@pytest.mark.parametrize(
    ("value", "problem"),
    [
        ("'9-18'", '"9-18" is not a span of time; expected "19:00-23:00" or "Mon-Fri 09:00-18:00"'),
        ("'mon 09:00-18:00'", '"mon 09:00-18:00" is not a span of time'),
        ("'24:01-25:00'", '"24:01-25:00" has a time that isn\'t one'),
        ("'09:60-10:00'", '"09:60-10:00" has a time that isn\'t one'),
        ("'09:00-09:00'", '"09:00-09:00" is no time at all'),
        ("'24:00-01:00'", '"24:00-01:00" is no time at all'),
        ("7", "is an integer; expected"),
    ],
)
def test_what_is_no_span(value: str, problem: str) -> None:
    assert faults(f"[[line]]\nid = 'a'\navoid = [{value}]")[0].startswith(f"3: line[0].avoid[0]: {problem}")


def test_covers_within_a_day() -> None:
    window = read("Mon-Fri 09:00-18:00")
    found = [window.covers(0, minute) for minute in (539, 540, 1079, 1080)]
    assert found == [False, True, True, False]
    assert not window.covers(5, 600)


def test_covers_over_midnight_by_the_day_it_begins() -> None:
    window = read("Sun 22:00-06:00")
    assert [window.covers(6, 1320), window.covers(0, 359)] == [True, True]
    assert [window.covers(6, 1319), window.covers(0, 360), window.covers(0, 1320), window.covers(6, 0)] == [False] * 4
    assert Window(1320, 360).days == EVERY_DAY


def test_time_zones() -> None:
    assert accepted('[node]\ntimezone = "Asia/Shanghai"').node.timezone == "Asia/Shanghai"
    noon = datetime(2026, 7, 1, 12)
    assert zone("Asia/Shanghai").utcoffset(noon) == zone("+08:00").utcoffset(noon) == timedelta(hours=8)
    assert zone("-03:30").utcoffset(noon) == -timedelta(hours=3, minutes=30)
    assert zone("UTC").utcoffset(noon) == timedelta()


@pytest.mark.parametrize("value", ["'Asia/Nowhere'", "'+99:00'", "'/etc/passwd'", "'../x'", "''"])
def test_no_time_zone(value: str) -> None:
    assert faults(f"[node]\ntimezone = {value}")[0].startswith("2: node.timezone: ")
    assert "no time zone that this machine knows" in faults(f"[node]\ntimezone = {value}")[0]


def test_a_time_zone_is_a_string() -> None:
    assert faults("[node]\ntimezone = 8")[0].startswith("2: node.timezone: is an integer; expected")
