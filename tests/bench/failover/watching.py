"""What a node shows and says about its lines → sightings in time; what its request log says → routes.

All times are seconds of the window (0: the first request may start).
"""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from math import inf
from typing import Any

ADMITTED, EJECTED, PROBATION = "admitted", "ejected", "probation"
SUSPECTED, RELIEVED = "suspected", "relieved"
STEADY = 2.0
"""A line is back when it has been admitted and unsuspected for so long, in seconds."""
_GAUGE = re.compile(r"^farline_line_(standing|suspected)\{([^}]*)\} (\S+)$", re.MULTILINE)
_LABEL = re.compile(r'(\w+)="([^"]*)"')


@dataclass(frozen=True, slots=True)
class State:
    """How a line stands."""

    standing: str = ADMITTED
    is_suspected: bool = False

    @property
    def is_good(self) -> bool:
        return self.standing == ADMITTED and not self.is_suspected

    def after(self, word: str) -> State:
        """`word` is a standing, SUSPECTED or RELIEVED."""
        if word in (SUSPECTED, RELIEVED):
            return State(self.standing, word == SUSPECTED)
        return State(word, self.is_suspected)


@dataclass(frozen=True, slots=True, order=True)
class Sighting:
    """A line's standing or suspicion was seen to be another: `word` as in `State.after`."""

    at: float
    line: str
    word: str
    reason: str = field(default="", compare=False)


def read_exposition(text: str) -> dict[str, State]:
    """The lines' states by the metrics `farline_line_standing` and `farline_line_suspected`."""
    states: dict[str, State] = {}
    for name, labels, value in _GAUGE.findall(text):
        if float(value) != 1.0:
            continue
        found = dict(_LABEL.findall(labels))
        before = states.get(found["line"], State())
        states[found["line"]] = before.after(found["standing"] if name == "standing" else SUSPECTED)
    return states


def differences(at: float, before: Mapping[str, State], now: Mapping[str, State]) -> list[Sighting]:
    """What changed between two looks; a line not seen before was good."""
    found = []
    for line, state in now.items():
        old = before.get(line, State())
        if state.standing != old.standing:
            found.append(Sighting(at, line, state.standing))
        if state.is_suspected != old.is_suspected:
            found.append(Sighting(at, line, SUSPECTED if state.is_suspected else RELIEVED))
    return found


def read_changes(text: str, utc_of_zero: float) -> list[Sighting]:
    """The changes of lines in the node's log, each with the moment at which it was logged."""
    return [
        Sighting(_moment(said, utc_of_zero), said["id"], said["after"], said.get("reason", ""))
        for said in _changes(text)
        if said["kind"] == "line"
    ]


def other_changes(text: str) -> dict[str, int]:
    """How often paths and endpoints changed to what, in the node's log."""
    return dict(
        Counter(f"{each['kind']} {each['id']} {each['after']}" for each in _changes(text) if each["kind"] != "line")
    )


def _changes(text: str) -> list[dict[str, Any]]:
    said = map(_document, text.splitlines())
    return [each for each in said if {"kind", "id", "after"} <= each.keys()]


def _moment(said: Mapping[str, Any], utc_of_zero: float) -> float:
    return datetime.fromisoformat(said["at"]).timestamp() - utc_of_zero


def history(sightings: Iterable[Sighting], line: str) -> list[tuple[float, State]]:
    """How a line stood from when on; it begins as good."""
    state, course = State(), [(-inf, State())]
    for each in sorted(sightings):
        if each.line == line:
            state = state.after(each.word)
            course.append((each.at, state))
    return course


@dataclass(frozen=True, slots=True)
class Detection:
    """Seconds after the beginning until a line was suspected, and ejected; None: it wasn't."""

    suspected: float | None = None
    ejected: float | None = None


def detection(sightings: Iterable[Sighting], lines: Iterable[str], begins: float) -> Detection:
    """The first of the struck lines counts."""
    struck = set(lines)
    later = sorted(each for each in sightings if each.line in struck and each.at >= begins)

    def first(word: str) -> float | None:
        return next((each.at - begins for each in later if each.word == word), None)

    return Detection(first(SUSPECTED), first(EJECTED))


def returned(sightings: Sequence[Sighting], line: str, begins: float, ends: float, until: float) -> float | None:
    """Seconds after `ends` until the line was good and stayed so for `STEADY`; inf: not before `until`.

    None: it was good all the time from `begins` on.
    """
    course = history(sightings, line)
    if all(state.is_good for at, state in course if at >= begins) and _at(course, begins).is_good:
        return None
    for (at, state), after in zip(course, [*(moment for moment, _ in course[1:]), until], strict=True):
        start = max(at, ends)
        if state.is_good and after - start >= min(STEADY, until - start) and after > start:
            return start - ends
    return inf


def _at(course: Sequence[tuple[float, State]], moment: float) -> State:
    return [state for at, state in course if at <= moment][-1]


def wrong(sightings: Iterable[Sighting], word: str, struck: Iterable[str], begins: float) -> list[Sighting]:
    """Ejections (or suspicions) of lines that nothing happened to, or before anything happened."""
    hit = set(struck)
    return [each for each in sightings if each.word == word and (each.line not in hit or each.at < begins)]


@dataclass(frozen=True, slots=True)
class Route:
    """One line of the request log. `lines` are those of its attempts in turn; `line` carried the reply ("" none)."""

    begun: float
    ended: float
    status: int
    line: str
    lines: tuple[str, ...]
    failovers: tuple[str, ...] = ()
    failure: str = ""


def read_routes(text: str, utc_of_zero: float) -> list[Route]:
    """The request log's lines. `utc_of_zero` is the time (seconds since the epoch) of the window's beginning."""
    found = []
    for row in text.splitlines():
        said = _document(row)
        if said.get("log") == "request":
            found.append(_route(said, utc_of_zero))
    return found


def _route(said: Mapping[str, Any], utc_of_zero: float) -> Route:
    ended = _moment(said, utc_of_zero)
    return Route(
        ended - said["duration_ms"] / 1000.0,
        ended,
        said["status"],
        _line_of(said["path"]),
        tuple(_line_of(each["path"]) for each in said["attempts"]),
        tuple(said["failovers"]),
        said["failure"] or "",
    )


def _line_of(path: str | None) -> str:
    return (path or "").partition("/")[0]


def _document(row: str) -> dict[str, Any]:
    try:
        said = json.loads(row)
    except ValueError:
        return {}  # the last row may be half written
    return said if isinstance(said, dict) else {}


def share(routes: Iterable[Route], lines: Iterable[str], begins: float, ends: float) -> float | None:
    """Part of the requests begun in that time whose first attempt went over one of `lines`; None without any."""
    struck = set(lines)
    first = [route.lines[0] for route in routes if begins <= route.begun < ends and route.lines]
    return sum(line in struck for line in first) / len(first) if first else None


def busiest(routes: Iterable[Route], lines: Sequence[str]) -> list[str]:
    """The lines by how many requests they were given, most first; equal ones in the order given."""
    count = Counter(route.lines[0] for route in routes if route.lines)
    return sorted(lines, key=lambda line: -count[line])


def carried_again(routes: Iterable[Route], line: str, ends: float) -> float | None:
    """Seconds after `ends` until a request that began then was answered over `line`; None: there was none."""
    found = [route.begun for route in routes if route.line == line and route.status == 200 and route.begun >= ends]
    return min(found) - ends if found else None
