"""[alert] and [[alert.rule]]."""

from __future__ import annotations

from edge.config.read import Outcome, read
from health.alert_rules import DEFAULTS
from health.alerts import Measure, Severity


def outcome(text: str) -> Outcome:
    return read(text, {"SINK": "json://localhost/x"}, lambda name: b"")


def faults(text: str) -> list[str]:
    return [f"{fault.key_path}: {fault.problem}" for fault in outcome(text).faults]


def test_without_a_section_the_built_in_rules_hold() -> None:
    found = outcome("[node]\n").snapshot
    assert found is not None
    assert (found.alert.sinks, found.alert.rules) == ((), DEFAULTS)


def test_rules_are_changed_added_and_taken_away() -> None:
    found = outcome(
        '[alert]\nsinks = ["env:SINK"]\n'
        '[[alert.rule]]\nid = "line-loss"\nthreshold = 0.1\n'
        '[[alert.rule]]\nid = "ttft"\nenabled = false\n'
        '[[alert.rule]]\nid = "slow"\nmeasure = "line_rtt"\nthreshold = 0.4\nclear = 0.3\nseverity = "info"\n'
        'subjects = ["cn2"]\n'
    ).snapshot
    assert found is not None
    rules = {rule.id: rule for rule in found.alert.rules}
    assert (rules["line-loss"].threshold, rules["line-loss"].clear) == (0.1, 0.05)
    assert "ttft" not in rules
    assert (rules["slow"].measure, rules["slow"].severity) == (Measure.LINE_RTT, Severity.INFO)
    assert [sink.value for sink in found.alert.sinks] == ["json://localhost/x"]


def test_faults() -> None:
    assert faults("[[alert.rule]]\nthreshold = 1\n") == ["alert.rule[0]: id is missing"]
    assert faults('[[alert.rule]]\nid = "ttft"\n[[alert.rule]]\nid = "ttft"\n') == [
        'alert.rule[1].id: "ttft" is there twice'
    ]
    assert faults('[[alert.rule]]\nid = "ttft"\nmeasure = "sessions"\n') == [
        "alert.rule[0].measure: ttft judges ttft_p95"
    ]
    assert faults('[[alert.rule]]\nid = "mine"\nmeasure = "sessions"\n') == [
        "alert.rule[0]: threshold is missing",
        "alert.rule[0]: clear is missing",
    ]
    assert faults('[[alert.rule]]\nid = "mine"\nmeasure = "x"\nthreshold = 1\nclear = 0\n') == [
        'alert.rule[0].measure: "x" is not one of them'
    ]
    assert faults('[alert]\nsinks = ["slack://token"]\n') == [
        "alert.sinks[0]: a secret may not stand in the file (value not shown)"
    ]
