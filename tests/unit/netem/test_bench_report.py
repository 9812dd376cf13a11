"""Reports: JSON that is JSON, tables that say what is missing, a page that parses."""

from __future__ import annotations

import json
from math import nan
from xml.etree import ElementTree

import pytest

from netem.bench import svg
from netem.bench.figures import Figure, cells
from netem.bench.page import page
from netem.bench.plan import Condition, Load, Plan
from netem.bench.record import Reply, Turn
from netem.bench.report import Report, document, doubts, markdown, number, rows, with_interval

LOAD = Load(streams=2, requests=4, tokens=3)
PLAN = Plan(("direct-bbr", "farline-2", "nginx"), (Condition("cn2", "blackhole-1"),), LOAD, rounds=1)


def _turn(system: str, gap: float, **changes: object) -> Turn:
    replies = []
    for index in range(4):
        arrivals = tuple(0.3 + index + gap * n for n in range(3))
        sent = tuple(at - 0.09 for at in arrivals)
        replies.append(
            Reply(index, float(index), float(index), arrivals[-1], 200, (1, 2, 3), arrivals, sent, True, True)
        )
    return Turn(system, "cn2", "blackhole-1", "sse", 0, 1, tuple(replies), **changes)  # type: ignore[arg-type]


def _report(*turns: Turn) -> Report:
    return Report(PLAN, {"kernel": "6", "cores": 2}, cells(turns, LOAD, baseline="direct-bbr", seed=1), turns, 61.0)


REPORT = _report(
    _turn("farline-2", 0.03, troubles={"load_average": 9.0, "overruns": 2.0}, system_cpu_seconds=0.01),
    _turn("direct-bbr", 0.8),
    Turn("nginx", "cn2", "blackhole-1", "sse", 0, 1, fault="not installed: nginx"),
)


def test_json_has_no_values_that_json_has_not() -> None:
    text = json.dumps(document(REPORT), allow_nan=False)
    read = json.loads(text)
    assert [cell["system"] for cell in read["cells"]] == ["farline-2", "direct-bbr", "nginx"]
    assert read["cells"][2]["stall_ratio"] is None
    assert read["plan"]["load"]["tokens"] == 3
    assert read["doubts"] == ["farline-2, cn2 + blackhole-1: overruns 2.0"]


def test_the_markdown_names_everything() -> None:
    text = markdown(REPORT)
    assert text.index("| direct-bbr |") < text.index("| farline-2 |")
    assert "nginx: not installed: nginx" in text
    assert "Ratios to direct-bbr" in text
    assert "## Doubts" in text
    calm = markdown(_report(_turn("farline-2", 0.03)))
    assert "Doubts" not in calm
    assert "Ratios" not in calm


def test_what_clients_saw_go_wrong_is_said() -> None:
    broken = Reply(0, 0.0, 0.0, 3.0, 502, fault="status 502")
    text = markdown(_report(Turn("farline-2", "cn2", "blackhole-1", "sse", 0, 1, (broken,))))
    assert "clients saw: status 502" in text


def test_small_delays_of_the_machine_are_no_doubt() -> None:
    assert (
        doubts(_report(_turn("farline-2", 0.03, troubles={"client_lag_p99_ms": 4.0, "late_writes_percent": 1.0}))) == []
    )


def test_cells_without_figures_have_no_row() -> None:
    under = REPORT.under(PLAN.conditions[0])
    assert [row[0] for row in rows(under)] == ["direct-bbr", "farline-2"]


def test_numbers() -> None:
    assert [number(None), number(nan), number(1.26, 1)] == ["–", "–", "1.3"]
    assert [with_interval(None), with_interval(Figure(nan, (nan, nan)))] == ["–", "–"]
    assert with_interval(Figure(12.0, (10.0, 14.4))) == "12 [10–14]"


@pytest.mark.parametrize("event", ["blackhole-1", ""])
def test_the_page_is_one_file_of_well_formed_plots(event: str) -> None:
    turns = [Turn(t.system, "cn2", event, "sse", 0, 1, t.replies) for t in REPORT.turns if t.replies]
    text = page(_report(*turns))
    drawn = text.split("<svg")[1:]
    for each in drawn:
        ElementTree.fromstring("<svg" + each.partition("</svg>")[0] + "</svg>")
    assert ("Tokens that arrived" in text) == bool(event)
    assert "http" not in text.replace("http/1.1", "")
    assert text.count('class="g4"') == 8  # direct-bbr's gaps of 0.8 s


def test_the_page_tells_doubts_and_faults() -> None:
    text = page(REPORT)
    assert "Doubts" in text
    assert "not installed: nginx" in text
    empty = page(_report(Turn("nginx", "cn2", "blackhole-1", "sse", 0, 1, fault="gone")))
    assert "<svg" not in empty


def test_scales_keep_what_is_outside_on_their_edge() -> None:
    scale = svg.Scale(10.0, 1000.0, 0.0, 100.0, is_log=True)
    assert [scale.at(value) for value in (1.0, 100.0, 5000.0)] == pytest.approx([0.0, 50.0, 100.0])
    assert svg.Scale(0.0, 4.0, 100.0, 0.0).at(1.0) == 75.0


def test_distributions() -> None:
    values = [float(n) for n in range(1, 11)]
    assert svg.distribution(values, is_tail=False)[-1] == (10.0, 1.0)
    assert svg.distribution(values, is_tail=True)[0] == (1.0, 1.0)
    assert svg.distribution([], is_tail=True) == []
    assert svg.style(1) == "line c1"
    assert svg.style(9) == "line c1 dashed"


def test_a_late_token_is_drawn_where_it_was_late() -> None:
    drawn = svg.strips([[(1.0, 2.0, 3)], []], 4.0, shade=(1.0, 2.0))
    assert drawn.count('class="g3"') == 1
    assert drawn.count('class="shade"') == 1
    assert 'class="shade"' not in svg.strips([[]], 4.0)
