"""Sightings and routes of the failover measurement: from what a node shows and logs to times."""

from __future__ import annotations

import json
from math import inf

import pytest

from tests.bench.failover.watching import (
    ADMITTED,
    EJECTED,
    PROBATION,
    RELIEVED,
    SUSPECTED,
    Detection,
    Route,
    Sighting,
    State,
    busiest,
    carried_again,
    detection,
    differences,
    history,
    other_changes,
    read_changes,
    read_exposition,
    read_routes,
    returned,
    share,
    wrong,
)

EXPOSITION = """\
# TYPE farline_line_standing gauge
farline_line_standing{line="cn2",standing="admitted"} 0.0
farline_line_standing{line="cn2",standing="ejected"} 1.0
farline_line_standing{line="cu2",standing="admitted"} 1.0
farline_line_standing{line="cu2",standing="ejected"} 0.0
farline_line_suspected{line="cn2"} 0.0
farline_line_suspected{line="cu2"} 1.0
farline_line_rtt_seconds{line="cn2"} 1.0
"""


def test_states_are_read_from_the_metrics() -> None:
    assert read_exposition(EXPOSITION) == {"cn2": State(EJECTED), "cu2": State(ADMITTED, is_suspected=True)}


def test_differences_between_two_looks() -> None:
    before = {"cn2": State(), "day": State(ADMITTED, is_suspected=True)}
    now = {"cn2": State(EJECTED, is_suspected=True), "day": State(), "new": State(PROBATION), "same": State()}
    assert differences(3.0, before, now) == [
        Sighting(3.0, "cn2", EJECTED),
        Sighting(3.0, "cn2", SUSPECTED),
        Sighting(3.0, "day", RELIEVED),
        Sighting(3.0, "new", PROBATION),
    ]


def test_a_course_begins_good_and_follows_the_words() -> None:
    sightings = [Sighting(2.0, "a", EJECTED), Sighting(1.0, "a", SUSPECTED), Sighting(1.5, "b", EJECTED)]
    assert history(sightings, "a") == [
        (-inf, State()),
        (1.0, State(ADMITTED, is_suspected=True)),
        (2.0, State(EJECTED, is_suspected=True)),
    ]
    assert history(sightings, "c") == [(-inf, State())]


def test_detection_is_the_first_of_each_after_the_beginning() -> None:
    sightings = [
        Sighting(5.0, "a", SUSPECTED),  # before it began
        Sighting(6.4, "a", SUSPECTED),
        Sighting(6.1, "b", SUSPECTED),  # not struck
        Sighting(7.0, "a", EJECTED),
        Sighting(9.0, "a", EJECTED),
    ]
    found = detection(sightings, ["a"], 6.0)
    assert found.suspected == pytest.approx(0.4)
    assert found.ejected == pytest.approx(1.0)
    assert detection([], ["a"], 6.0) == Detection()


OUT = [Sighting(6.5, "a", EJECTED)]


@pytest.mark.parametrize(
    ("more", "expected"),
    [
        ([], inf),  # never back
        ([Sighting(12.0, "a", PROBATION), Sighting(13.0, "a", ADMITTED)], 2.0),
        ([Sighting(8.0, "a", ADMITTED)], 0.0),  # back before it was over
        ([Sighting(12.0, "a", ADMITTED), Sighting(12.5, "a", EJECTED), Sighting(15.0, "a", ADMITTED)], 4.0),  # flapped
        ([Sighting(19.5, "a", ADMITTED)], 8.5),  # half a second before we looked away
        ([Sighting(8.0, "a", ADMITTED), Sighting(15.0, "a", SUSPECTED)], 0.0),  # something later is another story
    ],
)
def test_a_line_is_back_when_it_stays(more: list[Sighting], expected: float) -> None:
    assert returned([*OUT, *more], "a", 6.0, 11.0, 20.0) == pytest.approx(expected)


