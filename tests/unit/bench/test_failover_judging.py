"""The failover measurement's plan, its judgement of a turn, and its report."""

from __future__ import annotations

import json
from collections import Counter
from math import inf

import pytest

from netem.bench.record import Reply
from netem.link.event import Event
from tests.bench.failover.judging import Fates, Played, Row, caught, doubled, extra_waits, fates, met, misses, row
from tests.bench.failover.plan import (
    EVENT_AT,
    FULL,
    HAPPENINGS,
    PLAIN,
    QUICK,
    STANDARD,
    TWO_ENDPOINTS,
    Happening,
    Plan,
    find,
    reference,
)
from tests.bench.failover.report import COLUMNS, Report, document, markdown, milliseconds, notes, table
from tests.bench.failover.soak import Soak, plain_soak
from tests.bench.failover.watching import EJECTED, SUSPECTED, Detection, Route, Sighting
from tests.bench.failover.weights import Shares, shares

HOLE = Happening("hole", 5.0, event=Event("blackhole", seconds=5.0))
QUIET = Happening("no event", strikes="nothing")


def reply(index: int, planned: float, wait: float | None = 0.5, **changes: object) -> Reply:
    """Three tokens from `planned + wait` on; None: none came, and it was given up after ten seconds."""
    first = planned + (10.0 if wait is None else wait)
    arrivals = () if wait is None else (first, first + 0.1, first + 0.2)
    given: dict[str, object] = {
        "index": index,
        "planned": planned,
        "started": planned,
        "ended": first + 0.2,
        "status": 200 if arrivals else 0,
        "numbers": tuple(range(1, len(arrivals) + 1)),
        "arrivals": arrivals,
        "is_clean": bool(arrivals),
        "is_done": bool(arrivals),
        "fault": "" if arrivals else "no end after 10 s",
    }
    return Reply(**{**given, **changes})  # type: ignore[arg-type]  # of mixed types by design


# The plan


def test_names_of_conditions_and_their_beginnings() -> None:
    assert [each.name for each in find(["blackhole 1 s", "rtt"])] == ["blackhole 1 s", "rtt +80", "rtt +200"]
    with pytest.raises(ValueError, match="no condition 'nothing such'; there are blackhole"):
        find(["nothing such"])
    assert set(QUICK) < set(STANDARD) < set(FULL) == set(HAPPENINGS)


def test_every_setting_has_its_reference_first() -> None:
    plan = Plan(find(["blackhole 1 s", "provider 503", "blackhole 5 s"]))
    turns = plan.turns()
    assert [each.name for each in turns] == [
        "no event", "blackhole 1 s", "blackhole 5 s", "no event", "provider 503 5 s"
    ]  # fmt: skip
    assert turns[0].setting == PLAIN
    assert turns[0].window == HAPPENINGS["blackhole 5 s"].window
    assert turns[3].setting == TWO_ENDPOINTS
    assert plan.expected_seconds == pytest.approx(sum(each.window + 11.0 for each in turns))
    assert reference(PLAIN, [HOLE]).begins == EVENT_AT


def test_shorter_turns_are_the_beginning_of_longer_ones() -> None:
    plan = Plan((HOLE,))
    short, long = plan.load(10.0).starts(7), plan.load(60.0).starts(7)
    assert short == long[: len(short)]
    assert 9.0 < short[-1] < 10.5
    assert plan.seed_of(2) == 2001
    assert plan.round_trip == pytest.approx(0.22)


def test_a_plan_needs_conditions_and_a_weight_for_each_line() -> None:
    for wrong in ({"happenings": ()}, {"rounds": 0}, {"weights": (1.0,)}):
        with pytest.raises(ValueError, match="a plan needs"):
            Plan(**{"happenings": (HOLE,), **wrong})  # type: ignore[arg-type]  # of mixed types by design


# Judging


def test_fates_before_and_after_commit() -> None:
    replies = [
        reply(0, 1.0),
        reply(1, 1.0, None),
        reply(2, 1.0, None, status=503, fault="status 503"),
        reply(3, 1.0, is_clean=False, fault="connection lost"),
        reply(4, 1.0, is_done=False),
        reply(5, 1.0, numbers=(1, 2, 2)),
    ]
    found = fates(replies, 3)
    assert (found.requests, found.refused, found.cut, found.truncated) == (6, 2, 1, 2)
    assert (found.lost, found.repeated) == (0, 1)
    assert found.faults == {"no end after 10 s": 1, "status 503": 1, "connection lost": 1}


