from __future__ import annotations

from typing import Any

import pytest

from edge.control.requests import Wanted, document, documents, recent_by_line, wanted
from edge.control.why import sentence
from edge.dialects.facts import Facts
from edge.observe.record import AttemptTrace, RequestRecord
from transport.failure import Code, Failure, Origin, Verdict
from transport.path import Path

CN2, CU2 = Path("cn2", "openai"), Path("cu2", "openai")
FAULT = Failure(Origin.LINE, Verdict.SAFE, Code.CONNECTION_TIMEOUT)
UTC_OFFSET = 1_795_348_800.0 - 10.0


def record(**more: Any) -> RequestRecord:
    known: dict[str, Any] = {
        "provider": "openai",
        "principal": "app",
        "facts": Facts("chat", model="gpt"),
        "path": CN2,
        "attempts": [AttemptTrace(CN2, "committed", 200, None)],
        "status": 200,
        "ended_at": 11.0,
    }
    return RequestRecord("r-1", 10.0, "127.0.0.1", "POST", "/v1/chat/completions", **{**known, **more})


FAILED_OVER = record(
    attempts=[AttemptTrace(CU2, "failed", None, "connection_timeout"), AttemptTrace(CN2, "x", 200, None)]
)
NEVER_ROUTED = record(path=None, facts=None, attempts=[], status=401, failure=FAULT)


@pytest.mark.parametrize(
    ("query", "found"),
    [
        ({}, [0, 1, 2]),
        ({"line": "cu2"}, [1]),
        ({"line": "cn2"}, [0, 1]),
        ({"provider": "azure"}, []),
        ({"principal": "app", "limit": "1"}, [0]),
        ({"model": "gpt"}, [0, 1]),
        ({"status": "401"}, [2]),
        ({"failed": "true"}, [2]),
        ({"failed": "false"}, [0, 1, 2]),
        ({"slower_than_ms": "999"}, [0, 1, 2]),
        ({"slower_than_ms": "1000"}, []),
    ],
)
def test_filters(query: dict[str, str], found: list[int]) -> None:
    records = [record(), FAILED_OVER, NEVER_ROUTED]
    told = documents(records, wanted(query), UTC_OFFSET)
    assert [each["status"] for each in told] == [records[index].status for index in found]
    assert [each["attempts"] for each in told] == [document(records[index], 0.0)["attempts"] for index in found]


def test_slow_is_who_waited_long_for_a_first_byte() -> None:
    assert Wanted(slower_than_ms=400).has(record(first_byte_at=10.5))
    assert not Wanted(slower_than_ms=600).has(record(first_byte_at=10.5))


def test_a_failure_of_status_below_400_counts_too() -> None:
    assert Wanted(failed=True).has(record(failure=FAULT))
    assert Wanted(failed=True).has(record(status=500))
    assert not Wanted(failed=True).has(record())


@pytest.mark.parametrize(
    ("query", "said"),
    [
        ({"limti": "5"}, "limti: unknown"),
        ({"limit": "0"}, "limit: expected an integer from 1 to 500"),
        ({"limit": "x"}, "limit"),
        ({"limit": "٣"}, "limit"),
        ({"status": "900"}, "status: expected an integer from 0 to 599"),
        ({"failed": "yes"}, "failed: expected true or false"),
    ],
)
def test_wrong_filters(query: dict[str, str], said: str) -> None:
    with pytest.raises(ValueError, match=said):
        wanted(query)


def test_when_it_came() -> None:
    assert document(record(), UTC_OFFSET)["at"] == "2026-11-22T12:00:00Z"


def test_requests_of_the_last_minute() -> None:
    records = [
        record(ended_at=100.0),
        record(ended_at=90.0, path=CU2),
        record(ended_at=80.0, path=None),
        record(ended_at=30.0),
    ]
    assert recent_by_line(records, 100.0) == {"cn2": 1, "cu2": 1}
    assert recent_by_line([], 100.0) == {}
    through = record(path=Path("cn2+cu2", "openai", "sjc"), line="cu2", ended_at=99.0)
    assert recent_by_line([through, *records], 100.0) == {"cn2": 1, "cu2": 2}


def path(name: str, cost: float | None = None, **terms: float) -> dict[str, Any]:
    return {
        "path": f"{name}/direct/openai",
        "cost": cost,
        "terms": [{"name": term, "cost": value} for term, value in terms.items()],
    }


def told(made: RequestRecord | None = None) -> dict[str, Any]:
    return document(made or record(), 0.0)


def test_a_choice_by_cost() -> None:
    ranking = {
        "policy": "best",
        "paths": [path("cn2", 180.0, rtt=180.0), path("cu2", 260.4, rtt=200.0, loss=60.4)],
        "excluded": [path("cmi")],
    }
    assert sentence(told(), ranking) == (
        "cn2/direct/openai was chosen by policy best at a cost of 180.0 ms; next was cu2/direct/openai at 260.4 ms, "
        "mostly for its loss (+60.4 ms); 1 could not be used."
    )


def test_a_choice_among_equals_and_one_without_rivals() -> None:
    equal = {"policy": "best", "paths": [path("cn2", 5.0, rtt=5.0), path("cu2", 5.0, rtt=5.0)]}
    assert sentence(told(), equal).endswith("next was cu2/direct/openai at 5.0 ms.")
    bare = {"policy": "best", "paths": [path("cn2", 5.0), path("cu2", 5.0)]}
    assert sentence(told(), bare).endswith("next was cu2/direct/openai at 5.0 ms.")
    alone = {"policy": "best", "paths": [path("cn2", 5.0), path("cu2")], "note": "pinned"}
    assert sentence(told(), alone) == "cn2/direct/openai was chosen by policy best (pinned) at a cost of 5.0 ms."
    assert sentence(told(), {"policy": "weighted", "paths": [path("cn2")]}) == (
        "cn2/direct/openai was chosen by policy weighted."
    )


def test_a_request_that_another_path_answered() -> None:
    ranking = {"policy": "weighted", "paths": [path("cu2"), path("cn2")]}
    assert sentence(told(FAILED_OVER), ranking).endswith(
        "It was answered over cn2/direct/openai after cu2/direct/openai failed (connection_timeout)."
    )
    assert sentence(told(), ranking).endswith("It was answered over cn2/direct/openai.")


def test_requests_that_failed() -> None:
    ranking = {"policy": "weighted", "paths": [path("cn2")]}
    assert sentence(told(NEVER_ROUTED), None) == "No path was chosen. Nothing was sent: connection_timeout."
    assert sentence(told(), {"policy": "best", "paths": []}) == "No path was chosen."
    all_failed = record(path=None, failure=FAULT, attempts=[AttemptTrace(CN2, "failed", None, "connection_timeout")])
    assert sentence(told(all_failed), ranking).endswith("It failed: connection_timeout.")
    assert sentence(told(record(path=None)), ranking).endswith("by policy weighted.")
    assert sentence(told(record(failure=FAULT)), ranking).endswith("The reply was cut: connection_timeout.")