def test_a_line_that_was_good_all_the_time_did_not_return() -> None:
    assert returned([], "a", 6.0, 11.0, 20.0) is None
    assert returned([Sighting(2.0, "a", EJECTED), Sighting(4.0, "a", ADMITTED)], "a", 6.0, 11.0, 20.0) is None
    assert returned([Sighting(2.0, "a", EJECTED), Sighting(12.0, "a", ADMITTED)], "a", 6.0, 11.0, 20.0) == 1.0


def test_what_is_wrong_is_what_hit_the_innocent_or_came_before() -> None:
    early, guilty, innocent = Sighting(2.0, "a", EJECTED), Sighting(7.0, "a", EJECTED), Sighting(7.0, "b", EJECTED)
    assert wrong([early, guilty, innocent, Sighting(8.0, "b", SUSPECTED)], EJECTED, ["a"], 6.0) == [early, innocent]


def test_changes_are_read_from_the_log() -> None:
    rows = [
        {"at": "2026-01-01T00:00:02.500Z", "log": "farline.health", "kind": "line", "id": "cn2", "after": "ejected"},
        {"at": "2026-01-01T00:00:02.600Z", "log": "farline.health", "kind": "path", "id": "cn2", "after": "ejected"},
        {
            "at": "2026-01-01T00:00:02.700Z",
            "log": "farline.health",
            "kind": "line",
            "id": "cu2",
            "after": "admitted",
            "reason": "answers",
        },
        [1],
    ]
    text = "\n".join([*map(json.dumps, rows), "not JSON"])
    zero = 1_767_225_600.0  # 2026-01-01
    found = read_changes(text, zero)
    assert [(round(each.at, 3), each.line, each.word) for each in found] == [
        (2.5, "cn2", EJECTED),
        (2.7, "cu2", ADMITTED),
    ]
    assert [each.reason for each in found] == ["", "answers"]
    assert other_changes(text) == {"path cn2 ejected": 1}


def _request(**changes: object) -> str:
    said: dict[str, object] = {
        "at": "2026-01-01T00:00:03.000Z",
        "log": "request",
        "status": 200,
        "path": "cu2/direct/far1",
        "attempts": [{"path": "cn2/direct/far1"}, {"path": "cu2/direct/far1"}],
        "failovers": ["connection_timeout"],
        "duration_ms": 2000.0,
        "failure": None,
    }
    return json.dumps({**said, **changes})


def test_routes_are_read_from_the_request_log() -> None:
    text = "\n".join(
        [_request(), _request(path=None, attempts=[], failovers=[], failure="no_route", status=503), '{"at']
    )
    assert read_routes(text, 1_767_225_600.0) == [
        Route(1.0, 3.0, 200, "cu2", ("cn2", "cu2"), ("connection_timeout",)),
        Route(1.0, 3.0, 503, "", (), (), "no_route"),
    ]


def _route(begun: float, *lines: str, status: int = 200) -> Route:
    return Route(begun, begun + 1.0, status, lines[-1] if lines else "", lines)


def test_shares_are_those_of_first_attempts() -> None:
    routes = [_route(1.0, "a"), _route(2.0, "a", "b"), _route(2.5, "b"), _route(2.6), _route(5.0, "a")]
    assert share(routes, ["a"], 0.0, 3.0) == pytest.approx(2 / 3)
    assert share(routes, ["a"], 6.0, 9.0) is None


def test_the_busiest_line_is_the_active_one() -> None:
    assert busiest([_route(1.0, "b"), _route(2.0, "b", "c"), _route(3.0, "c"), _route(4.0)], ["a", "c", "b"]) == [
        "b",
        "c",
        "a",
    ]


def test_a_line_carries_again_with_the_first_request_answered_over_it() -> None:
    routes = [_route(10.5, "a"), _route(11.5, "a", status=502), _route(13.0, "b", "a"), _route(14.0, "a")]
    assert carried_again(routes, "a", 11.0) == pytest.approx(2.0)
    assert carried_again(routes, "c", 11.0) is None
