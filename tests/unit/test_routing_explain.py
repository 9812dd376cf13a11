from __future__ import annotations

import json

from edge.routing.explain import as_document, explain
from health.standing import Standing
from health.view import EndpointHealth, HealthView, LineHealth, PathHealth
from tests.support.routing import Desk, endpoint, named, ranked, rtt, rtts
from transport.path import Line, Path


def test_the_ranking_is_the_choice_in_its_order() -> None:
    desk = Desk(named("abc"), view=rtts(a=300, b=150, c=200))
    choice = desk.ask()
    ranking = explain(choice)
    assert tuple(each.path for each in ranking.paths) == choice.paths
    assert (ranking.policy, ranking.decided_at) == ("best", 100.0)
    assert [each.cost for each in ranking.paths] == [150.0, 200.0, 300.0]
    assert explain(choice) == ranking


def test_a_choice_can_be_told_long_after_the_view_has_changed() -> None:
    desk = Desk(named("ab"), view=rtts(a=150, b=200))
    choice = desk.ask()
    before = explain(choice)
    desk.view = rtts(a=900, b=1)
    desk.ask()
    assert explain(choice) == before


def test_why_for_people() -> None:
    view = HealthView(
        {
            "a": LineHealth(Standing.EJECTED, reason="silent for 430 ms"),
            "b": LineHealth(is_suspected=True, reason="no answer for 380 ms"),
            "c": LineHealth(rtt=rtt(100)),
        },
        {Path("c", "eu"): PathHealth(Standing.PROBATION, reason="3 dials failed")},
        {"us": EndpointHealth(penalised_until=9.0)},
    )
    lines = (*named("abc"), Line("d", weight=0, tier=2), Line("e"))
    ends = (endpoint("us"), endpoint("eu"))
    ranking = Desk(lines, ends, view, settings={"explore_ratio": 0.0}).why()
    unknown = "not measured yet: figures are the others' median"
    assert ranked(ranking, "a", "eu").note == f"ejected: silent for 430 ms; {unknown}"
    assert ranked(ranking, "b", "eu").note == f"suspected: no answer for 380 ms; {unknown}"
    assert ranked(ranking, "c").note == "its endpoint asked for less traffic"
    assert ranked(ranking, "c", "eu").note == "on probation: 3 dials failed"
    assert ranked(ranking, "d", "eu").note == f"weight 0; tier 2; {unknown}"
    assert ranking.note == "trial: one request a second tries what is on probation"


def test_suspected_without_a_reason() -> None:
    ranking = Desk(named("ab"), view=HealthView({"a": LineHealth(is_suspected=True, rtt=rtt(1))})).why()
    assert ranked(ranking, "a").note == "suspected"


def test_weighted_has_an_order_and_no_cost() -> None:
    ranking = Desk((Line("a", weight=50), Line("b", weight=100)), policy="weighted").why()
    assert [each.path.line for each in ranking.paths] == ["b", "a"]
    assert ranking.note == "its turn by weight"
    for each in ranking.paths:
        assert each.cost is None
        assert each.note == "takes turns"
    assert [(term.name, term.value, term.cost) for term in ranking.paths[1].terms] == [
        ("place", 0, 0.0),
        ("line_weight", 50.0, 0.0),
    ]


def test_a_document_for_the_api() -> None:
    desk = Desk(named("ab"), view=rtts(a=150.5, b=150))
    document = as_document(explain(desk.ask(wanted="a", sticky=b"x")))
    assert json.loads(json.dumps(document)) == {
        "policy": "best",
        "note": "",
        "decided_at": 100.0,
        "paths": [
            {
                "path": "a/direct/us",
                "line": "a",
                "relay": None,
                "endpoint": "us",
                "cost": 150.5,
                "terms": [{"name": "rtt", "value": 150.5, "unit": "ms", "cost": 150.5}],
                "note": "",
            }
        ],
        "excluded": [
            {
                "path": "b/direct/us",
                "line": "b",
                "relay": None,
                "endpoint": "us",
                "cost": None,
                "terms": [],
                "note": "the request names a",
            }
        ],
    }
    assert explain(desk.ask()).paths[0].note == "in use, among equals"