def test_who_met_the_event_and_who_was_caught_by_it() -> None:
    replies = [
        reply(0, 5.0),  # answered before
        reply(1, 5.8),  # caught
        reply(2, 5.9, None),  # caught, never answered
        reply(3, 6.0),  # started at its beginning
        reply(4, 10.9),
        reply(5, 11.0),  # after it
    ]
    assert caught(replies, 6.0) == [1, 2]
    assert met(replies, 6.0, 11.0) == [1, 2, 3, 4]


def test_extra_waits_are_paired_and_need_a_twin_that_was_answered() -> None:
    replies = [reply(0, 1.0, 2.0), reply(1, 1.0, 0.4), reply(2, 1.0, 0.5)]
    twins = [reply(0, 1.0, 0.5), reply(1, 1.0, 0.5), reply(2, 1.0, None)]
    assert extra_waits(replies, twins, [0, 1, 2, 3]) == pytest.approx([1.5, -0.1])


def test_executions_beyond_the_first() -> None:
    assert doubled({"a": 1, "b": 3, "c": 2}) == 3


def _route(begun: float, line: str, *failovers: str) -> Route:
    return Route(begun, begun + 1.0, 200, line, (line,), failovers)


def test_a_row_of_a_turn() -> None:
    played = Played(
        HOLE,
        1,
        (reply(0, 1.0), reply(1, 5.8, 0.9), reply(2, 7.0, 0.6), reply(3, 12.0)),
        (_route(1.0, "cn2"), _route(7.0, "cu2", "line_down"), _route(11.5, "cn2"), _route(12.0, "cu2")),
        (
            Sighting(6.4, "cn2", SUSPECTED, "silent"),
            Sighting(6.8, "cn2", EJECTED),
            Sighting(7.0, "day", SUSPECTED),
            Sighting(12.0, "cn2", "relieved"),
            Sighting(13.0, "cn2", "admitted"),
        ),
        ("cn2",),
        {"x": 1, "y": 2},
        until=20.0,
    )
    twin = Played(QUIET, 1, tuple(reply(index, at) for index, at in enumerate((1.0, 5.8, 7.0, 12.0))))
    found = row(played, twin, 3, 0.2)
    assert found.detection.suspected == pytest.approx(0.4)
    assert found.detection.ejected == pytest.approx(0.8)
    assert (found.met, found.caught, found.doubled, found.fates.requests) == (2, 1, 1, 4)
    assert found.ttft == pytest.approx((0.6, 0.9, 0.9))
    assert found.twins == pytest.approx((0.5, 0.5, 0.5))
    assert found.extra == pytest.approx((0.4, 0.4, 0.4))
    assert found.goal == pytest.approx(0.5)
    assert (found.share_before, found.share_during, found.share_after) == (1.0, 0.0, 0.5)
    assert found.returned == pytest.approx(2.0)
    assert found.carried == pytest.approx(0.5)
    assert (found.wrong_ejections, found.wrong_suspicions) == (0, 1)
    assert found.failovers == {"line_down": 1}
    assert found.changes[0] == "6.400 cn2 suspected silent"
    assert misses(found) == []


def test_refusals_tell_how_soon_they_came() -> None:
    refused = reply(1, 7.0, None, ended=7.8, status=503, fault="status 503")
    played = Played(HOLE, 0, (reply(0, 1.0), refused), struck=("cn2",))
    found = row(played, Played(QUIET, 0), 3, 0.2)
    assert found.refused_after == pytest.approx((0.8, 0.8, 0.8))
    assert notes([found])[-1] == "hole, round 1: 1 refusals came after 800/800/800 ms"


def test_a_row_without_an_event_tells_all_requests_and_counts_every_ejection() -> None:
    played = Played(QUIET, 0, (reply(0, 1.0), reply(1, 7.0, 0.7)), (), (Sighting(9.0, "cn2", EJECTED),))
    found = row(played, played, 3, 0.2)
    assert found.ttft == pytest.approx((0.5, 0.7, 0.7))
    assert (found.met, found.caught, found.wrong_ejections) == (0, 0, 1)
    assert (found.twins, found.extra, found.share_during, found.returned, found.carried) == (None,) * 5


def test_a_turn_that_broke_has_a_row_that_says_so() -> None:
    found = row(Played(HOLE, 0, fault="edge isn't ready"), Played(QUIET, 0), 3, 0.2)
    assert misses(found) == ["edge isn't ready"]
    assert (found.ttft, found.extra) == (None, None)


