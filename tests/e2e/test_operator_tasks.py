"""An operator's tasks come to the same in the console, by the API and by commands, and are in the audit log."""

from __future__ import annotations

import pytest

from tests.bench.operator_tasks import TASKS, WAYS, disagreements, perform, table, troubled


@pytest.mark.timeout(300)  # fifteen tasks, a browser and a dozen processes, on a machine that may be busy
def test_console_api_and_commands_agree() -> None:
    with troubled() as running:
        done = perform(running)
        assert "Traceback" not in running.edge.err.read_text()
    assert disagreements(done) == []
    by = {(each.task, each.way): each.outcome for each in done}
    assert by.keys() == {(task, way) for task in TASKS for way in WAYS}
    for way in WAYS:
        assert by["worst line", way] == {"line": "cu2", "is_out": True}
        assert by["slow request", way]["is_waiting"]
        assert by["slow request", way]["why"]
        assert by["slow request", way]["ms"] > 1400
        assert by["silence", way] == {"silenced": "line-down", "subject": "cu2"}
    (drained,) = {tuple(each.after["switches"].items()) for each in done if each.task == "drain"}
    assert dict(drained) == {"cn2": "on", "cu2": "on", "cmi": "draining"}
    (weights,) = {tuple(each.after["weights"].items()) for each in done if each.task == "weights"}
    assert dict(weights) == {"cn2": 40.0, "cu2": 100.0, "cmi": 120.0}
    assert len(table(done).splitlines()) == 2 + len(TASKS)