def test_misses_in_words() -> None:
    bad = Fates(requests=9, refused=2, cut=1, truncated=1)
    found = Row("hole", 0, ("cn2",), bad, extra=(0.1, 0.9, 0.9), goal=0.5, wrong_ejections=1)
    assert misses(found) == [
        "2 requests failed before commit",
        "1 truncated replies, 0 lost and 0 repeated tokens",
        "1 wrong ejections",
        "caught requests wait 900 ms longer at p95, goal 500",
    ]
    may = Row("all lines", 0, ("cn2",), Fates(requests=9, refused=2), extra=(0.1, 0.9, 0.9), goal=0.5, may_fail=True)
    assert misses(may) == []


# The report


def _report() -> Report:
    quiet = Row("no event", 0, (), Fates(requests=10), ttft=(0.5, 0.6, 0.7))
    hit = Row(
        "hole",
        0,
        ("cn2",),
        Fates(requests=10, refused=1, cut=2, truncated=1),
        detection=Detection(0.4, None),
        ttft=(0.5, 0.6, 0.7),
        twins=(0.5, 0.5, 0.5),
        caught=3,
        extra=(0.1, 0.2, 0.3),
        goal=0.5,
        share_before=0.8,
        returned=inf,
        carried=1.25,
        troubles={"late_writes_percent": 3.5, "client_lag_p99_ms": 2.0},
    )
    return Report(Plan((HOLE,)), {"cpu": "x", "cores": 2}, (quiet, hit), 65.0)


def test_the_table() -> None:
    rows = table(_report().rows)
    assert [len(cells) for cells in rows] == [len(COLUMNS)] * 2
    assert dict(zip([head for head, _ in COLUMNS], rows[1], strict=True)) == {
        "condition": "hole",
        "struck": "cn2",
        "requests": "10",
        "failed before/after commit": "1/2, 1 truncated",
        "executed twice": "0",
        "suspected ms": "400",
        "ejected ms": "–",
        "TTFT met p50/95/99": "500/600/700",
        "same without": "500/500/500",
        "caught: extra p50/95/max": "3: 100/200/300 (≤ 500)",
        "share % before/during/after": "80/–/–",
        "good again ms": "never",
        "carries again ms": "1250",
        "wrong ejected/suspected": "0/0",
    }
    assert milliseconds(inf) == "never"


def test_notes_tell_misses_and_doubts() -> None:
    told = notes(_report().rows)
    assert told[0] == "hole, round 1: 1 requests failed before commit"
    assert told[-1] == "hole, round 1: doubtful, late_writes_percent 3.5"


def test_a_row_of_a_turn_with_faults_can_be_written() -> None:
    played = Played(HOLE, 0, (reply(0, 1.0, None),), (_route(1.0, "cn2", "line_down"),), struck=("cn2",))
    found = row(played, Played(QUIET, 0), 3, 0.2)
    plain = json.loads(json.dumps(document(Report(Plan((HOLE,)), {}, (found,), 1.0))))
    assert plain["rows"][0]["failovers"] == {"line_down": 1}
    assert plain["rows"][0]["fates"]["faults"] == {"no end after 10 s": 1}


def test_a_soak_can_be_written() -> None:
    soaked = Soak("internet-bad", ejections=Counter(cn2=1))
    soaked.add(fates([reply(0, 1.0, None)], 3))
    assert json.loads(json.dumps(plain_soak(soaked)))["ejections"] == {"cn2": 1}
    assert "1 requests, 1 failed before and 0 after commit" in str(soaked)


def test_markdown_and_json() -> None:
    text = markdown(_report())
    assert "| hole | cn2 | 10 |" in text
    assert "- hole, round 1: 1 requests failed before commit" in text
    plain = json.loads(json.dumps(document(_report()), allow_nan=False))
    assert plain["rows"][1]["returned"] == "never"
    assert plain["rows"][1]["detection"] == {"suspected": 0.4, "ejected": None}
    assert plain["plan"]["happenings"] == ["hole"]


# Weights


def test_shares_against_what_was_wanted() -> None:
    routes = [_route(0.1, "cn2"), _route(0.2, "cn2"), _route(0.3, "cu2"), Route(0.4, 1.0, 503, "", ())]
    found = shares("as configured", routes, {"cn2": 50.0, "cu2": 30.0, "day": 20.0})
    assert found.requests == 3
    assert found.found == pytest.approx({"cn2": 2 / 3, "cu2": 1 / 3, "day": 0.0})
    assert found.worst == pytest.approx(0.2)
    assert "day 0.0 % (wanted 20)" in str(found)
    assert Shares("none", 0, {"cn2": 1.0}, {}).worst == 1.0
